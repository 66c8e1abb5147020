"""A portrait laid into a scene: where each of its pixels goes, and with them the truth.

Shapes: H and W of the part of the scene that it covers; (x, y) from the corner of the first pixel.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from recipes.faces.detector.pool import Pool

_CORNERS_P2 = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
_ROUND_P2 = np.array([(math.cos(angle), math.sin(angle)) for angle in np.linspace(0, 2 * math.pi, 48, False)])


@dataclass(frozen=True)
class Placement:
    """side_px: of the whole portrait in the scene. centre: where the middle of the face's box goes.

    margins: how much of the portrait shows around the box (left, top, right, bottom), in sides of the box;
    None is all of it. oval: cut out as an oval instead of a rectangle.
    """

    portrait: int
    side_px: int
    angle_rad: float
    mirrored: bool
    centre: tuple[float, float]
    margins: tuple[float, float, float, float] | None = None
    oval: bool = False


@dataclass(frozen=True, eq=False)
class Tile:
    """The part of a placed portrait that falls into the scene, from `corner` (x, y) on."""

    corner: tuple[int, int]
    pixels: np.ndarray  # HW3, uint8
    cover: np.ndarray  # HW, uint8: 255 where it hides what is behind
    mask: np.ndarray  # HW, uint8: 255 on the face, where it covers
    box: tuple[float, float, float, float]
    landmarks_52: np.ndarray
    face_area_px: float  # of the whole face, also of what falls outside


def lay(pool: Pool, placement: Placement, size: tuple[int, int]) -> Tile | None:
    """The tile of a placement in a scene of `size` (width, height); None if it falls outside."""
    matrix_23 = portrait_to_scene(pool, placement)
    shown_P2 = _moved(matrix_23, _shown(pool, placement))
    x0, y0 = np.clip(np.floor(shown_P2.min(0)).astype(int), 0, size).tolist()
    x1, y1 = np.clip(np.ceil(shown_P2.max(0)).astype(int), 0, size).tolist()
    if x1 <= x0 or y1 <= y0:
        return None
    picture_SS4 = pool.pictures[placement.portrait]
    tile_HW4 = _warped(picture_SS4, matrix_23, placement.side_px, (x0, y0, x1, y1))
    cover_HW = _filled(shown_P2 - (x0, y0), (x1 - x0, y1 - y0))
    outline_K2 = _moved(matrix_23, pool.outlines[placement.portrait])
    scale = placement.side_px / pool.size
    return Tile(
        corner=(x0, y0),
        pixels=tile_HW4[..., :3],
        cover=cover_HW,
        mask=np.minimum(tile_HW4[..., 3], cover_HW),
        box=(*outline_K2.min(0).tolist(), *outline_K2.max(0).tolist()),
        landmarks_52=_landmarks(matrix_23, pool.landmarks[placement.portrait], placement.mirrored),
        face_area_px=float(np.count_nonzero(picture_SS4[..., 3])) * scale**2,
    )


def portrait_to_scene(pool: Pool, placement: Placement) -> np.ndarray:
    """The matrix (2, 3) that takes points of the portrait to points of the scene."""
    scale = placement.side_px / pool.size
    cos, sin = scale * math.cos(placement.angle_rad), scale * math.sin(placement.angle_rad)
    linear_22 = np.array([(cos, -sin), (sin, cos)])
    if placement.mirrored:
        linear_22[:, 0] *= -1
    outline_K2 = pool.outlines[placement.portrait]
    middle_2 = (outline_K2.min(0) + outline_K2.max(0)) / 2
    return np.column_stack([linear_22, np.asarray(placement.centre) - linear_22 @ middle_2])


def _moved(matrix_23: np.ndarray, points_N2: np.ndarray) -> np.ndarray:
    return points_N2 @ matrix_23[:, :2].T + matrix_23[:, 2]


def _landmarks(matrix_23: np.ndarray, points_52: np.ndarray, mirrored: bool) -> np.ndarray:
    """Left stays the viewer's left in a mirrored portrait."""
    moved_52 = _moved(matrix_23, points_52)
    return moved_52[[1, 0, 2, 4, 3]] if mirrored else moved_52


def _warped(
    picture_SS4: np.ndarray, matrix_23: np.ndarray, side_px: int, part: tuple[int, int, int, int]
) -> np.ndarray:
    """A portrait as `matrix_23` lays it out, in `part` (x0, y0, x1, y1) of the scene.

    Where it shrinks it is scaled to `side_px` first, which smooths it; turning alone then aliases nothing.
    The four channels go as CMYK, which is four equal ones: RGBA would multiply the colours with the mask.
    """
    portrait_px = picture_SS4.shape[0]
    image = Image.frombytes("CMYK", (portrait_px, portrait_px), picture_SS4.tobytes())
    if side_px < portrait_px:
        image = image.resize((side_px, side_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    x0, y0, x1, y1 = part
    back_22 = np.linalg.inv(matrix_23[:, :2] * (portrait_px / image.width))
    back_23 = np.column_stack([back_22, back_22 @ (np.array([x0, y0]) - matrix_23[:, 2])])
    data = tuple(back_23.ravel().tolist())
    size = (x1 - x0, y1 - y0)
    return np.asarray(image.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR))


def _shown(pool: Pool, placement: Placement) -> np.ndarray:
    """The outline (P, 2), in the portrait, of what is used of it, without its outermost pixels."""
    low_2, high_2, around_P2 = np.zeros(2), np.full(2, float(pool.size)), _CORNERS_P2
    if placement.margins is not None:
        outline_K2 = pool.outlines[placement.portrait]
        low_2, high_2 = outline_K2.min(0), outline_K2.max(0)
        before_2, after_2 = np.array(placement.margins[:2]), np.array(placement.margins[2:])
        low_2, high_2 = low_2 - before_2 * (high_2 - low_2), high_2 + after_2 * (high_2 - low_2)
        around_P2 = _ROUND_P2 if placement.oval else _CORNERS_P2
    pixel = pool.size / placement.side_px
    return np.clip((low_2 + high_2) / 2 + around_P2 * (high_2 - low_2) / 2, pixel, pool.size - pixel)


def _filled(outline_P2: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """255 inside of a polygon: uint8, HW."""
    image = Image.new("L", size)
    ImageDraw.Draw(image).polygon([(x - 0.5, y - 0.5) for x, y in outline_P2.tolist()], fill=255)
    return np.asarray(image)
