"""The flow between noise and pictures: noise levels, noise, one Euler step, the training pair.

x_t = (1 - sigma) x + sigma e with velocity e - x: sigma 1 is noise, sigma 0 the picture (flow matching,
Lipman et al. 2023; the working form of the paper's Eq. 6). Training and sampling take their noise levels
from the same `FlowSchedule`.

Shape suffixes: B samples, C latent channels, H and W latent height and width, N tokens of P x P latents,
D = P P C channels of a token, S steps. P is 2 for Qwen-Image-Edit, 1 for Qwen-Image-2.1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pixelsmile.errors import InputError, ModelError

PATCH = 2  # of most models: a token covers PATCH x PATCH latents

_UNSUPPORTED = (
    "invert_sigmas",
    "stochastic_sampling",
    "use_beta_sigmas",
    "use_exponential_sigmas",
    "use_karras_sigmas",
)


@dataclass(frozen=True)
class FlowSchedule:
    """Which noise levels are visited: s -> shift * s / (1 + (shift - 1) * s) of evenly spaced s.

    shift: above 1, more of the time is spent at high noise. terminal: the last level before 0 when sampling;
    the levels between it and 1 are stretched (None: 1 / num_steps, shifted).
    """

    shift: float = 1.0
    terminal: float | None = None
    num_train_timesteps: int = 1000

    @classmethod
    def from_config(cls, config: Mapping[str, Any], num_tokens: int) -> "FlowSchedule":
        """The schedule of a FlowMatchEulerDiscreteScheduler config, for `num_tokens` target tokens.

        Dynamic shifting is resolved here: mu is linear in the number of tokens, shift = exp(mu) (or mu, where
        `time_shift_type` is linear). Variants that no Qwen-Image checkpoint uses are a ModelError.
        """
        for option in _UNSUPPORTED:
            if config.get(option):
                raise ModelError(
                    f"the scheduler config sets {option}, which is not supported: use a Qwen-Image model"
                )
        shift = float(config.get("shift", 1.0))
        if config.get("use_dynamic_shifting"):
            mu = _dynamic_mu(config, num_tokens)
            shift = mu if config.get("time_shift_type") == "linear" else math.exp(mu)
        terminal = config.get("shift_terminal") or None
        return cls(shift, terminal, int(config.get("num_train_timesteps", 1000)))

    def shifted(self, uniform: Tensor) -> Tensor:
        """Noise levels from numbers in 0..1, of any shape: for uniform ones, the levels to train at."""
        return self.shift * uniform / (1 + (self.shift - 1) * uniform)

    def sigmas(self, num_steps: int) -> Tensor:
        """The num_steps + 1 levels of a sampling run, from 1 to 0, float32 on the CPU.

        A single step goes from 1 to 0: there is no level in between that `terminal` could place.
        """
        if num_steps < 1:
            raise InputError(f"steps must be at least 1, not {num_steps!r}")
        sigmas = self.shifted(torch.linspace(1.0, 1.0 / num_steps, num_steps, dtype=torch.float64))
        if self.terminal is not None and num_steps > 1:
            sigmas = 1 - (1 - sigmas) * ((1 - self.terminal) / (1 - sigmas[-1]))
        return torch.cat([sigmas, sigmas.new_zeros(1)]).float()

    def timestep(self, sigma: Tensor, dtype: torch.dtype) -> Tensor:
        """What the transformer takes for a noise level, rounded as the stock pipeline rounds it."""
        return (sigma * self.num_train_timesteps).to(dtype) / self.num_train_timesteps


def make_noise(seeds: Sequence[int], shape_CHW: tuple[int, int, int]) -> Tensor:
    """Standard normal noise (B, C, H, W), float32 on the CPU, one generator a sample.

    A seed gives the same noise at any batch size and for any device.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape_CHW, generator=generator) for generator in generators])


def add_noise(latents: Tensor, noise: Tensor, sigmas_B: Tensor) -> Tensor:
    """x_t = (1 - sigma) x + sigma e, for latents (B, ...) packed or not."""
    sigmas = sigmas_B.view(-1, *[1] * (latents.ndim - 1))
    return torch.lerp(latents, noise, sigmas.to(latents.dtype))


def velocity_target(latents: Tensor, noise: Tensor) -> Tensor:
    """What the transformer learns to predict from x_t: the derivative e - x of x_t in sigma."""
    return noise - latents


def euler_step(latents: Tensor, velocity: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """x at `sigma_next`, from x and its velocity at `sigma`; in float32."""
    return latents.float() + (sigma_next - sigma) * velocity.float()


def pack(latents_BCHW: Tensor, patch: int = PATCH) -> Tensor:
    """Tokens (B, H/P * W/P, P P C), row by row; the channel order is the stock pipeline's.

    H, W: multiples of `patch`.
    """
    batch, channels, height, width = latents_BCHW.shape
    patches = latents_BCHW.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * patch * patch)


def unpack(tokens_BND: Tensor, height: int, width: int) -> Tensor:
    """Latents (B, C, H, W) from tokens: the inverse of `pack`. height, width: those of the latents.

    How many of them a token covers follows from the number of tokens.
    """
    batch, num_tokens, depth = tokens_BND.shape
    patch = math.isqrt(height * width // num_tokens)
    channels = depth // (patch * patch)
    patches = tokens_BND.reshape(batch, height // patch, width // patch, channels, patch, patch)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, height, width)


def _dynamic_mu(config: Mapping[str, Any], num_tokens: int) -> float:
    """Linear through (base_image_seq_len, base_shift) and (max_image_seq_len, max_shift)."""
    base_tokens, max_tokens = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    base_shift, max_shift = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    slope = (max_shift - base_shift) / (max_tokens - base_tokens)
    return base_shift + slope * (num_tokens - base_tokens)
