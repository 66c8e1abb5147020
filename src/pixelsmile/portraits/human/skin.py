"""Skin in the human domain: ears, head, shading, freckles, nose, wrinkles and sweat."""

import random

import skia

from pixelsmile.portraits.action_units import ActionUnits, saturate
from pixelsmile.portraits.brush import (
    WHITE,
    Color,
    Curve,
    Point,
    clipped,
    darker,
    fill,
    lighter,
    linear,
    mix,
    radial,
    shaded,
    smooth_path,
    spot,
    stroke,
)
from pixelsmile.portraits.human.geometry import FaceGeometry
from pixelsmile.portraits.identity import Identity


def paint_ears(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Both ears, behind the head."""
    skin = identity.skin
    rx, ry = geometry.ear_size
    for side, (x, y) in ((-1, geometry.left_ear), (1, geometry.right_ear)):
        ear = skia.Path()
        ear.moveTo(x - side * rx * 1.5, y - ry * 0.70)
        ear.cubicTo(
            x + side * rx * 0.2,
            y - ry * 1.35,
            x + side * rx * 1.25,
            y - ry * 0.9,
            x + side * rx,
            y - ry * 0.1,
        )
        ear.cubicTo(
            x + side * rx * 0.8,
            y + ry * 0.5,
            x + side * rx * 0.35,
            y + ry * 1.2,
            x - side * rx * 0.35,
            y + ry,
        )
        ear.quadTo(x - side * rx * 0.8, y + ry * 0.9, x - side * rx * 1.5, y + ry * 0.55)
        ear.close()
        base = shaded(skin, 0.06 if side < 0 else 0.20)
        canvas.drawPath(
            ear, radial((x - side * 0.01, y), 0.075, ((0.0, shaded(base, 0.22), 1), (1.0, base, 1)))
        )
        fold = smooth_path(
            (
                (x - side * rx * 0.1, y - ry * 0.65),
                (x + side * rx * 0.62, y - ry * 0.55),
                (x + side * rx * 0.55, y + ry * 0.05),
                (x + side * rx * 0.1, y + ry * 0.55),
            )
        )
        canvas.drawPath(fold, stroke(shaded(skin, 0.45), 0.006, 0.55, 0.002))
        canvas.drawPath(ear, stroke(shaded(skin, 0.45), 0.004, 0.45))


def paint_head(canvas: skia.Canvas, identity: Identity, units: ActionUnits, geometry: FaceGeometry) -> None:
    """The head with its shading, blush and freckles, without features."""
    skin = identity.skin
    head = smooth_path(geometry.outline, closed=True)
    canvas.drawPath(head, fill(skin))
    with clipped(canvas, head):
        w, chin = geometry.frame.half_width, geometry.chin[1]
        shade = shaded(skin, 0.42)
        light = lighter(skin, 0.42)
        shades = ((0.0, shade, 0.16), (0.22, shade, 0.0), (0.60, shade, 0.0), (1.0, shade, 0.62))
        canvas.drawRect(
            skia.Rect.MakeLTRB(0.2, 0.1, 0.8, 0.95), linear((0.5 - w, 0.48), (0.5 + w, 0.54), shades)
        )
        fall = ((0.0, shade, 0.0), (0.62, shade, 0.0), (1.0, shade, 0.50))
        canvas.drawRect(
            skia.Rect.MakeLTRB(0.2, 0.1, 0.8, 0.95), linear((0.5, 0.3), (0.5, chin + 0.012), fall)
        )
        spot(canvas, (0.455, 0.335), (0.15, 0.075), light, 0.62 - 0.30 * skin[1] / 255)
        _sockets(canvas, geometry, shade)
        _cheeks(canvas, identity, units, geometry)
        spot(canvas, (geometry.chin[0] - 0.008, chin - 0.036), (0.045, 0.026), light, 0.38)
        _freckles(canvas, identity, geometry)
        canvas.drawPath(head, stroke(shaded(skin, 0.55), 0.007, 0.35, 0.003))


def _sockets(canvas: skia.Canvas, geometry: FaceGeometry, shade: Color) -> None:
    """Ambient shadow between brow and eye, and beside the root of the nose."""
    for eye, brow in ((geometry.left_eye, geometry.left_brow), (geometry.right_eye, geometry.right_brow)):
        x, y = eye.centre
        spot(canvas, (x, (y + brow.line[1][1]) / 2 + 0.006), (0.075, 0.048), shade, 0.42)
        spot(canvas, (eye.inner[0] - eye.side * 0.004, y - 0.012), (0.022, 0.040), shade, 0.45)
        spot(canvas, (x, y + 0.034), (0.055, 0.024), shade, 0.20)


def _cheeks(canvas: skia.Canvas, identity: Identity, units: ActionUnits, geometry: FaceGeometry) -> None:
    """Colour and light on the cheeks; they swell with AU6."""
    skin = identity.skin
    rosy = mix(skin, (228, 70, 76), 0.55)
    raised = max(0.0, saturate(units.cheek_raise))
    blush = max(0.0, saturate(units.blush))
    for side, (x, y) in ((-1, geometry.left_cheek), (1, geometry.right_cheek)):
        spot(canvas, (x, y), (0.088, 0.064), rosy, 0.10 + 0.20 * skin[1] / 230)
        spot(canvas, (x, y - 0.006), (0.090, 0.060), mix(skin, (236, 48, 66), 0.62), 0.62 * blush)
        spot(
            canvas,
            (x - 0.012, y - 0.026 - 0.004 * raised),
            (0.052, 0.030),
            lighter(skin, 0.5),
            0.34 + 0.16 * raised,
        )
        spot(
            canvas,
            (x + side * 0.05, y + 0.075),
            (0.055, 0.07),
            shaded(skin, 0.45),
            0.16 + 0.05 * identity.age,
        )


def _freckles(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    if identity.freckles <= 0.02:
        return
    rng = random.Random(f"freckles {identity.seed}")
    color = mix(shaded(identity.skin, 0.42), (150, 80, 40), 0.4)
    for _ in range(int(14 + 46 * identity.freckles)):
        x, y = rng.gauss(0, 0.095), 0.575 + rng.gauss(0, 0.026)
        px, py = geometry.frame.place(x, y, 1.0 + 0.5 * max(0.0, 1 - abs(x) / 0.04))
        canvas.drawCircle(px, py, rng.uniform(0.0020, 0.0034), fill(color, rng.uniform(0.35, 0.75)))


def paint_wrinkles(
    canvas: skia.Canvas, identity: Identity, units: ActionUnits, geometry: FaceGeometry
) -> None:
    """The lines of age and of the expression, over skin, nose and mouth."""
    age = max(0.0, identity.age - 0.25) / 0.75
    line = shaded(identity.skin, 0.50)
    _forehead(canvas, geometry, line, age)
    _frown(canvas, geometry, line, age)
    _eye_lines(canvas, units, geometry, line, age)
    _nose_lines(canvas, geometry, line)
    _folds(canvas, identity, units, geometry, age)
    _chin_lines(canvas, units, geometry, line, age)


def _line(canvas: skia.Canvas, points: Curve, color: Color, width: float, alpha: float) -> None:
    """A soft wrinkle."""
    if alpha <= 0.02:
        return
    canvas.drawPath(smooth_path(points), stroke(color, width * 1.25, min(alpha, 0.8) * 0.9, 0.0020))


def _forehead(canvas: skia.Canvas, geometry: FaceGeometry, line: Color, age: float) -> None:
    left, right = geometry.left_brow.raised, geometry.right_brow.raised
    place = geometry.frame.place
    for i, y in enumerate((0.376, 0.350, 0.324)):
        bend = 0.006
        for side, raised in ((-1, left), (1, right)):
            alpha = 0.34 * age + 0.50 * max(0.0, raised) - 0.06 * i
            yy = y - 0.014 * raised
            points = (
                place(side * 0.006, yy + bend),
                place(side * 0.05, yy),
                place(side * 0.095, yy),
                place(side * 0.13, yy + bend),
            )
            _line(canvas, points, line, 0.0045, alpha)


def _frown(canvas: skia.Canvas, geometry: FaceGeometry, line: Color, age: float) -> None:
    """The upright lines between the brows (AU4)."""
    for brow in (geometry.left_brow, geometry.right_brow):
        x, y = brow.line[0]
        inward = x - brow.side * 0.018
        points = (
            (inward + brow.side * 0.004, y - 0.030),
            (inward, y - 0.006),
            (inward + brow.side * 0.002, y + 0.018),
        )
        _line(canvas, points, line, 0.0055, 0.25 * age + 0.70 * max(0.0, brow.lowered))


def _eye_lines(
    canvas: skia.Canvas, units: ActionUnits, geometry: FaceGeometry, line: Color, age: float
) -> None:
    """Crow's feet and the fold under the eye."""
    smile = max(0.0, saturate(units.cheek_raise))
    tight = max(0.0, saturate(units.lid_tighten))
    for eye in (geometry.left_eye, geometry.right_eye):
        x, y = eye.outer
        s = eye.side
        for dy, slope in ((-0.008, -0.013), (0.002, 0.0), (0.011, 0.013)):
            points = (
                (x + s * 0.012, y + dy),
                (x + s * 0.024, y + dy + slope * 0.5),
                (x + s * 0.036, y + dy + slope * 1.3),
            )
            _line(canvas, points, line, 0.0042, 0.38 * age + 0.52 * smile)
        _line(canvas, eye.bag, line, 0.0045, 0.12 + 0.38 * age + 0.38 * smile + 0.22 * tight)


def _nose_lines(canvas: skia.Canvas, geometry: FaceGeometry, line: Color) -> None:
    """Wrinkles over the root of the nose (AU9)."""
    lift = max(0.0, geometry.nose.lift)
    x, y = geometry.nose.root
    for s in (-1, 1):
        for i in range(3):
            yy = y + 0.004 + 0.022 * i
            points = ((x + s * 0.003, yy - 0.004), (x + s * 0.014, yy), (x + s * 0.025, yy + 0.012))
            _line(canvas, points, line, 0.0045, (0.55 - 0.08 * i) * lift)


def _folds(
    canvas: skia.Canvas, identity: Identity, units: ActionUnits, geometry: FaceGeometry, age: float
) -> None:
    """From the nose to the corners of the mouth (nasolabial), and the dimples."""
    color = shaded(identity.skin, 0.50)
    lip = max(0.0, saturate(units.upper_lip_raise)) + 0.7 * max(0.0, geometry.nose.lift)
    smirk, pull = saturate(units.smirk), max(0.0, saturate(units.lip_corner_pull))
    sad = max(0.0, saturate(units.lip_corner_depress))
    mouth, nose = geometry.mouth, geometry.nose
    for s, wing, corner in ((-1, nose.left_wing, mouth.left), (1, nose.right_wing, mouth.right)):
        smile = pull + max(0.0, smirk * s)
        depth = 0.04 + 0.36 * age + 0.46 * smile + 0.32 * lip + 0.12 * sad
        bulge = 0.019 + 0.003 * smile
        start = (wing[0] + s * 0.008, wing[1] - 0.010)
        end = (corner[0] + s * (0.017 + 0.004 * smile), corner[1] + 0.002 - 0.004 * smile)
        middle = ((start[0] + end[0]) / 2 + s * bulge, (start[1] + end[1]) / 2 - 0.006)
        path = smooth_path((start, middle, end))
        canvas.drawPath(path, stroke(color, 0.010, min(0.55, 0.45 * depth), 0.006))
        canvas.drawPath(path, stroke(color, 0.0045, min(0.75, 0.75 * depth), 0.0016))
        dent = 0.8 * max(0.0, saturate(units.dimple)) * (1.0 if units.smirk == 0 or smirk * s > 0 else 0.2)
        if dent > 0.02:
            x, y = corner[0] + s * 0.014, corner[1]
            points = ((x - s * 0.001, y - 0.015), (x + s * 0.005, y), (x - s * 0.001, y + 0.014))
            canvas.drawPath(smooth_path(points), stroke(color, 0.006, min(0.8, dent), 0.0022))


def _chin_lines(
    canvas: skia.Canvas, units: ActionUnits, geometry: FaceGeometry, line: Color, age: float
) -> None:
    """The pushed-up chin (AU17) and the lines below the corners of the mouth."""
    pushed = max(0.0, saturate(units.chin_raise))
    low = geometry.mouth.lower_outer[3]
    x, y = low[0], (low[1] + geometry.chin[1]) / 2
    for dx, dy in ((-0.018, 0.004), (0.0, -0.005), (0.018, 0.004), (-0.009, 0.014), (0.010, 0.014)):
        spot(canvas, (x + dx, y + dy), (0.010, 0.008), line, 0.42 * pushed)
    _line(canvas, ((x - 0.030, y + 0.003), (x, y - 0.013), (x + 0.030, y + 0.003)), line, 0.005, 0.5 * pushed)
    sad = max(0.0, saturate(units.lip_corner_depress))
    for s, corner in ((-1, geometry.mouth.left), (1, geometry.mouth.right)):
        points = ((corner[0] + s * 0.006, corner[1] + 0.006), (corner[0] + s * 0.012, corner[1] + 0.030))
        _line(canvas, points, line, 0.005, 0.22 * age + 0.42 * sad)


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
