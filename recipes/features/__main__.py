"""Make the embedded image encoder again: one command, resumable, about 25 minutes on two cores.

Shape suffixes: B windows, C = 3 channels (RGB), H = W side in pixels, D numbers of a feature, E expressions.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pixelsmile.embedded import model_path
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.alignment import warp_batch
from pixelsmile.networks.convolutional import CONFIG_FILE, WEIGHTS_FILE
from pixelsmile.networks.expression_features import DrawnFeaturesNetwork
from recipes.augmentation import noisy, relit, softened
from recipes.command_line import Stages, begin, recipe_parser, refusing, run
from recipes.features import windows
from recipes.features.plan import AugmentationPlan, LossPlan, Plan
from recipes.optimisation import Losses, autocast, train
from recipes.pictures import TrainingPictures, held_numbers, to_tensor
from recipes.work_folder import held, publish, require_replaceable

_STEPS = 1  # stream of random numbers
_AT_ONCE = 64


@refusing()
def main() -> None:
    """Run every stage that is not done yet."""
    options = begin(recipe_parser("features", __doc__, "runs/features"), "finished")
    require_replaceable(options.out)
    with held(options.work):
        run(stages(Plan(), options.work, options.out, options.workers, options.device))


def stages(plan: Plan, work: Path, out: Path, num_workers: int, device: torch.device) -> Stages:
    """The stages in order, each with its progress."""
    folder, autoencoder = work / "windows", model_path() / "vae"
    yield "drawing", windows.draw_all(plan, folder, num_workers)
    yield "reconstructing", windows.reconstruct_some(plan, autoencoder, folder, device)
    yield "training", train_encoder(plan, windows.load(plan, autoencoder, folder), work / "network", device)
    publish(work / "network", out)


class Trainee(nn.Module):
    """The network, and the layer that reads scores from its features; only the network is kept."""

    def __init__(self, network: DrawnFeaturesNetwork) -> None:
        super().__init__()
        self.network = network
        self.to_scores = nn.Linear(network.config.num_features, len(EXPRESSIONS))

    def forward(self, windows_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Features of unit length (B, D), and scores (B, E)."""
        features_BD = functional.normalize(self.network(windows_BCHW).float(), dim=1)
        standard_BD = features_BD * features_BD.shape[1] ** 0.5  # about 1: a layer learns fast from it
        return features_BD, self.to_scores(standard_BD).float()


def train_encoder(
    plan: Plan, windows: TrainingPictures, folder: Path, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Train on the windows that are not held, and write config.json and model.safetensors to `folder/model`.

    Nothing is done where they are. Yields the records of the training, then how it does on the held ones.
    """
    model = folder / "model"
    if (model / CONFIG_FILE).is_file():
        return
    torch.manual_seed(plan.seed)
    trainee = Trainee(DrawnFeaturesNetwork(plan.network)).to(device, memory_format=torch.channels_last)
    rows_N, margin_px = windows.rows(held=False), plan.pictures.margin_px

    def losses_of_step(step: int) -> Losses:
        rng = np.random.default_rng((plan.seed, _STEPS, step))
        rows_B = rng.choice(rows_N, plan.batch_size, replace=False)
        images_BCHW = augmented(windows.pixels(rows_B), margin_px, plan.augmentation, rng)
        with autocast(device):
            features_BD, scores_BE = trainee(images_BCHW.to(device, memory_format=torch.channels_last))
        return feature_losses(
            features_BD, scores_BE, torch.from_numpy(windows.truths[rows_B]).to(device), plan.loss
        )

    yield from train(trainee, losses_of_step, plan.optimisation, folder)
    yield _finished(plan, trainee.cpu().eval(), windows, model)


def _finished(plan: Plan, trainee: Trainee, windows: TrainingPictures, model: Path) -> dict[str, Any]:
    """Write the folder, whole or not at all; the error of the scores tells whether the training went well."""
    partial = model.with_suffix(".partial")
    trainee.network.save(partial)
    partial.replace(model)
    held_N = windows.rows(held=True)
    scores_NE = _scores(plan, trainee, windows, held_N)
    truths_NE = torch.from_numpy(windows.truths[held_N])
    return {
        "parameters": sum(weight.numel() for weight in trainee.network.parameters()),
        "size_bytes": (model / WEIGHTS_FILE).stat().st_size,
        "held": len(held_N),
        **held_numbers(scores_NE, truths_NE),
    }


@torch.inference_mode()
def _scores(plan: Plan, trainee: Trainee, windows: TrainingPictures, rows_N: np.ndarray) -> Tensor:
    starts = range(0, len(rows_N), _AT_ONCE)
    parts = [windows.pixels(rows_N[start : start + _AT_ONCE]) for start in starts]
    return torch.cat([trainee(inner(part, plan.pictures.margin_px))[1] for part in parts])


def feature_losses(
    features_BD: Tensor, scores_BE: Tensor, truths_BE: Tensor, plan: LossPlan
) -> dict[str, Tensor]:
    """`loss`, and its two parts. features_BD: of unit length; scores_BE: read from them by a linear layer."""
    contrast = score_contrast(features_BD, truths_BE, plan.temperature, plan.width)
    fit = functional.huber_loss(scores_BE, truths_BE, delta=plan.huber) / plan.huber
    return {"loss": contrast + plan.fit * fit, "contrast": contrast.detach(), "fit": fit.detach()}


def score_contrast(features_BD: Tensor, truths_BE: Tensor, temperature: float, width: float) -> Tensor:
    """The supervised contrastive loss (Khosla et al. 2020) with near scores in the place of equal labels.

        p_ij ~ exp(-|s_i - s_j|^2 / (2 width^2)),   q_ij ~ exp(z_i z_j / temperature),   j != i
        L = mean over i of sum over j of p_ij log(p_ij / q_ij)

    At least 0; then the features of a batch lie as near to one another as their scores do.
    """
    itself = torch.eye(len(features_BD), dtype=torch.bool, device=features_BD.device)
    apart_BB = (truths_BE[:, None] - truths_BE).square().sum(-1)
    wanted_BB = (-apart_BB / (2 * width**2)).masked_fill(itself, -torch.inf).log_softmax(1)
    found_BB = (features_BD @ features_BD.T / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    terms_BB = wanted_BB.exp() * (wanted_BB - found_BB).masked_fill(itself, 0.0)
    return terms_BB.sum(1).mean()


def inner(pixels_BHWC: np.ndarray, margin_px: int) -> Tensor:
    """Windows (uint8) without their margins, as the network takes them."""
    inside = slice(margin_px, pixels_BHWC.shape[1] - margin_px)
    return to_tensor(pixels_BHWC)[..., inside, inside]


def augmented(
    pixels_BHWC: np.ndarray, margin_px: int, plan: AugmentationPlan, rng: np.random.Generator
) -> Tensor:
    """Windows with margins (uint8), changed in place, softness, light, noise: as the network takes them."""
    images_BCHW = to_tensor(pixels_BHWC)
    side, size = images_BCHW.shape[-1], images_BCHW.shape[-1] - 2 * margin_px
    matrices = np.stack([_placing(side, size, plan, rng) for _ in pixels_BHWC])
    images_BCHW = warp_batch(images_BCHW, torch.from_numpy(matrices), (size, size))
    images_BCHW = softened(images_BCHW, plan.soft_share, plan.min_soft, rng)
    images_BCHW = relit(images_BCHW, plan, rng, low=-1, high=1)
    return noisy(images_BCHW, plan, rng, span=2).clamp(-1, 1)


def _placing(side: int, size: int, plan: AugmentationPlan, rng: np.random.Generator) -> np.ndarray:
    """The similarity (2, 3) from the window with margins to the one without: turned, zoomed and shifted."""
    angle = math.radians(rng.uniform(-plan.max_turn_deg, plan.max_turn_deg))
    zoom = 1 + rng.uniform(-plan.max_zoom, plan.max_zoom)
    shift_2 = rng.uniform(-plan.max_shift_px, plan.max_shift_px, 2)
    turn_22 = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    offset_2 = np.full(2, size / 2) + shift_2 - turn_22 @ np.full(2, side / 2)
    return np.column_stack([turn_22, offset_2])


if __name__ == "__main__":
    main()
