"""Who is drawn for the features, and with which face: settled by the number of the picture alone."""

from dataclasses import dataclass

import numpy as np

from pixelsmile.expressions import CONFUSING_PAIRS, DOMAINS, EXPRESSIONS, Domain, confusing_partner
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, action_units, scores
from recipes.features.plan import FacePlan, Plan

_SHOTS = 0  # stream of random numbers


@dataclass(frozen=True)
class Shot:
    """One picture. noise: deviation on its latent; 0 where it never becomes one."""

    identity_seed: int
    domain: Domain
    units: ActionUnits
    size_px: int
    noise: float = 0.0

    def truth(self) -> np.ndarray:
        """The scores of the face, float32, in the order of EXPRESSIONS."""
        found = scores(self.units)
        return np.array([found[name] for name in EXPRESSIONS], np.float32)


def shot_of(plan: Plan, index: int) -> Shot:
    """Picture `index`; the drawn ones come first, then those that are reconstructed."""
    pictures, rng = plan.pictures, np.random.default_rng((plan.seed, _SHOTS, index))
    domain = DOMAINS[rng.integers(len(DOMAINS))]
    units = sample_units(plan.faces, rng)
    seed = pictures.first_training_seed + index
    if index < pictures.num_drawn:
        return Shot(seed, domain, units, int(rng.choice(pictures.sizes_px)))
    noise = float(rng.uniform(0, pictures.max_noise)) if rng.random() < pictures.noisy_share else 0.0
    return Shot(seed, domain, units, pictures.editor_px, noise)


def sample_units(plan: FacePlan, rng: np.random.Generator) -> ActionUnits:
    """A face by chance, as the plan wants them."""
    kind, strength = rng.random(), float(rng.uniform(0, plan.max_strength))
    one, other = rng.integers(NUM_VARIANTS, size=2).tolist()
    if kind < plan.neutral_share:
        return ActionUnits()
    if kind < plan.neutral_share + plan.blend_share:
        first, second = _two_expressions(plan, rng)
        share = float(rng.random())
        units = action_units(first, strength * share, one)
        return units.plus(action_units(second, strength * (1 - share), other))
    return action_units(_expression(plan, rng), strength, one)


def _two_expressions(plan: FacePlan, rng: np.random.Generator) -> tuple[str, str]:
    if rng.random() < plan.pair_share:
        return CONFUSING_PAIRS[rng.integers(len(CONFUSING_PAIRS))]
    first, second = rng.choice(len(EXPRESSIONS), 2, replace=False)
    return EXPRESSIONS[first], EXPRESSIONS[second]


def _expression(plan: FacePlan, rng: np.random.Generator) -> str:
    weights = np.array([plan.pair_weight if confusing_partner(name) else 1.0 for name in EXPRESSIONS])
    return EXPRESSIONS[rng.choice(len(EXPRESSIONS), p=weights / weights.sum())]
