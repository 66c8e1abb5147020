"""What is minimised. Each is a mean that does not depend on the size of faces or pictures.

Shapes as in `targets`.
"""

import torch
from torch import Tensor, nn

from pixelsmile.networks.face_detector import MARK_PX, CloseMaps, FoundMaps, marks_in_pixels
from recipes.embedded.loop import Losses
from recipes.faces.detector.plan import LossPlan
from recipes.faces.detector.targets import CloseTargets, FindTargets


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
