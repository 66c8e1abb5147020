"""Scenes with people, and the truth about them: portraits laid over a background, in part over each other.

Shapes: HW3 a picture, HW a mask of it or of a part; (x, y) from the corner of the first pixel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from pixelsmile.faces.detectors.drawn import CLOSE_CONTEXT, CLOSE_PX, PADDING
from recipes.augmentation import damaged, enlarged_from
from recipes.faces.detector.backgrounds import draw_background
from recipes.faces.detector.plan import ClosePlan, ScenePlan
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


@dataclass(frozen=True, eq=False)
class SceneFace:
    """box: of the whole face, also what is hidden of it. visible: share of the mask that shows, 0..1."""

    box: tuple[float, float, float, float]
    landmarks_52: np.ndarray
    corner: tuple[int, int]  # x, y in the scene, of the mask's first pixel
    mask: np.ndarray  # HW, uint8: 255 where it shows; nothing of it shows outside
    visible: float

    @property
    def size_px(self) -> float:
        """The root of the area of its box."""
        return math.sqrt((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))

    def mask_of_scene(self, size: tuple[int, int]) -> np.ndarray:
        """The mask in a scene of `size` (width, height)."""
        mask_HW = np.zeros((size[1], size[0]), np.uint8)
        mask_HW[_part(self.corner, self.mask)] = self.mask
        return mask_HW

    @property
    def middle(self) -> tuple[float, float]:
        """Of its box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture with everybody who was laid into it, also those of whom nothing shows."""

    pixels: np.ndarray  # HW3, uint8
    faces: list[SceneFace]


def compose(pool: Pool, background_HW3: np.ndarray, placements: Sequence[Placement]) -> Scene:
    """Lay portraits over a background, the last in front."""
    canvas_HW3 = background_HW3.copy()
    front_HW = np.full(canvas_HW3.shape[:2], -1)  # whose portrait is in front
    size = (canvas_HW3.shape[1], canvas_HW3.shape[0])
    tiles = [tile for placement in placements if (tile := lay(pool, placement, size)) is not None]
    for index, tile in enumerate(tiles):
        part = _part(tile.corner, tile.cover)
        cover_HW1 = tile.cover[..., None].astype(np.uint16)
        mixed_HW3 = tile.pixels * cover_HW1 + canvas_HW3[part] * (255 - cover_HW1)
        canvas_HW3[part] = (mixed_HW3 + 127) // 255
        np.copyto(front_HW[part], index, where=tile.cover > 127)
    return Scene(canvas_HW3, [_seen(tile, front_HW, index) for index, tile in enumerate(tiles)])


def sample_scene(pool: Pool, plan: ScenePlan, rng: np.random.Generator, damage: bool = True) -> Scene:
    """A random scene of `plan.size` pixels a side."""
    size = (plan.size, plan.size)
    sizes_px = _face_sizes(plan, rng)
    placements = [_placement(pool, size_px, size, plan.max_angle_deg, rng) for size_px in sizes_px]
    scene = compose(pool, draw_background(pool, size, rng), placements)
    if scene.faces and rng.random() < plan.occluded_share:
        scene = occluded(scene, int(rng.integers(len(scene.faces))), rng)
    pixels_HW3 = damaged(scene.pixels, rng) if damage else scene.pixels
    scene = Scene(pixels_HW3, scene.faces)
    if rng.random() < plan.framed_share:
        width, height = (int(rng.uniform(0.5, 1) * side) for side in size)
        scene = framed(scene, (0, 0, width, height))
    return scene


def sample_close(pool: Pool, plan: ClosePlan, rng: np.random.Generator) -> Scene:
    """What a close look sees of a face, as far off as a first look may be; it is the last of the scene's."""
    size = (CLOSE_PX, CLOSE_PX)
    main = _close_placement(pool, plan, rng)
    others = [
        _placement(pool, float(rng.uniform(20, 90)), size, plan.max_angle_deg, rng)
        for _ in range(rng.integers(plan.num_neighbours + 1))
    ]
    scene = compose(pool, draw_background(pool, size, rng), [*others, main])
    if rng.random() < plan.occluded_share:
        scene = occluded(scene, len(scene.faces) - 1, rng)
    pixels_HW3 = scene.pixels
    if rng.random() < plan.blurred_share:
        face_px = math.exp(rng.uniform(math.log(plan.min_face_px), math.log(CLOSE_PX / CLOSE_CONTEXT)))
        pixels_HW3 = enlarged_from(pixels_HW3, math.ceil(face_px * CLOSE_CONTEXT))
    scene = Scene(damaged(pixels_HW3, rng), scene.faces)
    if rng.random() < plan.bordered_share:
        scene = framed(scene, _border(rng))
    return scene


def occluded(scene: Scene, which: int, rng: np.random.Generator) -> Scene:
    """Something of one colour in front of a part of a face."""
    x0, y0, x1, y1 = scene.faces[which].box
    width, height = x1 - x0, y1 - y0
    x, y = x0 + rng.uniform(-0.3, 0.9) * width, y0 + rng.uniform(-0.3, 0.9) * height
    across, down = rng.uniform(0.15, 0.8) * width, rng.uniform(0.15, 0.8) * height
    cover = Image.new("L", scene.pixels.shape[1::-1])
    pen = ImageDraw.Draw(cover)
    (pen.ellipse if rng.random() < 0.5 else pen.rectangle)((x, y, x + across, y + down), fill=255)
    hidden_HW = np.asarray(cover) > 0
    pixels_HW3 = scene.pixels.copy()
    pixels_HW3[hidden_HW] = _some_colour(scene, rng)
    return Scene(pixels_HW3, [_without(face, hidden_HW) for face in scene.faces])


def framed(scene: Scene, box: tuple[int, int, int, int]) -> Scene:
    """As if the picture were only what is in `box`, and grey around it."""
    x0, y0, x1, y1 = box
    hidden_HW = np.ones(scene.pixels.shape[:2], bool)
    hidden_HW[y0:y1, x0:x1] = False
    pixels_HW3 = np.where(hidden_HW[..., None], np.uint8(PADDING), scene.pixels)
    return Scene(pixels_HW3, [_without(face, hidden_HW) for face in scene.faces])


def _face_sizes(plan: ScenePlan, rng: np.random.Generator) -> list[float]:
    """Large ones first: small ones come in front."""
    kind = rng.random()
    if kind < plan.empty_share:
        return []
    if kind < plan.empty_share + plan.zoomed_share:
        return [_log_uniform(plan.zoomed_px, rng)]
    if kind < plan.empty_share + plan.zoomed_share + plan.single_share:
        return [_log_uniform(plan.single_px, rng)]
    num_faces = int(rng.integers(2, plan.max_num_faces + 1))
    return sorted((_log_uniform(plan.crowd_px, rng) for _ in range(num_faces)), reverse=True)


def _placement(
    pool: Pool, size_px: float, scene: tuple[int, int], max_angle_deg: float, rng: np.random.Generator
) -> Placement:
    """A portrait whose face is about `size_px`, with its middle anywhere."""
    portrait = int(rng.integers(len(pool)))
    centre = (float(rng.uniform(0, scene[0])), float(rng.uniform(0, scene[1])))
    angle = math.radians(max_angle_deg) * rng.uniform(-1, 1) * rng.random()
    margins = None if rng.random() < 0.4 else tuple(rng.uniform(0.02, 0.7, 4).tolist())
    side_px = max(1, round(size_px * pool.size / _size_px(pool, portrait)))
    return Placement(portrait, side_px, angle, rng.random() < 0.5, centre, margins, oval=rng.random() < 0.5)


def _close_placement(pool: Pool, plan: ClosePlan, rng: np.random.Generator) -> Placement:
    portrait = int(rng.integers(len(pool)))
    longer_px = CLOSE_PX / CLOSE_CONTEXT
    shift_2 = plan.max_shift * longer_px * rng.uniform(-1, 1, 2)
    scale = longer_px / float(np.ptp(pool.outlines[portrait], axis=0).max())
    scale *= math.exp(plan.max_log_scale * rng.uniform(-1, 1))
    angle = math.radians(plan.max_angle_deg) * rng.uniform(-1, 1) * rng.random()
    centre = (CLOSE_PX / 2 + float(shift_2[0]), CLOSE_PX / 2 + float(shift_2[1]))
    return Placement(portrait, round(scale * pool.size), angle, rng.random() < 0.5, centre)


def _border(rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A picture that ends at one or two sides of a close look, up to its middle."""
    x0, y0, x1, y1 = 0, 0, CLOSE_PX, CLOSE_PX
    cut_x, cut_y = (int(cut) for cut in rng.uniform(0, 0.5, 2) * CLOSE_PX)
    if rng.random() < 0.6:
        x0, x1 = (cut_x, CLOSE_PX) if rng.random() < 0.5 else (0, CLOSE_PX - cut_x)
    if rng.random() < 0.6:
        y0, y1 = (cut_y, CLOSE_PX) if rng.random() < 0.5 else (0, CLOSE_PX - cut_y)
    return x0, y0, x1, y1


def _seen(tile: Tile, front_HW: np.ndarray, index: int) -> SceneFace:
    mask_HW = np.where(front_HW[_part(tile.corner, tile.mask)] == index, tile.mask, np.uint8(0))
    visible = min(1.0, float(mask_HW.sum()) / 255 / max(tile.face_area_px, 1.0))
    return SceneFace(tile.box, tile.landmarks_52, tile.corner, mask_HW, visible)


def _without(face: SceneFace, hidden_HW: np.ndarray) -> SceneFace:
    mask_HW = np.where(hidden_HW[_part(face.corner, face.mask)], np.uint8(0), face.mask)
    before, after = float(face.mask.sum()), float(mask_HW.sum())
    return replace(face, mask=mask_HW, visible=face.visible * after / max(before, 1.0))


def _part(corner: tuple[int, int], map_HW: np.ndarray) -> tuple[slice, slice]:
    """Where a map that begins at `corner` lies in the scene."""
    height, width = map_HW.shape
    return slice(corner[1], corner[1] + height), slice(corner[0], corner[0] + width)


def _some_colour(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Any, or one that is in the scene."""
    if rng.random() < 0.5:
        return rng.integers(0, 256, 3).astype(np.uint8)
    height, width = scene.pixels.shape[:2]
    return scene.pixels[rng.integers(height), rng.integers(width)]


def _size_px(pool: Pool, portrait: int) -> float:
    return float(np.sqrt(np.ptp(pool.outlines[portrait], axis=0).prod()))


def _log_uniform(limits: tuple[float, float], rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))
