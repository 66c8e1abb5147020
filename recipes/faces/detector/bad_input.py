"""Pictures that detectors stumble over, with what is true of them."""

from typing import Any, Protocol

import numpy as np
from PIL import Image

from pixelsmile.faces.face import Face
from recipes.faces.detector.placing import Placement
from recipes.faces.detector.pool import Pool
from recipes.faces.detector.scenes import Scene, compose
from recipes.faces.detector.scoring import Detections

_SIDE_PX = 256
_GREY = 150
_CROWD_COLUMNS, _CROWD_ROWS, _CROWD_TILE_PX = 25, 20, 64  # 500 faces of about 28 px


class _Detector(Protocol):
    def detect(self, image: Image.Image) -> list[Face]: ...


def bad_input(detector: _Detector, pool: Pool) -> dict[str, dict[str, Any]]:
    """What is found in each picture: faces to find, how many of them are found, and what is found besides."""
    return {name: _counted(detector, scene) for name, scene in pictures(pool).items()}


def pictures(pool: Pool) -> dict[str, Scene]:
    """By name. All faces of a scene are to be found; one of 5 px is not in the truth."""
    middle, far = _SIDE_PX / 2, _SIDE_PX * 0.85
    whole = compose(pool, _wall(_SIDE_PX, _SIDE_PX), [_person(0, 256, (middle, middle))])
    grey_HW = np.asarray(Image.fromarray(whole.pixels).convert("L"))
    tiny = compose(pool, _wall(_SIDE_PX, _SIDE_PX), [_person(0, 10, (middle, middle))])
    return {
        "no face": Scene(_wall(_SIDE_PX, _SIDE_PX), []),
        "one pixel": Scene(_wall(1, 1), []),
        "a line": Scene(_wall(1000, 1), []),
        "half a face, left": compose(pool, _wall(_SIDE_PX, _SIDE_PX), [_person(1, 256, (3.0, middle))]),
        "half a face, right": compose(
            pool, _wall(_SIDE_PX, _SIDE_PX), [_person(2, 256, (_SIDE_PX - 3.0, middle))]
        ),
        "half a face, below": compose(
            pool, _wall(_SIDE_PX, _SIDE_PX), [_person(3, 256, (middle, _SIDE_PX - 3.0))]
        ),
        "a face at the border": compose(pool, _wall(_SIDE_PX, _SIDE_PX), [_person(3, 128, (far, far))]),
        "a face of 5 px": Scene(tiny.pixels, []),
        "grey": Scene(np.repeat(grey_HW[..., None], 3, axis=-1), whole.faces),
        "500 faces": _crowd(pool),
    }


def _crowd(pool: Pool) -> Scene:
    places = [(x, y) for y in range(_CROWD_ROWS) for x in range(_CROWD_COLUMNS)]
    people = [
        _person(index % len(pool), _CROWD_TILE_PX, ((x + 0.5) * _CROWD_TILE_PX, (y + 0.5) * _CROWD_TILE_PX))
        for index, (x, y) in enumerate(places)
    ]
    return compose(pool, _wall(_CROWD_COLUMNS * _CROWD_TILE_PX, _CROWD_ROWS * _CROWD_TILE_PX), people)


def _person(portrait: int, side_px: int, centre: tuple[float, float]) -> Placement:
    return Placement(portrait, side_px, 0.0, False, centre)


def _wall(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), _GREY, np.uint8)


def _counted(detector: _Detector, scene: Scene) -> dict[str, Any]:
    faces = detector.detect(Image.fromarray(scene.pixels))
    total = Detections()
    total.add(faces, scene.faces, [])
    return {
        "to_find": len(scene.faces),
        "found": sum(map(bool, total.found_at)),
        "besides": total.right.count(False),
    }
