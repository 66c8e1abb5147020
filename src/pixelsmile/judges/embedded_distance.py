"""How far twelve scores are from other scores, and from those of what was asked for.

Shape suffixes: E expressions, in the order of EXPRESSIONS.
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges.question import Target
from pixelsmile.portraits import NUM_VARIANTS, action_units, scores

LEAST_LENGTH = 0.3  # of what errors are measured by: below it, the judge's own errors would count as faults
PLAIN_STRENGTH = 0.5  # of an expression that is asked for without a strength: from here on it is plain to see
TOO_STRONG = 0.5  # a step too far counts so much of a step too short
Shown = Callable[[str, float, int], np.ndarray]  # the scores (E) of an expression at a strength in a variant
_NUM_STEPS = 6  # from the strength that is asked for to the full expression


def apart(truth_E: np.ndarray, edit_E: np.ndarray) -> float:
    """The distance of two faces' scores over the length of the longer: 0 for equal ones.

    1 for an expression and a face at rest, about 1.4 for two expressions that have nothing in common.
    """
    longer = max(float(np.linalg.norm(truth_E)), float(np.linalg.norm(edit_E)), LEAST_LENGTH)
    return _distance(truth_E, edit_E) / longer


@cache
def drawn_scores(expression: str, strength: float, variant: int) -> np.ndarray:
    """The true scores (E) of that expression as it is drawn; zeros for a face at rest."""
    if expression == NEUTRAL:
        return np.zeros(len(EXPRESSIONS))
    found = scores(action_units(expression, strength, variant))
    return np.array([found[name] for name in EXPRESSIONS])


def missing(target: Target, source_E: np.ndarray, edit_E: np.ndarray, shown: Shown = drawn_scores) -> float:
    """The way that an edit leaves to what was asked for, over the whole way from the source: 1 for a copy.

    Any variant of the expression will do. Without a strength, so will any strength that is plain to see; with
    one, what is stronger counts as missing TOO_STRONG of what it is too much.
    """
    return min(
        (_distance(edit_E, goal_E) + toll) / max(_distance(source_E, first_E), LEAST_LENGTH)
        for first_E, goal_E, toll in _goals(target, shown)
    )


def _goals(target: Target, shown: Shown) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """What is asked for, what else will do, and the distance that this costs."""
    strength = PLAIN_STRENGTH if target.strength is None else target.strength
    for variant in range(NUM_VARIANTS):
        first_E = shown(target.expression, strength, variant)
        for step in np.linspace(strength, max(strength, 1.0), _NUM_STEPS):
            goal_E = shown(target.expression, float(step), variant)
            toll = 0.0 if target.strength is None else TOO_STRONG * _distance(goal_E, first_E)
            yield first_E, goal_E, toll


def _distance(one_E: np.ndarray, other_E: np.ndarray) -> float:
    return float(np.linalg.norm(one_E - other_E))
