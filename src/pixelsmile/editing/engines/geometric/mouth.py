"""The opening between moved lips: what is seen in it, with the photograph's light, sharpness and grain.

Where the person's own mouth is open, what it shows is kept in its place, and the painted part only fills in.
Where lips that were apart close, the line between them is drawn, which the photograph has not. Lengths are
canonical centimetres.
"""

import numpy as np
import skia

from pixelsmile.editing.engines.geometric.light import contrast_unit, patch
from pixelsmile.editing.engines.geometric.scene import (
    Face,
    Moved,
    blended,
    coverage,
    opening_path,
    smooth_path,
)
from pixelsmile.editing.engines.geometric.surface import smoothstep
from pixelsmile.editing.engines.geometric.teeth import Jaws, draw_inside
from pixelsmile.editing.engines.geometric.units_on_mesh import JAW_DEGREES, roundness
from pixelsmile.editing.engines.geometric.warp import as_skia, opaque
from pixelsmile.faces.mesh.mesh import LOWER_INNER, LOWER_OUTER, UPPER_INNER, UPPER_OUTER
from pixelsmile.portraits.brush import WHITE, stroke

MIN_GAP = 0.05  # below it the mouth is shut
_OWN_GAP = 0.45  # from here on the person's own teeth are kept
_OWN_COLOUR_GAP = 0.15  # from here on their colour is seen
_BEHIND_LIPS = 0.45
_SEAM_COLOUR = np.array([0.42, 0.30, 0.30], np.float32)  # of the lips
_MIN_PIXELS = 12
_ABOVE_LIPS = 0.6  # of their height, looked at beyond them to see whether they stand out
_SAMPLES = 45
_MIN_CONTRAST = 0.04  # see `mouth_contrast`
_CLOTH_CONTRAST, _CLOTH_COLOURS, _OTHER_HUE = 2.1, 0.75, 0.25  # see `is_hidden`
_ABOVE = (151, 9, 8, 6, 108, 337, 117, 346)  # forehead, root of the nose, under the eyes
_AROUND = (214, 434, 210, 430, 207, 427, 199, 175, 171, 396)  # lower cheeks and chin


def paint_mouth(picture: np.ndarray, moved: Moved) -> np.ndarray:
    """`picture` (float32 (H, W, 3), the warped window) with the mouth's inside, or the line of the lips."""
    gap, was_gap = lip_gap(moved.moved_cm), lip_gap(moved.face.rest_cm)
    if gap < 2 * MIN_GAP and was_gap > gap:
        picture = _seam(picture, moved, was_gap - gap)
    if gap < MIN_GAP:
        return picture
    upper, lower = inner_lips(moved.moved)
    path = opening_path(upper, lower, roundness(upper, lower))
    scale, light = moved.face.px_per_cm, moved.face.light
    x0, y0, x1, y1 = _window(path, picture.shape, margin=round(4 + 0.3 * scale))
    if x1 - x0 < 3 or y1 - y0 < 2:
        return picture
    corner, size = np.array([x0, y0]), (y1 - y0, x1 - x0)
    inside = light.grained(light.tinted(_painted(moved, corner, size)))
    if was_gap > _OWN_GAP:
        inside = _with_own(moved.face, inside, corner, size)
    path.offset(-x0, -y0)
    opened = float(smoothstep(np.array((gap - MIN_GAP) / 0.12)))
    alpha = coverage(size, path, max(0.6, 0.8 * light.blur_px)) * np.float32(opened * _changed(moved))
    picture = picture.copy()
    picture[y0:y1, x0:x1] = blended(picture[y0:y1, x0:x1], inside, alpha)
    return picture


def inner_lips(surface_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edges of the opening, (11, 2) each."""
    return surface_px[list(UPPER_INNER), :2], surface_px[list(LOWER_INNER), :2]


def lip_gap(surface_cm: np.ndarray) -> float:
    """The largest distance of the lips, in centimetres."""
    return float((surface_cm[list(UPPER_INNER), 1] - surface_cm[list(LOWER_INNER), 1]).max())


def is_hidden(pixels: np.ndarray, points: np.ndarray, skin: np.ndarray) -> bool:
    """Whether something covers the mouth: nothing stands out there; or no more than in the cheeks beside it,
    where nothing has the colours of the forehead either (a patterned cloth).

    skin: its colour. None of 160 faces is, with beards, old pictures and paintings, nor behind a white haze
    of 80 %; of stripes, checks, dots and flowers drawn over 20 of them three quarters are.
    """
    unit = contrast_unit(pixels, points, skin)
    contrast = mouth_contrast(pixels, points, unit)
    if contrast < _MIN_CONTRAST:
        return True
    width = 0.95 * (points[UPPER_OUTER[-1], :2] - points[UPPER_OUTER[0], :2])
    beside = min(mouth_contrast(pixels, points, unit, aside) for aside in (width, -width))
    return contrast < _CLOTH_CONTRAST * beside and _unlike_forehead(pixels, points) > _CLOTH_COLOURS


def _unlike_forehead(pixels: np.ndarray, points: np.ndarray) -> float:
    """The share of the pixels around the mouth whose hue is another than that of forehead and nose."""
    side = float(np.ptp(points[:, 1]))
    above = [np.median(patch(pixels, points[row], max(1, round(side / 80))), axis=0) for row in _ABOVE]
    around = np.concatenate([patch(pixels, points[row], max(1, round(side / 60))) for row in _AROUND])
    ratio = around / np.maximum(np.median(above, axis=0), 1.0)
    ratio /= np.maximum(ratio.mean(1, keepdims=True), 1e-3)
    return float((np.ptp(ratio, axis=1) > _OTHER_HUE).mean())


def mouth_contrast(
    pixels: np.ndarray, points: np.ndarray, unit: float, aside: np.ndarray | float = 0.0
) -> float:
    """How much lips and what lies between them stand out, in shares of `unit` (see `contrast_unit`).

    Across the lips, from above them to below, columns averaged and a straight slope taken off. Visible
    mouths, also in beards, have .056 and more (160 faces, clear and hazy), of plain masks drawn over them
    95 % .026 and less. aside: look so many pixels beside them.
    """
    upper, lower = (points[list(row[2:-2]), :2] + aside for row in (UPPER_OUTER, LOWER_OUTER))
    across = np.linspace(-_ABOVE_LIPS, 1 + _ABOVE_LIPS, _SAMPLES)
    places = upper[:, None] + across[:, None] * (lower - upper)[:, None]
    columns, rows = np.clip(np.floor(places).astype(int), 0, np.array(pixels.shape[1::-1]) - 1).transpose(
        2, 0, 1
    )
    profile = pixels[rows, columns].astype(np.float64).mean(0)
    slope = np.linspace(-1, 1, _SAMPLES)[:, None]
    profile -= profile.mean(0)
    profile -= slope * (profile * slope).sum(0) / np.square(slope).sum()
    return float(profile.std(0).max()) / unit


def _changed(moved: Moved) -> float:
    """0 where the mouth is as it was, and the warped photograph is right, 1 where it is another."""
    rows = [*UPPER_INNER, *LOWER_INNER]
    way = float(np.abs(moved.moved_cm[rows] - moved.face.rest_cm[rows]).max())
    return float(smoothstep(np.array((way - 0.02) / 0.15)))


def _seam(picture: np.ndarray, moved: Moved, closed_by: float) -> np.ndarray:
    """The line between lips that were apart, the thicker the nearer to the middle."""
    upper, lower = inner_lips(moved.moved)
    line, scale = (upper + lower) / 2, moved.face.px_per_cm
    soft = max(0.5, 0.8 * moved.face.light.blur_px, 0.035 * scale)
    drawn = np.zeros((*picture.shape[:2], 4), np.uint8)
    canvas = skia.Surface(drawn).getCanvas()
    for cut, width in enumerate((0.06, 0.05, 0.04)):
        path = smooth_path(line[cut : len(line) - cut], closed=False)
        canvas.drawPath(path, stroke(WHITE, width * scale, 1.0, soft))
    strength = 0.8 * float(smoothstep(np.array((closed_by - 0.06) / 0.25)))
    picture = _without_steps(picture, smooth_path(line, closed=False), strength)
    return blended(picture, picture * _SEAM_COLOUR, drawn[..., 3] * np.float32(strength / 255))


def _without_steps(picture: np.ndarray, line: skia.Path, strength: float) -> np.ndarray:
    """`picture` with the steps of pixels along the line smoothed, which the edges of triangles are."""
    x0, y0, x1, y1 = _window(line, picture.shape, margin=6)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return picture
    line = skia.Path(line)
    line.offset(-x0, -y0)
    drawn = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
    skia.Surface(drawn).getCanvas().drawPath(line, stroke(WHITE, 2.5, strength, 0.7))
    part = picture[y0:y1, x0:x1]
    smooth = _blurred(opaque(np.clip(part, 0, 255).astype(np.uint8)), 0.8)[..., :3].astype(np.float32)
    picture = picture.copy()
    picture[y0:y1, x0:x1] = blended(part, smooth, drawn[..., 3] * np.float32(1 / 255))
    return picture


def _painted(moved: Moved, corner: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 (h, w, 3): the inside of the mouth, as blurred as the photograph is."""
    rest, movement = moved.face.rest_cm, moved.movement
    upper, lower = rest[list(UPPER_INNER)], rest[list(LOWER_INNER)]
    gap = max(0.0, float(upper[5, 1] - lower[5, 1]))
    middle = upper[5] - np.array([0.0, 0.35 * gap, _BEHIND_LIPS])
    middle[0] = (upper[0, 0] + upper[-1, 0] + 2 * upper[5, 0]) / 4
    opened = movement.shown.jaw_drop * (1 - movement.neutralise) + movement.wanted.jaw_drop
    ends = moved.moved_cm[[UPPER_INNER[0], UPPER_INNER[-1]], 0]
    half_width = float(np.abs(ends - middle[0]).mean())
    jaws = Jaws(moved.face.pose, middle, -np.radians(JAW_DEGREES * opened), half_width, _teeth(moved.face))
    drawn = np.zeros((*size, 4), np.uint8)
    canvas = skia.Surface(drawn).getCanvas()
    canvas.translate(*(-float(place) for place in corner))
    draw_inside(canvas, jaws, *inner_lips(moved.moved))
    return _blurred(drawn, moved.face.light.blur_px)[..., :3].astype(np.float32)


def _teeth(face: Face) -> np.ndarray:
    """The colour of teeth: of the person's own where some are seen, else of what is white in this light."""
    upper, lower = inner_lips(face.source)
    path = opening_path(upper, lower)
    x0, y0, x1, y1 = _window(path, face.pixels.shape, margin=0)
    if lip_gap(face.rest_cm) < _OWN_COLOUR_GAP or x1 - x0 < 4 or y1 - y0 < 3:
        return face.light.white
    path.offset(-x0, -y0)
    inside = face.pixels[y0:y1, x0:x1][coverage((y1 - y0, x1 - x0), path) > 0.9].astype(np.float64)
    if len(inside) < _MIN_PIXELS:
        return face.light.white
    brightness = inside.sum(1)
    seen = np.median(inside[brightness >= np.percentile(brightness, 80)], axis=0)
    colourful = (seen.max() - seen.min()) / max(seen.max(), 1.0)
    is_bright = float(seen.sum() > 0.6 * face.light.skin.sum())  # not the dark, not a tongue
    share = float(smoothstep(np.array((0.5 - colourful) / 0.2))) * is_bright
    return share * seen + (1 - share) * face.light.white


def _with_own(face: Face, painted: np.ndarray, corner: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What the person's open mouth shows, in its place over the painted inside."""
    path = opening_path(*inner_lips(face.source))
    path.offset(-float(corner[0]), -float(corner[1]))
    inside = np.clip(2 * coverage(size, path, 0.08 * face.px_per_cm) - 1, 0, 1)
    x0, y0 = corner
    own = face.pixels[y0 : y0 + size[0], x0 : x0 + size[1]].astype(np.float32)
    return blended(painted, own, inside)


def _window(path: skia.Path, shape: tuple[int, ...], margin: int) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the part of a picture around a path."""
    box = path.getBounds()
    return (
        max(0, int(box.left()) - margin),
        max(0, int(box.top()) - margin),
        min(shape[1], int(box.right()) + margin + 1),
        min(shape[0], int(box.bottom()) + margin + 1),
    )


def _blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """RGBA pixels blurred by skia, edges repeated."""
    out = np.zeros_like(pixels)
    paint = skia.Paint(ImageFilter=skia.ImageFilters.Blur(sigma, sigma, skia.TileMode.kClamp))
    skia.Surface(out).getCanvas().drawImage(as_skia(pixels), 0, 0, skia.SamplingOptions(), paint)
    return out
