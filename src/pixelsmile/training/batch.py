"""What one training step is given: triplets as tensors, all branches in one batch, all of it from the cache.

A branch is a target: two of a triplet, or one where there is an instruction.

Shape suffixes: B triplets, R rows (B of branch a, then B of branch b if there is one), N tokens of a picture,
D channels of a token, T tokens of a prompt, E channels of its embedding, F numbers of an image feature, I of
an identity embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from pixelsmile.training.window import TokenWindow


@dataclass(frozen=True)
class TrainingBatch:
    """B triplets as R = num_branches * B rows; `TripletCache.batch` reads one. What no term needs is None.

    source, targets (R, N, D): packed, normalised latents. grid: their height and width before packing.
    neutral, prompts (R, T, E): embeddings with the source picture in view, zeros behind the shorter ones;
    mask (R, T): True on tokens that are there, the same ones in both. strengths (R): of the ground truth,
    0..2. features (R, F): of the targets, by the contrastive encoder. identities (R, I): of their faces.
    landmarks (R, 5, 2): x, y in pixels of the working picture; NaN where no face is.
    """

    source: Tensor
    targets: Tensor
    grid: tuple[int, int]
    neutral: Tensor
    prompts: Tensor
    mask: Tensor
    strengths: Tensor
    features: Tensor | None = None
    identities: Tensor | None = None
    landmarks: Tensor | None = None
    num_branches: int = 2

    def __len__(self) -> int:
        """The number of triplets, B."""
        return len(self.targets) // self.num_branches

    def within(self, window: TokenWindow) -> Self:
        """The same batch with the tokens of that window alone."""
        return replace(
            self,
            source=window.cut(self.source),
            targets=window.cut(self.targets),
            grid=window.latent_grid,
        )

    def rows(self, rows_P: Tensor) -> Self:
        """Some of its rows, as many tokens long as the longest of their prompts."""
        num_tokens = int(self.mask[rows_P].sum(1).max())
        tensors = {
            field.name: value[rows_P]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        cut = {name: tensors[name][:, :num_tokens] for name in ("neutral", "prompts", "mask")}
        return replace(self, **{**tensors, **cut})

    def to(self, device: torch.device | str) -> Self:
        """The same batch with all its tensors on `device`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        return replace(
            self, **{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}
        )

    def conditions(self) -> tuple[Tensor, Tensor | None]:
        """e_neu + alpha (e_tgt - e_neu) of each row (Eq. 5), (R, T, E), and the mask of its tokens.

        The form `all` of `editing/conditioning.py`, a batch at a time. No mask where all have one length.
        """
        strengths_R11 = self.strengths[:, None, None]
        mixed_RTE = (1 - strengths_R11) * self.neutral.float() + strengths_R11 * self.prompts.float()
        return mixed_RTE.to(self.neutral.dtype), None if bool(self.mask.all()) else self.mask


def padded(embeddings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Embeddings (T, E) of any length as (R, T, E), zeros behind the shorter ones, and the mask (R, T)."""
    lengths_R = torch.tensor([len(embedding) for embedding in embeddings])
    padded_RTE = torch.nn.utils.rnn.pad_sequence(list(embeddings), batch_first=True)
    return padded_RTE, torch.arange(padded_RTE.shape[1]) < lengths_R[:, None]


def draw_noise(seeds: Sequence[int], shape_ND: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """For each seed a number in 0..1 (B) and standard normal noise (B, N, D).

    Drawn on the CPU, one generator a seed: the same at any batch size and on any device.
    """
    uniform, noise = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        uniform.append(torch.rand((), generator=generator))
        noise.append(torch.randn(*shape_ND, generator=generator))
    return torch.stack(uniform).to(device), torch.stack(noise).to(device)
