"""Duplicates: every near pair that comparing all with all would find, and which one of them stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.dataset.config import DuplicateSettings
from pixelsmile.dataset.duplicates import Duplicates, near_pairs
from pixelsmile.dataset.rows import Row


@given(st.lists(st.integers(0, 2**64 - 1), max_size=6), st.integers(0, 12), st.randoms(use_true_random=False))
def test_all_near_pairs_are_found_and_no_others(seeds, most, random):
    """Near ones are made by flipping bits of some numbers."""
    values = list(seeds)
    for value in seeds:
        for _ in range(3):
            for bit in random.sample(range(64), random.randint(0, 14)):
                value ^= 1 << bit
            values.append(value)
    hashes = np.array(values, np.uint64)
    found = {
        (int(i), int(j)): int(far)
        for part in near_pairs(hashes, most)
        for i, j, far in zip(*part, strict=True)
    }
    apart = {(i, j): (values[i] ^ values[j]).bit_count() for j in range(len(values)) for i in range(j)}
    assert found == {pair: far for pair, far in apart.items() if far <= most}


def row(number: int, phash: int | None, face_px: float = 100.0, sha256: str | None = None) -> Row:
    return Row(
        id=f"{number:016x}",
        source="s",
        key=str(number),
        domain="human",
        sha256=sha256 or f"{number:064x}"[::-1],
        phash=None if phash is None else f"{phash:016x}",
        face_px=face_px,
    )


def reasons(
    rows: list[Row], max_distance: int | None = 2
) -> list[tuple[str | None, float | None, str | None]]:
    decide = Duplicates(DuplicateSettings(max_distance=max_distance))(rows)
    decided = [decide(number, one) for number, one in enumerate(rows)]
    return [(one.reason, one.measured, one.detail and one.detail.lstrip("0")) for one in decided]


def test_the_largest_face_stays_and_of_equal_ones_the_first():
    rows = [row(1, 0b0), row(2, 0b1, 200.0), row(3, 0b1), row(4, 0xFF00), row(5, None), row(6, None)]
    assert reasons(rows) == [
        ("near duplicate", 1, "2"),
        (None, None, None),
        ("near duplicate", 0, "2"),
        (None, None, None),
        (None, None, None),
        (None, None, None),
    ]


def test_what_goes_takes_no_other_with_it():
    """Both ends are near to the middle, and not to one another."""
    ends_first = [row(1, 0b0, 300.0), row(2, 0b11, 200.0), row(3, 0b1111, 100.0)]
    assert [reason for reason, _, _ in reasons(ends_first)] == [None, "near duplicate", None]
    middle_first = [row(1, 0b0, 200.0), row(2, 0b11, 300.0), row(3, 0b1111, 100.0)]
    assert [reason for reason, _, _ in reasons(middle_first)] == ["near duplicate", None, "near duplicate"]


def test_equal_files_and_equal_hashes_follow_the_one_that_stays():
    rows = [row(1, 0, 300.0), row(2, 1, 200.0), row(3, 1, 100.0), row(4, 1, 50.0, sha256=row(2, 1).sha256)]
    assert reasons(rows) == [
        (None, None, None),
        ("near duplicate", 1, "1"),
        ("near duplicate", 1, "1"),
        ("exact duplicate", None, "2"),
    ]
    assert [reason for reason, _, _ in reasons(rows, None)] == [None, None, None, "exact duplicate"]


def test_nothing_is_no_duplicate():
    Duplicates(DuplicateSettings())([])


@pytest.mark.slow
def test_a_million_hashes():
    hashes = np.random.default_rng(0).integers(0, 2**64, 1_000_000, np.uint64)
    hashes[::1000] = hashes[1::1000] ^ np.uint64(0b1011)
    assert sum(len(i) for i, _, _ in near_pairs(hashes, 4)) >= 1000
