"""What skin shows when it moves: folds, furrows and crow's feet as soft shade, blush, drops of sweat, tears.

All of it is drawn in canonical centimetres on the moved surface, as strong as its units, and multiplied onto
the photograph. Where a fold goes (a smile that ends) the skin is smoothed along it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import skia
from PIL import Image, ImageFilter

from pixelsmile.editing.engines.geometric.light import Light, patch
from pixelsmile.editing.engines.geometric.scene import Moved, coverage, smooth_path
from pixelsmile.editing.engines.geometric.surface import surface
from pixelsmile.faces.mesh.mesh import LEFT_LOWER_LID, RIGHT_LOWER_LID
from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.brush import WHITE, fill, stroke

Place = tuple[float, float]
_SHADE = np.array([0.55, 0.40, 0.36], np.float32)  # of the skin, in the depth of a fold
_BLUSH = np.array([1.0, 0.66, 0.68], np.float32)
_DRY_UNTIL, _ALL_TEARS_AT = 0.6, 1.0  # intensities
_TRACK = ((2.75, 1.75), (2.78, 1.3), (2.9, 0.8), (3.0, 0.3), (3.05, -0.2), (3.1, -0.7))
# Where drops may stand (of the right half), the likeliest first, and how large they are.
_DROP_PLACES = ((5.9, 3.6), (4.6, 6.6), (6.3, 2.2), (2.6, 6.9), (6.2, 0.6), (0.9, 6.6))
_DROP_SIZES = (0.25, 0.18)
_SKIN_LIKE = 0.22  # the largest difference of colour, in shares of the skin's, that is still skin


@dataclass(frozen=True)
class Fold:
    """A line of shade through `places` (x, y; cm) of the right half, and its mirror image.

    depths: of its shade at an intensity of 1 of each unit, 0..1. width, soft: cm. ridge: how far beside it
    lies the lighter ridge of skin, along x and y; None for none.
    """

    places: tuple[Place, ...]
    depths: Mapping[str, float]
    width: float
    soft: float
    ridge: Place | None

    def depth(self, units: ActionUnits) -> float:
        return sum(share * getattr(units, name) for name, share in self.depths.items())


# Width and softness | ridge | places | depth at an intensity of 1 of each unit.
_FOLDS = """
.18 .22|.34,.22 |1.95,-1.1 2.55,-2 3.1,-3 3.42,-4.1 |.34 lip_corner_pull .28 nose_wrinkle .26 upper_lip_raise
.08 .09|        |2.62,-3.5 2.95,-4.2 2.85,-4.8      |.38 dimple .15 lip_corner_pull
.1 .12 |        |2.62,-4.6 2.95,-5.2 3,-5.9         |.36 lip_corner_depress
.13 .12|-.3,0   |.52,3.2 .4,4 .56,4.95              |.62 brow_lower
.18 .17|0,.35   |0,3.35 .3,3.3 .65,3.1              |.45 nose_wrinkle
.15 .13|-.25,.15|.5,1.7 .7,2.15 1,2.6               |.6 nose_wrinkle
.05 .06|        |4.75,2.75 5.25,3 5.75,3.35         |.22 cheek_raise
.05 .06|        |4.8,2.5 5.35,2.45 5.85,2.45        |.24 cheek_raise
.05 .06|        |4.7,2.2 5.2,1.95 5.65,1.65         |.2 cheek_raise
.08 .1 |0,.22   |2.1,1.75 2.9,1.35 3.8,1.45 4.5,1.95|.22 cheek_raise .16 lid_tighten
.07 .1 |0,.22   |0,5.95 1.2,6.05 2.4,6.2 3.4,6.1    |.16 inner_brow_raise .08 outer_brow_raise
.07 .1 |0,.22   |0,6.65 1.2,6.75 2.4,6.85 3.3,6.7   |.15 inner_brow_raise .08 outer_brow_raise
.1 .14 |        |0,-6.15 .6,-6.1 1.2,-5.85          |.32 chin_raise .12 lip_press
"""


@cache
def folds() -> tuple[Fold, ...]:
    """The table of folds; those beside the mouth come first."""
    found = []
    for row in _FOLDS.strip().splitlines():
        (width, soft), ridge, places, depths = (cell.split() for cell in row.split("|"))
        shares = {name: float(share) for share, name in zip(depths[::2], depths[1::2], strict=True)}
        aside = _place(ridge[0]) if ridge else None
        found.append(Fold(tuple(map(_place, places)), shares, float(width), float(soft), aside))
    return tuple(found)


def _place(text: str) -> Place:
    x, y = map(float, text.split(","))
    return x, y


def shade_skin(picture: np.ndarray, moved: Moved) -> None:
    """Draw upon `picture` (float32 (H, W, 3), the warped window), in place."""
    net, wanted = moved.movement.net, moved.movement.wanted
    _smooth_folds(picture, moved, -net.lip_corner_pull)
    _draw_folds(picture, moved, _one_sided(net))
    blush = wanted.blush - moved.movement.neutralise * moved.movement.shown.blush
    if blush > 0.02:
        _draw_blush(picture, moved, blush)
    if wanted.sweat > 0.05:
        _draw_sweat(picture, moved, min(wanted.sweat, 1.2))
    tears = tears_of(wanted)
    if tears > 0:
        _draw_tears(picture, moved, tears)


def tears_of(units: ActionUnits) -> float:
    """0..1. No unit names them: they come where a face is sadder than _DRY_UNTIL, as only the prototypes of
    `sad` are.
    """
    sad = min(units.inner_brow_raise, units.lip_corner_depress)
    return min(1.0, max(0.0, (sad - _DRY_UNTIL) / (_ALL_TEARS_AT - _DRY_UNTIL)))


def _one_sided(net: ActionUnits) -> tuple[ActionUnits, ActionUnits]:
    """The units of the left and of the right half."""
    left, right = max(0.0, -net.smirk), max(0.0, net.smirk)
    halves = []
    for smirk in (left, right):
        halves.append(net.plus(ActionUnits(lip_corner_pull=0.7 * smirk, dimple=0.5 * smirk)))
    return halves[0], halves[1]


def _on(surface_px: np.ndarray, *places: Place) -> np.ndarray:
    """Canonical places on a surface (M, 3) of this face in the picture: (N, 2)."""
    rows, weights = _pinned(places)
    return np.asarray((surface_px[rows, :2] * weights[..., None]).sum(1))


@cache
def _pinned(places: tuple[Place, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The four nearest rows of each place, and the smallest weights that give back the place itself."""
    vertices = surface().vertices_cm
    wanted = np.array(places)
    squares = np.square(vertices[None, :, :2] - wanted[:, None]).sum(-1)
    rows = np.argsort(squares, axis=1)[:, :4]
    near = vertices[rows][..., :2]
    weights = np.empty(rows.shape)
    for index, place in enumerate(wanted):
        system = np.concatenate([near[index].T, np.ones((1, 4))])
        weights[index] = np.linalg.pinv(system) @ np.array([*place, 1.0])
    return rows, weights


def _mirrored(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple((-x, y) for x, y in places)


def _draw_folds(picture: np.ndarray, moved: Moved, halves: tuple[ActionUnits, ActionUnits]) -> None:
    scale = moved.face.px_per_cm
    shape = picture.shape[:2]
    dark, light = (np.zeros((*shape, 4), np.uint8) for _ in range(2))
    dark_canvas, light_canvas = (skia.Surface(pixels).getCanvas() for pixels in (dark, light))
    drawn = False
    for fold in folds():
        for units, mirrored in ((halves[1], False), (halves[0], True)):
            depth = min(0.8, fold.depth(units))
            if depth < 0.02:
                continue
            drawn = True
            places = _mirrored(fold.places) if mirrored else fold.places
            line = _on(moved.moved, *places)
            _stroke(dark_canvas, line, depth, fold.width * scale, fold.soft * scale)
            if fold.ridge is not None:
                aside = np.array(fold.ridge) * (-1 if mirrored else 1, 1)
                beside = _on(moved.moved, *((x + aside[0], y + aside[1]) for x, y in places))
                _stroke(light_canvas, beside, 0.4 * depth, 1.6 * fold.width * scale, 1.5 * fold.soft * scale)
    if drawn:
        for rows in _used_rows(dark, light):
            alpha = dark[rows][..., 3:].astype(np.float32) / 255
            glow = light[rows][..., 3:].astype(np.float32) / 255
            picture[rows] *= 1 - alpha * (1 - _SHADE)
            picture[rows] += glow * 0.35 * (255 - picture[rows]) * (picture[rows] / 255)


def _used_rows(*maps: np.ndarray) -> Iterable[slice]:
    used = np.flatnonzero(np.any([one[..., 3].any(1) for one in maps], axis=0))
    if len(used):
        yield slice(int(used[0]), int(used[-1]) + 1)


def _stroke(canvas: skia.Canvas, line: np.ndarray, alpha: float, width: float, soft: float) -> None:
    """A soft line that ends thin: once whole, once without its ends."""
    paint = stroke(WHITE, max(0.5, width), 0.5 * min(1.0, alpha), max(0.4, soft))
    path = smooth_path(line, closed=False)
    canvas.drawPath(path, paint)
    measure = skia.PathMeasure(path, False)
    inner = skia.Path()
    measure.getSegment(0.18 * measure.getLength(), 0.82 * measure.getLength(), inner, True)
    canvas.drawPath(inner, paint)


def _smooth_folds(picture: np.ndarray, moved: Moved, gone: float) -> None:
    """Beside the mouth: the skin of a wide neighbourhood in place of the fold, its finest grain kept."""
    if gone < 0.1:
        return
    scale = moved.face.px_per_cm
    beside_mouth = folds()[0].places
    for places in (beside_mouth, _mirrored(beside_mouth)):
        line = _on(moved.moved, *places)
        margin = 1.4 * scale
        x0, y0 = np.maximum(0, (line.min(0) - margin)).astype(int)
        x1, y1 = np.minimum(picture.shape[1::-1], line.max(0) + margin).astype(int)
        if x1 - x0 < 4 or y1 - y0 < 4:
            continue
        part = picture[y0:y1, x0:x1]
        image = Image.fromarray(np.clip(part, 0, 255).astype(np.uint8))
        wide = np.asarray(image.filter(ImageFilter.GaussianBlur(0.42 * scale)), np.float32)
        fine = np.asarray(image.filter(ImageFilter.GaussianBlur(max(0.8, 0.05 * scale))), np.float32)
        drawn = np.zeros((*part.shape[:2], 4), np.uint8)
        canvas = skia.Surface(drawn).getCanvas()
        canvas.translate(-float(x0), -float(y0))
        _stroke(canvas, line, 1.0, 0.42 * scale, 0.22 * scale)
        share = min(0.85, 1.1 * gone) * drawn[..., 3:].astype(np.float32) / 255
        lighter = np.maximum(wide - fine, 0)  # only the shade goes
        picture[y0:y1, x0:x1] = part + share * lighter


def _draw_blush(picture: np.ndarray, moved: Moved, blush: float) -> None:
    """Wide and soft on both cheeks, less where a cheek turns away."""
    scale, pose = moved.face.px_per_cm, moved.face.pose
    drawn = np.zeros((*picture.shape[:2], 4), np.uint8)
    canvas = skia.Surface(drawn).getCanvas()
    paint = fill(WHITE, min(0.8, 0.55 * blush), 0.85 * scale)
    for side in (1.0, -1.0):
        middle = _on(moved.moved, (side * 4.0, -0.3))[0]
        facing = max(0.2, float(pose.rotation[2, 2] + side * 0.55 * pose.rotation[2, 0]))
        width, height = 1.7 * min(1.0, facing) * scale, 0.9 * scale
        canvas.save()
        canvas.translate(float(middle[0]), float(middle[1]))
        canvas.rotate(pose.roll - side * 14)
        canvas.drawOval(skia.Rect.MakeLTRB(-width, -height, width, height), paint)
        canvas.restore()
    is_tinted = moved.face.light.tint is not None
    for rows in _used_rows(drawn):
        red = picture[rows] * (_BLUSH.mean() if is_tinted else _BLUSH)
        picture[rows] += drawn[rows][..., 3:] * np.float32(1 / 255) * (red - picture[rows])


def _draw_sweat(picture: np.ndarray, moved: Moved, sweat: float) -> None:
    """Drops of water where the temple or the forehead is bare, on the side that is seen best."""
    side = 1.0 if moved.face.pose.yaw <= 0 else -1.0
    bare = [place for place in _DROP_PLACES if _is_bare(moved, (side * place[0], place[1]))]
    for (x, y), size in zip(bare, _DROP_SIZES, strict=False):
        place = _on(moved.moved, (side * x, y))[0]
        radius = size * moved.face.px_per_cm * (0.6 + 0.4 * min(1.0, sweat))
        _draw_drop(picture, place, radius, min(1.0, sweat), moved.face.light)


def _is_bare(moved: Moved, place: Place) -> bool:
    """Whether skin is seen there, and no hair."""
    middle = _on(moved.face.source, place)[0]
    seen = np.median(patch(moved.face.pixels, middle, max(1, round(0.3 * moved.face.px_per_cm))), axis=0)
    skin = np.maximum(moved.face.light.skin, 1.0)
    ratio = seen / skin
    return bool(np.ptp(ratio) < _SKIN_LIKE and ratio.mean() > 0.7)


def _draw_drop(picture: np.ndarray, place: np.ndarray, radius: float, strength: float, light: Light) -> None:
    """A lens of water: dark above where light enters, bright below where it gathers, a glint, a shadow."""
    x, y = float(place[0]), float(place[1])
    white = np.clip(1.15 * light.white, 0, 255).astype(np.float32)
    shade, gather = np.array([0.72, 0.66, 0.64], np.float32), np.array([1.20, 1.19, 1.18], np.float32)
    layers: tuple[tuple[skia.Path, float, float, np.ndarray | None, np.ndarray], ...] = (
        (_drop(x + 0.10 * radius, y + 0.16 * radius, 1.06 * radius), 0.18, 0.42, None, shade),
        (_drop(x, y, radius), 0.08, 0.75, None, np.array([1.05, 1.05, 1.06], np.float32)),
        (_oval(x + 0.10 * radius, y + 0.42 * radius, 0.52 * radius, 0.36 * radius), 0.16, 0.9, None, gather),
        (_oval(x - 0.30 * radius, y - 0.28 * radius, 0.17 * radius, 0.28 * radius), 0.05, 0.9, white, shade),
    )
    for path, soft, alpha, colour, factor in layers:
        box = path.getBounds().makeOutset(radius, radius)
        left, top = max(0, int(box.left())), max(0, int(box.top()))
        right, bottom = (
            min(picture.shape[1], int(box.right()) + 1),
            min(picture.shape[0], int(box.bottom()) + 1),
        )
        if right - left < 2 or bottom - top < 2:
            continue
        path.offset(-left, -top)
        share = alpha * strength * coverage((bottom - top, right - left), path, max(0.4, soft * radius))
        part = picture[top:bottom, left:right]
        part += share[..., None] * ((part * factor if colour is None else light.tinted(colour[None])) - part)


def _draw_tears(picture: np.ndarray, moved: Moved, tears: float) -> None:
    """Eyes well up along the lower lids; then a drop runs down the cheek on the side that is seen best."""
    scale, light = moved.face.px_per_cm, moved.face.light
    drawn = np.zeros((*picture.shape[:2], 4), np.uint8)
    canvas = skia.Surface(drawn).getCanvas()
    for row in (LEFT_LOWER_LID, RIGHT_LOWER_LID):
        rim = moved.moved[list(row), :2]
        _stroke(canvas, rim, 0.9 * min(1.0, 2 * tears), 0.10 * scale, 0.04 * scale)
    run = max(0.0, 2 * tears - 1)
    side = 1.0 if moved.face.pose.yaw <= 0 else -1.0
    track = tuple((side * x, y) for x, y in _TRACK)
    way = np.linspace(0, 1 + run * (len(_TRACK) - 2), len(_TRACK))
    whole = _on(moved.moved, *track)
    line = np.stack([np.interp(way, np.arange(len(_TRACK)), axis) for axis in whole.T], axis=1)
    if run > 0.05:
        _stroke(canvas, line, 0.55 * run, 0.20 * scale, 0.06 * scale)
    white = light.tinted(np.clip(1.4 * light.white, 0, 255)[None].astype(np.float32))
    for rows in _used_rows(drawn):
        share = drawn[rows][..., 3:].astype(np.float32) / 255
        picture[rows] += share * 0.8 * np.maximum(0, white - picture[rows])
    if run > 0.05:
        _draw_drop(picture, line[-1], 0.28 * scale, min(1.0, 2 * run), light)


def _drop(x: float, y: float, radius: float) -> skia.Path:
    path = skia.Path()
    path.moveTo(x, y - 2.0 * radius)
    path.cubicTo(
        x + 0.25 * radius, y - 1.2 * radius, x + radius, y - 0.6 * radius, x + radius, y + 0.1 * radius
    )
    path.cubicTo(x + radius, y + 0.75 * radius, x + 0.5 * radius, y + radius, x, y + radius)
    path.cubicTo(x - 0.5 * radius, y + radius, x - radius, y + 0.75 * radius, x - radius, y + 0.1 * radius)
    path.cubicTo(x - radius, y - 0.6 * radius, x - 0.25 * radius, y - 1.2 * radius, x, y - 2.0 * radius)
    path.close()
    return path


def _oval(x: float, y: float, width: float, height: float) -> skia.Path:
    path = skia.Path()
    path.addOval(skia.Rect.MakeLTRB(x - width, y - height, x + width, y + height))
    return path
