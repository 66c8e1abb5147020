"""Model folders: where a model lies, what lies there in its place, and what it says about itself.

A model is a stock diffusers folder of one of the families. Only safetensors are ever read.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.editing.family import EDIT, FAMILIES, Family
from pixelsmile.editing.options import MAX_GUIDANCE
from pixelsmile.editing.part_checks import WEIGHT_FILES, check_parts, lone_weight_file
from pixelsmile.editing.weight_file import SUFFIXES, WeightFile, read_weight_file
from pixelsmile.errors import ModelError
from pixelsmile.limits import path_within, read_json_object, regular_file, shown, validated
from pixelsmile.store.hub import MODEL_PATTERNS, canonical, check_accepted, fetched
from pixelsmile.store.json_lines import is_utf8
from pixelsmile.store.safetensors_header import kind_of, read_header

EMBEDDED = "embedded"
GEOMETRIC = "geometric"  # no folder: the mesh of a photographed face, moved
FULL_MODEL = EDIT.example
PUBLISHED_ADAPTER = "PixelSmile/PixelSmile"  # on the hub; for people
OPTIONS_FILE = "pixelsmile.json"
MODEL_INDEX = "model_index.json"

_STOCK_CONDITION_PX = 384
_CONDITION_MULTIPLE_PX = 32  # the stock pipeline's rounding of the picture that the text encoder sees
_SAME_AREA = 1.1  # working pictures are rounded to whole tokens, and may have a little more than their size
_BASE_PATTERNS = [
    *(f"{part}/*" for part in EDIT.parts if part != "transformer"),
    "*.json",
    "transformer/config.json",
]
_SNIFFED_BYTES = 2**16
_LOOKED_AT = 100  # files of a folder that may be anything


@dataclass(frozen=True)
class ConditionSize:
    """How large the text encoder sees the source: at about `px` * `px` pixels.

    enlarges: smaller pictures are scaled up to it, as the stock pipeline does; else they are seen as they
    are, as PixelSmile's own code shows them.
    """

    px: int
    enlarges: bool = True

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which a picture of that size is shown."""
        from pixelsmile.editing.pictures import fit_size  # it loads NumPy

        if not self.enlarges and width * height <= _SAME_AREA * self.px**2:
            return width, height
        return fit_size(width, height, self.px, _CONDITION_MULTIPLE_PX)


class ModelOptions(BaseModel):
    """What a model folder may say about itself in `pixelsmile.json`; the defaults are those of PixelSmile.

    size: root of the area it was trained on, in pixels. condition_size: the same for the picture that the
    text encoder sees; where it is left out, see `seen_size`. square: trained on squares alone, so other
    pictures are cropped. prompts: its own prompt for an expression or for neutral. words: all words that it
    knows, where it knows no others. adapters: files in the folder, by the domain that each is for; they act
    where no others are given. keep_details: what its autoencoder loses of a picture comes back where an edit
    leaves it as it is. guidance: classifier-free, 1 for none, which is what PixelSmile edits with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(default=512, ge=16, le=4096)
    condition_size: int | None = Field(default=None, ge=28, le=2048)
    steps: int = Field(default=50, ge=1, le=1000)
    square: bool = False
    domains: tuple[Literal["human", "anime"], ...] = ("human", "anime")
    prompts: dict[str, str] | None = None
    words: tuple[str, ...] | None = None
    adapters: dict[Literal["human", "anime"], str] = Field(default_factory=dict)
    keep_details: bool = False
    guidance: float = Field(default=1.0, ge=1, le=MAX_GUIDANCE)
    note: str = ""

    def seen_size(self, *, adapted: bool, family: Family = EDIT) -> ConditionSize | None:
        """How large the text encoder sees the source, with an adapter of PixelSmile's on it or without.

        None: as it is, at the size at which it is edited.

        Where the folder does not say: with one, a source of up to `size` as it is (PixelSmile's own code, in
        training and in inference: 324 tokens of 512 x 512 pixels); without, as the stock pipeline shows it.
        """
        if family.sees_working_picture:
            return None
        if self.condition_size is not None:
            return ConditionSize(self.condition_size)
        return ConditionSize(self.size, enlarges=False) if adapted else ConditionSize(_STOCK_CONDITION_PX)


def find_model(model: str) -> Path:
    """The folder of a model: `embedded`, a folder, or a hub id (downloaded once), checked to be whole.

    A path that exists is that path, also where it looks like a hub id. Of a single file of a transformer, the
    folder that it lies in, or FULL_MODEL's, of which all other parts are fetched. ModelError where there is
    none, where it is something else, or where parts of it are missing, cut short or of another family.
    """
    if single_file(model) is not None:
        folder = _folder_around(Path(model)) or fetched(FULL_MODEL, _BASE_PATTERNS, "the other parts of ")
        if check_folder(folder, with_transformer=False) is not EDIT:
            raise ModelError(
                f"{model!r} is a single file, which is read for {EDIT.name} alone: give {str(folder)!r} whole"
            )
        return folder
    if model == EMBEDDED:
        from pixelsmile.embedded import model_path

        folder = model_path()
    elif os.path.isdir(model):  # unlike Path, it answers for every name, however long
        folder = Path(model)
    elif os.path.lexists(model):
        raise ModelError(f"model {model!r} is {_file_kind(Path(model))}")
    elif model == GEOMETRIC:
        raise ModelError(
            f"{GEOMETRIC!r} has no weights of this kind: give a folder, a hub id (owner/name) or {EMBEDDED!r}"
        )
    elif not is_hub_id(model):
        raise ModelError(
            f"no model folder {model!r}: give a folder, a hub id (owner/name), {GEOMETRIC!r} or {EMBEDDED!r}"
        )
    else:
        check_accepted(model)
        folder = fetched(model, MODEL_PATTERNS)
    check_folder(folder)
    if not is_utf8(str(folder)):
        raise ModelError(f"the name of model {str(folder)!r} is no UTF-8, nothing can load it: rename it")
    return folder


def single_file(model: str) -> WeightFile | None:
    """What is in the file that a model is named by; None for any other name. ModelError for a wrong file."""
    if not model.lower().endswith(SUFFIXES) or not os.path.isfile(model):
        return None
    return read_weight_file(Path(model))


def weight_file(model: str, folder: Path) -> WeightFile | None:
    """The file that holds a model's transformer where it is none as diffusers saves it. ModelError.

    It is the model itself, or lies alone in its folder's `transformer`. folder: as `find_model` found it.
    """
    if (file := single_file(model)) is not None:
        return file
    lone = lone_weight_file(folder)
    return None if lone is None else read_weight_file(lone)


def _folder_around(file: Path) -> Path | None:
    """The model folder that a file lies in, at its top or in its `transformer`."""
    around = file.absolute().parent
    return next((path for path in (around, around.parent) if (path / MODEL_INDEX).is_file()), None)


def is_hub_id(model: str) -> bool:
    """Whether a model would be fetched: it looks like `owner/name`, and is no path that exists."""
    looks_like_one = model.count("/") == 1 and not model.startswith((".", "/", "~")) and "\0" not in model
    return looks_like_one and not os.path.lexists(model)


def named_family(model: str) -> Family | None:
    """Of a published model, by its hub id alone; None: what is there has to tell (`family_of`)."""
    name = canonical(model.partition("@")[0])
    return next((family for family in FAMILIES if family.example == name and is_hub_id(model)), None)


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
    if options.condition_size is not None and family_of(folder).sees_working_picture:
        raise ModelError(f"{str(file)!r} sets condition_size, which this family does not have: remove it")
    for name in options.adapters.values():
        path_within(folder, name, through_links=True, error=ModelError)
    return options


def alone(folder: Path, options: ModelOptions) -> ModelOptions:
    """The options of a base that edits without an adapter: what its card says, where the folder says nothing.

    The cards of Qwen-Image-Edit-2509 and 2511 ask for 40 steps, that of Qwen-Image-Edit for 50; all for a
    guidance of 4 away from a space. For that of Qwen-Image-2.1 see its family.
    """
    if (folder / OPTIONS_FILE).exists():
        return options
    pipeline = _pipeline(folder)
    steps, guidance = _family(folder, pipeline).edits_alone or (50, 4.0)
    if pipeline == "QwenImageEditPlusPipeline":
        steps = 40
    return options.model_copy(update={"guidance": guidance, "steps": steps})


def check_folder(folder: Path, *, with_transformer: bool = True) -> Family:
    """ModelError, in one line, for a folder that is no model, that lacks a part, or that has a wrong one.

    Returns of which family it is. No tensor is read: what can be told from names, sizes, settings and
    headers. with_transformer: False where its weights come from elsewhere.
    """
    try:
        family, lone = family_of(folder), lone_weight_file(folder)
        if lone is not None and family is not EDIT:
            raise ModelError(f"{lone}: GGUF is read for {EDIT.name} alone, take it as diffusers saves it")
        check_parts(folder, family, with_transformer=with_transformer and lone is None)
    except OSError as refused:
        raise ModelError(
            f"cannot read model folder {folder} ({refused.strerror or refused}): check its permissions"
        ) from refused
    return family


def family_of(folder: Path) -> Family:
    """Of a folder that may be a model. ModelError where it is none, or of no family that edits here."""
    return _family(folder, _pipeline(folder))


def _pipeline(folder: Path) -> object:
    """The class of pipeline that a folder is for, as it says."""
    index = folder / MODEL_INDEX
    if not index.is_file():
        raise ModelError(
            f"{folder} is not a diffusers model, it has no {MODEL_INDEX}: {_folder_kind(folder)}"
        )
    content = read_json_object(index, error=ModelError)
    if content.get("sample_sigmas"):
        raise ModelError(f"{index} fixes its noise levels (sample_sigmas): take the model without them")
    if content.get("_class_name") is None:
        raise ModelError(f"{index} is incomplete, it names no _class_name: fetch or save the model again")
    return content["_class_name"]


def _family(folder: Path, pipeline: object) -> Family:
    for family in FAMILIES:
        if isinstance(pipeline, str) and pipeline.startswith(family.pipelines):
            return family
    known = " or ".join(family.name for family in FAMILIES)
    raise ModelError(
        f"{folder} is a model for {shown(pipeline)}, not of the {known} family: give {FULL_MODEL}"
    )


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
        read_header(file, error=ModelError)
    except ModelError:
        return f"{kind_of(beginning)}: {whole}, or a single file of its transformer, in GGUF or safetensors"
    return f"a safetensors file under another name: call it {file.name}.safetensors"


def _folder_kind(folder: Path) -> str:
    """What a folder without a model index is, and what to give."""
    inner = next((path.parent for path in sorted(folder.glob(f"*/{MODEL_INDEX}"))), None)
    inner = inner or next((path.parent for path in sorted(folder.glob(f"snapshots/*/{MODEL_INDEX}"))), None)
    if inner is not None:
        return f"the model is in {str(inner)!r}"
    if folder.name in EDIT.parts and (folder.parent / MODEL_INDEX).is_file():
        return f"it is a part of one, give {str(folder.parent)!r}"
    if (folder / "adapter_config.json").is_file():
        return "it is an adapter, give it as --adapter"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for file in files[:_LOOKED_AT]:
        if file.suffix in SUFFIXES and file.name not in WEIGHT_FILES.values():
            return f"a single file is named itself, like {str(file)!r}"
    if (folder / "config.json").is_file():
        return f"it is a single network; a model is a whole folder or a hub id, for example {FULL_MODEL}"
    return f"it {'holds other things' if files else 'holds no files'}; give for example {FULL_MODEL}"
