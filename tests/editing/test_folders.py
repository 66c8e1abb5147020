"""Loading: whole and broken folders, what a folder says about itself, devices."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import check_folder, find_model, read_options
from pixelsmile.errors import DeviceError, ExpressionError, ModelError


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def set_options(folder: Path, **options: object) -> None:
    file = folder / "pixelsmile.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **options}))


def test_a_whole_folder_passes(model_folder: Path) -> None:
    check_folder(model_folder)


@pytest.mark.parametrize(
    "part",
    [
        "model_index.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer_config.json",
        "tokenizer/tokenizer.json",
        "processor/processor_config.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_a_missing_part_is_named(copy: Path, part: str) -> None:
    (copy / part).unlink()
    with pytest.raises(ModelError, match=part.split("/")[-1].split(".")[-1]) as caught:
        Editor.from_pretrained(copy)
    assert "\n" not in str(caught.value)


def test_weights_cut_short_are_named(copy: Path) -> None:
    file = copy / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"vae/diffusion_pytorch_model\.safetensors cut short"):
        Editor.from_pretrained(copy)


def test_a_shard_that_the_index_names_is_missed(copy: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (copy / "text_encoder" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"text_encoder/model-00001-of-00002\.safetensors\)"):
        check_folder(copy)


def test_pickles_are_refused(copy: Path) -> None:
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelError, match="a pickle, which is never loaded"):
        check_folder(copy)


def test_tensors_that_the_model_lacks_are_named(copy: Path) -> None:
    config = copy / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_layers": 3}))
    with pytest.raises(ModelError, match=r"lacks \d+ tensors of its model \(transformer_blocks\.2"):
        Editor.from_pretrained(copy)


def test_a_broken_config_is_one_line(copy: Path) -> None:
    (copy / "vae" / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"cannot load .*vae") as caught:
        Editor.from_pretrained(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["nowhere", "./no/where", "/no/where/at/all"])
def test_no_folder_and_no_hub_id(model: str) -> None:
    with pytest.raises(ModelError, match="give a folder, a hub id"):
        find_model(model)


def test_a_model_that_the_hub_does_not_give() -> None:
    """The tests run offline."""
    with pytest.raises(ModelError, match="cannot fetch 'some/model' from the hub") as caught:
        find_model("some/model")
    assert "\n" not in str(caught.value)


def test_options_are_checked(copy: Path) -> None:
    set_options(copy, sise=3)
    with pytest.raises(ModelError, match="sise: Extra inputs"):
        read_options(copy)
    (copy / "pixelsmile.json").unlink()
    assert read_options(copy).size == 512
    assert read_options(copy).steps == 50


def test_a_square_model_crops_and_says_so(copy: Path, portrait: Image.Image) -> None:
    set_options(copy, square=True, note="drawn portraits only")
    editor = Editor.from_pretrained(copy, device="cpu")
    result = editor.edit(portrait.resize((96, 64)), "happy", strengths=(1,), steps=1, size=32)
    assert result.images[0].size == (32, 32)
    cropped, other_size, note = result.settings["notes"]
    assert "cropped 96 x 64 px" in cropped
    assert "trained at 64 px" in other_size
    assert note == "drawn portraits only"


def test_a_model_of_few_words_names_those_it_lacks(copy: Path, portrait: Image.Image) -> None:
    set_options(copy, words=["show", "a", "the", "happy", "person"], domains=["human"])
    editor = Editor.from_pretrained(copy, device="cpu")
    with pytest.raises(ExpressionError, match=r"not know .sly., .smile. in the prompt: .*a the happy"):
        editor.edit(portrait, prompt="show a sly smile")
    with pytest.raises(ExpressionError, match="this model knows human"):
        editor.edit(portrait, "happy", domain="anime")
    assert editor.edit(portrait, prompt="show the happy person", steps=1, strengths=(1,)).images


def test_a_model_may_have_its_own_prompts(copy: Path, portrait: Image.Image) -> None:
    set_options(copy, prompts={"happy": "show the happy person"})
    result = Editor.from_pretrained(copy, device="cpu").edit(portrait, "happy", steps=1, strengths=(1,))
    assert result.settings["target_prompts"] == ["show the happy person"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "abacus"}, "unknown device 'abacus'"),
        ({"device": "meta"}, "not supported"),
        ({"device": "cuda:99"}, "CUDA GPUs; use cpu"),
        ({"dtype": "int3"}, "choose from float32"),
        ({"device": "cpu", "offload": "model"}, "needs a GPU"),
        ({"device": "cpu", "quantise": "4bit"}, "needs a GPU"),
        ({"offload": "most"}, "choose from none, model, sequential"),
        ({"quantise": "2bit"}, "choose from 8bit, 4bit"),
    ],
)
def test_devices_that_this_machine_lacks(options: dict, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        place(**options)


def test_quantising_needs_a_bitsandbytes_whose_weights_can_leave_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transformers.utils.is_bitsandbytes_available", lambda minimum: minimum == "0.47")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(DeviceError, match=r"needs bitsandbytes 0\.48 or newer"):
        place("cuda", quantise="8bit")
