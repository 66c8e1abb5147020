"""Smooth curves through points, and the soft limits that keep shapes valid at any intensity."""

import math
from collections.abc import Sequence

import skia

from pixelsmile.portraits.anchors import Point

Curve = tuple[Point, ...]  # points that a smooth curve passes through


def saturate(value: float, ceiling: float = 1.6) -> float:
    """`value` up to 1 in size, then bent smoothly towards +-`ceiling`: linear as designed, bounded beyond."""
    size = abs(value)
    if size <= 1.0:
        return value
    room = ceiling - 1.0
    return math.copysign(1.0 + room * math.tanh((size - 1.0) / room), value)


def soft_min(value: float, ceiling: float, width: float = 0.15) -> float:
    """The smaller of the two with a rounded corner of about `width`."""
    return ceiling - soft_max(ceiling - value, 0.0, width)


def soft_max(value: float, floor: float, width: float = 0.15) -> float:
    """The larger of the two with a rounded corner of about `width`."""
    gap = value - floor
    return floor + 0.5 * (gap + math.sqrt(gap * gap + width * width))


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
