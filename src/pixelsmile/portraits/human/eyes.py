"""Eyes, brows and glasses in the human domain."""

import random

import skia

from pixelsmile.portraits.brush import (
    WHITE,
    Color,
    Point,
    clipped,
    darker,
    fill,
    lens_path,
    lerp,
    lighter,
    linear,
    mix,
    radial,
    ribbon_path,
    shaded,
    smooth_path,
    spot,
    stroke,
)
from pixelsmile.portraits.human.geometry import Brow, Eye, FaceGeometry
from pixelsmile.portraits.identity import Identity

_LASH: Color = (38, 26, 26)
_PLAIN_LASHES = ("short", "buzz", "bald", "spiky")


def paint_eyes(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Both eyes with lids and lashes."""
    for eye in (geometry.left_eye, geometry.right_eye):
        _lid_skin(canvas, identity, eye)
        if eye.openness > 0.03:
            _ball(canvas, identity, eye)
        _lashes(canvas, identity, eye)


def _lid_skin(canvas: skia.Canvas, identity: Identity, eye: Eye) -> None:
    """The upper lid between its crease and its edge, rounder the more it is shut."""
    skin = identity.skin
    lid = lens_path(eye.crease, eye.upper)
    top, bottom = eye.crease[2][1], eye.upper[2][1]
    shades = (
        (0.0, shaded(skin, 0.30), 0.75),
        (0.45, lighter(skin, 0.12), 0.8),
        (1.0, shaded(skin, 0.22), 0.8),
    )
    canvas.drawPath(lid, linear((0.5, top), (0.5, bottom + 0.002), shades))
    canvas.drawPath(smooth_path(eye.crease), stroke(shaded(skin, 0.55), 0.0045, 0.55, 0.0012))
    canvas.drawPath(
        smooth_path(eye.bag[1:-1]), stroke(shaded(skin, 0.4), 0.006, 0.16 + 0.14 * identity.age, 0.003)
    )


def _ball(canvas: skia.Canvas, identity: Identity, eye: Eye) -> None:
    """The white, iris, pupil and light of an open eye."""
    x, y = eye.centre
    with clipped(canvas, lens_path(eye.upper, eye.lower)):
        white = ((0.0, (252, 249, 246), 1.0), (0.6, (244, 238, 234), 1.0), (1.0, (206, 192, 188), 1.0))
        canvas.drawPaint(radial((x - 0.004, y + 0.004), eye.half_width * 1.1, white))
        _iris(canvas, identity.eye_color, eye)
        canvas.drawPath(smooth_path(eye.upper), stroke((60, 36, 40), 0.020, 0.50, 0.006))
        canvas.drawPath(smooth_path(eye.lower), stroke((120, 80, 80), 0.006, 0.28, 0.003))
        corner = lerp(eye.inner, eye.outer, 0.035)
        spot(canvas, corner, (0.009, 0.007), (214, 130, 128), 0.8)
    canvas.drawPath(smooth_path(eye.lower), stroke(mix(identity.skin, (190, 110, 105), 0.45), 0.0045, 0.75))


def _iris(canvas: skia.Canvas, color: Color, eye: Eye) -> None:
    x, y = eye.iris
    r = eye.iris_radius
    stops = (
        (0.0, darker(color, 0.35), 1.0), (0.42, color, 1.0), (0.74, lighter(color, 0.22), 1.0),
        (0.88, darker(color, 0.38), 1.0), (1.0, darker(color, 0.75), 1.0),
    )  # fmt: skip
    canvas.drawCircle(x, y, r, radial((x, y), r, stops))
    spot(canvas, (x + r * 0.05, y + r * 0.45), (r * 0.75, r * 0.5), lighter(color, 0.65), 0.60)
    canvas.drawCircle(x, y, eye.pupil_radius, fill((14, 10, 12)))
    canvas.drawCircle(x - r * 0.32, y - r * 0.34, r * 0.24, fill(WHITE, 0.96))
    canvas.drawCircle(x + r * 0.36, y + r * 0.38, r * 0.11, fill(WHITE, 0.55))


def _lashes(canvas: skia.Canvas, identity: Identity, eye: Eye) -> None:
    """The dark edge of the upper lid, thicker outwards, and a few lashes."""
    color = mix(_LASH, identity.brow_color, 0.25)
    s = eye.side
    wing = (eye.outer[0] + s * 0.008, eye.outer[1] - 0.003)
    line = (*eye.upper[:-1], eye.outer, wing)
    canvas.drawPath(ribbon_path(line, (0.004, 0.0075, 0.0085, 0.0085, 0.006, 0.001)), fill(color, 0.95))
    long = 0.45 if identity.beard != "none" or identity.hair_style in _PLAIN_LASHES else 1.0
    lashes = skia.Path()
    droop = 0.010 * max(0.0, 1.0 - eye.openness * 1.6)
    for share, reach in ((0.62, 0.008), (0.76, 0.011), (0.88, 0.013), (0.97, 0.013)):
        length = reach * long
        place = share * (len(eye.upper) - 1)
        i = min(int(place), len(eye.upper) - 2)
        x, y = lerp(eye.upper[i], eye.upper[i + 1], place - i)
        lashes.moveTo(x, y)
        lashes.quadTo(
            x + s * length * 0.5, y - length * 0.2, x + s * length * 0.95, y - length * 0.75 + droop
        )
    canvas.drawPath(lashes, stroke(color, 0.0035, 0.85))


def paint_brows(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Both brows, as a soft body with strokes of hair over it."""
    for brow in (geometry.left_brow, geometry.right_brow):
        _brow(canvas, identity, brow)


def _brow(canvas: skia.Canvas, identity: Identity, brow: Brow) -> None:
    color = identity.brow_color
    body = ribbon_path(brow.line, brow.widths)
    canvas.drawPath(body, fill(color, 0.72, 0.0022))
    rng = random.Random(f"brow {identity.seed} {brow.side}")
    hairs, lights = skia.Path(), skia.Path()
    for i in range(24):
        place = i / 24 * (len(brow.line) - 1)
        index = int(place)
        x, y = lerp(brow.line[index], brow.line[index + 1], place - index)
        width = brow.widths[index] + (brow.widths[index + 1] - brow.widths[index]) * (place - index)
        ahead = brow.line[index + 1]
        back = brow.line[index]
        dx, dy = (ahead[0] - back[0]) * 0.36, (ahead[1] - back[1]) * 0.36
        y += width * rng.uniform(-0.05, 0.5)
        rise = width * rng.uniform(0.35, 0.8) * (1.0 - place / 3.4)
        path = hairs if i % 3 else lights
        path.moveTo(x, y)
        path.quadTo(x + dx * 0.4, y + dy * 0.4 - rise * 0.7, x + dx, y + dy - rise * 0.6)
    canvas.drawPath(hairs, stroke(darker(color, 0.3), 0.0042, 0.75))
    canvas.drawPath(lights, stroke(lighter(color, 0.22), 0.0036, 0.55))


def paint_glasses(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Frame, lenses and reflections; they rest on nose and ears whatever the face does."""
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
    with clipped(canvas, lens):
        for shift, width in ((0.052, 0.010), (0.068, 0.004)):
            canvas.drawLine(
                x + shift - 0.02, y - 0.06, x + shift - 0.055, y + 0.03, stroke(WHITE, width, 0.16)
            )
