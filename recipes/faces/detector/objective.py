"""What the network should say about a scene and about a close look, and what is minimised.

Each loss is a mean that does not depend on the size of faces or pictures.
Shapes: B pictures, H and W rows and columns of cells; 4 is x0, y0, x1, y1; 52 five landmarks (x, y).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pixelsmile.networks.face_detector import (
    FIND_PX,
    MARK_PX,
    MASK_PX,
    NUM_LANDMARKS,
    CloseMaps,
    FoundMaps,
    marks_in_pixels,
)
from recipes.faces.detector.plan import LossPlan, TruthPlan
from recipes.faces.detector.scenes import Scene, SceneFace
from recipes.optimisation import Losses


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


def centre_loss(logits_BHW: Tensor, centre_BHW: Tensor, counted_BHW: Tensor) -> Tensor:
    """The focal loss for bells (Law and Deng 2018, equation 1, alpha 2, beta 4), for each face."""
    is_centre_BHW = (centre_BHW == 1).to(logits_BHW)
    sure_BHW = torch.sigmoid(logits_BHW)
    log_sure, log_unsure = nn.functional.logsigmoid(logits_BHW), nn.functional.logsigmoid(-logits_BHW)
    there = is_centre_BHW * (1 - sure_BHW) ** 2 * log_sure
    elsewhere = (1 - is_centre_BHW) * (1 - centre_BHW) ** 4 * sure_BHW**2 * log_unsure
    return -(counted_BHW * (there + elsewhere)).sum() / is_centre_BHW.sum().clamp(min=1)


def box_loss(boxes_B4HW: Tensor, targets_B4HW: Tensor, taught_BHW: Tensor) -> Tensor:
    """How far the edges are off, in sides of the true box."""
    sides_B2HW = _sides(targets_B4HW)
    errors_B4HW = (boxes_B4HW - targets_B4HW).abs() / torch.cat([sides_B2HW, sides_B2HW], dim=1)
    return _mean(errors_B4HW.mean(1), taught_BHW)


def points_loss(
    points_B52HW: Tensor, targets_B52HW: Tensor, boxes_B4HW: Tensor, taught_BHW: Tensor
) -> Tensor:
    """How far the landmarks are off (mean of x and y), in sizes of the true box."""
    sizes_BHW = _sides(boxes_B4HW).prod(1).sqrt()
    return _mean((points_B52HW - targets_B52HW).abs().mean((1, 2)) / sizes_BHW, taught_BHW)


def mask_loss(logits_BHW: Tensor, shares_BHW: Tensor) -> Tensor:
    """Cross-entropy of each cell."""
    return nn.functional.binary_cross_entropy_with_logits(logits_BHW, shares_BHW)


def mark_loss(logits_B5HW: Tensor, marks_B52: Tensor, seen_B5: Tensor, sigma_cells: float) -> Tensor:
    """Cross-entropy of the cells against a normal distribution around each landmark."""
    rows, columns = logits_B5HW.shape[2:]
    y = torch.arange(rows, device=logits_B5HW.device).to(logits_B5HW) + 0.5
    x = torch.arange(columns, device=logits_B5HW.device).to(logits_B5HW) + 0.5
    places_B52 = marks_B52.to(logits_B5HW) / MARK_PX
    squares_B5HW = (x - places_B52[..., 0, None, None]) ** 2 + (
        y[:, None] - places_B52[..., 1, None, None]
    ) ** 2
    wanted_B5N = torch.softmax(-squares_B5HW.flatten(2) / (2 * sigma_cells**2), dim=-1)
    entropy_B5 = -(wanted_B5N * torch.log_softmax(logits_B5HW.flatten(2), dim=-1)).sum(-1)
    return _mean(entropy_B5, seen_B5)


def mark_distance(logits_B5HW: Tensor, marks_B52: Tensor, seen_B5: Tensor) -> Tensor:
    """How far the landmarks are off (mean of x and y), in pixels of the close look."""
    return _mean((marks_in_pixels(logits_B5HW) - marks_B52.to(logits_B5HW)).abs().mean(-1), seen_B5)


def find_losses(found: FoundMaps, targets: FindTargets, plan: LossPlan) -> tuple[Tensor, Losses]:
    """The weighted sum, and its parts."""
    taught = targets.taught
    parts = {
        "centre": centre_loss(found.centre, targets.centre, targets.counted),
        "box": box_loss(found.boxes, targets.boxes, taught),
        "points": points_loss(found.points, targets.points, targets.boxes, taught),
    }
    return parts["centre"] + plan.box * parts["box"] + plan.points * parts["points"], parts


def close_losses(details: CloseMaps, targets: CloseTargets, plan: LossPlan) -> tuple[Tensor, Losses]:
    """The weighted sum, and its parts."""
    marks, seen = targets.marks, targets.seen
    parts = {
        "mask": mask_loss(details.mask, targets.mask),
        "marks": mark_loss(details.marks, marks, seen, plan.mark_sigma_cells),
        "marks_px": mark_distance(details.marks, marks, seen),
    }
    loss = plan.mask * parts["mask"] + plan.marks * parts["marks"] + plan.marks_px * parts["marks_px"]
    return loss, parts


def _sides(boxes_B4HW: Tensor) -> Tensor:
    """Width and height (B, 2, H, W); 1 where there is no box."""
    sides_B2HW = boxes_B4HW[:, 2:] - boxes_B4HW[:, :2]
    return torch.where(sides_B2HW > 0, sides_B2HW, torch.ones_like(sides_B2HW))


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted; 0 where nothing weighs."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
