"""Krippendorff's alpha: his own worked examples, a second way to compute it, and panels of verdicts."""

from collections import Counter
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.judges import NoVerdict, Verdict
from pixelsmile.judges import agreement as agreement_module
from pixelsmile.judges.agreement import agreement, alpha_with_interval, krippendorff_alpha

X = np.nan
# Krippendorff (2011): A, two observers and binary data; B, two observers and nominal data; C, any number of
# observers and missing data, of which section E takes the interval difference.
A = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
B = [["abcde".index(value) for value in row] for row in ("aabbdcccedda", "babbbccceddd")]
C = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
    [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
]


@pytest.mark.parametrize(
    ("table", "level", "alpha"),
    [(A, "nominal", 0.095), (B, "nominal", 0.692), (C, "nominal", 0.743), (C, "interval", 0.849)],
)
def test_published_examples(table, level, alpha):
    assert krippendorff_alpha(table, level) == pytest.approx(alpha, abs=5e-4)


def alpha_by_coincidences(table: list[list[int | None]], level: str) -> Fraction:
    """The same from the matrix of coincidences (2011, section C), in fractions."""
    coincidences: Counter[tuple[int, int]] = Counter()
    for unit in zip(*table, strict=True):
        values = [value for value in unit if value is not None]
        for pair in permutations(values, 2):
            coincidences[pair] += Fraction(1, len(values) - 1)
    totals: Counter[int] = Counter()
    for (value, _), count in coincidences.items():
        totals[value] += count

    def difference(a: int, b: int) -> int:
        return (a - b) ** 2 if level == "interval" else int(a != b)

    observed = sum(count * difference(*pair) for pair, count in coincidences.items())
    expected = sum(totals[a] * totals[b] * difference(a, b) for a in totals for b in totals)
    return 1 - (sum(totals.values()) - 1) * observed / expected


def random_table(seed: int) -> list[list[int | None]]:
    generator = np.random.default_rng(seed)
    shape = generator.integers(2, 6), generator.integers(3, 30)
    values = generator.integers(0, 6, shape)
    return [[None if generator.random() < 0.3 else int(value) for value in row] for row in values]


@pytest.mark.parametrize("level", ["nominal", "interval"])
@pytest.mark.parametrize("seed", range(10))
def test_against_the_matrix_of_coincidences(seed, level):
    table = random_table(seed)
    alpha = krippendorff_alpha(np.array(table, dtype=float), level)
    assert alpha == pytest.approx(float(alpha_by_coincidences(table, level)), abs=1e-12)


def test_by_hand():
    # Units (0, 1) and (1, 1), pooled 0 1 1 1: observed 2 + 0, expected 2 * 3 * 1 / 3 = 2.
    assert krippendorff_alpha([[0, 1], [1, 1]], "nominal") == pytest.approx(0.0)
    assert krippendorff_alpha([[0, 1], [0, 1]], "nominal") == 1.0
    # Units (0, 1) and (1, 0): observed 4, expected 2 * 2 * 2 / 3.
    assert krippendorff_alpha([[0, 1], [1, 0]], "nominal") == pytest.approx(-0.5)


@pytest.mark.parametrize("table", [[[1, 2, 3]], [[1, X], [X, 2]], [[0.1, 0.1], [0.1, 0.1]], [[], []]])
def test_where_alpha_is_not_defined(table):
    assert krippendorff_alpha(table, "interval") is None
    assert krippendorff_alpha(table, "nominal") is None


def test_a_table_has_two_axes():
    with pytest.raises(ValueError, match="two axes"):
        krippendorff_alpha([1, 2, 3], "nominal")


def verdict(judge: str, happy: float, dominant: str) -> Verdict:
    return Verdict(judge, {**dict.fromkeys(EXPRESSIONS, 0.0), "happy": happy}, dominant)


def test_a_panel():
    found = agreement(
        {
            "a": {
                "1": verdict("a", 0.9, "happy"),
                "2": verdict("a", 0.1, "sad"),
                "3": verdict("a", 0.5, "shy"),
            },
            "b": {
                "1": verdict("b", 0.9, "happy"),
                "2": verdict("b", 0.1, "sad"),
                "3": NoVerdict("b", "empty", ""),
            },
            "c": {"1": verdict("c", 0.9, "happy"), "2": verdict("c", 0.1, "sad")},
        }
    )
    assert (found.judges, found.num_pictures, found.num_paired) == (("a", "b", "c"), 3, 2)
    assert found.num_without_verdict == {"a": 0, "b": 1, "c": 1}
    assert found.scores["happy"] == 1.0
    assert found.scores["sad"] is None
    assert found.all_scores == 1.0
    assert found.dominant == 1.0


def test_nobody_agrees_with_nobody():
    assert agreement({}).all_scores is None
    assert agreement({"a": {}, "b": {}}).dominant is None


def test_an_interval_is_around_the_value_and_draws_clusters():
    rng = np.random.default_rng(0)
    truth = rng.random(200)
    table = np.stack([truth + rng.normal(0, 0.1, 200), truth + rng.normal(0, 0.1, 200), np.full(200, np.nan)])
    alone = alpha_with_interval(table, "interval", range(200))
    assert alone.value == krippendorff_alpha(table, "interval")
    assert alone.num_units == 200
    assert alone.low < alone.value < alone.high
    assert 0.02 < alone.high - alone.low < 0.12
    twice = alpha_with_interval(np.hstack([table, table]), "interval", [*range(200), *range(200)])
    assert twice.high - twice.low == pytest.approx(alone.high - alone.low, rel=0.01)  # no more was seen
    assert alpha_with_interval(table, "interval", ["one"] * 200).low is None


def test_every_replicate_is_alpha_of_what_was_drawn(monkeypatch):
    """With one replicate both ends of the interval are alpha of that draw."""
    monkeypatch.setattr(agreement_module, "_NUM_REPLICATES", 1)
    rng = np.random.default_rng(1)
    interval = rng.random((3, 40))
    interval[0, :10] = interval[1:, 10] = np.nan
    nominal = rng.integers(0, 4, (3, 40)).astype(float)
    nominal[2, 5:20] = np.nan
    for table, level in ((interval, "interval"), (nominal, "nominal")):
        found = alpha_with_interval(table, level, range(40))
        drawn = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), size=1)[0]
        assert (
            found.low
            == found.high
            == pytest.approx(krippendorff_alpha(np.repeat(table, drawn, axis=1), level))
        )


def test_without_two_values_or_a_difference_there_is_none():
    nothing = alpha_with_interval([[1, np.nan], [np.nan, 1]], "interval", "ab")
    assert (nothing.value, nothing.low, nothing.num_units) == (None, None, 0)
    same = alpha_with_interval([[1, 1], [1, 1]], "nominal", "ab")
    assert (same.value, same.num_units) == (None, 2)
