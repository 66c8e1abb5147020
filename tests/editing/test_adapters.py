"""LoRA files: with and without alpha, prefixes, two at once, and those of another model."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from pixelsmile.editing.adapters import AdapterSpec, activate, load_adapters
from pixelsmile.editing.components import load_components
from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.errors import AdapterError

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


@pytest.mark.parametrize("prefix", ["transformer.", "diffusion_model.", "", "base_model.model."])
def test_without_alpha_the_scale_is_1(transformer: nn.Module, tmp_path: Path, prefix: str) -> None:
    """As the published adapter is used, whatever its keys begin with."""
    tensors = lora(transformer, prefix)
    load_adapters(transformer, [save(tensors, tmp_path / "a.safetensors")])
    for name in MODULES:
        torch.testing.assert_close(measured_update(transformer, name), update(tensors, name, prefix))


@pytest.mark.parametrize(("a", "b"), [("lora_A.default", "lora_B.default"), ("lora_down", "lora_up")])
def test_other_names_of_the_two_factors(transformer: nn.Module, tmp_path: Path, a: str, b: str) -> None:
    tensors = lora(transformer, "")
    renamed = {key.replace("lora_A", a).replace("lora_B", b): value for key, value in tensors.items()}
    load_adapters(transformer, [save(renamed, tmp_path / "a.safetensors")])
    torch.testing.assert_close(measured_update(transformer, MODULES[0]), update(tensors, MODULES[0], ""))


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
        "transformer.transformer_blocks.0.attn.to_v.lora_A.weight": torch.zeros(RANK, 32),
        "text_encoder.something": torch.zeros(3),
    }
    good = save(lora(transformer), tmp_path / "good.safetensors")
    with pytest.raises(AdapterError, match="4 of its parts") as caught:
        load_adapters(transformer, [good, save(tensors, tmp_path / "bad.safetensors")])
    message = str(caught.value)
    assert "transformer_blocks.59.attn.to_q (the model has no such layer)" in message
    assert (
        "transformer_blocks.0.attn.to_k ((2, 3072), (3072, 2)) (the model needs ((2, 32), (32, 2)))"
        in message
    )
    assert "and 1 more" in message
    assert "\n" not in message
    assert not hasattr(transformer, "peft_config")


def test_files_that_are_no_adapters_are_refused(transformer: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\0" * 20)
    (tmp_path / "a.bin").write_bytes(b"")
    save_file({}, tmp_path / "empty.safetensors")
    for name, message in (
        ("cut.safetensors", "not a whole safetensors file"),
        ("a.bin", "a pickle, which is never loaded"),
        ("empty.safetensors", "holds no LoRA tensors"),
        ("none.safetensors", "no adapter file, folder or hub id"),
    ):
        with pytest.raises(AdapterError, match=message):
            load_adapters(transformer, [AdapterSpec(str(tmp_path / name))])
    with pytest.raises(AdapterError, match=r"it has cut\.safetensors, empty\.safetensors"):
        load_adapters(transformer, [AdapterSpec(str(tmp_path))])
    with pytest.raises(AdapterError, match="cannot fetch adapter 'some/adapter' from the hub"):
        load_adapters(transformer, [AdapterSpec("some/adapter")])
    with pytest.raises(AdapterError, match="not a finite number"):
        load_adapters(transformer, [AdapterSpec("x", float("nan"))])


def test_a_scale_is_read_from_the_end() -> None:
    assert AdapterSpec.parse("a/b=0.8") == AdapterSpec("a/b", 0.8)
    assert AdapterSpec.parse("a=b.safetensors") == AdapterSpec("a=b.safetensors")
    assert AdapterSpec.parse("a/b") == AdapterSpec("a/b", 1.0)
