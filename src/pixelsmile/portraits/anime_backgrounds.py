"""Backgrounds of the anime style: simple, soft, and behind everything."""

import random

import skia

from pixelsmile.portraits.anime_ink import WHITE, fill, glow, outline, ramp
from pixelsmile.portraits.brush import mix
from pixelsmile.portraits.identity import Color, Identity


def paint_background(canvas: skia.Canvas, identity: Identity) -> None:
    """Fill the whole picture with this person's background."""
    light, dark = identity.background_colors
    rng = random.Random(f"background {identity.seed}")
    match identity.background:
        case "plain":
            canvas.drawPaint(fill(light))
            canvas.drawCircle(0.5, 0.5, 0.44, fill(mix(light, WHITE, 0.35), 0.7))
        case "gradient":
            canvas.drawPaint(ramp((0, 0), (0.3, 1), (mix(light, WHITE, 0.2), light, dark), (0, 0.35, 1)))
        case "bokeh":
            _bokeh(canvas, light, dark, rng)
        case "stripes":
            canvas.drawPaint(fill(light))
            shift = rng.uniform(0, 0.12)
            for i in range(-8, 9):
                x = 0.125 * i + shift
                canvas.drawLine(x, -0.02, x + 0.45, 1.02, outline(mix(light, dark, 0.45), 0.052))
        case "window":
            _window(canvas, light, dark)
        case "wall":
            _wall(canvas, light, dark, rng)


def _bokeh(canvas: skia.Canvas, light: Color, dark: Color, rng: random.Random) -> None:
    canvas.drawPaint(ramp((0, 0), (0, 1), (dark, mix(dark, light, 0.5)), (0, 1)))
    for _ in range(16):
        x, y, radius = rng.random(), rng.random() * 0.9, rng.uniform(0.035, 0.095)
        canvas.drawCircle(x, y, radius, fill(mix(light, WHITE, 0.4), rng.uniform(0.18, 0.45)))
        canvas.drawCircle(x, y, radius, outline(WHITE, 0.004, 0.25))


def _window(canvas: skia.Canvas, light: Color, dark: Color) -> None:
    canvas.drawPaint(fill(mix(dark, light, 0.35)))
    pane = skia.Rect.MakeLTRB(0.08, 0.05, 0.92, 0.70)
    canvas.drawRect(pane, ramp((0, 0.05), (0, 0.7), ((150, 196, 236), (222, 240, 250)), (0, 1)))
    canvas.save()
    canvas.clipRect(pane)
    for x, y, radius in (
        (0.16, 0.30, 0.06),
        (0.24, 0.27, 0.08),
        (0.33, 0.31, 0.06),
        (0.74, 0.20, 0.06),
        (0.83, 0.17, 0.075),
    ):
        canvas.drawCircle(x, y, radius, fill(WHITE, 0.9))
    canvas.restore()
    frame = outline(mix(light, WHITE, 0.55), 0.028)
    canvas.drawRect(pane, frame)
    canvas.drawLine(0.5, 0.05, 0.5, 0.70, frame)
    canvas.drawLine(0.08, 0.38, 0.92, 0.38, frame)


def _wall(canvas: skia.Canvas, light: Color, dark: Color, rng: random.Random) -> None:
    canvas.drawPaint(fill(mix(light, WHITE, 0.15)))
    spot = (rng.uniform(0.25, 0.75), 0.25)
    canvas.drawCircle(*spot, 0.7, glow(spot, 0.7, mix(light, WHITE, 0.6), 0.6))
    canvas.drawRect(skia.Rect.MakeLTRB(0, 0.66, 1, 1), fill(mix(light, dark, 0.55)))
    canvas.drawRect(skia.Rect.MakeLTRB(0, 0.645, 1, 0.668), fill(mix(light, dark, 0.85)))
    for i in range(9):
        x = 0.06 + 0.11 * i
        canvas.drawLine(x, 0.67, x, 1.0, outline(mix(light, dark, 0.75), 0.005))
