"""Anime mouths: one pair of curves that runs from a closed line to a wide open, toothed or wavy mouth."""

import math
from dataclasses import dataclass

import skia

from pixelsmile.portraits.action_units import ActionUnits, bounded, saturate
from pixelsmile.portraits.anime.frame import CHIN_DEPTH, AnimeFrame, chin_drop
from pixelsmile.portraits.anime.ink import draw_stroke, fill, ink_of, shaded
from pixelsmile.portraits.brush import WHITE, Point, clipped, lens_path, mix
from pixelsmile.portraits.identity import Identity

_DEPTH = 1.35  # the mouth stands out from the skin
_STEPS = tuple(i / 8 for i in range(-8, 9))


@dataclass(frozen=True)
class AnimeMouth:
    """The mouth in the face frame; curves run from the left corner to the right."""

    upper: tuple[Point, ...]
    lower: tuple[Point, ...]
    opening: float  # greatest gap, in unit coordinates
    half_width: float

    @property
    def left_corner(self) -> Point:
        """The viewer's left corner."""
        return self.upper[0]

    @property
    def right_corner(self) -> Point:
        """The viewer's right corner."""
        return self.upper[-1]


def build_mouth(identity: Identity, units: ActionUnits, frame: AnimeFrame) -> AnimeMouth:
    """The mouth of this face; valid for intensities up to 2."""
    smile, stretch, pucker = (
        saturate(v) for v in (units.lip_corner_pull, units.lip_stretch, units.lip_pucker)
    )
    press, jaw = saturate(units.lip_press), saturate(units.jaw_drop, 1.5)
    width = 0.058 * (1 + 0.16 * identity.mouth_width)
    width *= (1 + 0.42 * smile + 0.50 * stretch + 0.18 * saturate(units.lower_lip_depress)) * (1 - 0.10 * jaw)
    width *= math.exp(-0.50 * pucker) * (1 - 0.08 * press + 0.06 * saturate(units.lip_corner_depress))
    level = frame.lower(0.727)
    room = frame.chin_y + chin_drop(units) - level - 0.026 - max(0.0, frame.nodded(_DEPTH - CHIN_DEPTH))
    opening = bounded(_opening(units), room / 0.85)
    upper, lower = [], []
    for t in _STEPS:
        x, y = t * width, level + _line(units, t)
        x += 0.012 * saturate(units.smirk) * abs(t) * (0.5 + 0.5 * t * math.copysign(1, units.smirk))
        rise, gap = _gap(units, t, opening)
        upper.append(frame.place(x, y - rise, _DEPTH))
        lower.append(frame.place(x * (1 - 0.02 * (1 - t * t)), y - rise + gap, _DEPTH))
    return AnimeMouth(tuple(upper), tuple(lower), opening, width)


def _opening(units: ActionUnits) -> float:
    """The greatest gap between the lips."""
    part, jaw = saturate(units.lips_part), saturate(units.jaw_drop, 1.5)
    smile = saturate(units.lip_corner_pull)
    shut = 1 - 0.75 * bounded(units.lip_press)
    gap = 0.014 * part + 0.056 * jaw + 0.026 * part * smile
    gap += 0.010 * saturate(units.lower_lip_depress) + 0.005 * saturate(units.upper_lip_raise)
    return gap * shut


def _line(units: ActionUnits, t: float) -> float:
    """The height of the mouth's line at `t` (-1 left corner .. 1 right), down is positive."""
    smile, down = saturate(units.lip_corner_pull), saturate(units.lip_corner_depress)
    smirk, stretch = saturate(units.smirk), saturate(units.lip_stretch)
    y = 0.0030 * (1 - t * t)
    y += smile * (0.008 - 0.031 * t * t)
    y += down * (-0.012 + 0.031 * t * t)
    y += abs(smirk) * (0.003 - 0.032 * (0.5 + 0.5 * t * math.copysign(1, smirk)) ** 2.5)
    y -= 0.009 * saturate(units.chin_raise) * (1 - t * t)
    cat = 0.18 * abs(smirk) + 0.30 * saturate(units.dimple) + 0.55 * saturate(units.lip_pucker)
    y += 0.0060 * cat * (-math.cos(2 * math.pi * t)) * (1 - t**4)
    y += 0.0068 * stretch * math.sin(2.5 * math.pi * t + 0.5) * (1 - t**6)
    y -= 0.0035 * saturate(units.nose_wrinkle) * math.sin(2 * math.pi * t) * (1 - t * t)
    return y


def _gap(units: ActionUnits, t: float, opening: float) -> tuple[float, float]:
    """How far the upper lip is raised, and the gap below it, at `t`."""
    round_lips = (1 - t * t) ** 0.62
    snarl = saturate(units.upper_lip_raise)
    square = bounded(0.8 * units.lower_lip_depress + 0.5 * units.lip_stretch)
    box = (1 - t**4) ** 0.5
    shape = round_lips + (box - round_lips) * square
    sneer = 0.5 + 0.5 * math.cos(2 * math.pi * (abs(t) - 0.5))
    share = 0.22 - 0.12 * bounded(units.lip_corner_pull)
    rise = opening * share * shape + 0.0105 * snarl * sneer
    return rise, opening * shape + 0.0085 * snarl * sneer * bounded(
        units.lips_part + 0.35 * units.upper_lip_raise
    )


def paint_mouth(canvas: skia.Canvas, identity: Identity, units: ActionUnits, mouth: AnimeMouth) -> None:
    """Draw lips, the inside with tongue and teeth, and the lines."""
    _paint_lips(canvas, identity, units, mouth)
    inside = lens_path(mouth.upper, mouth.lower)
    with clipped(canvas, inside):
        canvas.drawPaint(fill((122, 36, 46)))
        _paint_tongue(canvas, mouth)
        _paint_teeth(canvas, units, mouth)
    _paint_lines(canvas, identity, units, mouth)


def _offset(points: tuple[Point, ...], dy: float) -> list[Point]:
    """The curve moved by `dy` in its middle and not at its ends."""
    last = len(points) - 1
    return [(x, y + dy * math.sin(math.pi * i / last) ** 0.8) for i, (x, y) in enumerate(points)]


def _paint_lips(canvas: skia.Canvas, identity: Identity, units: ActionUnits, mouth: AnimeMouth) -> None:
    """A tint of lip colour, fuller with the person's lips, thinner when pressed."""
    thick = 0.0085 * (1 + 0.45 * identity.lip_fullness) * (1 - 0.25 * identity.age)
    thick *= math.exp(-0.6 * saturate(units.lip_press)) * (1 + 0.55 * saturate(units.lip_pucker))
    pout = 1 + 0.45 * saturate(units.chin_raise)
    tint = mix(identity.lip_color, shaded(identity.skin), 0.25)
    canvas.drawPath(lens_path(_offset(mouth.upper, -0.75 * thick), mouth.upper), fill(tint, 0.50))
    canvas.drawPath(lens_path(mouth.lower, _offset(mouth.lower, thick * pout)), fill(tint, 0.55))
    middle = mouth.lower[6:11]
    shine = [(x, y + 0.5 * thick * pout) for x, y in middle]
    draw_stroke(canvas, shine, 0.28 * thick, mix(tint, WHITE, 0.6), 0.55)


def _paint_tongue(canvas: skia.Canvas, mouth: AnimeMouth) -> None:
    x, y = mouth.lower[8]
    wide, high = 0.66 * mouth.half_width, 0.52 * mouth.opening
    tongue = skia.Rect.MakeLTRB(x - wide, y - high, x + wide, y + high)
    canvas.drawOval(tongue, fill((226, 112, 112)))
    canvas.drawOval(tongue.makeOffset(0.0, 0.35 * high), fill((238, 134, 130)))


def _paint_teeth(canvas: skia.Canvas, units: ActionUnits, mouth: AnimeMouth) -> None:
    """Rows of teeth along the upper and, with the lower lip pulled down, along the lower lip."""
    bared = bounded(0.6 * units.lower_lip_depress + 0.45 * units.upper_lip_raise + 0.10 * units.lip_stretch)
    top = (
        mouth.opening
        * (0.20 + 0.34 * bared)
        * bounded(0.8 * units.lips_part + 0.8 * units.upper_lip_raise + 0.5 * units.lip_corner_pull)
    )
    bottom = mouth.opening * 0.46 * bounded(units.lower_lip_depress)
    white = (252, 250, 246)
    canvas.drawPath(
        lens_path(_offset(mouth.upper, -0.004), [(x, y + top) for x, y in mouth.upper]), fill(white)
    )
    canvas.drawPath(
        lens_path([(x, y - bottom) for x, y in mouth.lower], _offset(mouth.lower, 0.004)), fill(white)
    )
    seam = bounded(units.lower_lip_depress) * bared
    for i in range(3, 14, 2):
        (x, y), (_, y2) = mouth.upper[i], mouth.lower[i]
        canvas.drawLine(x, y, x, y2, _thin((150, 110, 120), 0.55 * seam))
    if bottom > 0:
        bite = [(x, y + top) for x, y in mouth.upper]
        draw_stroke(canvas, bite, 0.0034, (120, 70, 84), 0.8 * seam)


def _thin(color: tuple[int, int, int], alpha: float) -> skia.Paint:
    paint = fill(color, alpha)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(0.0034)
    return paint


def _paint_lines(canvas: skia.Canvas, identity: Identity, units: ActionUnits, mouth: AnimeMouth) -> None:
    """The lines of the lips, dimples at the corners, the pressed corners and the chin's crease."""
    color = ink_of(identity.skin, 0.80)
    press = bounded(units.lip_press)
    draw_stroke(canvas, mouth.upper, 0.0078 + 0.0016 * press, color, ends=(0.45, 0.45))
    draw_stroke(
        canvas, mouth.lower, 0.0062, color, 0.25 + 0.75 * bounded(mouth.opening / 0.012), ends=(0.4, 0.4)
    )
    _paint_corners(canvas, units, mouth, color)
    under = [(x, y + 0.021 + 0.15 * mouth.opening) for x, y in mouth.lower[6:11]]
    raised = saturate(units.chin_raise)
    draw_stroke(
        canvas, under, 0.0050, color, (0.32 + 0.3 * bounded(raised)) * (1 - bounded(mouth.opening / 0.07))
    )
    if raised > 0:
        middle = under[2]
        for dx, dy in ((-0.018, 0.020), (0.0, 0.026), (0.018, 0.020)):
            spot = (middle[0] + dx, middle[1] + dy)
            ends = ((spot[0] - 0.004, spot[1] - 0.004), spot, (spot[0] + 0.005, spot[1] + 0.003))
            draw_stroke(canvas, ends, 0.0045, color, 0.55 * bounded(raised))


def _paint_corners(
    canvas: skia.Canvas, units: ActionUnits, mouth: AnimeMouth, color: tuple[int, int, int]
) -> None:
    """Small arcs beside the corners: dimple, smirk, a wide smile, pressed lips."""
    for side, (x, y) in ((-1, mouth.left_corner), (1, mouth.right_corner)):
        smirk = bounded(side * units.smirk)
        depth = bounded(
            0.8 * units.dimple + 0.45 * units.lip_press + 0.30 * units.lip_corner_pull + 0.7 * smirk
        )
        size = 0.012 + 0.006 * depth
        arc = ((x + side * 0.007, y - size), (x + side * 0.0115, y), (x + side * 0.006, y + 0.8 * size))
        draw_stroke(canvas, arc, 0.0052, color, 0.85 * depth)
