"""Image encoders: the processor's own numbers, unit length, gradients, folders that are no encoder."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from pixelsmile.editing.pictures import to_tensor
from pixelsmile.errors import DeviceError, ImageError, ModelError
from pixelsmile.expressions import DOMAINS
from pixelsmile.features.clip import PUBLISHED, ClipEncoder
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.networks.expression_features import (
    DrawnFeaturesConfig,
    DrawnFeaturesNetwork,
    Window,
    look_through,
)
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

IMAGE_PX = 28
LEVEL = 1 / 255 / 0.26  # one level of 255, in units of CLIP's deviations


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A whole CLIPModel, as both published encoders are, small and with random weights."""
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=IMAGE_PX,
        patch_size=7, projection_dim=8,
    )  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=20, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=8, projection_dim=8, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    model = CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    )
    folder = tmp_path_factory.mktemp("clip")
    model.save_pretrained(folder)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": IMAGE_PX}, crop_size={"height": IMAGE_PX, "width": IMAGE_PX}
    )
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(clip_folder):
    return ClipEncoder.from_pretrained(clip_folder, device="cpu")


@pytest.fixture(scope="module")
def drawn():
    torch.manual_seed(0)
    config = DrawnFeaturesConfig(window_px=32, widths=(4, 4, 8, 8), num_blocks=(1, 1, 1), num_features=16)
    return DrawnEncoder(DrawnFeaturesNetwork(config))


@pytest.fixture(params=["clip", "drawn"])
def encoder(request):
    return request.getfixturevalue(request.param)


def portrait(size=96, width=None):
    image = draw_portrait(sample_identity(9_600_000), action_units("happy"), "human", size).image
    return image if width is None else image.resize((width, size))


def smooth(height, width):
    """A picture without edges, whose resizing leaves nothing to rounding but itself."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    pixels = np.stack([np.sin(4 * x), np.cos(3 * y), np.sin(5 * (x + y))], axis=2) * 100 + 127
    return Image.fromarray(pixels.round().astype(np.uint8))


# CLIP


@pytest.mark.parametrize(
    "image",
    [portrait(), portrait(61), portrait(IMAGE_PX), smooth(40, 70), smooth(70, 40), smooth(20, 31)],
    ids=["portrait", "odd", "as large", "wide", "high", "smaller"],
)
def test_pictures_are_prepared_as_the_processor_does(clip, clip_folder, image):
    processor = CLIPImageProcessorPil.from_pretrained(clip_folder)
    expected = processor(image, return_tensors="pt")["pixel_values"]
    found = clip.preprocessing.apply(to_tensor(image))
    assert found.shape == expected.shape == (1, 3, IMAGE_PX, IMAGE_PX)
    # the processor rounds to whole levels after each of two passes
    torch.testing.assert_close(found, expected, rtol=0, atol=1.6 * LEVEL)
    assert (found - expected).abs().mean() < 0.5 * LEVEL


def test_features_are_the_pooled_output_of_the_whole_model(clip, clip_folder):
    model = CLIPModel.from_pretrained(clip_folder).eval()
    processor = CLIPImageProcessorPil.from_pretrained(clip_folder)
    image = portrait()
    pixel_values = processor(image, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        pooled = model.vision_model(pixel_values=pixel_values).pooler_output
    expected = pooled / pooled.norm(dim=1, keepdim=True)
    torch.testing.assert_close(clip.features(to_tensor(image)), expected, rtol=0, atol=5e-3)


def test_half_precision_changes_features_little(clip, clip_folder):
    half = ClipEncoder.from_pretrained(clip_folder, device="cpu", dtype=torch.bfloat16)
    images = to_tensor(portrait())
    found = half.features(images)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, clip.features(images), rtol=0, atol=0.03)
    assert half.sha256 != clip.sha256


def test_both_published_encoders_are_named():
    assert set(PUBLISHED) == set(DOMAINS)
    assert [PUBLISHED[domain].is_pinned for domain in ("human", "anime")] == [True, False]


def test_a_pickle_is_not_loaded(clip_folder, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(clip_folder / name, tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    with pytest.raises(ModelError, match=r"no CLIP in .* pickles are not loaded"):
        ClipEncoder.from_pretrained(tmp_path)


def test_an_incomplete_model_is_refused(clip_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(clip_folder, tmp_path, dirs_exist_ok=True)
    state = load_file(tmp_path / "model.safetensors")
    del state["vision_model.encoder.layers.1.mlp.fc1.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"is incomplete \(.*layers.1.mlp.fc1.weight\): fetch it again"):
        ClipEncoder.from_pretrained(tmp_path)


def test_a_folder_without_a_processor_is_refused(clip_folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(clip_folder / name, tmp_path)
    with pytest.raises(ModelError, match=r"no image processor of CLIP in .*give a folder with preproc"):
        ClipEncoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"crop_size": 24, "size": {"shortest_edge": 24}},
            "prepares pictures of 24 px for a network of 28 px",
        ),
        ({"do_normalize": False}, "it does not resize the short side, cut a square and normalise"),
        ({"resample": 0}, r"no image processor of CLIP in"),
    ],
)
def test_other_processors_are_refused(clip_folder, tmp_path, changes, message):
    shutil.copytree(clip_folder, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ModelError, match=message):
        ClipEncoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("preprocessor_config.json", {"size": {"shortest_edge": 10**9}}, "resizes to 1000000000 px"),
        ("preprocessor_config.json", {"image_std": [1, 1, 0]}, "image_std are no three numbers"),
        ("config.json", {"num_hidden_layers": 10**12}, "num_hidden_layers is 1000000000000"),
        ("config.json", {"vision_config": {"hidden_size": 10**9}}, "hidden_size is 1000000000"),
        ("config.json", {"attn_implementation": "someone/kernel"}, "attn_implementation is 'someone/kernel'"),
        ("adapter_config.json", {"base_model_name_or_path": "/other"}, "would load another model"),
        ("config.json", [], "where a JSON object is needed"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_a_network_is_built(
    clip_folder, tmp_path, file, changes, message
):
    shutil.copytree(clip_folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / file
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | changes if isinstance(changes, dict) else changes))
    with pytest.raises(ModelError, match=message):
        ClipEncoder.from_pretrained(tmp_path)


def test_weights_of_clip_that_are_no_numbers_are_refused(clip_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(clip_folder, tmp_path, dirs_exist_ok=True)
    state = load_file(tmp_path / "model.safetensors")
    state["vision_model.encoder.layers.1.mlp.fc1.weight"][0, 0] = torch.nan
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"holds NaN or infinities \(.*layers.1.mlp.fc1.weight\)"):
        ClipEncoder.from_pretrained(tmp_path)


def test_the_old_form_of_a_processors_file_is_read(clip, clip_folder, tmp_path):
    """As DanbooruCLIP and OpenAI's CLIP have it: sizes as bare numbers, and another name of the class."""
    shutil.copytree(clip_folder, tmp_path, dirs_exist_ok=True)
    settings = {
        "crop_size": IMAGE_PX, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": IMAGE_PX,
    }  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    again = ClipEncoder.from_pretrained(tmp_path, device="cpu")
    assert again.preprocessing == clip.preprocessing
    assert again.sha256 == clip.sha256


def test_a_missing_model_and_a_missing_device_are_refused(clip_folder, tmp_path):
    with pytest.raises(ModelError, match="no image processor of CLIP"):
        ClipEncoder.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(DeviceError, match="no device 'toaster' on this machine for CLIP: use cpu"):
        ClipEncoder.from_pretrained(clip_folder, device="toaster")


# Any encoder


def test_features_have_unit_length(encoder):
    features = encoder.features(torch.cat([to_tensor(portrait()), torch.rand(1, 3, 96, 96)]))
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
    assert not features.requires_grad


def test_a_gradient_reaches_the_pictures_and_no_weight(encoder):
    images = to_tensor(portrait(48)).requires_grad_()
    features = encoder.features(images)
    (features * torch.linspace(-1, 1, features.shape[1])).sum().backward()
    assert torch.isfinite(images.grad).all()
    assert images.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in encoder._network.parameters())
    other = images.detach() + 1e-2 * images.grad / images.grad.norm()
    change = (encoder.features(other) - features.detach()) @ torch.linspace(-1, 1, features.shape[1])
    assert change.item() == pytest.approx(1e-2 * images.grad.norm().item(), rel=0.1)


def test_a_picture_has_the_same_features_in_any_batch_and_under_autocast(encoder):
    images = torch.cat([to_tensor(portrait(48)), torch.rand(1, 3, 48, 48)])
    features = encoder.features(images)
    torch.testing.assert_close(encoder.features(images[:1]), features[:1])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(encoder.features(images), features)
    torch.testing.assert_close(encoder.features(images.double()), features)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 32, 32), r"pictures of shape \(3, 32, 32\)"),
        (torch.zeros(0, 3, 32, 32), r"pictures of shape \(0, 3, 32, 32\)"),
        (torch.zeros(1, 4, 32, 32), r"pictures of shape \(1, 4, 32, 32\)"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "pictures of type torch.uint8"),
    ],
)
def test_other_shapes_and_types_are_refused(encoder, images, message):
    with pytest.raises(ImageError, match=message):
        encoder.features(images)


# The embedded one


def test_the_window_is_cut_out_and_resized():
    ramp = torch.arange(64.0).expand(1, 3, 64, 64)
    window = Window(left=0.25, top=0.5, side=0.5)
    torch.testing.assert_close(look_through(window, ramp, 32), ramp[..., 16:48, 16:48][..., :32, :])
    half = look_through(window, ramp, 16)[0, 0, 8]
    torch.testing.assert_close(half[1:-1], (torch.arange(16) * 2 + 16.5)[1:-1])


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_window_holds_the_moving_parts_of_faces(domain):
    window = DrawnFeaturesConfig().window
    for seed in range(9_600_000, 9_600_040):
        truth = draw_portrait(sample_identity(seed), action_units("surprised", 1.2), domain, 64).truth
        (left, top), (right, bottom) = truth.landmarks_5.min(0) / 64, truth.landmarks_5.max(0) / 64
        assert window.left + 0.08 < left < right < window.left + window.side - 0.08
        assert window.top + 0.12 < top < bottom < window.top + window.side - 0.05


def test_a_folder_gives_the_network_back(tmp_path):
    torch.manual_seed(1)
    config = DrawnFeaturesConfig(name="another", window_px=32, widths=(4, 4, 8, 8), num_features=8)
    network = DrawnFeaturesNetwork(config)
    network.save(tmp_path)
    again = DrawnEncoder.from_folder(tmp_path)
    assert again.name == "another"
    images = to_tensor(portrait(64))
    torch.testing.assert_close(
        again.features(images), DrawnEncoder(network).features(images), rtol=0, atol=2e-3
    )
    assert again.sha256 == DrawnEncoder.from_folder(tmp_path).sha256 != DrawnEncoder(network).sha256


def test_its_size():
    network = DrawnFeaturesNetwork(DrawnFeaturesConfig())
    num_parameters = sum(weight.numel() for weight in network.parameters())
    assert num_parameters <= 1_000_000
    assert 2 * num_parameters <= 2_000_000


def test_missing_and_damaged_folders_are_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no image encoder in"):
        DrawnEncoder.from_folder(tmp_path)
    torch.manual_seed(1)
    DrawnFeaturesNetwork(DrawnFeaturesConfig(window_px=32, widths=(4, 4, 8, 8))).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for changed in ({**config, "num_features": 9}, {**config, "colour": "red"}, {**config, "window_px": 33}):
        (tmp_path / "config.json").write_text(json.dumps(changed))
        with pytest.raises(ModelError, match=r"is damaged .* train it again"):
            DrawnEncoder.from_folder(tmp_path)
