"""A loss before and after the batch: one value a sample, then what the batch makes of them.

Shape suffix: B samples.
"""

from typing import Literal

import torch
from torch import Tensor

from pixelsmile.errors import InputError

Reduction = Literal["none", "mean", "sum"]


def reduced(values_B: Tensor, reduction: Reduction) -> Tensor:
    """The values themselves (`none`), or their mean or sum as a scalar. InputError for another name.

    Training takes the mean: the gradients of equal parts of a batch then average to those of the whole.
    """
    match reduction:
        case "none":
            return values_B
        case "mean":
            return values_B.mean()
        case "sum":
            return values_B.sum()
    raise InputError(f"unknown reduction {reduction!r}: choose none, mean or sum")


def widened(tensor: Tensor) -> Tensor:
    """The tensor in float32 where it has less: errors are squared and divided by small numbers here."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
