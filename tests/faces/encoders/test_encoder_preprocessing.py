"""What the networks are given: hand-worked values, and the formulas of the original code."""

import numpy as np
import pytest
import torch

from pixelsmile.errors import ImageError, ModelError
from pixelsmile.faces.encoders.encoder import KINDS, PREPROCESSING, Preprocessing, preprocessing_of


def uniform(rgb, size_px):
    """One crop of a single colour, given in levels of 0..255."""
    levels = np.array(rgb, dtype=np.float64).reshape(1, 3, 1, 1)
    return np.broadcast_to(levels / 255, (1, 3, size_px, size_px)).copy()


@pytest.mark.parametrize(
    ("kind", "size_px", "expected"),
    [  # of the colour (255, 127.5, 0), worked out by hand
        ("arcface", 112, (1.0, 0.0, -1.0)),
        ("auraface", 112, (1.0, 0.0, -1.0)),
        ("adaface", 112, (-1.0, 0.0, 1.0)),  # BGR
        ("facenet", 160, (0.99609375, 0.0, -0.99609375)),  # 127.5 / 128
    ],
)
def test_hand_worked_values(kind, size_px, expected):
    prepared = PREPROCESSING[kind].apply(uniform((255, 127.5, 0), size_px))
    assert prepared.shape == (1, 3, size_px, size_px)
    np.testing.assert_allclose(prepared[0, :, 0, 0], expected, atol=1e-12)
    np.testing.assert_allclose(prepared[0, :, -1, -1], expected, atol=1e-12)


def test_formulas_of_the_original_code():
    rgb_HWC = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.float64)
    crop = (rgb_HWC / 255).transpose(2, 0, 1)[None]
    arcface = ((rgb_HWC - 127.5) / 127.5).transpose(2, 0, 1)  # insightface, after swapRB
    adaface = (((rgb_HWC[:, :, ::-1] / 255.0) - 0.5) / 0.5).transpose(2, 0, 1)  # AdaFace, to_input
    np.testing.assert_allclose(PREPROCESSING["arcface"].apply(crop)[0], arcface, atol=1e-12)
    np.testing.assert_allclose(PREPROCESSING["adaface"].apply(crop)[0], adaface, atol=1e-12)
    facenet = PREPROCESSING["facenet"].model_copy(update={"size_px": 112})
    expected = ((rgb_HWC - 127.5) / 128.0).transpose(2, 0, 1)  # facenet-pytorch, fixed_image_standardization
    np.testing.assert_allclose(facenet.apply(crop)[0], expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_numpy_and_torch_give_the_same_numbers(kind, dtype, crops):
    pictures = crops(2, PREPROCESSING[kind].size_px).astype(dtype)
    ours = PREPROCESSING[kind].apply(pictures)
    theirs = PREPROCESSING[kind].apply(torch.from_numpy(pictures))
    assert np.array_equal(ours, theirs.numpy())
    assert ours.dtype == (np.float64 if dtype is np.float64 else np.float32)


def test_a_gradient_passes_through_and_keeps_its_channel():
    pictures = torch.full((1, 3, 112, 112), 0.5, dtype=torch.float64, requires_grad=True)
    PREPROCESSING["adaface"].apply(pictures)[:, 0].sum().backward()  # the first that the network sees is blue
    assert torch.equal(pictures.grad[:, :2], torch.zeros(1, 2, 112, 112, dtype=torch.float64))
    torch.testing.assert_close(pictures.grad[:, 2], torch.full((1, 112, 112), 2.0, dtype=torch.float64))


def test_a_graph_that_normalises_itself_is_given_levels():
    prepared = preprocessing_of("arcface", normalises_itself=True).apply(uniform((255, 127.5, 0), 112))
    np.testing.assert_allclose(prepared[0, :, 0, 0], (255, 127.5, 0))
    assert preprocessing_of("adaface", normalises_itself=True) == PREPROCESSING["adaface"]


@pytest.mark.parametrize(
    ("crops_of", "said"),
    [
        (np.zeros((1, 3, 112, 96)), "shape (1, 3, 112, 96)"),
        (np.zeros((3, 112, 112)), "shape (3, 112, 112)"),
        (np.zeros((1, 112, 112, 3)), "shape (1, 112, 112, 3)"),
        (np.zeros((0, 3, 112, 112)), "shape (0, 3, 112, 112)"),
        (np.zeros((1, 3, 112, 112), dtype=np.uint8), "uint8"),
        (np.full((1, 3, 112, 112), 200.0), "from 200 to 200"),
        (np.full((1, 3, 112, 112), np.nan), "nan"),
        (np.full((1, 3, 112, 112), -100.0), "from -100"),
    ],
)
@pytest.mark.parametrize("as_given", [np.asarray, torch.from_numpy])
def test_other_crops_are_refused(crops_of, said, as_given):
    with pytest.raises(ImageError) as error:
        PREPROCESSING["arcface"].apply(as_given(crops_of))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_generator_may_overshoot():
    Preprocessing(size_px=112).apply(np.linspace(-0.2, 1.3, 3 * 112 * 112).reshape(1, 3, 112, 112))


def test_unknown_kind():
    with pytest.raises(
        ModelError, match="unknown kind of identity encoder 'sphereface': choose from arcface"
    ):
        preprocessing_of("sphereface")
