"""The portraits that the embedded editor is trained on: planned by chance, then drawn once.

Of each person a neutral one, canonical drawings of some expressions at full strength, and combinations of the
library's attributes at several strengths.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.expressions.library import Combination, read_library
from pixelsmile.portraits import ActionUnits, action_units, render, sample_identity
from recipes.embedded.plan import PicturePlan
from recipes.pictures import fill_one, worker_map
from recipes.work_folder import require_same_plan

PICTURES_FILE = "pictures.npy"


@dataclass(frozen=True)
class Drawing:
    """A portrait: the canonical drawing of an expression, or one of its combinations in the library."""

    identity_seed: int
    domain: Domain
    expression: str
    strength: float
    combination: int | None = None  # its place among those of the expression

    @property
    def units(self) -> ActionUnits:
        """What the face does."""
        if self.combination is None:
            return action_units(self.expression, self.strength)
        units = combinations_of(self.expression)[self.combination].units
        return ActionUnits(**units).scaled(self.strength)


@cache
def combinations_of(expression: str) -> tuple[Combination, ...]:
    """What the library has for an expression, but for what moves the head.

    The weights are trained on these, in this order, and know no words of heads; an edit in place has no hair
    to draw anew.
    """
    return tuple(one for one in read_library().combinations(expression) if not one.moves_head)


def planned_drawings(plan: PicturePlan, seed: int) -> list[Drawing]:
    """All pictures: for each identity and domain a neutral one, canonical ones, and combinations."""
    drawings = []
    for index in range(plan.num_identities):
        for domain_index, domain in enumerate(DOMAINS):
            rng = np.random.default_rng((seed, index, domain_index))
            identity_seed = plan.first_training_seed + index * len(DOMAINS) + domain_index
            drawings.append(Drawing(identity_seed, domain, NEUTRAL, 0.0))
            for name in rng.choice(EXPRESSIONS, plan.num_canonical, replace=False).tolist():
                drawings.append(Drawing(identity_seed, domain, name, 1.0))
            for name in rng.choice(EXPRESSIONS, plan.num_combinations, replace=False).tolist():
                strength = float(rng.choice(plan.strengths))
                combination = int(rng.integers(len(combinations_of(name))))
                drawings.append(Drawing(identity_seed, domain, name, strength, combination))
    return drawings


def draw_all(plan: PicturePlan, seed: int, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw all into `folder/pictures.npy` (N x size x size x 3, uint8), unless it exists.

    Yields how many are drawn. InputError where another plan was drawn there.
    """
    require_same_plan(folder, {"seed": seed, **asdict(plan)})
    drawings = planned_drawings(plan, seed)
    shape = (len(drawings), plan.size, plan.size, 3)
    with worker_map(num_workers) as mapped:
        yield from fill_one(
            folder / PICTURES_FILE,
            shape,
            lambda rows: mapped(partial(draw, size_px=plan.size), drawings[rows.start : rows.stop]),
            1_000,
        )


def draw(drawing: Drawing, size_px: int) -> np.ndarray:
    """The portrait (S, S, 3), uint8."""
    return render(sample_identity(drawing.identity_seed), drawing.units, drawing.domain, size_px)
