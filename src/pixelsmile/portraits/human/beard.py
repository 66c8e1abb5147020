"""Beards in the human domain: they ride on the jaw and the lips."""

import random

import skia

from pixelsmile.portraits.brush import (
    Point,
    append_curve,
    clipped,
    darker,
    fill,
    lens_path,
    lerp,
    lighter,
    mix,
    smooth_path,
    stroke,
)
from pixelsmile.portraits.human.geometry import FaceGeometry
from pixelsmile.portraits.identity import Identity


def paint_beard(canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry) -> None:
    """The beard, before the mouth is painted into it."""
    if identity.beard == "none":
        return
    color = mix(identity.hair_color, identity.brow_color, 0.5)
    areas = _areas(identity, geometry)
    hole = lens_path(geometry.mouth.upper_outer, geometry.mouth.lower_outer)
    with clipped(canvas, outside=hole):
        if identity.beard == "stubble":
            canvas.clipPath(smooth_path(geometry.outline, closed=True), doAntiAlias=True)
        for area in areas:
            if identity.beard == "stubble":
                canvas.drawPath(area, fill(darker(color, 0.1), 0.24, 0.010))
            else:
                canvas.drawPath(area, fill(darker(color, 0.12), 0.86, 0.0042))
    _hairs(canvas, identity, geometry, areas, hole)


def _areas(identity: Identity, geometry: FaceGeometry) -> list[skia.Path]:
    match identity.beard:
        case "moustache":
            return [_moustache(geometry)]
        case "goatee":
            return [_moustache(geometry), _goatee(geometry)]
        case _:
            return [_full(geometry)]


def _moustache(geometry: FaceGeometry) -> skia.Path:
    """From the nose down past both corners of the mouth; no narrower when the mouth is."""
    mouth, (x, y) = geometry.mouth, geometry.nose.base
    (lx, ly), (rx, ry) = mouth.left, mouth.right
    lx, rx = min(lx - 0.006, x - 0.080), max(rx + 0.006, x + 0.080)
    left, right = (lx, ly + 0.010), (rx, ry + 0.010)
    lip = mouth.upper_outer
    shoulder_l, shoulder_r = lerp(left, (x, y), 0.30), lerp(right, (x, y), 0.30)
    top = (
        left,
        (shoulder_l[0], shoulder_l[1] - 0.013), (x - 0.026, y + 0.010), (x, y + 0.015),
        (x + 0.026, y + 0.010), (shoulder_r[0], shoulder_r[1] - 0.013),
        right,
    )  # fmt: skip
    bottom = (left, *((px, py + 0.0015) for px, py in lip[1:-1]), right)
    return lens_path(top, bottom)


def _goatee(geometry: FaceGeometry) -> skia.Path:
    mouth, (cx, cy) = geometry.mouth, geometry.chin
    (lx, ly), (rx, ry) = mouth.left, mouth.right
    low = mouth.lower_outer[3]
    path = skia.Path()
    path.moveTo(lx - 0.008, ly + 0.002)
    append_curve(
        path,
        (
            (lx - 0.008, ly + 0.002), (lx - 0.002, (ly + cy) / 2), (cx - 0.045, cy - 0.008), (cx, cy + 0.012),
            (cx + 0.045, cy - 0.008), (rx + 0.002, (ry + cy) / 2), (rx + 0.008, ry + 0.002),
        ),
    )  # fmt: skip
    append_curve(
        path,
        (
            (rx + 0.008, ry + 0.002), (rx - 0.012, ry + 0.012), (low[0] + 0.022, low[1] + 0.008),
            (low[0], low[1] + 0.006), (low[0] - 0.022, low[1] + 0.008), (lx + 0.012, ly + 0.012),
            (lx - 0.008, ly + 0.002),
        ),
    )  # fmt: skip
    path.close()
    return path


def _full(geometry: FaceGeometry) -> skia.Path:
    """From sideburn to sideburn, below the cheeks and round the mouth."""
    outline = geometry.outline
    right, left = outline[4:8], outline[8:12]
    wide = [_outward(p, geometry, 0.008 if i < 3 else 0.011) for i, p in enumerate(right)]
    wide += [_outward(p, geometry, 0.011 if i < 1 else 0.008) for i, p in enumerate(left)]
    wide[0], wide[-1] = right[0], left[-1]
    mouth, base = geometry.mouth, geometry.nose.base
    (lx, ly), (rx, ry) = mouth.left, mouth.right
    edge = (
        left[-1],
        (left[-1][0] + 0.022, left[-1][1] + 0.035),
        lerp((left[-2][0], left[-2][1]), (lx, ly), 0.42),
        (lx - 0.020, ly - 0.028),
        (base[0] - 0.022, base[1] + 0.010),
        (base[0] + 0.022, base[1] + 0.010),
        (rx + 0.020, ry - 0.028),
        lerp((right[1][0], right[1][1]), (rx, ry), 0.42),
        (right[0][0] - 0.022, right[0][1] + 0.035),
        right[0],
    )
    path = smooth_path(wide)
    append_curve(path, edge)
    path.close()
    return path


def _outward(point: Point, geometry: FaceGeometry, amount: float) -> Point:
    x, y = point[0] - 0.5, point[1] - 0.56
    size = (x * x + y * y) ** 0.5
    return (point[0] + x / size * amount, point[1] + y / size * amount)


def _hairs(
    canvas: skia.Canvas, identity: Identity, geometry: FaceGeometry, areas: list[skia.Path], hole: skia.Path
) -> None:
    """Short strokes inside the areas; placed in the beard's own frame so that they move with the jaw."""
    rng = random.Random(f"beard {identity.seed}")
    color = mix(identity.hair_color, identity.brow_color, 0.5)
    dark, light = skia.Path(), skia.Path()
    (x0, y0), (cx, cy) = geometry.nose.base, geometry.chin
    short = identity.beard == "stubble"
    for i in range(170 if short else 320):
        u, v = rng.uniform(-1, 1), rng.random() ** 0.8
        x, y = x0 + (cx - x0) * v + u * 0.20, y0 - 0.02 + (cy + 0.012 - y0 + 0.02) * v
        length = 0.006 if short else rng.uniform(0.010, 0.018)
        path = light if i % 3 == 0 else dark
        path.moveTo(x, y)
        path.quadTo(x + u * length * 0.3, y + length * 0.6, x + u * length * 0.4, y + length)
    for area in areas:
        with clipped(canvas, area, outside=hole):
            canvas.drawPath(dark, stroke(darker(color, 0.36), 0.0042, 0.50))
            canvas.drawPath(light, stroke(lighter(color, 0.20), 0.0040, 0.20 if short else 0.42))
