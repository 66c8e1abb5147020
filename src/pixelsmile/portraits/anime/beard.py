"""Beards in the anime domain: they follow lips and chin."""

import math
import random

import skia

from pixelsmile.portraits.anime.frame import AnimeFrame
from pixelsmile.portraits.anime.ink import fill, ink_of, outline, shaded
from pixelsmile.portraits.anime.mouth import AnimeMouth
from pixelsmile.portraits.brush import Color, Point, append_curve, clipped, mix, ribbon_path, smooth_path
from pixelsmile.portraits.identity import Identity


def beard_color(identity: Identity) -> Color:
    """Near the hair of this person, a little darker."""
    return mix(identity.hair_color, identity.brow_color, 0.5)


def paint_beard(
    canvas: skia.Canvas,
    identity: Identity,
    frame: AnimeFrame,
    face: skia.Path,
    mouth: AnimeMouth,
    chin: Point,
) -> None:
    """The beard under the mouth's lines: it follows lips and chin."""
    if identity.beard == "none":
        return
    with clipped(canvas, face):
        color = beard_color(identity)
        match identity.beard:
            case "stubble":
                _paint_stubble(canvas, identity, frame, mouth, chin, color)
            case "moustache":
                _paint_moustache(canvas, mouth, color)
            case "goatee":
                _paint_moustache(canvas, mouth, color, 0.8)
                _paint_goatee(canvas, mouth, chin, color)
            case "full":
                canvas.drawPath(_full(frame, mouth, chin), fill(color))
                _paint_moustache(canvas, mouth, color)
                _paint_strands(canvas, identity, mouth, chin, ink_of(color, 0.4))


def _full(frame: AnimeFrame, mouth: AnimeMouth, chin: Point) -> skia.Path:
    """From the sideburns along the cheeks and round the mouth, with bare skin only around the lips."""
    inner = [frame.place(x, frame.lower(y)) for x, y in ((0.190, 0.600), (0.165, 0.680), (0.105, 0.712))]
    left = [frame.place(-x, frame.lower(y)) for x, y in ((0.105, 0.712), (0.165, 0.680), (0.190, 0.600))]
    (lx, ly), (rx, ry) = mouth.left_corner, mouth.right_corner
    under = [
        (lx - 0.018, ly + 0.004),
        (mouth.lower[8][0], mouth.lower[8][1] + 0.026),
        (rx + 0.018, ry + 0.004),
    ]
    path = skia.Path()
    path.moveTo(0.80, 0.56)
    path.lineTo(*inner[0])
    append_curve(path, (*inner, *reversed(under), *left))
    path.lineTo(0.20, 0.56)
    path.lineTo(0.20, chin[1] + 0.05)
    path.lineTo(0.80, chin[1] + 0.05)
    path.close()
    return path


def _paint_strands(
    canvas: skia.Canvas, identity: Identity, mouth: AnimeMouth, chin: Point, color: Color
) -> None:
    """Short lines that make a full beard hairy."""
    rng = random.Random(f"beard {identity.seed}")
    middle, top = chin[0], mouth.lower[8][1]
    pen = outline(color, 0.0045, 0.55)
    for _ in range(16):
        x = rng.uniform(-0.125, 0.125)
        y = chin[1] - 0.012 - 0.035 * rng.random() - 1.9 * x * x
        if y > top + 0.028:
            canvas.drawLine(middle + x, y - 0.012, middle + 0.9 * x, y + 0.012, pen)


def _paint_moustache(canvas: skia.Canvas, mouth: AnimeMouth, color: Color, size: float = 1.0) -> None:
    """Two tapered halves on the upper lip."""
    x, y = mouth.upper[8]
    for side, corner in ((-1, mouth.left_corner), (1, mouth.right_corner)):
        wide = max(0.050, abs(corner[0] - x)) + 0.012
        tip_y = corner[1] - 0.003
        along = [
            (x + side * wide * t, (y - 0.018) * (1 - t**1.5) + tip_y * t**1.5 - 0.006 * math.sin(math.pi * t))
            for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        ]
        widths = [0.021 * size * w for w in (0.75, 1.0, 0.95, 0.75, 0.45, 0.08)]
        canvas.drawPath(ribbon_path(along, widths), fill(color))


def _paint_goatee(canvas: skia.Canvas, mouth: AnimeMouth, chin: Point, color: Color) -> None:
    """A patch on the chin."""
    x, top = mouth.lower[8][0], mouth.lower[8][1] + 0.022
    patch = smooth_path(
        [(x - 0.030, top + 0.004), (x, top), (x + 0.030, top + 0.004), (chin[0] + 0.036, chin[1] - 0.016),
         (chin[0], chin[1] + 0.004), (chin[0] - 0.036, chin[1] - 0.016)],
        closed=True,
    )  # fmt: skip
    canvas.drawPath(patch, fill(color))


def _paint_stubble(
    canvas: skia.Canvas, identity: Identity, frame: AnimeFrame, mouth: AnimeMouth, chin: Point, color: Color
) -> None:
    """A grey cast and short dots."""
    canvas.drawPath(_full(frame, mouth, chin), fill(mix(color, shaded(identity.skin), 0.45), 0.30))
    _paint_moustache(canvas, mouth, mix(color, identity.skin, 0.70), 0.9)
    rng = random.Random(f"stubble {identity.seed}")
    for _ in range(44):
        x = rng.uniform(-0.14, 0.14)
        y = chin[1] - 0.010 - 0.050 * rng.random() - 2.6 * x * x
        canvas.drawCircle(chin[0] + x, y, 0.0028, fill(color, 0.55))
