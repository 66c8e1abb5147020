"""Loading the parts of a Qwen-Image-Edit folder: each through its own class, from safetensors alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import QwenImageEditPlusPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pixelsmile.editing.devices import Placement
from pixelsmile.errors import ModelError, PixelSmileError


@dataclass(frozen=True)
class Components:
    """The parts of an editor, loaded, in evaluation mode and without gradients."""

    transformer: QwenImageTransformer2DModel
    vae: AutoencoderKLQwenImage
    text_encoder: Qwen2_5_VLForConditionalGeneration
    tokenizer: Any
    image_processor: Any
    scheduler: FlowMatchEulerDiscreteScheduler


def load_components(folder: Path, placement: Placement) -> Components:
    """Load a folder that `folders.check_folder` found whole. ModelError where a part is not of this family.

    Without offloading, the parts come to the device; with it they wait on the CPU until `offload` is called.
    torch.OutOfMemoryError where the device is too small.
    """
    stays = placement.offload == "none"
    parts = Components(
        transformer=_model(QwenImageTransformer2DModel, folder, "transformer", placement),
        vae=_model(AutoencoderKLQwenImage, folder, "vae", placement),
        text_encoder=_model(Qwen2_5_VLForConditionalGeneration, folder, "text_encoder", placement),
        tokenizer=_part(AutoTokenizer, folder, "tokenizer"),
        image_processor=_part(Qwen2VLImageProcessorPil, folder, "processor"),
        scheduler=_part(FlowMatchEulerDiscreteScheduler, folder, "scheduler"),
    )
    _check_transformer(folder, parts.transformer)
    modules: list[Any] = [parts.transformer, parts.vae, parts.text_encoder]
    for module in modules:
        module.eval().requires_grad_(False)
        if stays and not getattr(module, "quantization_method", None):
            module.to(placement.device)
    return parts


def offload(parts: Components, placement: Placement) -> Any:
    """Hook the parts so that each comes to the device when it is called; the pipeline that holds the hooks.

    `model`: one part at a time. `sequential`: one layer at a time. Its `maybe_free_model_hooks` ends a job.
    """
    pipeline = QwenImageEditPlusPipeline(
        scheduler=parts.scheduler,
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        processor=None,  # pyright: ignore[reportArgumentType]  # pictures are prepared by our own code
        transformer=parts.transformer,
    )
    if placement.offload == "model":
        pipeline.enable_model_cpu_offload(device=placement.device)
    else:
        pipeline.enable_sequential_cpu_offload(device=placement.device)
    return pipeline


def _model(kind: Any, folder: Path, subfolder: str, placement: Placement) -> Any:
    dtype_option = "dtype" if kind is Qwen2_5_VLForConditionalGeneration else "torch_dtype"
    options = {dtype_option: placement.dtype, **_quantisation(kind, placement)}
    model, loading = _part(kind, folder, subfolder, use_safetensors=True, output_loading_info=True, **options)
    missing, mismatched = sorted(loading["missing_keys"]), sorted(map(str, loading["mismatched_keys"]))
    if missing or mismatched:
        named, count = ", ".join([*missing, *mismatched][:3]), len(missing) + len(mismatched)
        raise ModelError(
            f"{folder / subfolder} lacks {count} tensors of its model ({named}, ...): fetch or save it again"
        )
    if placement.offload != "none":
        model.to("cpu")  # what is quantised comes onto the GPU, where the next part needs its room
    return model


def _part(kind: Any, folder: Path, subfolder: str, **options: Any) -> Any:
    try:
        return kind.from_pretrained(str(folder), subfolder=subfolder, local_files_only=True, **options)
    except (PixelSmileError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # each library raises its own kinds for a broken file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot load {folder / subfolder}: {reason}; fetch or save it again") from error


def _quantisation(kind: Any, placement: Placement) -> dict[str, Any]:
    """The options that load a part in 8 or 4 bits, straight onto the GPU; none for the autoencoder."""
    if placement.quantise is None or kind is AutoencoderKLQwenImage:
        return {}
    if kind is Qwen2_5_VLForConditionalGeneration:
        from transformers import BitsAndBytesConfig
    else:
        from diffusers.quantizers.quantization_config import BitsAndBytesConfig
    if placement.quantise == "8bit":
        config = BitsAndBytesConfig(load_in_8bit=True)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=placement.dtype
        )
    return {"quantization_config": config, "device_map": {"": placement.device}}


def _check_transformer(folder: Path, transformer: QwenImageTransformer2DModel) -> None:
    for option in ("guidance_embeds", "use_additional_t_cond", "use_layer3d_rope"):
        if transformer.config.get(option):
            raise ModelError(f"{folder} sets {option}: such a Qwen-Image model is no editor, take another")
