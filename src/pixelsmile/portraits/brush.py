"""Paints, gradients and soft spots: the strokes that every style of drawing is made of. Unit coordinates."""

from collections.abc import Sequence

import skia

from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.identity import Color

WHITE: Color = (255, 255, 255)
Stop = tuple[float, Color, float]  # place 0..1, colour, alpha


def argb(color: Color, alpha: float = 1.0) -> int:
    """A skia colour; alpha is limited to 0..1."""
    return skia.ColorSetARGB(round(255 * max(0.0, min(1.0, alpha))), *color)


def mix(a: Color, b: Color, share: float) -> Color:
    """`a` turned by `share` (0..1) into `b`."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def darker(color: Color, share: float) -> Color:
    """`color` in shadow: darker by `share`, and a little warmer."""
    r, g, b = color
    return (round(r * (1 - 0.80 * share)), round(g * (1 - share)), round(b * (1 - 0.98 * share)))


def shaded(skin: Color, share: float) -> Color:
    """Skin in shadow: redder the darker, as light that passed through it."""
    r, g, b = skin
    return (round(r * (1 - 0.62 * share)), round(g * (1 - 0.93 * share)), round(b * (1 - 0.97 * share)))


def lighter(color: Color, share: float) -> Color:
    """`color` in light."""
    return mix(color, (255, 250, 240), share)


def fill(color: Color, alpha: float = 1.0, blur: float = 0.0) -> skia.Paint:
    """A paint that fills; `blur` is the softness of its edge (a standard deviation)."""
    paint = skia.Paint(AntiAlias=True, Color=argb(color, alpha))
    if blur > 0:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return paint


def stroke(color: Color, width: float, alpha: float = 1.0, blur: float = 0.0) -> skia.Paint:
    """A paint that draws lines with round ends."""
    paint = fill(color, alpha, blur)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    return paint


def linear(start: Point, end: Point, stops: Sequence[Stop]) -> skia.Paint:
    """A paint with a straight gradient."""
    shader = skia.GradientShader.MakeLinear(
        [skia.Point(*start), skia.Point(*end)], [argb(c, a) for _, c, a in stops], [p for p, _, _ in stops]
    )
    return skia.Paint(AntiAlias=True, Shader=shader)


def radial(centre: Point, radius: float, stops: Sequence[Stop]) -> skia.Paint:
    """A paint with a round gradient."""
    shader = skia.GradientShader.MakeRadial(
        skia.Point(*centre), radius, [argb(c, a) for _, c, a in stops], [p for p, _, _ in stops]
    )
    return skia.Paint(AntiAlias=True, Shader=shader)


def spot(
    canvas: skia.Canvas, centre: Point, radii: Point, color: Color, alpha: float, degrees: float = 0.0
) -> None:
    """A soft ellipse that fades from `alpha` in the middle to nothing at its radii."""
    if alpha <= 0.004:
        return
    canvas.save()
    canvas.translate(*centre)
    if degrees:
        canvas.rotate(degrees)
    canvas.scale(*radii)
    stops = ((0.0, color, alpha), (0.35, color, alpha * 0.78), (0.7, color, alpha * 0.25), (1.0, color, 0.0))
    canvas.drawCircle(0, 0, 1, radial((0.0, 0.0), 1.0, stops))
    canvas.restore()
