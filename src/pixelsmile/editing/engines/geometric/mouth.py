"""Inside of the mouth: the dark, tongue, teeth in two rows, with the photograph's light, sharpness and grain.

Teeth stand on arches in the head: the upper row stays with the skull, the lower one turns with the jaw, and
the moved lips are the window through which they are seen. Where the person's own mouth is open, what it shows
is kept and the painted part only fills in. Lengths are canonical centimetres.
"""

from dataclasses import dataclass

import numpy as np
import skia

from pixelsmile.editing.engines.geometric.scene import Face, Moved, blended, coverage, opening_path, smooth_path
from pixelsmile.editing.engines.geometric.surface import smoothstep
from pixelsmile.editing.engines.geometric.units_on_mesh import JAW_AXIS, JAW_DEGREES
from pixelsmile.faces.mesh.points import LOWER_INNER, UPPER_INNER

# From the middle to the side: widths, heights, and how far the edge lies from that of the middle teeth.
UPPER_ROW = ((0.86, 1.04, 0.0), (0.67, 0.92, 0.08), (0.76, 1.02, 0.02), (0.70, 0.88, 0.12), (0.68, 0.82, 0.18), (0.95, 0.75, 0.24))
LOWER_ROW = ((0.53, 0.86, 0.0), (0.58, 0.86, 0.0), (0.68, 0.92, -0.04), (0.70, 0.82, 0.05), (0.70, 0.76, 0.1), (1.0, 0.7, 0.15))
_UPPER_EDGE, _LOWER_EDGE = -0.22, -0.10  # below the line of the closed lips
_BEHIND_LIPS = 0.45
_ARCH = 0.26  # z falls by that times the square of x
MIN_GAP = 0.05  # below it the mouth is shut
_OWN_GAP = 0.45  # from here on the person's own teeth may be seen


def paint_mouth(picture: np.ndarray, moved: Moved) -> np.ndarray:
    """`picture` (float32 (H, W, 3), the warped window) with the inside of the mouth."""
    upper, lower = inner_lips(moved.moved)
    scale = moved.face.px_per_cm
    gap = lip_gap(moved.moved_cm)
    was_gap = lip_gap(moved.face.rest_cm)
    if gap < 2 * MIN_GAP and was_gap > gap:
        picture = _seam(picture, moved, was_gap - gap)
    if gap < MIN_GAP:
        return picture
    path = opening_path(upper, lower)
    x0, y0, x1, y1 = _window(path, picture.shape, margin=round(4 + 0.3 * scale))
    if x1 - x0 < 3 or y1 - y0 < 2:
        return picture
    path.offset(-x0, -y0)
    size = (y1 - y0, x1 - x0)
    inside = _painted(moved, (x0, y0), size, upper, lower)
    light = moved.face.light
    inside = light.grained(light.tinted(inside))
    below = picture[y0:y1, x0:x1]
    if was_gap > _OWN_GAP:
        inside = _own(moved, below, inside, (x0, y0), size)
    soft = max(0.6, light.blur_px * 0.8)
    alpha = coverage(size, path, soft) * smoothstep(np.array((gap - MIN_GAP) / 0.12)).astype(np.float32)
    picture = picture.copy()
    picture[y0:y1, x0:x1] = blended(below, inside, alpha)
    return picture


def inner_lips(surface_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edges of the opening, (11, 2) each."""
    return surface_px[list(UPPER_INNER), :2], surface_px[list(LOWER_INNER), :2]


def lip_gap(surface_cm: np.ndarray) -> float:
    """The largest distance of the lips, in centimetres."""
    return float((surface_cm[list(UPPER_INNER), 1] - surface_cm[list(LOWER_INNER), 1]).max())


def _seam(picture: np.ndarray, moved: Moved, closed_by: float) -> np.ndarray:
    """The line between lips that were apart: the photograph has none."""
    upper, lower = inner_lips(moved.moved)
    line, scale = 0.5 * (upper + lower), moved.face.px_per_cm
    strength = 0.8 * float(smoothstep(np.array((closed_by - 0.06) / 0.25)))
    drawn = np.zeros((*picture.shape[:2], 4), np.uint8)
    canvas = skia.Surface(drawn).getCanvas()
    soft = max(0.5, 0.8 * moved.face.light.blur_px, 0.035 * scale)
    for start, end, width in ((0, 10, 0.06), (1, 9, 0.05), (2, 8, 0.04)):  # the thicker, the nearer the middle
        paint = skia.Paint(AntiAlias=True, Color=skia.ColorWHITE, Style=skia.Paint.kStroke_Style, StrokeWidth=width * scale, StrokeCap=skia.Paint.kRound_Cap)
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, soft))
        canvas.drawPath(smooth_path(line[start : end + 1], closed=False), paint)
    alpha = strength * drawn[..., 3].astype(np.float32) / 255
    return blended(picture, picture * np.array([0.42, 0.30, 0.30], np.float32), alpha)


def _window(path: skia.Path, shape: tuple[int, ...], margin: int) -> tuple[int, int, int, int]:
    box = path.getBounds()
    return (
        max(0, int(box.left()) - margin),
        max(0, int(box.top()) - margin),
        min(shape[1], int(box.right()) + margin + 1),
        min(shape[0], int(box.bottom()) + margin + 1),
    )


@dataclass(frozen=True)
class Jaws:
    """Where the rows stand: the middle of the closed lips, and by how much the jaw is turned (radians)."""

    middle: np.ndarray  # (3,)
    angle: float
    half_width: float

    def turned(self, points_cm: np.ndarray) -> np.ndarray:
        """Points of the jaw (N, 3) after its turn."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        y, z = (points_cm[:, 1:] - JAW_AXIS[1:]).T
        return np.stack([points_cm[:, 0], cos * y + sin * z + JAW_AXIS[1], -sin * y + cos * z + JAW_AXIS[2]], 1)


def _jaws(moved: Moved) -> Jaws:
    rest = moved.face.rest_cm
    upper, lower = rest[list(UPPER_INNER)], rest[list(LOWER_INNER)]
    gap = float(max(0.0, upper[5, 1] - lower[5, 1]))
    middle = upper[5] - np.array([0.0, 0.35 * gap, _BEHIND_LIPS])
    middle[0] = 0.5 * (upper[[0, -1], 0].mean() + upper[5, 0])
    opened = moved.movement.shown.jaw_drop * (1 - moved.movement.neutralise) + moved.movement.wanted.jaw_drop
    half = float(np.abs(moved.moved_cm[[UPPER_INNER[0], UPPER_INNER[-1]], 0] - middle[0]).mean())
    return Jaws(middle, -np.radians(JAW_DEGREES * opened), half)


def _painted(
    moved: Moved, corner: tuple[int, int], size: tuple[int, int], upper: np.ndarray, lower: np.ndarray
) -> np.ndarray:
    """float32 (h, w, 3): the inside of the mouth, drawn far to near, then blurred as the photograph is."""
    jaws, light, pose = _jaws(moved), moved.face.light, moved.face.pose
    scale = moved.face.px_per_cm
    drawn = np.zeros((*size, 4), np.uint8)
    canvas = skia.Surface(drawn).getCanvas()
    canvas.translate(-corner[0], -corner[1])
    bright = _teeth(moved.face)
    canvas.clear(_colour(bright * np.array([0.20, 0.075, 0.07])))
    project = lambda points: pose.project(points)[:, :2]  # noqa: E731
    _draw_tongue(canvas, jaws, project, bright, scale, lower)
    _draw_row(canvas, jaws, LOWER_ROW, _LOWER_EDGE, project, bright * np.array([0.90, 0.875, 0.84]), scale, of_jaw=True)
    _draw_row(canvas, jaws, UPPER_ROW, _UPPER_EDGE, project, bright, scale, of_jaw=False)
    _draw_shadows(canvas, upper, lower, scale)
    return _blurred(drawn, light.blur_px)[..., :3].astype(np.float32)


def _teeth(face: Face) -> np.ndarray:
    """The colour of teeth: of the person's own where some are seen, else of what is white in this light."""
    upper, lower = inner_lips(face.source)
    path = opening_path(upper, lower)
    x0, y0, x1, y1 = _window(path, face.pixels.shape, margin=0)
    if lip_gap(face.rest_cm) < 0.15 or x1 - x0 < 4 or y1 - y0 < 3:
        return face.light.white
    path.offset(-x0, -y0)
    inside = face.pixels[y0:y1, x0:x1][coverage((y1 - y0, x1 - x0), path) > 0.9].astype(np.float64)
    if len(inside) < 12:
        return face.light.white
    brightness = inside.sum(1)
    seen = np.median(inside[brightness >= np.percentile(brightness, 80)], axis=0)
    colourful = (seen.max() - seen.min()) / max(seen.max(), 1.0)
    share = float(smoothstep(np.array((0.5 - colourful) / 0.2))) * float(seen.sum() > 0.6 * face.light.skin.sum())
    return share * seen + (1 - share) * face.light.white


def _draw_tongue(canvas, jaws: Jaws, project, bright: np.ndarray, scale: float, lower: np.ndarray) -> None:
    opened = -jaws.angle / np.radians(JAW_DEGREES)
    if opened < 0.15:
        return
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    width = 1.75
    shape = np.stack([width * np.cos(angles), 0.75 * np.sin(angles), np.zeros(24)], 1)
    place = jaws.middle + np.array([0.0, -0.72, -0.6])
    path = smooth_path(project(jaws.turned(shape + place)))
    paint = skia.Paint(AntiAlias=True, Color=_colour(bright * np.array([0.66, 0.33, 0.32]), min(1.0, opened * 1.6)))
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.16 * scale))
    canvas.drawPath(path, paint)
    ends = project(jaws.turned(place + np.array([[0.0, 0.55, 0.2], [0.0, -0.4, 0.2]])))
    groove = skia.Paint(AntiAlias=True, Color=_colour(bright * np.array([0.35, 0.13, 0.13]), 0.35 * min(1.0, opened)), Style=skia.Paint.kStroke_Style, StrokeWidth=0.14 * scale)
    groove.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.1 * scale))
    canvas.drawLine(skia.Point(*map(float, ends[0])), skia.Point(*map(float, ends[1])), groove)


def _draw_row(canvas, jaws: Jaws, row, edge: float, project, bright: np.ndarray, scale: float, *, of_jaw: bool) -> None:
    """Gums, then each tooth from the side to the middle, darker the deeper it stands in the mouth."""
    sign = -1.0 if of_jaw else 1.0
    turned = jaws.turned if of_jaw else (lambda points: points)
    middle = jaws.middle + np.array([0.0, edge, 0.0])
    along = np.linspace(-3.4, 3.4, 40)
    gum = np.concatenate([_on_arch(middle, along, sign * np.full(40, 0.72)), _on_arch(middle, along[::-1], sign * np.full(40, 2.2))])
    canvas.drawPath(_polygon(project(turned(gum))), skia.Paint(AntiAlias=True, Color=_colour(bright * np.array([0.62, 0.30, 0.29]))))
    for side in (-1, 1):
        start = 0.0
        teeth = []
        for width, height, rise in row:
            teeth.append((start, width, height, rise))
            start += width
        for start, width, height, rise in reversed(teeth):
            outline = _tooth(width, height)
            shape = _on_arch(middle, side * (start + outline[:, 0]), sign * (rise + outline[:, 1]))
            ends = project(turned(_on_arch(middle, np.full(3, side * (start + width / 2)), sign * (rise + height * np.array([0.0, 0.35, 1.0])))))
            depth = min(1.0, (start + width / 2) / max(jaws.half_width * 1.05, 1.0))
            colour = bright * np.array([1.01, 0.985, 0.93]) * (1 - 0.62 * depth**2.2)
            shader = skia.GradientShader.MakeLinear(
                [skia.Point(*map(float, ends[0])), skia.Point(*map(float, ends[2]))],
                [_colour(colour * 0.90), _colour(colour), _colour(colour * np.array([0.93, 0.88, 0.80]))],
                [0.0, 0.35, 1.0],
            )
            path = _polygon(project(turned(shape)))
            canvas.drawPath(path, skia.Paint(AntiAlias=True, Shader=shader))
            line = skia.Paint(AntiAlias=True, Color=_colour(colour * np.array([0.62, 0.50, 0.44]), 0.38), Style=skia.Paint.kStroke_Style, StrokeWidth=max(0.5, 0.03 * scale))
            canvas.drawPath(path, line)


def _tooth(width: float, height: float) -> np.ndarray:
    """An outline (N, 2): from 0 to `width`, the edge at 0, the neck at `height`, rounded, narrower there."""
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 0.42
    x = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power
    y = np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power
    x = x * (1 - 0.10 * (y + 1) / 2)
    return np.stack([width * (0.5 + 0.485 * x), height * (y + 1) / 2], 1)


def _on_arch(middle: np.ndarray, along: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Points at a length along the arch from the middle, and above its edge: (N, 3)."""
    x = along * (1 - 0.022 * along**2)  # the arch bends back: less and less of its length is seen
    return middle + np.stack([x, height, -_ARCH * x * x], 1)


def _draw_shadows(canvas, upper: np.ndarray, lower: np.ndarray, scale: float) -> None:
    """Lips shade what is behind them, corners are dark."""
    for edge, width, alpha in ((upper, 0.5, 0.55), (lower, 0.26, 0.35)):
        paint = skia.Paint(AntiAlias=True, Color=skia.ColorSetARGB(round(255 * alpha), 30, 8, 8), Style=skia.Paint.kStroke_Style, StrokeWidth=width * scale)
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.13 * scale))
        canvas.drawPath(smooth_path(edge, closed=False), paint)
    for end in (0, -1):
        paint = skia.Paint(AntiAlias=True, Color=skia.ColorSetARGB(150, 24, 8, 8))
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.3 * scale))
        canvas.drawCircle(float(upper[end, 0]), float(upper[end, 1]), 0.35 * scale, paint)


def _own(moved: Moved, warped: np.ndarray, painted: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """What the person's open mouth shows, in its place over the painted inside."""
    upper, lower = inner_lips(moved.face.source)
    path = opening_path(upper, lower)
    path.offset(-corner[0], -corner[1])
    scale = moved.face.px_per_cm
    inside = np.clip((coverage(size, path, 0.08 * scale) - 0.5) * 2, 0, 1)
    y0, x0 = corner[1], corner[0]
    source = moved.face.pixels[y0 : y0 + size[0], x0 : x0 + size[1]].astype(np.float32)
    return blended(painted, source, inside)


def _polygon(points: np.ndarray) -> skia.Path:
    path = skia.Path()
    path.addPoly([skia.Point(float(x), float(y)) for x, y in points], True)
    return path


def _colour(colour: np.ndarray, alpha: float = 1.0) -> int:
    red, green, blue = (int(value) for value in np.clip(np.round(colour), 0, 255))
    return int(skia.ColorSetARGB(round(255 * min(1.0, max(0.0, alpha))), red, green, blue))


def _blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """RGBA pixels blurred by skia, edges repeated."""
    out = np.zeros_like(pixels)
    paint = skia.Paint(ImageFilter=skia.ImageFilters.Blur(sigma, sigma, skia.TileMode.kClamp))
    image = skia.Image.fromarray(pixels, colorType=skia.kRGBA_8888_ColorType)
    skia.Surface(out).getCanvas().drawImage(image, 0, 0, skia.SamplingOptions(), paint)
    return out
