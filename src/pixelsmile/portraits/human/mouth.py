"""The mouth in the human domain: lips, teeth and tongue."""

import skia

from pixelsmile.portraits.brush import (
    WHITE,
    Color,
    Curve,
    clipped,
    darker,
    fill,
    lens_path,
    lighter,
    linear,
    ribbon_path,
    shaded,
    smooth_path,
    spot,
    stroke,
)
from pixelsmile.portraits.human.geometry import FaceGeometry, Mouth
from pixelsmile.portraits.identity import Identity

_CAVITY: Color = (74, 18, 24)
_TEETH: Color = (250, 247, 240)
_TONGUE: Color = (206, 88, 94)


def paint_mouth(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Lips, teeth and tongue."""
    mouth, skin = geometry.mouth, identity.skin
    low = mouth.lower_outer[3]
    width = mouth.right[0] - mouth.left[0]
    spot(canvas, (low[0], low[1] + 0.012), (width * 0.36, 0.020), shaded(skin, 0.5), 0.62)
    philtrum = mouth.upper_outer[3]
    spot(canvas, (philtrum[0], philtrum[1] - 0.016), (0.010, 0.020), shaded(skin, 0.35), 0.40)
    for x, y in (mouth.left, mouth.right):
        spot(canvas, (x, y), (0.020, 0.018), shaded(skin, 0.55), 0.50)
    if mouth.gap > 0.0025:
        _inside(canvas, mouth)
    _lips(canvas, identity, mouth)


def _inside(canvas: skia.Canvas, mouth: Mouth) -> None:
    """What an open mouth shows."""
    hole = lens_path(mouth.upper_inner, mouth.lower_inner)
    x, top = mouth.upper_inner[3]
    bottom = mouth.lower_inner[3][1]
    with clipped(canvas, hole):
        depth = ((0.0, darker(_CAVITY, 0.55), 1.0), (0.55, _CAVITY, 1.0), (1.0, (122, 38, 42), 1.0))
        canvas.drawPaint(linear((x, top), (x, bottom), depth))
        if mouth.gap > 0.022:
            size = min(1.0, (mouth.gap - 0.022) / 0.03)
            width = (mouth.right[0] - mouth.left[0]) * 0.33
            rise = 0.006 + 0.020 * size
            spot(canvas, (x, bottom + 0.004), (width * 1.25, rise * 1.7), _TONGUE, size)
            canvas.drawOval(
                skia.Rect.MakeLTRB(x - width, bottom - rise, x + width, bottom + rise),
                fill(_TONGUE, 0.85 * size, 0.004),
            )
        if mouth.lower_teeth > 0.002:
            _teeth(canvas, mouth.lower_inner, -mouth.lower_teeth, mouth.gap, darker(_TEETH, 0.06))
        _teeth(canvas, mouth.upper_inner, mouth.upper_teeth, mouth.gap, _TEETH)
        canvas.drawPath(smooth_path(mouth.upper_inner), stroke((60, 16, 20), 0.010, 0.45, 0.004))
        for corner in (mouth.left, mouth.right):
            spot(canvas, corner, (0.030, 0.030), (50, 12, 18), 0.75)


def _teeth(canvas: skia.Canvas, edge: Curve, height: float, gap: float, color: Color) -> None:
    """A row of teeth hanging from (or standing on) a lip's inner edge; `height` is signed, down positive."""
    deep = 1.0 if height > 0 else 0.92
    shares = (0.30, 0.72, 0.92, 1.0, 0.92, 0.72, 0.30)
    band = tuple((x, y + height * share * deep) for (x, y), share in zip(edge, shares, strict=True))
    row = lens_path(edge, band)
    canvas.drawPath(row, fill(color, min(1.0, gap / 0.004)))
    lines = skia.Path()
    middle = edge[3][0]
    step = 0.0185 if height > 0 else 0.014
    for i in range(-4, 5):
        x = middle + i * step * (1 - 0.05 * abs(i))
        y = edge[3][1] + (edge[1][1] - edge[3][1]) * min(1.0, abs(i) / 4.5) ** 2
        lines.moveTo(x, y - abs(height) * 0.2)
        lines.lineTo(x, y + height * 0.95)
    with clipped(canvas, row):
        canvas.drawPath(lines, stroke((176, 160, 150), 0.0038, 0.50))


def _lips(canvas: skia.Canvas, identity: Identity, mouth: Mouth) -> None:
    color = identity.lip_color
    upper = lens_path(mouth.upper_outer, mouth.upper_inner)
    lower = lens_path(mouth.lower_inner, mouth.lower_outer)
    x = mouth.centre[0]
    dark, line = darker(color, 0.22), darker(color, 0.62)
    shades = ((0.0, color, 0.92), (0.6, dark, 1.0), (1.0, darker(color, 0.36), 1.0))
    canvas.drawPath(upper, linear((x, mouth.upper_outer[3][1]), (x, mouth.upper_inner[3][1] + 0.001), shades))
    bright = (
        (0.0, darker(color, 0.12), 1.0),
        (0.4, lighter(color, 0.16), 1.0),
        (1.0, darker(color, 0.14), 0.92),
    )
    low_in, low_out = mouth.lower_inner[3], mouth.lower_outer[3]
    canvas.drawPath(lower, linear(low_in, (low_in[0], low_out[1] + 0.001), bright))
    thick = low_out[1] - low_in[1]
    spot(canvas, (x - 0.012, low_in[1] + thick * 0.42), (0.030, max(0.003, thick * 0.34)), WHITE, 0.42)
    canvas.drawPath(
        smooth_path(mouth.upper_outer[1:-1]), stroke(lighter(identity.skin, 0.5), 0.0035, 0.28, 0.0012)
    )
    closed = 1.0 - min(1.0, mouth.gap / 0.008)
    widths = (0.003, 0.005, 0.006, 0.0062, 0.006, 0.005, 0.003)
    canvas.drawPath(ribbon_path(mouth.upper_inner, widths), fill(line, 0.35 + 0.55 * closed))
    if closed < 1:
        canvas.drawPath(smooth_path(mouth.lower_inner), stroke(line, 0.004, 0.45 * (1 - closed)))
    for corner in (mouth.left, mouth.right):
        spot(canvas, corner, (0.010, 0.009), line, 0.60)
