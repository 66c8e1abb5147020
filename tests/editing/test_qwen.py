"""No picture is made of numbers that are none, and the message says where they come from."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import Progress
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.requests import Request
from pixelsmile.errors import MAX_MESSAGE, AdapterError, InputError, ModelError

LAYER = "transformer_blocks.0.attn.to_q"


def message(engine: QwenEngine, portrait: Image.Image, kind: type[InputError] = ModelError) -> str:
    with pytest.raises(kind) as caught:
        Editor(engine).edit(portrait, "happy", strengths=(0, 1), steps=2)
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) <= MAX_MESSAGE
    return str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("part", "name", "called"),
    [
        ("transformer", f"{LAYER}.weight", "transformer"),
        ("transformer", "proj_out.bias", "transformer"),
        ("vae", "encoder.conv_in.bias", "autoencoder"),
        ("vae", "decoder.conv_out.bias", "autoencoder"),  # what the stock decoder would cut to white
        ("text_encoder", "model.language_model.norm.weight", "text encoder"),
    ],
)
def test_weights_that_are_no_numbers_make_no_picture(
    engine: QwenEngine, portrait: Image.Image, part: str, name: str, called: str, value: float
) -> None:
    weight = dict(getattr(engine.parts, part).named_parameters())[name].detach().view(-1)
    kept = weight[0].item()
    try:
        weight[0] = value
        found = "NaN" if value != value else "infinities"
        assert f"weights of the {called} hold {found} ({name}): fetch" in message(engine, portrait)
    finally:
        weight[0] = kept


def test_a_folder_with_nan_is_told_like_the_rest(
    model_folder: Path, tmp_path: Path, portrait: Image.Image
) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    (file,) = (folder / "transformer").glob("*.safetensors")
    tensors = load_file(file)
    tensors[f"{LAYER}.weight"][0, 0] = torch.nan
    save_file(tensors, file)
    engine = QwenEngine.load(str(folder), [], place("cpu"))
    assert f"weights of the transformer hold NaN ({LAYER}.weight)" in message(engine, portrait)


def test_float16_that_overflows_names_the_way_out(model_folder: Path, portrait: Image.Image) -> None:
    engine = QwenEngine.load(str(model_folder), [], place("cpu", "float16"))
    with torch.no_grad():
        engine.parts.transformer.img_in.weight.fill_(6e4)
    assert "numbers overflow in float16: use dtype bfloat16 or float32" in message(engine, portrait)
    with torch.no_grad():
        engine.parts.transformer.img_in.weight.fill_(torch.inf)  # as 1e6 becomes when it is loaded
    assert "hold infinities (img_in.weight), they overflow in float16: use dtype" in message(engine, portrait)


def test_an_adapter_that_drives_the_model_beyond_its_numbers_is_named(
    model_folder: Path, tmp_path: Path, portrait: Image.Image
) -> None:
    rank_1 = {f"transformer.{LAYER}.lora_A.weight": torch.ones(1, 32)}
    rank_1[f"transformer.{LAYER}.lora_B.weight"] = torch.ones(32, 1)
    file = tmp_path / "wild.safetensors"
    save_file(rank_1, file)
    engine = Editor.from_pretrained(model_folder, file, device="cpu").engine
    assert isinstance(engine, QwenEngine)
    weights = dict(engine.parts.transformer.named_parameters())
    lora_B = next(name for name in weights if "lora_B" in name)
    with torch.no_grad():
        weights[lora_B].fill_(torch.nan)  # as a training that diverged
    found = message(engine, portrait, AdapterError)
    assert "wild.safetensors holds NaN" in found
    assert "its training diverged" in found
    with torch.no_grad():
        weights[lora_B].fill_(3e38)
    found = message(engine, portrait, AdapterError)
    assert "wild.safetensors the model's numbers grow beyond float32: lower the strength" in found


def test_the_first_step_is_enough_to_see_it(model_folder: Path, portrait: Image.Image) -> None:
    engine = QwenEngine.load(str(model_folder), [], place("cpu"))
    with torch.no_grad():
        engine.parts.transformer.proj_out.bias.fill_(torch.nan)
    events = Editor(engine).stream(portrait, [Request("happy", strengths=(1,))], steps=50)
    seen = []
    with pytest.raises(ModelError):
        seen.extend(events)
    assert {event.stage for event in seen if isinstance(event, Progress)} <= {"encode"}
