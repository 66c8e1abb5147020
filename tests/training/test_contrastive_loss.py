"""The symmetric contrastive loss and its three forms, against formulas and numbers by hand."""

import math
from dataclasses import replace

import pytest
import torch

from pixelsmile.errors import InputError
from pixelsmile.training.losses.contrastive import (
    FORMS,
    ContrastiveSettings,
    symmetric_contrastive,
    triplet,
)
from pixelsmile.training.losses.cosines import cosine_distance

# cos(G, P) = 0.6 and cos(G, N) = 0.8, so d(G, P) = 0.4 and d(G, N) = 0.2
G = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
P = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
N = torch.tensor([[0.8, -0.6]], dtype=torch.float64)

BY_HAND = {
    "hinge": 0.4 - 0.2 + 0.2,
    "log_ratio": math.log((0.4 + 1e-6) / (0.2 + 1e-6)),
    "infonce": -math.log(math.exp(0.6 / 0.07) / (math.exp(0.6 / 0.07) + math.exp(0.8 / 0.07))),
}


def settings(form, **changes):
    return ContrastiveSettings(form, **changes)


def features(num, width=5, seed=0):
    return torch.randn(num, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_papers_numbers_are_the_defaults():
    assert ContrastiveSettings() == ContrastiveSettings("infonce", True, 0.07, 0.2, 1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_by_hand(form):
    assert triplet(G, P, N, settings(form)).item() == pytest.approx(BY_HAND[form], rel=1e-12)


@pytest.mark.parametrize(
    ("form", "where_alike", "at_its_best"),
    [
        ("hinge", 0.2, 0.0),  # d(G, P) = 0, d(G, N) = 2: below the margin
        ("log_ratio", 0.0, math.log(1e-6 / (2 + 1e-6))),
        ("infonce", math.log(2), math.log(1 + math.exp(-2 / 0.07))),
    ],
)
def test_where_truths_are_alike_and_at_the_lower_end(form, where_alike, at_its_best):
    assert triplet(G, P, P, settings(form)).item() == pytest.approx(where_alike, abs=1e-12)
    assert triplet(P, P, -P, settings(form)).item() == pytest.approx(at_its_best, abs=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_against_the_formula_with_plain_cosines(form):
    g, p, n = (features(6, seed=seed) for seed in range(3))
    near, far = (1 - torch.nn.functional.cosine_similarity(g, x, dim=1) for x in (p, n))
    expected = {
        "hinge": torch.relu(near - far + 0.3),
        "log_ratio": ((near + 1e-3) / (far + 1e-3)).log(),
        "infonce": -(((1 - near) / 0.5).exp() / (((1 - near) / 0.5).exp() + ((1 - far) / 0.5).exp())).log(),
    }[form]
    found = triplet(g, p, n, settings(form, margin=0.3, epsilon=1e-3, temperature=0.5))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_lengths_of_features_do_not_matter(form):
    g, p, n = (features(4, seed=seed) for seed in range(3))
    found = triplet(3 * g, 0.1 * p, 20 * n, settings(form))
    torch.testing.assert_close(found, triplet(g, p, n, settings(form)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_gradients_reach_generated_features_alone(form, symmetric):
    generated, truths = features(4).requires_grad_(), features(4, seed=1).requires_grad_()
    chosen = settings(form, symmetric=symmetric)
    assert torch.autograd.gradcheck(lambda g: symmetric_contrastive(g, truths.detach(), chosen), generated)
    symmetric_contrastive(generated, truths, chosen, "sum").backward()
    assert truths.grad is None
    assert generated.grad[:2].abs().sum() > 0
    assert (generated.grad[2:].abs().sum() > 0) == symmetric


@pytest.mark.parametrize("form", FORMS)
def test_a_step_down_the_gradient_moves_towards_the_own_truth(form):
    truths = features(2, seed=1)
    generated = (truths.flip(0) + 0.3 * features(2)).requires_grad_()  # each is nearer to the other's truth
    symmetric_contrastive(generated, truths, settings(form), "sum").backward()
    moved = generated.detach() - 1e-4 * generated.grad

    def gap(rows):  # how much nearer the own truth is than the other one
        return cosine_distance(rows, truths.flip(0)) - cosine_distance(rows, truths)

    assert (gap(moved) > gap(generated.detach())).all()


@pytest.mark.parametrize("form", FORMS)
def test_the_symmetric_loss_is_the_mean_of_both_branches(form):
    generated, truths = features(6), features(6, seed=1)
    (g_a, g_b), (p_a, p_b) = generated.chunk(2), truths.chunk(2)
    both, one = settings(form), settings(form, symmetric=False)
    a, b = triplet(g_a, p_a, p_b, both), triplet(g_b, p_b, p_a, both)
    torch.testing.assert_close(symmetric_contrastive(generated, truths, both), (a + b) / 2)
    torch.testing.assert_close(symmetric_contrastive(generated, truths, one), a)
    swapped = [torch.cat(rows.chunk(2)[::-1]) for rows in (generated, truths)]
    torch.testing.assert_close(symmetric_contrastive(*swapped, both), (a + b) / 2)
    torch.testing.assert_close(symmetric_contrastive(*swapped, one), b)


@pytest.mark.parametrize("form", FORMS)
def test_reductions(form):
    generated, truths = features(6), features(6, seed=1)
    values = symmetric_contrastive(generated, truths, settings(form), "none")
    assert values.shape == (3,)
    torch.testing.assert_close(
        symmetric_contrastive(generated, truths, settings(form), "mean"), values.mean()
    )
    torch.testing.assert_close(symmetric_contrastive(generated, truths, settings(form), "sum"), values.sum())


def test_near_features_in_float32_have_exact_distances():
    angle = 1e-4
    a = torch.tensor([[1.0, 0.0]])
    b = torch.tensor([[math.cos(angle), math.sin(angle)]])
    assert cosine_distance(a, b).item() == pytest.approx(1 - math.cos(angle), rel=1e-3)
    assert cosine_distance(a, a).item() == 0
    assert (1 - (a * b).sum()).item() != pytest.approx(1 - math.cos(angle), rel=1e-3)  # why it is so computed


def test_distances_widen_half_precision_and_show_a_zero():
    assert cosine_distance(G.half(), P.half()).dtype == torch.float32
    assert cosine_distance(torch.zeros(1, 2), torch.ones(1, 2)).isnan().all()


@pytest.mark.parametrize(("generated", "truths"), [((4, 5), (6, 5)), ((3, 5), (3, 5)), ((4, 5), (4, 6))])
def test_rows_that_are_no_two_branches_are_refused(generated, truths):
    with pytest.raises(InputError, match="give both branches of each, a first, then b"):
        symmetric_contrastive(torch.ones(generated), torch.ones(truths), ContrastiveSettings())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": "triplet"}, "unknown contrastive form 'triplet': choose from infonce, hinge, log_ratio"),
        ({"temperature": 0.0}, "temperature must be a number above 0, not 0.0"),
        ({"epsilon": -1.0}, "epsilon must be a number above 0, not -1.0"),
        ({"temperature": math.nan}, "temperature must be a number above 0"),
        ({"margin": -0.1}, "margin must be a number from 0 on, not -0.1"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(ContrastiveSettings(), **changes)
