"""An ONNX graph, written node by node; weights keep the few bytes in which their source stores them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.shape_inference
from onnx import TensorProto, helper, numpy_helper

_OPSET, _IR = 18, 9


class Graph:
    """Collects nodes and constants; every method gives back the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def node(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node; its one output."""
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any) -> str:
        """A constant; the same values are kept once."""
        array = np.ascontiguousarray(values)
        key = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()[:16]
        name = f"c_{key}"
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(array.reshape(np.shape(values)), name)
        return name

    def integers(self, values: npt.ArrayLike) -> str:
        """A constant of shapes, axes or paddings."""
        return self.constant(np.asarray(values, np.int64))

    def half(self, values: np.ndarray) -> str:
        """Weights that are stored as float16, as float32."""
        return self.node("Cast", self.constant(values), to=TensorProto.FLOAT)

    def affine(self, values: np.ndarray, scale: float, minimum: float) -> str:
        """Weights that are stored as whole numbers of 8 bits: values * scale + minimum."""
        wide = self.node("Cast", self.constant(values), to=TensorProto.FLOAT)
        scaled = self.node("Mul", wide, self.constant(np.float32(scale)))
        return self.node("Add", scaled, self.constant(np.float32(minimum)))

    def model(
        self, inputs: Mapping[str, Sequence[int | str]], outputs: Sequence[str], notes: dict[str, str]
    ) -> bytes:
        """The model as a file, with `notes` in its metadata."""
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            list(self._constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        helper.set_model_props(model, notes)
        model = onnx.shape_inference.infer_shapes(model)  # gives the outputs the shapes that they need
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
