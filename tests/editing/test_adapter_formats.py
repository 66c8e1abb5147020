"""Adapters of other tools: each against its own formula, and one line for what cannot be read."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import cpu_offload
from adapter_examples import (
    ALPHA,
    FORMATS,
    MODULES,
    RANK,
    Example,
    largest_error,
    loha,
    lora,
    tiny_transformer,
)
from adapter_examples import with_alpha as with_alphas
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from pixelsmile.editing.adapters.files import AdapterFile, AdapterSpec, find_adapter
from pixelsmile.editing.adapters.formats import resolve
from pixelsmile.editing.adapters.transformer import activate, load_adapters
from pixelsmile.errors import MAX_MESSAGE, AdapterError
from pixelsmile.store.hub import REPOSITORIES

FIRST = f"transformer.{MODULES[0]}"


@pytest.fixture(scope="module")
def untouched() -> nn.Module:
    return tiny_transformer()


@pytest.fixture
def example(untouched: nn.Module) -> Example:
    """A plain LoRA of diffusers, to be spoilt."""
    return lora(untouched)


def loaded(example: Example, folder: Path, scale: float = 1.0) -> tuple[nn.Module, list[dict[str, object]]]:
    transformer = tiny_transformer()
    adapters = load_adapters(transformer, [AdapterSpec(str(example.save(folder)), scale)])
    activate(transformer, adapters, "human")
    return transformer, adapters


def refusal(example: Example, folder: Path) -> str:
    """What is said of an adapter that is refused, and before anything is changed."""
    transformer = tiny_transformer()
    with pytest.raises(AdapterError) as caught:
        load_adapters(transformer, [AdapterSpec(str(example.save(folder)))])
    assert not hasattr(transformer, "peft_config")
    assert "adapter_model.safetensors" in str(caught.value)
    return str(caught.value)


def found(example: Example, folder: Path) -> AdapterFile:
    return find_adapter(AdapterSpec(str(example.save(folder))))


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_does_what_its_formula_says(name: str, tmp_path: Path) -> None:
    example = FORMATS[name](tiny_transformer())
    transformer, adapters = loaded(example, tmp_path)
    assert largest_error(transformer, example) < 1e-6
    assert adapters[0]["modules"] == len(MODULES)


@pytest.mark.parametrize("name", ["PEFT DoRA", "LyCORIS LoKr, whole factors", "LyCORIS LoHa"])
def test_scale_0_leaves_the_model_as_it_was(name: str, tmp_path: Path) -> None:
    example = FORMATS[name](tiny_transformer())
    transformer, _ = loaded(example, tmp_path, scale=0.0)
    layer = transformer.get_submodule(MODULES[0])
    inputs = torch.randn(2, layer.in_features)
    torch.testing.assert_close(layer(inputs), layer.base_layer(inputs), rtol=0, atol=0)


def test_half_the_scale_is_half_the_update(tmp_path: Path) -> None:
    example = FORMATS["LyCORIS LoKr, factors of low rank"](tiny_transformer())
    transformer, _ = loaded(example, tmp_path, scale=0.5)
    example.delta = {module: 0.5 * delta for module, delta in example.delta.items()}
    assert largest_error(transformer, example) < 1e-6


def test_adapters_of_different_kinds_add_up(tmp_path: Path) -> None:
    transformer = tiny_transformer()
    names = ("LyCORIS LoKr, whole factors", "kohya, lora_unet_, bf16", "PEFT, named, with bias")
    examples = [FORMATS[name](transformer) for name in names]
    files = [example.save(tmp_path / str(number)) for number, example in enumerate(examples)]
    adapters = load_adapters(transformer, [AdapterSpec(str(file)) for file in files])
    activate(transformer, adapters, "human")
    together = examples[2]
    together.delta = {module: sum(e.delta[module] for e in examples) for module in MODULES}
    assert largest_error(transformer, together) < 1e-6


def test_layer_by_layer_all_kinds_but_dora_act(tmp_path: Path) -> None:
    """Sequential offloading, as accelerate does it, with the CPU in the place of a GPU."""
    name = "LyCORIS LoKr and LoHa in one file"
    transformer, _ = loaded(FORMATS[name](tiny_transformer()), tmp_path / "a")
    inputs = torch.randn(2, 3, 32)
    layers = [transformer.get_submodule(module) for module in MODULES if module != MODULES[4]]
    wanted = [layer(inputs) for layer in layers]
    cpu_offload(transformer, execution_device="cpu")
    for layer, before in zip(layers, wanted, strict=True):
        torch.testing.assert_close(layer(inputs), before, rtol=0, atol=0)
    dora = FORMATS["PEFT DoRA"](tiny_transformer()).save(tmp_path / "b")
    with pytest.raises(AdapterError, match="cannot act under offload 'sequential'"):
        load_adapters(tiny_transformer(), [AdapterSpec(str(dora))], offload="sequential")


def test_what_is_read_is_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, (kohya,) = loaded(FORMATS["kohya, lora_unet_, bf16"](tiny_transformer()), tmp_path / "a")
    assert (kohya["format"], kohya["alpha"]) == ("LoRA (kohya)", "alpha tensors")
    assert "notes" not in kohya
    assert caplog.messages == []
    _, (plain,) = loaded(FORMATS["with tensors of a text encoder"](tiny_transformer()), tmp_path / "b")
    assert plain["alpha"] == "none stated: scale 1"
    notes = ["it states no alpha: scale 1", "2 of its tensors are for a text encoder and are left out"]
    assert plain["notes"] == notes
    assert caplog.messages == [f"adapter adapter_model.safetensors: {note}" for note in notes]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "format", ["diffusers, no alpha", "PEFT DoRA", "LyCORIS LoKr, whole factors", "fp16"]
)
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, format: str, number: float) -> None:
    example = FORMATS[format](tiny_transformer())
    name = [name for name in example.tensors if not name.endswith("alpha")][-1]
    example.tensors[name].view(-1)[-1] = number
    assert "its training diverged, or it overflowed when it was saved in fp16" in refusal(example, tmp_path)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), 0.0, -1.0])
def test_an_alpha_that_is_no_number_above_0_is_refused(
    tmp_path: Path, example: Example, alpha: float
) -> None:
    example.tensors[f"{FIRST}.alpha"] = torch.tensor(alpha)
    assert "where a number above 0 is needed" in refusal(example, tmp_path)


def test_an_alpha_that_no_number_format_holds_is_refused(tmp_path: Path, example: Example) -> None:
    example.config = {"lora_alpha": 1e300}
    assert "too strong for float32" in refusal(example, tmp_path)


def _renamed(old: str, new: str) -> Callable[[Example], None]:
    def change(example: Example) -> None:
        example.tensors = {name.replace(old, new): tensor for name, tensor in example.tensors.items()}

    return change


def _added(name: str, tensor: torch.Tensor) -> Callable[[Example], None]:
    return lambda example: example.tensors.update({name: tensor})


def _all(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Example], None]:
    def apply(example: Example) -> None:
        example.tensors = {name: change(tensor).contiguous() for name, tensor in example.tensors.items()}

    return apply


SPOILT = {
    "int8": (_all(lambda tensor: (10 * tensor).to(torch.int8)), "as I8, and whole or packed numbers"),
    "rank 0": (_all(lambda t: t[:0] if t.shape[0] == RANK else t[:, :0]), "has rank 0"),
    "a convolution": (_all(lambda tensor: tensor[..., None, None]), "where a matrix is needed"),
    "a layer twice": (
        _added(f"diffusion_model.{MODULES[0]}.lora_A.weight", torch.ones(RANK, 32)),
        "has the same layer twice",
    ),
    "a layer twice, once flat": (
        lambda example: example.tensors.update(
            {
                f"lora_unet_{MODULES[0].replace('.', '_')}.lora_down.weight": torch.ones(RANK, 32),
                f"lora_unet_{MODULES[0].replace('.', '_')}.lora_up.weight": torch.ones(32, RANK),
            }
        ),
        "has the same layer twice",
    ),
    "half a pair": (
        lambda example: example.tensors.pop(f"{FIRST}.lora_B.weight"),
        r"not complete (it has A)",
    ),
    "ranks that differ": (
        _added(f"{FIRST}.lora_A.weight", torch.ones(RANK + 1, 32)),
        "factors that do not belong together, (32, 3) and (4, 32)",
    ),
    "two adapters": (
        _added(f"{FIRST}.lora_A.other.weight", torch.ones(RANK, 32)),
        "has the same layer twice",
    ),
    "named ones": (
        lambda example: (
            _renamed("to_q.lora_A", "to_q.lora_A.x")(example),
            _renamed("to_q.lora_B", "to_q.lora_B.y")(example),
        ),
        "holds several, x, y",
    ),
    "ranks without end": (
        lambda example: example.tensors.update(
            {f"{FIRST}.lora_A.weight": torch.ones(20000, 1), f"{FIRST}.lora_B.weight": torch.ones(1, 20000)}
        ),
        "has rank 20,000",
    ),
    "a long name": (_added("x" * 600, torch.ones(1)), "has a tensor of the name"),
    "layers without end": (
        lambda example: example.tensors.update(
            {f"a{n}.lora_{part}.weight": torch.ones(1, 1) for n in range(2000) for part in "A"}
        ),
        "it changes 2,005 layers",
    ),
    "a short bias": (_added(f"{FIRST}.lora_B.bias", torch.ones(3)), "has a bias of shape (3,) for 32 rows"),
    "alpha of a shape": (_added(f"{FIRST}.alpha", torch.ones(2)), "an alpha of shape (2,)"),
    "scaled fp8": (_added(f"{FIRST}.lora_A.scale_weight", torch.ones(1)), "scales of quantised weights"),
    "a whole weight too": (_added(f"{FIRST}.weight", torch.ones(32, 32)), "weights of the model itself"),
    "OFT": (_added(f"{FIRST}.oft_blocks", torch.ones(2, 2, 2)), "a method other than LoRA"),
    "a difference": (_added(f"{FIRST}.diff", torch.ones(32, 32)), "whole differences of weights"),
    "tucker": (_added(f"{FIRST}.lora_mid.weight", torch.ones(2, 2)), "factors of a convolution"),
    "DoRA on one layer": (
        _added(f"{FIRST}.lora_magnitude_vector", torch.ones(32)),
        "for some of its layers only",
    ),
    "DoRA over columns": (_added(f"{FIRST}.dora_scale", torch.ones(1, 32)), "magnitudes of shape (1, 32)"),
    "another model": (_renamed("transformer_blocks", "double_blocks"), "5 of its 5 layers are not there"),
    "another width": (_all(lambda t: torch.cat([t, t], dim=t.shape.index(RANK) - 1)), "layers do not fit"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_cannot_be_read_is_named(what: str, example: Example, tmp_path: Path) -> None:
    spoil, words = SPOILT[what]
    spoil(example)
    assert words in refusal(example, tmp_path)


def test_a_layer_of_many_underscores_is_lost_quickly() -> None:
    with pytest.raises(AdapterError, match="layers are not there"):
        resolve("x", ["lora_" * 99, "lora_unet_transformer_" * 20], ["a"])


def test_a_loha_of_a_rank_above_the_layers_is_the_same(tmp_path: Path) -> None:
    """16 x 16 is more than the layers' rows: the whole product is kept instead of the factors."""
    example = loha(tiny_transformer(), rank=16)
    transformer, _ = loaded(example, tmp_path)
    assert largest_error(transformer, example) < 1e-6
    assert transformer.get_submodule(MODULES[0]).lora_A["adapter_0"].weight.shape == (32, 32)


def test_lokr_with_dora_is_refused(tmp_path: Path) -> None:
    example = FORMATS["LyCORIS LoKr, whole factors"](tiny_transformer())
    example.tensors[f"diffusion_model.{MODULES[0]}.dora_scale"] = torch.ones(32, 1)
    assert "a LoKr with DoRA" in refusal(example, tmp_path)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "holds no tensors"),
        ({"text_encoder.a.lora_A.weight": torch.ones(1, 1)}, "only tensors for a text encoder"),
        ({"transformer_blocks.0.attn.to_q.weight": torch.ones(1, 1)}, "the weights of a model"),
        ({"string_to_param": torch.ones(1, 1)}, "tensors of no known kind"),
    ],
)
def test_a_file_that_is_no_adapter_is_named(
    tensors: dict[str, torch.Tensor], words: str, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(AdapterError, match=words):
        find_adapter(AdapterSpec(str(tmp_path / "a.safetensors")))


CONFIGS = {
    "": "no valid JSON",
    "null": "holds None",
    "[]": "a list of 0",
    "[" * 100_000: "no valid JSON",
    '{"lora_alpha": "x"}': "lora_alpha is 'x'",
    '{"lora_alpha": true}': "lora_alpha is True",
    '{"lora_alpha": NaN}': "no valid JSON",
    '{"lora_alpha": -1}': "lora_alpha is -1",
    '{"lora_alpha": 0}': "lora_alpha is 0",
    f'{{"lora_alpha": {"9" * 400}}}': "lora_alpha is a number of",
    '{"alpha_pattern": [1]}': "alpha_pattern is a list",
    '{"alpha_pattern": [["a", 1]]}': "alpha_pattern is a list",
    '{"alpha_pattern": {".*": "x"}}': "is 'x'",
    '{"alpha_pattern": {"(": 1}}': "no regular expression",
    '{"alpha_pattern": {"a{5}": 1}}': "no regular expression",
    '{"alpha_pattern": {"([a-z_.0-9]+)+!": 1}}': "no regular expression",
    r'{"alpha_pattern": {"(\\w|\\w\\w|\\.)+(\\w|\\w\\w|\\.)+[|?]": 1}}': "or takes too long",
    '{"r": 0, "lora_alpha": 1}': "r is 0",
    '{"use_rslora": "yes"}': "use_rslora is 'yes'",
    '{"peft_type": "IA3"}': "PEFT type 'IA3'",
    '{"init_lora_weights": "pissa_niter_16"}': "was trained on weights that pissa_niter_16 had changed",
}


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("text", CONFIGS)
def test_a_config_that_is_not_valid_is_one_line(
    text: str, beside: bool, example: Example, tmp_path: Path
) -> None:
    if beside:
        (tmp_path / "adapter_config.json").write_text(text)
    else:
        example.metadata = {"lora_adapter_metadata": text}
    started = time.process_time()
    with pytest.raises(AdapterError) as caught:
        loaded(example, tmp_path)
    assert CONFIGS[text] in str(caught.value)
    assert len(str(caught.value)) <= MAX_MESSAGE
    assert time.process_time() - started < 3


def test_many_patterns_are_matched_quickly(example: Example, tmp_path: Path) -> None:
    names = [f"transformer_blocks.{number}.attn.to_x" for number in range(2000)]
    example.config = {"lora_alpha": ALPHA, "alpha_pattern": {name: 1 for name in names}}
    transformer, _ = loaded(example, tmp_path)
    example.delta = {module: ALPHA / RANK * delta for module, delta in example.delta.items()}
    assert largest_error(transformer, example) < 1e-6


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"lora_alpha": "x"}, "lora_alpha 'x', not a number above 0"),
        ({"network_alpha": "inf"}, "network_alpha 'inf'"),
        ({"lora_alpha": "0"}, "lora_alpha '0'"),
        ({"lora_alpha": "8", "network_alpha": "4"}, "states several alphas, lora_alpha 8, network_alpha 4"),
    ],
)
def test_plain_header_keys_are_numbers(
    metadata: dict[str, str], words: str, example: Example, tmp_path: Path
) -> None:
    example.metadata = metadata
    assert words in refusal(example, tmp_path)


def test_an_alpha_that_may_mean_something_else_is_said(example: Example, tmp_path: Path) -> None:
    example.metadata = {"ss_network_alpha": "1", "ss_network_dim": "4"}
    notes = found(example, tmp_path).notes
    assert notes == (
        "it states no alpha: scale 1",
        "what its header calls 'ss_network_alpha' ('1') is not taken as its alpha",
    )
    assert found(with_alphas(example), tmp_path).notes == ()
    del example.tensors[f"{FIRST}.alpha"]
    assert "for some layers only" in found(example, tmp_path).notes[0]


def test_names_with_underscores_that_may_be_two_layers_are_refused() -> None:
    with pytest.raises(AdapterError, match=r"which may be a\.b_c or a_b\.c"):
        resolve("x", ["lora_unet_a_b_c"], ["a.b_c", "a_b.c"])
    modules = ["transformer_blocks.0.attn.to_q", "img_in"]
    for prefix in ("lora_unet_", "lora_", "lora_transformer_", "lycoris_", ""):
        assert resolve("x", [f"{prefix}transformer_blocks_0_attn_to_q"], modules) == {
            f"{prefix}transformer_blocks_0_attn_to_q": modules[0]
        }


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.gguf", b"GGUF" + bytes(40), "is a GGUF file"),
        ("a.bin", b"\x80\x04" + bytes(40), "is a pickle, which is never loaded"),
        ("a.safetensors", b"", "is an empty file"),
        ("a.safetensors", bytes(20), "is cut short or damaged"),
        ("a.safetensors", b"<html>no</html>", "is an HTML page"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(9), "is a picture"),
    ],
)
def test_the_kind_of_another_file_is_named(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AdapterError, match=words):
        find_adapter(AdapterSpec(str(tmp_path / name)))


def test_folders_that_are_no_adapters_are_named(tmp_path: Path) -> None:
    for name in (
        "model/model_index.json",
        "control/control.json",
        "pickle/a.bin",
        "two/a.safetensors",
        "two/b.safetensors",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for name, words in (
        ("model", "the folder of a model, no adapter: give it as --model"),
        ("control", "the folder of a control, no adapter: give it as --control"),
        ("pickle", "only a.bin, a pickle"),
        ("two", r"it has a\.safetensors, b\.safetensors: name it"),
        ("none", "no adapter file, folder or hub id"),
    ):
        with pytest.raises(AdapterError, match=words):
            find_adapter(AdapterSpec(str(tmp_path / name)))


def test_a_path_that_exists_is_that_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Example
) -> None:
    monkeypatch.chdir(tmp_path)
    example.save(tmp_path / "runs" / "lr=0.001")
    assert AdapterSpec.parse("runs/lr=0.001") == AdapterSpec("runs/lr=0.001")
    assert AdapterSpec.parse("runs/lr=0.001=0.5") == AdapterSpec("runs/lr=0.001", 0.5)
    assert find_adapter(AdapterSpec.parse("runs/lr=0.001")).path.name == "adapter_model.safetensors"
    assert AdapterSpec.parse("a/b=0.8") == AdapterSpec("a/b", 0.8)
    assert AdapterSpec.parse("a=b.safetensors") == AdapterSpec("a=b.safetensors")
    assert AdapterSpec.parse("a/b") == AdapterSpec("a/b", 1.0)
    assert AdapterSpec.parse("\0=1").source == "\0"
    for source, words in (
        ("runs/missing", "no adapter file, folder or hub id 'runs/missing'"),
        ("runs/lr=0.001/b.safetensors", "no adapter file"),
        ("\0", "no adapter file"),
        ("x" * 5000, "no adapter file"),
        ("/some/where/a.safetensors", "no adapter file"),
    ):
        with pytest.raises(AdapterError, match=words):
            find_adapter(AdapterSpec(source))
    with pytest.raises(AdapterError, match="not a finite number"):
        find_adapter(AdapterSpec.parse("runs/lr=0.001=nan"))


def test_a_file_of_a_hub_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Example
) -> None:
    asked = []

    def snapshot(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        assert revision is None
        asked.append((name, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    example.save(tmp_path / "loras", "smile.safetensors")
    file = find_adapter(AdapterSpec("owner/repo/loras/smile.safetensors"))
    assert file.path == tmp_path / "loras" / "smile.safetensors"
    assert asked[0] == ("owner/repo", ["loras/smile.safetensors", "loras/adapter_config.json"])
    with pytest.raises(AdapterError, match=r"has no file 'other\.safetensors'"):
        find_adapter(AdapterSpec("owner/repo/other.safetensors"))


def test_the_published_adapter_is_taken_at_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Example
) -> None:
    def snapshot(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        assert (name, revision) == ("PixelSmile/PixelSmile", REPOSITORIES["pixelsmile"].revision)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    example.save(tmp_path, "PixelSmile-preview.safetensors")
    assert find_adapter(AdapterSpec("PixelSmile/PixelSmile")).path.parent == tmp_path


def test_without_a_network_the_hub_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AdapterError, match="cannot fetch adapter 'some/adapter' from the hub"):
        find_adapter(AdapterSpec("some/adapter"))


def test_an_adapter_is_checked_without_torch(example: Example, tmp_path: Path) -> None:
    file = example.save(tmp_path)
    program = (
        "import sys\nfrom pixelsmile.editing.adapters.files import AdapterSpec, find_adapter\n"
        f"print(find_adapter(AdapterSpec({str(file)!r})).contents.method)\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "LoRA\n"


@given(
    st.dictionaries(
        st.text(st.sampled_from("ab._01"), min_size=1, max_size=12).flatmap(
            lambda layer: st.sampled_from(
                [
                    f"{layer}.lora_A.weight",
                    f"{layer}.lora_B.weight",
                    f"{layer}.alpha",
                    f"{layer}.lokr_w1",
                    layer,
                ]
            )
        ),
        st.lists(st.integers(0, 3), max_size=3),
        max_size=6,
    ),
    st.dictionaries(st.sampled_from(["lora_alpha", "lora_adapter_metadata"]), st.text(max_size=30)),
)
def test_any_names_and_shapes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, shapes: dict[str, list[int]], metadata: dict[str, str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.safetensors"
    save_file({name: torch.ones(shape) for name, shape in shapes.items()}, file, metadata)
    try:
        found = find_adapter(AdapterSpec(str(file)))
    except AdapterError:
        return
    json.dumps(found.notes)
    assert found.contents.layers
