"""Loading: whole and broken folders, what a folder says about itself, devices."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

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
    with pytest.raises(ModelError, match=r"vae/diffusion_pytorch_model\.safetensors' is no whole"):
        Editor.from_pretrained(copy)


def test_a_shard_that_the_index_names_is_missed(copy: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (copy / "text_encoder" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"text_encoder/model-00001-of-00002\.safetensors"):
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
    with pytest.raises(ModelError, match=r"vae/config.json' is no valid JSON") as caught:
        Editor.from_pretrained(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["nowhere", "./no/where", "/no/where/at/all", "geometric"])
def test_no_folder_and_no_hub_id(model: str) -> None:
    with pytest.raises(ModelError, match="give a folder, a hub id") as caught:
        find_model(model)
    assert ("'geometric' has no weights" in str(caught.value)) == (model == "geometric")


def test_a_model_that_the_hub_does_not_give() -> None:
    """The tests run offline."""
    with pytest.raises(ModelError, match="cannot fetch 'some/model' from the hub") as caught:
        find_model("some/model")
    assert "\n" not in str(caught.value)


def test_options_are_checked(copy: Path) -> None:
    set_options(copy, sise=3)
    with pytest.raises(ModelError, match="unknown key sise"):
        read_options(copy)
    (copy / "pixelsmile.json").unlink()
    assert read_options(copy).size == 512
    assert read_options(copy).steps == 50


def test_a_square_model_crops_and_says_so(copy: Path, portrait: Image.Image) -> None:
    set_options(copy, square=True, note="drawn portraits only")
    editor = Editor.from_pretrained(copy, "none", device="cpu")
    result = editor.edit(portrait.resize((96, 64)), "happy", strengths=(1,), steps=1, size=32)
    assert result.images[0].size == (96, 64)  # the whole picture
    cropped, other_size, note = result.settings["notes"]
    assert "of 96 x 64 px only the square in the middle" in cropped
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
        ({"device": "cpu", "quantization": "4bit"}, "needs a GPU"),
        ({"offload": "most"}, "choose from none, model, sequential"),
        ({"quantization": "2bit"}, "choose from fp8, 8bit, 4bit"),
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
        place("cuda", quantization="8bit")


def set_config(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def tensors_of(folder: Path, part: str) -> tuple[Path, dict[str, torch.Tensor]]:
    (file,) = (folder / part).glob("*.safetensors")
    return file, load_file(file)


def refusal(folder: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        Editor.from_pretrained(folder, "none", device="cpu")
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("scale", ["scale_weight", "weight_scale", "scale_input", "weight_scale_inv"])
def test_scaled_weights_are_refused_and_named(copy: Path, scale: str) -> None:
    """The library passes over the scales: such a model draws another picture."""
    file, tensors = tensors_of(copy, "transformer")
    name = "transformer_blocks.0.attn.to_q"
    largest = tensors[f"{name}.weight"].abs().max() / 448
    tensors[f"{name}.weight"] = (tensors[f"{name}.weight"] / largest).to(torch.float8_e4m3fn)
    save_file({**tensors, f"{name}.{scale}": largest.reshape(())}, file)
    assert f"holds scaled weights ({name}.{scale})" in refusal(copy)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_tensors_that_the_model_has_no_place_for_are_refused(copy: Path, part: str) -> None:
    file, tensors = tensors_of(copy, part)
    save_file({**tensors, "norm.something": torch.zeros(1)}, file, metadata={"format": "pt"})
    assert f"{part} holds 1 tensors that its model lacks (norm.something" in refusal(copy)


def test_names_of_other_tools_and_whole_numbers_are_refused(copy: Path) -> None:
    file, tensors = tensors_of(copy, "transformer")
    save_file({f"model.diffusion_model.{name}": tensor for name, tensor in tensors.items()}, file)
    assert "named as ComfyUI names them (model.diffusion_model." in refusal(copy)
    save_file({**tensors, "img_in.lora_A.weight": torch.zeros(1, 1)}, file)
    assert "holds tensors of an adapter (img_in.lora_A.weight): take the plain model" in refusal(copy)
    save_file({**tensors, "proj_out.weight": tensors["proj_out.weight"].to(torch.int8)}, file)
    assert "holds weights in whole numbers (proj_out.weight)" in refusal(copy)


def test_float8_without_scales_is_said_and_noted(
    copy: Path, portrait: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    file, tensors = tensors_of(copy, "transformer")
    small = {name: t.to(torch.float8_e4m3fn) if t.ndim == 2 else t for name, t in tensors.items()}
    save_file(small, file)
    editor = Editor.from_pretrained(copy, "none", device="cpu")
    (note,) = editor.edit(portrait, "happy", strengths=(1,), steps=1).settings["notes"]
    assert "the weights of transformer are 8-bit floats without scales" in note
    assert note in caplog.messages


def test_a_model_without_an_adapter_says_so_once(
    model_folder: Path, portrait: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    editor = Editor.from_pretrained(model_folder, device="cpu")
    for _ in range(2):
        (note,) = editor.edit(portrait, "happy", strengths=(1,), steps=1).settings["notes"]
        assert "without PixelSmile's training; give --adapter PixelSmile/PixelSmile" in note
    assert caplog.messages.count(note) == 1
    caplog.clear()
    wanted = Editor.from_pretrained(model_folder, "none", device="cpu")
    assert wanted.edit(portrait, "happy", strengths=(1,), steps=1).settings["notes"] == []
    assert not [message for message in caplog.messages if "adapter" in message]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "q.gguf",
            b"GGUF\x03\0\0\0" + bytes(90),
            "is no transformer of the Qwen-Image family (it holds nothing",
        ),
        ("model.bin", b"\x80\x02}q\0.", "is a pickle"),
        ("page.safetensors", b"<!DOCTYPE html><html>", "is an HTML page"),
        ("weights", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("x.png", b"\x89PNG\r\n\x1a\n", "is a picture (PNG)"),
        ("nothing", b"", "is an empty file"),
    ],
)
def test_a_file_is_no_model_and_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path / name)


def test_what_lies_at_the_path_is_named(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the name could be a hub id: nothing is asked of the hub."""
    monkeypatch.chdir(tmp_path)
    save_file({"img_in.weight": torch.zeros(1)}, "single.safetensors")
    save_file({"x.lora_down.weight": torch.zeros(1, 1)}, "lora.safetensors")
    Path("owner").mkdir()
    shutil.copy("single.safetensors", "owner/name")
    assert "is a safetensors file under another name: call it name.safetensors" in refusal("owner/name")
    assert "is no transformer of the Qwen-Image family (it holds img_in.weight" in refusal(
        "single.safetensors"
    )
    assert refusal("lora.safetensors").endswith("is a LoRA adapter: give it as --adapter")
    assert "is a file of a model: give its folder, 'copy'" in refusal("copy/model_index.json")
    assert "it is a part of one, give 'copy'" in refusal("copy/transformer")
    assert "the model is in 'copy'" in refusal(".")
    Path("gone").symlink_to("nowhere")
    assert "is a link to something that is gone" in refusal("gone")
    shutil.rmtree("owner")
    shutil.move("copy", "owner/name")
    assert find_model("owner/name") == Path("owner/name")


def test_folders_of_other_things_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "it holds no files" in refusal(folder)
    (folder / "q.gguf").write_bytes(b"GGUF" + bytes(90))
    assert f"a single file is named itself, like {str(folder / 'q.gguf')!r}" in refusal(folder)
    (folder / "adapter_config.json").write_text("{}")
    assert "it is an adapter, give it as --adapter" in refusal(folder)
    (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    assert "is a model for 'FluxPipeline', not of the Qwen-Image-Edit or Qwen-Image-2.1 family" in refusal(
        folder
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"weight_map": {"a": 5}}', "names 5 as a file of it"),
        ("[]", "where a JSON object is needed"),
        ('{"weight_map": [1]}', "has a list of 1 as weight_map"),
        ('{"weight_map": {"a": "../../other.safetensors"}}', "which lies outside of it"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "which lies outside of it"),
        ('{"weight_map": {"a": ["x"]}}', "names a list of 1 as a file of it"),
    ],
)
def test_a_wrong_index_of_shards_is_refused(copy: Path, content: str, words: str) -> None:
    (copy / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(content)
    assert words in refusal(copy)


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/a.safetensors", ""])
def test_a_folder_cannot_name_adapters_outside_of_it(copy: Path, name: str) -> None:
    set_options(copy, adapters={"human": name})
    with pytest.raises(ModelError, match="names"):
        read_options(copy)


def test_a_hub_cache_of_links_is_whole(model_folder: Path, tmp_path: Path) -> None:
    """There every file is a link that leads out of the folder."""
    snapshot = tmp_path / "snapshots" / "a"
    for number, file in enumerate(path for path in model_folder.rglob("*") if path.is_file()):
        blob, link = tmp_path / f"{number}", snapshot / file.relative_to(model_folder)
        shutil.copy(file, blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    check_folder(snapshot)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            ["diffusion_pytorch_model.fp16.safetensors"],
            "only diffusion_pytorch_model.fp16.safetensors, where",
        ),
        (
            ["a.safetensors", "b.safetensors"],
            "2 files of weights and no diffusion_pytorch_model.safetensors.",
        ),
    ],
)
def test_weights_under_other_names_are_named(copy: Path, found: list[str], words: str) -> None:
    file, _ = tensors_of(copy, "transformer")
    for name in found:
        shutil.copy(file, file.with_name(name))
    file.unlink()
    assert words in refusal(copy)


@pytest.mark.parametrize(
    ("file", "values", "words"),
    [
        ("transformer/config.json", {"num_layers": 10**9}, "num_layers is 1000000000"),
        ("transformer/config.json", {"num_layers": 200}, "asks for 200 layers and the files hold"),
        ("transformer/config.json", {"num_attention_heads": 10**6}, "asks for"),
        ("transformer/config.json", {"axes_dims_rope": [2, 4, 10**6]}, "do not sum up to attention_head_dim"),
        ("transformer/config.json", {"in_channels": 64}, "the transformer has 64 channels in"),
        ("transformer/config.json", {"_class_name": "FluxTransformer2DModel"}, "_class_name is"),
        ("transformer/config.json", {"guidance_embeds": True}, "such a Qwen-Image model is no editor"),
        ("vae/config.json", {"latents_std": [1, 1, 0, 1]}, "latents_std.2 is 0"),
        ("vae/config.json", {"latents_mean": [1, 1, 1]}, "latents_mean has 3 numbers"),
        ("vae/config.json", {"base_dim": 2**20}, "asks for"),
        ("vae/config.json", {"_class_name": "AutoencoderKLWan"}, "_class_name is"),
        ("scheduler/scheduler_config.json", {"shift": 0}, "shift is 0"),
        ("scheduler/scheduler_config.json", {"max_shift": 1e300}, "max_shift is 1e\\+300"),
        ("scheduler/scheduler_config.json", {"_class_name": "DDIMScheduler"}, "_class_name is"),
        ("processor/processor_config.json", [], "where a JSON object is needed"),
        ("text_encoder/config.json", {"model_type": "llama"}, "model_type is"),
        (
            "text_encoder/config.json",
            {"attn_implementation": "someone/kernel"},
            "code that is fetched and run",
        ),
        ("text_encoder/config.json", {"quantization_config": {"quant_method": "fp8"}}, "quantised by 'fp8'"),
        ("tokenizer/tokenizer_config.json", {"vocab_file": "/etc/passwd"}, "lies outside of it"),
        ("model_index.json", {"_class_name": 3}, "is a model for 3"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_built(
    copy: Path, file: str, values: Any, words: str
) -> None:
    if isinstance(values, dict):
        set_config(copy, file, **values)
    else:
        (copy / file).write_text(json.dumps(values))
    with pytest.raises(ModelError, match=words):
        Editor.from_pretrained(copy, "none", device="cpu")


def test_a_scheduler_without_a_number_is_refused(copy: Path) -> None:
    (copy / "scheduler" / "scheduler_config.json").write_text('{"shift": NaN}')
    assert "scheduler_config.json' is no valid JSON (NaN is no JSON)" in refusal(copy)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": {"shortest_edge": 10**9, "longest_edge": 10**10}}, "smallest is 1000000000"),
        ({"patch_size": 16}, "cuts patches of (16, 2, 2)"),
        ({"image_std": [0, 0, 0]}, "image_std.0 is 0"),
        ({"do_normalize": 0}, "do_normalize is 0"),
    ],
)
def test_a_processor_that_does_not_fit_is_refused(copy: Path, values: dict, words: str) -> None:
    file = copy / "processor" / "processor_config.json"
    config = json.loads(file.read_text())
    config["image_processor"].update(values)
    file.write_text(json.dumps(config))
    assert words in refusal(copy)


def test_an_adapter_in_the_text_encoder_cannot_lead_elsewhere(copy: Path) -> None:
    """transformers would load the model that it names."""
    (copy / "text_encoder" / "adapter_config.json").write_text('{"base_model_name_or_path": "/other"}')
    assert "would load another model" in refusal(copy)


def test_no_code_of_a_folder_is_run(copy: Path) -> None:
    """Not even after a question: `y` on the terminal was enough."""
    set_config(
        copy,
        "tokenizer/tokenizer_config.json",
        auto_map={"AutoTokenizer": ["evil.Evil", None]},
        tokenizer_class="Evil",
    )
    (copy / "tokenizer" / "evil.py").write_text("raise SystemExit('it ran')")
    assert "brings code of its own, which is never run" in refusal(copy)


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 5}', "[" * 100_000, "\0"])
def test_a_broken_tokenizer_is_one_line(copy: Path, content: str) -> None:
    (copy / "tokenizer" / "tokenizer.json").write_text(content)
    refusal(copy)


def test_a_tokenizer_that_the_text_encoder_does_not_know_is_refused(copy: Path) -> None:
    file = copy / "tokenizer" / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["model"]["vocab"]["far"] = 10**6
    file.write_text(json.dumps(tokenizer))
    assert "has token 1,000,000, its text encoder knows" in refusal(copy)


def test_a_tokenizer_that_cannot_fill_up_is_refused(copy: Path) -> None:
    (copy / "tokenizer" / "tokenizer_config.json").write_text("{}")
    assert "has no pad_token" in refusal(copy)


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is here")
def test_a_part_that_bitsandbytes_quantised_names_it(copy: Path) -> None:
    config = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    set_config(copy, "transformer/config.json", quantization_config=config)
    assert "is quantised by bitsandbytes, which cannot be used here" in refusal(copy)


def test_a_tokenizer_that_fails_is_one_line(copy: Path) -> None:
    set_config(copy, "tokenizer/tokenizer_config.json", model_max_length=[1])
    assert "the model's tokenizer fails" in refusal(copy)
