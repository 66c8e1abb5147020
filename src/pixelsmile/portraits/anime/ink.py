"""Ink and colour in the anime domain: flat fills, tapered lines, and the shades that go with a colour."""

import colorsys
import math
from collections.abc import Sequence

import skia

from pixelsmile.portraits.brush import Color, Point, as_stroke, linear, mix, radial, ribbon_path

LINE = 0.0062  # width of a contour, about 1.6 px at 256 px
SHADOW_TINT: Color = (150, 96, 128)


def shaded(color: Color, depth: float = 1.0) -> Color:
    """The cel shadow of a colour: multiplied by a warm violet; `depth` 0 none .. 1 full."""
    red, green, blue = (
        round(c * (1 - depth * (1 - t / 255) * 0.55)) for c, t in zip(color, SHADOW_TINT, strict=True)
    )
    return (red, green, blue)


def ink_of(color: Color, share: float = 0.72) -> Color:
    """The line colour around an area of `color`: dark, but still of its hue."""
    return mix(color, (30, 14, 24), share)


def vivid(color: Color, gain: float = 1.35) -> Color:
    """The colour with its saturation multiplied by `gain` and the darkest lifted a little."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in color))
    lifted = value + 0.10 * (1 - value) ** 2
    red, green, blue = colorsys.hsv_to_rgb(hue, min(1.0, saturation * (1 + (gain - 1) * value)), lifted)
    return (round(red * 255), round(green * 255), round(blue * 255))


def fill(color: Color, alpha: float = 1.0) -> skia.Paint:
    """An anti-aliased flat fill; `alpha` 0..1."""
    paint = skia.Paint(AntiAlias=True)
    paint.setColor4f(skia.Color4f(color[0] / 255, color[1] / 255, color[2] / 255, max(0.0, min(1.0, alpha))))
    return paint


def outline(color: Color, width: float, alpha: float = 1.0) -> skia.Paint:
    """An even round-ended stroke of `width` (unit coordinates)."""
    return as_stroke(fill(color, alpha), width)


def glow(centre: Point, radius: float, color: Color, alpha: float) -> skia.Paint:
    """A fill that fades from `color` in the centre to nothing at `radius`."""
    return radial(centre, radius, ((0.0, color, alpha), (0.35, color, alpha), (1.0, color, 0.0)))


def ramp(top: Point, bottom: Point, colors: Sequence[Color], stops: Sequence[float]) -> skia.Paint:
    """A linear gradient of opaque colours between two points."""
    return linear(top, bottom, [(stop, color, 1.0) for stop, color in zip(stops, colors, strict=True)])


def spline(points: Sequence[Point], steps: int = 5) -> list[Point]:
    """Points along the Catmull-Rom curve through `points`, `steps` to a segment."""
    found: list[Point] = []
    last = len(points) - 1
    for i in range(last):
        p1, p2 = points[i], points[i + 1]
        p0, p3 = points[max(i - 1, 0)], points[min(i + 2, last)]
        for k in range(steps):
            t = k / steps
            a, b = -t + 2 * t * t - t**3, 2 - 5 * t * t + 3 * t**3
            c, d = t + 4 * t * t - 3 * t**3, -t * t + t**3
            found.append(
                (
                    0.5 * (a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0]),
                    0.5 * (a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]),
                )
            )
    found.append(points[last])
    return found


def draw_stroke(
    canvas: skia.Canvas,
    points: Sequence[Point],
    width: float,
    color: Color,
    alpha: float = 1.0,
    ends: tuple[float, float] = (0.15, 0.15),
) -> None:
    """Ink one tapered line: `width` in its middle, `ends` times that at its start and end."""
    if alpha <= 0.004:
        return
    along = spline(points)
    count = len(along) - 1
    widths = []
    for i in range(count + 1):
        t = i / count
        floor = ends[0] + (ends[1] - ends[0]) * t
        widths.append(width * (floor + (1 - floor) * math.sin(math.pi * t) ** 0.7))
    canvas.drawPath(ribbon_path(along, widths), fill(color, alpha))
