"""Make the embedded identity encoders again: one command, resumable, about 40 minutes on two cores.

Shape suffixes: B crops, C = 3 channels (RGB), H = W side in pixels.
"""

import copy
import shutil
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pixelsmile.embedded import model_path
from pixelsmile.faces.alignment import similarity, template, warp_batch
from pixelsmile.faces.encoders.architectures import Architecture, build
from pixelsmile.faces.encoders.encoder import PREPROCESSING, Kind
from pixelsmile.faces.encoders.insightface import IResNetConfig
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.torch_encoder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    EncoderConfig,
    TorchEncoder,
    save_network,
)
from recipes.augmentation import blurred, chosen, landmark_noise, noisy, relit, through_jpeg
from recipes.command_line import Stages, begin, recipe_parser, refusing, run
from recipes.faces.encoders import crops
from recipes.faces.encoders.crops import Crops
from recipes.faces.encoders.losses import AdaptiveMargin, AngularMargin, Triplet
from recipes.faces.encoders.plan import (
    ENCODERS,
    AdaptiveMarginPlan,
    AngularMarginPlan,
    AugmentationPlan,
    EncoderPlan,
    LossPlan,
    PicturePlan,
    Plan,
    TripletPlan,
)
from recipes.optimisation import Losses, autocast, train
from recipes.work_folder import LOG_FILE, held, require_replaceable

_NOTE = "Trained on drawn portraits by recipes.faces.encoders; it knows no photographs."


@refusing()
def main() -> None:
    """Run every stage that is not done yet."""
    parser = recipe_parser("faces.encoders", __doc__, "runs/encoders")
    kinds = [encoder.kind for encoder in ENCODERS]
    parser.add_argument("--only", choices=kinds, nargs="+", default=kinds, help="train these alone")
    options = begin(parser, "model")
    all_stages = stages(Plan(), options.work, options.out, options.workers, options.device, only=options.only)
    for kind in options.only:
        require_replaceable(options.out / kind)
    with held(options.work):
        run(all_stages)


def stages(
    plan: Plan, work: Path, out: Path, num_workers: int, device: torch.device, *, only: Sequence[Kind]
) -> Stages:
    """The stages in order, each with its progress. only: these encoders alone are trained."""
    folder, autoencoder = work / "crops", model_path() / "vae"
    yield "drawing", crops.draw_all(plan, folder, num_workers)
    yield "reconstructing", crops.reconstruct_some(plan.pictures, autoencoder, folder, device)
    drawn = crops.load(folder, autoencoder)
    for encoder in plan.encoders:
        if encoder.kind in only:
            progress = train_encoder(plan, encoder, drawn, work / encoder.kind, out / encoder.kind, device)
            yield encoder.kind, progress


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


def augmented(
    crops_BHWC: np.ndarray,
    pictures: PicturePlan,
    plan: AugmentationPlan,
    size_px: int,
    rng: np.random.Generator,
    device: torch.device,
) -> Tensor:
    """Crops with a margin (uint8), changed and aligned again: (B, 3, size_px, size_px), 0..1."""
    crops_BHWC = np.array(crops_BHWC)
    for index in chosen(len(crops_BHWC), plan.jpeg_share, rng):
        crops_BHWC[index] = through_jpeg(crops_BHWC[index], int(rng.integers(*plan.jpeg_quality)))
    images_BCHW = torch.from_numpy(crops_BHWC).to(device).permute(0, 3, 1, 2).float() / 255
    landmarks_52 = template(pictures.template_px) + pictures.margin_px
    matrices_B23 = [
        similarity(landmarks_52 + landmark_noise(landmarks_52, plan.landmark_noise, rng), template(size_px))
        for _ in crops_BHWC
    ]
    matrices = torch.from_numpy(np.stack(matrices_B23)).to(device)
    images_BCHW = warp_batch(images_BCHW, matrices, (size_px, size_px))
    images_BCHW = blurred(images_BCHW, plan.blur_share, rng)
    images_BCHW = relit(images_BCHW, plan, rng, low=0, high=1)
    return noisy(images_BCHW, plan, rng, span=1).clamp(0, 1)


if __name__ == "__main__":
    main()
