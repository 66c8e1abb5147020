"""Small ONNX files with the real interfaces. A cell of the input that is red has a face of known shape.

The average of the red channel over a cell is its score, so position, scale, channel order and range of what a
detector feeds in all show in what it gives back.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

STRIDES = {2: (8, 16, 32), 1: (8, 16, 32, 64, 128)}  # by anchors at a cell

# In units of the stride, from the anchor: no two numbers alike, so that nothing can be mixed up.
SCRFD_SIDES = (1.0, 2.0, 3.0, 4.0)  # left, top, right, bottom
SCRFD_STEPS = (0.25, 0.5, 2.0, 0.75, 1.0, 1.5, 0.5, 3.0, 1.75, 3.25)
YUNET_SIZE = (4.0, 6.0)
YUNET_STEPS = (-1.0, -1.5, 1.25, -1.75, 0.0, 0.5, -0.75, 1.5, 1.0, 2.0)

Node = onnx.NodeProto
Constant = onnx.TensorProto


def red_block(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """A black picture with one red rectangle."""
    image = Image.new("RGB", size)
    image.paste((255, 0, 0), box)
    return image


def constant(name: str, values: object, dtype: type = np.float32) -> Constant:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def save_model(
    path: Path,
    nodes: Sequence[Node],
    constants: Sequence[Constant],
    outputs: Sequence[tuple[str, Sequence[int | str | None]]],
    input_shape: Sequence[int | str | None] = (1, 3, "height", "width"),
    metadata: dict[str, str] | None = None,
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "hand-made",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        list(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def scrfd_file(
    path: Path,
    *,
    num_outputs: int = 9,
    stride: int = 16,
    order: Sequence[int] | None = None,
    input_shape: Sequence[int | str | None] = (1, 3, "height", "width"),
) -> Path:
    """An SCRFD that knows faces at one stride only; `order` shuffles its outputs."""
    num_anchors = 2 if num_outputs in (6, 9) else 1
    strides = STRIDES[num_anchors]
    nodes: list[Node] = []
    constants = [constant("half", 0.5), constant("one", 1.0), constant("zero", 0.0)]
    constants += [constant("column", [-1, 1], np.int64)]
    outputs: dict[str, list[str]] = {"scores": [], "sides": [], "steps": []}
    for level in strides:
        # (255 - 127.5) / 128 is what a red pixel comes in as: back to 0..1
        weights = np.array([128 / 255, 0, 0]).reshape(1, 3, 1, 1) * (level == stride)
        anchors = np.eye(num_anchors)[:1]  # the first of the anchors at a cell has the face
        constants += [constant(f"w{level}", weights), constant(f"anchor{level}", anchors)]
        constants += [constant(f"b{level}", [0.5 * (level == stride)])]
        nodes += [
            helper.make_node(
                "AveragePool", ["image"], [f"p{level}"], kernel_shape=[level] * 2, strides=[level] * 2
            ),
            helper.make_node("Conv", [f"p{level}", f"w{level}", f"b{level}"], [f"r{level}"]),
            helper.make_node("Reshape", [f"r{level}", "column"], [f"c{level}"]),
            helper.make_node("Mul", [f"c{level}", f"anchor{level}"], [f"a{level}"]),
            helper.make_node("Reshape", [f"a{level}", "column"], [f"u{level}"]),
            helper.make_node("Clip", [f"u{level}", "zero", "one"], [f"scores{level}"]),
            helper.make_node("Mul", [f"scores{level}", "zero"], [f"z{level}"]),
        ]
        for kind, values in (("sides", SCRFD_SIDES), ("steps", SCRFD_STEPS)):
            constants.append(constant(f"v{kind}{level}", [values]))
            nodes.append(helper.make_node("Add", [f"z{level}", f"v{kind}{level}"], [f"{kind}{level}"]))
        for kind, names in outputs.items():
            names.append(f"{kind}{level}")
    kinds = ("scores", "sides", "steps") if num_outputs in (9, 15) else ("scores", "sides")
    widths = {"scores": 1, "sides": 4, "steps": 10}
    listed = [(name, (None, widths[kind])) for kind in kinds for name in outputs[kind]]
    return save_model(path, nodes, constants, [listed[i] for i in order or range(len(listed))], input_shape)


def yunet_file(path: Path, *, stride: int = 16) -> Path:
    """A YuNet that knows faces at one stride only. Its picture is BGR, 0..255."""
    nodes: list[Node] = []
    constants: list[Constant] = []
    outputs: dict[str, tuple[str, tuple[int, int, int]]] = {}
    biases = {"bbox": (0.5, 0.5, *np.log(YUNET_SIZE)), "kps": YUNET_STEPS}
    for level in STRIDES[2]:
        weights = np.array([0, 0, 1 / 255]).reshape(1, 3, 1, 1) * (level == stride)
        constants.append(constant(f"w{level}", weights))
        nodes += [
            helper.make_node(
                "AveragePool", ["image"], [f"p{level}"], kernel_shape=[level] * 2, strides=[level] * 2
            ),
            helper.make_node("Conv", [f"p{level}", f"w{level}"], [f"r{level}"], kernel_shape=[1, 1]),
        ]
        for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            name, source = f"{kind}_{level}", f"r{level}"
            if kind in biases:
                source = f"conv_{name}"
                constants += [
                    constant(f"w_{name}", np.zeros((width, 1, 1, 1))),
                    constant(f"b_{name}", biases[kind]),
                ]
                nodes.append(
                    helper.make_node(
                        "Conv", [f"r{level}", f"w_{name}", f"b_{name}"], [source], kernel_shape=[1, 1]
                    )
                )
            constants.append(constant(f"s_{name}", [1, -1, width], np.int64))
            nodes += [
                helper.make_node("Transpose", [source], [f"t_{name}"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"t_{name}", f"s_{name}"], [name]),
            ]
            outputs[name] = (name, (1, (640 // level) ** 2, width))
    listed = [outputs[f"{kind}_{level}"] for kind in ("cls", "obj", "bbox", "kps") for level in STRIDES[2]]
    return save_model(path, nodes, constants, listed, (1, 3, 640, 640))


def fixed_output_file(
    path: Path,
    values: object,
    *,
    shape: Sequence[int | str | None] | None = None,
    input_shape: Sequence[int | str | None] = (1, 3, "height", "width"),
    metadata: dict[str, str] | None = None,
) -> Path:
    """A network that gives the same array for every picture."""
    array = np.asarray(values, np.float32)
    nodes = [helper.make_node("Identity", ["values"], ["output"])]
    outputs = [("output", list(array.shape) if shape is None else shape)]
    return save_model(path, nodes, [constant("values", array)], outputs, input_shape, metadata)


@pytest.fixture
def encoder_file(tmp_path: Path) -> Path:
    """An identity encoder, which is no detector."""
    return fixed_output_file(
        tmp_path / "encoder.onnx", np.zeros((1, 512)), input_shape=("batch", 3, 112, 112)
    )


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("PIXELSMILE_MODELS", str(folder))
    return folder
