"""Hair in the human style: body, strands and shine."""

import random

import skia

from pixelsmile.portraits.brush import darker, fill, lighter, linear, mix, shaded, spot, stroke
from pixelsmile.portraits.curves import lerp, smooth_path
from pixelsmile.portraits.human.geometry import CENTRE_X, FaceGeometry
from pixelsmile.portraits.human.hair_shapes import HairShapes, along
from pixelsmile.portraits.identity import Color, Identity

_LOOSE = ("short", "side_part", "bob", "long", "ponytail", "bun")


def paint_back_hair(canvas: skia.Canvas, identity: Identity, shapes: HairShapes) -> None:
    """Hair behind the head, in shadow below."""
    if shapes.back is None:
        return
    color = darker(identity.hair_color, 0.22)
    bounds = shapes.back.getBounds()
    body = ((0.0, color, 1.0), (0.6, darker(color, 0.22), 1.0), (1.0, darker(color, 0.38), 1.0))
    canvas.drawPath(shapes.back, linear((0.5, bounds.top()), (0.5, bounds.bottom()), body))
    canvas.save()
    canvas.clipPath(shapes.back, doAntiAlias=True)
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
    canvas.restore()


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
        canvas.save()
        canvas.clipPath(shapes.front, skia.ClipOp.kDifference, True)
        canvas.clipPath(smooth_path(geometry.outline, closed=True), doAntiAlias=True)
        canvas.translate(0.004, 0.012)
        canvas.drawPath(shapes.front, fill(shaded(identity.skin, 0.6), 0.55, 0.009))
        canvas.restore()
    canvas.drawPath(shapes.front, linear((0.40, top - 0.03), (0.62, 0.60), body))
    canvas.save()
    canvas.clipPath(shapes.front, doAntiAlias=True)
    if identity.hair_style == "buzz":
        _stubble(canvas, identity, shapes)
    elif identity.hair_style == "curly":
        _ringlets(canvas, identity, shapes)
    else:
        _strands(canvas, identity, shapes)
    _shine(canvas, identity, shapes)
    canvas.restore()
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
