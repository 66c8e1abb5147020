"""Anime skin: ears, cel shading and nose; freckles, lines of age and of expression, blush and sweat."""

import random

import skia

from pixelsmile.portraits.action_units import ActionUnits, bounded, saturate
from pixelsmile.portraits.anime.frame import CENTRE_X, EYE_Y, AnimeFrame
from pixelsmile.portraits.anime.ink import LINE, draw_stroke, fill, glow, ink_of, outline, shaded
from pixelsmile.portraits.brush import WHITE, Point, clipped, lens_path, mix, smooth_path
from pixelsmile.portraits.identity import Identity

# Outline of an ear: outwards from the edge of the head, and down from the ear's middle.
_EAR = ((-0.012, -0.055), (0.020, -0.060), (0.034, -0.030), (0.022, 0.028), (0.004, 0.056), (-0.016, 0.040))


def paint_ears(canvas: skia.Canvas, identity: Identity, frame: AnimeFrame) -> None:
    """Both ears, which move with the head alone."""
    skin, ink = identity.skin, ink_of(identity.skin)
    turn = saturate(frame.turn, 1.1)  # beyond it they go with the edge of the face, or would leave it
    for side in (-1, 1):
        edge = CENTRE_X + side * frame.half_width - 0.012 * turn + 0.008 * (frame.turn - turn)
        y = frame.lower(0.585) - frame.nodded(0.35)
        ear = smooth_path([(edge + side * x, y + dy) for x, dy in _EAR], closed=True)
        canvas.drawPath(ear, fill(shaded(skin, 0.35)))
        canvas.drawPath(ear, outline(ink, LINE))
        fold = (
            (edge + side * 0.022, y - 0.036),
            (edge + side * 0.006, y - 0.028),
            (edge + side * 0.010, y + 0.012),
        )
        draw_stroke(canvas, fold, 0.0055, shaded(ink_of(skin, 0.5)), 0.9)


def paint_skin(canvas: skia.Canvas, identity: Identity, face: skia.Path, frame: AnimeFrame) -> None:
    """The flat skin with one soft shadow down its far side, and a little colour in the cheeks."""
    skin = identity.skin
    canvas.drawPath(face, fill(skin))
    with clipped(canvas, face):
        canvas.drawPath(_far_side(frame), fill(shaded(skin), 0.55))
        warm = mix(skin, (236, 92, 84), 0.55)
        for cheek in (-1, 1):
            spot = frame.place(cheek * 0.125, frame.lower(0.665))
            canvas.drawCircle(*spot, 0.062, glow(spot, 0.062, warm, 0.26))


def _far_side(frame: AnimeFrame) -> skia.Path:
    """Everything beyond the light: the side that the head turns away from."""
    side = frame.far_side
    edge = (
        (-1.3, 0.1), (0.9, 0.1), (0.90, 0.45), (0.885, 0.60), (0.72, 0.70), (0.42, 0.775), (0.1, 0.86),
        (-1.3, 0.9),
    )  # fmt: skip
    lit = smooth_path([(CENTRE_X + side * x * frame.half_width, y) for x, y in edge], closed=True)
    beyond = skia.Path()
    beyond.addRect(skia.Rect.MakeWH(1, 1))
    beyond.addPath(lit)
    beyond.setFillType(skia.PathFillType.kEvenOdd)
    return beyond


def nose_tip(identity: Identity, units: ActionUnits, frame: AnimeFrame) -> Point:
    """The tip of the nose, lifted a little when wrinkled."""
    y = frame.lower(0.662) + 0.012 * identity.nose_length - 0.009 * saturate(units.nose_wrinkle)
    return frame.place(0.0, y, 1.9)


def paint_nose(canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame) -> None:
    """A small nose: a wedge of shadow under the tip, a short line, and folds on its bridge (AU9)."""
    x, y = nose_tip(identity, units, frame)
    wrinkle = saturate(units.nose_wrinkle)
    half = 0.019 * (1 + 0.25 * identity.nose_width) * (1 + 0.22 * wrinkle)
    ink = ink_of(identity.skin, 0.72)
    side = frame.far_side
    wedge = lens_path(
        [(x - half, y + 0.006), (x, y + 0.010), (x + half, y + 0.006)],
        [(x - half, y + 0.006), (x + side * 0.003, y + 0.021), (x + half, y + 0.006)],
    )
    canvas.drawPath(wedge, fill(shaded(identity.skin, 1.1), 0.85))
    ridge = ((x + side * 0.010, y - 0.040), (x + side * 0.012, y - 0.018), (x + side * 0.007, y - 0.002))
    draw_stroke(canvas, ridge, 0.0075, shaded(identity.skin, 1.2), 0.55)
    draw_stroke(
        canvas, ((x - 0.45 * half, y + 0.009), (x, y + 0.012), (x + 0.45 * half, y + 0.008)), 0.0068, ink, 0.9
    )
    canvas.drawCircle(x - side * 0.003, y - 0.004, 0.0042, fill(mix(identity.skin, WHITE, 0.75), 0.8))
    _paint_wings(canvas, identity, (x, y), half, bounded(wrinkle))


def _paint_wings(canvas: skia.Canvas, identity: Identity, tip: Point, half: float, wrinkle: float) -> None:
    """The wings of the nose, deeper when wrinkled, and the folds on its bridge."""
    (x, y), ink = tip, ink_of(identity.skin, 0.72)
    for flank in (-1, 1):
        wing = (
            (x + flank * half, y - 0.006),
            (x + flank * (half + 0.006), y + 0.003),
            (x + flank * half, y + 0.009),
        )
        draw_stroke(canvas, wing, 0.0058, ink, min(1.0, 0.20 + 0.15 * identity.nose_width + 0.75 * wrinkle))
        for k in range(2):
            top = y - 0.066 + 0.018 * k
            fold = (
                (x + flank * 0.005, top - 0.006),
                (x + flank * 0.018, top - 0.002),
                (x + flank * 0.032, top + 0.012),
            )
            draw_stroke(canvas, fold, 0.0066, ink, 0.80 * wrinkle)


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
