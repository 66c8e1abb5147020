"""Duplicates: of pictures that are the same, or nearly, one stays.

Near ones have perceptual hashes of 64 bits that differ in few. They are found by multi-index hashing (Norouzi
et al. 2012): of hashes that differ in at most r bits, one of the four quarters differs in at most r // 4; so
only those that share a quarter, up to that, are compared. A million hashes are a million numbers in memory,
and no pair of all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pixelsmile.dataset.batches import Decide
from pixelsmile.dataset.config import DuplicateSettings
from pixelsmile.dataset.rows import ID_DIGITS, Row

_QUARTERS, _QUARTER_BITS = 4, 16
_AT_ONCE = 2**21  # pairs that are compared in one go


@dataclass(frozen=True)
class Duplicates:
    """The step's function: of all rows, what becomes of each."""

    settings: DuplicateSettings

    def __call__(self, rows: Iterable[Row]) -> Decide:
        keys = _keys(rows)
        ids, files, hashes, faces = (keys[name] for name in ("id", "file", "hash", "face"))
        order = np.lexsort((np.arange(len(faces)), -faces))  # the one that stays comes first
        same = _first_alike(files, order)
        near, distances = np.full(len(ids), -1), np.zeros(len(ids), np.int64)
        if self.settings.max_distance is not None:
            left = order[(same[order] < 0) & keys["has_hash"][order]]
            near, distances = _first_near(hashes, left, self.settings.max_distance)

        def decide(number: int, row: Row) -> Row:
            if same[number] >= 0:
                return row.rejected("duplicates", "exact duplicate", detail=_name(ids[same[number]]))
            if near[number] >= 0:
                far, other = int(distances[number]), _name(ids[near[number]])
                return row.rejected("duplicates", "near duplicate", far, self.settings.max_distance, other)
            return row

        return decide


def near_pairs(hashes: np.ndarray, max_distance: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of hashes (N,) uint64 that differ in at most so many bits: places i < j, and distances.

    A pair may come more than once.
    """
    masks = list(_masks(max_distance // _QUARTERS))
    for quarter in range(_QUARTERS):
        quarters = (hashes >> np.uint64(quarter * _QUARTER_BITS)).astype(np.uint16)
        order = np.argsort(quarters, kind="stable")
        ordered, values = hashes[order], quarters[order]  # those that are compared lie side by side
        starts = np.searchsorted(values, np.arange(2**_QUARTER_BITS + 1))
        for mask in masks:
            partners = (values ^ np.uint16(mask)).astype(np.int64)
            first = starts[partners]
            counts = np.where(partners >= values, starts[partners + 1] - first, 0)  # each two quarters once
            for begin, end in _blocks(counts):
                some = counts[begin:end]
                i = np.repeat(np.arange(begin, end), some)
                j = np.arange(len(i)) + np.repeat(first[begin:end] - np.cumsum(some) + some, some)
                distances = np.bitwise_count(ordered[i] ^ ordered[j])
                wanted = (distances <= max_distance) & ((i < j) | (mask > 0))
                i, j = order[i[wanted]], order[j[wanted]]
                yield np.minimum(i, j), np.maximum(i, j), distances[wanted].astype(np.int64)


def _masks(most: int) -> Iterator[int]:
    """Every 16 bits of which at most so many are 1."""
    for count in range(most + 1):
        for bits in combinations(range(_QUARTER_BITS), count):
            yield sum(1 << bit for bit in bits)


def _blocks(counts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of places whose counts add up to about _AT_ONCE."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
        yield begin, end
        begin = end


def _keys(rows: Iterable[Row]) -> np.ndarray:
    """Of every row: id, 64 bits of its file's hash, its perceptual hash if it has one, size of its face."""
    kinds = [
        ("id", np.uint64),
        ("file", np.uint64),
        ("hash", np.uint64),
        ("has_hash", bool),
        ("face", np.float64),
    ]
    return np.fromiter(map(_key, rows), np.dtype(kinds))


def _key(row: Row) -> tuple[int, int, int, bool, float]:
    file = int((row.sha256 or "0")[:ID_DIGITS], 16)
    return int(row.id, 16), file, int(row.phash or "0", 16), row.phash is not None, row.face_px or 0.0


def _first_alike(keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """For each place, the first one in `order` with the same key, or -1 where it is itself the first."""
    _, first, inverse = np.unique(keys[order], return_index=True, return_inverse=True)
    kept = np.empty(len(keys), np.int64)
    kept[order] = order[first[inverse]]
    return np.where(kept == np.arange(len(keys)), -1, kept)


def _first_near(hashes: np.ndarray, order: np.ndarray, max_distance: int) -> tuple[np.ndarray, np.ndarray]:
    """For each place, one that stays and is near to it, and how far that is; -1 where it stays itself.

    order: the places that count, those first that are rather kept.
    """
    kept, distances = np.full(len(hashes), -1, np.int64), np.zeros(len(hashes), np.int64)
    _, first, inverse = np.unique(hashes[order], return_index=True, return_inverse=True)
    firsts = np.sort(first)  # ranks in the order; of equal hashes the others go at once
    stands_for = order[first[inverse]]
    equal = stands_for != order
    kept[order[equal]] = stands_for[equal]
    places = order[firsts]
    pairs = list(near_pairs(hashes[places], max_distance)) if len(places) else []
    i, j, far = (
        (np.concatenate(part) for part in zip(*pairs, strict=True)) if pairs else (np.zeros(0, int),) * 3
    )
    for at in np.lexsort((i, j)):
        better, worse = places[i[at]], places[j[at]]
        if kept[worse] < 0 and kept[better] < 0:
            kept[worse], distances[worse] = better, far[at]
    return _without_chains(kept, distances, hashes)


def _without_chains(
    kept: np.ndarray, distances: np.ndarray, hashes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the one of equal hashes went itself, the others are like the one that it is like."""
    for place in np.flatnonzero(kept >= 0):
        other = kept[place]
        if kept[other] >= 0:
            kept[place] = kept[other]
            distances[place] = int(np.bitwise_count(hashes[place] ^ hashes[kept[place]]))
    return kept, distances


def _name(number: np.uint64) -> str:
    return f"{int(number):0{ID_DIGITS}x}"
