"""Encoders from ONNX files: measured in ONNX Runtime, with gradients in torch, and the two agree."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_examples import embedding_output, network_nodes, network_weights, picture_input, save

from pixelsmile.errors import DeviceError, ImageError, ModelError
from pixelsmile.faces.encoders.encoder import cosine_similarity
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.features.encoder import sha256_encoder


def both(path, kind="arcface"):
    return (
        load_encoder(path, kind, device="cpu", num_threads=1),
        load_encoder(path, kind, differentiable=True, device="cpu"),
    )


@pytest.mark.parametrize("input_name", ["input.1", "data"])
@pytest.mark.parametrize("kind", ["arcface", "adaface", "auraface"])
def test_runtime_and_torch_agree(encoder_onnx, crops, kind, input_name):
    measuring, training = both(encoder_onnx(input_name=input_name), kind)
    assert (measuring.name, measuring.size_px, measuring.differentiable) == (kind, 112, False)
    assert (training.name, training.size_px, training.differentiable) == (kind, 112, True)
    pictures = crops(3)
    ours, theirs = training.embed(pictures), measuring.embed(pictures)
    assert ours.shape == theirs.shape == (3, 512)
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_the_state_of_a_graph_tells_one_file_from_another(encoder_onnx):
    """By it the cache of a training is named; the constants themselves are no part of it."""
    files = [encoder_onnx("a.onnx"), encoder_onnx("b.onnx", seed=1), encoder_onnx("c.onnx")]
    first, other, same = (
        sha256_encoder(load_encoder(file, "arcface", differentiable=True, device="cpu").network, {})
        for file in files
    )
    assert first == same != other


def test_the_network_is_given_what_insightface_gives_it(encoder_onnx, crops):
    path, pictures = encoder_onnx(), crops(2)
    levels = np.round(pictures * 255)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    raw = session.run(None, {"input.1": ((levels - 127.5) / 127.5).astype(np.float32)})[0]
    found = load_encoder(path, "arcface", device="cpu", num_threads=1).embed(levels / 255)
    np.testing.assert_allclose(found, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)


def test_adaface_sees_the_channels_the_other_way_round(encoder_onnx, crops):
    path, pictures = encoder_onnx(), crops(2)
    arcface = load_encoder(path, "arcface", device="cpu", num_threads=1)
    adaface = load_encoder(path, "adaface", device="cpu", num_threads=1)
    assert np.array_equal(adaface.embed(pictures), arcface.embed(pictures[:, ::-1]))


def test_a_graph_that_normalises_itself(tmp_path, encoder_onnx, crops):
    """insightface's rule: its MXNet graphs begin with nodes called _minusscalar0 and _mulscalar0."""
    scalars = [
        numpy_helper.from_array(np.float32(127.5), "mean"),
        numpy_helper.from_array(np.float32(1 / 127.5), "s"),
    ]
    first = [
        helper.make_node("Sub", ["data", "mean"], ["m"], name="_minusscalar0"),
        helper.make_node("Mul", ["m", "s"], ["n"], name="_mulscalar0"),
    ]
    path = save(
        tmp_path / "mxnet.onnx",
        first + network_nodes("n", "fc1"),
        [picture_input("data")],
        [embedding_output("fc1")],
        network_weights() + scalars,
    )
    measuring, training = both(path)
    expected = both(encoder_onnx())[0].embed(crops(2))
    np.testing.assert_allclose(measuring.embed(crops(2)), expected, atol=1e-5)
    np.testing.assert_allclose(training.embed(crops(2)), expected, atol=1e-5)


def test_weights_that_old_files_list_as_inputs(tmp_path, encoder_onnx, crops):
    model = onnx.load(str(encoder_onnx()))
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    onnx.save(model, str(tmp_path / "old.onnx"))
    measuring, training = both(tmp_path / "old.onnx")
    np.testing.assert_allclose(measuring.embed(crops(2)), training.embed(crops(2)), atol=1e-5)


def test_adafaces_own_export_has_the_norm_beside_the_embedding(tmp_path, crops):
    nodes = [
        *network_nodes("input", "raw"),
        helper.make_node("ReduceL2", ["raw"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Div", ["raw", "norm"], ["output"]),
    ]
    norm = helper.make_tensor_value_info("norm", TensorProto.FLOAT, ["batch", 1])
    path = save(
        tmp_path / "adaface.onnx",
        nodes,
        [picture_input("input")],
        [norm, embedding_output("output")],
        network_weights(),
    )
    measuring, training = both(path, "adaface")
    assert measuring.embed(crops(2)).shape == (2, 512)
    np.testing.assert_allclose(measuring.embed(crops(2)), training.embed(crops(2)), atol=1e-5)


@pytest.mark.parametrize("batch", [1, "batch"])
def test_each_crop_has_the_same_embedding_in_any_batch(encoder_onnx, crops, batch):
    pictures = crops(5)
    for encoder in both(encoder_onnx(batch=batch)):
        together = encoder.embed(pictures)
        alone = np.concatenate([encoder.embed(picture[None]) for picture in pictures])
        np.testing.assert_allclose(together, alone, atol=1e-6)


def test_tensors_come_back_as_tensors(encoder_onnx, crops):
    pictures = torch.from_numpy(crops(2))
    measuring, training = both(encoder_onnx())
    found = measuring.embed(pictures)
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found, training.embed(pictures), atol=1e-5, rtol=0)
    assert not training.embed(pictures).requires_grad
    with pytest.raises(ModelError, match="has no gradients: load it with differentiable=True"):
        measuring.embed(pictures.requires_grad_())


def test_gradient_in_float64(encoder_onnx, crops):
    encoder = load_encoder(encoder_onnx(), "adaface", differentiable=True, device="cpu")
    encoder.network.double()
    reference = encoder.embed(torch.from_numpy(crops(1, seed=2)).double())

    def similarity(pictures):
        return cosine_similarity(encoder.embed(pictures), reference)

    pictures = torch.from_numpy(crops(1)).double().requires_grad_()
    assert torch.autograd.gradcheck(similarity, (pictures,), fast_mode=True)
    similarity(pictures).sum().backward()
    assert pictures.grad.abs().max() > 0
    assert all(not tensor.requires_grad for tensor in encoder.network.buffers())


def test_autocast_does_not_touch_the_embedding(encoder_onnx, crops):
    encoder = load_encoder(encoder_onnx(), "arcface", differentiable=True, device="cpu")
    pictures = torch.from_numpy(crops(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(encoder.embed(pictures), encoder.embed(pictures))
        assert encoder.embed(pictures).dtype == torch.float32


def test_an_operator_that_is_not_known_is_named(tmp_path, crops):
    nodes = [*network_nodes("input.1", "raw"), helper.make_node("Erf", ["raw"], ["683"], name="Erf_8")]
    path = save(tmp_path / "erf.onnx", nodes, [picture_input()], [embedding_output()], network_weights())
    with pytest.raises(ModelError, match="node 'Erf_8' has the operator Erf"):
        load_encoder(path, "arcface", differentiable=True)
    assert load_encoder(path, "arcface", num_threads=1, device="cpu").embed(crops(1)).shape == (1, 512)


def test_a_use_that_is_not_known_is_named(tmp_path):
    nodes = [
        helper.make_node("Pad", ["input.1", "pads"], ["padded"], mode="reflect", name="Pad_0"),
        *network_nodes("padded", "683"),
    ]
    pads = numpy_helper.from_array(np.zeros(8, dtype=np.int64), "pads")
    path = save(
        tmp_path / "pad.onnx", nodes, [picture_input()], [embedding_output()], [*network_weights(), pads]
    )
    with pytest.raises(ModelError, match=r"node 'Pad_0' \(Pad\) cannot be run in torch"):
        load_encoder(path, "arcface", differentiable=True)


def test_wrong_crops_are_refused_by_both(encoder_onnx, crops):
    for encoder in both(encoder_onnx()):
        with pytest.raises(ImageError, match="align one face or more to 112 px"):
            encoder.embed(crops(1, 160))


def test_devices(encoder_onnx):
    path = encoder_onnx()
    with pytest.raises(DeviceError, match="'tpu'"):
        load_encoder(path, "arcface", device="tpu")
    with pytest.raises(DeviceError, match="'tpu'"):
        load_encoder(path, "arcface", device="tpu", differentiable=True)
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(DeviceError, match="has no CUDA for 'cuda:1'"):
            load_encoder(path, "arcface", device="cuda:1")
