"""A model folder may bring an adapter for each domain: it acts where no other is given."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pixelsmile.editing.components import load_components
from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import OPTIONS_FILE
from pixelsmile.errors import AdapterError, ModelError

RANK = 2


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with an adapter for anime and one for people, which differ."""
    copy = tmp_path / "model"
    shutil.copytree(model_folder, copy)
    layer = load_components(copy, place("cpu")).transformer.transformer_blocks[0].attn.to_q
    (copy / "adapters").mkdir()
    for seed, domain in enumerate(("human", "anime")):
        generator = torch.Generator().manual_seed(seed)
        name = "transformer.transformer_blocks.0.attn.to_q"
        tensors = {
            f"{name}.lora_A.weight": torch.randn(RANK, layer.in_features, generator=generator),
            f"{name}.lora_B.weight": torch.randn(layer.out_features, RANK, generator=generator),
        }
        save_file(tensors, copy / "adapters" / f"{domain}.safetensors")
    _say(copy, adapters={domain: f"adapters/{domain}.safetensors" for domain in ("human", "anime")})
    return copy


def _say(folder: Path, **options: object) -> None:
    file = folder / OPTIONS_FILE
    said = json.loads(file.read_bytes()) if file.is_file() else {}
    file.write_text(json.dumps({**said, **options}))


def edited(editor: Editor, portrait: Image.Image, domain: str) -> tuple[np.ndarray, list[str]]:
    """One edit, and the domains of the adapters that it says it was made with."""
    result = editor.edit(portrait, "happy", strengths=(1,), steps=1, domain=domain)
    return np.asarray(result.images[0]), [adapter["domain"] for adapter in result.settings["adapters"]]


def test_each_domain_is_edited_with_its_own_adapter(folder: Path, portrait: Image.Image) -> None:
    both = Editor.from_pretrained(folder, device="cpu")
    for domain in ("human", "anime", "human"):
        found, used = edited(both, portrait, domain)
        alone = Editor.from_pretrained(folder, folder / "adapters" / f"{domain}.safetensors", device="cpu")
        expected = alone.edit(portrait, "happy", strengths=(1,), steps=1, domain=domain).images[0]
        assert used == [domain]
        np.testing.assert_array_equal(found, np.asarray(expected))


def test_none_is_the_model_alone(folder: Path, model_folder: Path, portrait: Image.Image) -> None:
    plain = edited(Editor.from_pretrained(model_folder, device="cpu"), portrait, "human")
    without = edited(Editor.from_pretrained(folder, "none", device="cpu"), portrait, "human")
    own = edited(Editor.from_pretrained(folder, device="cpu"), portrait, "human")
    np.testing.assert_array_equal(plain[0], without[0])
    assert plain[1] == without[1] == []
    assert (own[0] != plain[0]).any()


def test_a_domain_without_an_adapter_is_edited_by_the_model_alone(
    folder: Path, model_folder: Path, portrait: Image.Image
) -> None:
    _say(folder, adapters={"anime": "adapters/anime.safetensors"})
    editor = Editor.from_pretrained(folder, device="cpu")
    edited(editor, portrait, "anime")
    plain = edited(Editor.from_pretrained(model_folder, device="cpu"), portrait, "human")
    np.testing.assert_array_equal(edited(editor, portrait, "human")[0], plain[0])


def test_none_goes_alone(folder: Path) -> None:
    with pytest.raises(AdapterError, match="'none' goes alone"):
        Editor.from_pretrained(folder, ["none", "a.safetensors"], device="cpu")


@pytest.mark.parametrize(
    ("adapters", "words"),
    [({"human": "adapters/gone.safetensors"}, "gone.safetensors"), ({"cats": "a.safetensors"}, "adapters")],
)
def test_a_folder_that_is_wrong_about_its_adapters_says_so(
    folder: Path, adapters: dict[str, str], words: str
) -> None:
    _say(folder, adapters=adapters)
    with pytest.raises((AdapterError, ModelError), match=words) as caught:
        Editor.from_pretrained(folder, device="cpu")
    assert "\n" not in str(caught.value)


def test_what_ships_is_recorded_without_the_folder_of_who_runs_it():
    sources = [
        record["source"] for record in Editor.from_pretrained("embedded", device="cpu").engine.info.adapters
    ]
    assert sources == ["embedded/adapters/human.safetensors", "embedded/adapters/anime.safetensors"]
