"""Drawn portraits: deterministic, the same at any size, and an expression moves nothing but the face."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixelsmile.errors import InputError
from pixelsmile.portraits import ActionUnits, action_units, draw_portrait, render, sample_identity
from pixelsmile.portraits.prototypes import PROTOTYPES

SEEDS = range(30)
MARGIN_PX = 6  # at 192 px: what a beard or a blurred edge reaches beyond the skin


def dilated(mask: np.ndarray) -> np.ndarray:
    """`mask` grown by MARGIN_PX."""
    grown = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(2 * MARGIN_PX + 1))
    return np.array(grown) > 0


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures, in decibels."""
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def test_identities_are_deterministic_and_differ():
    assert sample_identity(5) == sample_identity(5)
    assert len({sample_identity(seed) for seed in range(200)}) == 200


def test_the_same_person_and_face_give_the_same_pixels():
    units = action_units("happy", 0.7, 1)
    first = render(sample_identity(3), units, size=96)
    render(sample_identity(4), units, size=64)
    assert first.dtype == np.uint8
    assert first.shape == (96, 96, 3)
    np.testing.assert_array_equal(first, render(sample_identity(3), units, size=96))


@pytest.mark.parametrize("seed", range(12))
def test_an_expression_changes_only_the_face(seed):
    identity = sample_identity(seed)
    rest = draw_portrait(identity, ActionUnits(), size=192)
    for expression in ("surprised", "happy", "anxious"):
        moved = draw_portrait(identity, action_units(expression, 1.5), size=192)
        inside = dilated(rest.truth.face_mask | moved.truth.face_mask)
        changed = np.any(np.array(rest.image) != np.array(moved.image), axis=2)
        assert changed.sum() > 300
        assert not (changed & ~inside).any(), f"{expression}: {np.argwhere(changed & ~inside)[:5]}"


@pytest.mark.parametrize("seed", SEEDS)
def test_truth_is_sane_and_every_identity_draws(seed):
    expression = list(PROTOTYPES)[seed % len(PROTOTYPES)]
    portrait = draw_portrait(sample_identity(seed), action_units(expression, 2.0, seed % 3), size=96)
    truth = portrait.truth
    x0, y0, x1, y1 = truth.face_box
    assert 0 < x0 < x1 < 96
    assert 0 < y0 < y1 < 96
    xs, ys = truth.landmarks_5.T
    assert ((xs > x0) & (xs < x1) & (ys > y0) & (ys < y1)).all()
    left_eye, right_eye, nose, left, right = truth.landmarks_5
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left[0] < right[0]
    assert 0.08 < truth.face_mask.mean() < 0.40
    for x, y in truth.landmarks_5:
        assert truth.face_mask[int(y), int(x)]
    assert np.std(np.array(portrait.image)) > 10


@pytest.mark.parametrize("seed", [0, 7, 19])
def test_the_picture_does_not_depend_on_its_size(seed):
    identity, units = sample_identity(seed), action_units("fear", 0.8)
    at_128 = render(identity, units, size=128)
    for size in (256, 512):
        shrunk = Image.fromarray(render(identity, units, size=size)).resize((128, 128), Image.Resampling.BOX)
        assert psnr(np.array(shrunk), at_128) > 32


def test_no_unit_jumps():
    """A small step of any intensity changes the picture by little."""
    identity = sample_identity(11)
    for name in ActionUnits.__dataclass_fields__:
        for at in (0.0, 0.5, 1.0, 1.95):
            a = render(identity, ActionUnits(**{name: at}), size=64).astype(float)
            b = render(identity, ActionUnits(**{name: at + 0.02}), size=64)
            assert np.abs(a - b).mean() < 0.6, f"{name} jumps at {at}"


def test_refusals():
    identity = sample_identity(0)
    with pytest.raises(InputError, match="unknown domain 'oil'"):
        render(identity, ActionUnits(), domain="oil")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="4 pixels"):
        render(identity, ActionUnits(), size=4)
