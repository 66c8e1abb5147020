"""Small random ONNX files with the interface of the real encoders, and exported IResNets."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from pixelsmile.faces.encoders.insightface import IResNet, IResNetConfig

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


def iresnet(seed: int = 0) -> IResNet:
    """A small network with random weights and statistics."""
    torch.manual_seed(seed)
    shape = IResNetConfig(layers=(1, 2, 1, 1), widths=(4, 4, 8, 8), stem_width=4, num_features=16)
    network = IResNet(shape, 112).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            for tensor in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return network


def exported(path: Path, network: nn.Module, folded: bool = True, opset: int = 11) -> Path:
    """As insightface's torch2onnx.py exports its encoders; `folded`: with convolutions that normalise."""
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 112, 112),),
            str(path),
            opset_version=opset,
            training=mode,
            do_constant_folding=folded,
            keep_initializers_as_inputs=False,
            dynamic_axes={"picture": {0: "batch"}},
            input_names=["picture"],
            dynamo=False,
        )
    return path
