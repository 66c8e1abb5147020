"""Identities: whose faces are one person's, by embeddings, so that no person comes into two splits.

Two faces above the limit are one person, and so is whoever is linked to either (single linkage): a wrong link
joins two people, which costs a split some balance, where a missing one would leak a person into it.
Embeddings are compared in blocks; a million of 128 numbers are 256 MB, and an hour of one core's products.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pixelsmile.dataset.batches import Decide
from pixelsmile.dataset.config import IdentitySettings, SamePerson
from pixelsmile.dataset.rows import ID_DIGITS, Row, decoded_embedding

_BLOCK = 2048  # faces that are compared with as many others in one go


@dataclass(frozen=True)
class Identities:
    """The step's function: of all rows, what becomes of each."""

    settings: IdentitySettings

    def __call__(self, rows: Iterable[Row]) -> Decide:
        faces = _Known()
        for row in rows:
            faces.add(row, trusted=self.settings.trust_source)
        people = _people(faces, self.settings.min_cosine)
        sizes = Counter(people)
        least = self.settings.min_pictures

        def decide(number: int, row: Row) -> Row:
            row = row.updated(person=people[number])
            if (size := sizes[people[number]]) < least:
                return row.rejected("identities", "too few pictures of the person", size, least)
            return row

        return decide


class _Known:
    """What is kept in memory of all rows."""

    def __init__(self) -> None:
        self.ids = array("Q")
        self.named: list[str | None] = []  # who it is, where the source says so and is trusted
        self.groups: dict[tuple[str, str], array[int]] = {}  # by kind and encoder: which rows
        self.embeddings: dict[tuple[str, str], bytearray] = {}  # theirs, one after the other, as float16

    def add(self, row: Row, *, trusted: bool) -> None:
        kind = "drawn" if row.is_drawn else row.domain
        number = len(self.ids)
        self.ids.append(int(row.id, 16))
        named = row.identity if trusted else None
        self.named.append(None if named is None else f"{row.source}/{row.domain}/{named}")
        if row.embedding is not None and row.encoder is not None:
            key = (kind, f"{row.encoder} {row.domain}")
            self.groups.setdefault(key, array("Q")).append(number)
            self.embeddings.setdefault(key, bytearray()).extend(
                decoded_embedding(row.embedding).astype(np.float16).tobytes()
            )


def _people(faces: _Known, limits: SamePerson) -> list[str]:
    """A name for each row: that of the source, where there is one, else the id of the person's first."""
    parents = list(range(len(faces.ids)))
    first_of: dict[str, int] = {}
    for number, name in enumerate(faces.named):
        if name is not None:
            _join(parents, first_of.setdefault(name, number), number)
    for (kind, encoder), numbers in faces.groups.items():
        limit = float(getattr(limits, kind))
        embeddings = np.frombuffer(faces.embeddings[kind, encoder], np.float16).reshape(len(numbers), -1)
        for i, j in alike(embeddings, limit):
            a, b = numbers[i], numbers[j]
            if faces.named[a] is None or faces.named[b] is None:  # of two names the source knows better
                _join(parents, a, b)
    roots = [_root(parents, number) for number in range(len(parents))]
    names: dict[int, str] = {}
    for number, root in enumerate(roots):
        if (name := faces.named[number]) is not None:
            names.setdefault(root, name)
    return [names.get(root) or f"{faces.ids[root]:0{ID_DIGITS}x}" for root in roots]


def alike(embeddings_ND: np.ndarray, limit: float) -> Iterator[tuple[int, int]]:
    """Places i < j of all pairs whose cosine is at least `limit`."""
    for top in range(0, len(embeddings_ND), _BLOCK):
        rows = _unit(embeddings_ND[top : top + _BLOCK])
        for left in range(top, len(embeddings_ND), _BLOCK):
            cosines = rows @ _unit(embeddings_ND[left : left + _BLOCK]).T
            for i, j in np.argwhere(cosines >= limit).tolist():
                if top + i < left + j:
                    yield top + i, left + j


def _unit(embeddings_ND: np.ndarray) -> np.ndarray:
    wide = embeddings_ND.astype(np.float32)
    unit: np.ndarray = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


def _join(parents: list[int], a: int, b: int) -> None:
    """One group of two; its root is the first of its rows."""
    low, high = sorted((_root(parents, a), _root(parents, b)))
    parents[high] = low


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number
