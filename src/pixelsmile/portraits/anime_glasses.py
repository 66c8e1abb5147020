"""Glasses of the anime style: they sit before the resting eyes, and no expression moves them."""

import skia

from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.anime_ink import WHITE, fill, outline
from pixelsmile.portraits.brush import mix
from pixelsmile.portraits.curves import smooth_path
from pixelsmile.portraits.identity import Glasses, Identity


def paint_glasses(canvas: skia.Canvas, identity: Identity, left_eye: Point, right_eye: Point) -> None:
    """Lenses around the centres of both eyes, the bridge, and the ends of the arms."""
    if identity.glasses == "none":
        return
    width = 0.0066 if identity.glasses == "thin" else 0.0100
    pen = outline(mix(identity.glasses_color, (20, 16, 24), 0.32), width)
    for eye in (left_eye, right_eye):
        _paint_lens(canvas, identity.glasses, eye, pen)
    (lx, ly), (rx, ry) = left_eye, right_eye
    inner = 0.082
    bridge = [(lx + inner, ly - 0.010), ((lx + rx) / 2, (ly + ry) / 2 - 0.022), (rx - inner, ry - 0.010)]
    canvas.drawPath(smooth_path(bridge), pen)
    for (x, y), side in ((left_eye, -1), (right_eye, 1)):
        canvas.drawLine(x + side * 0.084, y - 0.012, x + side * 0.135, y - 0.022, pen)


def _paint_lens(canvas: skia.Canvas, glasses: Glasses, eye: Point, pen: skia.Paint) -> None:
    """One lens with a glare, and its rim."""
    x, y = eye
    rx, ry = 0.086, 0.074 if glasses != "thin" else 0.060
    rect = skia.Rect.MakeLTRB(x - rx, y - ry + 0.010, x + rx, y + ry + 0.010)
    rim = skia.Path()
    match glasses:
        case "round":
            rim.addOval(skia.Rect.MakeLTRB(x - 0.082, y - 0.072, x + 0.082, y + 0.092))
        case "square":
            rim.addRoundRect(rect, 0.022, 0.022)
        case _:
            rim.addRoundRect(rect, 0.050, 0.045)
    canvas.drawPath(rim, fill(WHITE, 0.10))
    glare = [(x - 0.055, y + 0.050), (x - 0.020, y - 0.045), (x + 0.000, y - 0.045), (x - 0.035, y + 0.050)]
    canvas.drawPath(skia.Path.Polygon([skia.Point(*p) for p in glare], True), fill(WHITE, 0.13))
    canvas.drawPath(rim, pen)
