"""Painting anime hair: flat colour, shadow between the locks, strands in ink, and the band of light."""

import math
import random

import skia

from pixelsmile.portraits.anime_frame import CENTRE_X
from pixelsmile.portraits.anime_hair import Hair
from pixelsmile.portraits.anime_ink import WHITE, draw_stroke, fill, ink_of, outline, ramp, shaded, vivid
from pixelsmile.portraits.brush import mix
from pixelsmile.portraits.identity import Color, Identity

LINE = 0.0062


def hair_colors(identity: Identity) -> tuple[Color, Color, Color, Color]:
    """Base, shadow, light and ink of the hair."""
    base = vivid(identity.hair_color, 1.0 if identity.age > 0.6 else 1.45)
    dark = max(0.0, 1 - max(base) / 110)  # black hair shines blue, whatever its hue
    base = mix(base, (40, 32, 50), 0.75 * dark)
    light = mix(base, WHITE if sum(base) > 420 else (190, 170, 215), 0.50)
    return base, shaded(base), light, ink_of(base, 0.68)


def paint_back_hair(canvas: skia.Canvas, identity: Identity, hair: Hair) -> None:
    """The hair behind the head, in shadow."""
    base, shadow, light, ink = hair_colors(identity)
    for index, shape in enumerate(hair.back):
        loose = identity.hair_style in ("ponytail", "bun") and index == 0
        tone = mix(base, shadow, 0.25) if loose else mix(base, shadow, 0.85)
        canvas.drawPath(shape, fill(tone))
        if loose:
            _paint_knot(canvas, shape, light, shadow)
        canvas.drawPath(shape, outline(ink, LINE))


def _paint_knot(canvas: skia.Canvas, shape: skia.Path, light: Color, shadow: Color) -> None:
    """Light and strands of a bun or a tail."""
    box = shape.getBounds()
    canvas.save()
    canvas.clipPath(shape, skia.ClipOp.kIntersect, True)
    x, w, y, h = box.left(), box.width(), box.top(), box.height()
    for k, share in enumerate((0.25, 0.5, 0.75)):
        line = ((x + share * w, y), (x + (share + 0.08) * w, y + 0.5 * h), (x + (share - 0.05) * w, y + h))
        draw_stroke(canvas, line, 0.009, shadow, 0.7 - 0.1 * k)
    gloss = ((x + 0.18 * w, y + 0.30 * h), (x + 0.5 * w, y + 0.20 * h), (x + 0.82 * w, y + 0.30 * h))
    draw_stroke(canvas, gloss, 0.016, light, 0.7)
    canvas.restore()


def paint_front_hair(canvas: skia.Canvas, identity: Identity, hair: Hair) -> None:
    """The hair before the face."""
    base, shadow, light, ink = hair_colors(identity)
    if identity.hair_style == "buzz":
        canvas.drawPath(hair.front, fill(mix(base, identity.skin, 0.18)))
        _paint_stubs(canvas, identity, hair, shadow)
        canvas.drawPath(hair.front, outline(ink, LINE * 0.8, 0.8))
        return
    top = hair.whorl[1]
    body = ramp(
        (0, top),
        (0, top + 0.42),
        (mix(base, shadow, 0.30), base, base, mix(base, light, 0.10)),
        (0, 0.3, 0.6, 1),
    )
    canvas.drawPath(hair.front, body)
    canvas.save()
    canvas.clipPath(hair.front, skia.ClipOp.kIntersect, True)
    _paint_lock_shadows(canvas, hair, shadow)
    _paint_band(canvas, identity, hair, light)
    _paint_strands(canvas, identity, hair, ink, shadow)
    canvas.restore()
    canvas.drawPath(hair.front, outline(ink, LINE))


def _paint_stubs(canvas: skia.Canvas, identity: Identity, hair: Hair, color: Color) -> None:
    """The texture of hair cut to the skin."""
    rng = random.Random(f"stubs {identity.seed}")
    canvas.save()
    canvas.clipPath(hair.front, skia.ClipOp.kIntersect, True)
    pen = outline(color, 0.0042, 0.55)
    for _ in range(70):
        x, y = rng.uniform(-0.23, 0.23), rng.uniform(0.165, 0.42)
        canvas.drawLine(CENTRE_X + x, y, CENTRE_X + x * 1.03, y + 0.010, pen)
    canvas.restore()


def _paint_lock_shadows(canvas: skia.Canvas, hair: Hair, shadow: Color) -> None:
    """A dark wedge above every valley, and one down each side."""
    wx, wy = hair.whorl
    for x, y in hair.valleys:
        bow = 0.30 * (x - wx)
        far = (x + (wx - x) * 0.42 + bow * 0.55, y + (wy - y) * 0.52)
        middle = (x + (wx - x) * 0.12 + bow * 0.42, y + (wy - y) * 0.22)
        draw_stroke(canvas, ((x, y + 0.004), middle, far), 0.024, shadow, 0.80, (0.9, 0.02))
    rx, _ = hair.cap
    for side in (-1, 1):
        edge = CENTRE_X + side * rx
        line = ((edge - side * 0.052, 0.43), (edge - side * 0.020, 0.34), (edge - side * 0.050, 0.24))
        draw_stroke(canvas, line, 0.022, shadow, 0.55, (0.4, 0.02))
        draw_stroke(
            canvas,
            ((edge - side * 0.006, 0.90), (edge, 0.60), (edge - side * 0.002, 0.40)),
            0.036,
            shadow,
            0.75,
            (0.8, 0.1),
        )


def _paint_band(canvas: skia.Canvas, identity: Identity, hair: Hair, light: Color) -> None:
    """The zigzag ring of light around the crown."""
    rng = random.Random(f"band {identity.seed}")
    rx, ry = hair.cap
    upper, lower = [], []
    count = 17
    for i in range(count):
        a = math.radians(158 - 136 * i / (count - 1))
        edge = math.sin(math.pi * i / (count - 1)) ** 0.6
        gap = 1 - 0.9 * math.exp(-(((i - 8 - 3 * math.copysign(1, hair.whorl[0] - CENTRE_X)) / 1.1) ** 2))
        jag = (0.016 if i % 2 else -0.010) + rng.uniform(-0.005, 0.005)
        thick = (0.030 + jag) * edge * gap
        cx, cy = math.cos(a), math.sin(a)
        base = 0.435 - (ry * 0.66) * cy
        upper.append(skia.Point(CENTRE_X + 0.88 * rx * cx, base - 0.30 * thick))
        lower.append(skia.Point(CENTRE_X + 0.88 * rx * cx, base + 0.85 * thick))
    canvas.drawPath(skia.Path.Polygon([*upper, *reversed(lower)], True), fill(light, 0.80))


def _paint_strands(canvas: skia.Canvas, identity: Identity, hair: Hair, ink: Color, shadow: Color) -> None:
    """Fine lines from the valleys towards the whorl, and along the side locks."""
    rng = random.Random(f"strands {identity.seed}")
    wx, wy = hair.whorl
    for x, y in hair.valleys:
        reach = rng.uniform(0.40, 0.75)
        bow = 0.34 * (x - wx)
        far = (x + (wx - x) * reach * 0.8 + bow * 0.5, y + (wy - y) * reach)
        middle = (x + (wx - x) * 0.2 * reach + bow * 0.5, y + (wy - y) * 0.45 * reach)
        draw_stroke(canvas, ((x, y), middle, far), 0.0060, ink, 0.85, (1.0, 0.05))
    for _ in range(7):
        x = rng.uniform(-0.80, 0.80) * hair.cap[0]
        y = wy + 0.05 + 0.20 * (x / hair.cap[0]) ** 2
        line = ((wx + 0.55 * x, y), (wx + 0.85 * x, y + 0.05), (wx + x, y + 0.12))
        draw_stroke(canvas, line, 0.0052, shadow, 0.8)
    draw_stroke(
        canvas, ((wx, wy - 0.012), (wx + 0.006, wy + 0.035), (wx + 0.002, wy + 0.075)), 0.0062, ink, 0.7
    )
