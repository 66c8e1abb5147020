"""The skin of an anime face: ears, cel shading and nose."""

import skia

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.anime.eyes import bounded
from pixelsmile.portraits.anime.frame import CENTRE_X, AnimeFrame
from pixelsmile.portraits.anime.ink import WHITE, draw_stroke, fill, glow, ink_of, outline, shaded
from pixelsmile.portraits.brush import mix
from pixelsmile.portraits.curves import lens_path, saturate, smooth_path
from pixelsmile.portraits.identity import Identity

LINE = 0.0062  # the contour, about 1.6 px at 256 px
# Outline of an ear: outwards from the edge of the head, and down from the ear's middle.
_EAR = ((-0.012, -0.055), (0.020, -0.060), (0.034, -0.030), (0.022, 0.028), (0.004, 0.056), (-0.016, 0.040))


def paint_ears(canvas: skia.Canvas, identity: Identity, frame: AnimeFrame) -> None:
    """Both ears, which no expression moves."""
    skin, ink = identity.skin, ink_of(identity.skin)
    for side in (-1, 1):
        edge = CENTRE_X + side * frame.half_width - 0.012 * frame.turn
        y = frame.lower(0.585)
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
    canvas.save()
    canvas.clipPath(face, skia.ClipOp.kIntersect, True)
    canvas.drawPath(_far_side(frame), fill(shaded(skin), 0.55))
    warm = mix(skin, (236, 92, 84), 0.55)
    for cheek in (-1, 1):
        spot = frame.place(cheek * 0.125, frame.lower(0.665))
        canvas.drawCircle(*spot, 0.062, glow(spot, 0.062, warm, 0.26))
    canvas.restore()


def _far_side(frame: AnimeFrame) -> skia.Path:
    """Everything beyond the light: the side that the head turns away from."""
    side = 1 if frame.turn <= 0 else -1
    edge = (
        (-1.3, 0.1),
        (0.9, 0.1),
        (0.90, 0.45),
        (0.885, 0.60),
        (0.72, 0.70),
        (0.42, 0.775),
        (0.1, 0.86),
        (-1.3, 0.9),
    )
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
    side = 1 if frame.turn <= 0 else -1
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
