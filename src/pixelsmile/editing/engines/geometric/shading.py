"""What skin shows when it moves: folds, furrows and crow's feet as soft shade, blush, drops of sweat.

All of it is drawn in canonical centimetres on the moved surface, as strong as its units, and multiplied onto
the photograph. Where a fold goes (a smile that ends) the skin is smoothed along it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import skia
from PIL import Image, ImageFilter

from pixelsmile.editing.engines.geometric.scene import Moved, smooth_path
from pixelsmile.editing.engines.geometric.surface import surface
from pixelsmile.portraits.action_units import ActionUnits

Place = tuple[float, float]
_SHADE = np.array([0.55, 0.40, 0.36], np.float32)  # of the skin, in the depth of a fold
_BLUSH = np.array([1.0, 0.66, 0.68], np.float32)


@dataclass(frozen=True)
class Fold:
    """A line of shade through `places` (x, y; cm) of the right half, mirrored unless `single`.

    depth: of its shade at given units, 0..1. width, soft: cm. ridge: how far beside it lies the lighter ridge
    of skin, along x and y; None for none. side: which half (+1, -1), where the units have one.
    """

    places: tuple[Place, ...]
    depth: Callable[[ActionUnits], float]
    width: float = 0.10
    soft: float = 0.09
    ridge: Place | None = None
    single: bool = False


NASOLABIAL = ((1.95, -1.1), (2.55, -2.0), (3.10, -3.0), (3.42, -4.1))
FOLDS = (
    Fold(
        NASOLABIAL,
        lambda u: 0.42 * u.lip_corner_pull + 0.34 * u.nose_wrinkle + 0.34 * u.upper_lip_raise,
        0.14,
        0.16,
        (0.30, 0.20),
    ),
    Fold(
        ((2.62, -3.5), (2.95, -4.2), (2.85, -4.8)),
        lambda u: 0.38 * u.dimple + 0.15 * u.lip_corner_pull,
        0.08,
        0.09,
    ),
    Fold(((2.62, -4.6), (2.95, -5.2), (3.0, -5.9)), lambda u: 0.36 * u.lip_corner_depress, 0.10, 0.12),
    Fold(((0.48, 3.55), (0.42, 4.2), (0.52, 4.95)), lambda u: 0.46 * u.brow_lower, 0.09, 0.09, (0.18, 0.0)),
    Fold(((0.0, 3.1), (0.35, 3.05), (0.7, 2.85)), lambda u: 0.34 * u.nose_wrinkle, 0.08, 0.08),
    Fold(((0.35, 1.9), (0.65, 2.3), (0.85, 2.8)), lambda u: 0.36 * u.nose_wrinkle, 0.08, 0.09),
    Fold(((4.75, 2.75), (5.25, 3.0), (5.75, 3.35)), lambda u: 0.22 * u.cheek_raise, 0.05, 0.06),
    Fold(((4.80, 2.5), (5.35, 2.45), (5.85, 2.45)), lambda u: 0.24 * u.cheek_raise, 0.05, 0.06),
    Fold(((4.70, 2.2), (5.20, 1.95), (5.65, 1.65)), lambda u: 0.20 * u.cheek_raise, 0.05, 0.06),
    Fold(
        ((2.1, 1.75), (2.9, 1.35), (3.8, 1.45), (4.5, 1.95)),
        lambda u: 0.22 * u.cheek_raise + 0.16 * u.lid_tighten,
        0.08,
        0.10,
        (0.0, 0.22),
    ),
    Fold(
        ((0.0, 5.95), (1.2, 6.05), (2.4, 6.2), (3.4, 6.1)),
        lambda u: 0.16 * u.inner_brow_raise + 0.08 * u.outer_brow_raise,
        0.07,
        0.10,
        (0.0, 0.22),
    ),
    Fold(
        ((0.0, 6.65), (1.2, 6.75), (2.4, 6.85), (3.3, 6.7)),
        lambda u: 0.15 * u.inner_brow_raise + 0.08 * u.outer_brow_raise,
        0.07,
        0.10,
        (0.0, 0.22),
    ),
    Fold(
        ((0.0, -6.15), (0.6, -6.1), (1.2, -5.85)),
        lambda u: 0.32 * u.chin_raise + 0.12 * u.lip_press,
        0.10,
        0.14,
    ),
)


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


def _one_sided(net: ActionUnits) -> tuple[ActionUnits, ActionUnits]:
    """The units of the left and of the right half."""
    left, right = max(0.0, -net.smirk), max(0.0, net.smirk)
    halves = []
    for smirk in (left, right):
        halves.append(net.plus(ActionUnits(lip_corner_pull=0.7 * smirk, dimple=0.5 * smirk)))
    return halves[0], halves[1]


@dataclass(frozen=True, eq=False)
class _Pinned:
    """Places that ride on the surface: the three nearest rows of each, and their weights."""

    rows: np.ndarray
    weights: np.ndarray

    def on(self, surface_px: np.ndarray) -> np.ndarray:
        return np.asarray((surface_px[self.rows] * self.weights[..., None]).sum(1))


@cache
def _pinned(places: tuple[Place, ...]) -> _Pinned:
    """Of canonical x and y."""
    vertices = surface().vertices_cm
    wanted = np.array(places)
    squares = np.square(vertices[None, :, :2] - wanted[:, None]).sum(-1)
    rows = np.argsort(squares, axis=1)[:, :4]
    near = vertices[rows][..., :2]
    weights = np.empty(rows.shape)
    for index, place in enumerate(wanted):  # the weights that give back the place itself, the smallest
        system = np.concatenate([near[index].T, np.ones((1, 4))])
        weights[index] = np.linalg.pinv(system) @ np.array([*place, 1.0])
    return _Pinned(rows, weights)


def _mirrored(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple((-x, y) for x, y in places)


def _draw_folds(picture: np.ndarray, moved: Moved, halves: tuple[ActionUnits, ActionUnits]) -> None:
    scale = moved.face.px_per_cm
    shape = picture.shape[:2]
    dark, light = (np.zeros((*shape, 4), np.uint8) for _ in range(2))
    dark_canvas, light_canvas = (skia.Surface(pixels).getCanvas() for pixels in (dark, light))
    drawn = False
    for fold in FOLDS:
        for units, mirrored in ((halves[1], False), (halves[0], True)):
            depth = min(0.62, fold.depth(units))
            if depth < 0.02:
                continue
            drawn = True
            places = _mirrored(fold.places) if mirrored else fold.places
            line = _pinned(places).on(moved.moved)[:, :2]
            _stroke(dark_canvas, line, depth, fold.width * scale, fold.soft * scale)
            if fold.ridge is not None:
                aside = np.array(fold.ridge) * (-1 if mirrored else 1, 1)
                beside = _pinned(tuple((x + aside[0], y + aside[1]) for x, y in places)).on(moved.moved)[
                    :, :2
                ]
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
    paint = skia.Paint(
        AntiAlias=True,
        Color=skia.ColorSetARGB(round(255 * 0.5 * min(1.0, alpha)), 255, 255, 255),
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=max(0.5, width),
        StrokeCap=skia.Paint.kRound_Cap,
    )
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, max(0.4, soft)))
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
    for places in (NASOLABIAL, _mirrored(NASOLABIAL)):
        line = _pinned(places).on(moved.moved)[:, :2]
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
    scale, pose = moved.face.px_per_cm, moved.face.pose
    drawn = np.zeros((*picture.shape[:2], 4), np.uint8)
    canvas = skia.Surface(drawn).getCanvas()
    for side in (1.0, -1.0):
        middle = _pinned(((side * 3.9, -0.1),)).on(moved.moved)[0]
        facing = max(0.25, abs(float(pose.rotation[2, 2] + side * 0.55 * pose.rotation[2, 0])))
        paint = skia.Paint(
            AntiAlias=True, Color=skia.ColorSetARGB(round(255 * min(0.85, 0.62 * blush)), 255, 255, 255)
        )
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.62 * scale))
        canvas.save()
        canvas.translate(float(middle[0]), float(middle[1]))
        canvas.rotate(pose.roll + side * -14)
        canvas.drawOval(
            skia.Rect.MakeLTRB(-1.35 * facing * scale, -0.75 * scale, 1.35 * facing * scale, 0.75 * scale),
            paint,
        )
        canvas.restore()
    for rows in _used_rows(drawn):
        alpha = drawn[rows][..., 3:].astype(np.float32) / 255
        red = (
            moved.face.light.tinted(picture[rows] * _BLUSH)
            if moved.face.light.tint is None
            else picture[rows] * 0.88
        )
        picture[rows] += alpha * (red - picture[rows])


_DROPS = ((5.35, 4.1, 1.0), (4.75, 5.6, 0.62))  # places and sizes; of the right half


def _draw_sweat(picture: np.ndarray, moved: Moved, sweat: float) -> None:
    """Drops of water on the temple that is seen best: a dark rim below, a light one and a glint above."""
    side = 1.0 if moved.face.pose.yaw <= 0 else -1.0
    scale, white = moved.face.px_per_cm, np.clip(moved.face.light.white * 1.12, 0, 255).astype(np.float32)
    for x, y, size in _DROPS:
        x0, y0 = _pinned(((side * x, y),)).on(moved.moved)[0, :2]
        radius = 0.26 * size * scale * (0.6 + 0.4 * min(1.0, sweat))
        drop = _drop(float(x0), float(y0), radius)
        strength = min(1.0, sweat)
        for path, soft, alpha, colour in (
            (drop, 0.10, 0.30, None),
            (_drop(float(x0), float(y0) - 0.12 * radius, 0.78 * radius), 0.16, 0.42, white),
            (_glint(float(x0) - 0.28 * radius, float(y0) - 0.22 * radius, 0.22 * radius), 0.06, 0.95, white),
        ):
            box = path.getBounds().makeOutset(radius, radius)
            left, top = max(0, int(box.left())), max(0, int(box.top()))
            right, bottom = (
                min(picture.shape[1], int(box.right()) + 1),
                min(picture.shape[0], int(box.bottom()) + 1),
            )
            if right - left < 2 or bottom - top < 2:
                continue
            drawn = np.zeros((bottom - top, right - left, 4), np.uint8)
            paint = skia.Paint(
                AntiAlias=True, Color=skia.ColorSetARGB(round(255 * alpha * strength), 255, 255, 255)
            )
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, max(0.4, soft * radius)))
            canvas = skia.Surface(drawn).getCanvas()
            canvas.translate(-left, -top)
            canvas.drawPath(path, paint)
            share = drawn[..., 3:].astype(np.float32) / 255
            part = picture[top:bottom, left:right]
            part += share * ((part * 0.72 if colour is None else colour) - part)


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


def _glint(x: float, y: float, radius: float) -> skia.Path:
    path = skia.Path()
    path.addOval(skia.Rect.MakeLTRB(x - radius, y - 1.5 * radius, x + radius, y + 1.5 * radius))
    return path
