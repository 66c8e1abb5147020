"""Triplets as training reads them: all that does not change in training, computed once and kept on disk.

Latents of the three pictures, embeddings of the three prompts with the source in view, features, landmarks
and identity embeddings of the two targets. Entries are named by content, so runs share a folder, a run that
was killed goes on where it was, and a picture, a prompt or a network that changed is computed again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from pixelsmile.editing.flow import PATCH
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_json
from pixelsmile.training.batch import CachedTarget, CachedTriplet
from pixelsmile.training.cache_keys import CacheParts, KeyMaker, PartHashes, TargetKeys
from pixelsmile.training.cache_work import Worker, check_prompts, gather
from pixelsmile.training.store import TensorStore
from pixelsmile.training.window import TokenWindow
from pixelsmile.triplets.triplet import Target, Triplet


@dataclass(frozen=True)
class CacheProgress:
    """`done` of `total` pictures that were not cached, or not with all that is wanted of them."""

    done: int
    total: int


@dataclass(frozen=True)
class CacheReport:
    """What the cache holds of some triplets.

    num_faceless: targets in which no face was found, for which the identity term is off; always 0 where no
    identities are cached. num_damaged: shards that were found damaged. size_bytes: of the whole folder.
    """

    num_triplets: int
    num_pictures: int
    num_faceless: int
    num_damaged: int
    size_bytes: int


class TripletCache:
    """The cache in a folder, for pictures of `size_px` a side and the networks with these hashes.

    window: outside of it, features and identities see grey; latents and prompts are of the whole picture.
    It holds no network: once filled, those that training does not need can go. InputError where the folder
    cannot be read.
    """

    def __init__(
        self, folder: Path, size_px: int, hashes: PartHashes, window: TokenWindow | None = None
    ) -> None:
        self.size_px, self.hashes, self.window = size_px, hashes, window
        self._store = TensorStore(folder)
        self._maker = KeyMaker(size_px, hashes, window)

    def fill(self, triplets: Sequence[Triplet], parts: CacheParts) -> Iterator[CacheProgress]:
        """Compute what is missing, one picture at a time, and yield after each; all is on disk at the end.

        ImageError for a picture that cannot be used. Before the first: ExpressionError for prompts of unequal
        length, InputError for a size that the model cannot work at, or other networks.
        """
        self._check(parts)
        wanted = gather((triplet, self._maker.keys(triplet)) for triplet in triplets)
        check_prompts(wanted, parts.prompt_encoder.tokenizer)
        works = [work for work in wanted if any(key not in self._store for key in work.wanted())]
        worker = Worker(parts, self.size_px, self._store, self.window)
        yield CacheProgress(0, len(works))
        for done, work in enumerate(works, 1):
            worker.do(work)
            self._store.flush_full()
            if done == len(works):
                self._store.flush()
            yield CacheProgress(done, len(works))

    def has(self, triplet: Triplet) -> bool:
        """Whether all of it is cached."""
        return all(key in self._store for key in self._maker.keys(triplet).all())

    def read(self, triplet: Triplet) -> CachedTriplet:
        """A triplet from the cache alone. InputError where it was not filled in."""
        keys = self._maker.keys(triplet)
        if any(key not in self._store for key in keys.all()):
            raise InputError(
                f"the triplet of {str(triplet.source.image)!r} is not in the cache "
                f"{str(self._store.folder)!r}: fill it first"
            )
        source, neutral = self._store.read(keys.source), self._store.read(keys.neutral)
        side = isqrt(len(source)) * PATCH
        return CachedTriplet(
            key=keys.sha256,
            grid=(side, side),
            source=source,
            neutral=neutral,
            a=self._target(triplet.a, keys.a, neutral),
            b=self._target(triplet.b, keys.b, neutral),
        )

    def sha256(self, triplets: Sequence[Triplet]) -> str:
        """Of all that these were computed from, the bytes of their pictures among it; not of strengths."""
        return sha256_json([self._maker.keys(triplet).sha256 for triplet in triplets])

    def report(self, triplets: Sequence[Triplet]) -> CacheReport:
        """What is cached of these, all of which were filled in."""
        targets = {key for triplet in triplets for key in self._landmark_keys(triplet)}
        return CacheReport(
            num_triplets=len(triplets),
            num_pictures=len({path for triplet in triplets for path in triplet.images}),
            num_faceless=sum(not self._store.read(key).isfinite().all() for key in targets),
            num_damaged=self._store.num_damaged,
            size_bytes=self._store.size_bytes,
        )

    def _target(self, target: Target, keys: TargetKeys, neutral_TE: Tensor) -> CachedTarget:
        rest = self._store.read(keys.prompt)
        shared = neutral_TE[: len(neutral_TE) - len(rest)]
        return CachedTarget(
            latents=self._store.read(keys.latents),
            prompt=torch.cat([shared, rest]),
            strength=target.strength,
            feature=self._store.read(keys.feature) if keys.feature else None,
            identities={name: self._store.read(key) for name, key in keys.identities.items()},
            landmarks=self._store.read(keys.landmarks) if keys.landmarks else None,
        )

    def _landmark_keys(self, triplet: Triplet) -> set[str]:
        keys = self._maker.keys(triplet)
        return {key for key in (keys.a.landmarks, keys.b.landmarks) if key}

    def _check(self, parts: CacheParts) -> None:
        if parts.hashes != self.hashes:
            raise InputError("the cache was opened for other networks: open it with the hashes of these")
        multiple = parts.vae.spatial_compression_ratio * PATCH
        if self.size_px % multiple:
            raise InputError(
                f"size_px is {self.size_px}, the model works on multiples of {multiple}: take "
                f"{max(1, round(self.size_px / multiple)) * multiple}"
            )
