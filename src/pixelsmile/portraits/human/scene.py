"""Behind and below the face in the human domain: background, neck, shoulders, clothes."""

import random

import skia

from pixelsmile.portraits.brush import (
    WHITE,
    argb,
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

_EVERYTHING = skia.Rect.MakeLTRB(-0.2, -0.2, 1.2, 1.2)


def paint_background(canvas: skia.Canvas, identity: Identity) -> None:
    """The whole picture, in one of the six kinds."""
    light, dark = identity.background_colors
    rng = random.Random(f"background {identity.seed}")
    canvas.drawRect(
        _EVERYTHING, radial((0.42, 0.36), 0.85, ((0.0, light, 1), (1.0, mix(light, dark, 0.75), 1)))
    )
    match identity.background:
        case "gradient":
            canvas.drawRect(_EVERYTHING, linear((0.1, 0.0), (0.9, 1.0), ((0.0, light, 1), (1.0, dark, 1))))
        case "bokeh":
            for _ in range(14):
                x, y, r = rng.uniform(0, 1), rng.uniform(0, 0.9), rng.uniform(0.03, 0.10)
                canvas.drawCircle(
                    x, y, r, fill(lighter(light, rng.uniform(0.2, 0.7)), rng.uniform(0.12, 0.4))
                )
        case "stripes":
            width = rng.uniform(0.06, 0.12)
            for i in range(int(1.6 / width)):
                x = -0.3 + i * width * 2
                canvas.drawLine(x, 1.1, x + 0.35, -0.1, stroke(dark, width, 0.22))
        case "window":
            _window(canvas, identity, rng.choice((-1, 1)))
        case "wall":
            _wall(canvas, identity, rng)
        case "plain":
            pass


def _window(canvas: skia.Canvas, identity: Identity, side: int) -> None:
    """A softly blurred window with daylight on one side."""
    light, dark = identity.background_colors
    canvas.drawRect(_EVERYTHING, fill(dark, 0.35))
    x = 0.5 + side * 0.36
    frame = skia.Rect.MakeLTRB(x - 0.2, 0.02, x + 0.2, 0.66)
    canvas.drawRect(frame, fill(lighter(light, 0.85), 0.9, 0.008))
    for bar in (
        skia.Rect.MakeLTRB(x - 0.012, 0.02, x + 0.012, 0.66),
        skia.Rect.MakeLTRB(x - 0.2, 0.3, x + 0.2, 0.32),
    ):
        canvas.drawRect(bar, fill(mix(light, dark, 0.6), 0.9, 0.005))
    spot(canvas, (x, 0.34), (0.5, 0.6), lighter(light, 0.8), 0.35)


def _wall(canvas: skia.Canvas, identity: Identity, rng: random.Random) -> None:
    """Brickwork, faint."""
    dark = darker(identity.background_colors[1], 0.15)
    rows = skia.Path()
    for row in range(11):
        y = row * 0.1
        rows.moveTo(-0.1, y)
        rows.lineTo(1.1, y)
        shift = rng.uniform(0, 0.1) + (0.1 if row % 2 else 0.0)
        for column in range(-1, 6):
            rows.moveTo(column * 0.2 + shift, y)
            rows.lineTo(column * 0.2 + shift, y + 0.1)
    canvas.drawPath(rows, stroke(dark, 0.006, 0.30))


def paint_body(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """Neck, shoulders and clothes; nothing here depends on the action units."""
    canvas.save()
    canvas.concat(geometry.body_pose)
    if identity.clothes == "hoodie":
        _hood(canvas, identity.clothes_color)
    _neck(canvas, identity, geometry)
    _clothes(canvas, identity)
    canvas.restore()


def _neck(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    skin = identity.skin
    half = geometry.frame.half_width * (0.56 + 0.05 * identity.jaw)
    neck = smooth_path(
        (
            (0.5 - half, 0.62), (0.5 - half * 0.98, 0.78), (0.5 - half * 1.03, 0.88),
            (0.5 - half * 1.35, 0.985), (0.5 - half * 1.6, 1.1), (0.5 + half * 1.6, 1.1),
            (0.5 + half * 1.35, 0.985), (0.5 + half * 1.03, 0.88), (0.5 + half * 0.98, 0.78),
            (0.5 + half, 0.62),
        ),
        closed=True,
    )  # fmt: skip
    shades = ((0.0, shaded(skin, 0.16), 1.0), (0.4, shaded(skin, 0.08), 1.0), (1.0, shaded(skin, 0.34), 1.0))
    canvas.drawPath(neck, linear((0.5 - half, 0.8), (0.5 + half, 0.82), shades))
    with clipped(canvas, neck):
        spot(canvas, (0.505, geometry.frame.chin_y + 0.005), (half * 1.5, 0.12), shaded(skin, 0.6), 0.75)
        for side in (-1, 1):
            line = smooth_path(
                (
                    (0.5 + side * half * 0.75, 0.84),
                    (0.5 + side * half * 0.45, 0.91),
                    (0.5 + side * 0.02, 0.965),
                )
            )
            canvas.drawPath(line, stroke(shaded(skin, 0.4), 0.010, 0.35, 0.005))


def _clothes(canvas: skia.Canvas, identity: Identity) -> None:
    color = identity.clothes_color
    match identity.clothes:
        case "t_shirt":
            _torso(canvas, color, 0.115, 0.945)
            _neckline(canvas, color, 0.115, 0.945)
        case "turtleneck":
            _torso(canvas, color, 0.13, 0.90)
            _roll(canvas, color)
        case "hoodie":
            _torso(canvas, color, 0.12, 0.95)
            _cords(canvas, color)
        case "collar":
            _torso(canvas, color, 0.10, 0.955)
            _collar(canvas, lighter(color, 0.25))
        case "blazer":
            _torso(canvas, (236, 234, 230), 0.10, 0.96)
            _lapels(canvas, color)


def _shoulders(neck: float, neck_y: float) -> skia.Path:
    """The torso, from a neckline of half width `neck` whose ends are at about `neck_y`."""
    path = skia.Path()
    path.moveTo(-0.1, 1.15)
    path.lineTo(-0.02, 1.03)
    path.cubicTo(0.04, 0.945, 0.22, 0.935, 0.5 - neck, neck_y - 0.055)
    path.cubicTo(0.5 - neck * 0.7, neck_y + 0.04, 0.5 + neck * 0.7, neck_y + 0.04, 0.5 + neck, neck_y - 0.055)
    path.cubicTo(0.78, 0.935, 0.96, 0.945, 1.02, 1.03)
    path.lineTo(1.1, 1.15)
    path.close()
    return path


def _torso(canvas: skia.Canvas, color: tuple[int, int, int], neck: float, neck_y: float) -> None:
    path = _shoulders(neck, neck_y)
    shades = ((0.0, lighter(color, 0.12), 1.0), (0.45, color, 1.0), (1.0, darker(color, 0.32), 1.0))
    canvas.drawPath(path, linear((0.1, 0.88), (0.95, 1.02), shades))
    with clipped(canvas, path):
        spot(canvas, (0.5, 0.88), (0.30, 0.12), darker(color, 0.6), 0.5)
        for side in (-1, 1):
            fold = smooth_path(
                ((0.5 + side * 0.29, 1.02), (0.5 + side * 0.25, 0.97), (0.5 + side * 0.16, 0.955))
            )
            canvas.drawPath(fold, stroke(darker(color, 0.4), 0.008, 0.4, 0.004))


def _neckline(canvas: skia.Canvas, color: tuple[int, int, int], neck: float, neck_y: float) -> None:
    path = skia.Path()
    path.moveTo(0.5 - neck, neck_y - 0.055)
    path.cubicTo(0.5 - neck * 0.7, neck_y + 0.04, 0.5 + neck * 0.7, neck_y + 0.04, 0.5 + neck, neck_y - 0.055)
    canvas.drawPath(path, stroke(darker(color, 0.3), 0.018))
    canvas.drawPath(path, stroke(lighter(color, 0.1), 0.010))


def _roll(canvas: skia.Canvas, color: tuple[int, int, int]) -> None:
    """The folded neck of a turtleneck."""
    roll = smooth_path(
        (
            (0.375, 0.845), (0.5, 0.872), (0.625, 0.845), (0.638, 0.90), (0.625, 0.935), (0.5, 0.962),
            (0.375, 0.935), (0.362, 0.90),
        ),
        closed=True,
    )  # fmt: skip
    shades = ((0.0, color, 1.0), (0.35, lighter(color, 0.14), 1.0), (1.0, darker(color, 0.35), 1.0))
    canvas.drawPath(roll, linear((0.36, 0.9), (0.64, 0.9), shades))
    ribs = skia.Path()
    for i in range(9):
        x = 0.39 + i * 0.0275
        ribs.moveTo(x, 0.862)
        ribs.lineTo(x, 0.945)
    with clipped(canvas, roll):
        canvas.drawPath(ribs, stroke(darker(color, 0.35), 0.005, 0.35))
        spot(canvas, (0.5, 0.85), (0.16, 0.06), darker(color, 0.6), 0.55)


def _hood(canvas: skia.Canvas, color: tuple[int, int, int]) -> None:
    """The hood lying behind the neck."""
    hood = smooth_path(
        (
            (0.27, 0.985), (0.30, 0.87), (0.355, 0.79), (0.5, 0.775), (0.645, 0.79), (0.70, 0.87),
            (0.73, 0.985), (0.5, 1.03),
        ),
        closed=True,
    )  # fmt: skip
    inner = smooth_path(
        ((0.355, 0.86), (0.39, 0.80), (0.61, 0.80), (0.645, 0.86), (0.62, 0.97), (0.38, 0.97))
    )
    shades = ((0.0, lighter(color, 0.1), 1.0), (1.0, darker(color, 0.35), 1.0))
    canvas.drawPath(hood, linear((0.3, 0.85), (0.72, 0.95), shades))
    canvas.drawPath(inner, fill(darker(color, 0.55), 0.8, 0.004))


def _cords(canvas: skia.Canvas, color: tuple[int, int, int]) -> None:
    for side in (-1, 1):
        cord = smooth_path(
            ((0.5 + side * 0.085, 0.962), (0.5 + side * 0.075, 1.0), (0.5 + side * 0.08, 1.05))
        )
        canvas.drawPath(cord, stroke(darker(color, 0.4), 0.014))
        canvas.drawPath(cord, stroke(lighter(color, 0.6), 0.009))


def _collar(canvas: skia.Canvas, color: tuple[int, int, int]) -> None:
    """Two shirt collar leaves."""
    for side in (-1, 1):
        leaf = skia.Path()
        leaf.moveTo(0.5 + side * 0.118, 0.885)
        leaf.quadTo(0.5 + side * 0.085, 0.945, 0.5 + side * 0.004, 0.985)
        leaf.lineTo(0.5 + side * 0.085, 1.03)
        leaf.quadTo(0.5 + side * 0.15, 0.975, 0.5 + side * 0.15, 0.905)
        leaf.close()
        canvas.drawPath(leaf, fill(darker(color, 0.5), 0.5, 0.006))
        shade = color if side < 0 else darker(color, 0.12)
        canvas.drawPath(leaf, fill(shade))
        canvas.drawPath(leaf, stroke(darker(color, 0.35), 0.004, 0.6))


def _lapels(canvas: skia.Canvas, color: tuple[int, int, int]) -> None:
    """A jacket over a light shirt."""
    _collar(canvas, (246, 245, 242))
    for side in (-1, 1):
        coat = skia.Path()
        coat.moveTo(0.5 + side * 0.135, 0.895)
        coat.cubicTo(0.5 + side * 0.28, 0.935, 0.5 + side * 0.46, 0.945, 0.5 + side * 0.54, 1.04)
        coat.lineTo(0.5 + side * 0.6, 1.15)
        coat.lineTo(0.5 + side * 0.035, 1.15)
        coat.close()
        canvas.drawPath(coat, fill(color if side < 0 else darker(color, 0.2)))
        lapel = skia.Path()
        lapel.moveTo(0.5 + side * 0.135, 0.895)
        lapel.lineTo(0.5 + side * 0.225, 0.945)
        lapel.lineTo(0.5 + side * 0.185, 0.985)
        lapel.lineTo(0.5 + side * 0.20, 1.02)
        lapel.lineTo(0.5 + side * 0.06, 1.12)
        lapel.close()
        canvas.drawPath(lapel, fill(lighter(color, 0.12 if side < 0 else 0.02)))
        canvas.drawPath(lapel, stroke(darker(color, 0.5), 0.004, 0.7))


def soft_light(canvas: skia.Canvas) -> None:
    """A last breath of light from the upper left over everything."""
    paint = linear((0.0, 0.0), (1.0, 1.0), ((0.0, WHITE, 0.06), (0.5, WHITE, 0.0), (1.0, (0, 0, 20), 0.10)))
    paint.setColor(argb(WHITE))
    canvas.drawRect(_EVERYTHING, paint)
