"""What the configurations of a model's parts may say, checked before a library builds what they ask for.

Libraries build first and look at the weights later: a number that slipped can ask for terabytes, or for
layers without end. And some keys fetch and run code, or lead to files elsewhere.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import ModelError
from pixelsmile.limits import path_within, read_json_object, regular_file, shown, validated

_TOKEN_LATENTS = 4  # flow.PATCH squared, without torch
MAX_CONDITION_PX = 4096 * 4096  # of the smallest picture that the text encoder may want
MAX_TEXT_BYTES = 64 * 2**20  # of a vocabulary; that of Qwen2.5 has 11 MB with its merges

M = TypeVar("M", bound=BaseModel)

_Layers = Annotated[int, Field(ge=1, le=256)]
_Side = Annotated[int, Field(ge=1, le=2**20)]
_Few = Annotated[int, Field(ge=1, le=256)]
_Share = Annotated[float, Field(ge=0, le=1)]

# What the libraries read.
_SETTINGS = (
    "transformer/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "text_encoder/generation_config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/added_tokens.json",
    "processor/preprocessor_config.json",
    "processor/processor_config.json",
    "processor/video_preprocessor_config.json",
)
_VOCABULARIES = ("tokenizer/tokenizer.json", "tokenizer/vocab.json", "tokenizer/merges.txt")
_LEADS_AWAY = "text_encoder/adapter_config.json"  # transformers loads the model that it names instead


class _Config(BaseModel):
    """Of a part; keys that are not named here are the library's business."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class TransformerConfig(_Config):
    """Of QwenImageTransformer2DModel, with its defaults."""

    class_name: Literal["QwenImageTransformer2DModel"] | None = Field(default=None, alias="_class_name")
    num_layers: _Layers = 60
    attention_head_dim: _Side = 128
    num_attention_heads: _Side = 24
    joint_attention_dim: _Side = 3584
    in_channels: _Side = 64
    out_channels: _Side | None = 16
    patch_size: Literal[2] = 2
    axes_dims_rope: list[_Side] = Field(default=[16, 56, 56], min_length=3, max_length=3)
    zero_cond_t: bool = False
    guidance_embeds: bool = False
    use_additional_t_cond: bool = False
    use_layer3d_rope: bool = False


class VaeConfig(_Config):
    """Of AutoencoderKLQwenImage, with its defaults; its statistics have one number a channel."""

    class_name: Literal["AutoencoderKLQwenImage"] | None = Field(default=None, alias="_class_name")
    base_dim: _Side = 96
    z_dim: _Side = 16
    dim_mult: list[_Few] = Field(default=[1, 2, 4, 4], min_length=1, max_length=8)
    num_res_blocks: _Few = 2
    temperal_downsample: list[bool] = [False, True, True]
    input_channels: Literal[3] = 3
    latents_mean: list[Annotated[float, Field(ge=-1e4, le=1e4)]] = [0.0] * 16  # the library has others
    latents_std: list[Annotated[float, Field(gt=0, le=1e4)]] = [1.0] * 16


class SchedulerConfig(_Config):
    """Of FlowMatchEulerDiscreteScheduler, with its defaults."""

    class_name: Literal["FlowMatchEulerDiscreteScheduler"] | None = Field(default=None, alias="_class_name")
    num_train_timesteps: Annotated[int, Field(ge=1, le=10**6)] = 1000
    shift: Annotated[float, Field(gt=0, le=1000)] = 1.0
    use_dynamic_shifting: bool = False
    base_shift: Annotated[float, Field(ge=-20, le=20)] | None = 0.5
    max_shift: Annotated[float, Field(ge=-20, le=20)] | None = 1.15
    base_image_seq_len: Annotated[int, Field(ge=0, le=2**31)] = 256
    max_image_seq_len: Annotated[int, Field(ge=0, le=2**31)] = 4096
    shift_terminal: Annotated[float, Field(ge=0, lt=1)] | None = None
    time_shift_type: Literal["exponential", "linear"] = "exponential"


class ProcessorConfig(_Config):
    """What a Qwen2-VL image processor makes of its settings. smallest, largest: pixels of a picture."""

    do_resize: Literal[True]
    do_rescale: Literal[True]
    do_normalize: Literal[True]
    resample: Annotated[int, Field(ge=0, le=5)]  # Pillow's number
    rescale_factor: Annotated[float, Field(gt=0, le=1)]
    image_mean: list[Annotated[float, Field(ge=-10, le=10)]] = Field(min_length=3, max_length=3)
    image_std: list[Annotated[float, Field(ge=1e-3, le=10)]] = Field(min_length=3, max_length=3)
    patch_size: _Few
    merge_size: _Few
    temporal_patch_size: _Few
    smallest: Annotated[int, Field(ge=1, le=MAX_CONDITION_PX)]
    largest: Annotated[int, Field(ge=1)]


class _Rope(_Config):
    mrope_section: list[_Few] = Field(default=[16, 24, 24], min_length=3, max_length=3)
    rope_theta: Annotated[float, Field(gt=1, le=1e12)] | None = None


class LanguageConfig(_Config):
    """The language half of Qwen2.5-VL; None: the library's default."""

    hidden_size: _Side | None = None
    intermediate_size: _Side | None = None
    num_hidden_layers: _Layers | None = None
    num_attention_heads: _Side | None = None
    num_key_value_heads: _Side | None = None
    vocab_size: Annotated[int, Field(ge=1, le=2**22)] | None = None
    rms_norm_eps: _Share | None = None
    sliding_window: Annotated[int, Field(ge=1)] | None = None
    rope_parameters: _Rope | None = None
    rope_scaling: _Rope | None = None


class VisionConfig(_Config):
    """The eye of Qwen2.5-VL; None: the library's default."""

    depth: _Layers | None = None
    hidden_size: _Side | None = None
    intermediate_size: _Side | None = None
    num_heads: _Side | None = None
    in_channels: Literal[3] | None = None
    patch_size: _Few | None = None
    spatial_merge_size: _Few | None = None
    temporal_patch_size: _Few | None = None
    window_size: Annotated[int, Field(ge=1, le=2**16)] | None = None
    out_hidden_size: _Side | None = None


class TextEncoderConfig(LanguageConfig):
    """Of Qwen2.5-VL: the language half stands in `text_config`, or (before transformers 5) beside it."""

    model_type: Literal["qwen2_5_vl"] | None = None
    text_config: LanguageConfig | None = None
    vision_config: VisionConfig | None = None

    @property
    def language(self) -> LanguageConfig:
        """The language half, wherever it stands."""
        return self.text_config or self


def check_settings(folder: Path, num_tensors: Mapping[str, int] | None = None) -> None:
    """ModelError for a setting of a model folder that is none, that leads elsewhere, or does not fit others.

    Files that are not there are passed over: `folders.check_folder` knows which must be. num_tensors: in the
    weight files of each part, where they are at hand: a layer has some.
    """
    if (folder / _LEADS_AWAY).exists():
        raise ModelError(
            f"{folder / _LEADS_AWAY} would load another model in place of this one: remove it, and give an "
            "adapter as --adapter"
        )
    for name in _SETTINGS:
        if (folder / name).exists():
            _check_keys(folder / name, read_json_object(folder / name, error=ModelError))
    for name in _VOCABULARIES:
        if (folder / name).exists():
            _check_length(folder / name)
    transformer = read_config(folder, "transformer/config.json", TransformerConfig)
    vae = read_config(folder, "vae/config.json", VaeConfig)
    text_encoder = read_config(folder, "text_encoder/config.json", TextEncoderConfig)
    if (folder / "scheduler/scheduler_config.json").exists():
        read_config(folder, "scheduler/scheduler_config.json", SchedulerConfig)
    _check_layers(folder, num_tensors or {}, transformer, vae, text_encoder)
    for wrong, problem in (*_misfits(transformer, vae, text_encoder), *_language_misfits(text_encoder)):
        if wrong:
            raise ModelError(
                f"the configurations in {folder} contradict each other: {problem}; fetch it again"
            )


def _check_layers(
    folder: Path,
    num_tensors: Mapping[str, int],
    transformer: TransformerConfig,
    vae: VaeConfig,
    text_encoder: TextEncoderConfig,
) -> None:
    eye = text_encoder.vision_config or VisionConfig()
    num_layers = {
        "transformer": transformer.num_layers,
        "vae": vae.num_res_blocks * len(vae.dim_mult),
        "text_encoder": (text_encoder.language.num_hidden_layers or 0) + (eye.depth or 0),
    }
    for part, count in num_tensors.items():
        if num_layers[part] > count:
            raise ModelError(
                f"{folder / part / 'config.json'} asks for {num_layers[part]} layers and the files hold "
                f"{count} tensors: fetch the model again"
            )


def read_config(folder: Path, name: str, kind: type[M]) -> M:
    """The configuration of a part. ModelError, which names the file and the value."""
    file = folder / name
    return validated(kind, read_json_object(file, error=ModelError), repr(str(file)), error=_wrong)


def _wrong(message: str) -> ModelError:
    return ModelError(f"{message}; fetch the model again")


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
        raise ModelError(
            f"{file} is quantised by {shown(value)}, which is not read here: take the model in bfloat16, and "
            "--quantization 8bit where memory is short"
        )
    elif isinstance(value, str) and key.endswith("_file"):
        path_within(file.parent, value, through_links=True, error=ModelError)


def _check_length(file: Path) -> None:
    with regular_file(file, error=ModelError) as (_, size):
        if size > MAX_TEXT_BYTES:
            raise _wrong(f"{str(file)!r} is longer than {MAX_TEXT_BYTES:,} bytes")


def _misfits(
    transformer: TransformerConfig, vae: VaeConfig, text_encoder: TextEncoderConfig
) -> Iterator[tuple[object, str]]:
    """Whether parts contradict each other's sizes, and the words for it."""
    channels, axes = transformer.in_channels, transformer.axes_dims_rope
    told = channels, transformer.out_channels or channels
    yield (
        told != (vae.z_dim * _TOKEN_LATENTS, vae.z_dim),
        f"the transformer has {told[0]} channels in and {told[1]} out, the autoencoder {vae.z_dim}",
    )
    head = transformer.attention_head_dim
    yield sum(axes) != head, f"axes_dims_rope {axes} do not sum up to attention_head_dim {head}"
    yield any(dimension % 2 for dimension in axes), f"axes_dims_rope {axes} are not even"
    yield (
        len(vae.temperal_downsample) != len(vae.dim_mult) - 1,
        "the autoencoder's dim_mult and temperal_downsample are not of one length",
    )
    for name, values in (("latents_mean", vae.latents_mean), ("latents_std", vae.latents_std)):
        num = len(values)
        yield num != vae.z_dim, f"{name} has {num} numbers, the autoencoder {vae.z_dim} channels"
    width, joint = text_encoder.language.hidden_size, transformer.joint_attention_dim
    yield (
        width is not None and width != joint,
        f"the text encoder's hidden_size is {width}, the transformer's joint_attention_dim {joint}",
    )


def _language_misfits(config: TextEncoderConfig) -> Iterator[tuple[object, str]]:
    """The same for what the text encoder says of its own sizes, as far as it says it."""
    language, vision = config.language, config.vision_config or VisionConfig()
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
