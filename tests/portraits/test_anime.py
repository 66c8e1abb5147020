"""The anime domain: deterministic, continuous, and changed by an expression only inside the face."""

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
import skia

from pixelsmile.portraits import anime
from pixelsmile.portraits.action_units import HEAD, SIGNED, ActionUnits
from pixelsmile.portraits.identity import Identity, sample_identity
from pixelsmile.portraits.prototypes import PROTOTYPES, action_units

SIDE_PX = 128
EXPRESSIONS = [name for name in PROTOTYPES if name != "neutral"]
UNITS = [field.name for field in fields(ActionUnits)]


def rendered(identity: Identity, units: ActionUnits) -> np.ndarray:
    """RGB, uint8, (SIDE_PX, SIDE_PX, 3)."""
    pixels = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    canvas = skia.Surface(pixels, colorType=skia.kRGBA_8888_ColorType).getCanvas()
    canvas.scale(SIDE_PX, SIDE_PX)
    anime.paint(canvas, identity, units)
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3].copy()


def inside(polygon: tuple[tuple[float, float], ...], margin_px: float) -> np.ndarray:
    """Mask of a polygon in unit coordinates, widened by a margin."""
    pixels = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    canvas = skia.Surface(pixels, colorType=skia.kRGBA_8888_ColorType).getCanvas()
    path = skia.Path.Polygon([skia.Point(x * SIDE_PX, y * SIDE_PX) for x, y in polygon], True)
    paint = skia.Paint(
        Color=skia.ColorWHITE, Style=skia.Paint.kStrokeAndFill_Style, StrokeWidth=2 * margin_px
    )
    canvas.drawPath(path, paint)
    return pixels[..., 3] > 0


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of two pictures, 0..255."""
    return float(np.abs(a.astype(np.float32) - b.astype(np.float32)).mean())


def test_the_same_arguments_give_the_same_picture() -> None:
    identity, units = sample_identity(5), action_units("happy")
    assert (rendered(identity, units) == rendered(identity, units)).all()


@pytest.mark.parametrize("seed", range(6))
def test_an_expression_changes_nothing_outside_the_face(seed: int) -> None:
    identity = sample_identity(seed)
    rest = rendered(identity, ActionUnits())
    mask = inside(anime.anchors(identity, ActionUnits())[1], 2)
    for expression in EXPRESSIONS:
        for strength in (1.0, 2.0):
            units = action_units(expression, strength)
            allowed = mask | inside(anime.anchors(identity, units)[1], 2)
            changed = (rendered(identity, units) != rest).any(axis=2)
            assert not (changed & ~allowed).any(), (expression, strength)


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_shows_and_moves_smoothly(unit: str) -> None:
    identity = replace(sample_identity(7), fringe=0.0)
    levels = [i / 10 for i in range(21)]
    open_mouth = ActionUnits(lips_part=0.5)
    pictures = [rendered(identity, open_mouth.plus(ActionUnits(**{unit: level}))) for level in levels]
    assert difference(pictures[0], pictures[10]) > 0.03
    steps = [difference(a, b) for a, b in itertools.pairwise(pictures)]
    assert max(steps) < 0.35 * sum(steps)
    finer = rendered(identity, open_mouth.plus(ActionUnits(**{unit: 0.002})))
    assert difference(pictures[0], finer) < (0.15 if unit in HEAD else 0.10)  # of a head all edges move


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_landmarks_lie_inside_the_face_in_order(expression: str) -> None:
    for seed in range(20):
        identity = sample_identity(seed)
        for strength in (0.0, 1.0, 2.0):
            landmarks, outline = anime.anchors(identity, action_units(expression, strength))
            xs, ys = zip(*outline, strict=True)
            assert min(*xs, *ys) >= 0
            assert max(*xs, *ys) <= 1
            assert all(min(xs) < x < max(xs) and min(ys) < y < max(ys) for x, y in landmarks)
            left_eye, right_eye, nose, left_corner, right_corner = landmarks
            assert left_eye[0] < nose[0] < right_eye[0]
            assert left_corner[0] < right_corner[0]
            assert max(left_eye[1], right_eye[1]) < nose[1] < max(left_corner[1], right_corner[1])


def test_all_units_at_their_extremes_can_be_drawn() -> None:
    for sign in (-2.0, 2.0):
        units = ActionUnits(**{**dict.fromkeys(UNITS, 2.0), **dict.fromkeys(SIGNED, sign)})
        for seed in range(8):
            rendered(sample_identity(seed), units)


def test_expressions_differ_from_one_another() -> None:
    identity = sample_identity(10)
    pictures = {name: rendered(identity, action_units(name)) for name in PROTOTYPES}
    names = list(pictures)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert difference(pictures[one], pictures[other]) > 0.25, (one, other)
