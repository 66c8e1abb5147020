"""Encoders from ONNX files: measured in ONNX Runtime, IResNets with gradients in torch, and the two agree."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
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

from pixelsmile.errors import DeviceError, ImageError, ModelError
from pixelsmile.faces.encoders.encoder import cosine_similarity
from pixelsmile.faces.encoders.loading import load_encoder


def measuring(path, kind="arcface"):
    return load_encoder(path, kind, device="cpu", num_threads=1)


def training(path, kind="arcface"):
    return load_encoder(path, kind, differentiable=True, device="cpu")


@pytest.fixture(scope="module")
def iresnet_onnx(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("iresnet") / "x.onnx", iresnet())


@pytest.mark.parametrize("kind", ["arcface", "adaface", "auraface"])
@pytest.mark.parametrize(("folded", "opset"), [(True, 11), (True, 17), (False, 13)])
def test_runtime_and_torch_agree(tmp_path, crops, kind, folded, opset):
    path = exported(tmp_path / "x.onnx", iresnet(), folded, opset)
    ops = {node.op_type for node in onnx.load(str(path)).graph.node}
    assert {"Add", "BatchNormalization", "Conv", "Flatten", "Gemm", "PRelu"} <= ops
    pictures = crops(3)
    one, other = measuring(path, kind), training(path, kind)
    assert (one.name, one.size_px, one.differentiable) == (kind, 112, False)
    assert (other.name, other.size_px, other.differentiable) == (kind, 112, True)
    ours, theirs = other.embed(pictures), one.embed(pictures)
    assert ours.shape == theirs.shape == (3, 16)
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_the_weights_are_those_that_were_exported(tmp_path):
    """Without folding bit for bit; so the cache of a training tells one file from another."""
    network = iresnet()
    loaded = training(exported(tmp_path / "x.onnx", network, folded=False)).network.state_dict()
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(loaded[name], tensor), name


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
    expected = measuring(encoder_onnx()).embed(crops(2))
    np.testing.assert_allclose(measuring(path).embed(crops(2)), expected, atol=1e-5)


def test_weights_that_old_files_list_as_inputs(tmp_path, iresnet_onnx, crops):
    model = onnx.load(str(iresnet_onnx))
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    onnx.save(model, str(tmp_path / "old.onnx"))
    one, other = (load(tmp_path / "old.onnx").embed(crops(2)) for load in (measuring, training))
    np.testing.assert_allclose(one, other, atol=1e-6)


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
    assert measuring(path, "adaface").embed(crops(2)).shape == (2, 512)


@pytest.mark.parametrize("batch", [1, "batch"])
def test_each_crop_has_the_same_embedding_in_any_batch(encoder_onnx, iresnet_onnx, crops, batch):
    pictures = crops(5)
    for encoder in (measuring(encoder_onnx(batch=batch)), training(iresnet_onnx)):
        together = encoder.embed(pictures)
        alone = np.concatenate([encoder.embed(picture[None]) for picture in pictures])
        np.testing.assert_allclose(together, alone, atol=1e-6)


def test_tensors_come_back_as_tensors(iresnet_onnx, crops):
    pictures = torch.from_numpy(crops(2))
    one, other = measuring(iresnet_onnx), training(iresnet_onnx)
    found = one.embed(pictures)
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found, other.embed(pictures), atol=1e-6, rtol=0)
    assert not other.embed(pictures).requires_grad
    with pytest.raises(ModelError, match="has no gradients: load it with differentiable=True"):
        one.embed(pictures.requires_grad_())


def test_gradient_in_float64(iresnet_onnx, crops):
    encoder = training(iresnet_onnx, "adaface")
    encoder.network.double()
    reference = encoder.embed(torch.from_numpy(crops(1, seed=2)).double())

    def similarity(pictures):
        return cosine_similarity(encoder.embed(pictures), reference)

    pictures = torch.from_numpy(crops(1)).double().requires_grad_()
    assert torch.autograd.gradcheck(similarity, (pictures,), fast_mode=True)
    similarity(pictures).sum().backward()
    assert pictures.grad.abs().max() > 0
    assert all(not tensor.requires_grad for tensor in encoder.network.buffers())


def test_autocast_does_not_touch_the_embedding(iresnet_onnx, crops):
    encoder = training(iresnet_onnx)
    pictures = torch.from_numpy(crops(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(encoder.embed(pictures), encoder.embed(pictures))
        assert encoder.embed(pictures).dtype == torch.float32


def changed(path, folder, change):
    """The file after `change` of its graph."""
    model = onnx.load(str(path))
    change(model.graph)
    onnx.save(model, str(folder / "changed.onnx"))
    return folder / "changed.onnx"


def relu_for_prelu(graph):
    node = next(node for node in graph.node if node.op_type == "PRelu")
    node.op_type = "Relu"
    del node.input[1:]


def two_blocks_from_one(graph):
    """The last sum takes its shortcut from where the one before it did."""
    sums = [node for node in graph.node if node.op_type == "Add"]
    sums[2].input[1] = sums[1].input[1]


def no_picture(graph):
    next(node for node in graph.node if node.op_type == "Conv").input[0] = "nowhere"


def a_cycle(graph):
    sums = [node for node in graph.node if node.op_type == "Add"]
    sums[0].input[0] = sums[0].input[1] = sums[-1].output[0]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (relu_for_prelu, "Relu"),
        (two_blocks_from_one, "Add"),
        (no_picture, "from no node"),
        (a_cycle, "Add"),
    ],
)
def test_a_graph_that_is_no_iresnet_has_no_gradients(tmp_path, iresnet_onnx, change, seen):
    path = changed(iresnet_onnx, tmp_path, change)
    with pytest.raises(ModelError, match=f"is no IResNet as insightface exports it .*{seen}"):
        training(path)


def test_other_arithmetic_with_the_same_wiring_is_found(tmp_path, iresnet_onnx, crops):
    def dilate(graph):
        node = [node for node in graph.node if node.op_type == "Conv"][1]
        for attribute in node.attribute:
            if attribute.name in ("dilations", "pads"):
                attribute.ints[:] = [2] * len(attribute.ints)

    path = changed(iresnet_onnx, tmp_path, dilate)
    assert measuring(path).embed(crops(1)).shape == (1, 16)
    with pytest.raises(ModelError, match="computes something else than an IResNet with its weights"):
        training(path)


def test_wrong_crops_are_refused_by_both(iresnet_onnx, crops):
    for encoder in (measuring(iresnet_onnx), training(iresnet_onnx)):
        with pytest.raises(ImageError, match="align one face or more to 112 px"):
            encoder.embed(crops(1, 160))


def test_devices(iresnet_onnx):
    path = iresnet_onnx
    with pytest.raises(DeviceError, match="'tpu'"):
        load_encoder(path, "arcface", device="tpu")
    with pytest.raises(DeviceError, match="'tpu'"):
        load_encoder(path, "arcface", device="tpu", differentiable=True)
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(DeviceError, match="has no CUDA for 'cuda:1'"):
            load_encoder(path, "arcface", device="cuda:1")
