"""Cosine distances that stay exact where two vectors almost meet. Shape suffixes: B samples, D numbers."""

from torch import Tensor

from pixelsmile.errors import InputError
from pixelsmile.training.losses.values import widened


def cosine_distance(a_BD: Tensor, b_BD: Tensor) -> Tensor:
    """1 - cos(a, b), (B,), 0..2, for vectors of any length but 0.

    Computed as |a - b|^2 / 2 of the unit vectors, which is the same number: in float32, 1 - cos of near
    vectors is rounded to steps of 6e-8 and may fall below 0. A vector of length 0 gives NaN, which stops a
    training. InputError where the shapes differ.
    """
    if a_BD.shape != b_BD.shape or a_BD.ndim != 2:
        raise InputError(
            f"features {tuple(a_BD.shape)} against {tuple(b_BD.shape)}: give (samples, numbers) of each"
        )
    return (_unit(a_BD) - _unit(b_BD)).square().sum(1) / 2


def _unit(vectors_BD: Tensor) -> Tensor:
    vectors_BD = widened(vectors_BD)
    return vectors_BD / vectors_BD.norm(dim=1, keepdim=True)
