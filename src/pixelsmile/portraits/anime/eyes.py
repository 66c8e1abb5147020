"""Anime eyes: large layered irises, thick upper lashes, lids that follow the units; brows and glasses."""

from dataclasses import dataclass

import skia

from pixelsmile.portraits.action_units import ActionUnits, bounded, saturate, soft_max
from pixelsmile.portraits.anime.frame import EYE_Y, AnimeFrame
from pixelsmile.portraits.anime.ink import draw_stroke, fill, ink_of, outline, ramp, shaded, spline, vivid
from pixelsmile.portraits.brush import WHITE, Color, Point, clipped, lens_path, mix, ribbon_path, smooth_path
from pixelsmile.portraits.identity import Glasses, Identity

# Lids of an open eye: u from the inner corner (-1) to the outer (1), height in half eyes below its middle.
_UPPER = ((-1.0, 0.16), (-0.78, -0.58), (-0.30, -0.98), (0.25, -1.02), (0.72, -0.70), (1.0, -0.06))
_LOWER = ((-1.0, 0.16), (-0.66, 0.66), (-0.20, 0.88), (0.30, 0.90), (0.74, 0.62), (1.0, -0.06))
_SHUT_LEVEL = 0.42


@dataclass(frozen=True)
class AnimeEye:
    """One eye in the face frame."""

    side: int
    centre: Point  # of the eye at rest: the landmark
    half_width: float
    half_height: float
    upper: tuple[Point, ...]  # inner to outer corner
    lower: tuple[Point, ...]
    crease: tuple[Point, ...]
    iris: Point
    iris_size: tuple[float, float]


def build_eye(identity: Identity, units: ActionUnits, frame: AnimeFrame, side: int) -> AnimeEye:
    """The eye on `side` (-1 the viewer's left) of this face."""
    centre = frame.place(side * (0.107 + 0.009 * identity.eye_spacing), frame.lower(EYE_Y))
    far = 1 - 0.07 * frame.turn * side
    half_width = 0.064 * (1 + 0.09 * identity.eye_size) * far
    half_height = 0.060 * (1 + 0.15 * identity.eye_size) * (1 - 0.12 * identity.age)
    shut = bounded(units.eyes_closed + 0.42 * units.cheek_raise + 0.08 * units.lid_tighten)
    upper_h, lower_h = _lids(units, side, shut)

    def at(u: float, height: float) -> Point:
        tilt = -(0.010 * identity.eye_tilt + 0.002) * u
        return (centre[0] + side * u * half_width, centre[1] + height * half_height + tilt)

    size = 1 - 0.17 * saturate(units.upper_lid_raise)
    return AnimeEye(
        side=side,
        centre=centre,
        half_width=half_width,
        half_height=half_height,
        upper=tuple(at(u, h) for (u, _), h in zip(_UPPER, upper_h, strict=True)),
        lower=tuple(at(u, h) for (u, _), h in zip(_LOWER, lower_h, strict=True)),
        crease=tuple(
            at(u * 0.92, h - 0.30 + 0.10 * shut) for (u, _), h in list(zip(_UPPER, upper_h, strict=True))[1:]
        ),
        iris=_iris_centre(units, frame, centre, half_width, half_height),
        iris_size=(0.60 * half_width * size, 0.94 * half_height * size),
    )


def _iris_centre(
    units: ActionUnits, frame: AnimeFrame, centre: Point, half_width: float, half_height: float
) -> Point:
    """Where the eye looks."""
    across = 0.30 * saturate(units.gaze_x, 1.3) + 0.05 * frame.turn
    down = -0.02 + 0.26 * saturate(units.gaze_y, 1.3) - 0.05 * saturate(units.upper_lid_raise)
    return (centre[0] + across * half_width, centre[1] + down * half_height)


def _lids(units: ActionUnits, side: int, shut: float) -> tuple[list[float], list[float]]:
    """Heights of the points of the upper and the lower lid."""
    cheek, tight = bounded(units.cheek_raise, 1.4), bounded(units.lid_tighten, 1.4)
    wide = 1 + 0.20 * saturate(units.upper_lid_raise) - 0.22 * tight
    low = (1 - 0.38 * cheek) * (1 - 0.22 * tight) * (1 + 0.06 * saturate(units.upper_lid_raise))
    fierce = 0.34 * bounded(units.brow_lower, 1.4)
    droop = 0.42 * bounded(units.inner_brow_raise, 1.4)
    cocked = 0.12 * saturate(units.brow_tilt) * side
    sneer = 0.12 * saturate(units.nose_wrinkle)
    bow = 0.46 - 1.25 * cheek
    upper, lower = [], []
    for (u, top), (v, bottom) in zip(_UPPER, _LOWER, strict=True):
        inner, outer = 0.5 * (1 - u), 0.5 * (1 + u)
        middle = 1 - u * u
        closed = _SHUT_LEVEL + bow * middle * 0.62
        lift = fierce * inner * (0.35 + middle) + droop * (outer**1.5 - 0.55 * inner) * 0.8 - cocked
        top_open = top * wide + lift * (0.3 + 0.7 * middle)
        bottom_open = bottom * low - sneer * (1 - v * v)
        high = top_open + (closed - top_open) * shut
        deep = bottom_open + (closed - bottom_open) * shut
        gap = soft_max(deep - high, 0.0, 0.06) if middle > 0.01 else 0.0
        upper.append(deep - gap if middle > 0.01 else 0.5 * (high + deep))
        lower.append(deep if middle > 0.01 else 0.5 * (high + deep))
    return upper, lower


def paint_eye(canvas: skia.Canvas, identity: Identity, eye: AnimeEye) -> None:
    """Draw white, iris, lashes and crease."""
    lens = lens_path(eye.upper, eye.lower)
    with clipped(canvas, lens):
        canvas.drawPaint(fill(mix((252, 250, 250), identity.skin, 0.08)))
        _paint_iris(canvas, identity, eye)
        _paint_lid_shadow(canvas, eye)
    _paint_lashes(canvas, identity, eye)


def _paint_lid_shadow(canvas: skia.Canvas, eye: AnimeEye) -> None:
    """The shade that the upper lid throws on white and iris."""
    depth = 0.30 * eye.half_height
    low = [(x, y + depth) for x, y in eye.upper]
    canvas.drawPath(lens_path(eye.upper, low), fill((70, 50, 90), 0.28))


def _oval(centre: Point, rx: float, ry: float) -> skia.Rect:
    return skia.Rect.MakeLTRB(centre[0] - rx, centre[1] - ry, centre[0] + rx, centre[1] + ry)


def iris_color(identity: Identity) -> Color:
    """The eye colour as it is shown: more saturated and lighter."""
    return mix(vivid(identity.eye_color, 1.45), WHITE, 0.06)


def _paint_iris(canvas: skia.Canvas, identity: Identity, eye: AnimeEye) -> None:
    """Rim, gradient, pupil, lower glow and two highlights."""
    (x, y), (rx, ry) = eye.iris, eye.iris_size
    color = iris_color(identity)
    dark, light = mix(color, (16, 8, 28), 0.72), mix(color, (255, 250, 225), 0.50)
    canvas.drawOval(_oval((x, y), rx, ry), fill(mix(color, (12, 6, 20), 0.82)))
    body = ramp(
        (x, y - ry), (x, y + ry), (dark, mix(color, dark, 0.25), color, light), (0.0, 0.42, 0.68, 1.0)
    )
    canvas.drawOval(_oval((x, y), rx * 0.89, ry * 0.92), body)
    canvas.drawOval(_oval((x, y - 0.04 * ry), rx * 0.42, ry * 0.46), fill(mix(color, (8, 4, 16), 0.90)))
    canvas.drawOval(_oval((x, y + 0.62 * ry), rx * 0.50, ry * 0.20), fill(mix(light, WHITE, 0.35), 0.60))
    canvas.drawOval(_oval((x - 0.36 * rx, y - 0.44 * ry), rx * 0.33, ry * 0.27), fill(WHITE, 0.97))
    canvas.drawOval(_oval((x + 0.42 * rx, y + 0.36 * ry), rx * 0.16, ry * 0.13), fill(WHITE, 0.88))


def lash_color(identity: Identity) -> Color:
    """Nearly black, warmed by the brow colour."""
    return mix(identity.brow_color, (26, 16, 24), 0.78)


def _paint_lashes(canvas: skia.Canvas, identity: Identity, eye: AnimeEye) -> None:
    """The thick upper line with its wing, the lower line, and the crease of the lid."""
    color = lash_color(identity)
    long = 1.0 if identity.hair_style in ("bob", "long", "ponytail", "bun") else 0.72
    outer = eye.upper[-1]
    wing = (outer[0] + eye.side * 0.13 * eye.half_width * long, outer[1] - 0.10 * eye.half_height * long)
    along = spline((*eye.upper, wing), 4)
    count = len(along) - 1
    widths = [0.0165 * (0.30 + 0.70 * min(1.0, 1.7 * i / count)) * (0.75 + 0.25 * long) for i in range(count)]
    fading = [width * min(1.0, (count - i) / 4) for i, width in enumerate(widths)]
    canvas.drawPath(ribbon_path(along, (*fading, 0.0008)), fill(color))
    _paint_flicks(canvas, eye, color, long)
    draw_stroke(canvas, eye.lower[2:], 0.0055, color, 0.85, (0.1, 0.9))
    draw_stroke(canvas, eye.lower[:3], 0.0038, color, 0.38, (0.2, 0.2))
    crease = shaded(ink_of(identity.skin, 0.55), 0.2)
    draw_stroke(canvas, eye.crease, 0.0048, crease, 0.75)


def _paint_flicks(canvas: skia.Canvas, eye: AnimeEye, color: Color, long: float) -> None:
    """Two single lashes at the outer corner."""
    (x, y), tail = eye.upper[-1], eye.upper[-2]
    for reach, rise in ((0.20, 0.34), (0.30, 0.16)):
        root = (x + (tail[0] - x) * rise, y + (tail[1] - y) * rise)
        up = (rise * 0.75 + 0.02) * long + 0.1
        tip = (x + eye.side * reach * eye.half_width * long, y - up * eye.half_height)
        middle = ((root[0] + tip[0]) / 2, (root[1] + tip[1]) / 2 + 0.04 * eye.half_height)
        draw_stroke(canvas, (root, middle, tip), 0.0065, color, ends=(1.0, 0.05))


def brow_points(identity: Identity, units: ActionUnits, frame: AnimeFrame, side: int) -> tuple[Point, ...]:
    """The middle line of one brow, from its inner end to its outer."""
    inner_up, outer_up = saturate(units.inner_brow_raise), saturate(units.outer_brow_raise)
    lower, tilt = saturate(units.brow_lower), saturate(units.brow_tilt) * side
    base = frame.lower(0.480) - 0.012 * identity.brow_height
    points = []
    for i in range(5):
        t = i / 4
        arch = -(0.013 + 0.007 * identity.brow_arch) * (1 - (1.5 * t - 0.75) ** 2 * 1.5)
        y = base + arch - 0.006 * identity.eye_tilt * t + 0.006 * t
        y -= 0.031 * inner_up * (1 - t) ** 1.2 + 0.030 * outer_up * t**0.8
        y += lower * (0.038 * (1 - t) ** 1.3 + 0.010 - 0.016 * t)
        y -= tilt * (0.022 + 0.008 * t)
        y += 0.006 * saturate(units.nose_wrinkle) * (1 - t) - 0.004 * saturate(units.upper_lid_raise)
        x = 0.050 + 0.118 * t - 0.012 * lower * (1 - t) + 0.004 * inner_up * (1 - t)
        points.append(frame.place(side * x, y, 1.1))
    return tuple(points)


def paint_brows(
    canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame, alpha: float = 1.0
) -> None:
    """Both brows, tapered; drawn a second time over the fringe with a smaller `alpha`."""
    thick = 0.0175 * (1 + 0.38 * identity.brow_thickness)
    color = mix(identity.brow_color, (24, 12, 18), 0.30)
    for side in (-1, 1):
        along = spline(brow_points(identity, units, frame, side), 4)
        count = len(along) - 1
        widths = [
            thick * (0.80 + 0.2 * min(1, 5 * i / count)) * (1 - 0.86 * (i / count) ** 1.8)
            for i in range(count + 1)
        ]
        if alpha < 1:
            halo = [w + 0.010 for w in widths]
            canvas.drawPath(ribbon_path(along, halo), fill(identity.skin, 0.38))
        canvas.drawPath(ribbon_path(along, widths), fill(color, alpha))


def paint_frown(canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame) -> None:
    """The lines between the brows (AU4) and the folds of the forehead (AU1, AU2)."""
    color = ink_of(identity.skin, 0.6)
    depth = bounded(units.brow_lower)
    y = frame.lower(0.485)
    for side in (-1, 1):
        x = 0.017
        line = (
            frame.place(side * (x + 0.004), y - 0.026, 1.2),
            frame.place(side * x, y - 0.004, 1.2),
            frame.place(side * (x + 0.005), y + 0.012, 1.2),
        )
        draw_stroke(canvas, line, 0.0062, color, 0.75 * depth)
    folds = bounded(0.55 * units.inner_brow_raise + 0.35 * units.outer_brow_raise) * (
        0.35 + 0.65 * identity.age
    )
    rest = 0.45 * bounded(max(0.0, identity.age - 0.35) * 1.5)
    for height, half in ((0.385, 0.055), (0.360, 0.040)):
        fold = tuple(
            frame.place(x, frame.lower(height) - dy, 1.0)
            for x, dy in ((-half, 0.0), (0.0, 0.006), (half, 0.0))
        )
        draw_stroke(canvas, fold, 0.0050, color, min(1.0, rest + 0.7 * folds))


def paint_glasses(canvas: skia.Canvas, identity: Identity, left_eye: Point, right_eye: Point) -> None:
    """Lenses around the centres of both resting eyes, the bridge, and the ends of the arms."""
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
