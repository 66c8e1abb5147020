"""Glasses in the human style; they rest on the nose and ears whatever the face does."""

import skia

from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.brush import WHITE, fill, lighter, shaded, stroke
from pixelsmile.portraits.geometry import FaceGeometry
from pixelsmile.portraits.identity import Identity


def paint_glasses(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Frame, lenses and reflections."""
    if identity.glasses == "none":
        return
    color = identity.glasses_color
    width = {"round": 0.0075, "square": 0.0105, "thin": 0.0050}[identity.glasses]
    left, right = geometry.left_eye.centre, geometry.right_eye.centre
    frame = skia.Path()
    lenses = [_lens(identity, centre) for centre in (left, right)]
    for lens in lenses:
        canvas.drawPath(lens, fill((214, 232, 244), 0.10))
        frame.addPath(lens)
    reach = 0.066
    y = left[1] - 0.006
    frame.moveTo(left[0] + reach - 0.004, y)
    frame.quadTo((left[0] + right[0]) / 2, y - 0.016, right[0] - reach + 0.004, y)
    for side, centre, ear in ((-1, left, geometry.left_ear), (1, right, geometry.right_ear)):
        frame.moveTo(centre[0] + side * reach, centre[1] - 0.014)
        frame.lineTo(ear[0] - side * 0.012, centre[1] - 0.010)
    canvas.save()
    canvas.translate(0.002, 0.006)
    canvas.drawPath(frame, stroke(shaded(identity.skin, 0.6), width, 0.35, 0.003))
    canvas.restore()
    canvas.drawPath(frame, stroke(color, width))
    canvas.drawPath(frame, stroke(lighter(color, 0.4), width * 0.3, 0.5))
    for lens, centre in zip(lenses, (left, right), strict=True):
        _glint(canvas, lens, centre)


def _lens(identity: Identity, centre: Point) -> skia.Path:
    x, y = centre
    path = skia.Path()
    match identity.glasses:
        case "round":
            path.addOval(skia.Rect.MakeLTRB(x - 0.066, y - 0.056, x + 0.066, y + 0.062))
        case "square":
            path.addRoundRect(skia.Rect.MakeLTRB(x - 0.068, y - 0.043, x + 0.068, y + 0.050), 0.018, 0.018)
        case _:
            path.addRoundRect(skia.Rect.MakeLTRB(x - 0.066, y - 0.038, x + 0.066, y + 0.046), 0.034, 0.034)
    return path


def _glint(canvas: skia.Canvas, lens: skia.Path, centre: Point) -> None:
    x, y = centre
    canvas.save()
    canvas.clipPath(lens, doAntiAlias=True)
    for shift, width in ((0.052, 0.010), (0.068, 0.004)):
        canvas.drawLine(x + shift - 0.02, y - 0.06, x + shift - 0.055, y + 0.03, stroke(WHITE, width, 0.16))
    canvas.restore()
