"""What comes and goes on anime skin: freckles, lines of age and of expression, blush and sweat."""

import random

import skia

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anime.eyes import bounded
from pixelsmile.portraits.anime.frame import EYE_Y, AnimeFrame
from pixelsmile.portraits.anime.ink import WHITE, draw_stroke, fill, glow, ink_of, outline, shaded
from pixelsmile.portraits.brush import mix
from pixelsmile.portraits.curves import saturate
from pixelsmile.portraits.identity import Identity


def paint_freckles(canvas: skia.Canvas, identity: Identity, frame: AnimeFrame) -> None:
    """Dots over nose and cheeks, always at the same places of one person."""
    dots = random.Random(f"freckles {identity.seed}")
    tan = mix(shaded(identity.skin), (150, 80, 50), 0.45)
    for _ in range(round(34 * identity.freckles)):
        x, y = dots.gauss(0, 0.085), frame.lower(0.655) + dots.gauss(0, 0.016)
        spot = frame.place(x, y)
        canvas.drawCircle(*spot, dots.uniform(0.0030, 0.0048), fill(tan, 0.75))


def paint_wrinkles(canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame) -> None:
    """The few lines that age draws; expressions deepen the ones at eyes and mouth."""
    ink, age = ink_of(identity.skin, 0.55), identity.age
    pulled = units.upper_lip_raise + 0.5 * units.nose_wrinkle + 0.4 * units.lip_corner_pull
    fold = min(1.0, 0.75 * max(0.0, age - 0.2) + (0.25 + 0.3 * age) * bounded(pulled))
    wide, cheek = 0.008 * saturate(units.lip_corner_pull), bounded(units.cheek_raise)
    bag = min(1.0, 0.5 * max(0.0, age - 0.3) + 0.24 * cheek + 0.20 * bounded(units.lid_tighten))
    crow = min(1.0, 0.6 * max(0.0, age - 0.4) + (0.3 + 0.5 * age) * cheek)
    beside_mouth = ((0.046, 0.668), (0.066 + wide, 0.692), (0.076 + wide, 0.724))
    under_eye = ((0.066, 0.645), (0.104, 0.655), (0.140, 0.644))
    for side in (-1, 1):
        line = [frame.place(side * x, frame.lower(y)) for x, y in beside_mouth]
        draw_stroke(canvas, line, 0.0055, ink, fold)
        line = [frame.place(side * x, frame.lower(y)) for x, y in under_eye]
        draw_stroke(canvas, line, 0.0052, ink, bag)
        for dy, depth in ((-0.004, 1.0), (0.012, 0.8)):
            start = frame.place(side * 0.176, frame.lower(EYE_Y) + dy + 0.004)
            end = (start[0] + side * 0.022, start[1] + dy * 1.2)
            middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.001)
            draw_stroke(canvas, (start, middle, end), 0.0050, ink, depth * crow)


def paint_blush(canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame) -> None:
    """Reddened cheeks with the hatching of the genre."""
    depth = bounded(units.blush, 1.3)
    if depth <= 0:
        return
    red = mix(identity.skin, (240, 58, 76), 0.78)
    for side in (-1, 1):
        x, y = frame.place(side * 0.128, frame.lower(0.662))
        canvas.save()
        canvas.translate(x, y)
        canvas.scale(1.0, 0.58)
        canvas.drawCircle(0, 0, 0.075, glow((0, 0), 0.075, red, 0.55 * depth))
        canvas.restore()
        for k in (-1, 0, 1):
            start = (x + 0.020 * k + 0.008, y - 0.010)
            end = (x + 0.020 * k - 0.006, y + 0.011)
            middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
            draw_stroke(canvas, (start, middle, end), 0.0058, mix(red, (150, 20, 40), 0.35), 0.75 * depth)
    across = frame.place(0.0, frame.lower(0.645), 1.7)
    canvas.save()
    canvas.translate(*across)
    canvas.scale(1.0, 0.4)
    canvas.drawCircle(0, 0, 0.07, glow((0, 0), 0.07, red, 0.30 * depth))
    canvas.restore()


def paint_sweat(canvas: skia.Canvas, units: ActionUnits, frame: AnimeFrame) -> None:
    """Drops on the temple, the cheek and the brow: they grow and fade in."""
    amount = saturate(units.sweat)
    if amount <= 0:
        return
    alpha = bounded(1.25 * amount)
    for x, y, size in ((0.176, 0.470, 0.030), (-0.178, 0.625, 0.022), (0.060, 0.400, 0.018)):
        px, py = frame.place(x, frame.lower(y) + 0.006 * amount, 0.6)
        _drop(canvas, px, py, size * (0.35 + 0.65 * amount), alpha)


def _drop(canvas: skia.Canvas, x: float, y: float, size: float, alpha: float) -> None:
    """One drop, `size` its half height."""
    path = skia.Path()
    path.moveTo(x, y - size)
    path.cubicTo(
        x + 0.15 * size, y - 0.4 * size, x + 0.62 * size, y - 0.05 * size, x + 0.62 * size, y + 0.42 * size
    )
    path.cubicTo(
        x + 0.62 * size, y + 1.2 * size, x - 0.62 * size, y + 1.2 * size, x - 0.62 * size, y + 0.42 * size
    )
    path.cubicTo(x - 0.62 * size, y - 0.05 * size, x - 0.15 * size, y - 0.4 * size, x, y - size)
    path.close()
    canvas.drawPath(path, fill((176, 218, 246), 0.88 * alpha))
    canvas.drawPath(path, outline((70, 116, 168), 0.0048, 0.9 * alpha))
    canvas.drawOval(
        skia.Rect.MakeXYWH(x - 0.36 * size, y + 0.10 * size, 0.30 * size, 0.52 * size),
        fill(WHITE, 0.95 * alpha),
    )
