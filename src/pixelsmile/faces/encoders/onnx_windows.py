"""Convolution and pooling by the ONNX specification: padding before and after each axis, SAME and VALID."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F  # noqa: N812  # the name that everyone knows
from torch import Tensor

Attributes = Mapping[str, Any]


MAX_NUMBERS = 2**28  # of one value: 1 GB; a batch of 64 crops has a fifth of it after its first convolution


class UnsupportedError(Exception):
    """A use of an operator that has no form here; the message says which."""


def require_size(num_numbers: int) -> None:
    """UnsupportedError where a value would be larger than any encoder's."""
    if num_numbers > MAX_NUMBERS:
        raise UnsupportedError(f"it makes {num_numbers:,} numbers")


def convolve(x_BCHW: Tensor, weight: Tensor, bias: Tensor | None, attributes: Attributes) -> Tensor:
    """Conv of pictures."""
    _require_pictures(x_BCHW)
    strides, dilations = _pair(attributes, "strides"), _pair(attributes, "dilations")
    pads = _pads(x_BCHW, weight.shape[2:], strides, dilations, attributes)
    padding: Sequence[int] = (0, 0)
    if pads[:2] == pads[2:]:  # torch can pad so by itself, without a copy
        padding = pads[:2]
    else:
        x_BCHW = _padded(x_BCHW, pads, 0.0)
    return F.conv2d(x_BCHW, weight, bias, strides, tuple(padding), dilations, attributes.get("group", 1))


def max_pool(x_BCHW: Tensor, attributes: Attributes) -> Tensor:
    """MaxPool of pictures."""
    _require_pictures(x_BCHW)
    kernel = tuple(attributes["kernel_shape"])
    strides, dilations = _pair(attributes, "strides"), _pair(attributes, "dilations")
    pads = _pads(x_BCHW, kernel, strides, dilations, attributes)
    padded = _padded(x_BCHW, pads, float("-inf"))
    return F.max_pool2d(
        padded, kernel, strides, dilation=dilations, ceil_mode=bool(attributes.get("ceil_mode", 0))
    )


def average_pool(x_BCHW: Tensor, attributes: Attributes) -> Tensor:
    """AveragePool of pictures; what was padded counts only where count_include_pad says so."""
    _require_pictures(x_BCHW)
    kernel, strides = tuple(attributes["kernel_shape"]), _pair(attributes, "strides")
    if attributes.get("ceil_mode", 0) or _pair(attributes, "dilations") != (1, 1):
        raise UnsupportedError("it rounds sizes up, or has dilations")
    pads = _pads(x_BCHW, kernel, strides, (1, 1), attributes)
    mean = F.avg_pool2d(_padded(x_BCHW, pads, 0.0), kernel, strides)
    if not any(pads) or attributes.get("count_include_pad", 0):
        return mean
    inside = _padded(x_BCHW.new_ones(1, 1, *x_BCHW.shape[2:]), pads, 0.0)
    return mean / F.avg_pool2d(inside, kernel, strides)


def pad(x: Tensor, pads: Sequence[int] | None, value: Tensor | None, attributes: Attributes) -> Tensor:
    """Pad with a constant, on all axes; `pads` are all the begins, then all the ends."""
    mode = _text(attributes.get("mode", "constant"))
    if mode != "constant" or pads is None or len(pads) != 2 * x.ndim:
        raise UnsupportedError(f"its mode is {mode!r}, or its pads are not for all axes")
    begins, ends = pads[: x.ndim], pads[x.ndim :]
    sides = [size + begin + end for size, begin, end in zip(x.shape, begins, ends, strict=True)]
    require_size(math.prod(max(0, side) for side in sides))
    last_axis_first = [size for axis in reversed(range(x.ndim)) for size in (begins[axis], ends[axis])]
    fill = attributes.get("value", 0.0) if value is None else value.item()
    return F.pad(x, last_axis_first, value=fill)


def _require_pictures(x: Tensor) -> None:
    if x.ndim != 4:
        raise UnsupportedError(f"its input has {x.ndim} axes, not batch, channels, height and width")


def _pair(attributes: Attributes, name: str) -> tuple[int, int]:
    height, width = attributes.get(name, (1, 1))
    return height, width


def _pads(
    x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], attributes: Attributes
) -> list[int]:
    """Top, left, bottom, right."""
    automatic = _text(attributes.get("auto_pad", "NOTSET"))
    if automatic == "NOTSET":
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        sides = (x.shape[2] + top + bottom, x.shape[3] + left + right)
        require_size(x.shape[0] * x.shape[1] * max(0, sides[0]) * max(0, sides[1]))
        return [top, left, bottom, right]
    if automatic == "VALID":
        return [0, 0, 0, 0]
    before, after = [], []
    for size, span, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (span - 1) * dilation + 1 - size, 0)
        small, large = total // 2, total - total // 2
        before.append(large if automatic == "SAME_LOWER" else small)
        after.append(small if automatic == "SAME_LOWER" else large)
    return before + after


def _padded(x: Tensor, pads: Sequence[int], value: float) -> Tensor:
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
