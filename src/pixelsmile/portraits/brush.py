"""What every domain is drawn with: points and curves, the colours of light and shadow, paints.

Unit coordinates: 0..1 over the picture, y down.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import skia

Point = tuple[float, float]  # x, y
Curve = tuple[Point, ...]  # points that a smooth curve passes through
Color = tuple[int, int, int]  # sRGB, 0..255
Stop = tuple[float, Color, float]  # place 0..1, colour, alpha

WHITE: Color = (255, 255, 255)


def lerp(a: Point, b: Point, t: float) -> Point:
    """The point at share `t` of the way from `a` to `b`."""
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t)


def append_curve(path: skia.Path, points: Sequence[Point], closed: bool = False) -> None:
    """Continue `path` (already at points[0]) smoothly through the other points (Catmull-Rom as cubics)."""
    count = len(points)
    last = count if closed else count - 1
    for i in range(last):
        p1, p2 = points[i], points[(i + 1) % count]
        p0 = points[i - 1] if i > 0 or closed else p1
        p3 = points[(i + 2) % count] if i + 2 < count or closed else p2
        path.cubicTo(
            p1[0] + (p2[0] - p0[0]) / 6,
            p1[1] + (p2[1] - p0[1]) / 6,
            p2[0] - (p3[0] - p1[0]) / 6,
            p2[1] - (p3[1] - p1[1]) / 6,
            p2[0],
            p2[1],
        )


def smooth_path(points: Sequence[Point], closed: bool = False) -> skia.Path:
    """A path through `points` with continuous tangents."""
    path = skia.Path()
    path.moveTo(*points[0])
    append_curve(path, points, closed)
    if closed:
        path.close()
    return path


def lens_path(upper: Sequence[Point], lower: Sequence[Point]) -> skia.Path:
    """A closed shape between two curves that share both ends, with sharp corners there."""
    path = skia.Path()
    path.moveTo(*upper[0])
    append_curve(path, upper)
    back = tuple(reversed(lower))
    path.lineTo(*back[0])
    append_curve(path, back)
    path.close()
    return path


def ribbon_path(points: Sequence[Point], widths: Sequence[float]) -> skia.Path:
    """A closed band along a curve: `widths` are full widths at the points."""
    left, right = [], []
    count = len(points)
    for i, (x, y) in enumerate(points):
        ax, ay = points[max(i - 1, 0)]
        bx, by = points[min(i + 1, count - 1)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        nx, ny = -(by - ay) / length * widths[i] / 2, (bx - ax) / length * widths[i] / 2
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return lens_path(left, right)


def polygon(path: skia.Path, samples: int = 96) -> tuple[Point, ...]:
    """`samples` points at equal steps along the first contour of `path`."""
    measure = skia.PathMeasure(path, False)
    length = measure.getLength()
    found = []
    for i in range(samples):
        position, _ = measure.getPosTan(length * i / samples)
        found.append((position.fX, position.fY))
    return tuple(found)


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
    return as_stroke(fill(color, alpha, blur), width)


def as_stroke(paint: skia.Paint, width: float) -> skia.Paint:
    """The same paint, made to draw lines."""
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


@contextmanager
def clipped(canvas: skia.Canvas, *paths: skia.Path, outside: skia.Path | None = None) -> Iterator[None]:
    """Draw only inside of all `paths`, then not on `outside`; the order shows at soft edges."""
    canvas.save()
    for path in paths:
        canvas.clipPath(path, doAntiAlias=True)
    if outside is not None:
        canvas.clipPath(outside, skia.ClipOp.kDifference, True)
    yield
    canvas.restore()


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
