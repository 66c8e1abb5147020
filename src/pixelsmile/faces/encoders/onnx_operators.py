"""The ONNX operators that identity encoders are made of, in torch, each by its ONNX specification.

An operator takes the values of its inputs (None for one that is left out) and its attributes, and returns its
first output; the others (masks, indices, running statistics) have no use here. Source:
https://onnx.ai/onnx/operators/. Where a newer opset moved an attribute to an input, both are read.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # the name that everyone knows
from torch import Tensor

# Convolution and pooling by the ONNX specification: padding before and after each axis, SAME and VALID.


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


Values = Sequence[Tensor | None]
Operator = Callable[[Values, Attributes], Tensor]

# ONNX TensorProto.DataType; floating types are left as they are, so that a graph runs in float64 too.
_WHOLE_TYPES = {6: torch.int32, 7: torch.int64, 9: torch.bool}
_FLOAT_TYPES = (1, 11)


def _given(values: Values, index: int) -> Tensor | None:
    return values[index] if index < len(values) else None


def _need(values: Values, index: int) -> Tensor:
    value = _given(values, index)
    if value is None:
        raise UnsupportedError(f"its input {index} is missing")
    return value


def _numbers(values: Values, index: int, attributes: Attributes, name: str) -> list[int] | None:
    """Whole numbers from an input or, in older opsets, from an attribute."""
    value = _given(values, index)
    if value is not None:
        return [int(number) for number in value.reshape(-1).tolist()]
    return list(attributes[name]) if name in attributes else None


def _batch_norm(values: Values, attributes: Attributes) -> Tensor:
    if attributes.get("training_mode", 0) or not attributes.get("spatial", 1):
        raise UnsupportedError("it is in training mode, or not per channel")
    x, scale, bias, mean, variance = (_need(values, index) for index in range(5))
    return F.batch_norm(x, mean, variance, scale, bias, eps=attributes.get("epsilon", 1e-5))


def _prelu(values: Values, _: Attributes) -> Tensor:
    x, slope = _need(values, 0), _need(values, 1)
    if slope.ndim and slope.numel() == slope.shape[0] == x.shape[1] and slope.ndim == x.ndim - 1:
        return F.prelu(x, slope.reshape(-1))
    return torch.where(x < 0, slope * x, x)


def _clip(values: Values, attributes: Attributes) -> Tensor:
    x, low, high = _need(values, 0), _given(values, 1), _given(values, 2)
    low = attributes.get("min", -math.inf) if low is None else low.item()
    high = attributes.get("max", math.inf) if high is None else high.item()
    return x.clamp(low, high)


def _flatten(values: Values, attributes: Attributes) -> Tensor:
    x, axis = _need(values, 0), attributes.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _gemm(values: Values, attributes: Attributes) -> Tensor:
    a, b, c = _need(values, 0), _need(values, 1), _given(values, 2)
    a = a.T if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    product = a @ b
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    product = product if alpha == 1 else alpha * product
    if c is None:
        return product
    return product + (c if beta == 1 else beta * c)


def _reshape(values: Values, attributes: Attributes) -> Tensor:
    x, shape = _need(values, 0), _numbers(values, 1, attributes, "shape")
    if shape is None:
        raise UnsupportedError("it has no shape")
    if not attributes.get("allowzero", 0):
        shape = [x.shape[index] if size == 0 else size for index, size in enumerate(shape)]
    return x.reshape(shape)


def _transpose(values: Values, attributes: Attributes) -> Tensor:
    x = _need(values, 0)
    return x.permute(*attributes.get("perm", range(x.ndim)[::-1]))


def _squeeze(values: Values, attributes: Attributes) -> Tensor:
    x, axes = _need(values, 0), _numbers(values, 1, attributes, "axes")
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def _unsqueeze(values: Values, attributes: Attributes) -> Tensor:
    x, axes = _need(values, 0), _numbers(values, 1, attributes, "axes") or []
    ndim = x.ndim + len(axes)
    for axis in sorted(axis % ndim for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _concat(values: Values, attributes: Attributes) -> Tensor:
    return torch.cat([_need(values, index) for index in range(len(values))], dim=attributes["axis"])


def _shape(values: Values, attributes: Attributes) -> Tensor:
    x = _need(values, 0)
    span = slice(attributes.get("start", 0), attributes.get("end"))
    return torch.tensor(x.shape[span], dtype=torch.int64, device=x.device)


def _gather(values: Values, attributes: Attributes) -> Tensor:
    x, indices = _need(values, 0), _need(values, 1)
    axis = attributes.get("axis", 0) % x.ndim
    flat = indices.reshape(-1)
    flat = torch.where(flat < 0, flat + x.shape[axis], flat)
    return x.index_select(axis, flat).reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _slice(values: Values, attributes: Attributes) -> Tensor:
    x = _need(values, 0)
    starts, ends = _numbers(values, 1, attributes, "starts"), _numbers(values, 2, attributes, "ends")
    if starts is None or ends is None:
        raise UnsupportedError("it has no starts or no ends")
    axes = _numbers(values, 3, attributes, "axes") or list(range(len(starts)))
    steps = _numbers(values, 4, attributes, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        kept = range(*slice(start, end, step).indices(x.shape[axis]))
        x = x.index_select(axis, torch.tensor(kept, dtype=torch.int64, device=x.device))
    return x


def _expand(values: Values, _: Attributes) -> Tensor:
    x, shape = _need(values, 0), _numbers(values, 1, {}, "shape") or []
    return x.broadcast_to(torch.broadcast_shapes(x.shape, shape))


def _cast(values: Values, attributes: Attributes) -> Tensor:
    x, target = _need(values, 0), attributes["to"]
    if target in _FLOAT_TYPES:
        return x if x.is_floating_point() else x.to(torch.get_default_dtype())
    if target not in _WHOLE_TYPES:
        raise UnsupportedError(f"it casts to ONNX type {target}")
    return x.to(_WHOLE_TYPES[target])


def _reduce(reduction: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def reduce(values: Values, attributes: Attributes) -> Tensor:
        x, axes = _need(values, 0), _numbers(values, 1, attributes, "axes")
        if not axes and attributes.get("noop_with_empty_axes", 0):
            return x
        return reduction(x, axes or list(range(x.ndim)), bool(attributes.get("keepdims", 1)))

    return reduce


def _lp_norm(values: Values, attributes: Attributes) -> Tensor:
    x, axis, p = _need(values, 0), attributes.get("axis", -1), attributes.get("p", 2)
    return x / torch.linalg.vector_norm(x, ord=p, dim=axis, keepdim=True)


def _leaky_relu(values: Values, attributes: Attributes) -> Tensor:
    return F.leaky_relu(_need(values, 0), attributes.get("alpha", 0.01))


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


_BROADCASTING = ("Add", "Div", "Mul", "Pow", "Sub", "PRelu")


def result_size(op: str, values: Values, attributes: Attributes) -> int:
    """How many numbers an operator that can multiply its inputs will make of them; 0 for the others."""
    given = [value for value in values if value is not None]
    if op == "Concat":
        return sum(value.numel() for value in given)
    if len(given) < 2:
        return 0
    a, b = given[:2]
    if op in _BROADCASTING:
        return math.prod(torch.broadcast_shapes(a.shape, b.shape))
    if op == "Gather" and a.numel():
        return a.numel() // a.shape[attributes.get("axis", 0)] * b.numel()
    if op == "MatMul" and min(a.ndim, b.ndim) > 1:
        return math.prod(torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])) * a.shape[-2] * b.shape[-1]
    if op == "Gemm" and min(a.ndim, b.ndim) > 1:
        return a.shape[attributes.get("transA", 0)] * b.shape[1 - attributes.get("transB", 0)]
    return 0


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda values, _: function(_need(values, 0))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda values, _: function(_need(values, 0), _need(values, 1))


OPERATORS: dict[str, Operator] = {
    "Abs": _unary(torch.abs),
    "Add": _binary(torch.add),
    "AveragePool": lambda values, attributes: average_pool(_need(values, 0), attributes),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": lambda values, attributes: convolve(
        _need(values, 0), _need(values, 1), _given(values, 2), attributes
    ),
    "Div": _binary(_divide),
    "Dropout": _unary(lambda x: x),
    "Exp": _unary(torch.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _unary(lambda x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "Identity": _unary(lambda x: x),
    "LeakyRelu": _leaky_relu,
    "LpNormalization": _lp_norm,
    "MatMul": _binary(torch.matmul),
    "MaxPool": lambda values, attributes: max_pool(_need(values, 0), attributes),
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "PRelu": _prelu,
    "Pad": lambda values, attributes: pad(
        _need(values, 0), _numbers(values, 1, attributes, "pads"), _given(values, 2), attributes
    ),
    "Pow": _binary(torch.pow),
    "ReduceL2": _reduce(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    "ReduceMean": _reduce(lambda x, axes, keep: x.mean(dim=axes, keepdim=keep)),
    "ReduceSum": _reduce(lambda x, axes, keep: x.sum(dim=axes, keepdim=keep)),
    "Relu": _unary(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _unary(torch.sigmoid),
    "Slice": _slice,
    "Sqrt": _unary(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(torch.sub),
    "Tanh": _unary(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
