"""Hair in the human domain: the outlines of ten styles, in the face frame, then body, strands and shine."""

import math
import random
from dataclasses import dataclass
from itertools import pairwise

import skia

from pixelsmile.portraits.brush import (
    Color,
    Curve,
    Point,
    append_curve,
    clipped,
    darker,
    fill,
    lerp,
    lighter,
    linear,
    mix,
    shaded,
    smooth_path,
    spot,
    stroke,
)
from pixelsmile.portraits.human.geometry import CENTRE_X, FaceGeometry
from pixelsmile.portraits.identity import Identity


@dataclass(frozen=True)
class HairShapes:
    """Outlines of one head of hair: `back` behind head and shoulders, `front` over the forehead and sides."""

    back: skia.Path | None
    front: skia.Path | None
    rim: Curve  # outer edge of the cap from the left sideburn over the crown to the right
    line: Curve  # the hairline, likewise from left to right
    locks: tuple[tuple[Curve, Curve], ...]  # outer and inner edge of hair that hangs in front, top down


def hair_shapes(identity: Identity, geometry: FaceGeometry) -> HairShapes:
    """The shapes of this person's hair; they do not depend on the action units."""
    rim, line = _rim(identity, geometry), _hairline(identity, geometry)
    if identity.hair_style == "bald":
        return HairShapes(None, None, rim, line, ())
    locks = _locks(identity, geometry)
    cap = _cap(identity, rim, line)
    for i, (outer, inner) in enumerate(locks):
        down, up = (inner, outer) if i == 0 else (outer, inner)  # clockwise like the cap: the areas add up
        lock = smooth_path(down)
        lock.lineTo(*up[-1])
        append_curve(lock, tuple(reversed(up)))
        lock.close()
        cap.addPath(lock)
    return HairShapes(_back(identity, geometry), cap, rim, line, locks)


def _thickness(identity: Identity) -> float:
    base = {"buzz": 0.006, "curly": 0.042, "spiky": 0.022, "ponytail": 0.016, "bun": 0.016}
    return base.get(identity.hair_style, 0.034) * (1 + 0.40 * identity.hair_volume)


def _rim(identity: Identity, geometry: FaceGeometry) -> Curve:
    w, top, v = geometry.frame.half_width, geometry.frame.crown_y, _thickness(identity)
    low = 0.515 if identity.hair_style in ("curly", "short", "side_part", "spiky") else 0.485
    height = 0.42 - top + 0.012 + v
    arc = []
    for i in range(9):
        angle = math.pi * (1 - i / 8)
        arc.append((CENTRE_X + math.cos(angle) * (1.005 * w + v), 0.42 - math.sin(angle) * height))
    return ((CENTRE_X - 0.985 * w, low), *arc, (CENTRE_X + 0.985 * w, low))


def _hairline(identity: Identity, geometry: FaceGeometry) -> Curve:
    """From the left sideburn over the forehead to the right one."""
    w = geometry.frame.half_width
    style, fringe = identity.hair_style, identity.fringe
    recede = 0.020 * identity.age if style in ("short", "side_part", "buzz", "spiky") else 0.0
    y = 0.290 - recede
    low = 0.515 if style in ("curly", "short", "side_part", "spiky") else 0.485
    drop = 0.060 * fringe
    match style:
        case "side_part" | "bob" | "long":
            part = -0.36 if identity.seed % 2 else 0.36
            middle = [
                (-0.80, 0.365 + 0.4 * drop), (-0.52, 0.312 + 0.7 * drop), (-0.36, 0.262),
                (-0.10, 0.282 + 0.6 * drop), (0.24, 0.302 + 0.85 * drop), (0.58, 0.322 + 0.6 * drop),
                (0.82, 0.370 + 0.3 * drop),
            ]  # fmt: skip
            if part > 0:
                middle = [(-x, height) for x, height in reversed(middle)]
        case "short" | "spiky":
            rng = random.Random(f"hairline {identity.seed}")
            middle = [
                (
                    x,
                    y
                    + 0.062 * abs(x) ** 2.6
                    + drop * (1 - 0.5 * x * x)
                    + rng.uniform(-1, 1) * (0.004 + 0.012 * fringe),
                )
                for x in (-0.82, -0.62, -0.42, -0.22, 0.0, 0.22, 0.42, 0.62, 0.82)
            ]
        case _:
            shares = (-0.82, -0.5, 0.0, 0.5, 0.82)
            heights = (0.375, 0.307 - 0.4 * recede, y - 0.006, 0.307 - 0.4 * recede, 0.375)
            middle = [(x, h + drop * (1 - x * x)) for x, h in zip(shares, heights, strict=True)]
    turn, nodded = 0.010 * geometry.frame.turn, geometry.frame.nodded(0.6)
    inner = [(CENTRE_X + x * w + turn * (1 - x * x), h + nodded * (1 - x * x)) for x, h in middle]
    side = ((0.962 * w, low), (0.900 * w, 0.435))
    left = [(CENTRE_X - x, h) for x, h in side]
    right = [(CENTRE_X + x, h) for x, h in reversed(side)]
    return (*left, *inner, *right)


def _cap(identity: Identity, rim: Curve, line: Curve) -> skia.Path:
    cap = skia.Path()
    cap.moveTo(*rim[0])
    if identity.hair_style == "spiky":
        _spikes(cap, identity, rim)
    else:
        append_curve(cap, rim)
    back = tuple(reversed(line))
    cap.lineTo(*back[0])
    if identity.hair_style in ("short", "spiky") and identity.fringe > 0.25:
        for a, b in pairwise(back):
            middle = lerp(a, b, 0.35)
            cap.quadTo(middle[0], middle[1] - 0.012, *b)
    else:
        append_curve(cap, back)
    cap.close()
    if identity.hair_style == "curly":
        _curls(cap, identity, rim, line)
    return cap


def _spikes(cap: skia.Path, identity: Identity, rim: Curve) -> None:
    """A rim of upright tufts."""
    rng = random.Random(f"spikes {identity.seed}")
    count = 17
    before = rim[0]
    for i in range(1, count + 1):
        base = along(rim, i / count)
        tip = along(rim, (i - 0.5) / count + rng.uniform(-0.01, 0.01))
        reach = 1.10 + rng.uniform(0.0, 0.09) + 0.04 * identity.hair_volume
        reach = reach if 0.12 < i / count < 0.92 else 1.02
        tx, ty = CENTRE_X + (tip[0] - CENTRE_X) * reach + 0.012, 0.45 + (tip[1] - 0.45) * reach
        middle = lerp(before, (tx, ty), 0.5)
        cap.quadTo(middle[0] - 0.006, middle[1], tx, ty)
        cap.quadTo((tx + base[0]) / 2 + 0.004, (ty + base[1]) / 2 + 0.004, *base)
        before = base


def _curls(cap: skia.Path, identity: Identity, rim: Curve, line: Curve) -> None:
    """Round curls along the edges of the cap."""
    rng = random.Random(f"curls {identity.seed}")
    size = 1 + 0.25 * identity.hair_volume
    for i in range(23):
        x, y = along(rim, i / 22)
        r = rng.uniform(0.028, 0.042) * size
        cap.addCircle(CENTRE_X + (x - CENTRE_X) * 0.985, y + 0.006, r)
    for i in range(2, 15):
        x, y = along(line, i / 16)
        cap.addCircle(x, y - 0.012, rng.uniform(0.018, 0.026))


def _locks(identity: Identity, geometry: FaceGeometry) -> tuple[tuple[Curve, Curve], ...]:
    """Hair that hangs beside the face, for bob and long."""
    w, v = geometry.frame.half_width, _thickness(identity)
    match identity.hair_style:
        case "bob":
            outer = (
                (0.86 * w + 0.85 * v, 0.30), (w + 1.1 * v, 0.44), (w + 1.35 * v + 0.010, 0.58),
                (w + 0.8 * v, 0.70), (0.86 * w, 0.735),
            )  # fmt: skip
            inner = (
                (0.78 * w, 0.345), (0.90 * w, 0.44), (0.93 * w, 0.55), (0.88 * w, 0.655), (0.80 * w, 0.725),
            )  # fmt: skip
        case "long":
            outer = (
                (0.86 * w + 0.85 * v, 0.30), (w + 1.1 * v, 0.45), (w + 1.4 * v + 0.012, 0.65),
                (w + 1.7 * v + 0.02, 0.88), (w + v, 1.12),
            )  # fmt: skip
            inner = (
                (0.78 * w, 0.345), (0.91 * w, 0.45), (0.93 * w, 0.60), (0.84 * w, 0.80), (0.62 * w, 1.12),
            )  # fmt: skip
        case _:
            return ()
    return tuple(
        (tuple((CENTRE_X + s * x, y) for x, y in outer), tuple((CENTRE_X + s * x, y) for x, y in inner))
        for s in (-1, 1)
    )


def _back(identity: Identity, geometry: FaceGeometry) -> skia.Path | None:
    """Hair behind the head."""
    w, v, top = geometry.frame.half_width, _thickness(identity), geometry.frame.crown_y
    path = skia.Path()
    match identity.hair_style:
        case "bob":
            half = (
                (0.9 * w + v, 0.30), (w + 1.2 * v, 0.50), (w + v, 0.68), (0.8 * w, 0.735), (0.3 * w, 0.74),
            )  # fmt: skip
        case "long":
            half = (
                (0.9 * w + v, 0.30), (w + 1.3 * v, 0.55), (w + 1.6 * v + 0.015, 0.85), (w + v, 1.12),
                (0.2 * w, 1.12),
            )  # fmt: skip
        case "ponytail":
            side = 1 if identity.seed % 2 else -1
            tail = (
                (0.5, 0.19), (0.98, 0.185), (1.27, 0.27), (1.40, 0.44), (1.38, 0.62), (1.22, 0.84),
                (1.12, 0.88), (1.06, 0.72), (0.95, 0.55), (0.7, 0.3),
            )  # fmt: skip
            return smooth_path([(CENTRE_X + side * x * w, y) for x, y in tail], closed=True)
        case "bun":
            r = 0.072 * (1 + 0.2 * identity.hair_volume)
            path.addOval(
                skia.Rect.MakeLTRB(CENTRE_X - r * 1.1, top - 0.052 - r, CENTRE_X + r * 1.1, top - 0.052 + r)
            )
            return path
        case "curly":
            rng = random.Random(f"back curls {identity.seed}")
            for i in range(20):
                angle = math.pi * (1.15 + 1.7 * i / 19) - math.pi * 0.5
                x, y = (
                    CENTRE_X + math.sin(angle - math.pi) * (w + 0.01),
                    0.42 + math.cos(angle - math.pi) * -0.19,
                )
                path.addCircle(x, y, rng.uniform(0.04, 0.055))
            path.setFillType(skia.PathFillType.kWinding)
            return path
        case _:
            return None
    left = [(CENTRE_X - x, y) for x, y in half]
    right = [(CENTRE_X + x, y) for x, y in reversed(half)]
    return smooth_path(((CENTRE_X, top), *reversed(right), *reversed(left)), closed=True)


def along(points: Curve, share: float) -> Point:
    """The point at `share` (0..1) of the polyline's vertices."""
    place = max(0.0, min(1.0, share)) * (len(points) - 1)
    index = min(int(place), len(points) - 2)
    return lerp(points[index], points[index + 1], place - index)


_LOOSE = ("short", "side_part", "bob", "long", "ponytail", "bun")


def paint_back_hair(canvas: skia.Canvas, identity: Identity, shapes: HairShapes) -> None:
    """Hair behind the head, in shadow below."""
    if shapes.back is None:
        return
    color = darker(identity.hair_color, 0.22)
    bounds = shapes.back.getBounds()
    body = ((0.0, color, 1.0), (0.6, darker(color, 0.22), 1.0), (1.0, darker(color, 0.38), 1.0))
    canvas.drawPath(shapes.back, linear((0.5, bounds.top()), (0.5, bounds.bottom()), body))
    with clipped(canvas, shapes.back):
        rng = random.Random(f"back strands {identity.seed}")
        dark, light = skia.Path(), skia.Path()
        for i in range(36):
            x = bounds.left() + bounds.width() * rng.random()
            path = dark if i % 2 else light
            y0 = bounds.top() + bounds.height() * rng.uniform(-0.1, 0.4)
            y1 = y0 + bounds.height() * rng.uniform(0.4, 0.8)
            path.moveTo(x, y0)
            path.quadTo(x + rng.uniform(-0.02, 0.02), (y0 + y1) / 2, x + rng.uniform(-0.015, 0.015), y1)
        canvas.drawPath(dark, stroke(darker(color, 0.45), 0.005, 0.45))
        canvas.drawPath(light, stroke(lighter(color, 0.20), 0.0045, 0.40))


def paint_front_hair(
    canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry, shapes: HairShapes
) -> None:
    """The cap over crown, forehead and sides; nothing on a bald head."""
    if shapes.front is None:
        return
    color = identity.hair_color
    alpha = 0.80 if identity.hair_style == "buzz" else 1.0
    top = geometry.frame.crown_y
    body = ((0.0, lighter(color, 0.06), alpha), (0.45, color, alpha), (1.0, darker(color, 0.38), alpha))
    if alpha == 1.0:
        with (
            clipped(canvas, outside=shapes.front),
            clipped(canvas, smooth_path(geometry.outline, closed=True)),
        ):
            canvas.translate(0.004, 0.012)
            canvas.drawPath(shapes.front, fill(shaded(identity.skin, 0.6), 0.55, 0.009))
    canvas.drawPath(shapes.front, linear((0.40, top - 0.03), (0.62, 0.60), body))
    with clipped(canvas, shapes.front):
        if identity.hair_style == "buzz":
            _stubble(canvas, identity, shapes)
        elif identity.hair_style == "curly":
            _ringlets(canvas, identity, shapes)
        else:
            _strands(canvas, identity, shapes)
        _shine(canvas, identity, shapes)
    if identity.hair_style in _LOOSE:
        _loose_hairs(canvas, identity, shapes)


def _loose_hairs(canvas: skia.Canvas, identity: Identity, shapes: HairShapes) -> None:
    """Fine hairs across the hairline and over the crown, so that no edge looks cut out."""
    rng = random.Random(f"loose hairs {identity.seed}")
    hairs = skia.Path()
    for i in range(54):
        t = 0.10 + 0.80 * (i + rng.random()) / 54
        x, y = along(shapes.line, t)
        away = (x - CENTRE_X) * 0.10
        hairs.moveTo(x - away, y - 0.022)
        hairs.quadTo(
            x - away * 0.5,
            y - 0.008,
            x + away * 0.6 + rng.uniform(-0.008, 0.008),
            y + rng.uniform(0.002, 0.013),
        )
    for i in range(16):
        t = 0.15 + 0.70 * (i + rng.random()) / 16
        a, b = along(shapes.rim, t), along(shapes.rim, t + 0.06)
        hairs.moveTo(*a)
        hairs.quadTo((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 - rng.uniform(0.008, 0.018), *b)
    canvas.drawPath(hairs, stroke(darker(identity.hair_color, 0.18), 0.0042, 0.62))


def _strands(canvas: skia.Canvas, identity: Identity, shapes: HairShapes) -> None:
    """Strands from the rim to the hairline, and down the locks."""
    rng = random.Random(f"strands {identity.seed}")
    color = identity.hair_color
    paths = (skia.Path(), skia.Path(), skia.Path())
    depth = 1.0 - 0.55 * sum(color) / 765  # light hair shows its strands by less
    parted = identity.hair_style in ("side_part", "bob", "long")
    side = (-1 if identity.seed % 2 else 1) if parted else 0
    for i in range(66):
        t = (i + rng.random()) / 66
        start, end = along(shapes.rim, t), along(shapes.line, t + rng.uniform(-0.02, 0.02))
        if parted:
            root = (CENTRE_X + side * 0.075, shapes.rim[5][1] + 0.03)
            start = lerp(start, root, 0.40)
        start = lerp(start, end, rng.uniform(-0.15, 0.35))
        end = lerp(start, end, rng.uniform(0.75, 1.15))
        bulge = 0.25 * (end[0] - CENTRE_X)
        path = paths[i % 3]
        path.moveTo(*start)
        path.quadTo((start[0] + end[0]) / 2 + bulge * 0.35, (start[1] + end[1]) / 2 - 0.012, *end)
    for outer, inner in shapes.locks:
        for i in range(15):
            t = (i + rng.random()) / 15
            points = [lerp(a, b, t) for a, b in zip(outer, inner, strict=True)]
            paths[i % 3].addPath(smooth_path(points))
    canvas.drawPath(paths[0], stroke(darker(color, 0.45 * depth), 0.0055, 0.38))
    canvas.drawPath(paths[1], stroke(lighter(color, 0.20), 0.0048, 0.26))
    canvas.drawPath(paths[2], stroke(darker(color, 0.25 * depth), 0.0045, 0.55))


def _ringlets(canvas: skia.Canvas, identity: Identity, shapes: HairShapes) -> None:
    """Arcs that read as curls."""
    rng = random.Random(f"ringlets {identity.seed}")
    color = identity.hair_color
    dark, light = skia.Path(), skia.Path()
    for i in range(64):
        t, depth = rng.random(), rng.uniform(-0.25, 1.0)
        x, y = lerp(along(shapes.rim, t), along(shapes.line, t), depth)
        r = rng.uniform(0.012, 0.024)
        box = skia.Rect.MakeLTRB(x - r, y - r, x + r, y + r)
        (dark if i % 2 else light).addArc(box, rng.uniform(0, 360), rng.uniform(120, 220))
    canvas.drawPath(dark, stroke(darker(color, 0.5 - 0.25 * sum(color) / 765), 0.006, 0.55))
    canvas.drawPath(light, stroke(lighter(color, 0.24), 0.0055, 0.45))


def _stubble(canvas: skia.Canvas, identity: Identity, shapes: HairShapes) -> None:
    """Cropped hair: short ticks."""
    rng = random.Random(f"buzz {identity.seed}")
    ticks = skia.Path()
    for _ in range(170):
        t, depth = rng.random(), rng.random()
        x, y = lerp(along(shapes.rim, t), along(shapes.line, t), depth)
        ticks.moveTo(x, y)
        ticks.lineTo(x + (x - CENTRE_X) * 0.03, y + 0.007)
    canvas.drawPath(ticks, stroke(darker(identity.hair_color, 0.4), 0.0042, 0.5))


def _shine(canvas: skia.Canvas, identity: Identity, shapes: HairShapes) -> None:
    """A band of light over the upper left."""
    color: Color = mix(lighter(identity.hair_color, 0.55), (255, 255, 255), 0.15)
    band = [lerp(along(shapes.rim, t), along(shapes.line, t), 0.42) for t in (0.24, 0.34, 0.44, 0.54)]
    canvas.drawPath(smooth_path(band), stroke(color, 0.026, 0.26, 0.010))
    right = along(shapes.rim, 0.85)
    spot(canvas, (right[0] - 0.02, right[1] + 0.05), (0.10, 0.16), darker(identity.hair_color, 0.6), 0.30)
    if shapes.locks:
        x, y = lerp(shapes.locks[0][0][2], shapes.locks[0][1][2], 0.5)
        spot(canvas, (x, y), (0.020, 0.09), color, 0.22)
