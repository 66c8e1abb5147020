"""From encoded prompts and strengths to what the transformer is conditioned on (paper, 4.1 and 5.6).

Every interpolation below is one weighted sum over the prompts of an edit, the neutral one among them: with
weights w_k on the targets, the neutral prompt has 1 - sum w_k. Applied to embeddings it is Eq. 4 and 5,
e_neu + sum_k w_k (e_k - e_neu); applied to predicted velocities it serves prompts of any length:

    all        every token is interpolated (the published adapter)
    span       only the tokens in which the prompts differ; the rest are the neutral prompt's
    velocity   the predictions are interpolated, one forward a prompt

It is one of several ways to control an editor (`Control`); the others are trained: see `controls`.

Shape suffixes: R rows (forwards), T tokens of a prompt, D channels of an embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pixelsmile.editing.options import INTERPOLATIONS, Interpolation, check_conditioning
from pixelsmile.errors import ExpressionError


@dataclass(frozen=True)
class Prompt:
    """One encoded prompt: its token ids after the template's prefix, and an embedding (T, D) of them."""

    text: str
    token_ids: tuple[int, ...]
    embedding: Tensor


@dataclass(frozen=True)
class Term:
    """One forward of the transformer: an embedding (T, D), and the weight of the velocity it predicts.

    steer: what a control changes inside of the transformer for it; all terms of an edit have one, or none.
    """

    weight: float
    embedding: Tensor
    steer: Tensor | None = None


@dataclass(frozen=True)
class Aim:
    """What a sweep leads to: the neutral prompt, and one or, for a blend, several others.

    expressions: whose prompts these are; none for a prompt in one's own words. domain: human or anime.
    """

    neutral: Prompt
    targets: tuple[Prompt, ...]
    expressions: tuple[str, ...] = ()
    domain: str = "human"


class Control(Protocol):
    """How strengths become conditions of the transformer.

    shares_neutral: whether strength 0 is the same for all expressions: then it is made once.
    """

    @property
    def shares_neutral(self) -> bool: ...

    def form(self, wanted: str, aim: Aim) -> str:
        """What the conditioning is called, of what was wanted; before anything is made.

        ExpressionError, InputError, AdapterError for what it does not take.
        """
        ...

    def terms(self, form: str, aim: Aim, weights: Sequence[float]) -> list[Term]:
        """The condition of one sample. weights: one for each target, strength times its share in a blend."""
        ...

    def steer(self, steers_R: Tensor | None) -> None:
        """Change the transformer for the next forwards as the terms of their rows say; None: not at all."""
        ...


class TextualInterpolation:
    """The paper's way: nothing but prompts, and the transformer as it is."""

    shares_neutral = True

    def form(self, wanted: str, aim: Aim) -> Interpolation:
        return choose_interpolation(wanted, aim.neutral, aim.targets)

    def terms(self, form: str, aim: Aim, weights: Sequence[float]) -> list[Term]:
        return condition(
            choose_interpolation(form, aim.neutral, aim.targets), aim.neutral, aim.targets, weights
        )

    def steer(self, steers_R: Tensor | None) -> None:
        assert steers_R is None  # its terms have none


def choose_interpolation(conditioning: str, neutral: Prompt, targets: Sequence[Prompt]) -> Interpolation:
    """Which one to use. `auto`: all tokens where every prompt has the same length, velocities otherwise.

    InputError for an unknown name; ExpressionError where one on embeddings is asked for prompts of
    different lengths (padding would not do: the norm brings padded tokens back at full size).
    """
    check_conditioning(conditioning)
    lengths = [len(prompt.token_ids) for prompt in (neutral, *targets)]
    aligned = len(set(lengths)) == 1
    if conditioning == "auto":
        return "all" if aligned else "velocity"
    if conditioning != "velocity" and not aligned:
        raise ExpressionError(
            f"conditioning {conditioning!r} needs prompts of one token length, these have "
            f"{', '.join(map(str, lengths))}: use conditioning 'velocity' or 'auto'"
        )
    return next(interpolation for interpolation in INTERPOLATIONS if interpolation == conditioning)


def condition(
    interpolation: Interpolation, neutral: Prompt, targets: Sequence[Prompt], weights: Sequence[float]
) -> list[Term]:
    """The terms of one sample; the weights of the terms sum to 1.

    weights: one for each target, strength times its share in a blend; their sum may exceed 1. One term for
    the interpolations on embeddings; for velocities one for each prompt that has a weight (neutral alone at
    strength 0, the target alone at strength 1).
    """
    if interpolation == "velocity":
        return [
            Term(weight, prompt.embedding)
            for weight, prompt in zip(_with_neutral(weights), (neutral, *targets), strict=True)
            if weight != 0
        ]
    mixed_TD = interpolate(neutral.embedding, [target.embedding for target in targets], weights)
    if interpolation == "span":
        first, end = expression_span(neutral, targets)
        mixed_TD = torch.cat([neutral.embedding[:first], mixed_TD[first:end], neutral.embedding[end:]])
    return [Term(1.0, mixed_TD)]


def interpolate(neutral: Tensor, targets: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """e_neu + sum_k w_k (e_k - e_neu), for tensors of one shape; in float32, returned in the input's dtype.

    Eq. 4 and 5 with one target, section 5.6 with several. Exact at both ends: weights of zero give `neutral`,
    a single weight of one gives that target.
    """
    mixed = torch.zeros_like(neutral, dtype=torch.float32)
    for weight, embedding in zip(_with_neutral(weights), (neutral, *targets), strict=True):
        if weight != 0:
            mixed = mixed + weight * embedding.float()
    return mixed.to(neutral.dtype)


def expression_span(neutral: Prompt, targets: Sequence[Prompt]) -> tuple[int, int]:
    """First token and end (exclusive) of the part in which any of the prompts differs from the neutral one.

    All prompts have one length. Prompts that do not differ give an empty span.
    """
    rows = [target.token_ids for target in targets]
    differs = [
        any(row[position] != token for row in rows) for position, token in enumerate(neutral.token_ids)
    ]
    if not any(differs):
        return 0, 0
    return differs.index(True), len(differs) - differs[::-1].index(True)


def num_shared(neutral: Prompt, target: Prompt) -> int:
    """How many tokens at the start of two prompts are the same, the picture's among them.

    The text encoder is causal, so their embeddings are the same too; what follows carries the instruction.
    """
    pairs = zip(neutral.token_ids, target.token_ids, strict=False)
    shorter = min(len(neutral.token_ids), len(target.token_ids))
    return next((index for index, (a, b) in enumerate(pairs) if a != b), shorter)


def _with_neutral(weights: Sequence[float]) -> tuple[float, ...]:
    return (1.0 - sum(weights), *weights)
