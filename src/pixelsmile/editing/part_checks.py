"""What the parts of a model folder hold, checked before a library builds what they ask for.

Libraries build first and look at the weights later: a number that slipped can ask for terabytes, or for
layers without end. Some keys fetch and run code, or lead to files elsewhere, and weights in the format of
another tool would be passed over. No tensor is read, and torch is not loaded: names, settings, headers tell.
"""

import re
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import ModelError
from pixelsmile.limits import path_within, read_json_object, regular_file, shown, validated
from pixelsmile.store.safetensors_header import TensorEntry, read_header

PARTS = ("scheduler", "tokenizer", "processor", "transformer", "vae", "text_encoder")
WEIGHT_FILES = {
    "transformer": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
# One file of each row must be there.
_NEEDED = (
    ("scheduler/scheduler_config.json",),
    ("tokenizer/tokenizer_config.json",),
    ("tokenizer/tokenizer.json", "tokenizer/vocab.json"),
    ("processor/preprocessor_config.json", "processor/processor_config.json"),
    *((f"{part}/config.json",) for part in WEIGHT_FILES),
)
# What the libraries read.
_SETTINGS = (
    *(name for row in _NEEDED for name in row if name.endswith("config.json")),
    "text_encoder/generation_config.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/added_tokens.json",
    "processor/video_preprocessor_config.json",
)
_VOCABULARIES = ("tokenizer/tokenizer.json", "tokenizer/vocab.json", "tokenizer/merges.txt")
_LEADS_AWAY = "text_encoder/adapter_config.json"  # transformers loads the model that it names instead
_MAX_VOCABULARY_BYTES = 64 * 2**20  # that of Qwen2.5 has 11 MB with its merges
_MAX_INDEX_BYTES = 16 * 2**20
_TOKEN_LATENTS = 4  # flow.PATCH squared, without torch
_NAMED = 3  # of many things, so many are named in a message

_AGAIN = "fetch or save the model again"
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

K = TypeVar("K", bound=BaseModel)
Misfit = tuple[object, str]  # whether something is wrong, and the words for it

_Count = Annotated[int, Field(ge=1, le=256)]
_Width = Annotated[int, Field(ge=1, le=2**20)]
_Shift = Annotated[float, Field(ge=-20, le=20)]
_Length = Annotated[int, Field(ge=0, le=2**31)]


class _Config(BaseModel):
    """Of one part, with the defaults of the library (None: not known here), whose business other keys are."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class _Transformer(_Config):
    class_name: Literal["QwenImageTransformer2DModel"] | None = Field(default=None, alias="_class_name")
    num_layers: _Count = 60
    attention_head_dim: _Width = 128
    num_attention_heads: _Width = 24
    joint_attention_dim: _Width = 3584
    in_channels: _Width = 64
    out_channels: _Width | None = 16
    patch_size: Literal[2] = 2
    axes_dims_rope: list[_Width] = Field(default=[16, 56, 56], min_length=3, max_length=3)
    zero_cond_t: bool = False
    guidance_embeds: bool = False
    use_additional_t_cond: bool = False
    use_layer3d_rope: bool = False


class _Vae(_Config):
    class_name: Literal["AutoencoderKLQwenImage"] | None = Field(default=None, alias="_class_name")
    base_dim: _Width = 96
    z_dim: _Width = 16
    dim_mult: list[_Count] = Field(default=[1, 2, 4, 4], min_length=1, max_length=8)
    num_res_blocks: _Count = 2
    temperal_downsample: list[bool] = [False, True, True]
    input_channels: Literal[3] = 3
    latents_mean: list[Annotated[float, Field(ge=-1e4, le=1e4)]] = [0.0] * 16  # the library has others
    latents_std: list[Annotated[float, Field(gt=0, le=1e4)]] = [1.0] * 16


class _Scheduler(_Config):
    class_name: Literal["FlowMatchEulerDiscreteScheduler"] | None = Field(default=None, alias="_class_name")
    num_train_timesteps: Annotated[int, Field(ge=1, le=10**6)] = 1000
    shift: Annotated[float, Field(gt=0, le=1000)] = 1.0
    use_dynamic_shifting: bool = False
    base_shift: _Shift | None = 0.5
    max_shift: _Shift | None = 1.15
    base_image_seq_len: _Length = 256
    max_image_seq_len: _Length = 4096
    shift_terminal: Annotated[float, Field(ge=0, lt=1)] | None = None
    time_shift_type: Literal["exponential", "linear"] = "exponential"


class _Rope(_Config):
    mrope_section: list[_Count] = Field(default=[16, 24, 24], min_length=3, max_length=3)
    rope_theta: Annotated[float, Field(gt=1, le=1e12)] | None = None


class _Language(_Config):
    hidden_size: _Width | None = None
    intermediate_size: _Width | None = None
    num_hidden_layers: _Count | None = None
    num_attention_heads: _Width | None = None
    num_key_value_heads: _Width | None = None
    vocab_size: Annotated[int, Field(ge=1, le=2**22)] | None = None
    rms_norm_eps: Annotated[float, Field(ge=0, le=1)] | None = None
    sliding_window: Annotated[int, Field(ge=1)] | None = None
    rope_parameters: _Rope | None = None
    rope_scaling: _Rope | None = None


class _Vision(_Config):
    depth: _Count | None = None
    hidden_size: _Width | None = None
    intermediate_size: _Width | None = None
    num_heads: _Width | None = None
    in_channels: Literal[3] | None = None
    patch_size: _Count | None = None
    spatial_merge_size: _Count | None = None
    temporal_patch_size: _Count | None = None
    window_size: Annotated[int, Field(ge=1, le=2**16)] | None = None
    out_hidden_size: _Width | None = None


class _TextEncoder(_Language):  # before transformers 5, the language half stood beside the eye
    model_type: Literal["qwen2_5_vl"] | None = None
    text_config: _Language | None = None
    vision_config: _Vision | None = None


class ProcessorConfig(_Config):
    """What a Qwen2-VL image processor made of its settings. smallest, largest: pixels of a picture."""

    do_resize: Literal[True]
    do_rescale: Literal[True]
    do_normalize: Literal[True]
    resample: Annotated[int, Field(ge=0, le=5)]  # Pillow's number
    rescale_factor: Annotated[float, Field(gt=0, le=1)]
    image_mean: list[Annotated[float, Field(ge=-10, le=10)]] = Field(min_length=3, max_length=3)
    image_std: list[Annotated[float, Field(ge=1e-3, le=10)]] = Field(min_length=3, max_length=3)
    patch_size: _Count
    merge_size: _Count
    temporal_patch_size: _Count
    smallest: Annotated[int, Field(ge=1, le=4096 * 4096)]  # what an edit must hold in any case
    largest: Annotated[int, Field(ge=1)]


def check_parts(folder: Path, *, with_transformer: bool = True) -> None:
    """ModelError for a model folder that lacks files of a part, or has wrong ones.

    with_transformer: False where the transformer's weights are in a file of another kind.
    """
    parts = [part for part in WEIGHT_FILES if with_transformer or part != "transformer"]
    missing = [row[0] for row in _NEEDED if not any((folder / name).is_file() for name in row)]
    missing += [problem for part in parts for problem in _missing_weights(folder / part)]
    if missing:
        raise ModelError(f"model folder {folder} is incomplete ({_some(missing)}): fetch or save it again")
    tensors = {part: _tensors(folder / part) for part in parts}
    for part, found in tensors.items():
        _check_tensors(folder / part, found)
    check_settings(folder, {part: len(found) for part, found in tensors.items()})


def check_settings(folder: Path, num_tensors: Mapping[str, int] | None = None) -> None:
    """ModelError for a setting of a model folder that is none, that leads elsewhere, or does not fit others.

    Files that need not be there are passed over. num_tensors: in the weight files of each part, where they
    are at hand: a layer has some.
    """
    if (folder / _LEADS_AWAY).exists():
        raise ModelError(
            f"{folder / _LEADS_AWAY} would load another model in place of this one: remove it, and give an "
            "adapter as --adapter"
        )
    for file in (folder / name for name in _SETTINGS):
        if file.exists():
            _check_keys(file, read_json_object(file, error=ModelError))
    for file in (folder / name for name in _VOCABULARIES):
        if file.exists():
            with regular_file(file, error=ModelError) as (_, size):
                if size > _MAX_VOCABULARY_BYTES:
                    raise ModelError(
                        f"{str(file)!r} is longer than {_MAX_VOCABULARY_BYTES:,} bytes: {_AGAIN}"
                    )
    if (folder / "scheduler/scheduler_config.json").exists():
        _read(folder / "scheduler/scheduler_config.json", _Scheduler)
    transformer = _read(folder / "transformer/config.json", _Transformer)
    vae = _read(folder / "vae/config.json", _Vae)
    text_encoder = _read(folder / "text_encoder/config.json", _TextEncoder)
    for option in ("guidance_embeds", "use_additional_t_cond", "use_layer3d_rope"):
        if getattr(transformer, option):
            raise ModelError(f"{folder} sets {option}: such a Qwen-Image model is no editor, take another")
    for wrong, problem in _misfits(transformer, vae, text_encoder, num_tensors or {}):
        if wrong:
            raise ModelError(f"the parts of {folder} contradict each other: {problem}; {_AGAIN}")


def checked(kind: type[K], values: Any, name: str) -> K:
    """The settings of a part, which errors call `name`, within their ranges. ModelError."""
    return validated(kind, values, name, error=lambda message: ModelError(f"{message}; {_AGAIN}"))


def _read(file: Path, kind: type[K]) -> K:
    return checked(kind, read_json_object(file, error=ModelError), repr(str(file)))


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


def _misfits(
    transformer: _Transformer, vae: _Vae, text_encoder: _TextEncoder, num_tensors: Mapping[str, int]
) -> Iterator[Misfit]:
    language, vision = text_encoder.text_config or text_encoder, text_encoder.vision_config or _Vision()
    num_layers = {
        "transformer": transformer.num_layers,
        "vae": vae.num_res_blocks * len(vae.dim_mult),
        "text_encoder": (language.num_hidden_layers or 0) + (vision.depth or 0),
    }
    for part, count in num_tensors.items():
        asked = num_layers[part]
        yield asked > count, f"{part}/config.json asks for {asked} layers and the files hold {count} tensors"
    yield from _misfits_between(transformer, vae, language)
    yield from _misfits_of_text_encoder(language, vision)


def _misfits_between(transformer: _Transformer, vae: _Vae, language: _Language) -> Iterator[Misfit]:
    inward, depth = transformer.in_channels, vae.z_dim
    outward = transformer.out_channels or inward
    yield (
        (inward, outward) != (depth * _TOKEN_LATENTS, depth),
        f"the transformer has {inward} channels in and {outward} out, the autoencoder {depth}",
    )
    head, axes = transformer.attention_head_dim, transformer.axes_dims_rope
    yield sum(axes) != head, f"axes_dims_rope {axes} do not sum up to attention_head_dim {head}"
    yield any(axis % 2 for axis in axes), f"axes_dims_rope {axes} are not even"
    yield (
        len(vae.temperal_downsample) != len(vae.dim_mult) - 1,
        "the autoencoder's dim_mult and temperal_downsample are not of one length",
    )
    for name, num in (("latents_mean", len(vae.latents_mean)), ("latents_std", len(vae.latents_std))):
        yield num != depth, f"{name} has {num} numbers, the autoencoder {depth} channels"
    width, joint = language.hidden_size, transformer.joint_attention_dim
    yield (
        width is not None and width != joint,
        f"the text encoder's hidden_size is {width}, the transformer's joint_attention_dim {joint}",
    )


def _misfits_of_text_encoder(language: _Language, vision: _Vision) -> Iterator[Misfit]:
    """Of its own sizes, as far as it says them."""
    width, heads, groups = language.hidden_size, language.num_attention_heads, language.num_key_value_heads
    yield (
        heads and ((width and width % heads) or (groups and heads % groups)),
        f"hidden_size {width}, num_attention_heads {heads}, num_key_value_heads {groups}",
    )
    section = (language.rope_parameters or language.rope_scaling or _Rope()).mrope_section
    if width and heads:
        head = width // heads
        yield 2 * sum(section) != head, f"mrope_section {section} is not half of a head of {head}"
    size, heads, out = vision.hidden_size, vision.num_heads, vision.out_hidden_size
    yield size and heads and size % (4 * heads), f"vision: hidden_size {size}, num_heads {heads}"
    yield width and out and out != width, f"vision: out_hidden_size {out}, hidden_size {width}"
    cell, window = (vision.patch_size or 14) * (vision.spatial_merge_size or 2), vision.window_size
    yield window and window < cell, f"vision: window_size {window} is less than a cell of {cell} px"


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
        raise ModelError(f"{index} has {shown(names)} as weight_map: {_AGAIN}")
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
