"""An ONNX file that is not what it says: one clear line, whether it is measured with or trained with."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_examples import (
    embedding_output,
    exported,
    iresnet,
    network_nodes,
    network_weights,
    picture_input,
    save,
)
from torch import nn

from pixelsmile.errors import ModelError
from pixelsmile.faces.encoders.loading import load_encoder


@pytest.fixture(params=[False, True], ids=["measuring", "training"])
def refused(request):
    """The one line with which a file is refused."""

    def refuse(path, kind="arcface"):
        with pytest.raises(ModelError) as error:
            load_encoder(path, kind, differentiable=request.param, device="cpu", num_threads=1)
        line = str(error.value)
        assert "\n" not in line
        assert str(path) in line
        return line

    return refuse


def one_node(path, input_shape, outputs, element=TensorProto.FLOAT):
    """A file of that interface; what it computes does not matter."""
    nodes = [helper.make_node("Identity", ["input.1"], [name]) for name in outputs]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()
    ]
    return save(path, nodes, [helper.make_tensor_value_info("input.1", element, input_shape)], values, [])


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><html></html>", b"\x89PNG\r\n\x1a\n" * 50, b"\x00" * 200]
)
def test_no_onnx(tmp_path, refused, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    assert "no ONNX file" in refused(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95, 0.999])
def test_truncated(tmp_path, encoder_onnx, refused, part):
    whole = encoder_onnx().read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: int(len(whole) * part)])
    assert "cut short" in refused(path)


def test_git_lfs_pointer(tmp_path, refused):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 260694151\n")
    assert "Git LFS pointer" in refused(path)


def test_missing_and_folder(tmp_path, refused):
    assert "cannot read" in refused(tmp_path / "none.onnx")
    (tmp_path / "folder.onnx").mkdir()
    assert "cannot read" in refused(tmp_path / "folder.onnx")


def test_detector(tmp_path, refused):
    """SCRFD's interface: nine outputs for a 640 px picture."""
    outputs = {
        f"out{i}": [num, width]
        for i, (num, width) in enumerate((n, w) for w in (1, 4, 10) for n in (12800, 3200, 800))
    }
    path = one_node(tmp_path / "scrfd.onnx", [1, 3, "?", "?"], outputs)
    assert "it has 9 outputs, as a face detector has" in refused(path)
    path = one_node(tmp_path / "scores.onnx", [1, 3, "?", "?"], {"scores": [12800, 4]})
    assert "its outputs are 'scores' (12800, 4)" in refused(path)


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        (["b", 3, 192, 192], "(?, 3, 192, 192)"),  # insightface's landmarks
        (["b", 112, 112, 3], "(?, 112, 112, 3)"),
        (["b", 1, 112, 112], "(?, 1, 112, 112)"),
        (["b", 3, 112, 96], "(?, 3, 112, 96)"),
        (["b", 512], "(?, 512)"),
        (None, "of no stated shape"),
    ],
)
def test_wrong_input(tmp_path, refused, shape, seen):
    path = one_node(tmp_path / "x.onnx", shape, {"y": ["b", 512]})
    line = refused(path)
    assert f"its input 'input.1' is {seen}" in line
    assert "takes (batch, 3, 112, 112) in float32 and returns (batch, numbers)" in line


def test_arcface_given_as_facenet(encoder_onnx, refused):
    assert "an identity encoder takes (batch, 3, 160, 160)" in refused(encoder_onnx(), "facenet")


def test_number_formats_batches_and_inputs(tmp_path, refused):
    path = one_node(tmp_path / "x.onnx", ["b", 3, 112, 112], {"y": ["b", 512]}, TensorProto.UINT8)
    assert "is of type uint8" in refused(path)
    path = one_node(tmp_path / "x.onnx", [8, 3, 112, 112], {"y": [8, 512]})
    assert "takes exactly 8 crops at once" in refused(path)
    inputs = [picture_input("a"), picture_input("b")]
    nodes = [helper.make_node("Add", ["a", "b"], ["y"])]
    path = save(tmp_path / "x.onnx", nodes, inputs, [embedding_output("y")], [])
    assert "it has 2 inputs" in refused(path)


def test_wrong_output(tmp_path, refused):
    path = one_node(tmp_path / "x.onnx", ["b", 3, 112, 112], {"y": ["b", 512, 7, 7]})
    assert "its outputs are 'y' (?, 512, 7, 7)" in refused(path)
    path = one_node(tmp_path / "x.onnx", ["b", 3, 112, 112], {"y": ["b", 512], "z": ["b", 512]})
    assert "its outputs are 'y' (?, 512), 'z' (?, 512)" in refused(path)


def test_an_output_that_declares_nothing_is_tried(tmp_path):
    path = one_node(tmp_path / "x.onnx", ["b", 3, 112, 112], {"y": None})
    with pytest.raises(
        ModelError, match=r"numbers of shape \(1, 3, 112, 112\) for 1 crops, not an embedding"
    ):
        load_encoder(path, "arcface", device="cpu")


def test_weights_elsewhere(tmp_path, encoder_onnx, refused):
    model = onnx.load(str(encoder_onnx()))
    path = tmp_path / "split.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="split.onnx.data", size_threshold=0)
    assert "keeps its weights in other files" in refused(path)


def test_weights_that_do_not_fit(tmp_path, refused):
    tensors = {tensor.name: tensor for tensor in network_weights()}
    tensors["fc"] = numpy_helper.from_array(np.zeros((512, 7), dtype=np.float32), "fc")
    nodes = network_nodes("input.1", "683")
    path = save(tmp_path / "x.onnx", nodes, [picture_input()], [embedding_output()], tensors.values())
    refused(path)


def test_a_weight_that_is_missing(tmp_path, refused):
    model = onnx.load(str(exported(tmp_path / "x.onnx", iresnet())))
    model.graph.initializer.remove(next(w for w in model.graph.initializer if w.name == "fc.bias"))
    onnx.save(model, str(tmp_path / "x.onnx"))
    assert "fc.bias" in refused(tmp_path / "x.onnx")


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_weights_that_are_zero_or_not_finite(tmp_path, refused, value):
    network = iresnet()
    for tensor in (network.features.weight, network.features.bias):
        nn.init.constant_(tensor, value)
    assert "zero or not finite" in refused(exported(tmp_path / "x.onnx", network))


def test_the_kind_must_be_said(encoder_onnx):
    with pytest.raises(
        ModelError, match=r"does not say which encoder it is: give its kind \(arcface, adaface"
    ):
        load_encoder(encoder_onnx())
    with pytest.raises(ModelError, match="unknown kind of identity encoder 'vgg'"):
        load_encoder(encoder_onnx(), "vgg")


@pytest.mark.parametrize(
    ("package", "differentiable"), [("onnx", True), ("onnx", False), ("onnxruntime", False)]
)
def test_missing_packages_are_named(encoder_onnx, monkeypatch, package, differentiable):
    path = encoder_onnx()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError) as error:
        load_encoder(path, "arcface", differentiable=differentiable)
    assert f'need the package {package}: pip install -c constraints.txt -e ".[faces]"' in str(error.value)
