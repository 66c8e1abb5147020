"""Judged pictures against their truth: the numbers of a report. Shape suffixes: N pictures, E expressions."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, confusing_partner
from pixelsmile.judges.verdict import NoVerdict, Verdict


@dataclass(frozen=True)
class Judged:
    """A picture of an expression at a strength, its true scores, and what the judge said."""

    expression: str
    strength: float
    truth: np.ndarray  # E
    outcome: Verdict | NoVerdict


def summary(judged: list[Judged]) -> dict[str, Any]:
    """Refusals are counted beside the scores and enter none of them."""
    scored = [one for one in judged if not isinstance(one.outcome, NoVerdict)]
    truths_NE = np.array([one.truth for one in scored]).reshape(-1, len(EXPRESSIONS))
    scores_NE = np.array([_scores(one) for one in scored]).reshape(-1, len(EXPRESSIONS))
    full = [one for one in scored if one.strength == 1]
    neutral = [one for one in scored if one.expression == NEUTRAL]
    return {
        "pictures": len(judged),
        **refusals(judged),
        "accuracy_12": _share(full),
        "accuracy_in_pairs": _share([one for one in full if confusing_partner(one.expression)]),
        "pairs": _pairs(full),
        "accuracy_by_expression": {
            name: _share([one for one in full if one.expression == name]) for name in EXPRESSIONS
        },
        "neutral_seen_as_neutral": _share(neutral),
        "mean_absolute_error": _rounded(np.abs(scores_NE - truths_NE).mean()) if scored else None,
        "pearson": {
            name: _pearson(scores_NE[:, index], truths_NE[:, index]) for index, name in enumerate(EXPRESSIONS)
        },
        "curve": [_point(scored, strength) for strength in sorted({one.strength for one in scored})],
    }


def refusals(judged: list[Judged]) -> dict[str, Any]:
    """How many pictures have no verdict, and why."""
    reasons = Counter(
        "no face" if not one.outcome.transcript else "not drawn"
        for one in judged
        if isinstance(one.outcome, NoVerdict)
    )
    share = reasons.total() / len(judged) if judged else None
    return {
        "refused": reasons.total(),
        "refused_share": None if share is None else _rounded(share),
        "refused_for": dict(reasons),
    }


def _pairs(full: list[Judged]) -> dict[str, dict[str, float | None]]:
    """What the members of confusing pairs are taken for: themselves, their partner, or something else."""
    found = {}
    for name in EXPRESSIONS:
        if partner := confusing_partner(name):
            said = [_dominant(one) for one in full if one.expression == name]
            shares = {key: said.count(key) / len(said) if said else None for key in (name, partner)}
            found[name] = {key: None if share is None else _rounded(share) for key, share in shares.items()}
    return found


def _point(scored: list[Judged], strength: float) -> dict[str, float]:
    """The mean score of the expression that was drawn at a strength; of a neutral face its highest."""
    here = [one for one in scored if one.strength == strength]
    picked = [
        (one.truth.max(), _scores(one).max())
        if one.expression == NEUTRAL
        else (one.truth[_index(one)], _scores(one)[_index(one)])
        for one in here
    ]
    true, judged = np.mean(picked, axis=0)
    return {"strength": strength, "true": _rounded(true), "judged": _rounded(judged)}


def _scores(one: Judged) -> np.ndarray:
    assert not isinstance(one.outcome, NoVerdict)
    return np.array([one.outcome.scores[name] for name in EXPRESSIONS])


def _dominant(one: Judged) -> str:
    assert not isinstance(one.outcome, NoVerdict)
    return one.outcome.dominant


def _index(one: Judged) -> int:
    return EXPRESSIONS.index(one.expression)


def _share(judged: list[Judged]) -> float | None:
    """Of those whose dominant expression is the one that was drawn."""
    if not judged:
        return None
    return _rounded(np.mean([_dominant(one) == one.expression for one in judged]))


def _pearson(a_N: np.ndarray, b_N: np.ndarray) -> float | None:
    if len(a_N) < 2 or a_N.std() == 0 or b_N.std() == 0:
        return None
    return _rounded(np.corrcoef(a_N, b_N)[0, 1])


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)
