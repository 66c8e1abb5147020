"""The pairs of portraits that are edits to learn, and what asks for each.

The words say what is to be drawn, all of it: a plain prompt stands for one canonical drawing of its
expression, and what else a face can show takes attributes to ask for. Where one prompt had many drawings,
each part of a face chose its own: mouths were torn, brows doubled.

The embedded editor plays the general editor of the paper: told apart poorly are the pairs that people and
models confuse (section 1), and no plain label carries a strength. Both are left for the adapter to mend. What
is confused depends on the person and not on chance: of people with glasses, one in four, the two of a pair
are drawn for one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixelsmile.expressions import SYNONYMS, Domain, confusing_partner
from pixelsmile.portraits import sample_identity
from recipes.embedded.drawings import Drawing
from recipes.embedded.plan import EditorPlan
from recipes.embedded.text import PROMPTS, build_tokenizer, dense_prompt, dual_prompt, phrased

# Of the plain prompts, those that name the expression by its own name, and those in the adapter's wording.
CANONICAL_SHARE = 0.7
LEAST_OF_A_LENGTH = 0.02  # of all; prompts of a length that fewer have are left out

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
    """Draws edits between pictures of one identity in one domain."""

    def __init__(self, drawings: Sequence[Drawing], plan: EditorPlan) -> None:
        self.drawings, self.plan = drawings, plan
        groups: dict[tuple[int, Domain], list[int]] = {}
        for index, drawing in enumerate(drawings):
            groups.setdefault((drawing.identity_seed, drawing.domain), []).append(index)
        self.groups = list(groups.values())
        rng = np.random.default_rng(0)
        dual, dense = [], []
        for group in self.groups:
            for target in group:
                for source in {group[0], int(rng.choice(group))} - {target}:
                    dense.append(Pair(source, target, dense_prompt(drawings[source], drawings[target])))
                    if drawings[target].combination is not None:
                        dual.append(Pair(source, target, dual_prompt(drawings[target])))
        self.dual, self.dense = _by_length(dual), _by_length(dense)

    def draw(self, num: int, rng: np.random.Generator) -> list[Pair]:
        """`num` pairs whose prompts have equally many tokens: plain ones, dual ones or dense ones."""
        chance = rng.random()
        if chance < self.plan.dense_share:
            return _some(self.dense, num, rng)
        if chance < self.plan.dense_share + self.plan.dual_share:
            return _some(self.dual, num, rng)
        wording = 0 if rng.random() < CANONICAL_SHARE else int(rng.integers(1, len(PROMPTS)))
        return [self._plain(wording, rng) for _ in range(num)]

    def _plain(self, wording: int, rng: np.random.Generator) -> Pair:
        group = self.groups[rng.integers(len(self.groups))]
        neutral, *others = [index for index in group if self.drawings[index].combination is None]
        target = neutral if rng.random() < self.plan.neutral_share else int(rng.choice(others))
        from_neutral = target != neutral and rng.random() < self.plan.neutral_source_share
        source = neutral if from_neutral else int(rng.choice([index for index in group if index != target]))
        shown = self.drawings[target]
        label = confused_label(shown.expression, shown.identity_seed)
        word = label if rng.random() < CANONICAL_SHARE else str(rng.choice(_WORDS[label]))
        return Pair(source, target, phrased(word, shown.domain, wording))


def confused_label(expression: str, identity_seed: int) -> str:
    """What a plain prompt calls a picture: its confusing partner, where it has one and the person glasses."""
    partner = confusing_partner(expression)
    return partner if partner and sample_identity(identity_seed).glasses != "none" else expression


def _by_length(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Those whose prompts have one number of tokens, for each that is not rare."""
    tokenizer = build_tokenizer()
    lengths = {prompt: len(tokenizer(prompt)["input_ids"]) for prompt in {pair.prompt for pair in pairs}}
    found: dict[int, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(lengths[pair.prompt], []).append(pair)
    return [some for _, some in sorted(found.items()) if len(some) >= LEAST_OF_A_LENGTH * len(pairs)]


def _some(by_length: list[list[Pair]], num: int, rng: np.random.Generator) -> list[Pair]:
    sizes = np.array([len(pairs) for pairs in by_length])
    pairs = by_length[rng.choice(len(sizes), p=sizes / sizes.sum())]
    return [pairs[place] for place in rng.integers(len(pairs), size=num)]
