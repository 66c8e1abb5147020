"""From encoded prompts and strengths to what the transformer is conditioned on (paper, 4.1 and 5.6).

Every interpolation below is one weighted sum over the prompts of an edit, the neutral one among them: with
weights w_k on the targets, the neutral prompt has 1 - sum w_k. Applied to embeddings it is Eq. 4 and 5,
e_neu + sum_k w_k (e_k - e_neu); applied to predicted velocities it serves prompts of any length:

    all        every token is interpolated (the published adapter)
    span       only the tokens in which the prompts differ; the rest are the neutral prompt's
    velocity   the predictions are interpolated, one forward a prompt

Shape suffixes: T tokens of a prompt, D channels of an embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    """One forward of the transformer: an embedding (T, D), and the weight of the velocity it predicts."""

    weight: float
    embedding: Tensor


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


def _with_neutral(weights: Sequence[float]) -> tuple[float, ...]:
    return (1.0 - sum(weights), *weights)
