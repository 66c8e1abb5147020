"""The training of one encoder, through the preprocessing and into the files of the published ones."""

import copy
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pixelsmile.faces.encoders.architectures import Architecture, build
from pixelsmile.faces.encoders.encoder import PREPROCESSING
from pixelsmile.faces.encoders.insightface import IResNetConfig
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.torch_encoder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    EncoderConfig,
    TorchEncoder,
    save_network,
)
from recipes.embedded.loop import Losses, autocast, train
from recipes.faces.encoders.adaptive_margin import AdaptiveMargin
from recipes.faces.encoders.angular_margin import AngularMargin
from recipes.faces.encoders.augmentation import augmented
from recipes.faces.encoders.crops import Crops
from recipes.faces.encoders.plan import (
    AdaptiveMarginPlan,
    AngularMarginPlan,
    EncoderPlan,
    LossPlan,
    Plan,
    TripletPlan,
)
from recipes.faces.encoders.triplet import Triplet
from recipes.work_folder import LOG_FILE

_NOTE = "Trained on drawn portraits by recipes.faces.encoders; it knows no photographs."


class Trainee(nn.Module):
    """A network, and the loss that trains it and may learn too."""

    def __init__(self, network: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.network, self.loss = network, loss


def train_encoder(
    plan: Plan, encoder: EncoderPlan, crops: Crops, folder: Path, out: Path, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Train one encoder and write the folder `out`, unless it is there; `folder` keeps what resuming needs.

    Yields the records of the training, then the size of the weights and what rounding them changed.
    """
    if (out / CONFIG_FILE).is_file():
        return
    preprocessing, stream = PREPROCESSING[encoder.kind], zlib.crc32(encoder.kind.encode())
    torch.manual_seed(stream ^ plan.seed)
    network = build(encoder.architecture, preprocessing.size_px)
    loss = _loss(encoder.loss, crops.num_classes, encoder.architecture.num_features)
    memory_format = _memory_format(encoder.architecture)
    trainee = Trainee(network, loss).to(device).to(memory_format=memory_format).train()
    _allow_averages(network)

    def losses_of_step(step: int) -> Losses:
        rng = np.random.default_rng((plan.seed, stream, step))
        labels_B, pixels_BHWC = batch(plan, encoder, crops, rng)
        images_BCHW = augmented(
            pixels_BHWC, plan.pictures, plan.augmentation, preprocessing.size_px, rng, device
        )
        prepared_BCHW = preprocessing.apply(images_BCHW).contiguous(memory_format=memory_format)
        with autocast(device):
            embeddings_BD = network(prepared_BCHW)
        losses: Losses = loss(embeddings_BD.float(), torch.from_numpy(labels_B).to(device))
        return losses

    yield from train(trainee, losses_of_step, encoder.optimisation, folder)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "stats.jsonl", out / LOG_FILE)
    yield _written(encoder, network.cpu().eval(), out, crops)


def batch(
    plan: Plan, encoder: EncoderPlan, crops: Crops, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Whole families by chance: classes (B,) and crops (B, S, S, 3), no crop twice."""
    size, per_person = plan.people.family_size, encoder.pictures_per_person
    groups = rng.choice(crops.num_classes // size, encoder.families_per_batch, replace=False)
    classes = (groups[:, None] * size + np.arange(size)).ravel()
    chosen = [
        (label, index)
        for label in classes.tolist()
        for index in rng.choice(crops.num_per_class, per_person, replace=False).tolist()
    ]
    return np.repeat(classes, per_person), np.stack([crops.crop(*place) for place in chosen])


def _loss(plan: LossPlan, num_classes: int, num_features: int) -> nn.Module:
    match plan:
        case AngularMarginPlan():
            return AngularMargin(plan, num_classes, num_features)
        case AdaptiveMarginPlan():
            return AdaptiveMargin(plan, num_classes, num_features)
        case TripletPlan():
            return Triplet(plan)


def _memory_format(architecture: Architecture) -> torch.memory_format:
    """Channels last where it is safe: a fifth faster on a CPU.

    In an IResNet with narrow stages the gradient of its 1 x 1 convolutions of stride 2 then writes past its
    memory and is wrong (torch 2.13.0 on a CPU, oneDNN issue 6035).
    """
    return torch.contiguous_format if isinstance(architecture, IResNetConfig) else torch.channels_last


def _allow_averages(network: nn.Module) -> None:
    """Make the counters of batch normalisation fractions: whole numbers have no moving average.

    Nothing reads them, and they are not saved.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.num_batches_tracked is not None:
            module.num_batches_tracked = module.num_batches_tracked.float()


def _written(encoder: EncoderPlan, network: nn.Module, out: Path, crops: Crops) -> dict[str, Any]:
    """Write the weights in half precision, load them as everybody does, and compare."""
    preprocessing = PREPROCESSING[encoder.kind]
    # Not the name of the kind alone: reports must not take it for the published encoder.
    name = f"embedded-{encoder.kind}"
    config = EncoderConfig(
        name=name, preprocessing=preprocessing, architecture=encoder.architecture, note=_NOTE
    )
    save_network(out, config, copy.deepcopy(network).half())
    some = np.stack([crops.crop(label, 0) for label in range(min(32, crops.num_classes))])
    middle = (some.shape[1] - preprocessing.size_px) // 2
    inside = slice(middle, middle + preprocessing.size_px)
    crops_BCHW = some[:, inside, inside].transpose(0, 3, 1, 2).astype(np.float32) / 255
    whole = TorchEncoder(name, preprocessing, network, "cpu").embed(crops_BCHW)
    rounded = load_encoder(out, device="cpu").embed(crops_BCHW)
    return {
        "encoder": name,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "size_bytes": (out / WEIGHTS_FILE).stat().st_size,
        "lowest_cosine_to_unrounded": round(float((whole * rounded).sum(1).min()), 6),
    }
