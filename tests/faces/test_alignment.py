import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelsmile.errors import InputError
from pixelsmile.faces import alignment
from pixelsmile.faces.alignment import (
    TEMPLATE_5,
    align,
    align_batch,
    face_similarity,
    inverse,
    seen_box,
    similarity,
    template,
    warp,
    warp_batch,
)

NUMBERS = st.floats(-50, 50)


def apply(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


def test_the_template_is_arcfaces():
    assert TEMPLATE_5[0] - 0.5 == pytest.approx([38.2946, 51.6963])
    assert template(224) == pytest.approx(2 * TEMPLATE_5)


@given(st.floats(0.2, 5), st.floats(-np.pi, np.pi), NUMBERS, NUMBERS)
def test_an_exact_similarity_is_found_again(scale, angle, x, y):
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    np.testing.assert_allclose(similarity(TEMPLATE_5, apply(matrix, TEMPLATE_5)), matrix, atol=1e-9)


def test_noisy_landmarks_give_the_least_squares_similarity():
    rng = np.random.default_rng(0)
    points, targets = rng.normal(0, 30, (2, 5, 2))
    # the same by the normal equations of (a, b, x, y)
    rows = np.concatenate(
        [
            np.stack([points[:, 0], -points[:, 1], np.ones(5), np.zeros(5)], 1),
            np.stack([points[:, 1], points[:, 0], np.zeros(5), np.ones(5)], 1),
        ]
    )
    a, b, x, y = np.linalg.lstsq(rows, np.concatenate([targets[:, 0], targets[:, 1]]))[0]
    np.testing.assert_allclose(similarity(points, targets), [[a, -b, x], [b, a, y]], atol=1e-9)


def test_a_mirrored_face_is_not_mirrored_back():
    mirrored = TEMPLATE_5 * [-1, 1]
    assert np.linalg.det(face_similarity(mirrored)[:, :2]) > 0


@pytest.mark.parametrize(
    "landmarks",
    [np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.zeros((5, 3)), np.zeros((1, 2)), np.zeros(10)],
)
def test_landmarks_that_are_no_face_are_refused(landmarks):
    with pytest.raises(InputError):
        face_similarity(landmarks)


def test_the_identity_warp_returns_the_picture():
    picture = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    np.testing.assert_array_equal(warp(picture, np.eye(3)[:2], (7, 9)), picture)


def test_bilinear_by_hand_and_black_outside():
    picture = np.array([[0.0, 100.0]])[..., None]
    half = np.array([[1.0, 0, -0.5], [0, 1, 0]])  # half a pixel to the left
    np.testing.assert_allclose(warp(picture, half, (3, 1))[0, :, 0], [50, 50, 0])


def test_a_warp_in_bands_is_the_same_to_the_bit(monkeypatch):
    picture = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    turned = np.array([[0.9, -0.3, 4.7], [0.3, 0.9, -6.1]])
    whole = warp(picture, turned, (50, 41))
    monkeypatch.setattr(alignment, "_BAND_PIXELS", 200)  # four rows: the last band has one
    np.testing.assert_array_equal(warp(picture, turned, (50, 41)), whole)


def test_aligned_landmarks_lie_on_the_template():
    picture = np.zeros((300, 300, 1))
    landmarks = np.array([[100, 120], [180, 110], [145, 160], [115, 205], [175, 198]], dtype=float)
    x, y = np.round(landmarks[2] - 0.5).astype(int)
    picture[y - 2 : y + 3, x - 2 : x + 3] = 1
    aligned = align(picture, landmarks)
    rows, columns = np.nonzero(aligned[..., 0] > 0.5)
    nose = apply(face_similarity(landmarks), np.array([x + 0.5, y + 0.5]))
    assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx(nose, abs=0.3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.3, 3), st.floats(-3, 3))
def test_torch_and_numpy_warp_alike(seed, scale, angle):
    rng = np.random.default_rng(seed)
    pictures = rng.random((2, 23, 31, 3))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrices = np.stack([[[cos, -sin, x], [sin, cos, y]] for x, y in rng.normal(8, 8, (2, 2))])
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    warped = warp_batch(batch, torch.from_numpy(matrices), (17, 12)).permute(0, 2, 3, 1).numpy()
    expected = [warp(picture, matrix, (17, 12)) for picture, matrix in zip(pictures, matrices, strict=True)]
    np.testing.assert_allclose(warped, expected, atol=2e-6)


def test_the_torch_warp_has_right_gradients():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 1, 6, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    matrices = torch.tensor(
        [[[0.83, 0.11, 0.41], [-0.13, 0.91, 0.27]], [[1.3, 0.02, 0.2], [0.01, 1.17, -0.37]]]
    )
    matrices = matrices.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: warp_batch(a, b, (4, 4)), (pictures, matrices))


def test_a_batch_is_aligned_one_by_one():
    rng = np.random.default_rng(0)
    pictures = rng.random((3, 64, 64, 3)).astype(np.float32)
    landmarks = [TEMPLATE_5 * 0.4 + rng.normal(0, 2, (5, 2)) for _ in range(3)]
    batch = align_batch(torch.from_numpy(pictures).permute(0, 3, 1, 2), landmarks, 48)
    for index in range(3):
        alone = align(pictures[index], landmarks[index], 48)
        np.testing.assert_allclose(batch[index].permute(1, 2, 0).numpy(), alone, atol=2e-5)
    with pytest.raises(InputError, match="one each"):
        align_batch(torch.zeros(2, 3, 64, 64), landmarks)


def test_an_alignment_looks_at_nothing_outside_of_its_box():
    generator = torch.Generator().manual_seed(1)
    pictures = torch.rand(2, 3, 60, 80, generator=generator)
    landmarks = np.stack([0.2 * TEMPLATE_5 + (20, 15), 0.15 * TEMPLATE_5 + (45, 20)])
    x0, y0, x1, y1 = seen_box(landmarks, 112)
    outside = torch.ones(60, 80, dtype=torch.bool)
    outside[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)] = False
    assert 0.4 < outside.float().mean() < 0.9
    wanted = align_batch(pictures, landmarks)
    torch.testing.assert_close(align_batch(pictures * ~outside, landmarks), wanted)
    assert not torch.equal(align_batch(pictures * outside, landmarks), wanted)


def test_inverse_undoes():
    matrix = face_similarity(TEMPLATE_5 * 3 + 10)
    np.testing.assert_allclose(apply(inverse(matrix), apply(matrix, TEMPLATE_5)), TEMPLATE_5, atol=1e-9)
