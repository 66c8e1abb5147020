"""Training the judge, then finding out where drawn faces end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelsmile.networks.convolutional import CONFIG_FILE, WEIGHTS_FILE
from pixelsmile.networks.expression_judge import EmbeddedJudgeNetwork, Seen
from recipes.embedded.loop import Losses, autocast, train
from recipes.judge.augmentation import augmented, inner
from recipes.judge.crops import Crops
from recipes.judge.fakes import fakes, load_photographs
from recipes.judge.losses import score_losses
from recipes.judge.plan import Plan

_STEPS, _FITTED, _HELD = 1, 2, 3  # streams of random numbers
_AT_ONCE = 64


def train_judge(plan: Plan, crops: Crops, folder: Path, device: torch.device) -> Iterator[dict[str, Any]]:
    """Train on the crops that are not held, and write config.json and model.safetensors to `folder/model`.

    Nothing is done where they are. Yields the records of the training, then how it does on the held crops.
    """
    model = folder / "model"
    if (model / CONFIG_FILE).is_file():
        return
    torch.manual_seed(plan.seed)
    network = EmbeddedJudgeNetwork(plan.network).to(device, memory_format=torch.channels_last)
    photographs = load_photographs(plan.fakes.photographs)

    def losses_of_step(step: int) -> Losses:
        rng = np.random.default_rng((plan.seed, _STEPS, step))
        rows_B = _batch(plan, crops, rng)
        faces_BCHW = augmented(crops.crops(rows_B), plan.pictures.margin_px, plan.augmentation, rng)
        all_BCHW = torch.cat([faces_BCHW, fakes(faces_BCHW, photographs, plan.fakes, rng)])
        with autocast(device):
            seen = network(all_BCHW.to(device, memory_format=torch.channels_last))
        return _losses(plan, seen, torch.from_numpy(crops.truths[rows_B]).to(device))

    yield from train(network, losses_of_step, plan.optimisation, folder)
    yield _finished(plan, network.cpu().eval(), crops, model)


def _losses(plan: Plan, seen: Seen, truths_BE: Tensor) -> Losses:
    """The drawn faces come first, then the fakes; edits count as drawn, and their scores not at all."""
    num_drawn, known_B = len(truths_BE), ~truths_BE[:, 0].isnan()
    losses = score_losses(seen.scores[:num_drawn][known_B].float(), truths_BE[known_B], plan.loss)
    are_drawn_B = (torch.arange(len(seen.drawn), device=truths_BE.device) < num_drawn).float()
    drawn = torch.nn.functional.binary_cross_entropy_with_logits(seen.drawn.float(), are_drawn_B)
    return losses | {"loss": losses["loss"] + plan.fakes.weight * drawn, "drawn": drawn.detach()}


def _batch(plan: Plan, crops: Crops, rng: np.random.Generator) -> np.ndarray:
    """The numbers of the drawn, reconstructed and edited crops of a step, no crop twice."""
    rows_N = crops.rows(held=False)
    ends = np.cumsum([len(crops.drawn), len(crops.reconstructed)])
    shares = (plan.reconstructed_share, plan.edited_share)
    nums = [round(plan.batch_size * share) for share in shares]
    kinds = np.split(rows_N, np.searchsorted(rows_N, ends))
    nums = [plan.batch_size - sum(nums), *nums]
    return np.concatenate(
        [rng.choice(kind, num, replace=False) for kind, num in zip(kinds, nums, strict=True)]
    )


def _finished(plan: Plan, network: EmbeddedJudgeNetwork, crops: Crops, model: Path) -> dict[str, Any]:
    """Write the weights in half precision, find the region with those, and write that too."""
    network.save(model.with_suffix(".partial"))
    network = EmbeddedJudgeNetwork.load(model.with_suffix(".partial"))
    fitted_N = crops.rows(held=False)[:: max(1, len(crops.rows(held=False)) // plan.region.num_fitted)]
    fitted, domains_N = _looked_at(plan, network, crops, fitted_N, _FITTED)
    network.region.fit(fitted.looks, torch.from_numpy(domains_N))
    held_N = crops.rows(held=True)
    held, _ = _looked_at(plan, network, crops, held_N, _HELD)
    distances_N = network.region.distances(held.looks)
    network.region.limit.copy_(torch.quantile(distances_N, 1 - plan.region.too_far))
    network.region.least_drawn.copy_(torch.quantile(held.drawn, plan.region.not_drawn))
    network.save(model.with_suffix(".partial"))
    model.with_suffix(".partial").replace(model)
    truths_BE = torch.from_numpy(np.tile(crops.truths[held_N], (2, 1)))
    known_B = ~truths_BE[:, 0].isnan()
    scores_BE, truths_BE = held.scores[known_B], truths_BE[known_B]
    return {
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "size_bytes": (model / WEIGHTS_FILE).stat().st_size,
        "held": len(held_N),
        "held_absolute_error": _rounded((scores_BE.clamp(0, 1) - truths_BE).abs().mean()),
        "held_highest_right": _rounded((scores_BE.argmax(1) == truths_BE.argmax(1)).float().mean()),
        "least_drawn": _rounded(network.region.least_drawn),
        "usual_distance": _rounded(distances_N.median()),
        "largest_distance": _rounded(distances_N.max()),
        "limit": _rounded(network.region.limit),
    }


@torch.inference_mode()
def _looked_at(
    plan: Plan, network: EmbeddedJudgeNetwork, crops: Crops, rows_N: np.ndarray, stream: int
) -> tuple[Seen, np.ndarray]:
    """What the network sees of these crops: first all as they are, then all changed; and their styles."""
    plain, changed, margin_px = [], [], plan.pictures.margin_px
    for start in range(0, len(rows_N), _AT_ONCE):
        crops_BHWC = crops.crops(rows_N[start : start + _AT_ONCE])
        rng = np.random.default_rng((plan.seed, stream, start))
        plain.append(network(_last(inner(crops_BHWC, margin_px))))
        changed.append(network(_last(augmented(crops_BHWC, margin_px, plan.augmentation, rng))))
    seen = Seen(*(torch.cat(parts) for parts in zip(*plain, *changed, strict=True)))
    return seen, np.tile(crops.domains[rows_N], 2)


def _last(faces_BCHW: Tensor) -> Tensor:
    return faces_BCHW.contiguous(memory_format=torch.channels_last)


def _rounded(value: Tensor) -> float:
    return round(float(value), 4)
