"""Transformers in files of fewer bits: read as they are meant, adapters on top of them, and wrong files."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from diffusers import QwenImageTransformer2DModel
from diffusers.quantizers.gguf.utils import GGUFParameter
from safetensors.torch import load_file, save_file
from torch import Tensor

from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.adapters.transformer import activate, load_adapters
from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import find_model, weight_file
from pixelsmile.editing.small_weights import GgufLinear, ScaledLinear, load_transformer
from pixelsmile.editing.weight_file import read_weight_file
from pixelsmile.errors import AdapterError, ModelError, PixelSmileError

LAYER = "transformer_blocks.0.attn.to_q"
Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights(model_folder: Path) -> Weights:
    return load_file(model_folder / "transformer" / "diffusion_pytorch_model.safetensors")


def is_stored(name: str, tensor: Tensor) -> bool:
    return name.startswith("transformer_blocks") and name.endswith(".weight") and tensor.ndim == 2


def scaled(weights: Weights, dtype: torch.dtype, *, by_row: bool, scale_name: str) -> tuple[Weights, Weights]:
    """What such a file holds, and what it means."""
    held, meant = {}, dict(weights)
    largest = 127 if dtype == torch.int8 else torch.finfo(dtype).max
    for name, tensor in weights.items():
        if not is_stored(name, tensor):
            held[name] = tensor
            continue
        top = tensor.abs().amax(dim=1, keepdim=True) if by_row else tensor.abs().max()
        scale = top / largest
        stored = (tensor / scale).round().to(dtype) if dtype == torch.int8 else (tensor / scale).to(dtype)
        held[name], meant[name] = stored, stored.float() * scale
        held[f"{name.removesuffix('.weight')}.{scale_name}"] = scale
    return held, meant


def comfy(file: Path, weights: Weights) -> tuple[Path, Weights]:
    save_file({f"model.diffusion_model.{name}": tensor for name, tensor in weights.items()}, file)
    return file, weights


def fp8_scaled(file: Path, weights: Weights) -> tuple[Path, Weights]:
    held, meant = scaled(weights, torch.float8_e4m3fn, by_row=False, scale_name="scale_weight")
    held["scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    save_file({f"diffusion_model.{name}": tensor for name, tensor in held.items()}, file)
    return file, meant


def fp8_by_row(file: Path, weights: Weights) -> tuple[Path, Weights]:
    held, meant = scaled(weights, torch.float8_e4m3fn, by_row=True, scale_name="weight_scale")
    held[f"{LAYER}.input_scale"] = torch.ones(1)
    held[f"{LAYER}.comfy_quant"] = torch.zeros(20, dtype=torch.uint8)
    save_file(held, file)
    return file, meant


def fp8_bare(file: Path, weights: Weights) -> tuple[Path, Weights]:
    held = {
        name: tensor.to(torch.float8_e4m3fn) if is_stored(name, tensor) else tensor
        for name, tensor in weights.items()
    }
    save_file(held, file)
    return file, {name: tensor.float() for name, tensor in held.items()}


def int8(file: Path, weights: Weights) -> tuple[Path, Weights]:
    held, meant = scaled(weights, torch.int8, by_row=True, scale_name="weight_scale")
    save_file(held, file)
    return file, meant


def write_gguf(file: Path, weights: Weights, kinds: Mapping[str, gguf.GGMLQuantizationType]) -> Weights:
    """A file with these tensors in these formats (others in float32), and what it means."""
    writer, meant = gguf.GGUFWriter(file, "qwen_image"), {}
    for name, tensor in weights.items():
        kind, values = kinds.get(name), tensor.float().numpy()
        if kind is None:
            writer.add_tensor(name, values)
            meant[name] = tensor.float()
        else:
            stored = gguf.quants.quantize(values, kind)
            writer.add_tensor(name, stored, raw_dtype=kind)
            meant[name] = torch.from_numpy(gguf.quants.dequantize(stored, kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return meant


def gguf_q8(file: Path, weights: Weights) -> tuple[Path, Weights]:
    kinds = {
        name: gguf.GGMLQuantizationType.Q8_0
        for name, tensor in weights.items()
        if is_stored(name, tensor) and tensor.shape[-1] % 32 == 0
    }
    kinds |= {"img_in.weight": gguf.GGMLQuantizationType.BF16}
    file = file.with_suffix(".gguf")
    return file, write_gguf(file, weights, kinds)


FORMATS: dict[str, Callable[[Path, Weights], tuple[Path, Weights]]] = {
    "ComfyUI": comfy,
    "fp8 scaled": fp8_scaled,
    "fp8 by row": fp8_by_row,
    "fp8 bare": fp8_bare,
    "int8": int8,
    "GGUF": gguf_q8,
}


@pytest.fixture(scope="module", params=FORMATS)
def found(
    request: Any, model_folder: Path, weights: Weights, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Weights]:
    file = tmp_path_factory.mktemp("files") / f"{request.param.replace(' ', '-')}.safetensors"
    return FORMATS[request.param](file, weights)


def run(transformer: QwenImageTransformer2DModel) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return transformer(
        torch.randn(2, 32, 16, generator=generator),
        encoder_hidden_states=torch.randn(2, 5, 16, generator=generator),
        timestep=torch.tensor([0.3, 0.3]),
        img_shapes=[[(1, 4, 4), (1, 4, 4)]] * 2,
        return_dict=False,
    )[0]


def output(transformer: QwenImageTransformer2DModel) -> Tensor:
    with torch.no_grad():
        return run(transformer)


def stock(folder: Path, weights: Weights) -> QwenImageTransformer2DModel:
    transformer = QwenImageTransformer2DModel.from_config(
        QwenImageTransformer2DModel.load_config(folder, subfolder="transformer")
    )
    transformer.load_state_dict(weights)
    return transformer.eval()


def tolerance(file: Path) -> dict[str, float]:
    """Of float32; diffusers multiplies the blocks of a GGUF file in half precision, as their scales are."""
    return {"rtol": 0, "atol": 5e-4 if file.suffix == ".gguf" else 2e-5}


def lora(file: Path, dora: bool = False) -> Path:
    generator = torch.Generator().manual_seed(2)
    tensors = {
        f"transformer.{LAYER}.lora_A.weight": torch.randn(4, 32, generator=generator),
        f"transformer.{LAYER}.lora_B.weight": torch.randn(32, 4, generator=generator),
    }
    if dora:
        tensors[f"transformer.{LAYER}.lora_magnitude_vector"] = torch.ones(32)
    save_file(tensors, file)
    return file


def test_weights_mean_what_they_should(found, model_folder):
    file, meant = found
    transformer = load_transformer(model_folder, read_weight_file(file), place("cpu"))
    torch.testing.assert_close(output(transformer), output(stock(model_folder, meant)), **tolerance(file))


def test_an_adapter_acts_on_top_of_them(found, model_folder, tmp_path):
    file, meant = found
    adapter = lora(tmp_path / "lora.safetensors")
    factors = load_file(adapter)
    A, B = (factors[f"transformer.{LAYER}.lora_{factor}.weight"] for factor in "AB")
    merged = {**meant, f"{LAYER}.weight": meant[f"{LAYER}.weight"] + 0.5 * B @ A}
    transformer = load_transformer(model_folder, read_weight_file(file), place("cpu"))
    activate(transformer, load_adapters(transformer, [AdapterSpec(str(adapter), 0.5)]), "human")
    wanted = output(stock(model_folder, merged))
    assert (wanted - output(stock(model_folder, meant))).abs().max() > 0.01
    torch.testing.assert_close(output(transformer), wanted, **tolerance(file))


def test_weights_stay_small_and_whole_through_a_cast(weights, model_folder, tmp_path):
    file, _ = fp8_by_row(tmp_path / "f.safetensors", weights)
    transformer = load_transformer(model_folder, read_weight_file(file), place("cpu"))
    layer = transformer.get_submodule(LAYER)
    assert isinstance(layer, ScaledLinear)
    before = layer.whole_weight(torch.float32)
    transformer.to(torch.bfloat16)
    assert (layer.weight.dtype, layer.scale.dtype) == (torch.uint8, torch.float32)
    torch.testing.assert_close(layer.whole_weight(torch.float32), before, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "write"), [("f.safetensors", fp8_by_row), ("f.gguf", gguf_q8)])
def test_gradients_of_an_adapter_pass_through_them(name, write, weights, model_folder, tmp_path):
    """As a training on a frozen base in 8 bits needs them: those of the numbers that the weights mean."""
    file, meant = write(tmp_path / name, weights)
    gradients = []
    for transformer in (
        load_transformer(model_folder, read_weight_file(file), place("cpu")),
        stock(model_folder, meant).requires_grad_(False),
    ):
        load_adapters(transformer, [AdapterSpec(str(lora(tmp_path / "lora.safetensors")))])
        factor = transformer.get_submodule(LAYER).lora_A["adapter_0"].weight.requires_grad_(True)
        with torch.enable_grad():
            run(transformer).square().mean().backward()
        gradients.append(factor.grad)
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-2, atol=1e-5)


def test_a_file_is_a_model_with_the_parts_of_the_folder_around_it(
    weights, model_folder, portrait, tmp_path, caplog
):
    """In place of the folder's own transformer, at its top; and alone in `transformer`, by the folder."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    file, _ = fp8_bare(folder / "bare.safetensors", weights)
    edited = Editor.from_pretrained(str(file), "none", device="cpu").edit(portrait, "happy", strengths=(1,))
    assert edited.settings["editor"]["weights"]["format"] == "8-bit floats (e4m3), without scales"
    assert len(edited.settings["editor"]["weights"]["sha256"]) == 64
    assert any("draw a grid over the picture" in note for note in edited.settings["notes"])
    assert any("draw a grid over the picture" in message for message in caplog.messages)
    shutil.rmtree(folder / "transformer")
    (folder / "transformer").mkdir()
    shutil.copy(model_folder / "transformer" / "config.json", folder / "transformer")
    q8, _ = gguf_q8(folder / "transformer" / "q8.gguf", weights)
    assert find_model(str(folder)) == find_model(str(q8)) == folder
    found = weight_file(str(folder), folder)
    assert found is not None
    assert found.format == "GGUF, mostly Q8_0"
    result = Editor.from_pretrained(str(folder), "none", device="cpu").edit(portrait, "happy", strengths=(1,))
    assert result.settings["editor"]["weights"]["file"] == "q8.gguf"


def test_a_folder_can_be_put_into_8_bits(model_folder, portrait):
    exact = Editor.from_pretrained(model_folder, "none", device="cpu")
    small = Editor.from_pretrained(model_folder, "none", device="cpu", quantization="fp8")
    layers = [type(layer).__name__ for layer in small.engine.parts.transformer.modules()]
    assert "ScaledLinear" in layers
    assert "ScaledLinear" in [type(layer).__name__ for layer in small.engine.parts.text_encoder.modules()]
    pictures = [
        np.asarray(editor.edit(portrait, "happy", strengths=(1,)).images[0], np.float32)
        for editor in (exact, small)
    ]
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 8
    assert small.edit(portrait, "happy", strengths=(1,), steps=1).settings["quantization"] == "fp8"


def damaged(file: Path, weights: Weights, change: Callable[[Weights], object]) -> Path:
    held = dict(weights)
    change(held)
    save_file(held, file)
    return file


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda held: held.pop(f"{LAYER}.weight"), "lacks 1 of the"),
        (lambda held: held.update(extra=torch.zeros(1)), "holds 1 tensors that the transformer of"),
        (lambda held: held.update({f"{LAYER}.weight": torch.zeros(8, 8)}), "of shape (8, 8)"),
        (
            lambda held: held.update({f"{LAYER}.weight": torch.zeros(32, 32, dtype=torch.int8)}),
            "without a scale",
        ),
        (lambda held: held.update({f"{LAYER}.weight_scale_2": torch.zeros(1)}), "a way that is not read"),
        (lambda held: held.update({f"{LAYER}.lora_A.weight": torch.zeros(1)}), "give it as --adapter"),
        (lambda held: held.update({f"{LAYER}.weight": torch.zeros(32, 32, dtype=torch.int64)}), "as I64"),
    ],
)
def test_wrong_files_are_refused(change, words, weights, model_folder, tmp_path):
    file = damaged(tmp_path / "wrong.safetensors", weights, change)
    with pytest.raises(ModelError) as refused:
        load_transformer(model_folder, read_weight_file(file), place("cpu"))
    assert words in str(refused.value)
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.999])
def test_half_a_gguf_is_refused(share, weights, tmp_path):
    file, _ = gguf_q8(tmp_path / "whole.gguf", weights)
    assert read_weight_file(file).is_gguf
    half = tmp_path / "half.gguf"
    half.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(ModelError, match=r"fetch it again|no GGUF file"):
        read_weight_file(half)


def test_every_cut_and_flip_of_a_gguf_header_is_one_line(weights, tmp_path):
    file, _ = gguf_q8(tmp_path / "whole.gguf", {f"{LAYER}.weight": weights[f"{LAYER}.weight"]})
    data = file.read_bytes()
    broken = tmp_path / "broken.gguf"
    said = []
    for flipped in range(160):
        changed = bytearray(data)
        changed[flipped] ^= 0xFF
        broken.write_bytes(changed)
        try:
            read_weight_file(broken)
        except PixelSmileError as error:
            said.append(str(error))
    assert len(said) > 40
    assert not [line for line in said if "\n" in line]


def test_what_cannot_act_together_is_said(weights, model_folder, tmp_path):
    file, _ = fp8_scaled(tmp_path / "f.safetensors", weights)
    transformer = load_transformer(model_folder, read_weight_file(file), place("cpu"))
    with pytest.raises(AdapterError, match="is a DoRA, which cannot act on a base in 8 bits"):
        load_adapters(transformer, [AdapterSpec(str(lora(tmp_path / "dora.safetensors", dora=True)))])


def q8_linear(plain: torch.nn.Linear) -> GgufLinear:
    rows = gguf.quants.quantize(plain.weight.detach().numpy(), gguf.GGMLQuantizationType.Q8_0)
    weight = GGUFParameter(torch.from_numpy(rows), quant_type=gguf.GGMLQuantizationType.Q8_0)
    return GgufLinear.over(plain, weight)


@pytest.mark.parametrize("small", [lambda plain: ScaledLinear.quantised(plain, plain.weight), q8_linear])
def test_few_bits_keep_no_whole_weight_for_a_gradient(small) -> None:
    plain = torch.nn.Linear(32, 6).requires_grad_(False)
    layer = small(plain)
    plain.weight.copy_(layer.whole_weight(torch.float32))
    x, kept = torch.randn(3, 32, requires_grad=True), []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor) or tensor, lambda it: it
    ):
        made = layer(x)
    assert not any(tensor.numel() == plain.weight.numel() for tensor in kept)
    torch.testing.assert_close(made, plain(x))
    (found,) = torch.autograd.grad(made.square().sum(), x)
    (wanted,) = torch.autograd.grad(plain(x).square().sum(), x)
    torch.testing.assert_close(found, wanted)
