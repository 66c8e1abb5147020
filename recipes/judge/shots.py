"""Who is drawn for the judge, and with which face: settled by the number of the picture alone."""

from dataclasses import dataclass

import numpy as np

from pixelsmile.expressions import CONFUSING_PAIRS, DOMAINS, EXPRESSIONS, Domain, confusing_partner
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, action_units, scores
from recipes.judge.plan import FacePlan, Plan

_SHOTS = 0  # stream of random numbers


@dataclass(frozen=True)
class Shot:
    """One picture. fade: how much of the movement is left when its latent is mixed with the neutral one."""

    identity_seed: int
    domain: Domain
    units: ActionUnits
    size_px: int
    fade: float = 1.0

    def truth(self) -> np.ndarray:
        """The scores of the face, float32, in the order of EXPRESSIONS."""
        found = scores(self.units.scaled(self.fade))
        return np.array([found[name] for name in EXPRESSIONS], np.float32)


def shot_of(plan: Plan, index: int) -> Shot:
    """Picture `index`; the drawn ones come first, then those that are reconstructed."""
    pictures, rng = plan.pictures, np.random.default_rng((plan.seed, _SHOTS, index))
    domain = DOMAINS[rng.integers(len(DOMAINS))]
    units = sample_units(plan.faces, rng)
    size_px, fade = int(rng.choice(pictures.sizes_px)), 1.0
    if index >= pictures.num_drawn:
        size_px = pictures.editor_px
        fade = float(rng.random()) if rng.random() < pictures.faded_share else 1.0
    return Shot(pictures.first_training_seed + index, domain, units, size_px, fade)


def sample_units(plan: FacePlan, rng: np.random.Generator) -> ActionUnits:
    """A face by chance, as the plan wants them."""
    kind, strength = rng.random(), float(rng.uniform(0, plan.max_strength))
    if kind < plan.neutral_share:
        return ActionUnits()
    if kind < plan.neutral_share + plan.blend_share:
        return _blend(_two_expressions(plan, rng), strength, rng)
    name = _expression(plan, rng)
    if kind < plan.neutral_share + plan.blend_share + plan.mixed_share:
        return _blend((name, name), strength, rng)
    return action_units(name, strength, int(rng.integers(NUM_VARIANTS)))


def _blend(names: tuple[str, str], strength: float, rng: np.random.Generator) -> ActionUnits:
    """The sum of two, each in some variant; their strengths add up to `strength`."""
    share = float(rng.random())
    variants = rng.integers(NUM_VARIANTS, size=2).tolist()
    one = action_units(names[0], strength * share, variants[0])
    return one.plus(action_units(names[1], strength * (1 - share), variants[1]))


def _two_expressions(plan: FacePlan, rng: np.random.Generator) -> tuple[str, str]:
    if rng.random() < plan.pair_share:
        return CONFUSING_PAIRS[rng.integers(len(CONFUSING_PAIRS))]
    one, other = rng.choice(len(EXPRESSIONS), 2, replace=False)
    return EXPRESSIONS[one], EXPRESSIONS[other]


def _expression(plan: FacePlan, rng: np.random.Generator) -> str:
    weights = np.array([plan.pair_weight if confusing_partner(name) else 1.0 for name in EXPRESSIONS])
    return EXPRESSIONS[rng.choice(len(EXPRESSIONS), p=weights / weights.sum())]
