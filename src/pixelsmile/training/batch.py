"""What one training step is given: triplets as tensors, both branches in one batch, all of it from the cache.

Shape suffixes: B triplets, R = 2 B rows (all of branch a, then all of branch b), N tokens of a picture, D
channels of a token, T tokens of a prompt, E channels of its embedding, F numbers of an image feature, I of
an identity embedding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from pixelsmile.errors import InputError
from pixelsmile.training.window import TokenWindow


@dataclass(frozen=True)
class CachedTarget:
    """One of the two targets of a triplet, as the cache holds it. What was not cached is None, or absent.

    latents (N, D): packed and normalised. prompt (T, E): of its expression, with the source picture in view.
    strength: 0..1. feature (F): of its picture, by the contrastive encoder. identities (I): of its face, by
    the name of the encoder. landmarks (5, 2): x, y in pixels of the working picture; NaN where no face is.
    """

    latents: Tensor
    prompt: Tensor
    strength: float
    feature: Tensor | None
    identities: Mapping[str, Tensor]
    landmarks: Tensor | None


@dataclass(frozen=True)
class CachedTriplet:
    """One triplet, as the cache holds it.

    key: hash of all that it was computed from. grid: height and width of the latents, before packing.
    source (N, D), neutral (T, E): as in `CachedTarget`.
    """

    key: str
    grid: tuple[int, int]
    source: Tensor
    neutral: Tensor
    a: CachedTarget
    b: CachedTarget


@dataclass(frozen=True)
class TrainingBatch:
    """B triplets as R = 2 B rows; `collate` makes one.

    source, targets (R, N, D): packed, normalised latents. grid: their height and width before packing.
    neutral, prompts (R, T, E): embeddings, zeros behind the shorter ones. neutral_mask, prompts_mask (R, T):
    True on tokens that are there. strengths (R): of the ground truth, 0..1. features (R, F), identities
    (R, I) by encoder, landmarks (R, 5, 2): of the ground truth, see `CachedTarget`. keys: of the B triplets.
    """

    source: Tensor
    targets: Tensor
    grid: tuple[int, int]
    neutral: Tensor
    neutral_mask: Tensor
    prompts: Tensor
    prompts_mask: Tensor
    strengths: Tensor
    features: Tensor | None
    identities: Mapping[str, Tensor]
    landmarks: Tensor | None
    keys: tuple[str, ...]

    def __len__(self) -> int:
        """The number of triplets, B."""
        return len(self.keys)

    def within(self, window: TokenWindow) -> Self:
        """The same batch with the tokens of that window alone."""
        return replace(
            self,
            source=window.cut(self.source),
            targets=window.cut(self.targets),
            grid=window.latent_grid,
        )

    def to(self, device: torch.device | str) -> Self:
        """The same batch with all its tensors on `device`."""
        moved = {field.name: _to(getattr(self, field.name), device) for field in fields(self)}
        return type(self)(**moved)


def collate(triplets: Sequence[CachedTriplet]) -> TrainingBatch:
    """The batch of these triplets, in their order.

    InputError where there are none, where their sizes differ, or some lack what others have.
    """
    grids = {triplet.grid for triplet in triplets}
    if len(grids) != 1:
        sizes = " and ".join(f"{height} x {width}" for height, width in sorted(grids)) or "no triplets"
        raise InputError(f"a batch needs triplets with latents of one size, not {sizes}: sort them by size")
    targets = [triplet.a for triplet in triplets] + [triplet.b for triplet in triplets]
    neutral_RTE, neutral_mask_RT = _padded([triplet.neutral for triplet in triplets] * 2)
    prompts_RTE, prompts_mask_RT = _padded([target.prompt for target in targets])
    return TrainingBatch(
        source=torch.stack([triplet.source for triplet in triplets] * 2),
        targets=torch.stack([target.latents for target in targets]),
        grid=grids.pop(),
        neutral=neutral_RTE,
        neutral_mask=neutral_mask_RT,
        prompts=prompts_RTE,
        prompts_mask=prompts_mask_RT,
        strengths=torch.tensor([target.strength for target in targets], dtype=torch.float32),
        features=_stacked("image features", [target.feature for target in targets]),
        identities=_identities(targets),
        landmarks=_stacked("landmarks", [target.landmarks for target in targets]),
        keys=tuple(triplet.key for triplet in triplets),
    )


def _padded(embeddings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Embeddings (R, T, E), zeros behind the shorter ones, and the mask (R, T)."""
    lengths_R = torch.tensor([len(embedding) for embedding in embeddings])
    padded_RTE = torch.nn.utils.rnn.pad_sequence(list(embeddings), batch_first=True)
    return padded_RTE, torch.arange(padded_RTE.shape[1]) < lengths_R[:, None]


def _identities(targets: Sequence[CachedTarget]) -> dict[str, Tensor]:
    names = sorted({name for target in targets for name in target.identities})
    parts = {name: _stacked(name, [target.identities.get(name) for target in targets]) for name in names}
    return {name: part for name, part in parts.items() if part is not None}


def _stacked(what: str, parts: Sequence[Tensor | None]) -> Tensor | None:
    """All parts as one tensor; None where none of them is there."""
    there = [part for part in parts if part is not None]
    if there and len(there) != len(parts):
        raise InputError(f"{len(there)} of {len(parts)} targets have {what}: cache all triplets alike")
    return torch.stack(there) if there else None


def _to(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: _to(part, device) for name, part in value.items()}
    return value
