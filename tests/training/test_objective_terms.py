"""The terms of the objective, each against formulas and numbers by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pixelsmile.editing.flow import add_noise
from pixelsmile.errors import InputError
from pixelsmile.faces.alignment import align, template
from pixelsmile.faces.encoders.encoder import Preprocessing
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.training.config import ContrastiveSettings
from pixelsmile.training.objective import (
    cosine_distance,
    counting,
    flow_matching,
    has_face,
    identity_distances,
    identity_loss,
    predicted_latents,
    symmetric_contrastive,
    triplet_loss,
)

FORMS = ("infonce", "hinge", "log_ratio")


def tokens(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_flow_by_hand():
    latents = torch.tensor([[[1.0, 2.0]], [[0.0, 4.0]]], dtype=torch.float64)
    noise = torch.tensor([[[3.0, 2.0]], [[1.0, 1.0]]], dtype=torch.float64)
    velocities = torch.tensor([[[1.0, 3.0]], [[1.0, -3.0]]], dtype=torch.float64)
    # targets e - x: (2, 0) and (1, -3); errors (-1, 3) and (0, 0)
    assert flow_matching(velocities, latents, noise).tolist() == [5.0, 0.0]


def test_flow_is_zero_at_the_true_velocity():
    latents, noise = tokens(3, 5, 4), tokens(3, 5, 4, seed=1)
    assert flow_matching(noise - latents, latents, noise).tolist() == [0.0] * 3


def test_flow_is_the_mean_over_tokens_and_channels():
    latents, noise, velocities = (tokens(2, 6, 4, seed=seed) for seed in range(3))
    expected = [
        sum(
            (velocities[b, n, d] - noise[b, n, d] + latents[b, n, d]).item() ** 2
            for n in range(6)
            for d in range(4)
        )
        / 24
        for b in range(2)
    ]
    assert flow_matching(velocities, latents, noise).tolist() == pytest.approx(expected, rel=1e-12)
    alone = [flow_matching(velocities[b : b + 1], latents[b : b + 1], noise[b : b + 1]) for b in range(2)]
    torch.testing.assert_close(torch.cat(alone), flow_matching(velocities, latents, noise))


def test_flow_gradient():
    latents, noise = tokens(2, 3, 4), tokens(2, 3, 4, seed=1)
    velocities = tokens(2, 3, 4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: flow_matching(v, latents, noise), velocities)
    flow_matching(velocities, latents, noise).mean().backward()
    torch.testing.assert_close(velocities.grad, 2 * (velocities.detach() - noise + latents) / 24)


def test_flow_in_half_precision_is_widened():
    latents, noise, velocities = (tokens(2, 3, 4, seed=seed).bfloat16() for seed in range(3))
    found = flow_matching(velocities, latents, noise)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, flow_matching(velocities.float(), latents.float(), noise.float()))


def test_predicted_latents_by_hand():
    latents, noise = torch.tensor([[[2.0]], [[2.0]]]), torch.tensor([[[6.0]], [[6.0]]])
    velocities, sigmas = torch.tensor([[[1.0]], [[4.0]]]), torch.tensor([0.25, 0.75])
    # x_t = 3 and 5; minus sigma v: 3 - 0.25 and 5 - 3
    assert predicted_latents(velocities, latents, noise, sigmas).flatten().tolist() == [2.75, 2.0]


def test_the_true_velocity_predicts_the_latents_at_every_level():
    latents, noise = tokens(5, 3, 4), tokens(5, 3, 4, seed=1)
    sigmas = torch.linspace(0, 1, 5, dtype=torch.float64)
    torch.testing.assert_close(predicted_latents(noise - latents, latents, noise, sigmas), latents)


def test_a_prediction_errs_by_sigma_times_the_error_of_the_velocity():
    latents, noise, errors = (tokens(2, 3, 4, seed=seed) for seed in range(3))
    sigmas = torch.tensor([0.2, 0.9], dtype=torch.float64)
    found = predicted_latents(noise - latents + errors, latents, noise, sigmas)
    torch.testing.assert_close(found, latents - sigmas[:, None, None] * errors)
    noisy = add_noise(latents, noise, sigmas)
    torch.testing.assert_close(found, noisy - sigmas[:, None, None] * (noise - latents + errors))


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
    return ContrastiveSettings(form=form, **changes)


def features(num, width=5, seed=0):
    return torch.randn(num, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("form", FORMS)
def test_contrastive_by_hand(form):
    assert triplet_loss(G, P, N, settings(form)).item() == pytest.approx(BY_HAND[form], rel=1e-12)


@pytest.mark.parametrize(
    ("form", "where_alike", "at_its_best"),
    [
        ("hinge", 0.2, 0.0),  # d(G, P) = 0, d(G, N) = 2: below the margin
        ("log_ratio", 0.0, math.log(1e-6 / (2 + 1e-6))),
        ("infonce", math.log(2), math.log(1 + math.exp(-2 / 0.07))),
    ],
)
def test_where_truths_are_alike_and_at_the_lower_end(form, where_alike, at_its_best):
    assert triplet_loss(G, P, P, settings(form)).item() == pytest.approx(where_alike, abs=1e-12)
    assert triplet_loss(P, P, -P, settings(form)).item() == pytest.approx(at_its_best, abs=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_against_the_formula_with_plain_cosines(form):
    g, p, n = (features(6, seed=seed) for seed in range(3))
    near, far = (1 - torch.nn.functional.cosine_similarity(g, x, dim=1) for x in (p, n))
    expected = {
        "hinge": torch.relu(near - far + 0.3),
        "log_ratio": ((near + 1e-3) / (far + 1e-3)).log(),
        "infonce": -(((1 - near) / 0.5).exp() / (((1 - near) / 0.5).exp() + ((1 - far) / 0.5).exp())).log(),
    }[form]
    found = triplet_loss(g, p, n, settings(form, margin=0.3, epsilon=1e-3, temperature=0.5))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_lengths_of_features_do_not_matter(form):
    g, p, n = (features(4, seed=seed) for seed in range(3))
    found = triplet_loss(3 * g, 0.1 * p, 20 * n, settings(form))
    torch.testing.assert_close(found, triplet_loss(g, p, n, settings(form)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_contrastive_gradients_reach_generated_features_alone(form, symmetric):
    generated, truths = features(4).requires_grad_(), features(4, seed=1).requires_grad_()
    chosen = settings(form, symmetric=symmetric)
    assert torch.autograd.gradcheck(lambda g: symmetric_contrastive(g, truths.detach(), chosen), generated)
    symmetric_contrastive(generated, truths, chosen).sum().backward()
    assert truths.grad is None
    assert generated.grad[:2].abs().sum() > 0
    assert (generated.grad[2:].abs().sum() > 0) == symmetric


@pytest.mark.parametrize("form", FORMS)
def test_a_step_down_the_gradient_moves_towards_the_own_truth(form):
    truths = features(2, seed=1)
    generated = (truths.flip(0) + 0.3 * features(2)).requires_grad_()  # each is nearer to the other's truth
    symmetric_contrastive(generated, truths, settings(form)).sum().backward()
    moved = generated.detach() - 1e-4 * generated.grad

    def gap(rows):  # how much nearer the own truth is than the other one
        return cosine_distance(rows, truths.flip(0)) - cosine_distance(rows, truths)

    assert (gap(moved) > gap(generated.detach())).all()


@pytest.mark.parametrize("form", FORMS)
def test_the_symmetric_loss_is_the_mean_of_both_branches(form):
    generated, truths = features(6), features(6, seed=1)
    (g_a, g_b), (p_a, p_b) = generated.chunk(2), truths.chunk(2)
    both, one = settings(form), settings(form, symmetric=False)
    a, b = triplet_loss(g_a, p_a, p_b, both), triplet_loss(g_b, p_b, p_a, both)
    torch.testing.assert_close(symmetric_contrastive(generated, truths, both), (a + b) / 2)
    torch.testing.assert_close(symmetric_contrastive(generated, truths, one), a)
    swapped = [torch.cat(rows.chunk(2)[::-1]) for rows in (generated, truths)]
    torch.testing.assert_close(symmetric_contrastive(*swapped, both), (a + b) / 2)
    torch.testing.assert_close(symmetric_contrastive(*swapped, one), b)


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
def test_features_that_are_no_two_branches_are_refused(generated, truths):
    with pytest.raises(InputError, match="give both branches of each, a first, then b"):
        symmetric_contrastive(torch.ones(generated), torch.ones(truths), ContrastiveSettings())


SIZE_PX = 16


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 49, 8)).double()
    return TorchEncoder("tiny", Preprocessing(size_px=SIZE_PX), network, "cpu")


def pictures(num, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num, 3, 24, 32, generator=generator, dtype=torch.float64) * 2 - 1


def landmarks(num):
    """Five points of a face in a picture of 32 x 24, turned and shrunk otherwise for each."""
    points = []
    for index in range(num):
        angle, scale = 0.2 * index, 0.8 + 0.1 * index
        turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        points.append((template(SIZE_PX) - SIZE_PX / 2) @ turn.T + [16, 12])
    return torch.from_numpy(np.stack(points))


def embeddings(encoder, images, points):
    """The slow way: one picture at a time, in NumPy."""
    unit = images.permute(0, 2, 3, 1).numpy() / 2 + 0.5
    crops = [align(image, face.numpy(), SIZE_PX) for image, face in zip(unit, points, strict=True)]
    return torch.from_numpy(encoder.embed(np.stack(crops).transpose(0, 3, 1, 2).astype(np.float64)))


def test_a_picture_is_no_distance_from_itself(encoder):
    images, points = pictures(3), landmarks(3)
    found = identity_distances(images, points, embeddings(encoder, images, points), encoder)
    assert found.shape == (3,)
    assert found.abs().max() < 1e-9


def test_distances_are_those_of_aligned_crops(encoder):
    images, truths, points = pictures(3), pictures(3, seed=1), landmarks(3)
    generated, true = embeddings(encoder, images, points), embeddings(encoder, truths, points)
    expected = 1 - (generated * true).sum(1)
    found = identity_distances(images, points, true, encoder)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    other = identity_distances(images, points + 2, true, encoder)
    assert (found - other).abs().min() > 1e-4  # the landmarks decide what is seen


def test_identity_gradients_reach_generated_pictures_alone(encoder):
    images, points = pictures(1).requires_grad_(), landmarks(1)
    truth = embeddings(encoder, pictures(1, seed=1), points).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: identity_distances(x, points, truth.detach(), encoder), images, fast_mode=True
    )
    identity_distances(images, points, truth, encoder).sum().backward()
    assert truth.grad is None
    assert images.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in encoder.network.parameters())


def test_levels_that_count():
    sigmas = torch.tensor([0.0, 0.3, 0.6, 0.601, 1.0])
    assert counting(sigmas, 0.6).tolist() == [1, 1, 1, 0, 0]
    assert counting(sigmas, 1.0).tolist() == [1] * 5
    assert counting(torch.arange(1001) / 1000, 0.6).sum() == 601  # timesteps 0 to 600


def test_identity_by_hand():
    distances = torch.tensor([0.2, 0.4, 1.0, 0.6], dtype=torch.float64)  # a: 0.2, 0.4; b: 1.0, 0.6
    ones = torch.ones(4, dtype=torch.float64)
    assert identity_loss(distances, ones).tolist() == pytest.approx([0.6, 0.5])


def test_each_sample_has_its_own_weight():
    distances = torch.tensor([0.2, 0.4, 1.0, 0.6], dtype=torch.float64)
    weights = counting(torch.tensor([0.9, 0.1]).repeat(2), 0.6).double()
    assert identity_loss(distances, weights).tolist() == pytest.approx([0, 0.5])
    no_face_in_b = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    assert identity_loss(distances, no_face_in_b).tolist() == pytest.approx([0, 0.2])


def test_identity_zero_and_gradient():
    assert identity_loss(torch.zeros(4), torch.ones(4)).tolist() == [0, 0]
    distances = torch.rand(6, dtype=torch.float64).requires_grad_()
    weights = torch.tensor([1.0, 0, 1, 1, 0, 0.5], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d: identity_loss(d, weights), distances)
    identity_loss(distances, weights).mean().backward()
    torch.testing.assert_close(distances.grad, weights / 6)


def test_faces_without_landmarks_are_known():
    points = landmarks(3)
    points[1, 2, 0] = math.nan
    assert has_face(points).tolist() == [True, False, True]


@pytest.mark.parametrize(("distances", "weights"), [(3, 3), (4, 2)])
def test_distances_that_are_no_two_branches_are_refused(distances, weights):
    with pytest.raises(InputError, match="give both branches of each, a first, then b"):
        identity_loss(torch.zeros(distances), torch.ones(weights))
