"""Encoders from safetensors: our folders, and published files by the names of their tensors."""

import json
import resource

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pixelsmile.errors import MAX_MESSAGE, ModelError
from pixelsmile.faces.encoders.architectures import build
from pixelsmile.faces.encoders.encoder import PREPROCESSING, Preprocessing
from pixelsmile.faces.encoders.inception_resnet import InceptionResnetConfig
from pixelsmile.faces.encoders.insightface import DEPTHS, IResNetConfig, MobileFaceNetConfig
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.torch_encoder import EncoderConfig, save_network

SMALL_IRESNET = IResNetConfig(layers=(1, 2, 1, 1), widths=(4, 6, 8, 10), stem_width=4, num_features=16)
SMALL = {
    "iresnet": SMALL_IRESNET,
    "inception": InceptionResnetConfig(num_blocks=(1, 1, 1), width=0.0625, num_features=16),
    "mobilefacenet": MobileFaceNetConfig(num_blocks=(1, 1, 1), width=8, last_width=16, num_features=16),
}
GREY_112 = Preprocessing(size_px=112)


def network_of(architecture, size_px=112, seed=0):
    """With statistics that are not those of a fresh batch normalisation."""
    torch.manual_seed(seed)
    network = build(architecture, size_px).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize("architecture", SMALL.values(), ids=SMALL)
def test_a_folder_loads_what_was_saved(tmp_path, crops, architecture):
    config = EncoderConfig(name="mine", preprocessing=GREY_112, architecture=architecture, note="for a test")
    network = network_of(architecture)
    save_network(tmp_path / "mine", config, network)
    encoder = load_encoder(tmp_path / "mine", device="cpu")
    assert (encoder.name, encoder.size_px, encoder.differentiable) == ("mine", 112, True)
    pictures = torch.from_numpy(crops(3))
    found = encoder.embed(pictures)
    assert found.shape == (3, 16)
    raw = network(GREY_112.apply(pictures)).detach()
    torch.testing.assert_close(found, torch.nn.functional.normalize(raw))
    torch.testing.assert_close(encoder.embed(pictures[1:2]), found[1:2], atol=1e-6, rtol=0)
    assert not any(weight.requires_grad for weight in encoder.network.parameters())


@pytest.mark.parametrize("architecture", SMALL.values(), ids=SMALL)
def test_gradient_in_float64(tmp_path, crops, architecture):
    config = EncoderConfig(name="mine", preprocessing=GREY_112, architecture=architecture)
    save_network(tmp_path, config, network_of(architecture))
    encoder = load_encoder(tmp_path, device="cpu")
    encoder.network.double()
    pictures = torch.from_numpy(crops(1)).double().requires_grad_()
    assert torch.autograd.gradcheck(encoder.embed, (pictures,), fast_mode=True)


@pytest.mark.parametrize(
    ("architecture", "size_px", "num_parameters"),
    [  # counted in the original code: insightface's iresnet50 and iresnet100, facenet-pytorch
        (IResNetConfig(layers=DEPTHS[50]), 112, 43_590_848),
        (IResNetConfig(), 112, 65_156_160),
        (InceptionResnetConfig(), 160, 23_482_624),
    ],
)
def test_published_sizes(architecture, size_px, num_parameters):
    with torch.device("meta"):
        network = build(architecture, size_px)
    assert sum(weight.numel() for weight in network.parameters()) == num_parameters


def published(tmp_path, architecture, size_px=112, change=lambda state: state, name="weights.safetensors"):
    network = network_of(architecture, size_px)
    save_file(change(dict(network.state_dict())), str(tmp_path / name))
    return tmp_path / name, network


def test_insightface_names(tmp_path, crops):
    path, network = published(tmp_path, SMALL_IRESNET)
    encoder = load_encoder(path, "arcface", device="cpu")
    expected = network(PREPROCESSING["arcface"].apply(torch.from_numpy(crops(2))))
    torch.testing.assert_close(
        encoder.embed(torch.from_numpy(crops(2))), torch.nn.functional.normalize(expected).detach()
    )
    assert encoder.name == "arcface"


def test_facenet_names_with_a_classifier(tmp_path, crops):
    def with_logits(state):
        return state | {"logits.weight": torch.zeros(10, 16), "logits.bias": torch.zeros(10)}

    path, network = published(tmp_path, SMALL["inception"], 160, with_logits)
    encoder = load_encoder(path, "facenet", device="cpu")
    assert encoder.size_px == 160
    expected = network(PREPROCESSING["facenet"].apply(torch.from_numpy(crops(2, 160)))).detach()
    found = encoder.embed(torch.from_numpy(crops(2, 160)))
    torch.testing.assert_close(found, torch.nn.functional.normalize(expected))


class AdaFaceBlock(torch.nn.Module):
    """A block as AdaFace's paper code has it (IR: BN, conv, BN, PReLU, conv with stride, BN)."""

    def __init__(self, width_in, width_out, stride):
        super().__init__()
        nn = torch.nn
        self.shortcut_layer = nn.MaxPool2d(1, stride)
        if width_in != width_out:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(width_in, width_out, 1, stride, bias=False), nn.BatchNorm2d(width_out)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(width_in),
            nn.Conv2d(width_in, width_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width_out),
            nn.PReLU(width_out),
            nn.Conv2d(width_out, width_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width_out),
        )

    def forward(self, x):
        return self.shortcut_layer(x) + self.res_layer(x)


class AdaFaceNetwork(torch.nn.Module):
    """Its names and order, small."""

    def __init__(self, layers=(2, 1, 3, 1), widths=(4, 6, 8, 10), num_features=16):
        super().__init__()
        nn = torch.nn
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0])
        )
        blocks, width = [], widths[0]
        for num_blocks, next_width in zip(layers, widths, strict=True):
            blocks.append(AdaFaceBlock(width, next_width, 2))
            blocks += [AdaFaceBlock(next_width, next_width, 1) for _ in range(num_blocks - 1)]
            width = next_width
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(width * 49, num_features),
            nn.BatchNorm1d(num_features, affine=False),
        )

    def forward(self, x):
        return self.output_layer(self.body(self.input_layer(x)))


@pytest.fixture
def adaface():
    torch.manual_seed(3)
    network = AdaFaceNetwork().eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    return network


def test_adaface_names(tmp_path, crops, adaface):
    """As in its checkpoints: under `model.`, with the head of the training."""
    state = {f"model.{name}": tensor for name, tensor in adaface.state_dict().items()}
    save_file(state | {"head.kernel": torch.zeros(16, 4)}, str(tmp_path / "ir.safetensors"))
    pictures = torch.from_numpy(crops(2))
    expected = torch.nn.functional.normalize(adaface((pictures.flip(1) - 0.5) / 0.5)).detach()
    torch.testing.assert_close(
        load_encoder(tmp_path / "ir.safetensors", "adaface", device="cpu").embed(pictures), expected
    )


def test_cvlface_says_its_own_channel_order(tmp_path, crops, adaface):
    state = {f"model.net.{name}": tensor for name, tensor in adaface.state_dict().items()}
    save_file(state, str(tmp_path / "model.safetensors"))
    with pytest.raises(ModelError, match=r"of CVLface, and only its config\.json says"):
        load_encoder(tmp_path, "adaface")
    conf = {"color_space": "RGB", "input_size": [3, 112, 112], "name": "ir101", "output_dim": 512}
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["CVLFaceRecognitionModel"], "conf": conf})
    )
    pictures = torch.from_numpy(crops(2))
    expected = torch.nn.functional.normalize(adaface((pictures - 0.5) / 0.5)).detach()
    torch.testing.assert_close(load_encoder(tmp_path, "adaface", device="cpu").embed(pictures), expected)
    (tmp_path / "config.json").write_text(json.dumps({"conf": {"name": "ir101"}}))
    with pytest.raises(ModelError, match="lacks the colour space and size"):
        load_encoder(tmp_path, "adaface")


@pytest.mark.parametrize(
    "dropped", ["body.1.", "body.0.res_layer.1", "input_layer.0", "body.5.", "output_layer.3"]
)
def test_adaface_with_a_part_missing(tmp_path, adaface, dropped):
    state = {name: tensor for name, tensor in adaface.state_dict().items() if not name.startswith(dropped)}
    save_file(state, str(tmp_path / "ir.safetensors"))
    with pytest.raises(ModelError, match=r"does not fit its network|holds no network that is known"):
        load_encoder(tmp_path / "ir.safetensors", "adaface", device="cpu")


def test_half_precision_files_run_in_float32(tmp_path, crops):
    path, _ = published(tmp_path, SMALL_IRESNET, change=lambda state: {n: t.half() for n, t in state.items()})
    assert load_encoder(path, "arcface", device="cpu").embed(crops(1)).dtype == np.float32


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".pkl"])
def test_pickles_are_refused_unread(tmp_path, suffix):
    path = tmp_path / f"adaface{suffix}"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ModelError, match="is a pickle, which is never loaded: convert it to safetensors"):
        load_encoder(path, "adaface")
    with pytest.raises(ModelError, match=f"has only adaface{suffix}, a pickle"):
        load_encoder(tmp_path, "adaface")


def test_files_that_are_not_what_they_say(tmp_path):
    def refused(path, kind="arcface"):
        with pytest.raises(ModelError) as error:
            load_encoder(path, kind)
        assert "\n" not in str(error.value)
        return str(error.value)

    path, _ = published(tmp_path, SMALL_IRESNET)
    assert "holds an iresnet, which is not facenet" in refused(path, "facenet")
    assert "does not say which encoder it is" in refused(path, None)
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-10])
    assert "no whole safetensors file" in refused(tmp_path / "cut.safetensors")
    assert "there is no file" in refused(tmp_path / "none.safetensors")
    assert "has no model.safetensors" in refused(tmp_path)
    save_file({"a": torch.zeros(2)}, str(tmp_path / "other.safetensors"))
    assert "holds no network that is known (it begins with ['a'])" in refused(tmp_path / "other.safetensors")

    def spoilt(state):
        state["layer2.1.conv1.weight"] = torch.zeros(6, 6, 5, 5)
        state["layer2.1.se.weight"] = torch.zeros(1)
        del state["layer1.0.bn2.bias"]
        return state

    path, _ = published(tmp_path, SMALL_IRESNET, change=spoilt, name="spoilt.safetensors")
    line = refused(path)
    assert "layer1.0.bn2.bias is missing; layer2.1.se.weight is unknown" in line
    assert "layer2.1.conv1.weight is (6, 6, 5, 5), not (6, 6, 3, 3)" in line


def test_bad_configs(tmp_path):
    config = EncoderConfig(name="mine", preprocessing=GREY_112, architecture=SMALL_IRESNET)
    save_network(tmp_path, config, network_of(SMALL_IRESNET))
    with pytest.raises(ModelError, match="says that the encoder is 'mine', not 'arcface'"):
        load_encoder(tmp_path, "arcface")
    file = tmp_path / "config.json"
    good = json.loads(file.read_text())
    file.write_text(json.dumps(good | {"surprise": 1}))
    with pytest.raises(ModelError, match=r"config.json is not valid: unknown key surprise"):
        load_encoder(tmp_path)
    file.write_text(json.dumps(good | {"architecture": {"type": "vit"}}))
    with pytest.raises(ModelError, match=r"config\.json is not valid"):
        load_encoder(tmp_path)
    file.write_text("{")
    with pytest.raises(ModelError, match="is no valid JSON"):
        load_encoder(tmp_path)
    file.write_text(json.dumps(good | {"preprocessing": {"size_px": 96}}))
    with pytest.raises(ModelError, match=r"does not fit its network \(iresnet at 96 px\): fc.weight is"):
        load_encoder(tmp_path)


ABSURD = [
    ("architecture.layers", [10**12, 1, 1, 1]),
    ("architecture.layers", [1, 1, 1]),
    ("architecture.widths", [4, 6, 8, 10**9]),
    ("architecture.widths", [8192] * 4),
    ("architecture.layers", [200] * 4),
    ("architecture.stem_width", 0),
    ("architecture.num_features", 10**8),
    ("preprocessing.size_px", 1_000_000),
    ("preprocessing.size_px", 1024),
    ("preprocessing.scale", 1e-300),
    ("preprocessing.mean", 1e300),
    ("preprocessing.channel_order", "GRB"),
    ("name", 7),
]


@pytest.mark.parametrize(("key", "value"), ABSURD, ids=lambda value: str(value)[:24])
def test_absurd_numbers_are_refused_before_they_take_memory(key, value, tmp_path):
    config = EncoderConfig(name="mine", preprocessing=GREY_112, architecture=SMALL_IRESNET)
    save_network(tmp_path, config, network_of(SMALL_IRESNET))
    record = json.loads((tmp_path / "config.json").read_text())
    part, _, name = key.rpartition(".")
    (record[part] if part else record)[name] = value
    (tmp_path / "config.json").write_text(json.dumps(record))
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError) as refused_by:
        load_encoder(tmp_path)
    line = str(refused_by.value)
    assert "\n" not in line
    assert len(line) <= MAX_MESSAGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before < 200_000  # kB


@pytest.mark.parametrize("text", ['{"a":' * 100_000, "[" * 1000, '{"a": NaN}', "\x00", " " * 2**21])
def test_configs_that_are_no_usable_json(text, tmp_path):
    config = EncoderConfig(name="mine", preprocessing=GREY_112, architecture=SMALL_IRESNET)
    save_network(tmp_path, config, network_of(SMALL_IRESNET))
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError) as refused_by:
        load_encoder(tmp_path)
    assert len(str(refused_by.value)) <= MAX_MESSAGE


def test_whole_numbers_are_no_weights(tmp_path):
    path, _ = published(tmp_path, SMALL_IRESNET)
    state = {name: tensor.to(torch.int8) for name, tensor in load_file(path).items()}
    save_file(state, path)
    with pytest.raises(ModelError, match="as I8, where weights are floating point"):
        load_encoder(path, "arcface")
