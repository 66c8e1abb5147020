"""One face before and after a movement: what the painters of mouth, eyes and skin are told."""

from dataclasses import dataclass

import numpy as np
import skia

from pixelsmile.editing.engines.geometric.light import Light
from pixelsmile.editing.engines.geometric.units_on_mesh import Movement
from pixelsmile.faces.mesh.mesh import Pose


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
