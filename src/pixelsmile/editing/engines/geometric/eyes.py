"""The eyes under moved lids: the eyeball stays, the iris stays round, the gaze turns.

The eyeball is what the photograph shows between the lids, completed where they hide it: the iris by its own
mirror image, the white by the white beside it. The moved lids are the window through which it is seen.
"""

from dataclasses import dataclass

import numpy as np
import skia

from pixelsmile.editing.engines.geometric.light import contrast_unit
from pixelsmile.editing.engines.geometric.scene import (
    Face,
    Moved,
    blended,
    coverage,
    opening_path,
    smooth_path,
)
from pixelsmile.editing.engines.geometric.surface import smoothstep
from pixelsmile.editing.engines.geometric.units_on_mesh import EYES, EyeRows
from pixelsmile.faces.mesh.mesh import EYE_CORNERS, LEFT_IRIS, RIGHT_IRIS

_GAZE_CM = np.array([0.42, -0.27, 0.0])  # that far the iris moves at a gaze of 1, to the right and down
_MAX_TURN = 0.62  # cm from the middle of the eye
_HIDDEN = 0.10  # cm along the lids in which lashes and shadow lie over the eyeball
_EDGE = 0.035  # cm of the warped picture that stay along the moved lids
_SMALLEST_PX = 3.0
_SAMPLES = (15, 31)  # along an eye and across it
_ACROSS = 0.35  # of an eye's width, looked at above and below its middle
_MIN_CONTRAST = 0.05  # see `are_hidden`


@dataclass(frozen=True, eq=False)
class Eye:
    """One eye in a window of the picture. upper, lower: its lids with both corners, (9, 2) each."""

    corner: tuple[int, int]
    size: tuple[int, int]
    iris: np.ndarray
    radii: tuple[float, float]
    lids: tuple[np.ndarray, np.ndarray]
    moved_lids: tuple[np.ndarray, np.ndarray]


def paint_eyes(picture: np.ndarray, moved: Moved) -> np.ndarray:
    """`picture` (float32 (H, W, 3), the warped window) with both eyes."""
    picture = picture.copy()
    for rows, iris in zip(EYES, (LEFT_IRIS, RIGHT_IRIS), strict=True):
        eye = _eye(moved, rows, iris)
        if eye is not None:
            _paint(picture, moved, eye)
    return picture


def are_hidden(pixels: np.ndarray, points: np.ndarray, skin: np.ndarray) -> bool:
    """Whether something plain covers both eyes: nothing stands out there, along the eyes or across them.

    skin: its colour. One visible eye is enough. Of 160 faces, clear and hazy, with glasses and closed eyes,
    the better eye has .095 and more in the contrast's unit; of plain bars drawn over them 95 % have .025
    and less.
    """
    unit = contrast_unit(pixels, points, skin)
    corners = points[list(EYE_CORNERS), :2].reshape(2, 2, 2)
    return max(_contrast(pixels, *pair) for pair in corners) < _MIN_CONTRAST * unit


def _contrast(pixels: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
    """How much the colours between two corners of an eye differ, of 255."""
    way = right - left
    normal = np.array([-way[1], way[0]])
    along = left + np.linspace(0.1, 0.9, _SAMPLES[0])[:, None] * way
    places = along[:, None] + np.linspace(-_ACROSS, _ACROSS, _SAMPLES[1])[:, None] * normal
    inside = np.clip(np.floor(places).astype(int), 0, np.array(pixels.shape[1::-1]) - 1)
    seen = pixels[inside[..., 1], inside[..., 0]].astype(np.float64)
    return float(max(seen.mean(axis).std(0).max() for axis in (0, 1)))


def _eye(moved: Moved, rows: EyeRows, iris: int) -> Eye | None:
    (upper, *_), (lower, *_), (outer, inner) = rows
    rim = moved.face.points[iris : iris + 5, :2]
    radii = np.linalg.norm(rim[1] - rim[3]) / 2, np.linalg.norm(rim[2] - rim[4]) / 2
    lids = [moved.face.source[[outer, *row, inner], :2] for row in (upper, lower)]
    moved_lids = [moved.moved[[outer, *row, inner], :2] for row in (upper, lower)]
    everything = np.concatenate([*lids, *moved_lids])
    margin = 2 + 0.3 * moved.face.px_per_cm
    x0, y0 = np.maximum(0, np.floor(everything.min(0) - margin)).astype(int)
    x1, y1 = np.minimum(moved.face.pixels.shape[1::-1], np.ceil(everything.max(0) + margin)).astype(int)
    if min(radii) < 1 or x1 - x0 < _SMALLEST_PX or y1 - y0 < _SMALLEST_PX:
        return None
    offset = np.array([x0, y0])
    return Eye(
        (int(x0), int(y0)),
        (int(y1 - y0), int(x1 - x0)),
        rim[0] - offset,
        (float(radii[0]), float(max(radii))),
        (lids[0] - offset, lids[1] - offset),
        (moved_lids[0] - offset, moved_lids[1] - offset),
    )


def _paint(picture: np.ndarray, moved: Moved, eye: Eye) -> None:
    scale = moved.face.px_per_cm
    (x0, y0), (height, width) = eye.corner, eye.size
    window = np.s_[y0 : y0 + height, x0 : x0 + width]
    path = opening_path(*eye.moved_lids)
    edge = _EDGE * scale
    alpha = np.clip((coverage(eye.size, path, max(0.5, edge)) - 0.5) * 2, 0, 1)
    if not alpha.any():
        return
    turn = _turn(moved, eye)
    ways = [np.abs(after - before).max() for before, after in zip(eye.lids, eye.moved_lids, strict=True)]
    alpha = alpha * smoothstep(np.array(max(*ways, np.abs(turn).max()) / (0.08 * scale))).astype(np.float32)
    if not alpha.any():
        return
    ball = _eyeball(moved.face, eye, window, turn)
    light = moved.face.light
    ball = light.tinted(ball)
    ball *= 1 - _shadow(moved, eye)[..., None]
    picture[window] = blended(picture[window], ball, alpha)


def _turn(moved: Moved, eye: Eye) -> np.ndarray:
    """By how many pixels the iris moves; it stays in the eye."""
    wanted = moved.movement.wanted
    pose, scale = moved.face.pose, moved.face.px_per_cm
    turn_cm = _GAZE_CM * np.array([wanted.gaze_x, wanted.gaze_y, 0.0])
    turn = (scale * pose.rotation @ turn_cm)[:2] * np.array([1.0, -1.0])
    middle = 0.25 * (eye.lids[0][[0, -1]].sum(0) + eye.lids[1][[0, -1]].sum(0))
    along = eye.lids[0][-1] - eye.lids[0][0]
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    at = float((eye.iris - middle) @ along)
    most = (
        _MAX_TURN * scale * max(0.3, float(np.linalg.norm(eye.lids[0][-1] - eye.lids[0][0])) / (2.6 * scale))
    )
    by = float(turn @ along)
    limited = float(np.clip(at + by, min(-most, at), max(most, at))) - at
    return turn + (limited - by) * along


def _eyeball(face: Face, eye: Eye, window: tuple[slice, slice], turn: np.ndarray) -> np.ndarray:
    """float32 (h, w, 3): the eyeball without lids, the iris turned by `turn` pixels."""
    seen = face.pixels[window].astype(np.float32)
    hidden = _HIDDEN * face.px_per_cm
    known = np.clip(coverage(eye.size, opening_path(*eye.lids), hidden) * 2 - 1, 0, 1) ** 0.5
    distance = _distance(eye, np.zeros(2))
    white = _white(face, seen, known, distance)
    whole = blended(_iris(seen, known, distance, eye, white), seen, known)
    if np.abs(turn).max() < 0.05:
        return blended(whole, blended(white, whole, _disc(distance)), 1 - known)
    around = _disc(distance, 1.18, 0.2) * known + (1 - known)
    return blended(blended(whole, white, around), _shifted(whole, turn), _disc(_distance(eye, turn)))


def _distance(eye: Eye, turn: np.ndarray) -> np.ndarray:
    """From the middle of the iris, in its radii."""
    height, width = eye.size
    x, y = np.arange(width) + 0.5 - eye.iris[0] - turn[0], np.arange(height) + 0.5 - eye.iris[1] - turn[1]
    return np.sqrt((x / eye.radii[0])[None] ** 2 + (y / eye.radii[1])[:, None] ** 2).astype(np.float32)


def _disc(distance: np.ndarray, radius: float = 1.06, soft: float = 0.16) -> np.ndarray:
    return smoothstep((radius + soft / 2 - distance) / soft).astype(np.float32)


def _white(face: Face, seen: np.ndarray, known: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The white on either side of the iris, blended from the one to the other."""
    is_white = (known > 0.6) & (distance > 1.25)
    columns = np.arange(seen.shape[1])
    ends = []
    middle = int(np.argmin(distance.min(0)))
    for side in (columns < middle, columns >= middle):
        chosen = seen[is_white & side[None]]
        ends.append(np.median(chosen, axis=0) if len(chosen) >= 6 else None)
    plain = (0.82 * face.light.white).astype(np.float32)
    left, right = (
        next((one for one in (end, other) if one is not None), plain) for end, other in (ends, ends[::-1])
    )
    share = smoothstep((columns - middle) / (0.5 * seen.shape[1]) + 0.5)[None, :, None]
    return ((1 - share) * left + share * right).astype(np.float32) * np.ones_like(seen)


def _iris(
    seen: np.ndarray, known: np.ndarray, distance: np.ndarray, eye: Eye, white: np.ndarray
) -> np.ndarray:
    """The iris where lids hide it: mirrored from below or above, else the mean of its ring."""
    rings = np.clip((distance * 6).astype(int), 0, 6)
    weights = known * (distance < 1.05)
    total = np.bincount(rings.ravel(), weights.ravel(), 7)
    colours = np.stack([np.bincount(rings.ravel(), (weights * seen[..., c]).ravel(), 7) for c in range(3)], 1)
    overall = colours.sum(0) / max(total.sum(), 1e-6)
    profile = np.where(total[:, None] > 2, colours / np.maximum(total, 1e-6)[:, None], overall)
    ring = profile[rings].astype(np.float32)
    rows = np.clip(np.round(2 * eye.iris[1] - 1 - np.arange(seen.shape[0])).astype(int), 0, seen.shape[0] - 1)
    iris = blended(ring, seen[rows], known[rows])
    return blended(white, iris, _disc(distance))


def _shifted(pixels: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """The pixels moved by a part of a pixel, too (bilinear); edges repeat."""
    for axis, by in ((1, float(turn[0])), (0, float(turn[1]))):
        length = pixels.shape[axis]
        places = np.clip(np.arange(length) - by, 0, length - 1)
        low = np.floor(places).astype(int)
        share = (places - low).astype(np.float32)
        share = share[None, :, None] if axis == 1 else share[:, None, None]
        after = np.minimum(low + 1, length - 1)
        pixels = np.take(pixels, low, axis) * (1 - share) + np.take(pixels, after, axis) * share
    return pixels


def _shadow(moved: Moved, eye: Eye) -> np.ndarray:
    """What a lid that has moved throws on the eyeball: (h, w), 0..1."""
    scale = moved.face.px_per_cm
    way = float(np.abs(eye.moved_lids[0] - eye.lids[0]).max()) / scale
    strength = 0.42 * float(smoothstep(np.array(way / 0.15)))
    drawn = np.zeros((*eye.size, 4), np.uint8)
    paint = skia.Paint(
        AntiAlias=True, Color=skia.ColorWHITE, Style=skia.Paint.kStroke_Style, StrokeWidth=0.16 * scale
    )
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.07 * scale))
    skia.Surface(drawn).getCanvas().drawPath(smooth_path(eye.moved_lids[0], closed=False), paint)
    return strength * drawn[..., 3].astype(np.float32) / 255
