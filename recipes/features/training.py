"""The training of the image encoder, and the folder that it ends in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.networks.convolutional import CONFIG_FILE, WEIGHTS_FILE
from pixelsmile.networks.expression_features import (
    DrawnFeaturesNetwork,
)
from recipes.embedded.loop import Losses, autocast, train
from recipes.features.augmentation import augmented, inner
from recipes.features.losses import feature_losses
from recipes.features.plan import Plan
from recipes.features.windows import Windows

_STEPS = 1  # stream of random numbers
_AT_ONCE = 64


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
    plan: Plan, windows: Windows, folder: Path, device: torch.device
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


def _finished(plan: Plan, trainee: Trainee, windows: Windows, model: Path) -> dict[str, Any]:
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
        "held_absolute_error": round(float((scores_NE.clamp(0, 1) - truths_NE).abs().mean()), 4),
        "held_highest_right": round(float((scores_NE.argmax(1) == truths_NE.argmax(1)).float().mean()), 4),
    }


@torch.inference_mode()
def _scores(plan: Plan, trainee: Trainee, windows: Windows, rows_N: np.ndarray) -> Tensor:
    starts = range(0, len(rows_N), _AT_ONCE)
    parts = [windows.pixels(rows_N[start : start + _AT_ONCE]) for start in starts]
    return torch.cat([trainee(inner(part, plan.pictures.margin_px))[1] for part in parts])
