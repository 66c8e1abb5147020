"""Nose, mouth and sweat in the human style."""

import skia

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.brush import WHITE, darker, fill, lighter, linear, mix, radial, shaded, spot, stroke
from pixelsmile.portraits.curves import Curve, lens_path, ribbon_path, saturate, smooth_path
from pixelsmile.portraits.human.geometry import FaceGeometry, Mouth
from pixelsmile.portraits.identity import Color, Identity

_CAVITY: Color = (74, 18, 24)
_TEETH: Color = (250, 247, 240)
_TONGUE: Color = (206, 88, 94)


def paint_nose(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Bridge, tip, wings and nostrils, lit from the upper left."""
    skin, nose = identity.skin, geometry.nose
    shade, light = shaded(skin, 0.45), lighter(skin, 0.62)
    tx, ty = nose.tip
    rx, ry = nose.root
    bright = 0.45 + 0.55 * skin[1] / 230
    half = nose.half_width
    side = smooth_path(((rx + 0.016, ry - 0.02), (rx + 0.020, ry + 0.05), (tx + half * 0.75, ty - 0.018)))
    canvas.drawPath(side, stroke(shade, 0.020, 0.42, 0.009))
    bridge = smooth_path(
        ((rx - 0.002, ry + 0.002), ((rx + tx) / 2 - 0.003, (ry + ty) / 2), (tx - 0.004, ty - 0.022))
    )
    canvas.drawPath(bridge, stroke(light, 0.013, 0.42 * bright, 0.006))
    spot(canvas, (tx + 0.004, ty + 0.030), (half * 1.5, 0.030), shade, 0.55)
    spot(canvas, (tx, ty + 0.002), (half * 0.75, 0.026), mix(skin, (214, 110, 96), 0.25), 0.55)
    spot(canvas, (tx - 0.006, ty - 0.006), (0.017, 0.015), light, 0.85 * bright)
    under = shaded(skin, 0.62)
    _nostrils(canvas, geometry, under)
    for s, (x, y) in ((-1, nose.left_wing), (1, nose.right_wing)):
        wing = smooth_path(
            (
                (x - s * 0.010, y - 0.018),
                (x + s * 0.002, y - 0.006),
                (x, y + 0.009),
                (x - s * 0.012, y + 0.014),
            )
        )
        canvas.drawPath(wing, stroke(under, 0.0050, 0.60, 0.0014))


def _nostrils(canvas: skia.Canvas, geometry: FaceGeometry, color: Color) -> None:
    nose = geometry.nose
    tx, ty = nose.tip
    y = ty + 0.0165
    half = nose.half_width
    for s in (-1, 1):
        canvas.save()
        canvas.translate(tx + s * half * 0.44, y)
        canvas.rotate(s * -14)
        rect = skia.Rect.MakeLTRB(-half * 0.27, -0.0050, half * 0.27, 0.0050)
        canvas.drawOval(rect, fill(darker(color, 0.25), 0.85, 0.0012))
        canvas.restore()
    base = smooth_path(((tx - half * 0.20, y + 0.004), (tx, y + 0.009), (tx + half * 0.20, y + 0.004)))
    canvas.drawPath(base, stroke(color, 0.0045, 0.5, 0.0014))


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
    canvas.save()
    canvas.clipPath(hole, doAntiAlias=True)
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
    canvas.restore()


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
    canvas.save()
    canvas.clipPath(row, doAntiAlias=True)
    canvas.drawPath(lines, stroke((176, 160, 150), 0.0038, 0.50))
    canvas.restore()


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


def paint_sweat(canvas: skia.Canvas, units: ActionUnits, geometry: FaceGeometry) -> None:
    """Drops on the temple, brow and cheek."""
    amount = max(0.0, saturate(units.sweat))
    if amount < 0.03:
        return
    place = geometry.frame.place
    size = 0.60 + 0.40 * amount
    for x, y, r in (
        (0.168, 0.470, 0.0135),
        (-0.166, 0.520, 0.0115),
        (0.150, 0.545, 0.0090),
        (-0.130, 0.368, 0.0095),
    ):
        _drop(canvas, place(x, y), r * size, min(1.0, 1.3 * amount))


def _drop(canvas: skia.Canvas, at: Point, r: float, alpha: float) -> None:
    """A tear-shaped drop of radius `r`."""
    x, y = at
    path = skia.Path()
    path.moveTo(x, y - 2.1 * r)
    path.cubicTo(x + 0.35 * r, y - 1.1 * r, x + r, y - 0.6 * r, x + r, y + 0.1 * r)
    path.cubicTo(x + r, y + 1.3 * r, x - r, y + 1.3 * r, x - r, y + 0.1 * r)
    path.cubicTo(x - r, y - 0.6 * r, x - 0.35 * r, y - 1.1 * r, x, y - 2.1 * r)
    path.close()
    body = (
        (0.0, (226, 244, 255), 0.9 * alpha),
        (0.7, (150, 202, 236), 0.85 * alpha),
        (1.0, (96, 158, 206), 0.95 * alpha),
    )
    canvas.drawPath(path, radial((x - 0.2 * r, y - 0.3 * r), r * 1.9, body))
    canvas.drawPath(path, stroke((72, 126, 172), 0.0030, 0.6 * alpha))
    canvas.drawCircle(x - 0.32 * r, y - 0.05 * r, 0.28 * r, fill(WHITE, 0.95 * alpha))
