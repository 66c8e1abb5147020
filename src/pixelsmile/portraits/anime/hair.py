"""Anime hairstyles as shapes: what lies behind the head, what lies before it, and where its locks part.

Everything here depends on the identity, and on how the head is held. Coordinates: the face frame.
"""

import math
import random
from dataclasses import dataclass

import skia

from pixelsmile.portraits.anime.frame import CENTRE_X, AnimeFrame
from pixelsmile.portraits.anime.ink import LINE, draw_stroke, fill, ink_of, outline, ramp, shaded, vivid
from pixelsmile.portraits.brush import WHITE, Color, Point, clipped, mix, smooth_path
from pixelsmile.portraits.identity import Identity

_HEAD_Y = 0.435  # centre of the hair's cap


@dataclass(frozen=True)
class Hair:
    """One hairstyle: filled shapes, and the valleys between locks where strands and shadows start."""

    back: tuple[skia.Path, ...]
    front: skia.Path
    valleys: tuple[Point, ...]
    whorl: Point  # where the locks come from
    cap: tuple[float, float]  # radii of the outer contour


def build_hair(identity: Identity, frame: AnimeFrame) -> Hair | None:
    """The hair of this person; None when bald."""
    if identity.hair_style == "bald":
        return None
    rng = random.Random(f"hair {identity.seed}")
    volume = {"buzz": 0.004, "curly": 0.044, "spiky": 0.036}.get(identity.hair_style, 0.038)
    volume += 0.0 if identity.hair_style == "buzz" else 0.012 * identity.hair_volume
    cap = (frame.half_width + volume * 0.85, 0.255 + volume)
    part = {"side_part": 0.085, "buzz": 0.0}.get(identity.hair_style, rng.uniform(-0.05, 0.05))
    if identity.seed % 2:
        part = -part
    valleys, edge = _fringe(identity, frame, rng, part)
    front = _front(identity, frame, rng, cap, edge)
    back = tuple(_back(identity, frame, rng, cap))
    return Hair(back, front, tuple(valleys), (CENTRE_X + 0.35 * part, _HEAD_Y - cap[1] + 0.020), cap)


def _rim(cap: tuple[float, float], degrees: float, grow: float = 0.0) -> Point:
    """A point of the cap's contour; 0 degrees is the viewer's right, 90 the top."""
    a = math.radians(degrees)
    return (CENTRE_X + (cap[0] + grow) * math.cos(a), _HEAD_Y - (cap[1] + grow) * math.sin(a))


def _fringe(
    identity: Identity, frame: AnimeFrame, rng: random.Random, part: float
) -> tuple[list[Point], list[tuple[Point, Point]]]:
    """Valleys, and (control, point) pairs of the fringe's edge from the right temple to the left."""
    w, style, nodded = frame.half_width, identity.hair_style, frame.nodded(0.75)
    if style == "buzz":
        points = [(0.86, 0.40), (0.60, 0.325), (0.2, 0.310), (-0.2, 0.310), (-0.60, 0.325), (-0.86, 0.40)]
        edge = [((CENTRE_X + x * w, y + nodded), (CENTRE_X + x * w, y + nodded)) for x, y in points]
        return [], edge
    long = 0.372 + 0.082 * identity.fringe
    count = {"curly": 7, "spiky": 7, "short": 6, "side_part": 5}.get(style, 5)
    swept = identity.fringe < 0.15
    tops, valleys, edge = [], [], []
    reach = 0.80 * w
    for i in range(count + 1):
        x = reach * (1 - 2 * i / count) + (rng.uniform(-0.019, 0.019) if 0 < i < count else 0.0)
        far = abs(x - part) / w
        y = (0.272 if swept else long - 0.075) + (0.190 if swept else 0.030) * min(1.2, far) ** 1.4
        tops.append((CENTRE_X + x + frame.turn * 0.018, y + nodded + rng.uniform(-0.010, 0.010)))
    for i in range(count):
        a, b = tops[i], tops[i + 1]
        sway = math.copysign(1.0, 0.5 * (a[0] + b[0]) - CENTRE_X - part)
        drop = (0.042 if swept else 0.062) * rng.uniform(0.65, 1.30) + 0.018 * identity.fringe
        tip = (0.5 * (a[0] + b[0]) + 0.016 * sway, max(a[1], b[1]) + drop)
        edge.append(((tip[0] + 0.30 * (a[0] - tip[0]) + 0.006 * sway, a[1] + 0.72 * (tip[1] - a[1])), tip))
        edge.append(((tip[0] + 0.62 * (b[0] - tip[0]) + 0.006 * sway, b[1] + 0.55 * (tip[1] - b[1])), b))
    valleys = tops[1:-1]
    return valleys, edge


_SIDE_LOCKS = {  # how far the hair beside the face reaches down, and its width at the cheek
    "short": (0.560, 0.030), "side_part": (0.570, 0.034), "bob": (0.775, 0.060), "long": (0.900, 0.058),
    "curly": (0.650, 0.048), "ponytail": (0.690, 0.030), "bun": (0.660, 0.028), "buzz": (0.520, 0.012),
    "spiky": (0.580, 0.040),
}  # fmt: skip


def _front(
    identity: Identity,
    frame: AnimeFrame,
    rng: random.Random,
    cap: tuple[float, float],
    edge: list[tuple[Point, Point]],
) -> skia.Path:
    """The hair before the head: cap, side locks and fringe in one shape."""
    low, wide = _SIDE_LOCKS[identity.hair_style]
    path = skia.Path()
    left, right = CENTRE_X - cap[0], CENTRE_X + cap[0]
    inner_left, inner_right = (
        edge[-1][1],
        (CENTRE_X + 0.80 * frame.half_width + frame.turn * 0.018, edge[0][0][1]),
    )
    lean = 0.006 * frame.turn
    tip_left, tip_right = (
        (left + wide * 0.55 + lean, low),
        (right - wide * 0.55 + lean, low + rng.uniform(-0.02, 0.02)),
    )
    path.moveTo(*tip_left)
    path.quadTo(left - 0.004, 0.5 * (low + 0.50), left, 0.50 if low > 0.55 else 0.47)
    _append_cap(path, identity, cap, rng)
    path.quadTo(right + 0.004, 0.5 * (low + 0.50), *tip_right)
    path.quadTo(right - wide, 0.62 * low + 0.38 * 0.45, inner_right[0], inner_right[1] - 0.010)
    for control, point in edge:
        path.quadTo(*control, *point)
    path.lineTo(inner_left[0], inner_left[1])
    path.quadTo(left + wide, 0.62 * low + 0.38 * 0.45, *tip_left)
    path.close()
    return path


def _append_cap(path: skia.Path, identity: Identity, cap: tuple[float, float], rng: random.Random) -> None:
    """The outer contour from the left temple over the top to the right, in the manner of the style."""
    match identity.hair_style:
        case "spiky":
            _append_spikes(path, cap, rng, 9, 0.062)
        case "curly":
            _append_curls(path, cap, 9, 0.040)
        case "short" | "side_part":
            _append_spikes(path, cap, rng, 7, 0.016)
        case _:
            for degrees in (160, 135, 112, 90, 68, 45, 20, 4):
                before = _rim(cap, degrees + 13, 0.010)
                path.quadTo(*before, *_rim(cap, degrees))
    path.lineTo(CENTRE_X + cap[0], 0.47)


def _append_spikes(
    path: skia.Path, cap: tuple[float, float], rng: random.Random, count: int, height: float
) -> None:
    """Pointed tufts around the cap."""
    for i in range(count):
        start, end = 184 - 176 * i / count, 184 - 176 * (i + 1) / count
        middle = 0.5 * (start + end)
        lean = 10 * (middle - 90) / 90
        tip = _rim(cap, middle + lean + rng.uniform(-4, 4), height * rng.uniform(0.75, 1.25))
        path.quadTo(*_rim(cap, start - 3, 0.30 * height), *tip)
        path.quadTo(*_rim(cap, middle - 0.2 * (start - end), 0.25 * height), *_rim(cap, end, 0.0))


def _append_curls(path: skia.Path, cap: tuple[float, float], count: int, height: float) -> None:
    """Round puffs around the cap."""
    for i in range(count):
        start, end = 186 - 180 * i / count, 186 - 180 * (i + 1) / count
        third = (start - end) / 6
        path.cubicTo(*_rim(cap, start + third, height), *_rim(cap, end - third, height), *_rim(cap, end))


def _back(
    identity: Identity, frame: AnimeFrame, rng: random.Random, cap: tuple[float, float]
) -> list[skia.Path]:
    """The hair behind head and shoulders, farthest first."""
    left, right = CENTRE_X - cap[0], CENTRE_X + cap[0]
    match identity.hair_style:
        case "long":
            return [_fall(rng, left - 0.030, right + 0.030, 1.08, 7)]
        case "bob":
            return [_fall(rng, left - 0.018, right + 0.018, 0.825, 7, 0.022)]
        case "curly":
            return [_cloud(cap, 0.060)]
        case "ponytail":
            return [_ponytail(identity, cap), _fall(rng, left + 0.03, right - 0.03, 0.70, 5)]
        case "bun":
            return [_bun(cap), _fall(rng, left + 0.035, right - 0.035, 0.69, 5)]
        case "buzz":
            return []
        case _:
            return [_fall(rng, left + 0.012, right - 0.012, 0.69, 7)]


def _fall(
    rng: random.Random, left: float, right: float, low: float, count: int, curl: float = 0.0
) -> skia.Path:
    """Hair that hangs down behind the head to `low` and ends in points."""
    path = skia.Path()
    path.moveTo(left + 0.03, 0.36)
    path.cubicTo(left - 0.012, 0.52, left - 0.012, 0.58 * low + 0.2, left + curl, low)
    step = (right - left - 2 * curl) / count
    for i in range(count):
        x = left + curl + step * i
        dip = rng.uniform(0.02, 0.05)
        path.quadTo(
            x + 0.25 * step,
            low + 0.3 * dip,
            x + 0.5 * step,
            low + dip * (0.4 if i in (0, count - 1) else 1.0),
        )
        path.quadTo(x + 0.85 * step, low + 0.2 * dip, x + step, low - 0.012 if i < count - 1 else low)
    path.cubicTo(right + 0.012, 0.58 * low + 0.2, right + 0.012, 0.52, right - 0.03, 0.36)
    path.close()
    return path


def _cloud(cap: tuple[float, float], height: float) -> skia.Path:
    """The round mass of curls behind the head, down to the jaw."""
    path = skia.Path()
    wide = (cap[0] + 0.005, cap[1] + 0.02)
    path.moveTo(*_rim(wide, 244))
    count = 14
    for i in range(count):
        start, end = 244 - 308 * i / count, 244 - 308 * (i + 1) / count
        third = (start - end) / 6
        path.cubicTo(*_rim(wide, start + third, height), *_rim(wide, end - third, height), *_rim(wide, end))
    path.close()
    return path


def _ponytail(identity: Identity, cap: tuple[float, float]) -> skia.Path:
    """A high tail that swings out on one side."""
    s = 1 if identity.seed % 2 else -1
    x0, y0 = CENTRE_X + s * 0.80 * cap[0], 0.300
    points = [(0.0, 0.02), (0.060, -0.045), (0.125, 0.010), (0.150, 0.140), (0.130, 0.290), (0.085, 0.420),
              (0.062, 0.300), (0.040, 0.360), (0.035, 0.220), (0.0, 0.12)]  # fmt: skip
    return smooth_path([(x0 + s * x, y0 + y) for x, y in points], closed=True)


def _bun(cap: tuple[float, float]) -> skia.Path:
    """A knot on the top of the head."""
    path = skia.Path()
    y = _HEAD_Y - cap[1] - 0.022
    path.addOval(skia.Rect.MakeLTRB(CENTRE_X - 0.088, y - 0.066, CENTRE_X + 0.088, y + 0.070))
    return path


def hair_colors(identity: Identity) -> tuple[Color, Color, Color, Color]:
    """Base, shadow, light and ink of the hair."""
    base = vivid(identity.hair_color, 1.0 if identity.age > 0.6 else 1.45)
    dark = max(0.0, 1 - max(base) / 110)  # black hair shines blue, whatever its hue
    base = mix(base, (40, 32, 50), 0.75 * dark)
    light = mix(base, WHITE if sum(base) > 420 else (190, 170, 215), 0.50)
    return base, shaded(base), light, ink_of(base, 0.68)


def paint_back_hair(canvas: skia.Canvas, identity: Identity, hair: Hair) -> None:
    """The hair behind the head, in shadow."""
    base, shadow, light, ink = hair_colors(identity)
    for index, shape in enumerate(hair.back):
        loose = identity.hair_style in ("ponytail", "bun") and index == 0
        tone = mix(base, shadow, 0.25) if loose else mix(base, shadow, 0.85)
        canvas.drawPath(shape, fill(tone))
        if loose:
            _paint_knot(canvas, shape, light, shadow)
        canvas.drawPath(shape, outline(ink, LINE))


def _paint_knot(canvas: skia.Canvas, shape: skia.Path, light: Color, shadow: Color) -> None:
    """Light and strands of a bun or a tail."""
    box = shape.getBounds()
    with clipped(canvas, shape):
        x, w, y, h = box.left(), box.width(), box.top(), box.height()
        for k, share in enumerate((0.25, 0.5, 0.75)):
            line = (
                (x + share * w, y),
                (x + (share + 0.08) * w, y + 0.5 * h),
                (x + (share - 0.05) * w, y + h),
            )
            draw_stroke(canvas, line, 0.009, shadow, 0.7 - 0.1 * k)
        gloss = ((x + 0.18 * w, y + 0.30 * h), (x + 0.5 * w, y + 0.20 * h), (x + 0.82 * w, y + 0.30 * h))
        draw_stroke(canvas, gloss, 0.016, light, 0.7)


def paint_front_hair(canvas: skia.Canvas, identity: Identity, hair: Hair) -> None:
    """The hair before the face."""
    base, shadow, light, ink = hair_colors(identity)
    if identity.hair_style == "buzz":
        canvas.drawPath(hair.front, fill(mix(base, identity.skin, 0.18)))
        _paint_stubs(canvas, identity, hair, shadow)
        canvas.drawPath(hair.front, outline(ink, LINE * 0.8, 0.8))
        return
    top = hair.whorl[1]
    body = ramp(
        (0, top),
        (0, top + 0.42),
        (mix(base, shadow, 0.30), base, base, mix(base, light, 0.10)),
        (0, 0.3, 0.6, 1),
    )
    canvas.drawPath(hair.front, body)
    with clipped(canvas, hair.front):
        _paint_lock_shadows(canvas, hair, shadow)
        _paint_band(canvas, identity, hair, light)
        _paint_strands(canvas, identity, hair, ink, shadow)
    canvas.drawPath(hair.front, outline(ink, LINE))


def _paint_stubs(canvas: skia.Canvas, identity: Identity, hair: Hair, color: Color) -> None:
    """The texture of hair cut to the skin."""
    rng = random.Random(f"stubs {identity.seed}")
    with clipped(canvas, hair.front):
        pen = outline(color, 0.0042, 0.55)
        for _ in range(70):
            x, y = rng.uniform(-0.23, 0.23), rng.uniform(0.165, 0.42)
            canvas.drawLine(CENTRE_X + x, y, CENTRE_X + x * 1.03, y + 0.010, pen)


def _paint_lock_shadows(canvas: skia.Canvas, hair: Hair, shadow: Color) -> None:
    """A dark wedge above every valley, and one down each side."""
    wx, wy = hair.whorl
    for x, y in hair.valleys:
        bow = 0.30 * (x - wx)
        far = (x + (wx - x) * 0.42 + bow * 0.55, y + (wy - y) * 0.52)
        middle = (x + (wx - x) * 0.12 + bow * 0.42, y + (wy - y) * 0.22)
        draw_stroke(canvas, ((x, y + 0.004), middle, far), 0.024, shadow, 0.80, (0.9, 0.02))
    rx, _ = hair.cap
    for side in (-1, 1):
        edge = CENTRE_X + side * rx
        line = ((edge - side * 0.052, 0.43), (edge - side * 0.020, 0.34), (edge - side * 0.050, 0.24))
        draw_stroke(canvas, line, 0.022, shadow, 0.55, (0.4, 0.02))
        draw_stroke(
            canvas,
            ((edge - side * 0.006, 0.90), (edge, 0.60), (edge - side * 0.002, 0.40)),
            0.036,
            shadow,
            0.75,
            (0.8, 0.1),
        )


def _paint_band(canvas: skia.Canvas, identity: Identity, hair: Hair, light: Color) -> None:
    """The zigzag ring of light around the crown."""
    rng = random.Random(f"band {identity.seed}")
    rx, ry = hair.cap
    upper, lower = [], []
    count = 17
    for i in range(count):
        a = math.radians(158 - 136 * i / (count - 1))
        edge = math.sin(math.pi * i / (count - 1)) ** 0.6
        gap = 1 - 0.9 * math.exp(-(((i - 8 - 3 * math.copysign(1, hair.whorl[0] - CENTRE_X)) / 1.1) ** 2))
        jag = (0.016 if i % 2 else -0.010) + rng.uniform(-0.005, 0.005)
        thick = (0.030 + jag) * edge * gap
        cx, cy = math.cos(a), math.sin(a)
        base = 0.435 - (ry * 0.66) * cy
        upper.append(skia.Point(CENTRE_X + 0.88 * rx * cx, base - 0.30 * thick))
        lower.append(skia.Point(CENTRE_X + 0.88 * rx * cx, base + 0.85 * thick))
    canvas.drawPath(skia.Path.Polygon([*upper, *reversed(lower)], True), fill(light, 0.80))


def _paint_strands(canvas: skia.Canvas, identity: Identity, hair: Hair, ink: Color, shadow: Color) -> None:
    """Fine lines from the valleys towards the whorl, and along the side locks."""
    rng = random.Random(f"strands {identity.seed}")
    wx, wy = hair.whorl
    for x, y in hair.valleys:
        reach = rng.uniform(0.40, 0.75)
        bow = 0.34 * (x - wx)
        far = (x + (wx - x) * reach * 0.8 + bow * 0.5, y + (wy - y) * reach)
        middle = (x + (wx - x) * 0.2 * reach + bow * 0.5, y + (wy - y) * 0.45 * reach)
        draw_stroke(canvas, ((x, y), middle, far), 0.0060, ink, 0.85, (1.0, 0.05))
    for _ in range(7):
        x = rng.uniform(-0.80, 0.80) * hair.cap[0]
        y = wy + 0.05 + 0.20 * (x / hair.cap[0]) ** 2
        line = ((wx + 0.55 * x, y), (wx + 0.85 * x, y + 0.05), (wx + x, y + 0.12))
        draw_stroke(canvas, line, 0.0052, shadow, 0.8)
    draw_stroke(
        canvas, ((wx, wy - 0.012), (wx + 0.006, wy + 0.035), (wx + 0.002, wy + 0.075)), 0.0062, ink, 0.7
    )
