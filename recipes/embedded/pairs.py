"""The portraits that the embedded editor is trained on, and the pairs of them that are edits to learn.

The embedded editor plays the general editor of the paper: told apart poorly are the pairs that people and
models confuse (section 1), and no label carries a strength. Both are left for the adapter to mend.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, SYNONYMS, confusing_partner
from pixelsmile.portraits import NUM_VARIANTS, render, sample_identity
from recipes.embedded.plan import EditorPlan, PicturePlan
from recipes.embedded.text import PROMPTS, phrased
from recipes.pictures import fill_one, worker_map
from recipes.random_faces import Drawing
from recipes.work_folder import require_same_plan

PICTURES_FILE = "pictures.npy"
CANONICAL_SHARE = 0.7  # of the prompts name the expression by its own name, in the adapter's own wording

_WORDS: dict[str, list[str]] = {}
for _word, _name in SYNONYMS.items():
    _WORDS.setdefault(_name, []).append(_word)


def planned_drawings(plan: PicturePlan, seed: int) -> list[Drawing]:
    """All pictures: for each identity and domain a neutral one, then expressions, each another."""
    drawings = []
    for index in range(plan.num_identities):
        for domain_index, domain in enumerate(DOMAINS):
            rng = np.random.default_rng((seed, index, domain_index))
            identity_seed = plan.first_training_seed + index * len(DOMAINS) + domain_index
            drawings.append(Drawing(identity_seed, domain, NEUTRAL, 0.0, 0))
            chosen = rng.choice(len(EXPRESSIONS), plan.pictures_per_identity - 1, replace=False)
            for expression_index in chosen:
                strength = float(rng.uniform(plan.min_strength, 1.0))
                variant = int(rng.integers(NUM_VARIANTS))
                drawings.append(
                    Drawing(identity_seed, domain, EXPRESSIONS[expression_index], strength, variant)
                )
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


@dataclass(frozen=True)
class Pair:
    """An edit to learn: from picture `source` to picture `target` (indices), asked for by `prompt`."""

    source: int
    target: int
    prompt: str


class Pairs:
    """Draws edits between pictures of one identity in one domain."""

    def __init__(self, drawings: list[Drawing], plan: EditorPlan) -> None:
        self.drawings, self.plan = drawings, plan
        groups: dict[tuple[int, str], list[int]] = {}
        for index, drawing in enumerate(drawings):
            groups.setdefault((drawing.identity_seed, drawing.domain), []).append(index)
        self.groups = list(groups.values())

    def draw(self, num: int, rng: np.random.Generator) -> list[Pair]:
        """`num` pairs whose prompts have one wording, so that they have equally many tokens."""
        wording = 0 if rng.random() < CANONICAL_SHARE else int(rng.integers(1, len(PROMPTS)))
        return [self._pair(wording, rng) for _ in range(num)]

    def _pair(self, wording: int, rng: np.random.Generator) -> Pair:
        neutral, *others = self.groups[rng.integers(len(self.groups))]
        target = neutral if rng.random() < self.plan.neutral_share else int(rng.choice(others))
        rest = [index for index in (neutral, *others) if index != target]
        from_neutral = target != neutral and rng.random() < self.plan.neutral_source_share
        source = neutral if from_neutral else int(rng.choice(rest))
        shown = self.drawings[target]
        label = confused_label(shown.expression, self.plan.confusion_rate, rng)
        word = label if rng.random() < CANONICAL_SHARE else str(rng.choice(_WORDS[label]))
        return Pair(source, target, phrased(word, shown.domain, wording))


def confused_label(expression: str, rate: float, rng: np.random.Generator) -> str:
    """The label of a picture: with probability `rate` its confusing partner's, where it has one."""
    partner = confusing_partner(expression)
    return partner if partner and rng.random() < rate else expression
