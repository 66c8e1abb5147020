"""Model folders: where a model lies, whether it is whole and of this family, and what it says about itself.

A model is a stock diffusers folder of the Qwen-Image-Edit family. Only safetensors are ever read.
"""

import os
import re
from math import prod
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.editing.part_configs import check_settings
from pixelsmile.errors import ModelError
from pixelsmile.limits import path_within, read_json_object, regular_file, shown, validated
from pixelsmile.store.json_lines import is_utf8
from pixelsmile.store.safetensors_header import Header, kind_of, read_header

EMBEDDED = "embedded"
GEOMETRIC = "geometric"  # no folder: the mesh of a photographed face, moved
FULL_MODEL = "Qwen/Qwen-Image-Edit-2511"
PUBLISHED_ADAPTER = "PixelSmile/PixelSmile"  # on the hub; for people
OPTIONS_FILE = "pixelsmile.json"
MODEL_INDEX = "model_index.json"
PARTS = ("scheduler", "tokenizer", "processor", "transformer", "vae", "text_encoder")

_FAMILY = "QwenImageEdit"  # what the classes of its pipelines begin with
_WEIGHTS = {  # the file of a part's weights
    "transformer": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
# One file of each row must be there.
_PIECES = (
    ("scheduler/scheduler_config.json",),
    ("tokenizer/tokenizer_config.json",),
    ("tokenizer/tokenizer.json", "tokenizer/vocab.json"),
    ("processor/preprocessor_config.json", "processor/processor_config.json"),
    *((f"{folder}/config.json",) for folder in _WEIGHTS),
)
_HUB_PATTERNS = ["*.json", "*.safetensors", "*/merges.txt", "*/*.jinja"]
_MAX_INDEX_BYTES = 16 * 2**20
_SNIFFED_BYTES = 2**16
_LOOKED_AT = 100  # files of a folder that may be anything
_NAMED = 3  # of many things, so many are named in a message

# Tensors of formats that other tools write. Without its scales a weight is another weight.
_SCALES = re.compile(
    r"(^|[._])(scale_(weight|input)|(weight|input)_scale(_inv|_2)?|scaled_fp8|comfy_quant|q?weight_packed)$"
)
_WHOLE_NUMBERS = ("I", "U", "BOOL", "F4", "F6", "F8_E8M0")
_IN_BFLOAT16 = "take the model in bfloat16, and --quantization 8bit where memory is short"
_COMFYUI = ("model.diffusion_model.", "diffusion_model.")
_ADAPTER = re.compile(r"\.(lora_[a-zA-Z]+|lora|lokr_w\d.*|hada_w\d.*|dora_scale)(\.|$)")


class ModelOptions(BaseModel):
    """What a model folder may say about itself in `pixelsmile.json`; the defaults are those of PixelSmile.

    size: root of the area it was trained on, in pixels. condition_size: the same for the picture that the
    text encoder sees. square: trained on squares alone, so other pictures are cropped. prompts: its own
    prompt for an expression or for neutral. words: all words that it knows, where it knows no others.
    adapters: files in the folder, by the domain that each is for; they act where no others are given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=512, ge=16, le=4096)
    condition_size: int = Field(default=384, ge=28, le=2048)
    steps: int = Field(default=50, ge=1, le=1000)
    square: bool = False
    domains: tuple[Literal["human", "anime"], ...] = ("human", "anime")
    prompts: dict[str, str] | None = None
    words: tuple[str, ...] | None = None
    adapters: dict[Literal["human", "anime"], str] = Field(default_factory=dict)
    note: str = ""


def find_model(model: str) -> Path:
    """The folder of a model: `embedded`, a folder, or a hub id (downloaded once), checked to be whole.

    A path that exists is that path, also where it looks like a hub id. ModelError where there is none, where
    it is something else, or where parts of it are missing, cut short or of another family.
    """
    if model == EMBEDDED:
        from pixelsmile.embedded import model_path

        folder = model_path()
    elif os.path.isdir(model):  # unlike Path, it answers for every name, however long
        folder = Path(model)
    elif os.path.lexists(model):
        raise ModelError(f"model {model!r} is {_file_kind(Path(model))}")
    else:
        folder = _from_hub(model)
    check_folder(folder)
    if not is_utf8(str(folder)):
        raise ModelError(f"the name of model {str(folder)!r} is no UTF-8, nothing can load it: rename it")
    return folder


def is_hub_id(model: str) -> bool:
    """Whether a model would be fetched: it looks like `owner/name`, and is no path that exists."""
    looks_like_one = model.count("/") == 1 and not model.startswith((".", "/", "~")) and "\0" not in model
    return looks_like_one and not os.path.lexists(model)


def read_options(folder: Path) -> ModelOptions:
    """The folder's options, or the defaults where it has no options file. ModelError."""
    file = folder / OPTIONS_FILE
    if not file.exists():
        return ModelOptions()
    options = validated(
        ModelOptions,
        read_json_object(file, error=ModelError),
        repr(str(file)),
        error=lambda message: ModelError(f"{message}; correct it or remove it"),
    )
    for name in options.adapters.values():
        path_within(folder, name, through_links=True, error=ModelError)
    return options


def check_folder(folder: Path) -> None:
    """ModelError, in one line, for a folder that is no model, that lacks a part, or that has a wrong one.

    No tensor is read: what can be told from names, sizes, settings and headers.
    """
    try:
        _check_family(folder)
        missing = [names[0] for names in _PIECES if not any((folder / name).is_file() for name in names)]
        missing += [problem for part in _WEIGHTS for problem in _missing_weights(folder / part)]
        if missing:
            raise ModelError(
                f"model folder {folder} is incomplete ({_some(missing)}): fetch or save it again"
            )
        found = {part: headers(folder, part) for part in _WEIGHTS}
        for part, part_headers in found.items():
            _check_tensors(folder / part, part_headers)
        num_tensors = {part: sum(len(one.tensors) for one in found[part]) for part in found}
        check_settings(folder, num_tensors)
    except OSError as refused:
        raise ModelError(
            f"cannot read model folder {folder} ({refused.strerror or refused}): check its permissions"
        ) from refused


def _check_family(folder: Path) -> None:
    index = folder / MODEL_INDEX
    if not index.is_file():
        raise ModelError(
            f"{folder} is not a diffusers model, it has no {MODEL_INDEX}: {_folder_kind(folder)}"
        )
    pipeline = read_json_object(index, error=ModelError).get("_class_name")
    if pipeline is None:
        raise ModelError(f"{index} is incomplete, it names no _class_name: fetch or save the model again")
    if not isinstance(pipeline, str) or not pipeline.startswith(_FAMILY):
        raise ModelError(
            f"{folder} is a model for {shown(pipeline)}, not of the Qwen-Image-Edit family: give {FULL_MODEL}"
        )


def headers(folder: Path, part: str) -> list[Header]:
    """The headers of a part's weight files. ModelError for one that is missing, cut short or no such file."""
    return [read_header(file, error=ModelError) for file in _weight_files(folder / part)]


def num_weights(folder: Path, part: str) -> int:
    """How many numbers the weight files of a part hold."""
    return sum(prod(entry.shape) for header in headers(folder, part) for entry in header.tensors.values())


def weight_remarks(folder: Path) -> list[str]:
    """What is to be said about the weights of a model that can be used all the same."""
    return [
        f"the weights of {part} are 8-bit floats without scales: with an adapter such a model draws a grid "
        "over the picture; better take it in bfloat16, and --quantization 8bit where memory is short"
        for part in _WEIGHTS
        if any(
            entry.dtype.startswith("F8_") for one in headers(folder, part) for entry in one.tensors.values()
        )
    ]


def _check_tensors(folder: Path, found: list[Header]) -> None:
    """Refuse weights in the formats of other tools by their names: a library would pass over half of them."""
    entries = {name: entry for header in found for name, entry in header.tensors.items()}
    if scales := [name for name in entries if _SCALES.search(name)]:
        raise ModelError(
            f"{folder} holds scaled weights ({_some(scales)}), which would be read without their scales: "
            + _IN_BFLOAT16
        )
    if foreign := [name for name in entries if name.startswith(_COMFYUI)]:
        raise ModelError(
            f"{folder} holds tensors that are named as ComfyUI names them ({foreign[0]}): take the model "
            "as a diffusers folder"
        )
    whole = [name for name, entry in entries.items() if entry.dtype.startswith(_WHOLE_NUMBERS)]
    if whole and not read_json_object(folder / "config.json", error=ModelError).get("quantization_config"):
        raise ModelError(
            f"{folder} holds weights in whole numbers ({_some(whole)}), which mean nothing without their "
            f"scales: {_IN_BFLOAT16}"
        )
    if lora := [name for name in entries if _ADAPTER.search(name)]:
        raise ModelError(
            f"{folder} holds tensors of an adapter ({_some(lora)}): take the plain model, and give the "
            "adapter as --adapter"
        )


def _missing_weights(folder: Path) -> list[str]:
    files = _weight_files(folder) if folder.is_dir() else []  # else its config.json is missing as well
    missing = [f"{folder.name}/{file.name}" for file in files if not file.exists()]
    return [_no_weights(folder)] if missing and len(files) == 1 else missing


def _weight_files(folder: Path) -> list[Path]:
    """The files that a part's weights should be in; ModelError where its index is wrong."""
    file = folder / _WEIGHTS[folder.name]
    index = folder / f"{file.name}.index.json"
    if not index.exists():
        return [file]
    names = read_json_object(index, max_bytes=_MAX_INDEX_BYTES, error=ModelError).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index} has {shown(names)} as weight_map: fetch or save it again")
    files = [path_within(folder, name, through_links=True, error=ModelError) for name in names.values()]
    return sorted(set(files))


def _no_weights(folder: Path) -> str:
    """What lies there in place of a part's one file of weights."""
    wanted = _WEIGHTS[folder.name]
    found = sorted(file.name for file in folder.iterdir() if file.is_file())
    others = [name for name in found if name.endswith((".safetensors", ".gguf"))]
    pickles = [name for name in found if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if len(others) > 1:
        return f"{folder.name}: {len(others)} files of weights and no {wanted}.index.json"
    if others:
        return f"{folder.name}: only {others[0]}, where {wanted} is needed"
    if pickles:
        return f"{folder.name}: only {pickles[0]}, a pickle, which is never loaded; convert it to safetensors"
    return f"{folder.name}/{wanted}"


def _file_kind(file: Path) -> str:
    """What was given as a model and is a file, and what to give."""
    whole = f"a model is a diffusers folder or a hub id, for example {FULL_MODEL}"
    if not file.exists():
        return "a link to something that is gone: check it"
    if file.name == MODEL_INDEX:
        return f"a file of a model: give its folder, {str(file.parent)!r}"
    with regular_file(file, error=ModelError) as (stream, _):
        beginning = stream.read(_SNIFFED_BYTES)
    try:
        names = read_header(file, error=ModelError).tensors
    except ModelError:
        return f"{kind_of(beginning)}: {whole}"
    if any(_ADAPTER.search(name) for name in names):
        return "a LoRA adapter: give it as --adapter"
    return f"a single safetensors file (of ComfyUI?): {whole}"


def _folder_kind(folder: Path) -> str:
    """What a folder without a model index is, and what to give."""
    inner = next((path.parent for path in sorted(folder.glob(f"*/{MODEL_INDEX}"))), None)
    inner = inner or next((path.parent for path in sorted(folder.glob(f"snapshots/*/{MODEL_INDEX}"))), None)
    if inner is not None:
        return f"the model is in {str(inner)!r}"
    if folder.name in PARTS and (folder.parent / MODEL_INDEX).is_file():
        return f"it is a part of one, give {str(folder.parent)!r}"
    if (folder / "adapter_config.json").is_file():
        return "it is an adapter, give it as --adapter"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for file in files[:_LOOKED_AT]:
        if file.suffix in (".safetensors", ".gguf") and file.name not in _WEIGHTS.values():
            return f"{file.name} is {_file_kind(file)}"
    if (folder / "config.json").is_file():
        return f"it is a single network; a model is a whole folder or a hub id, for example {FULL_MODEL}"
    return f"it {'holds other things' if files else 'holds no files'}; give for example {FULL_MODEL}"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _from_hub(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    if not is_hub_id(model):
        raise ModelError(
            f"no model folder {model!r}: give a folder, a hub id (owner/name), {GEOMETRIC!r} or {EMBEDDED!r}"
        )
    try:
        return Path(snapshot_download(model, allow_patterns=_HUB_PATTERNS))
    except HFValidationError:
        raise ModelError(f"{model!r} is neither a folder nor a hub id: give one of them") from None
    except Exception as error:  # the hub client raises errors of several libraries
        raise ModelError(
            f"cannot fetch {model!r} from the hub ({type(error).__name__}): check the name and the network, "
            "or give a folder"
        ) from error
