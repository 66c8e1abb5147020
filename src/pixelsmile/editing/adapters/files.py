"""Adapters on disk and on the hub: found, named for what they are, and checked without the model.

Only the header of a file is read, and torch is not needed, so that a wrong one is refused at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pixelsmile.editing.adapters.alphas import Alphas, read_alphas
from pixelsmile.editing.adapters.formats import Contents, recognise
from pixelsmile.editing.controls.files import RECORD_NAME
from pixelsmile.editing.folders import MODEL_INDEX
from pixelsmile.errors import AdapterError
from pixelsmile.store.hub import fetched
from pixelsmile.store.json_lines import is_utf8
from pixelsmile.store.safetensors_header import Header, read_header

NO_ADAPTER = "none"
WORDS = "words"  # in the metadata of a file: see `AdapterFile.words`
TRAINED_BY = "trained_by"  # the same: the program

_FILE_NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class AdapterSpec:
    """An adapter to load: a safetensors file, a folder with one, or a hub id; and how strongly it applies.

    domain: of the pictures that it is for, human or anime; None: all. recorded_as: what edits call its
    source, where it came with a model; None: as it is.
    """

    source: str
    scale: float = 1.0
    domain: str | None = None
    recorded_as: str | None = None

    @classmethod
    def parse(cls, text: str) -> "AdapterSpec":
        """`PATH`, or `PATH=SCALE` (a number after the last `=`) where that is not a path that exists."""
        source, has_scale, scale = text.rpartition("=")
        if not (has_scale and source) or _exists(text):
            return cls(text)
        try:
            return cls(source, float(scale))
        except ValueError:
            return cls(text)


AdapterLike = str | Path | AdapterSpec


@dataclass(frozen=True)
class AdapterFile:
    """An adapter that was found: its file, the header, the layers that it changes, what it says of alpha."""

    path: Path
    header: Header
    contents: Contents
    alphas: Alphas

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it, each a sentence without its subject's name."""
        left_out = self.contents.left_out
        text_encoder = (
            (f"{left_out} of its tensors are for a text encoder and are left out",) if left_out else ()
        )
        return (*self.alphas.notes, *text_encoder)

    @property
    def words(self) -> tuple[str, ...]:
        """Those of the instructions that it was trained on, where the model itself knows a closed set."""
        return tuple(self.header.metadata.get(WORDS, "").split())

    @property
    def base(self) -> str | None:
        """The model that it says that it was trained on, where it says so."""
        metadata = self.header.metadata
        keys = ("ss_base_model_version", "modelspec.architecture", "ss_sd_model_name", "base_model")
        stated = [metadata[key] for key in keys if metadata.get(key)]
        return self.alphas.config.base_model_name_or_path or (stated[0] if stated else None)


def is_for(adapter: Mapping[str, Any], domain: str) -> bool:
    """Whether an adapter, as `load_adapters` recorded it, acts on pictures of that domain."""
    return adapter.get("domain") in (None, domain)


def adapter_specs(adapter: AdapterLike | Sequence[AdapterLike] | None) -> list[AdapterSpec] | None:
    """What was given as adapters; None for the model's own. AdapterError for `none` among others."""
    if adapter is None:
        return None
    given = [adapter] if not isinstance(adapter, list | tuple) else list(adapter)
    for item in given:
        if not isinstance(item, AdapterLike):
            raise AdapterError(f"an adapter is a path, a hub id or an AdapterSpec, not {type(item).__name__}")
    if NO_ADAPTER in given:
        if len(given) > 1:
            raise AdapterError(f"adapters {given!r}: {NO_ADAPTER!r} goes alone, or leave it out")
        return []
    return [item if isinstance(item, AdapterSpec) else AdapterSpec.parse(str(item)) for item in given]


def find_adapter(spec: AdapterSpec) -> AdapterFile:
    """The file of an adapter, fetched where it is on the hub, found to be one that can be read.

    Checked by its header alone: its numbers, and whether it fits the model, only where it is loaded.
    AdapterError where there is none, and where it is of another kind, which the message names.
    """
    if not math.isfinite(spec.scale):
        raise AdapterError(
            f"scale {spec.scale!r} of adapter {spec.source!r} is not a finite number: use for example 1"
        )
    path = _find(spec.source)
    if not is_utf8(str(path)):
        raise AdapterError(f"the name of adapter {str(path)!r} is no UTF-8, nothing can load it: rename it")
    header = read_header(path, error=AdapterError)
    contents = recognise(repr(path.name), header)
    return AdapterFile(path, header, contents, read_alphas(path, header.metadata, contents))


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def _find(source: str) -> Path:
    if _exists(source):
        path = Path(source)
        return _find_in(path) if path.is_dir() else path
    if _is_hub_id(source):
        return _from_hub(*source.split("/", 2))
    raise AdapterError(f"no adapter file, folder or hub id {source!r}: check the path")


def _find_in(folder: Path) -> Path:
    if (folder / MODEL_INDEX).is_file():
        raise AdapterError(f"{str(folder)!r} is the folder of a model, no adapter: give it as --model")
    if (folder / RECORD_NAME).is_file():
        raise AdapterError(f"{str(folder)!r} is the folder of a control, no adapter: give it as --control")
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    named = [file for file in files if file.name in _FILE_NAMES]
    if len(named or files) != 1:
        seen = ", ".join(file.name for file in files) or _others_in(folder)
        raise AdapterError(
            f"adapter folder {str(folder)!r} must hold one safetensors file, it has {seen}: name it"
        )
    return (named or files)[0]


def _others_in(folder: Path) -> str:
    others = sorted(file.name for file in folder.iterdir() if file.is_file())
    pickles = [name for name in others if name.endswith(_PICKLES)]
    if pickles:
        return f"only {pickles[0]}, a pickle, which is never loaded"
    return f"none but {others[0]}" if others else "none"


def _is_hub_id(source: str) -> bool:
    """`owner/repository`, or `owner/repository/path/of/a.safetensors`; not what begins with a folder here."""
    parts = source.split("/")
    if (
        not all(parts)
        or source.startswith((".", "~"))
        or "\0" in source
        or "\\" in source
        or _exists(parts[0])
    ):
        return False
    if len(parts) == 2:
        return not source.endswith((_SUFFIX, *_PICKLES, ".gguf"))
    return len(parts) > 2 and source.endswith(_SUFFIX)


def _from_hub(owner: str, repository: str, file: str | None = None) -> Path:
    name = f"{owner}/{repository}"
    wanted = ["*.safetensors", "*.json"]
    if file is not None:
        wanted = [file, str(PurePosixPath(file).with_name("adapter_config.json"))]
    folder = fetched(name, wanted, "adapter ", error=AdapterError)
    if file is None:
        return _find_in(folder)
    if not (folder / file).is_file():
        raise AdapterError(f"{name!r} on the hub has no file {file!r}: check its name")
    return folder / file
