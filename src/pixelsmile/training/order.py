"""Which triplet is trained on when: a function of the seed and of the position in the run alone.

Every epoch is a new permutation of all triplets; batches run across its end, so no triplet is left out. A
run that is continued, on any number of processes, sees the same triplets with the same noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch

from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes

_SEED_BITS = 63


class SeededTriplet(NamedTuple):  # a tuple, for the wrappers of several processes look into what they pass on
    """One triplet of a batch, by its number. seed: of all that is random about it here, noise and time."""

    triplet: int
    seed: int


@dataclass(frozen=True)
class Order:
    """Endless epochs over `num_samples` triplets. InputError where there is none."""

    num_samples: int
    seed: int

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise InputError("there is no triplet to train on: check data.triplets")

    def draws(self, positions: Sequence[int]) -> list[SeededTriplet]:
        """What lies at these positions, counted from 0 over all epochs."""
        return [
            SeededTriplet(self._index(position), derived_seed(self.seed, "draw", position))
            for position in positions
        ]

    def triplets(self, num_positions: int) -> Sequence[int]:
        """The triplets that lie at the first so many positions, each once, in the order of their numbers."""
        if num_positions >= self.num_samples:
            return range(self.num_samples)
        return sorted({self._index(position) for position in range(num_positions)})

    def _index(self, position: int) -> int:
        epoch, place = divmod(position, self.num_samples)
        return _permutation(self.num_samples, derived_seed(self.seed, "epoch", epoch))[place]


@dataclass(frozen=True)
class Layout:
    """How the triplets of a step lie on processes and accumulated parts.

    batch_size: of one process in one part. Layouts of one `global_batch` train on the same triplets in
    every step, grouped otherwise.
    """

    batch_size: int
    accumulation: int = 1
    num_processes: int = 1
    process: int = 0

    @property
    def global_batch(self) -> int:
        """Triplets a step, over all processes."""
        return self.batch_size * self.accumulation * self.num_processes

    def positions(self, step: int, part: int) -> range:
        """The positions that this process trains on in one part of a step (both counted from 0)."""
        parts_before = (step * self.accumulation + part) * self.num_processes + self.process
        return range(parts_before * self.batch_size, (parts_before + 1) * self.batch_size)


def derived_seed(*parts: object) -> int:
    """A seed in 0..2^63 - 1 for one use of a run's seed: the same parts always give the same."""
    return int(sha256_bytes("/".join(map(str, parts)).encode())[:16], 16) >> (64 - _SEED_BITS)


@lru_cache(maxsize=2)  # a batch may lie across the end of an epoch
def _permutation(num_samples: int, seed: int) -> list[int]:
    order: list[int] = torch.randperm(num_samples, generator=torch.Generator().manual_seed(seed)).tolist()
    return order
