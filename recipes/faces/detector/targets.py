"""What the network should say about a scene, and about a close look.

Shapes: B pictures, H and W rows and columns of cells; 4 is x0, y0, x1, y1; 52 five landmarks (x, y).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pixelsmile.networks.face_detector import FIND_PX, MASK_PX, NUM_LANDMARKS
from recipes.faces.detector.plan import LossPlan, TruthPlan
from recipes.faces.detector.scenes import Scene, SceneFace


@dataclass(frozen=True, eq=False)
class FindTargets:
    """centre: a bell around each face, 1 in the cell of its middle. counted: 0 where nobody can say.

    taught: how much a cell counts for box and landmarks, those of the nearest face; 0 far from any.
    """

    centre: Tensor  # BHW
    counted: Tensor  # BHW
    taught: Tensor  # BHW
    boxes: Tensor  # B4HW
    points: Tensor  # B52HW


@dataclass(frozen=True, eq=False)
class CloseTargets:
    """marks: the landmarks in pixels; seen: 1 for those within the crop. mask: share of each cell, 0..1."""

    marks: Tensor  # B52
    seen: Tensor  # B5
    mask: Tensor  # BHW


def must_be_found(face: SceneFace, size: tuple[int, int], plan: TruthPlan) -> bool | None:
    """Whether a detector has to find a face in a scene of `size` (width, height); None: it may."""
    if face.visible < plan.hidden:
        return False
    x, y = face.middle
    inside = 0 <= x < size[0] and 0 <= y < size[1]
    fits = plan.min_px <= face.size_px <= plan.max_share * max(size)
    return True if inside and fits and face.visible >= plan.min_visible else None


def find_targets(scenes: Sequence[Scene], truth: TruthPlan, plan: LossPlan) -> FindTargets:
    """Of scenes of one size."""
    each = [_find_targets(scene, truth, plan) for scene in scenes]
    return FindTargets(*(torch.from_numpy(np.stack(maps)) for maps in zip(*each, strict=True)))


def close_targets(scenes: Sequence[Scene]) -> CloseTargets:
    """Of close looks, whose face is the last one of its scene."""
    faces = [scene.faces[-1] for scene in scenes]
    sides = np.array([scene.pixels.shape[1::-1] for scene in scenes])
    marks_B52 = np.stack([face.landmarks_52 for face in faces])
    seen_B5 = ((marks_B52 >= 0) & (marks_B52 < sides[:, None])).all(-1)
    masks = [face.mask_of_scene(scene.pixels.shape[1::-1]) for face, scene in zip(faces, scenes, strict=True)]
    mask_BHW = np.stack([_shares(mask_HW) for mask_HW in masks])
    return CloseTargets(
        torch.from_numpy(marks_B52).float(), torch.from_numpy(seen_B5).float(), torch.from_numpy(mask_BHW)
    )


def _find_targets(scene: Scene, truth: TruthPlan, plan: LossPlan) -> tuple[np.ndarray, ...]:
    height, width = scene.pixels.shape[:2]
    rows, columns = height // FIND_PX, width // FIND_PX
    centre_HW, counted_HW = np.zeros((rows, columns), np.float32), np.ones((rows, columns), np.float32)
    boxes_4HW = np.zeros((4, rows, columns), np.float32)
    points_52HW = np.zeros((NUM_LANDMARKS, 2, rows, columns), np.float32)
    for face in scene.faces:
        match must_be_found(face, (width, height), truth):
            case True:
                bell_HW = _bell(face, (rows, columns), plan)
                nearest_HW = bell_HW > centre_HW
                centre_HW = np.maximum(centre_HW, bell_HW)
                boxes_4HW[:, nearest_HW] = np.asarray(face.box, np.float32)[:, None]
                points_52HW[:, :, nearest_HW] = face.landmarks_52.astype(np.float32)[..., None]
            case None:
                counted_HW[_heart(face)] = 0
    counted_HW[centre_HW == 1] = 1
    taught_HW = np.where(centre_HW >= plan.taught_from, centre_HW, np.float32(0))
    return centre_HW, counted_HW, taught_HW, boxes_4HW, points_52HW


def _bell(face: SceneFace, shape: tuple[int, int], plan: LossPlan) -> np.ndarray:
    """Exactly 1 in the cell that holds the middle of the face."""
    column, row = (math.floor(place / FIND_PX) for place in face.middle)
    sigma_cells = max(plan.sigma * face.size_px, plan.min_sigma_px) / FIND_PX
    y, x = np.ogrid[: shape[0], : shape[1]]
    bell_HW: np.ndarray = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * sigma_cells**2))
    return bell_HW.astype(np.float32)


def _heart(face: SceneFace) -> tuple[slice, slice]:
    """The cells of the middle half of a face's box: where its centre might be seen."""
    x0, y0, x1, y1 = (value / FIND_PX for value in face.box)
    x, y, width, height = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    rows = slice(max(0, math.floor(y - height / 4)), max(0, math.ceil(y + height / 4)))
    return rows, slice(max(0, math.floor(x - width / 4)), max(0, math.ceil(x + width / 4)))


def _shares(mask_HW: np.ndarray) -> np.ndarray:
    """How much of each cell the mask covers."""
    rows, columns = (side // MASK_PX for side in mask_HW.shape)
    cells = mask_HW.reshape(rows, MASK_PX, columns, MASK_PX).mean((1, 3), dtype=np.float32)
    return cells / np.float32(255)
