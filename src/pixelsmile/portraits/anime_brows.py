"""Anime eyebrows: tapered, expressive, and seen through the fringe."""

import skia

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.anime_eyes import bounded
from pixelsmile.portraits.anime_frame import AnimeFrame
from pixelsmile.portraits.anime_ink import draw_stroke, fill, ink_of, spline
from pixelsmile.portraits.brush import mix
from pixelsmile.portraits.curves import ribbon_path, saturate
from pixelsmile.portraits.identity import Identity


def brow_points(identity: Identity, units: ActionUnits, frame: AnimeFrame, side: int) -> tuple[Point, ...]:
    """The middle line of one brow, from its inner end to its outer."""
    inner_up, outer_up = saturate(units.inner_brow_raise), saturate(units.outer_brow_raise)
    lower, tilt = saturate(units.brow_lower), saturate(units.brow_tilt) * side
    base = frame.lower(0.480) - 0.012 * identity.brow_height
    points = []
    for i in range(5):
        t = i / 4
        arch = -(0.013 + 0.007 * identity.brow_arch) * (1 - (1.5 * t - 0.75) ** 2 * 1.5)
        y = base + arch - 0.006 * identity.eye_tilt * t + 0.006 * t
        y -= 0.031 * inner_up * (1 - t) ** 1.2 + 0.030 * outer_up * t**0.8
        y += lower * (0.038 * (1 - t) ** 1.3 + 0.010 - 0.016 * t)
        y -= tilt * (0.022 + 0.008 * t)
        y += 0.006 * saturate(units.nose_wrinkle) * (1 - t) - 0.004 * saturate(units.upper_lid_raise)
        x = 0.050 + 0.118 * t - 0.012 * lower * (1 - t) + 0.004 * inner_up * (1 - t)
        points.append(frame.place(side * x, y, 1.1))
    return tuple(points)


def paint_brows(
    canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame, alpha: float = 1.0
) -> None:
    """Both brows; drawn a second time over the fringe with a smaller `alpha`."""
    thick = 0.0175 * (1 + 0.38 * identity.brow_thickness)
    color = mix(identity.brow_color, (24, 12, 18), 0.30)
    for side in (-1, 1):
        along = spline(brow_points(identity, units, frame, side), 4)
        count = len(along) - 1
        widths = [
            thick * (0.80 + 0.2 * min(1, 5 * i / count)) * (1 - 0.86 * (i / count) ** 1.8)
            for i in range(count + 1)
        ]
        if alpha < 1:
            halo = [w + 0.010 for w in widths]
            canvas.drawPath(ribbon_path(along, halo), fill(identity.skin, 0.38))
        canvas.drawPath(ribbon_path(along, widths), fill(color, alpha))


def paint_frown(canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame) -> None:
    """The lines between the brows (AU4) and the folds of the forehead (AU1, AU2)."""
    color = ink_of(identity.skin, 0.6)
    depth = bounded(units.brow_lower)
    y = frame.lower(0.485)
    for side in (-1, 1):
        x = 0.017
        line = (
            frame.place(side * (x + 0.004), y - 0.026, 1.2),
            frame.place(side * x, y - 0.004, 1.2),
            frame.place(side * (x + 0.005), y + 0.012, 1.2),
        )
        draw_stroke(canvas, line, 0.0062, color, 0.75 * depth)
    folds = bounded(0.55 * units.inner_brow_raise + 0.35 * units.outer_brow_raise) * (
        0.35 + 0.65 * identity.age
    )
    rest = 0.45 * bounded(max(0.0, identity.age - 0.35) * 1.5)
    for height, half in ((0.385, 0.055), (0.360, 0.040)):
        fold = tuple(
            frame.place(x, frame.lower(height) - dy, 1.0)
            for x, dy in ((-half, 0.0), (0.0, 0.006), (half, 0.0))
        )
        draw_stroke(canvas, fold, 0.0050, color, min(1.0, rest + 0.7 * folds))
