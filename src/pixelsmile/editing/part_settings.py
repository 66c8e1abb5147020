"""What the settings of a model's parts may say, within which ranges, and where they contradict each other.

Libraries build what a configuration asks for before they look at the weights: a number that slipped can ask
for terabytes, or for layers without end. Loads no torch.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.editing.family import QWEN_21, Family
from pixelsmile.errors import ModelError
from pixelsmile.limits import read_json_object, validated

AGAIN = "fetch or save the model again"

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

    text_name: ClassVar[str] = "joint_attention_dim"

    @property
    def text_width(self) -> int:
        return self.joint_attention_dim

    def channels(self, latents: int) -> tuple[int, int]:
        """Of a token, in and out, for so many channels of latents."""
        return latents * self.patch_size**2, latents


class _Transformer21(_Config):
    class_name: Literal["QwenImage21Transformer2DModel"] | None = Field(default=None, alias="_class_name")
    num_layers: _Count = 32
    attention_head_dim: _Width = 128
    num_attention_heads: _Width = 32
    context_in_dim: _Width = 4096
    mlp_ratio: _Count = 3
    in_channels: _Width = 64
    out_channels: _Width | None = 64
    patch_size: Literal[1] = 1
    axes_dims_rope: list[_Width] = Field(default=[16, 56, 56], min_length=3, max_length=3)
    causal_condition: Literal[True] = True  # else what the text and the source become changes with each step

    text_name: ClassVar[str] = "context_in_dim"

    @property
    def text_width(self) -> int:
        return self.context_in_dim

    def channels(self, latents: int) -> tuple[int, int]:
        """Of a token, in and out, for so many channels of latents."""
        return latents, latents


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


class _Vae21(_Config):
    class_name: Literal["AutoencoderKLQwenImage21"] | None = Field(default=None, alias="_class_name")
    base_dim: _Width = 96
    decoder_base_dim: _Width | None = 144
    z_dim: _Width = 64
    dim_mult: list[_Count] = Field(default=[1, 2, 4, 8, 8], min_length=1, max_length=8)
    num_res_blocks: _Count = 2
    temperal_downsample: list[bool] = [False, True, True, True]
    is_residual: Literal[True] = True
    in_channels: Literal[4] = 4
    out_channels: Literal[4] = 4
    patch_size: Literal[None] = None
    scale_factor_spatial: Literal[16] = 16
    latents_mean: list[Annotated[float, Field(ge=-1e4, le=1e4)]] = [0.0] * 64  # the library has others
    latents_std: list[Annotated[float, Field(gt=0, le=1e4)]] = [1.0] * 64


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
    head_dim: _Width | None = None
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


class _TextEncoder21(_TextEncoder):
    model_type: Literal["qwen3_vl"] | None = None  # type: ignore[assignment]


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


def check_values(folder: Path, family: Family, num_tensors: Mapping[str, int]) -> None:
    """ModelError for a number of a part that is out of its range, or that does not fit another.

    num_tensors: in the weight files of each part, where they are at hand: a layer has some.
    """
    is_21 = family is QWEN_21
    if (folder / "scheduler/scheduler_config.json").exists():
        _read(folder / "scheduler/scheduler_config.json", _Scheduler)
    transformer_file, vae_file = folder / "transformer/config.json", folder / "vae/config.json"
    transformer = _read(transformer_file, _Transformer21) if is_21 else _read(transformer_file, _Transformer)
    vae = _read(vae_file, _Vae21) if is_21 else _read(vae_file, _Vae)
    text_encoder = _read(folder / "text_encoder/config.json", _TextEncoder21 if is_21 else _TextEncoder)
    for option in ("guidance_embeds", "use_additional_t_cond", "use_layer3d_rope"):
        if getattr(transformer, option, False):
            raise ModelError(f"{folder} sets {option}: such a Qwen-Image model is no editor, take another")
    for wrong, problem in _misfits(transformer, vae, text_encoder, num_tensors):
        if wrong:
            raise ModelError(f"the parts of {folder} contradict each other: {problem}; {AGAIN}")


def checked(kind: type[K], values: Any, name: str) -> K:
    """The settings of a part, which errors call `name`, within their ranges. ModelError."""
    return validated(kind, values, name, error=lambda message: ModelError(f"{message}; {AGAIN}"))


def _read(file: Path, kind: type[K]) -> K:
    return checked(kind, read_json_object(file, error=ModelError), repr(str(file)))


def _misfits(
    transformer: _Transformer | _Transformer21,
    vae: _Vae | _Vae21,
    text_encoder: _TextEncoder,
    num_tensors: Mapping[str, int],
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
    yield from _misfits_of_text_encoder(language, vision, qwen_3=isinstance(text_encoder, _TextEncoder21))
    if isinstance(vae, _Vae21):
        yield from _misfits_of_slots(vae, vision)


def _misfits_between(
    transformer: _Transformer | _Transformer21, vae: _Vae | _Vae21, language: _Language
) -> Iterator[Misfit]:
    inward, depth = transformer.in_channels, vae.z_dim
    outward = transformer.out_channels or inward
    yield (
        (inward, outward) != transformer.channels(depth),
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
    width, joint = language.hidden_size, transformer.text_width
    yield (
        width is not None and width != joint,
        f"the text encoder's hidden_size is {width}, the transformer's {transformer.text_name} {joint}",
    )


def _misfits_of_text_encoder(language: _Language, vision: _Vision, *, qwen_3: bool) -> Iterator[Misfit]:
    """Of its own sizes, as far as it says them. qwen_3: the width of a head stands for itself."""
    width, heads, groups = language.hidden_size, language.num_attention_heads, language.num_key_value_heads
    yield (
        heads and ((not qwen_3 and width and width % heads) or (groups and heads % groups)),
        f"hidden_size {width}, num_attention_heads {heads}, num_key_value_heads {groups}",
    )
    section = (language.rope_parameters or language.rope_scaling or _Rope()).mrope_section
    head = (language.head_dim or 128) if qwen_3 else width and heads and width // heads
    if head:
        yield 2 * sum(section) != head, f"mrope_section {section} is not half of a head of {head}"
    size, heads, out = vision.hidden_size, vision.num_heads, vision.out_hidden_size
    yield size and heads and size % (4 * heads), f"vision: hidden_size {size}, num_heads {heads}"
    yield width and out and out != width, f"vision: out_hidden_size {out}, hidden_size {width}"
    cell, window = (vision.patch_size or 14) * (vision.spatial_merge_size or 2), vision.window_size
    yield window and window < cell, f"vision: window_size {window} is less than a cell of {cell} px"


def _misfits_of_slots(vae: _Vae21, vision: _Vision) -> Iterator[Misfit]:
    """What is one token to the text encoder is 2 x 2 latents in its place."""
    scale = 2 ** len(vae.temperal_downsample)
    yield scale != vae.scale_factor_spatial, f"the autoencoder shrinks {scale} times, not 16"
    cell = (vision.patch_size or 16) * (vision.spatial_merge_size or 2)
    yield cell != 2 * scale, f"a token of the text encoder is {cell} px, 2 latents are {2 * scale}"
