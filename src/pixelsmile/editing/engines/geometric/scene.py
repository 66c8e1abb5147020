"""One face in its photograph before and after a movement, and the shapes that are drawn upon it.

Bars of one colour along the edges of a picture (letterboxes, padding) are none of the photograph.
"""

from dataclasses import dataclass

import numpy as np
import skia

from pixelsmile.editing.engines.geometric.light import Light
from pixelsmile.editing.engines.geometric.surface import surface
from pixelsmile.editing.engines.geometric.units_on_mesh import Movement
from pixelsmile.faces.mesh.mesh import Pose

_NOISE = 12  # levels: what JPEG makes of one colour
_SOFT_PX = 2  # the end of a bar, blurred by JPEG, counts as bar
_STRAIGHT = 0.7  # the share of the line beyond a bar that is of another colour; less is a plain background
_MASK = (1.58, 0.045)  # where the mask ends, in ovals, and how softly, in faces


@dataclass(frozen=True, eq=False)
class Face:
    """A face as it is. pixels: (H, W, 3) uint8, the window around it. points: (478, 3), source: (M, 3) its
    surface, both in pixels of the window; rest_cm: the same in canonical centimetres. mask: float32 (H, W),
    0..1, outside of which nothing may change.
    """

    pixels: np.ndarray
    points: np.ndarray
    pose: Pose
    source: np.ndarray
    rest_cm: np.ndarray
    light: Light
    mask: np.ndarray

    @property
    def px_per_cm(self) -> float:
        return self.pose.scale_px


@dataclass(frozen=True, eq=False)
class Moved:
    """The same face after a movement; moved: (M, 3) in pixels, moved_cm: in canonical centimetres."""

    face: Face
    movement: Movement
    moved: np.ndarray
    moved_cm: np.ndarray


def smooth_path(points: np.ndarray, closed: bool = True) -> skia.Path:
    """A curve through points (N, 2) (Catmull-Rom as cubics)."""
    path = skia.Path()
    if closed:
        _curve(path, np.concatenate([points[-1:], points, points[:2]]))
        path.close()
    else:
        _curve(path, np.concatenate([points[:1], points, points[-1:]]))
    return path


def _curve(path: skia.Path, points: np.ndarray) -> None:
    """Through all points but the first and the last, which say where it comes from and goes to."""
    path.moveTo(*map(float, points[1]))
    for before, here, after, beyond in zip(points, points[1:], points[2:], points[3:], strict=False):
        first, second = here + (after - before) / 6, after - (beyond - here) / 6
        path.cubicTo(*map(float, (*first, *second, *after)))


def opening_path(upper: np.ndarray, lower: np.ndarray, roundness: float = 0.0) -> skia.Path:
    """The opening between two edges (N, 2) that share their ends: corners, or at a roundness of 1 none."""
    path, back = skia.Path(), skia.Path()
    for part, edge, other in ((path, upper, lower), (back, lower[::-1], upper[::-1])):
        start = edge[0] + roundness * (other[1] - edge[0])
        end = edge[-1] + roundness * (other[-2] - edge[-1])
        _curve(part, np.concatenate([[start], edge, [end]]))
    path.addPath(back, skia.Path.kExtend_AddPathMode)
    path.close()
    return path


def coverage(size: tuple[int, int], path: skia.Path, blur_px: float = 0.0) -> np.ndarray:
    """How much of each pixel lies in the path: float32 (H, W), 0..1. size: height, width."""
    drawn = np.zeros((*size, 4), np.uint8)
    paint = skia.Paint(AntiAlias=True, Color=skia.ColorWHITE)
    if blur_px > 0:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur_px))
    skia.Surface(drawn).getCanvas().drawPath(path, paint)
    return drawn[..., 3].astype(np.float32) / 255


def blended(below: np.ndarray, above: np.ndarray, alpha_HW: np.ndarray) -> np.ndarray:
    """float32 (H, W, 3): `above` over `below`."""
    alpha = alpha_HW[..., None]
    return below * (1 - alpha) + above * alpha


def mask_of(source: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """float32 (H, W): 1 on the face and around it, softly 0 where the rings end."""
    rim = source[surface().border[::2], :2]
    middle = rim.mean(0)
    out, soft = _MASK
    path = smooth_path(middle + out * (rim - middle))
    mask = coverage(shape, path, soft * float(np.ptp(rim, axis=0).max()))
    return np.where(mask < 0.02, np.float32(0), mask)


def within_bars(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the photograph in a picture (H, W, 3) starts and ends: (2,) x, y each."""
    columns = pixels.swapaxes(0, 1)
    (left, right), (top, bottom) = _shown(columns), _shown(pixels)
    spans = [_straight(columns[:, top:bottom], left, right), _straight(pixels[:, left:right], top, bottom)]
    low, high = np.array(spans).T
    return low, high


def _shown(lines: np.ndarray) -> tuple[int, int]:
    """The first of the lines (N, M, 3) that is not of one colour with those before it, and after the last."""
    plain = np.ptp(lines, axis=1).max(1) <= _NOISE
    colours = lines[:, 0].astype(int)
    before = plain & (np.abs(colours - colours[0]).max(1) <= _NOISE)
    after = plain & (np.abs(colours - colours[-1]).max(1) <= _NOISE)
    if before.all():
        return 0, len(lines)
    return int(np.argmin(before)), len(lines) - int(np.argmin(after[::-1]))


def _straight(lines: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """The same within bars that end straight; the whole where a plain background ends."""
    inner_low, inner_high = low + _SOFT_PX, high - _SOFT_PX
    if inner_high <= inner_low:
        return 0, len(lines)
    starts = low > 0 and _is_other(lines[inner_low], lines[0, 0])
    ends = high < len(lines) and _is_other(lines[inner_high - 1], lines[-1, -1])
    return (inner_low if starts else 0), (inner_high if ends else len(lines))


def _is_other(line: np.ndarray, colour: np.ndarray) -> bool:
    far = np.abs(line.astype(int) - colour.astype(int)).max(1) > _NOISE
    return bool(far.mean() > _STRAIGHT)
