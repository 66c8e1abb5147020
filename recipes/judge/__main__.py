"""Make the embedded judge again: one command, resumable, about half an hour on two free cores.

Shape suffixes: B crops, C = 3 channels (RGB), H = W side in pixels, E expressions.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelsmile.embedded import model_path
from pixelsmile.faces.alignment import similarity, warp_batch
from pixelsmile.judges.embedded.judge import TEMPLATE_3
from pixelsmile.networks.convolutional import CONFIG_FILE, WEIGHTS_FILE
from pixelsmile.networks.expression_judge import EmbeddedJudgeNetwork, Seen
from recipes.augmentation import landmark_noise, noisy, relit, through_blur, through_jpeg
from recipes.command_line import Stages, begin, recipe_parser, refusing, rounded, run
from recipes.judge import crops
from recipes.judge.fakes import fakes, load_photographs
from recipes.judge.plan import AugmentationPlan, LossPlan, Plan
from recipes.optimisation import Losses, autocast, train
from recipes.pictures import TrainingPictures, held_numbers, to_tensor
from recipes.work_folder import held, publish, require_replaceable

_STEPS, _FITTED, _HELD = 1, 2, 3  # streams of random numbers
_AT_ONCE = 64


@refusing()
def main() -> None:
    """Run every stage that is not done yet."""
    options = begin(recipe_parser("judge", __doc__, "runs/judge"), "finished")
    require_replaceable(options.out)
    with held(options.work):
        run(stages(Plan(), options.work, options.out, options.workers, options.device))


def stages(plan: Plan, work: Path, out: Path, num_workers: int, device: torch.device) -> Stages:
    """The stages in order, each with its progress."""
    load_photographs(plan.fakes.photographs)  # what is missing is missed before the drawing
    folder, model = work / "crops", model_path()
    yield "drawing", crops.draw_all(plan, folder, num_workers)
    yield "reconstructing", crops.reconstruct_some(plan, model / "vae", folder, device)
    yield "editing", crops.edit_some(plan, model, folder)
    yield "training", train_judge(plan, crops.load(plan, model, folder), work / "network", device)
    publish(work / "network", out)


def train_judge(
    plan: Plan, crops: TrainingPictures, folder: Path, device: torch.device
) -> Iterator[dict[str, Any]]:
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
        faces_BCHW = augmented(crops.pixels(rows_B), plan.pictures.margin_px, plan.augmentation, rng)
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


def _batch(plan: Plan, crops: TrainingPictures, rng: np.random.Generator) -> np.ndarray:
    """The numbers of the drawn, reconstructed and edited crops of a step, no crop twice."""
    rows_N = crops.rows(held=False)
    ends = np.cumsum([len(part) for part in crops.parts[:-1]])
    shares = (plan.reconstructed_share, plan.edited_share)
    nums = [round(plan.batch_size * share) for share in shares]
    kinds = np.split(rows_N, np.searchsorted(rows_N, ends))
    nums = [plan.batch_size - sum(nums), *nums]
    return np.concatenate(
        [rng.choice(kind, num, replace=False) for kind, num in zip(kinds, nums, strict=True)]
    )


def _finished(
    plan: Plan, network: EmbeddedJudgeNetwork, crops: TrainingPictures, model: Path
) -> dict[str, Any]:
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
        **held_numbers(scores_BE, truths_BE),
        "least_drawn": rounded(network.region.least_drawn),
        "usual_distance": rounded(distances_N.median()),
        "largest_distance": rounded(distances_N.max()),
        "limit": rounded(network.region.limit),
    }


@torch.inference_mode()
def _looked_at(
    plan: Plan, network: EmbeddedJudgeNetwork, crops: TrainingPictures, rows_N: np.ndarray, stream: int
) -> tuple[Seen, np.ndarray]:
    """What the network sees of these crops: first all as they are, then all changed; and their domains."""
    plain, changed, margin_px = [], [], plan.pictures.margin_px
    for start in range(0, len(rows_N), _AT_ONCE):
        crops_BHWC = crops.pixels(rows_N[start : start + _AT_ONCE])
        rng = np.random.default_rng((plan.seed, stream, start))
        plain.append(network(_last(inner(crops_BHWC, margin_px))))
        changed.append(network(_last(augmented(crops_BHWC, margin_px, plan.augmentation, rng))))
    seen = Seen(*(torch.cat(parts) for parts in zip(*plain, *changed, strict=True)))
    return seen, np.tile(crops.domains[rows_N], 2)


def _last(faces_BCHW: Tensor) -> Tensor:
    return faces_BCHW.contiguous(memory_format=torch.channels_last)


def score_losses(scores_BE: Tensor, truths_BE: Tensor, plan: LossPlan) -> dict[str, Tensor]:
    """`loss`, and its two parts: the error of each score, and of the distances to the highest one.

    Scores are cut to 0..1 afterwards: where the truth is an end of the scale, what lies beyond it is right.
    Where the truth's highest score stands above another by some distance, a smaller distance is an error,
    which is 0 wherever the scores themselves are right.
    """
    errors_BE = scores_BE - truths_BE
    errors_BE = torch.where(truths_BE <= 0, errors_BE.clamp(min=0), errors_BE)
    errors_BE = torch.where(truths_BE >= 1, errors_BE.clamp(max=0), errors_BE)
    fit = _size(errors_BE, plan)
    highest_B1 = truths_BE.argmax(1, keepdim=True)
    wanted_BE = truths_BE.gather(1, highest_B1) - truths_BE
    missing_BE = (wanted_BE - (scores_BE.gather(1, highest_B1) - scores_BE)).clamp(min=0)
    ranking = _size(missing_BE * (wanted_BE > 0), plan)  # at rest none is the highest
    return {"loss": fit + plan.ranking * ranking, "fit": fit.detach(), "ranking": ranking.detach()}


def _size(errors_BE: Tensor, plan: LossPlan) -> Tensor:
    """Huber's loss, with a slope of 1 far out."""
    nothing_BE = torch.zeros_like(errors_BE)
    return torch.nn.functional.huber_loss(errors_BE, nothing_BE, delta=plan.huber) / plan.huber


def inner(crops_BHWC: np.ndarray, margin_px: int) -> Tensor:
    """Crops without their margin (uint8), as the network takes them."""
    inside = slice(margin_px, crops_BHWC.shape[1] - margin_px)
    return to_tensor(np.ascontiguousarray(crops_BHWC[:, inside, inside]))


def augmented(
    crops_BHWC: np.ndarray, margin_px: int, plan: AugmentationPlan, rng: np.random.Generator
) -> Tensor:
    """Crops with a margin (uint8), changed and aligned again: as the network takes them."""
    changed_BHWC = np.stack([_filed(crop_HWC, plan, rng) for crop_HWC in crops_BHWC])
    size_px = changed_BHWC.shape[1] - 2 * margin_px
    target_32 = TEMPLATE_3 * size_px
    matrices_B23 = np.stack(
        [
            similarity(target_32 + margin_px + landmark_noise(target_32, plan.landmark_noise, rng), target_32)
            for _ in changed_BHWC
        ]
    )
    faces_BCHW = warp_batch(to_tensor(changed_BHWC), torch.from_numpy(matrices_B23), (size_px, size_px))
    faces_BCHW = relit(faces_BCHW, plan, rng, low=-1, high=1)
    return noisy(faces_BCHW, plan, rng, span=2).clamp(-1, 1)


def _filed(crop_HWC: np.ndarray, plan: AugmentationPlan, rng: np.random.Generator) -> np.ndarray:
    """Blurred and compressed, now and then."""
    if rng.random() < plan.blur_share:
        crop_HWC = through_blur(crop_HWC, float(rng.uniform(0, plan.max_blur_px)))
    if rng.random() < plan.jpeg_share:
        crop_HWC = through_jpeg(crop_HWC, int(rng.integers(*plan.jpeg_quality)))
    return crop_HWC


if __name__ == "__main__":
    main()
