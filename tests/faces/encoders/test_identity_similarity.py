"""The mean over the encoders, by hand."""

import numpy as np
import pytest
import torch

from pixelsmile.errors import ImageError, ModelError
from pixelsmile.faces.encoders.encoder import cosine_similarity, identity_similarity


class FirstPixel:
    """The red and green of the first pixel as a direction: angles that can be worked out by hand."""

    name, differentiable = "first pixel", True

    def __init__(self, size_px=112, swapped_sign=False):
        self.size_px = size_px
        self.sign = -1 if swapped_sign else 1

    def embed(self, crops_BCHW):
        assert crops_BCHW.shape[2] == self.size_px
        embeddings = crops_BCHW[:, :2, 0, 0] * 1.0
        embeddings[:, 1] = embeddings[:, 1] * self.sign
        return embeddings / (embeddings**2).sum(1)[:, None] ** 0.5


def colours(*pairs, size_px=112):
    crops = np.zeros((len(pairs), 3, size_px, size_px))
    crops[:, :2] = np.array(pairs, dtype=np.float64)[:, :, None, None]
    return crops


def test_by_hand():
    a, b = colours((1, 0), (1, 0), (1, 1)), colours((1, 0), (0, 1), (1, 0))
    np.testing.assert_allclose(identity_similarity(a, b, [FirstPixel()]), [1, 0, 0.5**0.5], atol=1e-12)


def test_the_mean_of_encoders_of_two_sizes():
    small, large = colours((1, 1)), colours((0, 1), size_px=160)
    source = {112: colours((1, 0)), 160: colours((0, 1), size_px=160)}
    found = identity_similarity(source, {112: small, 160: large}, [FirstPixel(), FirstPixel(160)])
    np.testing.assert_allclose(found, [(0.5**0.5 + 1) / 2])


def test_one_face_against_many():
    found = identity_similarity(colours((1, 0)), colours((1, 0), (0, 1), (1, 1)), [FirstPixel()])
    np.testing.assert_allclose(found, [1, 0, 0.5**0.5], atol=1e-12)


def test_torch_gives_a_tensor_with_a_gradient():
    a = torch.from_numpy(colours((1, 0.5))).requires_grad_()
    found = identity_similarity(a, torch.from_numpy(colours((0, 1))), [FirstPixel(), FirstPixel()])
    assert found.shape == (1,)
    found.sum().backward()
    assert a.grad.abs().sum() > 0


def test_what_does_not_fit_is_refused():
    one, two, three = colours((1, 0)), colours((1, 0), (1, 0)), colours((1, 0), (1, 0), (1, 0))
    with pytest.raises(ImageError, match="2 faces against 3"):
        identity_similarity(two, three, [FirstPixel()])
    with pytest.raises(ImageError, match="first pixel takes crops of 160 px, not 112"):
        identity_similarity({112: one}, {112: one}, [FirstPixel(160)])
    with pytest.raises(ModelError, match="no identity encoders"):
        identity_similarity(one, one, [])
    with pytest.raises(ModelError, match="512 and 256 numbers"):
        cosine_similarity(np.ones((1, 512)), np.ones((1, 256)))
