"""Interpolation of prompts: the formula, exact ends, spans, and which form is used."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.editing.conditioning import (
    Prompt,
    choose_interpolation,
    condition,
    expression_span,
    interpolate,
)
from pixelsmile.editing.requests import blend_weights
from pixelsmile.errors import ExpressionError, InputError

weights_lists = st.lists(st.floats(0, 2), min_size=1, max_size=4)


def prompt(*token_ids: int, seed: int = 0) -> Prompt:
    generator = torch.Generator().manual_seed(seed)
    return Prompt("a prompt", token_ids, torch.randn(len(token_ids), 3, generator=generator))


NEUTRAL, HAPPY, SAD = prompt(1, 2, 3, 9, seed=1), prompt(1, 7, 3, 9, seed=2), prompt(1, 2, 8, 9, seed=3)
LONG = prompt(1, 2, 5, 6, 9, seed=4)


@given(weights_lists)
def test_interpolation_is_the_formula(weights: list[float]) -> None:
    neutral = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    targets = [
        torch.randn(4, 3, generator=torch.Generator().manual_seed(k)) for k in range(1, len(weights) + 1)
    ]
    exact = neutral.double()
    for weight, target in zip(weights, targets, strict=True):
        exact = exact + weight * (target.double() - neutral.double())
    torch.testing.assert_close(interpolate(neutral, targets, weights).double(), exact, rtol=0, atol=2e-5)


def test_the_ends_are_exact() -> None:
    targets = [HAPPY.embedding, SAD.embedding]
    assert torch.equal(interpolate(NEUTRAL.embedding, targets, [0.0, 0.0]), NEUTRAL.embedding)
    assert torch.equal(interpolate(NEUTRAL.embedding, targets, [0.0, 1.0]), SAD.embedding)


def test_half_precision_is_mixed_in_float32() -> None:
    neutral, target = NEUTRAL.embedding.bfloat16(), HAPPY.embedding.bfloat16()
    exact = neutral.float() + 0.3 * (target.float() - neutral.float())
    assert torch.equal(interpolate(neutral, [target], [0.3]), exact.bfloat16())


@given(st.sampled_from(["all", "span", "velocity"]), weights_lists.filter(lambda w: len(w) == 2))
def test_term_weights_sum_to_one(form: str, weights: list[float]) -> None:
    terms = condition(form, NEUTRAL, [HAPPY, SAD], weights)
    assert sum(term.weight for term in terms) == pytest.approx(1.0)


def test_the_span_covers_what_differs_and_leaves_the_rest_neutral() -> None:
    assert expression_span(NEUTRAL, [HAPPY]) == (1, 2)
    assert expression_span(NEUTRAL, [HAPPY, SAD]) == (1, 3)
    assert expression_span(NEUTRAL, [NEUTRAL]) == (0, 0)
    (term,) = condition("span", NEUTRAL, [HAPPY], [0.5])
    (everywhere,) = condition("all", NEUTRAL, [HAPPY], [0.5])
    assert torch.equal(term.embedding[[0, 2, 3]], NEUTRAL.embedding[[0, 2, 3]])
    assert torch.equal(term.embedding[1], everywhere.embedding[1])


def test_velocities_need_one_forward_at_the_ends() -> None:
    (start,) = condition("velocity", NEUTRAL, [LONG], [0.0])
    (end,) = condition("velocity", NEUTRAL, [LONG], [1.0])
    assert start.embedding is NEUTRAL.embedding
    assert end.embedding is LONG.embedding
    assert [term.weight for term in condition("velocity", NEUTRAL, [LONG], [1.5])] == [-0.5, 1.5]


def test_the_form_follows_the_lengths() -> None:
    assert choose_interpolation("auto", NEUTRAL, [HAPPY, SAD]) == "all"
    assert choose_interpolation("auto", NEUTRAL, [HAPPY, LONG]) == "velocity"
    assert choose_interpolation("velocity", NEUTRAL, [HAPPY]) == "velocity"
    assert choose_interpolation("span", NEUTRAL, [HAPPY]) == "span"


def test_forms_that_do_not_apply_are_refused() -> None:
    with pytest.raises(ExpressionError, match="these have 4, 5: use conditioning 'velocity'"):
        choose_interpolation("all", NEUTRAL, [LONG])
    with pytest.raises(InputError, match="unknown conditioning 'most': choose from auto, all"):
        choose_interpolation("most", NEUTRAL, [HAPPY])


def test_blend_weights_scale_with_the_strength() -> None:
    half, none = blend_weights({"happy": 0.6, "surprised": 0.4}, (0.5, 0))
    assert half == pytest.approx((0.3, 0.2))
    assert none == (0, 0)
