"""What an edit did to everything but the face: its shift and zoom of the whole picture, and what changed.

Drift is measured where nothing should change, and undone.

Source and edit are registered on their stable pixels (outside of the face) by Gauss-Newton steps (Lucas and
Kanade 1981) from coarse to fine: shift, zoom, and a gain and an offset of brightness that are fitted along
and then dropped. Huber weights keep what did change, hair over the brow or a new shadow, from pulling.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.faces.alignment import inverse, warp, warp_bands
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import background_mask, face_mask

MAX_SHIFT_SHARE = 0.08  # of the side: beyond it the edit is another picture, not a drifted one
MAX_ZOOM = 1.12
_COARSEST_PX = 24
_FINEST_PX = 256
_NUM_ITERATIONS = 60
_HUBER = 0.2  # in units of the full range
_MIN_TEXTURE = 1e-5  # mean square gradient, in (full range / px)^2: below it nothing can be registered
_MAX_CONDITION = 1e5


@dataclass(frozen=True)
class Drift:
    """Where the edit put the source: zoomed about the middle, then shifted, in pixels (x right, y down)."""

    shift_x_px: float
    shift_y_px: float
    zoom: float

    def matrix(self, size: tuple[int, int]) -> np.ndarray:
        """(2, 3): from a place in the source to its place in the edit; both of `size` (width, height)."""
        (width, height), zoom = size, self.zoom
        return np.array(
            [
                [zoom, 0.0, self.shift_x_px + (1 - zoom) * width / 2],
                [0.0, zoom, self.shift_y_px + (1 - zoom) * height / 2],
            ]
        )


NO_DRIFT = Drift(0.0, 0.0, 1.0)


def measure_drift(source_HWC: np.ndarray, edit_HWC: np.ndarray, stable_HW: np.ndarray) -> Drift | None:
    """The drift from source to edit (uint8, equal shapes), seen on the stable pixels (weights 0..1).

    None where it cannot be told: too little texture, or more than MAX_SHIFT_SHARE or MAX_ZOOM.
    """
    height, width = stable_HW.shape
    drift = NO_DRIFT
    for side in _sides(max(width, height)):
        scale = min(1.0, side / max(width, height))
        size = max(8, round(width * scale)), max(8, round(height * scale))
        source, edit = _grey(source_HWC, size), _grey(edit_HWC, size)
        stable = _resized(Image.fromarray(stable_HW.astype(np.float32)), size)
        found = _register(source, edit, stable, _scaled(drift, size[0] / width))
        if found is None:
            return None
        drift = _scaled(found, width / size[0])
    return drift if _is_plausible(drift, max(width, height)) else None


def undo_drift(edit_HWC: np.ndarray, drift: Drift, fill_HWC: np.ndarray) -> np.ndarray:
    """The edit (uint8) put back over the source; where it has no pixels, those of `fill_HWC`."""
    height, width = edit_HWC.shape[:2]
    back = inverse(drift.matrix((width, height)))
    undone_HWC = np.empty_like(edit_HWC)
    everywhere = np.broadcast_to(np.uint8(1), (height, width, 1))
    bands = (warp_bands(image, back, (width, height)) for image in (edit_HWC, everywhere))
    for (rows, moved), (_, covered) in zip(*bands, strict=True):
        undone_HWC[rows] = np.round(moved + (1 - covered) * fill_HWC[rows]).clip(0, 255)
    return undone_HWC


def _register(source: np.ndarray, edit: np.ndarray, stable: np.ndarray, start: Drift) -> Drift | None:
    """Gauss-Newton at one size, on grey pictures in 0..1."""
    height, width = source.shape
    x = np.arange(width) + 0.5 - width / 2
    y = np.arange(height)[:, None] + 0.5 - height / 2
    drift = start
    for _ in range(_NUM_ITERATIONS):
        back = inverse(drift.matrix((width, height)))
        seen = warp(np.stack([edit, np.ones_like(edit)], axis=-1), back, (width, height))
        moved, weight = seen[..., 0], (seen[..., 1] > 0.999) * stable
        slope_y, slope_x = np.gradient(moved)
        if (weight * (slope_x**2 + slope_y**2)).sum() < _MIN_TEXTURE * weight.size:
            return None
        rates = np.stack([slope_x, slope_y, slope_x * x + slope_y * y, moved, np.ones_like(moved)], axis=-1)
        step = _robust_step(rates, source - moved, weight)
        if step is None:
            return None
        drift = Drift(
            float(drift.shift_x_px + step[0] * drift.zoom),
            float(drift.shift_y_px + step[1] * drift.zoom),
            float(drift.zoom * (1 + step[2])),
        )
        if max(abs(step[0]), abs(step[1]), abs(step[2]) * width) < 1e-3:
            break
    return drift


def _robust_step(rates: np.ndarray, error: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
    """The weighted least squares step; None where the picture does not fix it."""
    solution = np.zeros(rates.shape[-1])
    for _ in range(3):  # the Huber weights follow the residual of the brightness fit
        residual = np.abs(error - rates @ solution)
        robust = weight * np.minimum(1.0, _HUBER / np.maximum(residual, 1e-9))
        weighted = rates * robust[..., None]
        normal = np.tensordot(weighted, rates, ((0, 1), (0, 1)))
        scale = np.sqrt(np.diag(normal).clip(min=1e-12))
        if np.linalg.cond(normal / np.outer(scale, scale)) > _MAX_CONDITION:
            return None
        solution = np.linalg.solve(normal, np.tensordot(weighted, error, ((0, 1), (0, 1))))
    return solution


def _sides(side: int) -> list[int]:
    """From coarse to fine, doubling."""
    finest = min(side, _FINEST_PX)
    num = max(0, math.ceil(math.log2(finest / _COARSEST_PX)))
    return [round(finest / 2**level) for level in range(num, -1, -1)]


def _scaled(drift: Drift, scale: float) -> Drift:
    return Drift(drift.shift_x_px * scale, drift.shift_y_px * scale, drift.zoom)


def _is_plausible(drift: Drift, side: int) -> bool:
    shift = max(abs(drift.shift_x_px), abs(drift.shift_y_px))
    return shift <= MAX_SHIFT_SHARE * side and 1 / MAX_ZOOM <= drift.zoom <= MAX_ZOOM


def _grey(picture_HWC: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return _resized(Image.fromarray(picture_HWC).convert("L").convert("F"), size) / 255


def _resized(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """float32 (H, W); averaged where it becomes smaller."""
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32)


@dataclass(frozen=True)
class Background:
    """rmse: root of the mean squared error of the background's colours, 0..255. share: of all pixels that are
    background. drift: None where it cannot be measured.
    """

    rmse: float
    share: float
    drift: Drift | None


def background_error(
    source: Image.Image, edit: Image.Image, faces: list[Face], *, grow: float = 1.0
) -> tuple[float, float]:
    """`rmse` and `share` of the background (see `Background`), without the drift, which takes a second.

    The background is what lies outside of all `faces`: those of the source and those of the edit. Both
    pictures are RGB and have one size. grow: scales the faces' ellipses. ImageError where the sizes differ or
    no background is left.
    """
    outside_HW = _outside(source, edit, faces, grow)
    before, after = (np.asarray(picture, np.float64)[outside_HW] for picture in (source, edit))
    return float(np.sqrt(np.mean((after - before) ** 2))), float(outside_HW.mean())


def compare_background(
    source: Image.Image, edit: Image.Image, faces: list[Face], *, grow: float = 1.0
) -> Background:
    """The same with the drift; errors as `background_error`."""
    rmse, share = background_error(source, edit, faces, grow=grow)
    outside_HW = _outside(source, edit, faces, grow)
    drift = measure_drift(np.asarray(source), np.asarray(edit), outside_HW.astype(np.float32))
    return Background(rmse, share, drift)


def _outside(source: Image.Image, edit: Image.Image, faces: list[Face], grow: float) -> np.ndarray:
    """Where the background is, bool (H, W)."""
    if source.size != edit.size:
        raise ImageError(
            f"the source has {source.width} x {source.height} px and the edit {edit.width} x {edit.height}: "
            "compare pictures of one size"
        )
    masks = [face_mask(face, source.size, grow=grow) for face in faces]
    outside_HW = background_mask(np.max(masks, axis=0)) if masks else np.ones(source.size[::-1], bool)
    if not outside_HW.any():
        raise ImageError("the face fills the whole picture: there is no background to compare")
    return outside_HW
