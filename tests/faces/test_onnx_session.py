"""Graphs that never end, grow without end or give what no network gives: one line, and soon."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from faces.detectors.conftest import constant, fixed_output_file, save_model
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from pixelsmile.errors import MAX_MESSAGE, ModelError
from pixelsmile.faces import onnx as onnx_session
from pixelsmile.faces.detectors import load_detector
from pixelsmile.faces.detectors.onnx_boxes import OnnxBoxesDetector
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.masks import FaceParser

PICTURE = Image.new("RGB", (64, 64))
INPUT = (1, 3, 64, 64)


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_detector(str(path)).detect(PICTURE)
    line = str(refused.value)
    assert "\n" not in line
    assert len(line) <= MAX_MESSAGE
    return line


def endless_nodes(given: str, result: str) -> list[onnx.NodeProto]:
    """A loop whose condition stays true, around the sum of the input."""
    flags = [helper.make_tensor_value_info(name, TensorProto.BOOL, ()) for name in ("go_in", "go_out")]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ()) for name in ("v_in", "v_out")]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("Add", ["v_in", "v_in"], ["v_out"]),
        ],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ()), flags[0], values[0]],
        [flags[1], values[1]],
    )
    return [
        helper.make_node("ReduceSum", [given], ["sum"], keepdims=0),
        helper.make_node("Loop", ["", "true", "sum"], ["sums"], body=body),
        helper.make_node("Mul", ["sums", "rows"], [result]),
    ]


def grown_nodes(given: str, result: str) -> list[onnx.NodeProto]:
    """The sum of the input as often as `shape` says."""
    return [
        helper.make_node("ReduceSum", [given], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "shape"], [result]),
    ]


def test_a_detector_that_never_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_session, "MAX_SECONDS", 0.3)
    constants = [constant("true", True, bool), constant("rows", np.zeros((4, 5)))]
    path = save_model(
        tmp_path / "loop.onnx", endless_nodes("image", "boxes"), constants, [("boxes", (4, 5))], INPUT
    )
    started = time.monotonic()
    assert "did not end within 0.3 s" in refusal(path)
    assert time.monotonic() - started < 5


def test_an_encoder_that_never_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_session, "MAX_SECONDS", 0.3)
    constants = [constant("true", True, bool), constant("rows", np.ones((1, 512)))]
    nodes = endless_nodes("image", "embedding")
    path = save_model(
        tmp_path / "loop.onnx", nodes, constants, [("embedding", (1, 512))], ("batch", 3, 112, 112)
    )
    with pytest.raises(ModelError, match="did not end within"):
        load_encoder(path, "arcface", device="cpu", num_threads=1)
    with pytest.raises(ModelError, match="no IResNet"):
        load_encoder(path, "arcface", differentiable=True, device="cpu")


@pytest.mark.parametrize(
    ("shape", "seen"),
    [((200_000, 5), "no known face detector"), ((20_000_000, 5), "gives 20000000 x 5 numbers")],
)
def test_rows_without_end(shape, seen, tmp_path):
    path = save_model(
        tmp_path / "rows.onnx",
        grown_nodes("image", "boxes"),
        [constant("shape", shape, np.int64)],
        [("boxes", ("n", 5))],
        INPUT,
    )
    assert seen in refusal(path)


def test_memory_without_end(tmp_path):
    """100 GB, for which the arena is too small before anything is written."""
    half = helper.make_node(
        "ConstantOfShape", ["shape"], ["halves"], value=numpy_helper.from_array(np.float32([0.5]))
    )
    nodes = [
        half,
        helper.make_node("ReduceSum", ["image"], ["sum"], keepdims=0),
        helper.make_node("Add", ["halves", "sum"], ["boxes"]),
    ]
    shape = [constant("shape", (5_000_000_000, 5), np.int64)]
    path = save_model(tmp_path / "memory.onnx", nodes, shape, [("boxes", ("n", 5))], INPUT)
    assert "asks for more than 4 GB" in refusal(path)


def test_a_face_in_every_row(tmp_path):
    rows = np.tile([1.0, 2.0, 30.0, 40.0, 0.9], (20_001, 1))
    assert "sees 20,001 faces" in refusal(fixed_output_file(tmp_path / "x.onnx", rows, input_shape=INPUT))
    few = fixed_output_file(tmp_path / "y.onnx", rows[:500], input_shape=INPUT)
    assert len(load_detector(str(few)).detect(PICTURE)) == 1


def test_a_picture_of_no_size(tmp_path):
    rows = np.zeros((1, 5))
    for side in (1_000_000, 4097):
        path = fixed_output_file(tmp_path / "x.onnx", rows, input_shape=(1, 3, side, side))
        assert "of at most 4096 px" in refusal(path)


@pytest.mark.parametrize("kind", ["text", "list"])
def test_outputs_that_are_no_numbers(kind, tmp_path):
    if kind == "text":
        nodes = [helper.make_node("Cast", ["image"], ["out"], to=TensorProto.STRING)]
        value = helper.make_tensor_value_info("out", TensorProto.STRING, ("n", 5))
    else:
        nodes = [helper.make_node("SequenceConstruct", ["image", "image"], ["out"])]
        value = helper.make_tensor_sequence_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        nodes, "odd", [helper.make_tensor_value_info("image", TensorProto.FLOAT, INPUT)], [value]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path / "odd.onnx"
    onnx.save(model, path)
    refusal(path)
    with pytest.raises(ModelError, match="where an array of numbers is needed"):
        FaceParser(path).classes(PICTURE)


@pytest.mark.parametrize(
    "names",
    [
        "-" * 60_000 + "1",
        "[" * 5_000,
        "{" * 200_000,
        "{0: 'face'" + ", 0: 'face'" * 10_000 + "}",
        "{-1: 'face'}",
        "{7: 'face'}",
        "{0: 'face', 5: 'body'}",
        "{1e999: 'face'}",
        "{'face': 0}",
        "['face']",
        "7",
        "None",
        "\ud7ff\0",
    ],
)
def test_names_of_classes(names, tmp_path):
    path = fixed_output_file(
        tmp_path / "x.onnx", np.zeros((1, 6)), input_shape=INPUT, metadata={"names": names}
    )
    with pytest.raises(ModelError) as refused:
        OnnxBoxesDetector(path)
    assert "class names that cannot be read" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= MAX_MESSAGE
