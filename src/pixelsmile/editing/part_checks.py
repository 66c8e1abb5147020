"""What the parts of a model folder hold, checked before a library builds what they ask for.

Libraries build first and look at the weights later (see `part_settings`). Some keys fetch and run code, or
lead to files elsewhere, and weights in the format of another tool would be passed over. No tensor is read,
and torch is not loaded: names, settings, headers tell.
"""

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from pixelsmile.editing.family import EDIT, Family
from pixelsmile.editing.part_settings import AGAIN, check_values
from pixelsmile.errors import ModelError
from pixelsmile.limits import path_within, read_json_object, regular_file, shown
from pixelsmile.store.safetensors_header import TensorEntry, read_header

WEIGHT_FILES = {
    "transformer": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
_VOCABULARIES = ("tokenizer.json", "vocab.json", "merges.txt")
_LEADS_AWAY = "text_encoder/adapter_config.json"  # transformers loads the model that it names instead
_MAX_VOCABULARY_BYTES = 64 * 2**20  # that of Qwen2.5 has 11 MB with its merges
_MAX_INDEX_BYTES = 16 * 2**20
_NAMED = 3  # of many things, so many are named in a message

_IN_BFLOAT16 = "take the model in bfloat16, and --quantization 8bit where memory is short"
ADAPTER_TENSOR = re.compile(r"\.(lora_[a-zA-Z]+|lora|lokr_w\d.*|hada_w\d.*|dora_scale)(\.|$)")
# Tensors of formats that other tools write; a library would pass over half of them.
_FOREIGN = (
    (
        re.compile(
            r"(^|[._])(scale_(weight|input)|(weight|input)_scale(_inv|_2)?|scaled_fp8|comfy_quant|"
            r"q?weight_packed)$"
        ),
        f"scaled weights ({{}}), which would be read without their scales: {_IN_BFLOAT16}",
    ),
    (
        re.compile(r"^(model\.)?diffusion_model\."),
        "tensors that are named as ComfyUI names them ({}): take the model as a diffusers folder",
    ),
    (
        ADAPTER_TENSOR,
        "tensors of an adapter ({}): take the plain model, and give the adapter as --adapter",
    ),
)
_WHOLE_NUMBERS = ("I", "U", "BOOL", "F4", "F6", "F8_E8M0")  # how their dtypes begin


def _needed(family: Family) -> tuple[tuple[str, ...], ...]:
    """One file of each row must be there."""
    tokenizer = family.tokenizer
    return (
        ("scheduler/scheduler_config.json",),
        (f"{tokenizer}/tokenizer_config.json",),
        (f"{tokenizer}/tokenizer.json", f"{tokenizer}/vocab.json"),
        ("processor/preprocessor_config.json", "processor/processor_config.json"),
        *((f"{part}/config.json",) for part in WEIGHT_FILES),
    )


def _settings(family: Family) -> tuple[str, ...]:
    """What the libraries read."""
    return (
        *(name for row in _needed(family) for name in row if name.endswith("config.json")),
        "text_encoder/generation_config.json",
        f"{family.tokenizer}/special_tokens_map.json",
        f"{family.tokenizer}/added_tokens.json",
        "processor/video_preprocessor_config.json",
    )


def check_parts(folder: Path, family: Family = EDIT, *, with_transformer: bool = True) -> None:
    """ModelError for a model folder that lacks files of a part, or has wrong ones.

    with_transformer: False where the transformer's weights are in a file of another kind.
    """
    parts = [part for part in WEIGHT_FILES if with_transformer or part != "transformer"]
    missing = [row[0] for row in _needed(family) if not any((folder / name).is_file() for name in row)]
    missing += [problem for part in parts for problem in _missing_weights(folder / part)]
    if missing:
        raise ModelError(f"model folder {folder} is incomplete ({_some(missing)}): fetch or save it again")
    tensors = {part: _tensors(folder / part) for part in parts}
    for part, found in tensors.items():
        _check_tensors(folder / part, found)
    check_settings(folder, family, {part: len(found) for part, found in tensors.items()})


def check_settings(folder: Path, family: Family = EDIT, num_tensors: Mapping[str, int] | None = None) -> None:
    """ModelError for a setting of a model folder that is none, that leads elsewhere, or does not fit others.

    Files that need not be there are passed over. num_tensors: in the weight files of each part, where they
    are at hand: a layer has some.
    """
    if (folder / _LEADS_AWAY).exists():
        raise ModelError(
            f"{folder / _LEADS_AWAY} would load another model in place of this one: remove it, and give an "
            "adapter as --adapter"
        )
    for file in (folder / name for name in _settings(family)):
        if file.exists():
            _check_keys(file, read_json_object(file, error=ModelError))
    for file in (folder / family.tokenizer / name for name in _VOCABULARIES):
        if file.exists():
            with regular_file(file, error=ModelError) as (_, size):
                if size > _MAX_VOCABULARY_BYTES:
                    raise ModelError(f"{str(file)!r} is longer than {_MAX_VOCABULARY_BYTES:,} bytes: {AGAIN}")
    check_values(folder, family, num_tensors or {})


def num_weights(folder: Path, part: str) -> int:
    """How many numbers the weight files of a part hold."""
    return sum(prod(entry.shape) for entry in _tensors(folder / part).values())


def lone_weight_file(folder: Path) -> Path | None:
    """The one file of weights in a folder's `transformer`, where it is a GGUF file."""
    part = folder / "transformer"
    if not part.is_dir():
        return None
    found = [path for path in part.iterdir() if path.suffix in (".safetensors", ".gguf")]
    return found[0] if len(found) == 1 and found[0].suffix == ".gguf" else None


def weight_remarks(folder: Path) -> list[str]:
    """What is to be said about the weights of a model that can be used all the same."""
    return [
        f"the weights of {part} are 8-bit floats without scales: with an adapter such a model draws a grid "
        "over the picture; better take it in bfloat16, and --quantization 8bit where memory is short"
        for part in WEIGHT_FILES
        if not _missing_weights(folder / part)
        and any(entry.dtype.startswith("F8_") for entry in _tensors(folder / part).values())
    ]


def _check_keys(file: Path, value: Any, key: str = "") -> None:
    """Refuse what names code on the hub, a format that is not read, or a file outside of the folder."""
    if isinstance(value, Mapping):
        for inner, part in value.items():
            _check_keys(file, part, key if key.endswith("attn_implementation") else inner)
    elif isinstance(value, str) and key.endswith("attn_implementation") and "/" in value:
        raise ModelError(
            f"{file} wants {shown(value)} as {key}, code that is fetched and run: remove the key"
        )
    elif key == "quant_method" and value != "bitsandbytes":
        raise ModelError(f"{file} is quantised by {shown(value)}, which is not read here: {_IN_BFLOAT16}")
    elif isinstance(value, str) and key.endswith("_file"):
        path_within(file.parent, value, through_links=True, error=ModelError)


def _tensors(part: Path) -> dict[str, TensorEntry]:
    """What the weight files of a part hold. ModelError for one that is missing, cut short or no such file."""
    files = _weight_files(part)
    return {
        name: entry for file in files for name, entry in read_header(file, error=ModelError).tensors.items()
    }


def _check_tensors(part: Path, tensors: Mapping[str, TensorEntry]) -> None:
    for pattern, problem in _FOREIGN:
        if found := [name for name in tensors if pattern.search(name)]:
            raise ModelError(f"{part} holds {problem.format(_some(found, 1))}")
    whole = [name for name, entry in tensors.items() if entry.dtype.startswith(_WHOLE_NUMBERS)]
    if whole and not read_json_object(part / "config.json", error=ModelError).get("quantization_config"):
        raise ModelError(
            f"{part} holds weights in whole numbers ({_some(whole)}), which mean nothing without their "
            f"scales: {_IN_BFLOAT16}"
        )


def _weight_files(part: Path) -> list[Path]:
    """The files that a part's weights should be in; ModelError where its index is wrong."""
    file = part / WEIGHT_FILES[part.name]
    index = part / f"{file.name}.index.json"
    if not index.exists():
        return [file]
    names = read_json_object(index, max_bytes=_MAX_INDEX_BYTES, error=ModelError).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index} has {shown(names)} as weight_map: {AGAIN}")
    return sorted({path_within(part, name, through_links=True, error=ModelError) for name in names.values()})


def _missing_weights(part: Path) -> list[str]:
    """The weight files that are not there, and what lies in place of a single one."""
    files = _weight_files(part) if part.is_dir() else []  # else its config.json is missing as well
    missing = [f"{part.name}/{file.name}" for file in files if not file.exists()]
    if not missing or len(files) > 1:
        return missing
    wanted, found = files[0].name, sorted(file.name for file in part.iterdir() if file.is_file())
    others = [name for name in found if name.endswith((".safetensors", ".gguf"))]
    pickles = [name for name in found if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if len(others) > 1:
        return [f"{part.name}: {len(others)} files of weights and no {wanted}.index.json"]
    if others:
        return [f"{part.name}: only {others[0]}, where {wanted} is needed"]
    if pickles:
        return [f"{part.name}: only {pickles[0]}, a pickle, which is never loaded; convert it to safetensors"]
    return missing


def _some(names: list[str], most: int = _NAMED) -> str:
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
