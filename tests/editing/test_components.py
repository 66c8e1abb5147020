"""Parts as they come in stock folders, in half precision, and with weights that move at each call."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import cpu_offload_with_hook
from PIL import Image

from pixelsmile.editing import components
from pixelsmile.editing.components import load_components
from pixelsmile.editing.devices import Placement, place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine

STOCK_PREPROCESSOR = {
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "max_pixels": 12845056,
    "merge_size": 2,
    "min_pixels": 3136,
    "patch_size": 14,
    "processor_class": "Qwen2_5_VLProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"longest_edge": 12845056, "shortest_edge": 3136},
    "temporal_patch_size": 2,
}


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def test_a_stock_preprocessor_file_is_read(copy: Path, editor: Editor, portrait: Image.Image) -> None:
    """Folders on the hub carry this file and no processor_config.json."""
    (copy / "processor" / "processor_config.json").unlink()
    (copy / "processor" / "preprocessor_config.json").write_text(json.dumps(STOCK_PREPROCESSOR))
    ours = Editor.from_pretrained(copy, device="cpu").edit(portrait, "happy", strengths=(1,))
    assert ours.images[0].tobytes() == editor.edit(portrait, "happy", strengths=(1,)).images[0].tobytes()


def test_a_stock_text_encoder_config_is_read(copy: Path, editor: Editor, portrait: Image.Image) -> None:
    """Folders on the hub hold the settings of the language model at the top level."""
    file = copy / "text_encoder" / "config.json"
    config = json.loads(file.read_text())
    language = config.pop("text_config")
    rope = language.pop("rope_parameters")
    language["rope_theta"] = rope["rope_theta"]
    language["rope_scaling"] = {
        "mrope_section": rope["mrope_section"],
        "rope_type": "default",
        "type": "default",
    }
    file.write_text(json.dumps({**language, **config}))
    ours = Editor.from_pretrained(copy, device="cpu").edit(portrait, "happy", strengths=(1,))
    assert ours.images[0].tobytes() == editor.edit(portrait, "happy", strengths=(1,)).images[0].tobytes()


def test_parts_that_move_at_each_call_give_the_same_pictures(
    model_folder: Path, editor: Editor, portrait: Image.Image
) -> None:
    """Offloading hooks the parts' own methods, so those must be called."""
    moving = QwenEngine.load(str(model_folder), [], place("cpu"))
    for part in (moving.parts.text_encoder, moving.parts.transformer, moving.parts.vae):
        cpu_offload_with_hook(part, execution_device="cpu")
    ours = Editor(moving).edit(portrait, "happy").images
    theirs = editor.edit(portrait, "happy").images
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max() <= 1


def test_bfloat16_is_close_to_float32(model_folder: Path, editor: Editor, portrait: Image.Image) -> None:
    """The sampler's own sums stay in float32. Stated tolerance: 3 levels of 255 on average."""
    half = Editor.from_pretrained(model_folder, device="cpu", dtype="bfloat16")
    ours, theirs = (e.edit(portrait, "happy", strengths=(1,)).images[0] for e in (half, editor))
    assert np.abs(np.asarray(ours, dtype=int) - np.asarray(theirs, dtype=int)).mean() < 3
    assert half.edit(portrait, "happy", strengths=(1,)).settings["dtype"] == "bfloat16"


def test_parts_are_frozen(model_folder: Path) -> None:
    parts = load_components(model_folder, place("cpu"))
    for module in (parts.transformer, parts.vae, parts.text_encoder):
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())
        assert next(module.parameters()).dtype == torch.float32


def test_what_is_quantised_leaves_the_gpu_before_the_next_part_comes(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they would not fit on the cards that this is for. Only the order: nothing is quantised."""
    steps = []
    load = components._part

    def loading(kind: type, folder: Path, subfolder: str, **options: object) -> object:
        steps.append(f"load {subfolder}")
        return load(kind, folder, subfolder, **options)

    def moving(part: torch.nn.Module, device: str) -> torch.nn.Module:
        steps.append(f"{type(part).__name__} to {device}")
        return part

    monkeypatch.setattr(components, "_quantization", lambda kind, placement: {})
    monkeypatch.setattr(components, "_part", loading)
    for kind in ("QwenImageTransformer2DModel", "Qwen2_5_VLForConditionalGeneration"):
        monkeypatch.setattr(getattr(components, kind), "to", moving)
    load_components(model_folder, Placement(torch.device("cuda"), torch.float32, "model", "8bit"))
    assert steps[:2] == ["load transformer", "QwenImageTransformer2DModel to cpu"]
    text_encoder = steps.index("load text_encoder")
    assert steps[text_encoder + 1] == "Qwen2_5_VLForConditionalGeneration to cpu"


def test_how_a_model_was_made_to_fit_is_recorded(
    model_folder: Path, portrait: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "_quantization", lambda kind, placement: {})
    placement = Placement(torch.device("cpu"), torch.float32, quantization="4bit")
    small = Editor(QwenEngine.load(str(model_folder), [], placement))
    settings = small.edit(portrait, "happy", strengths=(1,), steps=1).settings
    assert (settings["quantization"], settings["offload"]) == ("4bit", "none")


def test_a_gpu_that_is_too_small_is_not_called_a_broken_file(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(components.Qwen2_5_VLForConditionalGeneration, "from_pretrained", run_out)
    with pytest.raises(torch.OutOfMemoryError):
        load_components(model_folder, place("cpu"))
