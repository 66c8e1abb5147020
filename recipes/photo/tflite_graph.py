"""From .tflite to ONNX: the operators that MediaPipe's networks of faces use, nothing else.

The layout stays NHWC at the edges; convolutions are wrapped in transpositions, which the runtime folds away.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tflite

from recipes.photo.graph import Graph

_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64, 6: np.bool_, 9: np.int8}
_NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}
_TO_NCHW, _TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
_ACTIVATIONS = {0: None, 1: "Relu", 3: "Relu6"}


def convert(data: bytes, names: Mapping[str, str], notes: dict[str, str]) -> bytes:
    """The ONNX file of a .tflite; names: of its inputs and outputs there, and what they are called here."""
    return _Converter(data, names).run(notes)


class _Converter:
    def __init__(self, data: bytes, names: Mapping[str, str]) -> None:
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.subgraph = self.model.Subgraphs(0)
        self.tensors = [self.subgraph.Tensors(i) for i in range(self.subgraph.TensorsLength())]
        self.stored = {
            i: value for i, tensor in enumerate(self.tensors) if (value := self._stored(tensor)) is not None
        }
        self.graph = Graph()
        self.made: dict[int, str] = {}
        self.names = names

    def run(self, notes: dict[str, str]) -> bytes:
        """Walk the operators in their order."""
        inputs = {}
        for index in self.subgraph.InputsAsNumpy():
            name = self.names[self.tensors[index].Name().decode()]
            self.made[int(index)] = name
            inputs[name] = [int(size) for size in self.tensors[index].ShapeAsNumpy()]
        for place in range(self.subgraph.OperatorsLength()):
            self._operator(self.subgraph.Operators(place))
        outputs = []
        for index in self.subgraph.OutputsAsNumpy():
            if (output := self.names.get(self.tensors[index].Name().decode())) is not None:
                outputs.append(self.graph.node("Identity", self.value(int(index)), output=output))
        return self.graph.model(inputs, outputs, notes)

    def _stored(self, tensor: Any) -> np.ndarray | None:
        buffer = self.model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        shape = tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[tensor.Type()]).reshape(shape)

    def value(self, index: int) -> str:
        """The name of a tensor: made before, or stored."""
        if index not in self.made:
            self.made[index] = self._weight(self.stored[index])
        return self.made[index]

    def _weight(self, values: np.ndarray) -> str:
        return self.graph.half(values) if values.dtype == np.float16 else self.graph.constant(values)

    def _operator(self, operator: Any) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, output = [int(i) for i in operator.InputsAsNumpy()], int(operator.Outputs(0))
        if name == "DEQUANTIZE":  # of weights: they stay as they are stored
            self.stored[output] = self.stored[inputs[0]]
            return
        self.made[output] = getattr(self, f"_{name.lower()}")(operator, inputs, output)

    def _options(self, operator: Any, kind: str) -> Any:
        options, table = getattr(tflite, kind)(), operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def _activated(self, name: str, activation: int) -> str:
        match _ACTIVATIONS[activation]:
            case "Relu":
                return self.graph.node("Relu", name)
            case "Relu6":
                return self.graph.node(
                    "Clip", name, self.graph.constant(np.float32(0)), self.graph.constant(np.float32(6))
                )
        return name

    # One method an operator: its inputs' and its output's numbers in, the name of the result out.

    def _conv_2d(self, operator: Any, inputs: list[int], output: int) -> str:
        options = self._options(operator, "Conv2DOptions")
        return self._convolution(options, inputs, self.stored[inputs[1]].transpose(0, 3, 1, 2), 1)

    def _depthwise_conv_2d(self, operator: Any, inputs: list[int], output: int) -> str:
        options = self._options(operator, "DepthwiseConv2DOptions")
        kernels = self.stored[inputs[1]][0].transpose(2, 0, 1)[:, None]
        return self._convolution(
            options, inputs, kernels, kernels.shape[0] // (options.DepthMultiplier() or 1)
        )

    def _convolution(self, options: Any, inputs: list[int], kernels: np.ndarray, groups: int) -> str:
        picture = self.graph.node("Transpose", self.value(inputs[0]), perm=_TO_NCHW)
        bias = [self._weight(self.stored[inputs[2]])] if len(inputs) > 2 and inputs[2] >= 0 else []
        made = self.graph.node(
            "Conv",
            picture,
            self._weight(kernels),
            *bias,
            strides=[options.StrideH(), options.StrideW()],
            dilations=[options.DilationHFactor(), options.DilationWFactor()],
            group=int(groups),
            auto_pad="SAME_UPPER" if options.Padding() == 0 else "VALID",
        )
        return self._activated(
            self.graph.node("Transpose", made, perm=_TO_NHWC), options.FusedActivationFunction()
        )

    def _max_pool_2d(self, operator: Any, inputs: list[int], output: int) -> str:
        options = self._options(operator, "Pool2DOptions")
        made = self.graph.node(
            "MaxPool",
            self.graph.node("Transpose", self.value(inputs[0]), perm=_TO_NCHW),
            kernel_shape=[options.FilterHeight(), options.FilterWidth()],
            strides=[options.StrideH(), options.StrideW()],
            auto_pad="SAME_UPPER" if options.Padding() == 0 else "VALID",
        )
        return self._activated(
            self.graph.node("Transpose", made, perm=_TO_NHWC), options.FusedActivationFunction()
        )

    def _resize_bilinear(self, operator: Any, inputs: list[int], output: int) -> str:
        options = self._options(operator, "ResizeBilinearOptions")
        place = "align_corners" if options.AlignCorners() else "asymmetric"
        place = "half_pixel" if options.HalfPixelCenters() else place
        height, width = (int(size) for size in self.stored[inputs[1]])
        channels = int(self.tensors[output].ShapeAsNumpy()[3])
        picture = self.graph.node("Transpose", self.value(inputs[0]), perm=_TO_NCHW)
        sizes = self.graph.integers([1, channels, height, width])
        made = self.graph.node(
            "Resize", picture, "", "", sizes, mode="linear", coordinate_transformation_mode=place
        )
        return self.graph.node("Transpose", made, perm=_TO_NHWC)

    def _arithmetic(self, op: str, operator: Any, inputs: list[int]) -> str:
        made = self.graph.node(op, *(self.value(i) for i in inputs))
        return self._activated(made, self._options(operator, f"{op}Options").FusedActivationFunction())

    def _add(self, operator: Any, inputs: list[int], output: int) -> str:
        return self._arithmetic("Add", operator, inputs)

    def _sub(self, operator: Any, inputs: list[int], output: int) -> str:
        return self._arithmetic("Sub", operator, inputs)

    def _mul(self, operator: Any, inputs: list[int], output: int) -> str:
        return self._arithmetic("Mul", operator, inputs)

    def _div(self, operator: Any, inputs: list[int], output: int) -> str:
        return self._arithmetic("Div", operator, inputs)

    def _squared_difference(self, operator: Any, inputs: list[int], output: int) -> str:
        difference = self.graph.node("Sub", *(self.value(i) for i in inputs))
        return self.graph.node("Mul", difference, difference)

    def _prelu(self, operator: Any, inputs: list[int], output: int) -> str:
        return self.graph.node("PRelu", self.value(inputs[0]), self.value(inputs[1]))

    def _relu(self, operator: Any, inputs: list[int], output: int) -> str:
        return self.graph.node("Relu", self.value(inputs[0]))

    def _logistic(self, operator: Any, inputs: list[int], output: int) -> str:
        return self.graph.node("Sigmoid", self.value(inputs[0]))

    def _sqrt(self, operator: Any, inputs: list[int], output: int) -> str:
        return self.graph.node("Sqrt", self.value(inputs[0]))

    def _rsqrt(self, operator: Any, inputs: list[int], output: int) -> str:
        return self.graph.node("Reciprocal", self.graph.node("Sqrt", self.value(inputs[0])))

    def _neg(self, operator: Any, inputs: list[int], output: int) -> str:
        return self.graph.node("Neg", self.value(inputs[0]))

    def _pad(self, operator: Any, inputs: list[int], output: int) -> str:
        before, after = self.stored[inputs[1]].T
        return self.graph.node("Pad", self.value(inputs[0]), self.graph.integers([*before, *after]))

    def _reshape(self, operator: Any, inputs: list[int], output: int) -> str:
        shape = self.tensors[output].ShapeAsNumpy()
        return self.graph.node("Reshape", self.value(inputs[0]), self.graph.integers(shape))

    def _transpose(self, operator: Any, inputs: list[int], output: int) -> str:
        return self.graph.node(
            "Transpose", self.value(inputs[0]), perm=[int(i) for i in self.stored[inputs[1]]]
        )

    def _concatenation(self, operator: Any, inputs: list[int], output: int) -> str:
        axis = self._options(operator, "ConcatenationOptions").Axis()
        return self.graph.node("Concat", *(self.value(i) for i in inputs), axis=axis)

    def _reduced(self, op: str, operator: Any, inputs: list[int]) -> str:
        axes = self.graph.integers(np.atleast_1d(self.stored[inputs[1]]))
        keep = int(self._options(operator, "ReducerOptions").KeepDims())
        return self.graph.node(op, self.value(inputs[0]), axes, keepdims=keep)

    def _mean(self, operator: Any, inputs: list[int], output: int) -> str:
        return self._reduced("ReduceMean", operator, inputs)

    def _sum(self, operator: Any, inputs: list[int], output: int) -> str:
        return self._reduced("ReduceSum", operator, inputs)

    def _strided_slice(self, operator: Any, inputs: list[int], output: int) -> str:
        options = self._options(operator, "StridedSliceOptions")
        begin, end, steps = (self.stored[i].copy() for i in inputs[1:4])
        shape, axes = self.tensors[inputs[0]].ShapeAsNumpy(), range(len(begin))
        dropped = [axis for axis in axes if options.ShrinkAxisMask() >> axis & 1]
        for axis in axes:
            if options.BeginMask() >> axis & 1:
                begin[axis] = 0
            if options.EndMask() >> axis & 1:
                end[axis] = shape[axis]
            if axis in dropped:
                end[axis] = shape[axis] if begin[axis] == -1 else begin[axis] + 1
        integers = self.graph.integers
        made = self.graph.node(
            "Slice", self.value(inputs[0]), integers(begin), integers(end), integers(axes), integers(steps)
        )
        return self.graph.node("Squeeze", made, integers(dropped)) if dropped else made
