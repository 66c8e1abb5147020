"""Splits that share no person: who is in which, by lot, so that each domain has about its share in each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pixelsmile.dataset.rows import Row
from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.hashing import sha256_json
from pixelsmile.limits import shown

WHOLE = {"train": 1.0}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_TOLERANCE = 1e-6

Shares = Mapping[str, float]


@dataclass
class People:
    """How many pictures each person has, and in which domain."""

    num_pictures: dict[str, int] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    num_unnamed: int = 0

    def add(self, row: Row) -> None:
        """Count one more picture."""
        if row.person is None:
            self.num_unnamed += 1
            return
        self.num_pictures[row.person] = self.num_pictures.get(row.person, 0) + 1
        self.domains.setdefault(row.person, row.domain)


def parse_splits(text: str) -> dict[str, float]:
    """`train=.9,val=.05,test=.05` as shares, which come to 1. InputError."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if not _NAME.fullmatch(name) or not 0 < share <= 1:
            raise InputError(f"split {shown(part)} is none: write NAME=SHARE, such as train=.9,test=.1")
        if name in found:
            raise InputError(f"split {name} is named twice: name each once")
        found[name] = share
    if abs(sum(found.values()) - 1) > _TOLERANCE:
        raise InputError(f"the splits come to {sum(found.values()):g}, not to 1: mend their shares")
    return found


class Splits:
    """Which split each person is in. The same people, shares and seed give the same."""

    def __init__(self, people: People, shares: Shares, seed: int) -> None:
        """InputError where somebody is unknown, or a split would have nobody."""
        self.names = tuple(shares)
        self._split_of: dict[str, str] = {}
        if len(shares) == 1:
            return
        if people.num_unnamed:
            raise InputError(
                f"of {people.num_unnamed:,} pictures nobody says whom they show, and splits may share no "
                "person: build the step identities, or give one split"
            )
        for domain in sorted(set(people.domains.values())):
            self._assign(people, domain, shares, seed)
        empty = set(shares) - set(self._split_of.values())
        if empty:
            raise InputError(
                f"split {min(empty)} would have nobody of {len(self._split_of):,} people: give it a larger "
                "share, or fewer splits"
            )

    def __getitem__(self, row: Row) -> str:
        """The split of a row."""
        if len(self.names) == 1:
            return self.names[0]
        assert row.person is not None
        return self._split_of[row.person]

    def num_people(self, people: People) -> dict[str, int]:
        """Of each split."""
        found = dict.fromkeys(self.names, 0)
        for person in people.num_pictures:
            found[self._split_of.get(person, self.names[0])] += 1
        return found

    def _assign(self, people: People, domain: Domain, shares: Shares, seed: int) -> None:
        """Each person, in an order by lot, to the split that lacks most of its pictures."""
        here = [person for person, found in people.domains.items() if found == domain]
        total = sum(people.num_pictures[person] for person in here)
        lacking = {name: share * total for name, share in shares.items()}
        for person in sorted(here, key=lambda person: sha256_json([seed, person])):
            split = max(lacking, key=lambda name: lacking[name])
            self._split_of[person] = split
            lacking[split] -= people.num_pictures[person]
