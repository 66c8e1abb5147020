"""Model folders: where a model lies, whether it is whole, and what it says about itself.

A model is a stock diffusers folder of the Qwen-Image-Edit family. Only safetensors are ever read.
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixelsmile.errors import ModelError

EMBEDDED = "embedded"
OPTIONS_FILE = "pixelsmile.json"

_WEIGHTS = ("transformer", "vae", "text_encoder")
# One file of each row must be there.
_PIECES = (
    ("scheduler/scheduler_config.json",),
    ("tokenizer/tokenizer_config.json",),
    ("tokenizer/tokenizer.json", "tokenizer/vocab.json"),
    ("processor/preprocessor_config.json", "processor/processor_config.json"),
    *((f"{folder}/config.json",) for folder in _WEIGHTS),
)
_HUB_PATTERNS = ["*.json", "*.safetensors", "*/merges.txt", "*/*.jinja"]


class ModelOptions(BaseModel):
    """What a model folder may say about itself in `pixelsmile.json`; the defaults are those of PixelSmile.

    size: root of the area it was trained on, in pixels. condition_size: the same for the picture that the
    text encoder sees. square: trained on squares alone, so other pictures are cropped. prompts: its own
    prompt for an expression or for neutral. words: all words that it knows, where it knows no others.
    adapters: files in the folder, by the domain that each is for; they act where no others are given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=512, ge=16)
    condition_size: int = Field(default=384, ge=28)
    steps: int = Field(default=50, ge=1)
    square: bool = False
    domains: tuple[Literal["human", "anime"], ...] = ("human", "anime")
    prompts: dict[str, str] | None = None
    words: tuple[str, ...] | None = None
    adapters: dict[Literal["human", "anime"], str] = Field(default_factory=dict)
    note: str = ""


def find_model(model: str) -> Path:
    """The folder of a model: `embedded`, a folder, or a hub id (downloaded once), checked to be whole.

    ModelError where there is none, or where parts of it are missing or cut short.
    """
    if model == EMBEDDED:
        from pixelsmile.embedded import model_path

        folder = model_path()
    elif Path(model).is_dir():
        folder = Path(model)
    else:
        folder = _from_hub(model)
    check_folder(folder)
    return folder


def read_options(folder: Path) -> ModelOptions:
    """The folder's options, or the defaults where it has no options file."""
    file = folder / OPTIONS_FILE
    if not file.is_file():
        return ModelOptions()
    try:
        return ModelOptions.model_validate_json(file.read_bytes())
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ModelError(f"{file} is not valid ({problems}): correct it or remove it") from None


def check_folder(folder: Path) -> None:
    """ModelError, in one line, naming every part that the folder lacks or that is cut short."""
    if not (folder / "model_index.json").is_file():
        raise ModelError(f"{folder} is not a diffusers model: it has no model_index.json")
    missing = [names[0] for names in _PIECES if not any((folder / name).is_file() for name in names)]
    missing += [problem for piece in _WEIGHTS for problem in _weight_problems(folder / piece)]
    if missing:
        raise ModelError(
            f"model folder {folder} is incomplete ({', '.join(missing)}): fetch or save it again"
        )


def _weight_problems(folder: Path) -> list[str]:
    shards = _shards(folder)
    if shards is None:
        return [f"{folder.name}: unreadable index"]
    if not shards:
        return [_no_weights(folder)]
    return [
        f"{folder.name}/{shard.name}" + (" cut short" if shard.is_file() else "")
        for shard in shards
        if not _is_whole(shard)
    ]


def _no_weights(folder: Path) -> str:
    pickles = [file.name for file in folder.glob("*") if file.suffix in (".bin", ".pt", ".pth", ".ckpt")]
    if pickles:
        return f"{folder.name}: only {pickles[0]}, a pickle, which is never loaded; convert it to safetensors"
    return f"{folder.name}/*.safetensors"


def _shards(folder: Path) -> list[Path] | None:
    """The weight files that should be there; None where the index cannot be read."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        try:
            names = json.loads(index.read_text())["weight_map"].values()
        except (ValueError, KeyError, AttributeError):
            return None
        return [folder / name for name in sorted(set(names))]
    return sorted(folder.glob("*.safetensors"))


def _is_whole(file: Path) -> bool:
    """Whether the file is as long as its header says (the tensors are not read)."""
    if not file.is_file():
        return False
    size = file.stat().st_size
    with file.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
        if size < 8 or header_size > size - 8:
            return False
        try:
            header = json.loads(stream.read(header_size))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
    return size == 8 + header_size + max(ends, default=0)


def _from_hub(model: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise ModelError(f"no model folder {model!r}: give a folder, a hub id (owner/name) or {EMBEDDED!r}")
    try:
        return Path(snapshot_download(model, allow_patterns=_HUB_PATTERNS))
    except HFValidationError:
        raise ModelError(f"{model!r} is neither a folder nor a hub id: give one of them") from None
    except Exception as error:  # the hub client raises errors of several libraries
        raise ModelError(
            f"cannot fetch {model!r} from the hub ({type(error).__name__}): check the name and the network, "
            "or give a folder"
        ) from error
