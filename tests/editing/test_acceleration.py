"""What makes edits faster: the same pictures, or close ones; every way is recorded, or refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.hooks import mag_cache
from safetensors.torch import load_file, save_file

from pixelsmile.editing.acceleration import PRESETS, Acceleration, StepCache
from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.editor import Editor
from pixelsmile.errors import AdapterError, DeviceError, InputError

LIGHTNING = "Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors"
LAYERS = ("transformer_blocks.0.attn.to_q", "transformer_blocks.1.img_mlp.net.2")


def lora(folder: Path, name: str = "lora.safetensors") -> str:
    generator, tensors = torch.Generator().manual_seed(3), {}
    for layer, width in zip(LAYERS, (32, 128), strict=True):
        tensors[f"transformer.{layer}.lora_A.weight"] = 0.3 * torch.randn(4, width, generator=generator)
        tensors[f"transformer.{layer}.lora_B.weight"] = 0.3 * torch.randn(32, 4, generator=generator)
    save_file(tensors, folder / name)
    return str(folder / name)


def edit(model_folder, portrait, adapter="none", steps=8, strengths=(0.5, 1), **acceleration):
    """The pictures of a sweep as numbers, and its settings."""
    editor = Editor.from_pretrained(
        model_folder, adapter, device="cpu", acceleration=Acceleration(**acceleration)
    )
    result = editor.edit(portrait, "happy", strengths=strengths, steps=steps)
    return np.stack([np.asarray(image, np.float32) for image in result.images]), result.settings


@pytest.fixture(scope="module")
def exact(model_folder, portrait):
    return edit(model_folder, portrait)[0]


@pytest.mark.parametrize("step_cache", ["taylor=2", "taylor=4", "first-block=0.001", "first-block=10"])
def test_a_step_cache_gives_close_pictures(step_cache, model_folder, portrait, exact):
    pictures, settings = edit(model_folder, portrait, step_cache=step_cache)
    assert settings["editor"]["acceleration"] == {"step_cache": step_cache}
    assert np.abs(pictures - exact).mean() < 12
    assert (np.abs(pictures - exact).max() == 0) == (step_cache == "first-block=0.001")


def test_forwards_are_saved_and_nothing_is_kept_from_one_edit_to_the_next(model_folder, portrait):
    editor = Editor.from_pretrained(
        model_folder, "none", device="cpu", acceleration=Acceleration(step_cache="taylor=2")
    )
    counted = []
    last = editor.engine.parts.transformer.transformer_blocks[-1]
    last.attn.register_forward_hook(lambda *_: counted.append(1))
    first = editor.edit(portrait, "happy", strengths=(1,), steps=9)
    assert len(counted) == 6  # 0, 1, 2 always; then 4, 6, 8 (and 3, 5, 7 are extrapolated)
    editor.edit(portrait, "sad", strengths=(0.5,), steps=9, seed=4)
    again = editor.edit(portrait, "happy", strengths=(1,), steps=9)
    assert np.array_equal(np.asarray(first.images[0]), np.asarray(again.images[0]))


def test_each_forward_of_a_step_has_a_memory_of_its_own(model_folder, portrait):
    """Velocities of two prompts at once, and batches of one: as many as there are pictures."""
    editor = Editor.from_pretrained(
        model_folder, "none", device="cpu", acceleration=Acceleration(step_cache="taylor=2")
    )
    options = {"strengths": (0.5, 1), "steps": 6, "conditioning": "velocity"}
    one, many = (editor.edit(portrait, "happy", batch_size=size, **options) for size in (1, 8))
    for a, b in zip(one.images, many.images, strict=True):
        assert np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max() <= 1


def test_merged_adapters_are_the_adapters(model_folder, portrait, tmp_path, exact):
    adapter = f"{lora(tmp_path)}=0.7"
    beside, _ = edit(model_folder, portrait, adapter)
    merged, settings = edit(model_folder, portrait, adapter, fuse=True)
    assert np.abs(beside - exact).max() > 2
    assert np.abs(merged - beside).max() <= 1
    assert settings["editor"]["acceleration"] == {"fuse": True}
    assert settings["adapters"][0]["scale"] == 0.7


def test_merging_is_refused_where_it_would_be_wrong(model_folder, tmp_path):
    with pytest.raises(AdapterError, match="8 bits or fewer take no merged adapter"):
        Editor.from_pretrained(
            model_folder,
            lora(tmp_path),
            device="cpu",
            quantization="fp8",
            acceleration=Acceleration(fuse=True),
        )
    with pytest.raises(AdapterError, match="for anime pictures alone"):
        Editor.from_pretrained(
            model_folder,
            AdapterSpec(lora(tmp_path), domain="anime"),
            device="cpu",
            acceleration=Acceleration(fuse=True),
        )
    dora = {**load_file(lora(tmp_path)), f"transformer.{LAYERS[0]}.lora_magnitude_vector": torch.ones(32)}
    del dora[f"transformer.{LAYERS[1]}.lora_A.weight"], dora[f"transformer.{LAYERS[1]}.lora_B.weight"]
    save_file(dora, tmp_path / "dora.safetensors")
    with pytest.raises(AdapterError, match="is a DoRA, which is not merged"):
        Editor.from_pretrained(
            model_folder,
            str(tmp_path / "dora.safetensors"),
            device="cpu",
            acceleration=Acceleration(fuse=True),
        )


@pytest.mark.parametrize("attention", ["native", "math"])
def test_kernels_compute_the_same(attention, model_folder, portrait, exact):
    pictures, settings = edit(model_folder, portrait, attention=attention)
    assert np.abs(pictures - exact).max() <= 1
    assert settings["editor"]["acceleration"] == {"attention": attention}


def test_a_kernel_of_one_model_is_not_that_of_another(model_folder, portrait, exact):
    edit(model_folder, portrait, attention="math")
    other = Editor.from_pretrained(model_folder, "none", device="cpu")
    processors = [block.attn.processor for block in other.engine.parts.transformer.transformer_blocks]
    assert {processor._attention_backend for processor in processors} == {None}


def test_what_needs_a_gpu_says_so(model_folder):
    with pytest.raises(DeviceError, match="attention 'sage' needs a CUDA GPU, the device is cpu"):
        Editor.from_pretrained(
            model_folder, "none", device="cpu", acceleration=Acceleration(attention="sage")
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_blocks_compute_the_same(model_folder, portrait, exact):
    pictures, settings = edit(model_folder, portrait, compile=True)
    assert np.abs(pictures - exact).max() <= 1
    assert settings["editor"]["acceleration"] == {"compile": True}


def test_a_preset_is_an_adapter_its_steps_and_its_shift(model_folder, portrait, tmp_path):
    """With the file at hand, under its own name; another adapter beside it."""
    lightning = lora(tmp_path, LIGHTNING)
    other = lora(tmp_path)
    editor = Editor.from_pretrained(
        model_folder, [other, lightning], device="cpu", acceleration=Acceleration(preset="lightning-4")
    )
    settings = editor.edit(portrait, "happy", strengths=(1,)).settings
    assert [Path(adapter["source"]).name for adapter in settings["adapters"]] == [
        "lora.safetensors",
        LIGHTNING,
    ]
    assert settings["steps"] == 4
    assert settings["sigmas"] == pytest.approx([1, 0.9, 0.75, 0.5, 0], abs=1e-5)  # 3 s / (1 + 2 s)
    assert settings["editor"]["acceleration"] == {"preset": "lightning-4"}
    assert not settings["notes"]
    more = editor.edit(portrait, "happy", strengths=(1,), steps=2, shift=1.0).settings
    assert more["sigmas"] == [1, 0.5, 0]


def test_what_is_asked_for_beside_a_preset_wins_and_is_said(model_folder, portrait, tmp_path, caplog):
    lightning = lora(tmp_path, LIGHTNING)
    folder = tmp_path / "guided"
    shutil.copytree(model_folder, folder)
    (folder / "pixelsmile.json").write_text('{"size": 64, "condition_size": 64, "steps": 4, "guidance": 4}')
    editor = Editor.from_pretrained(
        folder, lightning, device="cpu", acceleration=Acceleration(preset="lightning-4")
    )
    plain = editor.edit(portrait, "happy", strengths=(1,)).settings
    assert "guidance" not in plain  # whatever the base's own is
    asked = editor.edit(portrait, "happy", strengths=(1,), steps=8, shift=3.0, guidance=2.0).settings
    assert (asked["steps"], asked["guidance"]) == (8, 2)
    (note,) = [note for note in asked["notes"] if "preset" in note]
    departures = "steps 8 in place of 4; guidance 2 in place of 1"
    assert note == f"{departures}: preset lightning-4 was not distilled for that, expect faults"
    again = editor.edit(portrait, "sad", strengths=(1,), steps=8, shift=3.0, guidance=2.0).settings
    assert note in again["notes"]
    assert [record.message for record in caplog.records].count(note) == 1  # recorded twice, said once


def test_a_preset_comes_after_the_adapters_of_the_folder(model_folder, portrait, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    lora(folder, "mine.safetensors")
    options = {"size": 64, "condition_size": 64, "steps": 4, "adapters": {"human": "mine.safetensors"}}
    (folder / "pixelsmile.json").write_text(json.dumps(options))
    preset = replace(PRESETS["lightning-4"], adapter=lora(tmp_path, LIGHTNING))
    monkeypatch.setitem(PRESETS, "lightning-4", preset)
    acceleration = Acceleration(preset="lightning-4")
    editor = Editor.from_pretrained(folder, device="cpu", acceleration=acceleration)
    people = editor.edit(portrait, "happy", strengths=(1,)).settings
    assert [(adapter["source"], adapter.get("domain")) for adapter in people["adapters"]] == [
        (f"{folder}/mine.safetensors", "human"),
        (preset.adapter, None),
    ]
    anime = editor.edit(portrait, "happy", strengths=(1,), domain="anime").settings
    assert [adapter["source"] for adapter in anime["adapters"]] == [preset.adapter]
    assert any(note.startswith("no adapter for anime pictures comes with") for note in anime["notes"])
    alone = Editor.from_pretrained(folder, "none", device="cpu", acceleration=acceleration)
    assert [adapter["source"] for adapter in alone.engine.info.adapters] == [preset.adapter]


def test_a_preset_is_not_for_the_embedded_model():
    """Before its adapter is fetched, which the embedded model could not take."""
    with pytest.raises(
        InputError, match="preset 'lightning-4' is for Qwen/Qwen-Image-Edit-2511, not embedded"
    ):
        Editor.from_pretrained(acceleration=Acceleration(preset="lightning-4"))


def test_a_preset_brings_its_adapter():
    own = AdapterSpec("mine.safetensors")
    specs = Acceleration(preset="lightning-8").with_preset([own])
    assert specs == (own, AdapterSpec(PRESETS["lightning-8"].adapter))
    assert specs[1].source.endswith("Lightning-8steps-V1.0-bf16.safetensors")
    assert Acceleration().with_preset([own]) == (own,)
    there = AdapterSpec(f"loras/{LIGHTNING}")
    assert Acceleration(preset="lightning-4").with_preset([there, own]) == (there, own)
    with pytest.raises(InputError, match=r"4steps-V1.0-bf16.safetensors', which is for 4 steps: leave one"):
        Acceleration(preset="lightning-8").with_preset([own, there])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"preset": "turbo"}, "unknown preset 'turbo': choose from lightning-4, lightning-8"),
        ({"attention": "fast"}, "unknown attention 'fast': choose from native"),
        ({"step_cache": "mag"}, "unknown step cache 'mag': choose from first-block, taylor"),
        ({"step_cache": "taylor=1"}, "taylor takes a whole number from 2 to 20"),
        ({"step_cache": "taylor=2.5"}, "taylor takes a whole number from 2 to 20"),
        ({"step_cache": "first-block=x"}, "first-block takes a number from 0.001 to 10"),
    ],
)
def test_wrong_values_are_refused(given, words):
    with pytest.raises(InputError) as refused:
        Acceleration(**given)
    assert words in str(refused.value)


def test_mag_cache_runs_but_has_ratios_of_flux_alone(model_folder, portrait):
    """Why it is not offered; where this fails, see whether the docs still are right."""
    editor, counted = Editor.from_pretrained(model_folder, "none", device="cpu"), []
    transformer = editor.engine.parts.transformer
    transformer.enable_cache(mag_cache.MagCacheConfig(mag_ratios=[1.0] * 9, num_inference_steps=9))
    transformer.transformer_blocks[-1].attn.register_forward_hook(lambda *_: counted.append(1))
    editor.edit(portrait, "happy", strengths=(1,), steps=9)
    assert len(counted) == 3  # 0, 1 always; then three are skipped at most
    assert [name for name in dir(mag_cache) if name.endswith("MAG_RATIOS")] == ["FLUX_MAG_RATIOS"]
    with pytest.raises(ValueError, match="these ratios are model-dependent"):
        mag_cache.MagCacheConfig()


def test_levels_have_defaults():
    assert [str(StepCache.parse(kind)) for kind in ("taylor", "first-block")] == [
        "taylor=2",
        "first-block=0.1",
    ]


def test_the_geometric_model_takes_none_of_it():
    with pytest.raises(InputError, match="does not use fuse: leave it out"):
        Editor.from_pretrained("geometric", acceleration=Acceleration(fuse=True))
