"""Faces brought to ArcFace's template: five landmarks, a similarity, a bilinear warp, in numpy and in torch.

Coordinates are those of `face.py`: the middle of the first pixel lies at (0.5, 0.5). A similarity is a matrix
(2, 3) that takes (x, y, 1) of the picture to (x, y) of the crop. Both warps give the same numbers: bilinear,
without smoothing, black outside of the picture, as the encoders' own code aligns faces.

Shape suffixes: B faces, C channels, H and W height and width of the picture, S side of the crop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pixelsmile.errors import InputError
from pixelsmile.faces.face import Box

if TYPE_CHECKING:
    from torch import Tensor

TEMPLATE_PX = 112
# Where ArcFace (Deng et al. 2019) wants left eye, right eye, nose tip and the corners of the mouth. Published
# for pixels whose middle is a whole number; half a pixel is added to have them in our coordinates.
TEMPLATE_5 = (
    np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    + 0.5
)
DLIB_PX = 150
# Where the same five lie in dlib's chips (get_face_chip_details: 150 px, padding 0.25). dlib aligns by the
# corners of the eyes and the base of the nose; the canonical mesh, laid on those by a similarity, says where
# the others come to lie.
DLIB_5 = np.array([[47.51, 47.34], [100.50, 47.33], [74.01, 73.30], [53.37, 105.92], [94.67, 105.91]])
_MIN_SPREAD_PX = 1.0
_BAND_PIXELS = 2**20  # that are warped at a time: many more take gigabytes
# In shares of a box from the brows to the chin, as detectors draw it.
_IN_BOX = np.array([[0.3, 0.38], [0.7, 0.38], [0.5, 0.58], [0.34, 0.77], [0.66, 0.77]])


def template(size_px: int) -> np.ndarray:
    """The template (5, 2) in a crop of `size_px` a side."""
    return TEMPLATE_5 * (size_px / TEMPLATE_PX)


def similarity(points_N2: np.ndarray, targets_N2: np.ndarray) -> np.ndarray:
    """The similarity (2, 3) nearest to taking points to targets, in least squares (Umeyama 1991).

    In the plane it is z -> a z + b of complex numbers; it never mirrors. InputError where the points are not
    finite or lie on one spot.
    """
    points, targets = _complex(points_N2), _complex(targets_N2)
    if points.shape != targets.shape or points.ndim != 1 or len(points) < 2:
        raise InputError(f"landmarks must be (N, 2) like their targets, not {np.shape(points_N2)}")
    centre, target_centre = points.mean(), targets.mean()
    spread = np.abs(points - centre).max()
    if not (np.isfinite(spread) and spread >= _MIN_SPREAD_PX):
        raise InputError(
            f"the landmarks {np.round(points_N2, 1).tolist()} are no face: give five points (x, y) in pixels"
        )
    centred = points - centre
    a = np.vdot(centred, targets - target_centre) / np.vdot(centred, centred).real
    b = target_centre - a * centre
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def face_similarity(landmarks_52: np.ndarray, size_px: int = TEMPLATE_PX) -> np.ndarray:
    """The similarity (2, 3) that aligns a face to the template in a crop of `size_px` a side."""
    return similarity(landmarks_52, template(size_px))


def roll_of(landmarks_52: np.ndarray) -> float:
    """How far a face is turned, in radians, clockwise, -pi..pi: by all of its landmarks, not the eyes alone.

    InputError where they are no face.
    """
    matrix_23 = face_similarity(landmarks_52)
    return float(np.arctan2(-matrix_23[1, 0], matrix_23[0, 0]))


def landmarks_of_box(box: Box) -> np.ndarray:
    """Where the five landmarks of an upright face lie that fills `box`, more or less: (5, 2)."""
    x0, y0, x1, y1 = box
    return np.array([x0, y0]) + _IN_BOX * np.array([x1 - x0, y1 - y0])


@dataclass(frozen=True, eq=False)
class Alignment:
    """How an encoder wants to see a face: the five landmarks (5, 2) at these places of a square of `size_px`.

    smooth: larger pictures are scaled down first, as dlib does; ArcFace's code does not.
    """

    points_52: np.ndarray
    size_px: int
    smooth: bool = False

    def crop(self, image_HWC: np.ndarray, landmarks_52: np.ndarray) -> np.ndarray:
        """The aligned face: float32 (size, size, C) in the range of the picture."""
        matrix_23 = similarity(landmarks_52, self.points_52)
        shrink = math.floor(1 / math.hypot(*matrix_23[:, 0])) if self.smooth else 1
        if shrink > 1:
            image_HWC = np.asarray(Image.fromarray(image_HWC).reduce(shrink))
            matrix_23 = similarity(np.asarray(landmarks_52) / shrink, self.points_52)
        return warp(image_HWC, matrix_23, (self.size_px, self.size_px))


def inverse(matrix_23: np.ndarray) -> np.ndarray:
    """The matrix (2, 3) that undoes another."""
    return np.linalg.inv(np.vstack([matrix_23, [0, 0, 1]]))[:2]


def warp(image_HWC: np.ndarray, matrix_23: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture seen through a matrix: float32 (height, width, C) for `size` (width, height).

    image_HWC: any real numbers; the result has the same range.
    """
    seen_HWC = np.empty((size[1], size[0], image_HWC.shape[2]), np.float32)
    for rows, band_HWC in warp_bands(image_HWC, matrix_23, size):
        seen_HWC[rows] = band_HWC
    return seen_HWC


def warp_bands(
    image_HWC: np.ndarray, matrix_23: np.ndarray, size: tuple[int, int]
) -> Iterator[tuple[slice, np.ndarray]]:
    """`warp` band by band, for pictures that would fill the memory: which rows, and what is seen there."""
    width, height = size
    backward_23 = inverse(matrix_23)
    num_rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, num_rows):
        rows = np.arange(top, min(top + num_rows, height)) + 0.5
        yield slice(top, top + len(rows)), _band(image_HWC, backward_23, np.arange(width) + 0.5, rows)


def align(image_HWC: np.ndarray, landmarks_52: np.ndarray, size_px: int = TEMPLATE_PX) -> np.ndarray:
    """The aligned face: float32 (size, size, C) in the range of the picture."""
    return warp(image_HWC, face_similarity(landmarks_52, size_px), (size_px, size_px))


def warp_batch(images_BCHW: Tensor, matrices_B23: Tensor, size: tuple[int, int]) -> Tensor:
    """`warp` for a batch, in torch: (B, C, height, width) for `size` (width, height).

    Differentiable with respect to the pictures and the matrices.
    """
    import torch
    from torch.nn import functional

    (height, width), (out_width, out_height) = images_BCHW.shape[-2:], size
    rest = matrices_B23.new_tensor([[[0.0, 0.0, 1.0]]]).expand(len(matrices_B23), 1, 3)
    backward_B33 = torch.linalg.inv(torch.cat([matrices_B23, rest], dim=1))
    # grid_sample counts from -1 to 1 between the outer edges of the first and the last pixel
    to_pixels = _scaling(matrices_B23, out_width / 2, out_height / 2, 1.0)
    to_unit = torch.linalg.inv(_scaling(matrices_B23, width / 2, height / 2, 1.0))
    theta_B23 = (to_unit @ backward_B33 @ to_pixels)[:, :2].to(images_BCHW.dtype)
    shape = [len(images_BCHW), images_BCHW.shape[1], out_height, out_width]
    grid = functional.affine_grid(theta_B23, shape, align_corners=False)
    return functional.grid_sample(images_BCHW, grid, mode="bilinear", align_corners=False)


def align_batch(
    images_BCHW: Tensor, landmarks: Sequence[np.ndarray] | np.ndarray, size_px: int = TEMPLATE_PX
) -> Tensor:
    """The aligned face of each picture, one set of landmarks (5, 2) a picture: (B, C, size, size)."""
    import torch

    if len(landmarks) != len(images_BCHW):
        raise InputError(f"{len(images_BCHW)} pictures but {len(landmarks)} sets of landmarks: give one each")
    matrices = np.stack([face_similarity(points, size_px) for points in landmarks])
    matrices_B23 = torch.from_numpy(matrices).to(images_BCHW.device, torch.float64)
    return warp_batch(images_BCHW, matrices_B23, (size_px, size_px))


def seen_box(landmarks: Sequence[np.ndarray] | np.ndarray, size_px: int = TEMPLATE_PX) -> Box:
    """The box around all that `align_batch` looks at, in pixels of the picture and perhaps beyond it.

    landmarks: one set (5, 2) or more. InputError where one is no face.
    """
    ends = (0.0, float(size_px))
    corners_43 = np.array([(x, y, 1.0) for x in ends for y in ends])
    places = np.concatenate(
        [corners_43 @ inverse(face_similarity(points, size_px)).T for points in landmarks]
    )
    (x0, y0), (x1, y1) = places.min(0) - 1, places.max(0) + 1  # bilinear: the next pixel, too
    return float(x0), float(y0), float(x1), float(y1)


def _complex(points_N2: np.ndarray) -> np.ndarray:
    points = np.asarray(points_N2, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"points must have the shape (N, 2), not {points.shape}")
    return points[:, 0] + 1j * points[:, 1]


def _band(
    image_HWC: np.ndarray, backward_23: np.ndarray, x_seen: np.ndarray, y_seen: np.ndarray
) -> np.ndarray:
    """What `warp` shows at those columns and rows, given the matrix back into the picture."""
    columns, rows = np.meshgrid(x_seen, y_seen)
    (xx, xy, x0), (yx, yy, y0) = backward_23
    x = xx * columns + xy * rows + x0 - 0.5
    y = yx * columns + yy * rows + y0 - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    part_x, part_y = (x - left)[..., None], (y - top)[..., None]
    upper = _pixels(image_HWC, top, left) * (1 - part_x) + _pixels(image_HWC, top, left + 1) * part_x
    lower = _pixels(image_HWC, top + 1, left) * (1 - part_x) + _pixels(image_HWC, top + 1, left + 1) * part_x
    return upper * (1 - part_y) + lower * part_y


def _pixels(image_HWC: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The pixels at those places; black outside."""
    height, width = image_HWC.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside[..., None], image_HWC[rows.clip(0, height - 1), columns.clip(0, width - 1)], 0.0)


def _scaling(like: Tensor, x: float, y: float, offset: float) -> Tensor:
    """The matrix (3, 3) of (x, y) -> (scale * (point + offset)): from -1..1 to pixels."""
    return like.new_tensor([[x, 0.0, x * offset], [0.0, y, y * offset], [0.0, 0.0, 1.0]])
