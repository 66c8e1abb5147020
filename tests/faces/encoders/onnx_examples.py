"""Small random ONNX files with the interface of the real encoders."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 4
NUM_FEATURES = 512


def weights(seed: int, **shapes: tuple[int, ...]) -> list[onnx.TensorProto]:
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
    for name, array in arrays.items():
        if name.endswith("variance"):
            arrays[name] = np.abs(array) + 0.5
    return [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]


def picture_input(
    name: str = "input.1", batch: int | str = "batch", size: int | str = 112, channels: int = 3
):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, channels, size, size])


def save(path: Path, nodes, inputs, outputs, initializers, opset: int = 13) -> Path:
    graph = helper.make_graph(nodes, "encoder", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def network_nodes(first: str, output: str) -> list[onnx.NodeProto]:
    """What an IResNet is made of, at 112 px -> 28 -> 7 px."""
    return [
        helper.make_node("Conv", [first, "conv_a"], ["a"], strides=[4, 4], pads=[1, 1, 1, 1], name="Conv_0"),
        helper.make_node(
            "BatchNormalization", ["a", *(f"bn_{n}" for n in NORM)], ["b"], name="BatchNormalization_1"
        ),
        helper.make_node("PRelu", ["b", "slope"], ["c"], name="PRelu_2"),
        helper.make_node("Conv", ["c", "conv_b", "bias_b"], ["d"], pads=[1, 1, 1, 1], name="Conv_3"),
        helper.make_node("Add", ["c", "d"], ["e"], name="Add_4"),
        helper.make_node("Conv", ["e", "conv_c"], ["f"], strides=[4, 4], pads=[1, 1, 1, 1], name="Conv_5"),
        helper.make_node("Flatten", ["f"], ["g"], name="Flatten_6"),
        helper.make_node("Gemm", ["g", "fc", "fc_bias"], [output], transB=1, name="Gemm_7"),
    ]


NORM = ("scale", "bias", "mean", "variance")


def network_weights(seed: int = 0) -> list[onnx.TensorProto]:
    w = WIDTH
    return weights(
        seed,
        conv_a=(w, 3, 3, 3),
        **{f"bn_{name}": (w,) for name in NORM},
        slope=(w, 1, 1),
        conv_b=(w, w, 3, 3),
        bias_b=(w,),
        conv_c=(w, w, 3, 3),
        fc=(NUM_FEATURES, w * 49),
        fc_bias=(NUM_FEATURES,),
    )


def embedding_output(name: str = "683", batch: int | str = "batch"):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, NUM_FEATURES])
