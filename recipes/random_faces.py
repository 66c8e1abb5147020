"""Faces by chance: whose portrait is drawn for a network to learn from, and with which expression."""

from dataclasses import dataclass

import numpy as np

from pixelsmile.expressions import CONFUSING_PAIRS, EXPRESSIONS, Domain, confusing_partner
from pixelsmile.portraits import ActionUnits, action_units, render, sample_identity, scores


@dataclass(frozen=True)
class Drawing:
    """A portrait of one expression. identity_seed: who it is; strength: 0..1."""

    identity_seed: int
    domain: Domain
    expression: str
    strength: float
    variant: int

    @property
    def units(self) -> ActionUnits:
        """What the face does."""
        return action_units(self.expression, self.strength, self.variant)


@dataclass(frozen=True)
class Sample:
    """A portrait of any face.

    fade: how much of its movement is left when its latent is mixed with the neutral one. noise: deviation on
    its latent. Both where it becomes one.
    """

    identity_seed: int
    domain: Domain
    units: ActionUnits
    size_px: int
    fade: float = 1.0
    noise: float = 0.0

    def picture(self) -> np.ndarray:
        """The whole picture: uint8 (size, size, 3)."""
        return render(sample_identity(self.identity_seed), self.units, self.domain, self.size_px)

    def truth(self) -> np.ndarray:
        """The scores of the face, float32, in the order of EXPRESSIONS."""
        found = scores(self.units.scaled(self.fade))
        return np.array([found[name] for name in EXPRESSIONS], np.float32)


@dataclass(frozen=True)
class FacePlan:
    """What faces show: all expressions and variants, at strengths from 0 on, uniformly."""

    max_strength: float
    neutral_share: float
    blend_share: float  # two expressions, whose strengths add up to one strength
    pair_share: float = 0.5  # of the blends: the two of a confusing pair
    pair_weight: float = 2.0  # of a member of a confusing pair among the single expressions


def two_expressions(plan: FacePlan, rng: np.random.Generator) -> tuple[str, str]:
    """For a blend."""
    if rng.random() < plan.pair_share:
        return CONFUSING_PAIRS[rng.integers(len(CONFUSING_PAIRS))]
    one, other = rng.choice(len(EXPRESSIONS), 2, replace=False)
    return EXPRESSIONS[one], EXPRESSIONS[other]


def one_expression(plan: FacePlan, rng: np.random.Generator) -> str:
    """Members of confusing pairs come more often."""
    weights = np.array([plan.pair_weight if confusing_partner(name) else 1.0 for name in EXPRESSIONS])
    return EXPRESSIONS[rng.choice(len(EXPRESSIONS), p=weights / weights.sum())]


def blended(names: tuple[str, str], strength: float, share: float, variants: tuple[int, int]) -> ActionUnits:
    """The sum of two expressions, whose strengths add up to `strength`. share: of the first."""
    first = action_units(names[0], strength * share, variants[0])
    return first.plus(action_units(names[1], strength * (1 - share), variants[1]))
