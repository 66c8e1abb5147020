"""The sampling loop: many strengths and expressions, of one or several pictures, in one batch.

All samples share the picture shapes, which is what makes a batch legal for the transformer. It is a
generator: a step of a batch is an event, a finished batch another.

Shape suffixes: B samples, R rows (forwards: one for each term of each sample), P source pictures, C, H, W
latents, N tokens, D channels of a token.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pixelsmile.editing.backbone import Backbone, EditBackbone, Rows
from pixelsmile.editing.conditioning import Control, Term, TextualInterpolation
from pixelsmile.editing.fast_transformer import forget_steps, step_context
from pixelsmile.editing.flow import FlowSchedule, euler_step, make_noise, pack, unpack


@dataclass(frozen=True)
class Sample:
    """One picture to make: where its noise comes from, its condition, and which reference is edited.

    negative: the embedding (T, D) that guidance leads away from, where there is guidance.
    """

    seed: int
    terms: tuple[Term, ...]
    picture: int = 0
    negative: Tensor | None = None


@dataclass(frozen=True)
class StepTaken:
    """Samples first, first + 1, ... went one step further, to `tokens` (B, N, D), float32.

    estimate: what the velocity says of their end, in the same form: x - sigma v.
    """

    num_samples: int
    tokens: Tensor
    first: int
    estimate: Tensor


@dataclass(frozen=True)
class BatchDone:
    """Samples first, first + 1, ... are finished: their normalised latents (B, C, H, W), float32."""

    first: int
    latents: Tensor


@dataclass(frozen=True)
class Denoiser:
    """The transformer with what every forward of an edit shares.

    reference: packed latents (P, N, D) of the source pictures, at the size of the pictures to make. control:
    what steers the transformer as the terms say. guidance: 1 for none. backbone: how the transformer is
    called.
    """

    transformer: Any
    schedule: FlowSchedule
    reference: Tensor
    latent_size: tuple[int, int]
    batch_size: int
    control: Control = field(default_factory=TextualInterpolation)
    guidance: float = 1.0
    backbone: Backbone = field(default_factory=EditBackbone)

    def guided(
        self,
        tokens_BND: Tensor,
        sigma: Tensor,
        batch: Sequence[Sample],
        memories: dict[int, Any] | None = None,
    ) -> Tensor:
        """The velocities of samples, led away from their negative ones, float32.

        n + guidance (v - n), each token brought back to the length that it has in v where the stock pipeline
        does so (`true_cfg_scale`). memories: see `velocity`.
        """
        conditions, pictures = [sample.terms for sample in batch], [sample.picture for sample in batch]
        negatives = [(Term(1.0, sample.negative),) for sample in batch if sample.negative is not None]
        if not negatives:
            return self.velocity(tokens_BND, sigma, conditions, pictures, memories)
        doubled_BND, conditions = tokens_BND.repeat(2, 1, 1), [*conditions, *negatives]
        both = self.velocity(doubled_BND, sigma, conditions, pictures * 2, memories)
        wanted_BND, negative_BND = both.chunk(2)
        led_BND = negative_BND + self.guidance * (wanted_BND - negative_BND)
        if not self.backbone.guides_by_length:
            return led_BND
        lengths_BN1 = (each.norm(dim=-1, keepdim=True) for each in (wanted_BND, led_BND))
        wanted_length, led_length = lengths_BN1
        return led_BND * (wanted_length / led_length)

    def velocity(
        self,
        tokens_BND: Tensor,
        sigma: Tensor,
        conditions: Sequence[Sequence[Term]],
        pictures: Sequence[int] = (),
        memories: dict[int, Any] | None = None,
    ) -> Tensor:
        """Weighted sums of the predicted velocities: sum_k w_k v(x, sigma, e_k), float32.

        Terms whose embeddings have one length go through the transformer together. pictures: the reference of
        each sample (none: the first of all). memories: what forwards keep for a later call with the same
        conditions and pictures, by their number; at first empty.
        """
        pictures_B = torch.tensor(pictures or [0] * len(tokens_BND), device=tokens_BND.device)
        rows = [(sample, term) for sample, terms in enumerate(conditions) for term in terms]
        velocity_BND = torch.zeros_like(tokens_BND, dtype=torch.float32)
        num_forwards = 0
        for length in sorted({len(term.embedding) for _, term in rows}):
            alike = [(sample, term) for sample, term in rows if len(term.embedding) == length]
            for start in range(0, len(alike), self.batch_size):
                part = alike[start : start + self.batch_size]
                samples_R = torch.tensor([sample for sample, _ in part], device=tokens_BND.device)
                weights_R = torch.tensor([term.weight for _, term in part], device=tokens_BND.device)
                embeddings = torch.stack([term.embedding for _, term in part])
                steers = [term.steer for _, term in part if term.steer is not None]
                self.control.steer(torch.stack(steers) if steers else None)
                reference_RND = self.reference[pictures_B[samples_R]]
                with step_context(self.transformer, f"forward {num_forwards}"):
                    memory = self._memory(memories, num_forwards)
                    asked = self._rows(tokens_BND[samples_R], reference_RND, sigma, embeddings)
                    predicted = self.backbone.velocities(self.transformer, asked, memory)
                num_forwards += 1
                predicted_RND = predicted.float()
                velocity_BND.index_add_(0, samples_R, weights_R.view(-1, 1, 1) * predicted_RND)
        return velocity_BND

    def _memory(self, memories: dict[int, Any] | None, forward: int) -> Any:
        if memories is None:
            return None
        if forward not in memories:
            memories[forward] = self.backbone.memory(self.transformer)
        return memories[forward]

    def _rows(self, tokens_RND: Tensor, reference_RND: Tensor, sigma: Tensor, embeddings_RTE: Tensor) -> Rows:
        dtype = self.reference.dtype
        height, width = self.latent_size
        patch = self.backbone.patch
        return Rows(
            noisy=tokens_RND.to(dtype),
            reference=reference_RND,
            timesteps=self.schedule.timestep(sigma, dtype).to(tokens_RND.device).expand(len(tokens_RND)),
            embeddings=embeddings_RTE.to(dtype),
            grid=(height // patch, width // patch),
        )


def sample_latents(
    denoiser: Denoiser, samples: Sequence[Sample], num_steps: int
) -> Iterator[StepTaken | BatchDone]:
    """Denoise the samples, `denoiser.batch_size` at a time: num_steps events a batch, then its latents.

    The result of a sample depends on its own seed and terms, not on its batch (up to rounding).
    """
    sigmas = denoiser.schedule.sigmas(num_steps)
    for first in range(0, len(samples), denoiser.batch_size):
        batch = samples[first : first + denoiser.batch_size]
        tokens_BND = _start(denoiser, batch)
        forget_steps(denoiser.transformer)
        memories: dict[int, Any] = {}
        for step in range(num_steps):
            levels = sigmas[step], sigmas[step + 1]
            tokens_BND, estimate_BND = _step(denoiser, tokens_BND, batch, *levels, memories)
            yield StepTaken(len(batch), tokens_BND, first, estimate_BND)
        yield BatchDone(first, unpack(tokens_BND, *denoiser.latent_size))


def _start(denoiser: Denoiser, batch: Sequence[Sample]) -> Tensor:
    patch = denoiser.backbone.patch
    channels = denoiser.reference.shape[-1] // (patch * patch)
    noise_BCHW = make_noise([sample.seed for sample in batch], (channels, *denoiser.latent_size))
    return pack(noise_BCHW, patch).to(denoiser.reference.device)


@torch.inference_mode()
def _step(
    denoiser: Denoiser,
    tokens_BND: Tensor,
    batch: Sequence[Sample],
    sigma: Tensor,
    sigma_next: Tensor,
    memories: dict[int, Any],
) -> tuple[Tensor, Tensor]:
    velocity_BND = denoiser.guided(tokens_BND, sigma, batch, memories)
    return (
        euler_step(tokens_BND, velocity_BND, sigma, sigma_next),
        euler_step(tokens_BND, velocity_BND, sigma, torch.zeros_like(sigma)),
    )
