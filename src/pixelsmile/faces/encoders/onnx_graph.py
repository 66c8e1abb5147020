"""An ONNX graph as a torch module: its weights frozen, its input with gradients.

The identity loss needs the gradient of an embedding with respect to the picture, which ONNX Runtime does not
give. The graph is read once, what depends on no input is computed then, and the rest is run node by node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pixelsmile.errors import ModelError
from pixelsmile.faces.encoders.onnx_file import OnnxFile
from pixelsmile.faces.encoders.onnx_operators import OPERATORS, UnsupportedError, require_size, result_size

_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class _Node:
    op: str
    name: str
    inputs: tuple[str, ...]  # "" for one that is left out
    output: str
    attributes: Mapping[str, Any]
    spent: tuple[str, ...] = ()  # values that no later node reads


class OnnxGraph(nn.Module):
    """The embedding output of an encoder's graph, before it is scaled to unit length.

    ModelError where a node is of a kind that is not among `OPERATORS`: it names the operator and the node.
    """

    def __init__(self, file: OnnxFile) -> None:
        super().__init__()
        self._path = file.path
        self._input, self._output = file.input_name, file.output_name
        self._fixed_batch = file.fixed_batch
        self._buffer_of: dict[str, str] = {}
        # The constants are no part of the state, so that no checkpoint keeps them: by this it is told apart.
        digest = torch.frombuffer(bytearray.fromhex(file.sha256), dtype=torch.uint8) if file.sha256 else None
        self.register_buffer("file_sha256", digest)
        graph = file.model.graph
        for tensor in graph.initializer:
            self._keep(tensor.name, _to_torch(tensor, file))
        with torch.no_grad():
            nodes = [node for proto in graph.node if (node := self._read(proto)) is not None]
        self._nodes = _with_lifetimes(self._needed(nodes), self._output)
        if self._output not in {self._input, *(node.output for node in self._nodes)}:
            raise ModelError(f"{file.path}: its output {self._output!r} does not depend on the picture")

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, D) for pictures as the network wants them (see `Preprocessing.apply`)."""
        if self._fixed_batch and x_BCHW.shape[0] > 1:
            return torch.cat([self._run(row) for row in x_BCHW.split(1)])
        return self._run(x_BCHW)

    def _run(self, x: Tensor) -> Tensor:
        values = {self._input: x}
        for node in self._nodes:
            values[node.output] = self._compute(node, values)
            for name in node.spent:
                del values[name]
        return values[self._output]

    def _compute(self, node: _Node, values: Mapping[str, Tensor]) -> Tensor:
        given = [self._value(name, values) for name in node.inputs]
        try:
            require_size(result_size(node.op, given, node.attributes))
            result = OPERATORS[node.op](given, node.attributes)
            require_size(result.numel())
        except UnsupportedError as error:
            raise self._cannot_run(node, error) from None
        return result

    def _cannot_run(self, node: _Node, error: Exception) -> ModelError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return ModelError(
            f"{self._path}: node {node.name!r} ({node.op}) cannot be run in torch ({reason[:120]}): measure "
            "with it, and take gradients from another encoder"
        )

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor | None:
        if not name:
            return None
        return values[name] if name in values else getattr(self, self._buffer_of[name])

    def _keep(self, name: str, value: Tensor) -> None:
        buffer = f"constant_{len(self._buffer_of)}"
        self.register_buffer(buffer, value, persistent=False)
        self._buffer_of[name] = buffer

    def _read(self, proto: Any) -> _Node | None:
        """The node, or None where its value is known already and kept."""
        from onnx.helper import get_attribute_value

        name = proto.name or proto.output[0]
        attributes = {item.name: get_attribute_value(item) for item in proto.attribute}
        if proto.op_type == "Constant":
            self._keep(proto.output[0], self._constant(name, attributes))
            return None
        if proto.op_type not in OPERATORS or proto.domain not in _DOMAINS:
            raise ModelError(
                f"{self._path}: node {name!r} has the operator {proto.op_type}, which has no gradient here: "
                f"measure with it, and take gradients from another encoder (known: {', '.join(OPERATORS)})"
            )
        node = _Node(proto.op_type, name, tuple(proto.input), proto.output[0], attributes)
        if all(not source or source in self._buffer_of for source in node.inputs):
            try:
                self._keep(node.output, self._compute(node, {}))
            except ModelError:
                raise
            except Exception as error:  # of what a graph makes of its own constants
                raise self._cannot_run(node, error) from error
            return None
        return node

    def _constant(self, name: str, attributes: Mapping[str, Any]) -> Tensor:
        if "value" in attributes:
            from onnx import numpy_helper

            return torch.from_numpy(np.array(numpy_helper.to_array(attributes["value"])))
        for kind in ("value_float", "value_floats", "value_int", "value_ints"):
            if kind in attributes:
                return torch.tensor(attributes[kind])
        raise ModelError(
            f"{self._path}: node {name!r} (Constant) is of a kind that is not known: export it again"
        )

    def _needed(self, nodes: list[_Node]) -> list[_Node]:
        """The nodes that the embedding depends on, in order, each with its inputs known by then."""
        wanted, kept = {self._output}, []
        for node in reversed(nodes):
            if node.output in wanted:
                kept.append(node)
                wanted.update(filter(None, node.inputs))
        known = {self._input, *self._buffer_of, *(node.output for node in kept)}
        if unknown := sorted(wanted - known):
            raise ModelError(
                f"{self._path}: the value {unknown[0]!r} comes from no node (a second output, or a damaged "
                "file): export it again"
            )
        return kept[::-1]


def _to_torch(tensor: Any, file: OnnxFile) -> Tensor:
    from onnx import numpy_helper

    try:
        return torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{file.path}: its weight {tensor.name!r} is damaged or of an unknown type: fetch it again"
        ) from error


def _with_lifetimes(nodes: list[_Node], output: str) -> list[_Node]:
    """The same nodes, each knowing which values it is the last to read."""
    last: dict[str, int] = {}
    computed = {node.output for node in nodes}
    for index, node in enumerate(nodes):
        last.update({name: index for name in node.inputs if name in computed and name != output})
    spent: list[list[str]] = [[] for _ in nodes]
    for name, index in last.items():
        spent[index].append(name)
    return [
        _Node(node.op, node.name, node.inputs, node.output, node.attributes, tuple(names))
        for node, names in zip(nodes, spent, strict=True)
    ]
