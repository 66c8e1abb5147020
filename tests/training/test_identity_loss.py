"""The identity loss: distances on aligned crops, weights by each sample's own noise level."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pixelsmile.errors import InputError
from pixelsmile.faces.alignment import align, template
from pixelsmile.faces.encoders.encoder import Preprocessing
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.training.losses.identity import counting, has_face, identity_distances, identity_loss

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


def test_gradients_reach_generated_pictures_alone(encoder):
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


def test_by_hand():
    distances = torch.tensor([0.2, 0.4, 1.0, 0.6], dtype=torch.float64)  # a: 0.2, 0.4; b: 1.0, 0.6
    ones = torch.ones(4, dtype=torch.float64)
    assert identity_loss(distances, ones).tolist() == pytest.approx([0.6, 0.5])
    assert identity_loss(distances, ones, "mean").item() == pytest.approx(0.55)
    assert identity_loss(distances, ones, "sum").item() == pytest.approx(1.1)


def test_each_sample_has_its_own_weight():
    distances = torch.tensor([0.2, 0.4, 1.0, 0.6], dtype=torch.float64)
    weights = counting(torch.tensor([0.9, 0.1]).repeat(2), 0.6).double()
    assert identity_loss(distances, weights).tolist() == pytest.approx([0, 0.5])
    assert identity_loss(distances, weights, "mean").item() == pytest.approx(0.25)
    no_face_in_b = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    assert identity_loss(distances, no_face_in_b).tolist() == pytest.approx([0, 0.2])


def test_zero_and_gradient():
    assert identity_loss(torch.zeros(4), torch.ones(4), "sum").item() == 0
    distances = torch.rand(6, dtype=torch.float64).requires_grad_()
    weights = torch.tensor([1.0, 0, 1, 1, 0, 0.5], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d: identity_loss(d, weights), distances)
    identity_loss(distances, weights, "mean").backward()
    torch.testing.assert_close(distances.grad, weights / 6)


def test_faces_without_landmarks_are_known():
    points = landmarks(3)
    points[1, 2, 0] = math.nan
    assert has_face(points).tolist() == [True, False, True]


@pytest.mark.parametrize(("distances", "weights"), [(3, 3), (4, 2)])
def test_rows_that_are_no_two_branches_are_refused(distances, weights):
    with pytest.raises(InputError, match="give both branches of each, a first, then b"):
        identity_loss(torch.zeros(distances), torch.ones(weights))
