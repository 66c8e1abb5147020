"""Training samples a second and peak memory: our step, and one that does what the reference does each time.

    python perf/training.py [--triplets 4] [--steps 5] [--rounds 3] [--precision bfloat16]

Both train the same adapter on the embedded model with all three terms of the objective, on the same batch of
drawn portraits, from the same cached latents and prompt embeddings, with the same noise; steps are taken turn
about. Ours: one forward for both branches, one decode of what the encoders look at (beside it: of whole
pictures), and what is known of the ground truth from the cache.
The other, as the reference: a forward for each branch, four decodes (two of them of the ground truth), image
features and identity embeddings of the ground truth in each step, and a face detector for its landmarks. It
decodes with the stock autoencoder, and in a third column with ours, to tell what that alone makes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import torch
from counts import whole
from torch import Tensor

from pixelsmile.editing.autoencoder import decode_frames, denormalise
from pixelsmile.editing.components import load_components
from pixelsmile.editing.devices import DTYPES, place
from pixelsmile.editing.flow import PATCH, add_noise, unpack
from pixelsmile.editing.folders import read_options
from pixelsmile.editing.pictures import to_pictures
from pixelsmile.embedded import encoder_paths, features_path, model_path
from pixelsmile.faces.alignment import align_batch
from pixelsmile.faces.detectors import load_detector
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Detector
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.features.encoder import ImageEncoder
from pixelsmile.training.adapter import adapter_parameters, add_adapter
from pixelsmile.training.batch import TrainingBatch, draw_noise
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.cache_filling import fill, find_landmarks
from pixelsmile.training.config import AdapterSettings, ContrastiveSettings, ObjectiveSettings
from pixelsmile.training.networks import Networks
from pixelsmile.training.objective import (
    Objective,
    cosine_distance,
    counting,
    flow_matching,
    has_face,
    identity_distances,
    identity_loss,
    symmetric_contrastive,
)
from pixelsmile.training.step import LatentDecoder, TrainingStep
from pixelsmile.triplets.drawn import DrawingSettings, draw_triplet

OURS, OURS_WHOLE, PLAIN, PLAIN_OUR_DECODER = "ours", "ours, whole decode", "plain", "plain, our decoder"
KINDS = (OURS, OURS_WHOLE, PLAIN, PLAIN_OUR_DECODER)
RANK, LEARNING_RATE = 64, 1e-4


@dataclass(frozen=True)
class Setting:
    """All that the loops share."""

    networks: Networks
    detector: Detector
    image_encoder: ImageEncoder
    identity_encoder: TorchEncoder
    decoder: LatentDecoder
    batch: TrainingBatch
    step: TrainingStep


def prepare(num_triplets: int, device: str, precision: str) -> Setting:
    """The embedded model with a new adapter, and one batch of drawn triplets from a fresh cache."""
    folder, placement = model_path(), place(device, "float32")
    options, model = read_options(folder), load_components(folder, placement)
    image_encoder = DrawnEncoder.from_folder(features_path(), placement.device)
    identity_encoder = load_encoder(encoder_paths()[0], device=device)
    detector = load_detector("embedded", drawn=True)
    assert isinstance(identity_encoder, TorchEncoder)
    torch.manual_seed(0)
    networks = Networks(
        folder,
        options,
        placement,
        model,
        image_encoder=image_encoder,
        identity_encoder=identity_encoder,
        detector=detector,
    )
    with tempfile.TemporaryDirectory() as scratch:
        cached = cache_triplets(Path(scratch), num_triplets, options.size, networks)
    add_adapter(model.transformer, AdapterSettings(rank=RANK), 0)
    decoder = LatentDecoder(model.vae, cached.grid)
    seen = replace(decoder, looked_at=image_encoder.looked_at)
    objective = Objective(ObjectiveSettings(), seen, image_encoder, identity_encoder)
    step = TrainingStep(model.transformer, objective, lambda _: cached, precision=DTYPES[precision])
    batch = cached.to(placement.device)
    return Setting(networks, detector, image_encoder, identity_encoder, decoder, batch, step)


def cache_triplets(folder: Path, num_triplets: int, size_px: int, networks: Networks) -> TrainingBatch:
    """Draw the triplets, fill a cache, and read it."""
    drawn = [
        draw_triplet(DrawingSettings(size_px=size_px, domains=("human",)), index, folder)
        for index in range(num_triplets)
    ]
    for triplet, pictures in drawn:
        for path, picture in zip(triplet.images, pictures, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    triplets = [triplet for triplet, _ in drawn]
    cache = TripletCache(folder / "cache", size_px, networks.hashes)
    for _ in fill(cache, triplets, networks):
        pass
    return cache.batch(triplets)


def ours(setting: Setting, seeds: Sequence[int]) -> Tensor:
    """The total loss by the product's own step."""
    return setting.step.losses(setting.batch, seeds)["total"]


def ours_whole(setting: Setting, seeds: Sequence[int]) -> Tensor:
    """The same with whole pictures decoded."""
    step = copy(setting.step)
    step.objective = replace(step.objective, decode=setting.decoder)
    return step.losses(setting.batch, seeds)["total"]


def plain(setting: Setting, seeds: Sequence[int], our_decoder: bool) -> Tensor:
    """The total loss, each branch by itself and all of the ground truth anew."""
    batch, objective = setting.batch, setting.step.objective
    uniform_B, noise_BND = draw_noise(seeds, batch.targets.shape[1:], batch.targets.device)
    conditions_RTE, _ = batch.conditions()
    decode = partial(decode_stock, setting) if not our_decoder else setting.decoder
    velocities, pictures, truths = [], [], []
    for targets_BND, source_BND, condition_BTE in zip(
        batch.targets.chunk(2), batch.source.chunk(2), conditions_RTE.chunk(2), strict=True
    ):
        noisy_BND = add_noise(targets_BND, noise_BND, uniform_B)
        velocity_BND = forward(setting, noisy_BND, source_BND, uniform_B, condition_BTE)
        velocities.append(velocity_BND)
        pictures.append(decode(noisy_BND - uniform_B[:, None, None] * velocity_BND).clamp(-1, 1))
        truths.append(decode(targets_BND).clamp(-1, 1))
    flow = flow_matching(torch.cat(velocities), batch.targets, noise_BND.repeat(2, 1, 1)).mean()
    pictures_RCHW, truths_RCHW = torch.cat(pictures), torch.cat(truths)
    settings = objective.settings
    features_RF = setting.image_encoder.features(pictures_RCHW)
    with torch.no_grad():
        truth_features_RF = setting.image_encoder.features(truths_RCHW)
    contrastive = symmetric_contrastive(features_RF, truth_features_RF, settings.contrastive).mean()
    identity = plain_identity(setting, pictures_RCHW, truths_RCHW, uniform_B)
    return flow + settings.contrastive.weight * contrastive + settings.identity.weight * identity


def plain_identity(setting: Setting, pictures_RCHW: Tensor, truths_RCHW: Tensor, sigmas_B: Tensor) -> Tensor:
    """The identity term with landmarks that are found in the decoded ground truth, of all samples."""
    encoder, detector = setting.identity_encoder, setting.detector
    found = [find_landmarks(picture, detector, None) for picture in to_pictures(truths_RCHW.detach())]
    nowhere = torch.full((5, 2), torch.nan).double().numpy()
    landmarks_R52 = torch.stack([torch.from_numpy(nowhere if one is None else one) for one in found])
    faces_R = has_face(landmarks_R52)
    with torch.no_grad():
        crops = align_batch(truths_RCHW[faces_R] / 2 + 0.5, landmarks_R52[faces_R].numpy(), encoder.size_px)
        truth_embeddings = encoder.embed(crops)
    distances_R = pictures_RCHW.new_zeros(len(faces_R))
    distances_R[faces_R] = identity_distances(
        pictures_RCHW[faces_R], landmarks_R52[faces_R], truth_embeddings, encoder
    )
    weights_R = counting(sigmas_B, setting.step.objective.settings.identity.max_sigma).repeat(2)
    return identity_loss(distances_R, weights_R * faces_R.to(weights_R)).mean()


def forward(
    setting: Setting, noisy_BND: Tensor, source_BND: Tensor, sigmas_B: Tensor, condition_BTE: Tensor
) -> Tensor:
    """One branch through the transformer."""
    step, (height, width) = setting.step, setting.batch.grid
    shape = (1, height // PATCH, width // PATCH)
    enabled = step.precision == torch.bfloat16
    with torch.autocast(noisy_BND.device.type, torch.bfloat16, enabled=enabled):
        predicted = step.transformer(
            hidden_states=torch.cat([noisy_BND, source_BND], dim=1),
            timestep=sigmas_B,
            encoder_hidden_states=condition_BTE,
            img_shapes=[[shape, shape]] * len(noisy_BND),
            return_dict=False,
        )[0]
    return predicted[:, : noisy_BND.shape[1]].float()


def decode_stock(setting: Setting, tokens_BND: Tensor) -> Tensor:
    """By the autoencoder's own code, with its 3-D convolutions."""
    latents_BCHW = denormalise(setting.networks.components.vae, unpack(tokens_BND, *setting.batch.grid))
    return setting.networks.components.vae.decode(latents_BCHW[:, :, None]).sample[:, :, 0]


LOSSES: dict[str, Callable[[Setting, Sequence[int]], Tensor]] = {
    OURS: ours,
    OURS_WHOLE: ours_whole,
    PLAIN: partial(plain, our_decoder=False),
    PLAIN_OUR_DECODER: partial(plain, our_decoder=True),
}


def halved(setting: Setting) -> dict[str, float]:
    """How far the terms go astray where latents are halved (area) before they are decoded: cosines to what
    they see, and say to the latents, of whole ones. The ground truth's latents with a little noise."""
    batch, vae, encoder = setting.batch, setting.networks.components.vae, setting.identity_encoder
    latents_RCHW = denormalise(vae, unpack(batch.targets, *batch.grid))
    latents_RCHW = (latents_RCHW + 0.15 * torch.randn_like(latents_RCHW)).requires_grad_(True)
    landmarks_R52, truths_RF, identities_RI = batch.landmarks, batch.features, batch.identities
    assert landmarks_R52 is not None
    assert truths_RF is not None
    assert identities_RI is not None
    landmarks = landmarks_R52.cpu().numpy()

    def seen(decoded: Tensor, scale: float) -> dict[str, Tensor]:
        pictures = decode_frames(vae, decoded)
        features = setting.image_encoder.features(pictures)
        crops = align_batch(pictures / 2 + 0.5, scale * landmarks, encoder.size_px)
        embeddings = encoder.embed(crops)
        losses = {
            "contrastive": symmetric_contrastive(features, truths_RF, ContrastiveSettings()).mean(),
            "identity": cosine_distance(embeddings, identities_RI).mean(),
        }
        gradients = {
            f"gradient of {name}": torch.autograd.grad(loss, latents_RCHW, retain_graph=True)[0]
            for name, loss in losses.items()
        }
        return {"features": features, "embeddings": embeddings, **gradients}

    whole = seen(latents_RCHW, 1.0)
    half = seen(torch.nn.functional.interpolate(latents_RCHW, scale_factor=0.5, mode="area"), 0.5)
    return {
        name: torch.nn.functional.cosine_similarity(half[name].flatten(1), value.flatten(1)).mean().item()
        for name, value in whole.items()
    }


class Loop:
    """Forward, backward, clipping and AdamW, with the losses of one kind."""

    def __init__(self, kind: str, setting: Setting) -> None:
        self.setting, self.loss_of = setting, LOSSES[kind]
        self.parameters = list(adapter_parameters(setting.networks.components.transformer).values())
        self.optimiser = torch.optim.AdamW(self.parameters, lr=LEARNING_RATE, weight_decay=0.001)
        self.num_steps = 0

    def run(self, num_steps: int) -> float:
        """Seconds for these steps."""
        start = time.perf_counter()
        for _ in range(num_steps):
            loss = self.loss_of(self.setting, seeds_of(self.num_steps, self.setting))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
            self.num_steps += 1
        loss.item()  # waits for the device
        return time.perf_counter() - start


def seeds_of(step: int, setting: Setting) -> list[int]:
    """The same for every kind."""
    return [1000 * step + row for row in range(len(setting.batch))]


def memory_of_steps(kind: str, setting: Setting) -> dict[str, float]:
    """MiB before two steps and at their peak: of the device, or on a CPU of this process (Linux)."""
    loop, device = Loop(kind, setting), setting.batch.targets.device
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        loop.run(2)
        return {"before": before / 2**20, "peak": torch.cuda.max_memory_allocated(device) / 2**20}
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _resident_mib("VmRSS")
    loop.run(2)
    return {"before": before, "peak": _resident_mib("VmHWM")}


def _resident_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def memory_alone(kind: str, arguments: argparse.Namespace) -> dict[str, float]:
    """`memory_of_steps` in a process of its own: what one kind has taken, no other gets for nothing."""
    same = {name: str(getattr(arguments, name)) for name in ("triplets", "device", "precision")}
    options = [word for name, value in same.items() for word in (f"--{name}", value)]
    command = [sys.executable, __file__, "--alone", kind, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print, for each kind: training samples a second, the loss of one batch, peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--triplets", type=whole(), default=4, help="in a batch")
    parser.add_argument("--steps", type=whole(), default=5, help="in a round")
    parser.add_argument("--rounds", type=whole(), default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: float32 on a CPU")
    parser.add_argument("--alone", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.precision = arguments.precision or ("float32" if arguments.device == "cpu" else "bfloat16")
    setting = prepare(arguments.triplets, arguments.device, arguments.precision)
    if arguments.alone:
        print(json.dumps(memory_of_steps(arguments.alone, setting)))
        return
    with torch.no_grad():
        losses = {kind: LOSSES[kind](setting, seeds_of(0, setting)).item() for kind in KINDS}
    loops = {kind: Loop(kind, setting) for kind in KINDS}
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for loop in loops.values():
        loop.run(1)
    for _ in range(arguments.rounds):
        for kind, loop in loops.items():
            seconds[kind].append(loop.run(arguments.steps) / arguments.steps)
    threads = f"{torch.get_num_threads()} threads"
    print(f"{arguments.triplets} triplets a batch, {arguments.device}, {threads}, {setting.step.precision}")
    for kind in KINDS:
        step_s, memory = median(seconds[kind]), memory_alone(kind, arguments)
        print(
            f"{kind}: {arguments.triplets / step_s:.2f} triplets a second, "
            f"{step_s / median(seconds[OURS]):.2f} times our time a step; loss {losses[kind]:.4f}; peak "
            f"{memory['peak']:.0f} MiB, {memory['peak'] - memory['before']:.0f} of them by the steps",
            flush=True,
        )
    astray = ", ".join(f"{name} {cosine:.3f}" for name, cosine in halved(setting).items())
    print(f"latents halved before they are decoded, cosines to the whole: {astray}")


if __name__ == "__main__":
    main()
