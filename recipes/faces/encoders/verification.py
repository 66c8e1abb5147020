"""How well similarities tell pairs of one person from pairs of two, with the uncertainty of it.

Shape suffix: N pairs of each sort, one of each from every person who was tested.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_ROUNDING = 1e-9  # 0.29 * 100 is 28.999999999999996


@dataclass(frozen=True)
class Scores:
    """Similarities (N,) of pairs of one person, and of pairs of two; person i is in pair i of both."""

    same: np.ndarray
    different: np.ndarray

    def resampled(self, rng: np.random.Generator) -> "Scores":
        """As many people, drawn from these with replacement."""
        people = rng.integers(0, len(self.same), len(self.same))
        return Scores(self.same[people], self.different[people])

    def joined(self, other: "Scores") -> "Scores":
        """The pairs of both."""
        return Scores(
            np.concatenate([self.same, other.same]),
            np.concatenate([self.different, other.different]),
        )


def area_under_curve(scores: Scores) -> float:
    """The share of (same, different) in which the same are more alike; a tie counts half."""
    sorted_N = np.sort(scores.different)
    below = np.searchsorted(sorted_N, scores.same, "left")
    not_above = np.searchsorted(sorted_N, scores.same, "right")
    return float((below + not_above).mean() / (2 * len(sorted_N)))


def true_accept_rate(scores: Scores, false_accept_rate: float) -> float:
    """The share of same pairs above the lowest threshold that lets no more than that share of others pass."""
    num_allowed = int(false_accept_rate * len(scores.different) + _ROUNDING)
    highest_first = np.sort(scores.different)[::-1]
    threshold = highest_first[num_allowed] if num_allowed < len(highest_first) else -np.inf
    return float((scores.same > threshold).mean())


def summary(
    scores: Scores, false_accept_rates: Sequence[float], num_resamples: int, seed: int = 0
) -> dict[str, Any]:
    """The numbers of a report; `_95`: the middle 95 % of what resampled people give (bootstrap)."""
    found = _numbers(scores, false_accept_rates)
    rng = np.random.default_rng(seed)
    resampled = [_numbers(scores.resampled(rng), false_accept_rates) for _ in range(num_resamples)]
    report: dict[str, Any] = {"num_pairs_each": len(scores.same)}
    for name, value in found.items():
        ends = np.quantile([numbers[name] for numbers in resampled], (0.025, 0.975))
        report |= {name: round(value, 4), f"{name}_95": [round(float(end), 4) for end in ends]}
    return report | {
        "mean_same": round(float(scores.same.mean()), 4),
        "mean_different": round(float(scores.different.mean()), 4),
    }


def _numbers(scores: Scores, false_accept_rates: Sequence[float]) -> dict[str, float]:
    rates = {f"tar_at_far_{rate:g}": true_accept_rate(scores, rate) for rate in false_accept_rates}
    return {"auc": area_under_curve(scores), **rates}
