"""The IResNet in an ONNX file as our own network, so that gradients pass through it.

insightface publishes its encoders as ONNX files (glintr100.onnx, w600k_r50.onnx), as does AuraFace, and ONNX
Runtime gives no gradients. They are PyTorch's exports of one network: its weights are found by following the
graph back from the embedding to the picture, layer by layer. A graph that is anything else is refused.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelsmile.errors import ModelError
from pixelsmile.faces.encoders.insightface import EPS
from pixelsmile.faces.encoders.onnx_encoder import EncoderFile

_PASSED = ("Dropout", "Flatten", "Identity", "Reshape", "Unsqueeze")  # nothing of theirs is a weight
_NUM_INPUTS = {"Add": (2,), "BatchNormalization": (5,), "Conv": (2, 3), "Gemm": (3,), "PRelu": (2,)}


def iresnet_weights(file: EncoderFile) -> dict[str, Tensor]:
    """The weights in a parsed file under the names of insightface. ModelError where it holds no IResNet."""
    graph = _Graph(file)
    state: dict[str, Tensor] = {}
    x = graph.norm(file.output_name, "features", state)
    x = graph.linear(x, "fc", state)
    x = graph.norm(x, "bn2", state)
    blocks: list[tuple[dict[str, Tensor], bool]] = []  # the last first
    while graph.op(x) == "Add":
        weights, halves, x = _block(graph, x)
        blocks.append((weights, halves))
    x = graph.prelu(x, "prelu", state)
    x, _ = graph.convolution(x, "conv1", "bn1", state)
    if x != file.input_name:
        raise graph.unlike(x)
    stage = index = 0
    for weights, halves in reversed(blocks):
        stage, index = (stage + 1, 0) if halves else (stage, index + 1)
        state.update({f"layer{stage}.{index}.{name}": tensor for name, tensor in weights.items()})
    return state


def _block(graph: "_Graph", name: str) -> tuple[dict[str, Tensor], bool, str]:
    """The weights of the block that gives `name`, whether it halves the picture, and what it is given."""
    weights: dict[str, Tensor] = {}
    (main, shortcut), _ = graph.node(name, "Add")
    main, stride = graph.convolution(main, "conv2", "bn3", weights)
    main = graph.prelu(main, "prelu", weights)
    main, _ = graph.convolution(main, "conv1", "bn2", weights)
    given = graph.norm(main, "bn1", weights)
    if graph.source(shortcut) != given:
        shortcut, _ = graph.convolution(shortcut, "downsample.0", "downsample.1", weights)
    if graph.source(shortcut) != given:
        raise graph.unlike(shortcut)
    return weights, stride != 1, given


class _Graph:
    """A graph that is read from its end, every node once; `state` takes the weights found on the way."""

    def __init__(self, file: EncoderFile) -> None:
        self._path = file.path
        self._constants = {tensor.name: tensor for tensor in file.model.graph.initializer}
        self._nodes = {node.output[0]: node for node in file.model.graph.node if node.output}

    def unlike(self, name: str) -> ModelError:
        seen = f"{self.source(name)[:60]!r}, {self.op(name) or 'from no node'}"
        return ModelError(
            f"{self._path} is no IResNet as insightface exports it (at {seen}), and only those have "
            "gradients: measure with it, and train with such a file or with safetensors"
        )

    def source(self, name: str) -> str:
        """What `name` is, past the nodes that change nothing."""
        for _ in self._nodes:
            if name not in self._nodes or self._nodes[name].op_type not in _PASSED:
                break
            name = self._nodes[name].input[0]
        return name

    def op(self, name: str) -> str:
        node = self._nodes.get(self.source(name))
        return "" if node is None else str(node.op_type)

    def node(self, name: str, op: str) -> tuple[list[str], dict[str, Any]]:
        """The inputs and attributes of the node that computes `name`, which must be an `op`."""
        from onnx.helper import get_attribute_value

        if self.op(name) != op:
            raise self.unlike(name)
        node = self._nodes.pop(self.source(name))
        inputs = [self.source(given) for given in node.input]
        if len(inputs) not in _NUM_INPUTS[op]:
            raise self.unlike(name)
        return inputs, {found.name: get_attribute_value(found) for found in node.attribute}

    def weight(self, name: str) -> Tensor:
        from onnx import numpy_helper

        if name not in self._constants:
            raise self.unlike(name)
        try:
            return torch.from_numpy(np.array(numpy_helper.to_array(self._constants[name]), np.float32))
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{self._path}: its weight {name!r} is damaged or of an unknown type: fetch it again"
            ) from error

    def linear(self, name: str, layer: str, state: dict[str, Tensor]) -> str:
        (x, weight, bias), attributes = self.node(name, "Gemm")
        if not attributes.get("transB") or {attributes.get(key, 1.0) for key in ("alpha", "beta")} != {1.0}:
            raise self.unlike(name)
        state[f"{layer}.weight"], state[f"{layer}.bias"] = self.weight(weight), self.weight(bias)
        return x

    def norm(self, name: str, layer: str, state: dict[str, Tensor]) -> str:
        """A batch normalisation; what its epsilon is more than ours goes into the variance."""
        (x, *given), attributes = self.node(name, "BatchNormalization")
        weight, bias, mean, variance = (self.weight(constant) for constant in given)
        state[f"{layer}.weight"], state[f"{layer}.bias"] = weight, bias
        state[f"{layer}.running_mean"] = mean
        state[f"{layer}.running_var"] = variance + (attributes.get("epsilon", EPS) - EPS)
        return x

    def convolution(self, name: str, layer: str, norm: str, state: dict[str, Tensor]) -> tuple[str, int]:
        """A convolution and the normalisation after it, often folded into it; its input and stride."""
        folded = self.op(name) != "BatchNormalization"
        if not folded:
            name = self.norm(name, norm, state)
        (x, weight, *bias), attributes = self.node(name, "Conv")
        state[f"{layer}.weight"] = self.weight(weight)
        if folded != bool(bias):
            raise self.unlike(x)
        if folded:
            shift = self.weight(bias[0])
            one = torch.ones_like(shift)
            state[f"{norm}.weight"], state[f"{norm}.bias"] = one, shift
            state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = torch.zeros_like(shift), one - EPS
        return x, int(attributes.get("strides", [1])[0])

    def prelu(self, name: str, layer: str, state: dict[str, Tensor]) -> str:
        (x, slope), _ = self.node(name, "PRelu")
        state[f"{layer}.weight"] = self.weight(slope).reshape(-1)
        return x
