"""Behind and below the face in the anime domain: background, neck, shoulders, clothes."""

import random
from collections.abc import Sequence

import skia

from pixelsmile.portraits.anime.frame import AnimeFrame
from pixelsmile.portraits.anime.ink import LINE, draw_stroke, fill, glow, ink_of, outline, ramp, shaded
from pixelsmile.portraits.brush import WHITE, Color, Point, clipped, mix, smooth_path
from pixelsmile.portraits.identity import Identity


def paint_neck(canvas: skia.Canvas, identity: Identity, frame: AnimeFrame) -> None:
    """The neck with the shadow of the chin; an expression does not move it."""
    half = 0.078 + 0.010 * frame.jaw
    neck = smooth_path(
        [(0.5 - half, 0.70), (0.5 - half, 0.86), (0.5 - half - 0.05, 0.94), (0.30, 1.05), (0.70, 1.05),
         (0.5 + half + 0.05, 0.94), (0.5 + half, 0.86), (0.5 + half, 0.70)],
        closed=True,
    )  # fmt: skip
    canvas.drawPath(neck, fill(identity.skin))
    with clipped(canvas, neck):
        chin = frame.chin_y + 0.045
        shadow = smooth_path(
            [(0.30, 0.60), (0.38, chin - 0.045), (0.5, chin + 0.012), (0.62, chin - 0.045), (0.70, 0.60)],
            closed=True,
        )
        canvas.drawPath(shadow, fill(shaded(identity.skin)))
    canvas.drawPath(neck, outline(ink_of(identity.skin), LINE))


def _body(neckline: list[Point]) -> skia.Path:
    """Shoulders down to the edge of the picture, open at the neck along `neckline` (left to right)."""
    path = skia.Path()
    path.moveTo(0.06, 1.12)
    path.cubicTo(0.08, 0.985, 0.17, 0.945, 0.27, 0.928)
    path.quadTo(0.36, 0.908, *neckline[0])
    for control, point in zip(neckline[1::2], neckline[2::2], strict=True):
        path.quadTo(*control, *point)
    path.quadTo(0.64, 0.908, 0.73, 0.928)
    path.cubicTo(0.83, 0.945, 0.92, 0.985, 0.94, 1.12)
    path.close()
    return path


def paint_clothes(canvas: skia.Canvas, identity: Identity) -> None:
    """What this person wears."""
    match identity.clothes:
        case "t_shirt":
            _t_shirt(canvas, identity)
        case "collar":
            _collar(canvas, identity)
        case "hoodie":
            _hoodie(canvas, identity)
        case "turtleneck":
            _turtleneck(canvas, identity)
        case "blazer":
            _blazer(canvas, identity)


def _fabric(canvas: skia.Canvas, identity: Identity, neckline: list[Point]) -> None:
    """The body in its colour with folds and a shadow on one side."""
    color = identity.clothes_color
    body = _body(neckline)
    canvas.drawPath(body, fill(color))
    with clipped(canvas, body):
        shade = shaded(color)
        draw_stroke(
            canvas,
            ((0.945, 1.08), (0.90, 0.985), (0.80, 0.945), (0.70, 0.930)),
            0.040,
            shade,
            0.9,
            (0.9, 0.02),
        )
        draw_stroke(
            canvas, ((0.80, 1.06), (0.79, 1.01), (0.80, 0.975)), 0.0065, ink_of(color, 0.6), 0.8, (0.9, 0.05)
        )
        draw_stroke(
            canvas, ((0.20, 1.06), (0.21, 1.01), (0.20, 0.975)), 0.0065, ink_of(color, 0.6), 0.8, (0.9, 0.05)
        )
        draw_stroke(canvas, ((0.22, 1.02), (0.235, 0.985), (0.27, 0.965)), 0.014, shade, 0.9, (0.9, 0.05))
        draw_stroke(canvas, ((0.70, 1.02), (0.70, 0.99), (0.68, 0.965)), 0.012, shade, 0.9, (0.9, 0.05))
    canvas.drawPath(body, outline(ink_of(color, 0.75), LINE))


def _t_shirt(canvas: skia.Canvas, identity: Identity) -> None:
    _fabric(canvas, identity, [(0.375, 0.893), (0.42, 0.985), (0.5, 0.985), (0.58, 0.985), (0.625, 0.893)])
    hem = smooth_path([(0.368, 0.905), (0.42, 0.978), (0.5, 0.998), (0.58, 0.978), (0.632, 0.905)])
    canvas.drawPath(hem, outline(shaded(identity.clothes_color, 1.2), 0.0075))


def _collar(canvas: skia.Canvas, identity: Identity) -> None:
    _fabric(canvas, identity, [(0.385, 0.890), (0.44, 0.95), (0.5, 0.995), (0.56, 0.95), (0.615, 0.890)])
    color, ink = mix(identity.clothes_color, WHITE, 0.45), ink_of(identity.clothes_color, 0.75)
    for side in (-1, 1):
        points = [(0.098, 0.868), (0.128, 0.900), (0.108, 0.988), (0.0, 0.992)]
        flap = _cut([(0.5 + side * x, y) for x, y in points])
        canvas.drawPath(flap, fill(color if side < 0 else shaded(color, 0.35)))
        canvas.drawPath(flap, outline(ink, LINE))
    canvas.drawLine(0.5, 0.992, 0.5, 1.05, outline(ink, LINE))


def _hoodie(canvas: skia.Canvas, identity: Identity) -> None:
    _fabric(canvas, identity, [(0.375, 0.893), (0.43, 0.985), (0.5, 0.990), (0.57, 0.985), (0.625, 0.893)])
    color, ink = identity.clothes_color, ink_of(identity.clothes_color, 0.75)
    for side in (-1, 1):
        points = [
            (0.100, 0.850), (0.180, 0.872), (0.200, 0.935), (0.110, 0.990), (0.006, 1.012), (0.070, 0.965),
        ]  # fmt: skip
        hood = smooth_path([(0.5 + side * x, y) for x, y in points], closed=True)
        canvas.drawPath(hood, fill(mix(color, WHITE, 0.14) if side < 0 else shaded(color, 0.4)))
        canvas.drawPath(hood, outline(ink, LINE))
        cord = [(0.5 + side * 0.045, 0.995), (0.5 + side * 0.052, 1.02), (0.5 + side * 0.048, 1.05)]
        canvas.drawPath(smooth_path(cord), outline(mix(color, WHITE, 0.75), 0.0095))


def _turtleneck(canvas: skia.Canvas, identity: Identity) -> None:
    color, ink = identity.clothes_color, ink_of(identity.clothes_color, 0.75)
    _fabric(canvas, identity, [(0.400, 0.900), (0.45, 0.93), (0.5, 0.93), (0.55, 0.93), (0.600, 0.900)])
    tube = smooth_path(
        [(0.408, 0.862), (0.5, 0.888), (0.592, 0.862), (0.604, 0.935), (0.5, 0.965), (0.396, 0.935)],
        closed=True,
    )
    canvas.drawPath(tube, fill(mix(color, WHITE, 0.08)))
    with clipped(canvas, tube):
        canvas.drawRect(skia.Rect.MakeLTRB(0.53, 0.8, 0.65, 1.0), fill(shaded(color), 0.8))
        for x in (0.43, 0.455, 0.48, 0.505, 0.53, 0.555, 0.58):
            canvas.drawLine(x, 0.86, x, 0.97, outline(shaded(color), 0.0046, 0.7))
    canvas.drawPath(tube, outline(ink, LINE))


_SHIRT = ((0.40, 0.885), (0.5, 0.985), (0.60, 0.885), (0.575, 1.06), (0.425, 1.06))
_TIE = ((0.478, 0.962), (0.522, 0.962), (0.514, 0.998), (0.532, 1.06), (0.468, 1.06), (0.486, 0.998))
_LAPEL = ((0.118, 0.888), (0.162, 0.935), (0.178, 0.962), (0.150, 0.978), (0.062, 1.06), (0.080, 0.99))


def _blazer(canvas: skia.Canvas, identity: Identity) -> None:
    color, ink = identity.clothes_color, ink_of(identity.clothes_color, 0.75)
    _fabric(canvas, identity, [(0.370, 0.895), (0.43, 0.99), (0.5, 1.10), (0.57, 0.99), (0.630, 0.895)])
    tie = mix(shaded(color), (190, 40, 60), 0.6)
    for shape, cloth, edge in ((_SHIRT, (246, 244, 242), (200, 200, 210)), (_TIE, tie, tie)):
        piece = _cut(shape)
        canvas.drawPath(piece, fill(cloth))
        canvas.drawPath(piece, outline(ink_of(edge, 0.7), 0.005))
    for side in (-1, 1):
        lapel = _cut([(0.5 + side * x, y) for x, y in _LAPEL])
        canvas.drawPath(lapel, fill(mix(color, WHITE, 0.10) if side < 0 else shaded(color, 0.5)))
        canvas.drawPath(lapel, outline(ink, LINE))


def _cut(points: Sequence[Point]) -> skia.Path:
    """A piece of cloth with straight edges."""
    return skia.Path.Polygon([skia.Point(x, y) for x, y in points], True)


def paint_background(canvas: skia.Canvas, identity: Identity) -> None:
    """Fill the whole picture with this person's background."""
    light, dark = identity.background_colors
    rng = random.Random(f"background {identity.seed}")
    match identity.background:
        case "plain":
            canvas.drawPaint(fill(light))
            canvas.drawCircle(0.5, 0.5, 0.44, fill(mix(light, WHITE, 0.35), 0.7))
        case "gradient":
            canvas.drawPaint(ramp((0, 0), (0.3, 1), (mix(light, WHITE, 0.2), light, dark), (0, 0.35, 1)))
        case "bokeh":
            _bokeh(canvas, light, dark, rng)
        case "stripes":
            canvas.drawPaint(fill(light))
            shift = rng.uniform(0, 0.12)
            for i in range(-8, 9):
                x = 0.125 * i + shift
                canvas.drawLine(x, -0.02, x + 0.45, 1.02, outline(mix(light, dark, 0.45), 0.052))
        case "window":
            _window(canvas, light, dark)
        case "wall":
            _wall(canvas, light, dark, rng)


def _bokeh(canvas: skia.Canvas, light: Color, dark: Color, rng: random.Random) -> None:
    canvas.drawPaint(ramp((0, 0), (0, 1), (dark, mix(dark, light, 0.5)), (0, 1)))
    for _ in range(16):
        x, y, radius = rng.random(), rng.random() * 0.9, rng.uniform(0.035, 0.095)
        canvas.drawCircle(x, y, radius, fill(mix(light, WHITE, 0.4), rng.uniform(0.18, 0.45)))
        canvas.drawCircle(x, y, radius, outline(WHITE, 0.004, 0.25))


def _window(canvas: skia.Canvas, light: Color, dark: Color) -> None:
    canvas.drawPaint(fill(mix(dark, light, 0.35)))
    pane = skia.Rect.MakeLTRB(0.08, 0.05, 0.92, 0.70)
    canvas.drawRect(pane, ramp((0, 0.05), (0, 0.7), ((150, 196, 236), (222, 240, 250)), (0, 1)))
    canvas.save()
    canvas.clipRect(pane)
    for x, y, radius in (
        (0.16, 0.30, 0.06),
        (0.24, 0.27, 0.08),
        (0.33, 0.31, 0.06),
        (0.74, 0.20, 0.06),
        (0.83, 0.17, 0.075),
    ):
        canvas.drawCircle(x, y, radius, fill(WHITE, 0.9))
    canvas.restore()
    frame = outline(mix(light, WHITE, 0.55), 0.028)
    canvas.drawRect(pane, frame)
    canvas.drawLine(0.5, 0.05, 0.5, 0.70, frame)
    canvas.drawLine(0.08, 0.38, 0.92, 0.38, frame)


def _wall(canvas: skia.Canvas, light: Color, dark: Color, rng: random.Random) -> None:
    canvas.drawPaint(fill(mix(light, WHITE, 0.15)))
    spot = (rng.uniform(0.25, 0.75), 0.25)
    canvas.drawCircle(*spot, 0.7, glow(spot, 0.7, mix(light, WHITE, 0.6), 0.6))
    canvas.drawRect(skia.Rect.MakeLTRB(0, 0.66, 1, 1), fill(mix(light, dark, 0.55)))
    canvas.drawRect(skia.Rect.MakeLTRB(0, 0.645, 1, 0.668), fill(mix(light, dark, 0.85)))
    for i in range(9):
        x = 0.06 + 0.11 * i
        canvas.drawLine(x, 0.67, x, 1.0, outline(mix(light, dark, 0.75), 0.005))
