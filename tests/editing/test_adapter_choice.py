"""Which adapters act, and which of them are PixelSmile's, by what they say of themselves."""

import shutil
from pathlib import Path

import pytest
from adapter_examples import Example, diffusers_now, tiny_transformer

from pixelsmile.editing.acceleration import PRESETS, Acceleration
from pixelsmile.editing.adapters import choice
from pixelsmile.editing.adapters.choice import acting_adapters, adapter_remarks, is_pixelsmiles
from pixelsmile.editing.adapters.export import export
from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
from pixelsmile.editing.family import QWEN_21
from pixelsmile.editing.folders import ModelOptions
from pixelsmile.hashing import sha256_file
from pixelsmile.store.hub import REPOSITORIES

OWN = ModelOptions(adapters={"human": "human.safetensors"})
MINE = AdapterSpec("mine.safetensors")


@pytest.fixture
def example() -> Example:
    return diffusers_now(tiny_transformer())


def named(folder: Path, name: str = "adapter_model.safetensors") -> AdapterSpec:
    return AdapterSpec(str(folder / name))


@pytest.mark.parametrize(
    ("name", "metadata", "expected"),
    [
        ("adapter_model.safetensors", {}, False),
        ("style.safetensors", {"converted_by": "pixelsmile 1.0"}, False),  # anybody's
        ("Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors", {}, False),
        ("PixelSmile-preview.safetensors", {}, True),
        ("my_pixelsmile_v2.safetensors", {}, True),
        ("adapter.safetensors", {"trained_by": "pixelsmile"}, True),
        ("a.safetensors", {"converted_from": "PixelSmile-preview.safetensors, SHA-256 9bb2"}, True),
    ],
)
def test_one_is_known_by_what_it_says_of_itself(name, metadata, expected, example, tmp_path):
    example.metadata |= metadata
    folder = tmp_path / "pixelsmile"  # where it lies says nothing of it
    example.save(folder, name)
    assert is_pixelsmiles(named(folder, name)) is expected


def test_the_published_file_is_known_under_any_name(example, tmp_path, monkeypatch):
    (published,) = REPOSITORIES["pixelsmile"].files
    assert {published.sha256} == choice._PUBLISHED
    path = example.save(tmp_path)
    monkeypatch.setattr(choice, "_PUBLISHED", {sha256_file(path)})
    assert is_pixelsmiles(AdapterSpec(str(path)))


def test_an_adapter_of_the_hub_is_known_by_its_repository(example, tmp_path, monkeypatch):
    example.save(tmp_path, "model.safetensors")
    monkeypatch.setattr("pixelsmile.editing.adapters.files.fetched", lambda *arguments, **options: tmp_path)
    assert is_pixelsmiles(AdapterSpec("PixelSmile/PixelSmile"))
    assert not is_pixelsmiles(AdapterSpec("lightx2v/Qwen-Image-Edit-2511-Lightning"))


@pytest.mark.parametrize("target", ["kohya", "peft", "diffusers", "comfyui"])
def test_a_converted_one_still_says_so(target, example, tmp_path):
    example.metadata |= {"trained_by": "pixelsmile", "words": "sad happy"}
    found = find_adapter(AdapterSpec(str(example.save(tmp_path, "adapter.safetensors"))))
    (tmp_path / "other.safetensors").write_bytes(export(found, target).weights)
    other = named(tmp_path, "other.safetensors")
    assert is_pixelsmiles(other)
    assert find_adapter(other).words == ("sad", "happy")


def test_those_asked_for_else_the_models_own_then_the_presets(tmp_path):
    preset, plain = Acceleration(preset="lightning-8"), Acceleration()
    eight = AdapterSpec(PRESETS["lightning-8"].adapter)
    own = AdapterSpec(str(tmp_path / "human.safetensors"), domain="human", recorded_as="m/human.safetensors")
    assert acting_adapters("m", tmp_path, OWN, None, plain) == (own,)
    assert acting_adapters("m", tmp_path, OWN, None, preset) == (own, eight)
    assert acting_adapters("m", tmp_path, OWN, [MINE], preset) == (MINE, eight)
    assert acting_adapters("m", tmp_path, OWN, [], preset) == (eight,)
    assert acting_adapters("m", tmp_path, OWN, None, preset, steered=True) == (eight,)
    assert is_pixelsmiles(own)  # the folder says so


def test_what_is_said_of_the_choice(example, tmp_path):
    bare, sized = ModelOptions(), ModelOptions(condition_size=64)
    assert adapter_remarks("m", None, bare)[0].startswith("no adapter: m edits alone")
    (second,) = adapter_remarks("m", None, bare, QWEN_21)
    assert "give one of yours as --adapter (PixelSmile published none for it), or --adapter none" in second
    assert adapter_remarks("m", None, bare, steered=True) == []
    assert adapter_remarks("m", [], bare) == adapter_remarks("m", None, OWN) == []
    example.save(tmp_path, "style.safetensors")
    shutil.copy(tmp_path / "style.safetensors", tmp_path / "pixelsmile.safetensors")
    style, ours = named(tmp_path, "style.safetensors"), named(tmp_path, "pixelsmile.safetensors")
    (remark,) = adapter_remarks("m", [style], bare)
    assert "nothing says that adapter 'style.safetensors' is PixelSmile's" in remark
    assert adapter_remarks("m", [style, ours], bare) == adapter_remarks("m", [style], sized) == []
