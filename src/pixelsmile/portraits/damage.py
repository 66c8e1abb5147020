"""Damage: how far a picture of a drawn person is from any that the painter could have drawn of them.

The nearest drawing is found (`nearest.py`), and what is left around the face is looked at: doubled brows,
torn mouths, smears, cut glasses. Another expression than was asked for, drawn whole, leaves nothing: neither
strength nor label is known here. Shape suffixes: H and W rows and columns, 3 channels.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelsmile.errors import InputError
from pixelsmile.portraits.action_units import UNITS, ActionUnits
from pixelsmile.portraits.nearest import FIT_PX, DrawnPerson, Floats, blurred

LOOK_PX = 256  # of the pictures that are compared
SMOOTH_PX = 1.0  # of the blur before: what is finer is the autoencoder's
SPOT_PX = 3.0  # of the blur of squared errors: a spot as large as an iris
WORST = 0.02  # of the spots around the face, by which damage is told
MAX_SHIFT_PX = 14  # of the whole picture, which costs nothing: it is no damage
_COARSE = 4
_NEIGHBOURS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # a line may lie a pixel beside its place


@dataclass(frozen=True)
class Damage:
    """What is wrong with a picture.

    damage: root mean square error of the worst spots around the face, in grey levels (0..255). lopsided: the
    same of how much each spot is worse than its mirror image. units: of the nearest drawing. shift_px: how
    far the picture lies to the right and down of it, in pixels of LOOK_PX.
    """

    damage: float
    lopsided: float
    units: ActionUnits
    shift_px: tuple[int, int]


def damage_of(picture: Image.Image, person: DrawnPerson) -> Damage:
    """How far a square RGB picture is from all drawings of the person. InputError where it is not square."""
    if picture.width != picture.height:
        raise InputError(f"a picture of {picture.width} x {picture.height}: drawn portraits are square")
    seen_HW3 = np.asarray(_resized(picture, LOOK_PX))
    shift_px = _shift(seen_HW3, person.draw(np.zeros(len(UNITS)), LOOK_PX))
    seen_HW3 = _moved(seen_HW3, shift_px)
    units = person.nearest(np.asarray(_resized(Image.fromarray(seen_HW3), FIT_PX)))
    drawn_HW3 = person.draw(np.array(units.as_tuple()), LOOK_PX)
    errors_HW = _errors(*(person.window.of(each).astype(np.float32) for each in (seen_HW3, drawn_HW3)))
    spots_HW = np.sqrt(blurred(np.square(errors_HW)[..., None], SPOT_PX)[..., 0])
    unlike_HW = np.maximum(spots_HW - spots_HW[_mirrored(person, units, spots_HW.shape)], 0)
    return Damage(_worst(spots_HW), _worst(unlike_HW), units, shift_px)


def _errors(seen_HW3: Floats, drawn_HW3: Floats) -> Floats:
    """How much each place differs from all drawn around it, or that drawing from all that is seen (H, W)."""
    seen_HW3, drawn_HW3 = blurred(seen_HW3, SMOOTH_PX), blurred(drawn_HW3, SMOOTH_PX)
    return np.maximum(_nearest(seen_HW3, drawn_HW3), _nearest(drawn_HW3, seen_HW3))


def _nearest(here_HW3: Floats, there_HW3: Floats) -> Floats:
    """The root mean square over channels of the difference to the most alike of the neighbours."""
    found = [np.square(here_HW3 - _moved(there_HW3, neighbour)).mean(axis=-1) for neighbour in _NEIGHBOURS]
    return np.sqrt(np.min(found, axis=0))


def _worst(spots_HW: Floats) -> float:
    num = max(1, round(WORST * spots_HW.size))
    worst = np.partition(spots_HW.ravel(), -num)[-num:].astype(np.float64)
    return float(np.sqrt(np.mean(worst**2)))


def _mirrored(
    person: DrawnPerson, units: ActionUnits, shape_HW: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of each place's mirror image, on the other side of a face that may be tilted."""
    left_2, right_2 = person.eyes(units) * LOOK_PX
    corner_2 = np.array([round(person.window.x0 * LOOK_PX), round(person.window.y0 * LOOK_PX)])
    across_2 = (right_2 - left_2) / np.linalg.norm(right_2 - left_2)
    middle_2 = (left_2 + right_2) / 2 - corner_2
    rows_HW, columns_HW = np.indices(shape_HW)
    places_HW2 = np.stack([columns_HW, rows_HW], axis=-1) + 0.5
    images_HW2 = places_HW2 - 2 * ((places_HW2 - middle_2) @ across_2)[..., None] * across_2
    columns_HW, rows_HW = np.floor(np.moveaxis(images_HW2, -1, 0)).astype(int)
    return rows_HW.clip(0, shape_HW[0] - 1), columns_HW.clip(0, shape_HW[1] - 1)


def _shift(seen_HW3: np.ndarray, rest_HW3: np.ndarray) -> tuple[int, int]:
    """How far what is seen lies to the right and down of the person at rest."""
    seen_HW, rest_HW = (each.astype(np.float32).mean(axis=-1) for each in (seen_HW3, rest_HW3))
    blocks = (LOOK_PX // _COARSE, _COARSE, LOOK_PX // _COARSE, _COARSE)
    coarse_seen_HW, coarse_rest_HW = (each.reshape(blocks).mean((1, 3)) for each in (seen_HW, rest_HW))
    near = _best_shift(coarse_seen_HW, coarse_rest_HW, (0, 0), MAX_SHIFT_PX // _COARSE)
    return _best_shift(seen_HW, rest_HW, (near[0] * _COARSE, near[1] * _COARSE), _COARSE // 2)


def _best_shift(seen_HW: Floats, rest_HW: Floats, around: tuple[int, int], reach: int) -> tuple[int, int]:
    steps = range(-reach, reach + 1)
    shifts = [(around[0] + x, around[1] + y) for x in steps for y in steps]
    shifts.sort(key=lambda shift: shift[0] ** 2 + shift[1] ** 2)
    return min(shifts, key=lambda shift: float(np.abs(_moved(seen_HW, shift) - rest_HW).mean()))


def _moved(picture: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """The picture with what lies `shift` to the right and down in each place; edges are repeated."""
    columns, rows = (
        np.clip(np.arange(length) + by, 0, length - 1)
        for length, by in zip((picture.shape[1], picture.shape[0]), shift, strict=True)
    )
    return picture[rows[:, None], columns[None, :]]


def _resized(picture: Image.Image, size_px: int) -> Image.Image:
    if picture.size == (size_px, size_px):
        return picture
    smaller = picture.width > size_px
    return picture.resize((size_px, size_px), Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)
