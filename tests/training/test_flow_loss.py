"""Flow matching: numbers by hand, gradients, reductions, and the picture that a velocity predicts."""

import pytest
import torch

from pixelsmile.editing.flow import add_noise
from pixelsmile.errors import InputError
from pixelsmile.training.losses.flow import flow_matching, predicted_latents


def tokens(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_by_hand():
    latents = torch.tensor([[[1.0, 2.0]], [[0.0, 4.0]]], dtype=torch.float64)
    noise = torch.tensor([[[3.0, 2.0]], [[1.0, 1.0]]], dtype=torch.float64)
    velocities = torch.tensor([[[1.0, 3.0]], [[1.0, -3.0]]], dtype=torch.float64)
    # targets e - x: (2, 0) and (1, -3); errors (-1, 3) and (0, 0)
    assert flow_matching(velocities, latents, noise).tolist() == [5.0, 0.0]
    assert flow_matching(velocities, latents, noise, "mean").item() == 2.5
    assert flow_matching(velocities, latents, noise, "sum").item() == 5.0


def test_zero_at_the_true_velocity():
    latents, noise = tokens(3, 5, 4), tokens(3, 5, 4, seed=1)
    assert flow_matching(noise - latents, latents, noise).tolist() == [0.0] * 3


def test_it_is_the_mean_over_tokens_and_channels():
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


def test_gradient():
    latents, noise = tokens(2, 3, 4), tokens(2, 3, 4, seed=1)
    velocities = tokens(2, 3, 4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: flow_matching(v, latents, noise), velocities)
    flow_matching(velocities, latents, noise, "mean").backward()
    torch.testing.assert_close(velocities.grad, 2 * (velocities.detach() - noise + latents) / 24)


def test_half_precision_is_widened():
    latents, noise, velocities = (tokens(2, 3, 4, seed=seed).bfloat16() for seed in range(3))
    found = flow_matching(velocities, latents, noise)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, flow_matching(velocities.float(), latents.float(), noise.float()))


def test_unknown_reductions_are_refused():
    with pytest.raises(InputError, match="unknown reduction 'average': choose none, mean or sum"):
        flow_matching(tokens(1, 1, 1), tokens(1, 1, 1), tokens(1, 1, 1), "average")


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
