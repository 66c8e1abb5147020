"""LoRA files: alpha, prefixes, two at once, those of another model; and those that a model brings along."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.adapters.transformer import activate, load_adapters
from pixelsmile.editing.components import load_components
from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import OPTIONS_FILE
from pixelsmile.errors import AdapterError, ModelError

RANK = 2
MODULES = ("transformer_blocks.0.attn.to_q", "transformer_blocks.1.img_mod.1")


@pytest.fixture
def transformer(model_folder: Path) -> nn.Module:
    return load_components(model_folder, place("cpu")).transformer


def lora(transformer: nn.Module, prefix: str = "transformer.", seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name in MODULES:
        layer = transformer.get_submodule(name)
        tensors[f"{prefix}{name}.lora_A.weight"] = torch.randn(RANK, layer.in_features, generator=generator)
        tensors[f"{prefix}{name}.lora_B.weight"] = torch.randn(layer.out_features, RANK, generator=generator)
    return tensors


def update(tensors: dict[str, Tensor], name: str, prefix: str = "transformer.") -> Tensor:
    return tensors[f"{prefix}{name}.lora_B.weight"] @ tensors[f"{prefix}{name}.lora_A.weight"]


def measured_update(transformer: nn.Module, name: str) -> Tensor:
    """What the loaded adapters add to a layer's weight."""
    layer = transformer.get_submodule(name)
    with torch.no_grad():
        identity = torch.eye(layer.in_features)
        return (layer(identity) - layer.base_layer(identity)).T


def save(tensors: dict[str, Tensor], file: Path, **config: object) -> AdapterSpec:
    metadata = {"lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in config.items()})}
    save_file(tensors, file, metadata=metadata if config else None)
    return AdapterSpec(str(file))


def test_alpha_in_the_metadata_is_honoured(transformer: nn.Module, tmp_path: Path) -> None:
    tensors = lora(transformer)
    alphas = {"lora_alpha": 8, "alpha_pattern": {"img_mod.1": 1}, "r": RANK}
    load_adapters(transformer, [save(tensors, tmp_path / "a.safetensors", **alphas)])
    torch.testing.assert_close(measured_update(transformer, MODULES[0]), 4 * update(tensors, MODULES[0]))
    torch.testing.assert_close(measured_update(transformer, MODULES[1]), 0.5 * update(tensors, MODULES[1]))


def test_alpha_tensors_are_honoured(transformer: nn.Module, tmp_path: Path) -> None:
    tensors = lora(transformer)
    tensors[f"transformer.{MODULES[0]}.alpha"] = torch.tensor(6.0)
    load_adapters(transformer, [save(tensors, tmp_path / "a.safetensors")])
    torch.testing.assert_close(measured_update(transformer, MODULES[0]), 3 * update(tensors, MODULES[0]))
    torch.testing.assert_close(measured_update(transformer, MODULES[1]), update(tensors, MODULES[1]))


def test_a_peft_folder_brings_its_config(transformer: nn.Module, tmp_path: Path) -> None:
    tensors = lora(transformer, "base_model.model.")
    save(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 6, "use_rslora": True}))
    load_adapters(transformer, [AdapterSpec(str(tmp_path))])
    expected = 6 / RANK**0.5 * update(tensors, MODULES[0], "base_model.model.")
    torch.testing.assert_close(measured_update(transformer, MODULES[0]), expected)


def test_what_the_transformer_saves_is_read_back(transformer: nn.Module, tmp_path: Path) -> None:
    from peft import LoraConfig

    transformer.add_adapter(
        LoraConfig(r=RANK, lora_alpha=6, target_modules=["to_q"], init_lora_weights=False)
    )
    expected = measured_update(transformer, MODULES[0])
    transformer.save_lora_adapter(tmp_path, adapter_name="default")
    transformer.delete_adapters("default")
    load_adapters(transformer, [AdapterSpec(str(tmp_path))])
    torch.testing.assert_close(measured_update(transformer, MODULES[0]), expected)


def test_an_adapter_for_a_domain_acts_there_alone(transformer: nn.Module, tmp_path: Path) -> None:
    first, second = lora(transformer, seed=1), lora(transformer, seed=2)
    specs = [
        AdapterSpec(save(first, tmp_path / "first.safetensors").source, domain="human"),
        AdapterSpec(save(second, tmp_path / "second.safetensors").source, 0.5, domain="anime"),
    ]
    loaded = load_adapters(transformer, specs)
    assert [record["domain"] for record in loaded] == ["human", "anime"]
    for domain, tensors, scale in (("human", first, 1), ("anime", second, 0.5), ("human", first, 1)):
        activate(transformer, loaded, domain)
        expected = scale * update(tensors, MODULES[0])
        torch.testing.assert_close(measured_update(transformer, MODULES[0]), expected)


def test_without_an_adapter_for_the_domain_the_model_is_as_it_was(
    transformer: nn.Module, tmp_path: Path
) -> None:
    spec = AdapterSpec(save(lora(transformer), tmp_path / "a.safetensors").source, domain="anime")
    loaded = load_adapters(transformer, [spec])
    activate(transformer, loaded, "human")
    assert measured_update(transformer, MODULES[0]).abs().max() == 0
    activate(transformer, loaded, "anime")
    assert measured_update(transformer, MODULES[0]).abs().max() > 0


def test_two_at_once_each_with_its_scale(transformer: nn.Module, tmp_path: Path) -> None:
    one, two = lora(transformer, seed=1), lora(transformer, seed=2)
    first, second = save(one, tmp_path / "a.safetensors"), save(two, tmp_path / "b.safetensors")
    loaded = load_adapters(transformer, [AdapterSpec(first.source, 0.5), AdapterSpec(second.source, 2.0)])
    activate(transformer, loaded, "human")
    expected = 0.5 * update(one, MODULES[0]) + 2.0 * update(two, MODULES[0])
    torch.testing.assert_close(measured_update(transformer, MODULES[0]), expected)
    assert [item["scale"] for item in loaded] == [0.5, 2.0]
    assert all(item["modules"] == len(MODULES) for item in loaded)


def test_an_adapter_changes_the_edit(model_folder: Path, tmp_path: Path, portrait: Image.Image) -> None:
    transformer = load_components(model_folder, place("cpu")).transformer
    spec = save(lora(transformer), tmp_path / "a.safetensors")
    plain, adapted, off = (
        Editor.from_pretrained(model_folder, adapter=adapter, device="cpu").edit(
            portrait, "happy", strengths=(1,)
        )
        for adapter in (None, spec, f"{spec.source}=0")
    )
    assert plain.images[0].tobytes() != adapted.images[0].tobytes()
    assert plain.images[0].tobytes() == off.images[0].tobytes()
    assert adapted.settings["adapters"][0]["source"] == spec.source


def test_an_adapter_for_another_model_is_refused_before_anything_changes(
    transformer: nn.Module, tmp_path: Path
) -> None:
    tensors = {
        "transformer.transformer_blocks.59.attn.to_q.lora_A.weight": torch.zeros(RANK, 32),
        "transformer.transformer_blocks.59.attn.to_q.lora_B.weight": torch.zeros(32, RANK),
        "transformer.transformer_blocks.0.attn.to_k.lora_A.weight": torch.zeros(RANK, 3072),
        "transformer.transformer_blocks.0.attn.to_k.lora_B.weight": torch.zeros(3072, RANK),
    }
    good = save(lora(transformer), tmp_path / "good.safetensors")
    bad = save(tensors, tmp_path / "bad.safetensors")
    missing = "1 of its 2 layers are not there, the first is 'transformer_blocks.59.attn.to_q'"
    with pytest.raises(AdapterError, match=missing):
        load_adapters(transformer, [good, bad])
    bad = save(dict(list(tensors.items())[2:]), tmp_path / "bad.safetensors")
    other = r"the first is transformer_blocks.0.attn.to_k \(3072, 3072\) \(the model needs \(32, 32\)\)"
    with pytest.raises(AdapterError, match=other):
        load_adapters(transformer, [good, bad])
    assert not hasattr(transformer, "peft_config")


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
