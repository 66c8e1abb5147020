"""The windows that the features are trained on, drawn once and kept on disk, with the truth of each.

Whom a picture shows, and with which face, is settled by its number alone.
Shape suffixes: N windows, S side in pixels with its margins, 3 channels (RGB), E expressions.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage

from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.editing.flow import make_noise
from pixelsmile.expressions import DOMAINS
from pixelsmile.networks.expression_features import Window, look_through
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, action_units
from recipes.features.plan import Plan
from recipes.pictures import (
    TrainingPictures,
    drawn_file,
    fill_drawn,
    fill_reconstructed,
    reconstructed_file,
    to_pixels,
    to_tensor,
)
from recipes.random_faces import FacePlan, Sample, blended, one_expression, two_expressions
from recipes.work_folder import require_same_plan

_SAMPLES = 0  # stream of random numbers


def sample_of(plan: Plan, index: int) -> Sample:
    """Picture `index`; the drawn ones come first, then those that are reconstructed."""
    pictures, rng = plan.pictures, np.random.default_rng((plan.seed, _SAMPLES, index))
    domain = DOMAINS[rng.integers(len(DOMAINS))]
    units = sample_units(plan.faces, rng)
    seed = pictures.first_training_seed + index
    if index < pictures.num_drawn:
        return Sample(seed, domain, units, int(rng.choice(pictures.sizes_px)))
    noise = float(rng.uniform(0, pictures.max_noise)) if rng.random() < pictures.noisy_share else 0.0
    return Sample(seed, domain, units, pictures.editor_px, noise=noise)


def sample_units(plan: FacePlan, rng: np.random.Generator) -> ActionUnits:
    """A face by chance, as the plan wants them."""
    kind, strength = rng.random(), float(rng.uniform(0, plan.max_strength))
    one, other = rng.integers(NUM_VARIANTS, size=2).tolist()
    if kind < plan.neutral_share:
        return ActionUnits()
    if kind < plan.neutral_share + plan.blend_share:
        names = two_expressions(plan, rng)
        return blended(names, strength, float(rng.random()), (one, other))
    return action_units(one_expression(plan, rng), strength, one)


@dataclass(frozen=True)
class DrawWindow:
    """Draws a window, in whatever process."""

    plan: Plan

    def __call__(self, index: int) -> np.ndarray:
        """The window with its margins (S, S, 3), uint8."""
        return with_margin(self.plan, sample_of(self.plan, index).picture())


def with_margin(plan: Plan, pixels_HWC: np.ndarray) -> np.ndarray:
    """The window of a picture with its margins: uint8 (S, S, 3), resized as the encoder does."""
    side_px = plan.network.window_px + 2 * plan.pictures.margin_px
    return to_pixels(look_through(_wider(plan), to_tensor(pixels_HWC[None]), side_px))[0]


def draw_all(plan: Plan, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw every window into `folder`, unless it is there. Yields how many are done."""
    window = plan.network.window.model_dump() | {"window_px": plan.network.window_px}
    require_same_plan(folder, {"seed": plan.seed, **window, **asdict(plan.pictures), **asdict(plan.faces)})
    shape = (plan.pictures.num_drawn, *_shape(plan))
    yield from fill_drawn(folder, shape, DrawWindow(plan), num_workers)


def reconstruct_some(
    plan: Plan, autoencoder: Path, folder: Path, device: torch.device
) -> Iterator[dict[str, int]]:
    """Draw the other pictures and pass them through the editor's autoencoder, unless this one did it before.

    autoencoder: its folder. Yields how many are done.
    """
    first, shape = plan.pictures.num_drawn, (plan.pictures.num_reconstructed, *_shape(plan))

    def reconstructed(vae: AutoencoderKLQwenImage, rows: range) -> list[np.ndarray]:
        samples = [sample_of(plan, first + row) for row in rows]
        return [with_margin(plan, pixels) for pixels in reconstructions(plan, vae, samples)]

    yield from fill_reconstructed(folder, autoencoder, device, shape, reconstructed)


def load(plan: Plan, autoencoder: Path, folder: Path) -> TrainingPictures:
    """What `draw_all` and `reconstruct_some` wrote, memory-mapped, and the truths."""
    files = (drawn_file(folder), reconstructed_file(folder, autoencoder))
    parts = tuple(np.load(file, mmap_mode="r") for file in files)
    samples = [sample_of(plan, index) for index in range(sum(map(len, parts)))]
    return TrainingPictures(
        parts,
        np.stack([sample.truth() for sample in samples]),
        np.array([DOMAINS.index(sample.domain) for sample in samples]),
        plan.pictures.held_every,
    )


@torch.inference_mode()
def reconstructions(plan: Plan, vae: AutoencoderKLQwenImage, samples: list[Sample]) -> np.ndarray:
    """Pictures of one size after the autoencoder, with each one's noise on its latent: uint8 (N, H, W, 3).

    Outside of the window and its margins they stay as drawn: nobody looks there, and it costs as much.
    """
    pictures_NHW3 = np.stack([sample.picture() for sample in samples])
    rows, columns = _region(plan, pictures_NHW3.shape[1], vae.spatial_compression_ratio)
    latents_NCHW = encode_images(vae, to_tensor(pictures_NHW3[:, rows, columns]).to(vae.device))
    _, *shape = latents_NCHW.shape
    noise_NCHW = make_noise([sample.identity_seed for sample in samples], (shape[0], shape[1], shape[2]))
    deviations_N = torch.tensor([sample.noise for sample in samples])
    latents_NCHW = latents_NCHW + (deviations_N[:, None, None, None] * noise_NCHW).to(vae.device)
    pictures_NHW3[:, rows, columns] = to_pixels(decode_latents(vae, latents_NCHW))
    return pictures_NHW3


def _region(plan: Plan, size_px: int, multiple: int) -> tuple[slice, slice]:
    """Rows and columns of the window with its margins, widened to whole latents."""
    window = _wider(plan)

    def span(start: float) -> slice:
        first = math.floor(start * size_px / multiple) * multiple
        last = math.ceil((start + window.side) * size_px / multiple) * multiple
        return slice(first, min(last, size_px))

    return span(window.top), span(window.left)


def _wider(plan: Plan) -> Window:
    """The window with its margins, as a part of the picture."""
    window = plan.network.window
    margin = window.side * plan.pictures.margin_px / plan.network.window_px
    return Window(left=window.left - margin, top=window.top - margin, side=window.side + 2 * margin)


def _shape(plan: Plan) -> tuple[int, int, int]:
    side = plan.network.window_px + 2 * plan.pictures.margin_px
    return side, side, 3
