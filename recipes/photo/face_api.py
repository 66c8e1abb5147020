"""From face-api.js to ONNX: dlib's residual network of identity, and the small network of seven expressions.

Weights lie as 8-bit whole numbers with a scale and a minimum each, described by a manifest in JSON; the
layers are those of the sources (faceRecognitionNet, faceFeatureExtractor, faceExpressionNet). Input: RGB,
0..255, NCHW.
"""

import json
from collections.abc import Callable, Mapping

import numpy as np

from recipes.photo.graph import Graph

_MEAN = np.array([122.782, 117.001, 104.298], np.float32).reshape(1, 3, 1, 1)
IDENTITY_PX, EXPRESSIONS_PX = 150, 112
EXPRESSION_CLASSES = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprised")
# Output channels of the residual blocks; the first of each row halves the size.
_RESIDUAL = (
    ("32", ("1", "2", "3")),
    ("64", ("down", "1", "2", "3")),
    ("128", ("down", "1", "2")),
    ("256", ("down", "1", "2", "down_out")),
)

Change = Callable[[np.ndarray], np.ndarray]


class _Weights:
    """The tensors of a manifest, put into a graph in the form in which they are stored."""

    def __init__(self, graph: Graph, manifest: bytes, data: bytes) -> None:
        self.graph = graph
        self.entries: dict[str, tuple[np.ndarray, Mapping[str, float] | None]] = {}
        offset = 0
        for entry in (entry for group in json.loads(manifest) for entry in group["weights"]):
            stored = entry.get("quantization")
            dtype = np.dtype(stored["dtype"] if stored else entry["dtype"])
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(data, dtype, count, offset).reshape(entry["shape"])
            self.entries[entry["name"]] = (values, stored)
            offset += values.nbytes
        assert offset == len(data), "the manifest and the weights do not belong together"

    def put(self, name: str, change: Change = lambda values: values) -> str:
        """The tensor, its axes moved by `change`."""
        values, stored = self.entries[name]
        moved = np.ascontiguousarray(change(values))
        return (
            self.graph.affine(moved, stored["scale"], stored["min"]) if stored else self.graph.constant(moved)
        )

    def kernels(self, name: str) -> str:
        """Of a convolution: from HWIO to OIHW."""
        return self.put(name, lambda values: values.transpose(3, 2, 0, 1))

    def channels(self, name: str) -> str:
        """One number a channel, along the channels of NCHW."""
        return self.put(name, lambda values: values.reshape(1, -1, 1, 1))


def _normalised(graph: Graph) -> str:
    centred = graph.node("Sub", "image", graph.constant(_MEAN))
    return graph.node("Div", centred, graph.constant(np.float32(255)))


def identity(manifest: bytes, data: bytes, notes: dict[str, str]) -> bytes:
    """dlib's network: (1, 3, 150, 150) to an embedding (1, 128)."""
    graph = Graph()
    weights = _Weights(graph, manifest, data)

    def convolution(x: str, prefix: str, stride: int, pad: str, *, relu: bool) -> str:
        bias = weights.put(f"{prefix}/conv/bias")
        y = graph.node(
            "Conv", x, weights.kernels(f"{prefix}/conv/filters"), bias, strides=[stride] * 2, auto_pad=pad
        )
        y = graph.node("Mul", y, weights.channels(f"{prefix}/scale/weights"))
        y = graph.node("Add", y, weights.channels(f"{prefix}/scale/biases"))
        return graph.node("Relu", y) if relu else y

    def block(x: str, prefix: str, size: int, added: int) -> tuple[str, int]:
        down = "down" in prefix
        y = convolution(x, f"{prefix}/conv1", 2 if down else 1, "VALID" if down else "SAME_UPPER", relu=True)
        y = convolution(y, f"{prefix}/conv2", 1, "SAME_UPPER", relu=False)
        if down:
            pooled, mine = size // 2, (size - 3) // 2 + 1
            x = graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            if pooled != mine:
                y = graph.node("Pad", y, graph.integers([0, 0, 0, 0, 0, 0, 1, 1]))
            if added:
                x = graph.node("Pad", x, graph.integers([0, 0, 0, 0, 0, added, 0, 0]))
            size = pooled
        return graph.node("Relu", graph.node("Add", x, y)), size

    x = convolution(_normalised(graph), "conv32_down", 2, "VALID", relu=True)
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    size, width = ((IDENTITY_PX - 7) // 2 + 1 - 3) // 2 + 1, 32
    for channels, blocks in _RESIDUAL:
        for name in blocks:
            added, width = int(channels) - width, int(channels)
            x, size = block(x, f"conv{channels}_{name}", size, added)
    mean = graph.node("ReduceMean", x, graph.integers([2, 3]), keepdims=0)
    graph.node("MatMul", mean, weights.put("fc"), output="embedding")
    return graph.model({"image": [1, 3, IDENTITY_PX, IDENTITY_PX]}, ["embedding"], notes)


def expressions(manifest: bytes, data: bytes, notes: dict[str, str]) -> bytes:
    """Of seven expressions: (1, 3, 112, 112) to probabilities (1, 7), in the order of EXPRESSION_CLASSES."""
    graph = Graph()
    weights = _Weights(graph, manifest, data)

    def separable(x: str, prefix: str, stride: int) -> str:
        depth = weights.put(f"{prefix}/depthwise_filter", lambda values: values.transpose(2, 3, 0, 1))
        groups = weights.entries[f"{prefix}/depthwise_filter"][0].shape[2]
        y = graph.node("Conv", x, depth, strides=[stride] * 2, group=groups, auto_pad="SAME_UPPER")
        return graph.node(
            "Conv", y, weights.kernels(f"{prefix}/pointwise_filter"), weights.put(f"{prefix}/bias")
        )

    def added(*values: str) -> str:
        return graph.node("Relu", graph.node("Sum", *values))

    x = _normalised(graph)
    for index in range(4):
        prefix = f"dense{index}"
        if index == 0:
            bias = weights.put(f"{prefix}/conv0/bias")
            kernels = weights.kernels(f"{prefix}/conv0/filters")
            first = graph.node("Conv", x, kernels, bias, strides=[2, 2], auto_pad="SAME_UPPER")
        else:
            first = separable(x, f"{prefix}/conv0", 2)
        first = graph.node("Relu", first)
        second = separable(first, f"{prefix}/conv1", 1)
        third = separable(added(first, second), f"{prefix}/conv2", 1)
        fourth = separable(added(first, second, third), f"{prefix}/conv3", 1)
        x = added(first, second, third, fourth)
    pooled = graph.node("Flatten", graph.node("AveragePool", x, kernel_shape=[7, 7], strides=[2, 2]))
    logits = graph.node(
        "Add", graph.node("MatMul", pooled, weights.put("fc/weights")), weights.put("fc/bias")
    )
    graph.node("Softmax", logits, axis=-1, output="probabilities")
    return graph.model({"image": [1, 3, EXPRESSIONS_PX, EXPRESSIONS_PX]}, ["probabilities"], notes)
