"""Which pairs of pictures the editor learns from, and what it is told about them.

The embedded editor plays the general editor of the paper: told apart poorly are the pairs that people and
models confuse (section 1), and no label carries a strength. Both are left for the adapter to mend.
"""

from dataclasses import dataclass

import numpy as np

from pixelsmile.expressions import SYNONYMS, confusing_partner
from recipes.embedded.pictures import Picture
from recipes.embedded.plan import EditorPlan
from recipes.embedded.text import PROMPTS, phrased

CANONICAL_SHARE = 0.7  # of the prompts name the expression by its own name, in the adapter's own wording

_WORDS: dict[str, list[str]] = {}
for _word, _name in SYNONYMS.items():
    _WORDS.setdefault(_name, []).append(_word)


@dataclass(frozen=True)
class Pair:
    """An edit to learn: from picture `source` to picture `target` (indices), asked for by `prompt`."""

    source: int
    target: int
    prompt: str


class Pairs:
    """Draws edits between pictures of one identity in one style."""

    def __init__(self, pictures: list[Picture], plan: EditorPlan) -> None:
        self.pictures, self.plan = pictures, plan
        groups: dict[tuple[int, str], list[int]] = {}
        for index, picture in enumerate(pictures):
            groups.setdefault((picture.identity_seed, picture.domain), []).append(index)
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
        shown = self.pictures[target]
        label = confused_label(shown.expression, self.plan.confusion_rate, rng)
        word = label if rng.random() < CANONICAL_SHARE else str(rng.choice(_WORDS[label]))
        return Pair(source, target, phrased(word, shown.domain, wording))


def confused_label(expression: str, rate: float, rng: np.random.Generator) -> str:
    """The label of a picture: with probability `rate` its confusing partner's, where it has one."""
    partner = confusing_partner(expression)
    return partner if partner and rng.random() < rate else expression
