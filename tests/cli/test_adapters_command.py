"""`pixelsmile adapters`: what a file holds, and the same update in the format of another tool."""

import json
from pathlib import Path

import pytest
import torch
from editing.adapter_examples import (
    ALPHA,
    FORMATS,
    MODULES,
    RANK,
    Example,
    largest_error,
    lora,
    tiny_transformer,
)
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pixelsmile.cli import main
from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.adapters.transformer import activate, load_adapters
from pixelsmile.hashing import sha256_file

# What a LoRA of another tool can hold.
CONVERTIBLE = [name for name in FORMATS if "LoKr" not in name and "bias" not in name]


@pytest.fixture
def example() -> Example:
    return FORMATS["diffusers, lora_adapter_metadata"](tiny_transformer())


def converted(capsys: pytest.CaptureFixture[str], file: Path, output: str, target: str) -> dict[str, object]:
    code = main(["adapters", "convert", str(file), "-o", output, "--format", target, "--json"])
    captured = capsys.readouterr()
    assert (code, captured.err) == (0, "")
    return json.loads(captured.out)


def error_of(example: Example, source: str) -> float:
    transformer = tiny_transformer()
    loaded = load_adapters(transformer, [AdapterSpec(source)])
    activate(transformer, loaded, "human")
    return largest_error(transformer, example)


@pytest.mark.parametrize("target", ["kohya", "diffusers"])
@pytest.mark.parametrize("name", CONVERTIBLE)
def test_every_format_comes_back_the_same(
    name: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = FORMATS[name](tiny_transformer())
    converted(capsys, example.save(tmp_path / "in"), "out.safetensors", target)
    assert error_of(example, "out.safetensors") < 1e-6


@pytest.mark.parametrize("target", ["comfyui", "peft"])
@pytest.mark.parametrize("name", ["PEFT, patterns and rsLoRA", "PEFT DoRA", "LyCORIS LoHa"])
def test_the_other_formats_too(
    name: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = FORMATS[name](tiny_transformer())
    output = "out" if target == "peft" else "out.safetensors"
    converted(capsys, example.save(tmp_path / "in"), output, target)
    assert error_of(example, output) < 1e-6


@pytest.mark.parametrize("target", ["diffusers", "peft"])
def test_a_bias_and_ranks_that_differ_come_back(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = FORMATS["PEFT, named, with bias"](tiny_transformer())
    other = lora(tiny_transformer(), rank=2, prefix="base_model.model.")
    for part in "AB":
        name = f"base_model.model.{MODULES[4]}.lora_{part}"
        example.tensors[f"{name}.mine.weight"] = other.tensors[f"{name}.weight"]
    example.delta[MODULES[4]] = ALPHA / 2 * other.delta[MODULES[4]]
    output = "out" if target == "peft" else "out.safetensors"
    converted(capsys, example.save(tmp_path / "in"), output, target)
    assert error_of(example, output) < 1e-6


@pytest.mark.parametrize(
    "name", ["diffusers, lora_adapter_metadata", "PEFT DoRA", "PEFT, patterns and rsLoRA"]
)
@pytest.mark.parametrize("with_metadata", [True, False])
def test_stock_diffusers_reads_it_with_and_without_its_metadata(
    name: str, with_metadata: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = FORMATS[name](tiny_transformer())
    converted(capsys, example.save(tmp_path / "in"), "out.safetensors", "diffusers")
    if not with_metadata:
        save_file(load_file("out.safetensors"), "out.safetensors")
    transformer = tiny_transformer()
    transformer.load_lora_adapter(".", weight_name="out.safetensors", use_safetensors=True)
    assert largest_error(transformer, example) < 1e-6


def test_stock_peft_reads_it(example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from peft import PeftModel

    converted(capsys, example.save(tmp_path / "in"), "out", "peft")
    transformer = tiny_transformer()
    PeftModel.from_pretrained(transformer, "out")
    assert largest_error(transformer, example) < 1e-6


def test_what_is_written(example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = example.save(tmp_path / "in", "smile.safetensors")
    record = converted(capsys, file, "kohya.safetensors", "kohya")
    assert record == {"path": "kohya.safetensors", "layers": len(MODULES), "dtype": "float32", "notes": []}
    with safe_open("kohya.safetensors", framework="pt") as stream:
        metadata = stream.metadata()
        layer = f"lora_unet_{MODULES[0].replace('.', '_')}"
        assert float(stream.get_tensor(f"{layer}.alpha")) == RANK
    assert metadata["converted_from"] == f"smile.safetensors, SHA-256 {sha256_file(file)}"
    assert "alpha is folded in: scale 1" in metadata["converted_note"]
    first = Path("kohya.safetensors").read_bytes()
    assert main(["adapters", "convert", str(file), "-o", "kohya.safetensors", "--format", "kohya"]) == 2
    assert "already there: replace with --force" in capsys.readouterr().err
    again = ["adapters", "convert", str(file), "-o", "kohya.safetensors", "--format", "kohya", "--force"]
    assert main(again) == 0
    assert capsys.readouterr().out == "kohya.safetensors: 5 layers in float32, alpha folded in (scale 1)\n"
    assert Path("kohya.safetensors").read_bytes() == first


def test_numbers_stay_in_half_the_bytes_where_that_is_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float8_e5m2):
        for scaling, kept in ((2.0, True), (1 / 3, False)):
            example = lora(tiny_transformer(), dtype=dtype, scaling=scaling)
            example.metadata = {"lora_alpha": str(scaling * RANK)}
            file = example.save(tmp_path / "in")
            main(["adapters", "convert", str(file), "-o", "out.safetensors", "--force", "--json"])
            said = json.loads(capsys.readouterr().out)["dtype"]
            small = "float16" if dtype == torch.float16 else "bfloat16"
            assert said == (small if kept else "float32")
            assert error_of(example, "out.safetensors") < 1e-6


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("LyCORIS LoKr, whole factors", ("-o", "out.safetensors"), "of no low rank and fits no LoRA"),
        (
            "PEFT, named, with bias",
            ("-o", "o.safetensors", "--format", "kohya"),
            "for which kohya has no name",
        ),
        ("fp16", ("-o", "out"), "needs a file name that ends in .safetensors"),
        ("fp16", ("-o", "out.safetensors", "--format", "peft"), "needs a folder"),
        ("fp16", ("-o", "out.safetensors", "--format", "kohia"), "did you mean kohya?"),
    ],
)
def test_what_cannot_be_written_is_refused(
    name: str, arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FORMATS[name](tiny_transformer()).save(tmp_path / "in")
    assert main(["adapters", "convert", str(file), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["in"]


def test_blocks_without_end_are_not_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "transformer.transformer_blocks.99999999.attn.to_q"
    tensors = {f"{name}.lora_A.weight": torch.ones(1, 4), f"{name}.lora_B.weight": torch.ones(4, 1)}
    save_file(tensors, "a.safetensors")
    assert main(["adapters", "convert", "a.safetensors", "-o", "b.safetensors"]) == 2
    assert "speaks of 100,000,000 blocks" in capsys.readouterr().err


def test_show(example: Example, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = example.save(tmp_path, "smile.safetensors")
    assert main(["adapters", "show", str(file)]) == 0
    out = capsys.readouterr().out
    assert "format   LoRA, names of diffusers\n" in out
    assert f"layers   5, from {min(MODULES)} to {max(MODULES)}\n" in out
    assert "alpha    lora_adapter_metadata\nnumbers  F32, all finite\n" in out
    assert f"scale    {ALPHA / RANK:g}\n" in out


def test_show_tells_of_numbers_that_no_training_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    huge = lora(tiny_transformer(), prefix="")
    next(iter(huge.tensors.values()))[0, 0] = -1e30
    assert main(["adapters", "show", str(huge.save(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert "format   LoRA, bare names of layers\n" in out
    assert "note     its numbers go up to 1e+30 (" in out


def test_show_as_json_with_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kohya = FORMATS["kohya DoRA, dora_scale"](tiny_transformer()).save(tmp_path / "a")
    bad = lora(tiny_transformer())
    next(iter(bad.tensors.values()))[0, 0] = float("nan")
    bad.metadata = {"ss_base_model_version": "qwen_image_edit"}
    diverged = bad.save(tmp_path / "b")
    assert main(["adapters", "show", str(kohya), str(diverged), "missing.safetensors", "--json"]) == 2
    captured = capsys.readouterr()
    first, second, third = json.loads(captured.out)["adapters"]
    assert (first["method"], first["format"], first["ranks"]) == ("DoRA", "kohya", [RANK])
    assert (first["alpha"], first["scalings"]) == ("alpha tensors", [ALPHA / RANK])
    assert second["base"] == "qwen_image_edit"
    assert "not finite" in second["fault"]
    assert "scalings" not in second
    assert third.keys() == {"adapter", "fault"}
    assert captured.err.count("\n") == 2
