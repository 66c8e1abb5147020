"""Every operator against ONNX Runtime, and its gradient against finite differences."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from pixelsmile.errors import ModelError
from pixelsmile.faces.encoders.onnx_file import OnnxFile
from pixelsmile.faces.encoders.onnx_graph import OnnxGraph
from pixelsmile.faces.encoders.onnx_operators import OPERATORS

RNG = np.random.default_rng(0)


def floats(*shape):
    return RNG.normal(0, 1, shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, dtype=np.int64)


POSITIVE = np.abs(floats(3, 1, 1)) + 0.5

# operator, attributes, other inputs, opset
CASES = [
    ("Abs", {}, [], 13),
    ("Add", {}, [floats(3, 1, 1)], 13),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2]}, [], 11),
    ("AveragePool", {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1]}, [], 11),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, [], 11),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, [], 11),
    ("BatchNormalization", {"epsilon": 1e-3}, [floats(3), floats(3), floats(3), POSITIVE.reshape(3)], 13),
    ("BatchNormalization", {}, [floats(3), floats(3), floats(3), POSITIVE.reshape(3)], 8),
    ("Clip", {}, [np.float32(-0.5), np.float32(0.7)], 13),
    ("Clip", {"min": -0.5}, [], 6),
    ("Concat", {"axis": 1}, [floats(2, 4, 7, 6)], 13),
    ("Conv", {"strides": [2, 1], "pads": [1, 1, 1, 1]}, [floats(4, 3, 3, 3), floats(4)], 13),
    ("Conv", {"pads": [0, 1, 2, 0], "dilations": [1, 2]}, [floats(4, 3, 2, 2)], 13),
    ("Conv", {"group": 3, "auto_pad": "SAME_UPPER", "strides": [2, 2]}, [floats(3, 1, 3, 3)], 13),
    ("Conv", {"auto_pad": "VALID"}, [floats(2, 3, 3, 1)], 13),
    ("Div", {}, [POSITIVE], 13),
    ("Dropout", {}, [], 13),
    ("Dropout", {"ratio": 0.4}, [], 8),
    ("Exp", {}, [], 13),
    ("Expand", {}, [whole(2, 2, 3, 7, 6)], 13),
    ("Flatten", {}, [], 13),
    ("Flatten", {"axis": -1}, [], 13),
    ("Gather", {"axis": 1}, [whole(2, -3)], 13),
    ("Gather", {"axis": -1}, [np.int64(2)], 13),
    ("GlobalAveragePool", {}, [], 13),
    ("Identity", {}, [], 13),
    ("LeakyRelu", {"alpha": 0.2}, [], 13),
    ("LpNormalization", {"axis": 1}, [], 13),
    ("MatMul", {}, [floats(6, 5)], 13),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2]}, [], 12),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, [], 12),
    ("MaxPool", {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1], "strides": [2, 1]}, [], 12),
    ("MaxPool", {"kernel_shape": [1, 1], "strides": [2, 2]}, [], 12),
    ("Mul", {}, [floats(2, 1, 7, 6)], 13),
    ("Neg", {}, [], 13),
    ("PRelu", {}, [floats(3, 1, 1)], 13),
    ("PRelu", {}, [floats(1)], 13),
    ("Pad", {"mode": "constant"}, [whole(0, 0, 1, 2, 0, 0, 0, 1), np.float32(0.25)], 13),
    ("Pad", {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}, [], 8),
    ("Pow", {}, [np.float32(2)], 13),
    ("ReduceL2", {"axes": [1], "keepdims": 1}, [], 13),
    ("ReduceL2", {"keepdims": 0}, [whole(2, 3)], 18),
    ("ReduceMean", {"axes": [2, 3]}, [], 13),
    ("ReduceSum", {}, [], 13),
    ("Relu", {}, [], 13),
    ("Reshape", {}, [whole(0, -1, 2)], 13),
    ("Sigmoid", {}, [], 13),
    ("Slice", {}, [whole(1, -1), whole(3, -(2**62)), whole(1, 3), whole(1, -2)], 13),
    ("Slice", {"axes": [2], "starts": [1], "ends": [2**31 - 1]}, [], 8),
    ("Squeeze", {}, [whole(0)], 13),
    ("Squeeze", {"axes": [0]}, [], 11),
    ("Sub", {}, [np.float32(0.3)], 13),
    ("Tanh", {}, [], 13),
    ("Transpose", {"perm": [0, 2, 3, 1]}, [], 13),
    ("Transpose", {}, [], 13),
    ("Unsqueeze", {}, [whole(0, -1)], 13),
    ("Unsqueeze", {"axes": [2]}, [], 11),
]


def graph_of(nodes, shape, constants, opset):
    """A model with one input x of `shape` and one output y."""
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model


def in_torch(model):
    return OnnxGraph(OnnxFile(Path("one.onnx"), model, "x", "y", None, False, False))


def in_runtime(model, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def check(model, x):
    graph = in_torch(model)
    theirs = in_runtime(model, x)
    ours = graph(torch.from_numpy(x)).numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)
    x64 = torch.from_numpy(x).double().requires_grad_()
    assert torch.autograd.gradcheck(graph.double(), (x64,), fast_mode=True)


@pytest.mark.parametrize(("op", "attributes", "others", "opset"), CASES, ids=lambda value: str(value)[:40])
def test_operator_agrees_with_onnx_runtime(op, attributes, others, opset):
    shape = (1, 3, 7, 6) if op == "Squeeze" else (2, 3, 7, 6)
    names = [f"c{index}" for index in range(len(others))]
    node = helper.make_node(op, ["x", *names], ["y"], **attributes)
    check(graph_of([node], shape, dict(zip(names, others, strict=True)), opset), floats(*shape))


@pytest.mark.parametrize(
    "attributes", [{"transB": 1, "alpha": 0.5, "beta": 2.0}, {"transA": 1}, {"transB": 1}]
)
def test_gemm(attributes):
    x = floats(4, 3)
    inner = 4 if attributes.get("transA") else 3
    b = floats(5, inner) if attributes.get("transB") else floats(inner, 5)
    node = helper.make_node("Gemm", ["x", "b", "c"], ["y"], **attributes)
    check(graph_of([node], x.shape, {"b": b, "c": floats(5)}, 13), x)


def test_left_out_inputs():
    clip = helper.make_node("Clip", ["x", "", "high"], ["y"])
    check(graph_of([clip], (2, 3), {"high": np.float32(0.2)}, 13), floats(2, 3))


def test_sqrt():
    nodes = [helper.make_node("Mul", ["x", "x"], ["a"]), helper.make_node("Add", ["a", "one"], ["b"])]
    nodes.append(helper.make_node("Sqrt", ["b"], ["y"]))
    check(graph_of(nodes, (2, 3), {"one": np.float32(1)}, 13), floats(2, 3))


def test_shapes_that_are_computed_in_the_graph():
    """x.view(x.size(0), -1) as torch exports it, then a Cast and a Constant."""
    minus_one = numpy_helper.from_array(whole(-1))
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Constant", [], ["zero"], value=numpy_helper.from_array(np.int64(0))),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Constant", [], ["axes"], value_ints=[0]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["row"]),
        helper.make_node("Constant", [], ["rest"], value=minus_one),
        helper.make_node("Concat", ["row", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["x", "flat"], ["a"]),
        helper.make_node("Cast", ["batch"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["a", "count"], ["b"]),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    check(graph_of(nodes, (2, 3, 4, 4), {}, 13), floats(2, 3, 4, 4))


def test_what_needs_no_picture_is_computed_once():
    nodes = [
        helper.make_node("Mul", ["two", "two"], ["four"]),
        helper.make_node("Mul", ["x", "four"], ["y"]),
        helper.make_node("Add", ["x", "four"], ["unused"]),
    ]
    graph = in_torch(graph_of(nodes, (2, 3), {"two": np.float32(2)}, 13))
    assert [node.op for node in graph._nodes] == ["Mul"]
    assert torch.equal(graph(torch.ones(2, 3)), torch.full((2, 3), 4.0))


def test_every_operator_is_tested():
    elsewhere = {"Cast", "Gemm", "Shape", "Sqrt"}
    assert set(OPERATORS) == elsewhere | {case[0] for case in CASES}


@pytest.mark.parametrize(
    ("node", "constants", "seen"),
    [
        (("Div", ["nine", "zero"]), {"nine": np.int64([9]), "zero": np.int64([0])}, "ZeroDivisionError"),
        (
            ("Squeeze", ["x0", "nine"]),
            {"x0": np.zeros((1, 2), np.float32), "nine": np.int64([9])},
            "imension",
        ),
        (
            ("Expand", ["x0", "huge"]),
            {"x0": np.float32([1]), "huge": np.int64([10**9, 10**6])},
            "makes 1,000,000",
        ),
        (
            ("Pad", ["x0", "huge"]),
            {"x0": np.zeros((1, 1), np.float32), "huge": np.int64([0, 10**10, 0, 10**10])},
            "makes 20,000,000,001 numbers",
        ),
        (
            ("Add", ["row", "column"]),
            {"row": np.zeros((1, 20_000), np.float32), "column": np.zeros((20_000, 1), np.float32)},
            "makes 400,000,000 numbers",
        ),
        (
            ("MatMul", ["column", "row"]),
            {"row": np.zeros((1, 20_000), np.float32), "column": np.zeros((20_000, 1), np.float32)},
            "makes 400,000,000 numbers",
        ),
        (
            ("Gather", ["table", "places"]),
            {"table": np.zeros((1, 20_000), np.float32), "places": np.zeros(20_000, np.int64)},
            "makes 400,000,000 numbers",
        ),
        (("Reshape", ["x0", "odd"]), {"x0": np.zeros(6, np.float32), "odd": np.int64([4, -1])}, "invalid"),
        (("Concat", ["x0"]), {"x0": np.zeros(6, np.float32)}, "axis"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_constants_that_cannot_be_computed(node, constants, seen):
    """What a graph makes of its own constants is computed when it is read; one line says what failed."""
    op, inputs = node
    nodes = [helper.make_node(op, inputs, ["k"]), helper.make_node("Add", ["x", "k"], ["y"])]
    with pytest.raises(ModelError) as refused:
        in_torch(graph_of(nodes, (2, 3, 7, 6), constants, 13))
    line = str(refused.value)
    assert "\n" not in line
    assert f"({op}) cannot be run in torch" in line
    assert seen in line


def test_padding_without_end():
    weight = np.zeros((1, 3, 1, 1), np.float32)
    for pads in ([10**6] * 4, [0, 0, 10**6, 10**6]):
        graph = in_torch(
            graph_of(
                [helper.make_node("Conv", ["x", "w"], ["y"], pads=pads)], (2, 3, 7, 6), {"w": weight}, 13
            )
        )
        with pytest.raises(ModelError, match="numbers"):
            graph(torch.zeros(2, 3, 7, 6))
