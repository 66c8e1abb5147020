"""The losses of the identity encoders against their formulas, and the measures of verification by hand."""

import math

import numpy as np
import pytest
import torch

from recipes.faces.encoders.losses import (
    AdaptiveMargin,
    AngularMargin,
    Triplet,
    adaptive_margin_logits,
    angular_margin_logits,
    qualities,
    triplet_terms,
)
from recipes.faces.encoders.plan import AdaptiveMarginPlan, AngularMarginPlan, TripletPlan
from recipes.faces.encoders.quality import PixelEncoder
from recipes.faces.encoders.verification import (
    Scores,
    area_under_curve,
    summary,
    true_accept_rate,
)


def cosines_and_labels():
    rng = np.random.default_rng(4)
    cosines = torch.from_numpy(rng.uniform(-0.95, 0.95, (6, 5))).requires_grad_()
    return cosines, torch.tensor([0, 3, 1, 4, 4, 2])


def softmax_loss(own, others):
    """-log of the softmax, for one embedding."""
    return -math.log(math.exp(own) / (math.exp(own) + sum(map(math.exp, others))))


def by_hand(cosines, labels, scale, own_of):
    """The mean loss with `own_of(index, angle)` in place of the own cosine."""
    losses = []
    for index, (row, label) in enumerate(zip(cosines.tolist(), labels.tolist(), strict=True)):
        own = scale * own_of(index, math.acos(row[label]))
        losses.append(softmax_loss(own, [scale * c for j, c in enumerate(row) if j != label]))
    return sum(losses) / len(losses)


def test_angular_margin_is_equation_3_of_arcface():
    cosines, labels = cosines_and_labels()
    logits = angular_margin_logits(cosines, labels, 4.0, 0.3)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    expected = by_hand(cosines, labels, 4.0, lambda _, angle: math.cos(angle + 0.3))
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert torch.autograd.gradcheck(lambda c: angular_margin_logits(c, labels, 4.0, 0.3), (cosines,))


def test_angular_margin_of_zero_is_a_plain_softmax():
    cosines, labels = cosines_and_labels()
    torch.testing.assert_close(angular_margin_logits(cosines, labels, 4.0, 0.0), 4.0 * cosines)


def test_angular_margin_never_rises_with_the_angle():
    angles = torch.linspace(0.01, math.pi - 0.01, 2000, dtype=torch.float64)
    cosines, labels = angles.cos()[:, None], torch.zeros(2000, dtype=torch.long)
    logits = angular_margin_logits(cosines, labels, 1.0, 0.5)[:, 0]
    steps = logits.diff()
    assert (steps < 0).all()
    assert steps.abs().max() < 0.003  # no jump


@pytest.mark.parametrize("make", [AngularMargin, AdaptiveMargin])
def test_a_person_who_is_met_at_the_centre_costs_nothing(make):
    plan = AngularMarginPlan(scale=64.0) if make is AngularMargin else AdaptiveMarginPlan(scale=64.0)
    head = make(plan, 4, 4).double()
    with torch.no_grad():
        head.centres.weight_KD.copy_(torch.eye(4))
    embeddings = (3 * torch.eye(4, dtype=torch.float64)).requires_grad_()
    losses = head(embeddings, torch.arange(4))
    losses["loss"].backward()
    assert losses["loss"].item() < 1e-9
    assert embeddings.grad.abs().max() < 1e-9
    assert losses["own_cosine"].item() == pytest.approx(1, abs=1e-5)


def test_adaptive_margin_is_the_equation_of_adaface():
    cosines, labels = cosines_and_labels()
    lengths = torch.tensor([5.0, 9.0, 10.0, 12.0, 30.0, 1.0], dtype=torch.float64)
    mean, deviation, h, m, s = 10.0, 4.0, 0.333, 0.4, 4.0
    z = [max(-1.0, min(1.0, (length - mean) / ((deviation + 1e-3) / h))) for length in lengths.tolist()]
    assert z[4] == 1.0
    found = qualities(lengths, torch.tensor(mean).double(), torch.tensor(deviation).double(), h)
    torch.testing.assert_close(found, torch.tensor(z, dtype=torch.float64))
    loss = torch.nn.functional.cross_entropy(adaptive_margin_logits(cosines, labels, found, s, m), labels)

    def own(index, angle):
        return math.cos(angle - m * z[index]) - (m * z[index] + m)

    assert loss.item() == pytest.approx(by_hand(cosines, labels, s, own), abs=1e-12)
    assert torch.autograd.gradcheck(lambda c: adaptive_margin_logits(c, labels, found, s, m), (cosines,))


@pytest.mark.parametrize(
    ("z", "own"),
    [
        (-1.0, lambda angle: math.cos(angle + 0.4)),  # ArcFace
        (0.0, lambda angle: math.cos(angle) - 0.4),  # CosFace
        (1.0, lambda angle: math.cos(angle - 0.4) - 0.8),
    ],
)
def test_adaptive_margin_passes_from_arcface_over_cosface(z, own):
    cosines, labels = torch.tensor([[0.3, 0.1]], dtype=torch.float64), torch.tensor([0])
    logits = adaptive_margin_logits(cosines, labels, torch.tensor([z], dtype=torch.float64), 2.0, 0.4)
    assert logits[0].tolist() == pytest.approx([2 * own(math.acos(0.3)), 0.2])


def test_adaptive_margin_counts_lengths_and_passes_no_gradient_through_them():
    plan = AdaptiveMarginPlan(scale=4.0)
    head = AdaptiveMargin(plan, 3, 2).double()
    embeddings = torch.tensor([[3.0, 4.0], [0.0, 1.0], [2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    head(embeddings, torch.arange(3))["loss"].backward()
    lengths = torch.tensor([5.0, 1.0, 2.0], dtype=torch.float64)
    assert head.mean.item() == pytest.approx(0.99 * 20 + 0.01 * lengths.mean().item())
    assert head.deviation.item() == pytest.approx(0.99 * 100 + 0.01 * lengths.std().item())
    along = (embeddings.grad * embeddings.detach()).sum(1)  # a longer embedding has the same angle
    assert along.abs().max() < 1e-12
    assert {"mean", "deviation"} < set(head.state_dict())  # so that a resumed training knows them


@pytest.mark.parametrize("make", [AngularMargin, AdaptiveMargin, Triplet])
def test_gradient_of_a_whole_loss(make):
    torch.manual_seed(0)
    plans = {AngularMargin: AngularMarginPlan(4.0), AdaptiveMargin: AdaptiveMarginPlan(4.0, momentum=0.0)}
    head = make(plans[make], 3, 4) if make in plans else make(TripletPlan(0.5))
    labels = torch.tensor([0, 0, 1, 1, 2])
    embeddings = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    lengths = embeddings.detach().norm(dim=1, keepdim=True)
    # Lengths are kept: the quality is a function of them that passes no gradient.
    assert torch.autograd.gradcheck(
        lambda e: head.double()(torch.nn.functional.normalize(e) * lengths, labels)["loss"], (embeddings,)
    )


def triplets_by_hand(points, labels, margin):
    """Section 3.2 of FaceNet in loops."""
    terms = []
    for a, label in enumerate(labels):
        squares = [sum((x - y) ** 2 for x, y in zip(points[a], point, strict=True)) for point in points]
        others = [square for square, other in zip(squares, labels, strict=True) if other != label]
        for p, other in enumerate(labels):
            if p != a and other == label:
                further = [square for square in others if square > squares[p]]
                negative = min(further) if further else max(others)
                terms.append(max(0.0, squares[p] - negative + margin))
    return terms


def test_triplets_are_semi_hard():
    rng = np.random.default_rng(2)
    points = rng.standard_normal((12, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4]
    expected = triplets_by_hand(points.tolist(), labels, 0.2)
    found = triplet_terms(torch.from_numpy(points), torch.tensor(labels), 0.2)
    assert found.tolist() == pytest.approx(expected, abs=1e-12)
    losses = Triplet(TripletPlan())(torch.from_numpy(5 * points), torch.tensor(labels))
    wrong = [term for term in expected if term > 0]
    assert 0 < len(wrong) < len(expected)
    assert losses["loss"].item() == pytest.approx(sum(wrong) / len(wrong), abs=1e-12)
    assert losses["wrong_share"].item() == pytest.approx(len(wrong) / len(expected))


def test_learned_triplets_cost_nothing():
    points = torch.eye(3, dtype=torch.float64).repeat_interleave(2, 0).requires_grad_()
    losses = Triplet(TripletPlan())(points, torch.tensor([0, 0, 1, 1, 2, 2]))
    losses["loss"].backward()
    assert losses["loss"].item() == losses["wrong_share"].item() == 0
    assert points.grad.abs().max() == 0


# How well pairs are told apart


def test_area_under_the_curve_by_hand():
    # of 3 x 3 comparisons 6 are right, 1 is a tie
    scores = Scores(np.array([0.9, 0.5, 0.3]), np.array([0.5, 0.4, 0.1]))
    assert area_under_curve(scores) == pytest.approx(6.5 / 9)
    assert area_under_curve(Scores(np.ones(4), np.zeros(4))) == 1
    assert area_under_curve(Scores(np.ones(4), np.ones(4))) == 0.5


def test_true_accept_rate_by_hand():
    scores = Scores(np.arange(100) / 100 + 0.005, np.arange(100) / 100)
    # 1 of 100 may pass: the threshold is the second highest, 0.98; 0.985 and 0.995 lie above
    assert true_accept_rate(scores, 0.01) == pytest.approx(0.02)
    # none may pass: the threshold is the highest, 0.99
    assert true_accept_rate(scores, 0.001) == pytest.approx(0.01)
    assert true_accept_rate(scores, 0.29) == pytest.approx(0.3)
    assert true_accept_rate(scores, 1.0) == 1


def test_intervals_hold_the_value_and_narrow_with_more_people():
    rng = np.random.default_rng(0)
    same, different = rng.normal(1, 1, 4000), rng.normal(0, 1, 4000)
    few = summary(Scores(same[:100], different[:100]), (0.01,), 300)
    many = summary(Scores(same, different), (0.01,), 300)
    assert few["auc_95"][0] < few["auc"] < few["auc_95"][1]
    width = {name: np.ptp(numbers["auc_95"]) for name, numbers in (("few", few), ("many", many))}
    assert width["few"] / width["many"] == pytest.approx(math.sqrt(40), rel=0.35)
    assert many["auc"] == pytest.approx(0.760, abs=0.015)  # Phi(1 / sqrt 2)
    assert summary(Scores(same[:100], different[:100]), (0.01,), 300) == few


def test_pixels_are_their_own_embedding():
    encoder = PixelEncoder()
    crops = np.random.default_rng(0).random((2, 3, 112, 112)).astype(np.float32)
    found = encoder.embed(crops)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    a, b = 2.0 * crops.reshape(2, -1).astype(np.float64) - 1
    cosine = a @ b / math.sqrt((a @ a) * (b @ b))
    assert found[0] @ found[1] == pytest.approx(cosine, abs=1e-5)
    torch.testing.assert_close(encoder.embed(torch.from_numpy(crops)), torch.from_numpy(found))
