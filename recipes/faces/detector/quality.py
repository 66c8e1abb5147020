"""How good a detector is: on identities that it was never trained on, against drawn truth.

    python -m recipes.faces.detector.quality --detector runs/faces/detector/finished

One portrait alone at 256 px: overlap of the boxes, landmark errors in % of the eye distance, overlap of the
masks. Scenes of 512 px with up to 24 people: average precision, recall by size. Scenes without a face: what
is found all the same. And bad input, one picture of each kind.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain
from pixelsmile.faces.detectors.candidates import intersection_over_union
from pixelsmile.faces.detectors.drawn import DrawnDetector
from pixelsmile.faces.face import Face
from pixelsmile.portraits import draw_portrait, sample_identity
from recipes.augmentation import damaged
from recipes.command_line import mean_or_none, refusing, rounded, whole, write_report
from recipes.faces.detector.backgrounds import KINDS
from recipes.faces.detector.objective import must_be_found
from recipes.faces.detector.plan import Plan
from recipes.faces.detector.pool import Pool, planned_drawings, pool_of
from recipes.faces.detector.scenes import Placement, Scene, SceneFace, compose, sample_scene
from recipes.random_faces import Drawing

PORTRAIT_PX, SCENE_PX, EMPTY_PX = 256, 512, 320
_MOST_PEOPLE = 24
_SURE, _UNSURE = 0.5, 0.2  # the threshold; less sure faces down to the other count in average precision
_SCENE, _EMPTY = 1, 2  # streams of random numbers, apart from those of the drawings


IOU = 0.5  # from which on a box is that of a face
_SIZE_BINS_PX = (0, 12, 16, 24, 48, 96, 100_000)
_SIDE_PX = 256
_GREY = 150
_CROWD_COLUMNS, _CROWD_ROWS, _CROWD_TILE_PX = 25, 20, 64  # 500 faces of about 28 px


class MaskingDetector(Protocol):
    """What is measured."""

    def detect(self, image: Image.Image) -> list[Face]: ...

    def mask(self, image: Image.Image, face: Face) -> np.ndarray: ...


@dataclass
class Singles:
    """Adds up portraits of one person, alone in the picture. Faces not found count in the boxes, as 0."""

    boxes: list[float] = field(default_factory=list)
    errors: list[np.ndarray] = field(default_factory=list)
    masks: list[float] = field(default_factory=list)
    extra_faces: int = 0

    def add(self, detector: MaskingDetector, drawing: Drawing) -> None:
        """Measure one portrait; the surest face is taken for the one that was drawn."""
        identity = sample_identity(drawing.identity_seed)
        portrait = draw_portrait(identity, drawing.units, drawing.domain, PORTRAIT_PX)
        faces = detector.detect(portrait.image)
        self.extra_faces += max(0, len(faces) - 1)
        self.boxes.append(box_overlap(faces[0], portrait.truth.face_box) if faces else 0.0)
        if faces:
            assert faces[0].landmarks_5 is not None
            self.errors.append(landmark_errors(faces[0].landmarks_5, portrait.truth.landmarks_5))
            self.masks.append(mask_overlap(detector.mask(portrait.image, faces[0]), portrait.truth.face_mask))

    def summary(self) -> dict[str, Any]:
        """Landmark errors are of all five landmarks of the portraits where a face was found."""
        boxes = np.asarray(self.boxes)
        errors = np.concatenate(self.errors) if self.errors else np.zeros(0)
        return {
            "portraits": len(boxes),
            "not_found": len(boxes) - len(self.errors),
            "extra_faces": self.extra_faces,
            "box_iou": mean_or_none(boxes),
            "box_iou_over_0.5": mean_or_none(boxes > 0.5),
            "box_iou_over_0.75": mean_or_none(boxes > 0.75),
            "landmark_error_percent": mean_or_none(errors),
            "landmark_error_percent_p95": rounded(np.percentile(errors, 95)) if errors.size else None,
            "mask_iou": mean_or_none(self.masks),
        }


@dataclass
class Detections:
    """Adds up what was found in scenes."""

    scores: list[float] = field(default_factory=list)  # of each face that was found
    right: list[bool] = field(default_factory=list)  # whether it is one
    sizes_px: list[float] = field(default_factory=list)  # of each face that must be found
    found_at: list[float] = field(default_factory=list)  # the score that it was found with; 0 if it was not
    num_scenes: int = 0

    def add(
        self, faces: Sequence[Face], required: Sequence[SceneFace], optional: Sequence[SceneFace]
    ) -> None:
        """Count one scene, the surest face first; each true face is found at most once.

        A face found where there is only an optional one counts neither way.
        """
        found_at = [0.0] * len(required)
        for face in sorted(faces, key=lambda face: -face.score):
            overlaps = _overlaps(face, required)
            free = np.where(found_at, 0.0, overlaps)
            hit = bool(free.max(initial=0.0) >= IOU)
            if hit:
                found_at[int(free.argmax())] = face.score
            elif _overlaps(face, optional).max(initial=0.0) >= IOU:
                continue
            self.scores.append(face.score)
            self.right.append(hit)
        self.sizes_px += [face.size_px for face in required]
        self.found_at += found_at
        self.num_scenes += 1

    def summary(self, threshold: float) -> dict[str, object]:
        """Average precision; recall by size and false faces a scene, both from `threshold` on."""
        found = [score > 0 and score >= threshold for score in self.found_at]
        false = [score for score, right in zip(self.scores, self.right, strict=True) if not right]
        bins = {}
        for low, high in pairwise(_SIZE_BINS_PX):
            hits = [hit for hit, size in zip(found, self.sizes_px, strict=True) if low <= size < high]
            name = f"{low}-{high}" if high < _SIZE_BINS_PX[-1] else f"{low}-"
            bins[name] = {"faces": len(hits), "recall": mean_or_none(hits)}
        return {
            "scenes": self.num_scenes,
            "faces": len(found),
            "average_precision": average_precision(self.scores, self.right, len(found)),
            "recall": mean_or_none(found),
            "recall_by_size_px": bins,
            "false_faces_per_scene": round(
                sum(score >= threshold for score in false) / max(1, self.num_scenes), 4
            ),
        }


def measure(
    sure: MaskingDetector, unsure: MaskingDetector, num_identities: int, num_scenes: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """The report so far, after each of its parts. unsure: the same detector with a low threshold."""
    plan = Plan()
    drawings = planned_drawings(num_identities, plan.pool.first_test_seed, seed)
    report: dict[str, Any] = {"num_identities": num_identities}
    report["portraits"] = [
        {"domain": domain, "expressions": kind, **_singles(sure, drawings, domain, kind).summary()}
        for domain in DOMAINS
        for kind in ("neutral", "expressive")
    ]
    yield report
    pool = pool_of(drawings[: 4 * max(1, min(num_identities, 50))], plan.pool.size)
    report["scenes"] = {
        name: _scenes(unsure, plan, pool, num_scenes, (seed, _SCENE), damage).summary(_SURE)
        for name, damage in (("clean", False), ("damaged", True))
    }
    yield report
    report["without_a_face"] = _faceless(sure, pool, num_scenes, (seed, _EMPTY))
    yield report
    report["bad_input"] = bad_input(sure, pool)
    yield report


def _singles(detector: MaskingDetector, drawings: Sequence[Drawing], domain: Domain, kind: str) -> Singles:
    singles = Singles()
    for drawing in drawings:
        if drawing.domain == domain and (drawing.expression == NEUTRAL) == (kind == "neutral"):
            singles.add(detector, drawing)
    return singles


def _scenes(
    detector: MaskingDetector, plan: Plan, pool: Pool, num: int, stream: tuple[int, int], damage: bool
) -> Detections:
    crowd = replace(
        plan.scene, size=SCENE_PX, empty_share=0.0, single_share=0.0, zoomed_share=0.0,
        max_num_faces=_MOST_PEOPLE, crowd_px=(12, 200),
    )  # fmt: skip
    total = Detections()
    for index in range(num):
        scene = sample_scene(pool, crowd, np.random.default_rng((*stream, index)), damage)
        wanted = [must_be_found(face, (SCENE_PX, SCENE_PX), plan.truth) for face in scene.faces]
        pairs = list(zip(scene.faces, wanted, strict=True))
        required = [face for face, must in pairs if must]
        optional = [face for face, must in pairs if must is None]
        total.add(detector.detect(Image.fromarray(scene.pixels)), required, optional)
    return total


def _faceless(detector: MaskingDetector, pool: Pool, num: int, stream: tuple[int, int]) -> dict[str, Any]:
    """False faces a picture, for each kind of background; half of them damaged."""
    by_kind: dict[str, float] = {}
    for kind, (name, draw) in enumerate(KINDS.items()):
        num_found = 0
        for index in range(num):
            rng = np.random.default_rng((*stream, kind, index))
            pixels_HW3 = draw(pool, (EMPTY_PX, EMPTY_PX), rng)
            pixels_HW3 = damaged(pixels_HW3, rng) if index % 2 else pixels_HW3
            num_found += len(detector.detect(Image.fromarray(pixels_HW3)))
        by_kind[name] = rounded(num_found / max(1, num))
    return {
        "pictures": num * len(KINDS),
        "false_faces_per_picture": rounded(np.mean(list(by_kind.values()))),
        "by_kind": by_kind,
    }


def average_precision(scores: Sequence[float], right: Sequence[bool], num_faces: int) -> float | None:
    """The area under precision over recall, precision made falling from the right (PASCAL VOC since 2010).

    Faces of one score enter together: their order means nothing. None without any face to find.
    """
    if num_faces == 0:
        return None
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    scores_N, right_N = np.asarray(scores, np.float64)[order], np.asarray(right, bool)[order]
    last_of_score_N = np.append(scores_N[1:] != scores_N[:-1], True)[: len(scores_N)]
    hits_N = np.cumsum(right_N)
    precision_N = (hits_N / np.arange(1, len(hits_N) + 1))[last_of_score_N]
    recall_N = (hits_N / num_faces)[last_of_score_N]
    envelope_N = np.maximum.accumulate(precision_N[::-1])[::-1]
    return round(float((np.diff(recall_N, prepend=0.0) * envelope_N).sum()), 4)


def box_overlap(face: Face, box: tuple[float, float, float, float]) -> float:
    """Intersection over union of a found face and a true box, 0..1."""
    return float(intersection_over_union(np.asarray(face.box), np.asarray([box]))[0])


def landmark_errors(landmarks_52: np.ndarray, truth_52: np.ndarray) -> np.ndarray:
    """Distances of the five landmarks from the truth, in % of the distance of the true eyes."""
    eyes = np.linalg.norm(truth_52[1] - truth_52[0])
    errors_5: np.ndarray = 100 * np.linalg.norm(landmarks_52 - truth_52, axis=1) / eyes
    return errors_5


def mask_overlap(mask_HW: np.ndarray, truth_HW: np.ndarray) -> float:
    """Intersection over union of the pixels, a soft mask cut at a half; 1 where both are empty."""
    found_HW = mask_HW >= 0.5
    either = np.count_nonzero(found_HW | truth_HW)
    return 1.0 if either == 0 else float(np.count_nonzero(found_HW & truth_HW)) / either


def _overlaps(face: Face, others: Sequence[SceneFace]) -> np.ndarray:
    boxes_N4 = np.asarray([other.box for other in others], np.float64).reshape(-1, 4)
    return intersection_over_union(np.asarray(face.box), boxes_N4)


def bad_input(detector: MaskingDetector, pool: Pool) -> dict[str, dict[str, Any]]:
    """What is found in each picture: faces to find, how many of them are found, and what is found besides."""
    return {name: _counted(detector, scene) for name, scene in bad_pictures(pool).items()}


def bad_pictures(pool: Pool) -> dict[str, Scene]:
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


def _counted(detector: MaskingDetector, scene: Scene) -> dict[str, Any]:
    faces = detector.detect(Image.fromarray(scene.pixels))
    total = Detections()
    total.add(faces, scene.faces, [])
    return {
        "to_find": len(scene.faces),
        "found": sum(map(bool, total.found_at)),
        "besides": total.right.count(False),
    }


@refusing()
def main() -> None:
    """Measure and write the report; prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, required=True, help="the folder of a finished recipe")
    parser.add_argument("--identities", type=whole(), default=100, help="in each domain")
    parser.add_argument("--scenes", type=whole(), default=60, help="of each kind")
    parser.add_argument("--out", type=Path, default=None, help="default: quality.json beside the weights")
    arguments = parser.parse_args()
    started = time.monotonic()
    sure = DrawnDetector.from_folder(arguments.detector, threshold=_SURE)
    unsure = DrawnDetector.from_folder(arguments.detector, threshold=_UNSURE)
    target = arguments.out or arguments.detector / "quality.json"
    for report in measure(sure, unsure, arguments.identities, arguments.scenes):
        write_report(report, target)
        print(f"{', '.join(report)}: {time.monotonic() - started:.0f} s", flush=True)
    print(target.read_text(), end="")


if __name__ == "__main__":
    main()
