"""Null-text inversion: the noise, and the empty prompts, from which Stable Diffusion makes a given picture.

Mokady et al., Null-text Inversion for Editing Real Images using Guided Diffusion Models (arXiv 2211.09794).
The repository of Concept Sliders has it in a notebook alone, so it is written here from the paper: DDIM
inversion without guidance gives latents z_0 .. z_T (section 3.1); then, from T down, the embedding of the
empty prompt is optimised for each step so that the guided step ends at the latent of the inversion (equation
3, algorithm 1).

Latents are (B, 4, H / 8, W / 8), words and empty prompts (B, tokens, width of the text encoder).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Predict = Callable[[Tensor, int, Tensor], Tensor]  # latents, timestep, words: the noise

LEARNING_RATE = 1e-2  # and the next four: algorithm 1's, as the notebook of Concept Sliders has them
LEARNING_RATE_DECAY = 1e-2  # a step, of the first
MAX_INNER_STEPS = 10
TOLERANCE = 1e-5
TOLERANCE_GROWTH = 2e-5  # a step


@dataclass(frozen=True)
class Schedule:
    """DDIM's: the timesteps from noisy to clean, and the share of signal at each and after the last."""

    timesteps: tuple[int, ...]
    signals: tuple[float, ...]  # alpha-bar; one more than timesteps

    @classmethod
    def of(cls, scheduler, num_steps: int) -> Schedule:
        """From a DDIMScheduler of diffusers."""
        scheduler.set_timesteps(num_steps)
        timesteps = tuple(int(t) for t in scheduler.timesteps)
        signals = [float(scheduler.alphas_cumprod[t]) for t in timesteps]
        return cls(timesteps, (*signals, float(scheduler.final_alpha_cumprod)))

    def steps(self) -> Iterator[tuple[int, int, float, float]]:
        """Index, timestep, and the share of signal before and after each step of making a picture."""
        for index, timestep in enumerate(self.timesteps):
            yield index, timestep, self.signals[index], self.signals[index + 1]


@dataclass(frozen=True)
class Inversion:
    """What makes the picture again: its noise, the words, and an empty prompt for each step."""

    noise: Tensor
    words: Tensor
    empties: tuple[Tensor, ...]


def moved(latents: Tensor, noise: Tensor, signal_from: float, signal_to: float) -> Tensor:
    """One step of DDIM without added noise, in either direction (Song et al. 2020, equation 12)."""
    clean = (latents - (1 - signal_from) ** 0.5 * noise) / signal_from**0.5
    return signal_to**0.5 * clean + (1 - signal_to) ** 0.5 * noise


def guided(
    predict: Predict, latents: Tensor, timestep: int, words: Tensor, empty: Tensor, scale: float
) -> Tensor:
    """The noise under classifier-free guidance."""
    without, with_words = predict(torch.cat([latents] * 2), timestep, torch.cat([empty, words])).chunk(2)
    return without + scale * (with_words - without)


@torch.no_grad()
def trajectory(predict: Predict, schedule: Schedule, latents: Tensor, words: Tensor) -> list[Tensor]:
    """DDIM inversion: the latents of the picture, then ever noisier ones; one more than there are steps."""
    found = [latents]
    for _, timestep, noisier, cleaner in reversed(list(schedule.steps())):
        found.append(moved(found[-1], predict(found[-1], timestep, words), cleaner, noisier))
    return found


def invert(
    predict: Predict, schedule: Schedule, latents: Tensor, words: Tensor, empty: Tensor, scale: float
) -> Inversion:
    """The inversion of the latents of a picture, for guidance of that scale."""
    targets = trajectory(predict, schedule, latents, words)[::-1]
    current, empties = targets[0], []
    for index, timestep, noisier, cleaner in schedule.steps():
        with torch.no_grad():
            with_words = predict(current, timestep, words)
        empty = _optimised(
            lambda without, t=timestep, z=current: predict(z, t, without),
            with_words,
            lambda noise, z=current, a=noisier, b=cleaner: moved(z, noise, a, b),
            targets[index + 1],
            empty,
            scale,
            index,
        )
        empties.append(empty)
        with torch.no_grad():
            noise = guided(predict, current, timestep, words, empty, scale)
            current = moved(current, noise, noisier, cleaner)
    return Inversion(targets[0], words, tuple(empties))


@torch.no_grad()
def generate(
    predict: Predict, schedule: Schedule, inversion: Inversion, scale: float, before: Callable[[int], None]
) -> Tensor:
    """The latents of the picture, made again. before: told each timestep before the model is asked."""
    latents = inversion.noise
    for index, timestep, noisier, cleaner in schedule.steps():
        before(timestep)
        empty = inversion.empties[index]
        noise = guided(predict, latents, timestep, inversion.words, empty, scale)
        latents = moved(latents, noise, noisier, cleaner)
    return latents


def _optimised(
    predict: Callable[[Tensor], Tensor],
    with_words: Tensor,
    step: Callable[[Tensor], Tensor],
    target: Tensor,
    empty: Tensor,
    scale: float,
    index: int,
) -> Tensor:
    """The empty prompt with which one guided step comes closest to the target."""
    empty = empty.detach().clone().requires_grad_(True)
    optimiser = torch.optim.Adam([empty], lr=LEARNING_RATE * max(0.0, 1 - LEARNING_RATE_DECAY * index))
    for _ in range(MAX_INNER_STEPS):
        without = predict(empty)
        loss = torch.nn.functional.mse_loss(step(without + scale * (with_words - without)), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < TOLERANCE + TOLERANCE_GROWTH * index:
            break
    return empty.detach()
