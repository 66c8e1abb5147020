"""Loading the parts of a model folder: each through its own class, from safetensors alone.

No part may run code that came with the folder, and none is built before its size was compared with its files.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers.utils.logging
import torch
import transformers.utils.logging
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage21 import AutoencoderKLQwenImage21
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.models.transformers.transformer_qwenimage21 import QwenImage21Transformer2DModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pixelsmile.editing.devices import NEED_BITSANDBYTES, Placement
from pixelsmile.editing.family import EDIT, QWEN_21, Family
from pixelsmile.editing.folders import family_of
from pixelsmile.editing.memory import Shapes, too_large
from pixelsmile.editing.part_checks import check_settings, num_weights
from pixelsmile.editing.part_settings import ProcessorConfig, checked
from pixelsmile.editing.small_weights import load_transformer, quantise_linears
from pixelsmile.editing.weight_file import WeightFile
from pixelsmile.errors import DeviceError, ModelError, PixelSmileError

_MODELS: dict[Family, dict[str, Any]] = {
    EDIT: {
        "transformer": QwenImageTransformer2DModel,
        "vae": AutoencoderKLQwenImage,
        "text_encoder": Qwen2_5_VLForConditionalGeneration,
    },
    QWEN_21: {
        "transformer": QwenImage21Transformer2DModel,
        "vae": AutoencoderKLQwenImage21,
        "text_encoder": Qwen3VLForConditionalGeneration,
    },
}
_KEPT_LAYERS = ("lm_head", "img_in", "txt_in", "proj_out", "norm_out.linear")  # in 16 bits: small, or unused
_SLACK = 4  # weights that a configuration may ask for, over what the files hold: names are compared then
# What a part in 4 or 8 bits by bitsandbytes has beside its weights.
_QUANTISED = re.compile(
    r"\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..*|SCB|weight_format)$"
)


@dataclass(frozen=True)
class Components:
    """The parts of an editor, loaded, in evaluation mode and without gradients."""

    transformer: QwenImageTransformer2DModel | QwenImage21Transformer2DModel
    vae: AutoencoderKLQwenImage | AutoencoderKLQwenImage21
    text_encoder: Qwen2_5_VLForConditionalGeneration | Qwen3VLForConditionalGeneration
    tokenizer: Any
    image_processor: Any
    scheduler: FlowMatchEulerDiscreteScheduler
    family: Family = EDIT


def load_components(folder: Path, placement: Placement, file: WeightFile | None = None) -> Components:
    """Load a folder that `check_folder` found whole. ModelError where a part is not of its family.

    file: holds the transformer's weights, in place of the folder. Where those are in fewer bits already, only
    the text encoder is quantised.
    Without offloading, the parts come to the device; with it they wait on the CPU until `offload` is called.
    torch.OutOfMemoryError where the device is too small.
    """
    if file is not None and file.is_gguf and placement.offload == "sequential":
        raise ModelError(
            f"{file.path.name} cannot be moved layer by layer: use --offload model, or a file of fewer bits"
        )
    shells = dict(zip(("transformer", "vae", "text_encoder"), without_storage(folder), strict=True))
    _check_sizes(
        folder, {part: shell for part, shell in shells.items() if not (file and part == "transformer")}
    )
    if placement.device.type == "cuda" and torch.cuda.is_available():
        _check_room(shapes_of(**shells), placement, file)
    family, models = family_of(folder), dict[str, Any]()
    for part, kind in _MODELS[family].items():
        if part == "transformer" and file is not None:
            with told_in_one_line(file.path):
                models[part] = load_transformer(folder, file, placement)
        else:
            models[part] = _model(kind, folder, part, placement)
    parts = Components(
        **models,
        tokenizer=_part(AutoTokenizer, folder, family.tokenizer),
        image_processor=_part(Qwen2VLImageProcessorPil, folder, "processor"),
        scheduler=_part(FlowMatchEulerDiscreteScheduler, folder, "scheduler"),
        family=family,
    )
    _check_processor(folder, parts)
    for module in models.values():
        module.eval().requires_grad_(False)
        if placement.offload == "none" and not getattr(module, "quantization_method", None):
            module.to(placement.device)
    return parts


class _Held(DiffusionPipeline):
    """No pipeline, but what moves the parts of one."""

    model_cpu_offload_seq = "text_encoder->transformer->vae"

    def __init__(self, text_encoder: Any, transformer: Any, vae: Any) -> None:
        super().__init__()
        self.register_modules(text_encoder=text_encoder, transformer=transformer, vae=vae)


def offload(parts: Components, placement: Placement) -> Any:
    """Hook the parts so that each comes to the device when it is called; what holds the hooks.

    `model`: one part at a time. `sequential`: one layer at a time. Its `maybe_free_model_hooks` ends a job.
    """
    held = _Held(parts.text_encoder, parts.transformer, parts.vae)
    if placement.offload == "model":
        held.enable_model_cpu_offload(device=placement.device)
    else:
        held.enable_sequential_cpu_offload(device=placement.device)
    return held


def _model(kind: Any, folder: Path, subfolder: str, placement: Placement) -> Any:
    dtype_option = "dtype" if subfolder == "text_encoder" else "torch_dtype"
    options = {dtype_option: placement.dtype, **_quantization(subfolder, placement)}
    model, loading = _part(kind, folder, subfolder, use_safetensors=True, output_loading_info=True, **options)
    _check_tensors(folder / subfolder, loading)
    if placement.quantization == "fp8" and subfolder != "vae":
        if getattr(model, "quantization_method", None):
            raise ModelError(f"{folder / subfolder} is quantised already: leave out quantization 'fp8'")
        quantise_linears(model, _KEPT_LAYERS)
    if placement.offload != "none":
        model.to("cpu")  # what is quantised comes onto the GPU, where the next part needs its room
    return model


def _part(kind: Any, folder: Path, subfolder: str, **options: Any) -> Any:
    with told_in_one_line(folder / subfolder):
        return kind.from_pretrained(
            str(folder), subfolder=subfolder, local_files_only=True, trust_remote_code=False, **options
        )


@contextmanager
def told_in_one_line(part: Path) -> Iterator[None]:
    """ModelError for whatever a library raises about a part."""
    try:
        yield
    except (PixelSmileError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # each library raises its own kinds for a broken file
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{part} brings code of its own, which is never run: take a folder as diffusers saves it"
            ) from error
        if "bitsandbytes" in str(error):
            raise ModelError(
                f"{part} is quantised by bitsandbytes, which cannot be used here ({error}): install extra "
                "`quantization` on a machine with a GPU, or take the model in bfloat16"
            ) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot load {part}: {reason}; fetch or save it again") from error


def _check_tensors(part: Path, loading: Mapping[str, Any]) -> None:
    """Each tensor of the model must be in the files, and each tensor of the files in the model."""
    missing, mismatched = sorted(loading["missing_keys"]), sorted(map(str, loading["mismatched_keys"]))
    if missing or mismatched:
        named, count = ", ".join([*missing, *mismatched][:3]), len(missing) + len(mismatched)
        raise ModelError(f"{part} lacks {count} tensors of its model ({named}, ...): fetch or save it again")
    unexpected = sorted(name for name in loading["unexpected_keys"] if not _QUANTISED.search(name))
    if unexpected:
        raise ModelError(
            f"{part} holds {len(unexpected)} tensors that its model lacks ({', '.join(unexpected[:3])}, ...) "
            "and would be used without them: take a folder as diffusers saves it"
        )


def without_storage(folder: Path) -> tuple[Any, Any, Any]:
    """The transformer, the autoencoder and the text encoder of a folder, with shapes and no numbers.

    ModelError where a configuration is wrong.
    """
    family = family_of(folder)
    check_settings(folder, family)
    found = []
    for name in ("transformer", "vae"):
        kind = _MODELS[family][name]
        with told_in_one_line(folder / name), torch.device("meta"):
            config = kind.load_config(str(folder), subfolder=name, local_files_only=True)
            found.append(kind.from_config(config))
    kind = _MODELS[family]["text_encoder"]
    with told_in_one_line(folder / "text_encoder"), torch.device("meta"):
        text_config = kind.config_class.from_pretrained(
            str(folder / "text_encoder"), local_files_only=True, trust_remote_code=False
        )
        return found[0], found[1], kind(text_config)


def shapes_of(transformer: Any, vae: Any, text_encoder: Any) -> Shapes:
    """What the memory of an edit follows from, of modules with or without numbers."""
    words = text_encoder.get_input_embeddings().weight.numel()
    tied = text_encoder.get_output_embeddings().weight is text_encoder.get_input_embeddings().weight
    changed = [
        layer
        for name, layer in transformer.transformer_blocks.named_modules()
        if isinstance(layer, torch.nn.Linear) and "_mod." not in name
    ]
    return Shapes(
        transformer=_num_weights(transformer),
        text_encoder=_num_weights(text_encoder),
        vae=_num_weights(vae),
        words=words if tied else 2 * words,
        layer=words,
        width=transformer.inner_dim,
        targets=sum(layer.in_features + layer.out_features for layer in changed),
        base_channels=vae.config.get("decoder_base_dim") or vae.config["base_dim"],
    )


def _num_weights(part: Any) -> int:
    return sum(weight.numel() for weight in part.parameters())


def _check_room(shapes: Shapes, placement: Placement, file: WeightFile | None) -> None:
    """DeviceError, before the long wait, where the GPU is smaller than the weights that it would hold."""
    problem = too_large(
        shapes,
        torch.cuda.get_device_properties(placement.device).total_memory / 1e9,
        placement.quantization,
        placement.offload,
        number_bytes=placement.dtype.itemsize,
        transformer_gb=file.num_bytes / 1e9 if file is not None and file.is_small else None,
    )
    if problem is not None:
        raise DeviceError(problem)


def _check_sizes(folder: Path, shells: Mapping[str, Any]) -> None:
    """Refuse a configuration that asks for far more than the files hold: it would be allocated first."""
    for name, model in shells.items():
        wanted = _num_weights(model)
        held = num_weights(folder, name)
        if wanted > _SLACK * held:
            raise ModelError(
                f"{folder / name / 'config.json'} asks for {wanted:,} weights and the files hold {held:,}: "
                "fetch or save the model again"
            )


def _quantization(part: str, placement: Placement) -> dict[str, Any]:
    """The options that load a part in 8 or 4 bits, straight onto the GPU; none for the autoencoder."""
    if placement.quantization not in NEED_BITSANDBYTES or part == "vae":
        return {}
    if part == "text_encoder":
        from transformers import BitsAndBytesConfig
    else:
        from diffusers.quantizers.quantization_config import BitsAndBytesConfig
    if placement.quantization == "8bit":
        config = BitsAndBytesConfig(load_in_8bit=True)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=placement.dtype
        )
    return {"quantization_config": config, "device_map": {"": placement.device}}


def _check_processor(folder: Path, parts: Components) -> None:
    """The text encoder must get the patches that it was made for, of pictures that fit into memory."""
    processor, eye = parts.image_processor, parts.text_encoder.config.vision_config
    settings = {name: getattr(processor, name, None) for name in ProcessorConfig.model_fields}
    settings |= {"smallest": processor.size.shortest_edge, "largest": processor.size.longest_edge}
    settings |= {name: list(value) for name, value in settings.items() if isinstance(value, tuple)}
    config = checked(ProcessorConfig, settings, str(folder / "processor"))
    cut = (config.patch_size, config.merge_size, config.temporal_patch_size)
    needed = (eye.patch_size, eye.spatial_merge_size, eye.temporal_patch_size)
    if cut != needed:
        raise ModelError(
            f"{folder / 'processor'} cuts patches of {cut} (size, merged, frames), its text encoder takes "
            f"{needed}: fetch or save the model again"
        )


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """For the block: no bars of diffusers, transformers and the hub, and nothing below their errors.

    Afterwards everything is as the caller had it.
    """
    with ExitStack() as stack:
        if not are_progress_bars_disabled():  # first: transformers switches these too
            disable_progress_bars()
            stack.callback(enable_progress_bars)
        for logging in (diffusers.utils.logging, transformers.utils.logging):
            stack.callback(logging.set_verbosity, logging.get_verbosity())
            logging.set_verbosity_error()
            if logging.is_progress_bar_enabled():
                stack.callback(logging.enable_progress_bar)
                logging.disable_progress_bar()
        yield
