"""Which model edits when nobody names one, and why; and what is refused before one is fetched and loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.editing.adapters.files import adapter_specs, find_adapter
from pixelsmile.editing.folders import EMBEDDED, FULL_MODEL, GEOMETRIC, check_folder, find_model, is_hub_id
from pixelsmile.errors import ModelError

FULL_MODEL_DOWNLOAD_GB = 60
FULL_MODEL_MEMORY_GB = 64  # 20.4 + 8.3 billion weights of 2 bytes, and room to work
_FITTING = (  # from how many GB on
    (FULL_MODEL_MEMORY_GB, ""),
    (46, " --offload model"),  # the transformer alone, in 16 bits
    (24, " --offload model --quantization 8bit"),
    (14, " --offload model --quantization 4bit"),
    (0, " --offload sequential"),
)


@dataclass(frozen=True)
class ModelChoice:
    """A model and, where the program chose it, the reason in one line."""

    model: str
    reason: str | None = None


def check_files(model: str | None, adapter: Sequence[str] | None) -> None:
    """Refuse an adapter and a model's folder that are not there or not whole, within a second.

    Without torch, and before anything is fetched but adapters. AdapterError, ModelError.
    """
    for spec in adapter_specs(adapter) or ():
        find_adapter(spec)
    if model is not None and model != GEOMETRIC and not is_hub_id(model):
        find_model(model)


def check_device(
    model: str | None, device: str | None, dtype: str | None, offload: str | None, quantization: str | None
) -> None:
    """Refuse a device and a way to fit it before a model is chosen, fetched and loaded. DeviceError.

    The geometric model is not placed: what it does not heed, it refuses itself.
    """
    if model == GEOMETRIC:
        return
    from pixelsmile.editing.devices import place

    place(device, dtype, offload or "none", quantization)


def choose_model(requested: str | None, device: str | None, *, drawn: bool) -> ModelChoice:
    """What was asked for; else the full model if it is downloaded and the GPU holds it; else what runs here.

    device: None, or one that `check_device` has found here. drawn: whether the pictures are portraits that
    pixelsmile drew, which the embedded model knows; of others the geometric one moves the mesh of the face,
    and torch is asked about a GPU only where the weights are there.
    """
    if requested is not None:
        return ModelChoice(requested)
    fallback = EMBEDDED if drawn else GEOMETRIC
    using = f"using the {fallback} model"
    if not drawn:
        using += ", which moves a mesh of the face"
    if device is not None and not device.startswith("cuda"):
        return ModelChoice(fallback, f"device {device}: {using}")
    if not drawn and not is_downloaded(FULL_MODEL):
        return ModelChoice(
            fallback, f"{using}; the paper's would do better (pixelsmile doctor says what it needs)"
        )
    memory_gb = gpu_memory_gb(device)
    if memory_gb is None:
        return ModelChoice(fallback, f"no GPU found: {using}")
    if not is_downloaded(FULL_MODEL):
        return ModelChoice(
            fallback,
            f"{FULL_MODEL} is not downloaded ({FULL_MODEL_DOWNLOAD_GB} GB): {using}; "
            f"to use the full one: hf download {FULL_MODEL}",
        )
    if memory_gb < FULL_MODEL_MEMORY_GB:
        return ModelChoice(
            fallback,
            f"this GPU has {memory_gb:.0f} GB, {FULL_MODEL} wants {FULL_MODEL_MEMORY_GB}: "
            f"{using}; to use the full one: {full_model_options(memory_gb)}",
        )
    return ModelChoice(FULL_MODEL, f"using {FULL_MODEL} on the GPU")


def gpu_memory_gb(device: str | None = None) -> float | None:
    """The memory of the CUDA device (the first by default), or None where there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    index = torch.device(device or "cuda").index or 0
    if index >= torch.cuda.device_count():
        return None
    return float(torch.cuda.get_device_properties(index).total_memory) / 1e9


def full_model_options(memory_gb: float) -> str:
    """The options under which the full model should fit into that much GPU memory (estimated)."""
    fitting = next(options for least_gb, options in _FITTING if memory_gb >= least_gb)
    return f"--model {FULL_MODEL}{fitting}"


def is_downloaded(repository: str) -> bool:
    """Whether the hub cache on this machine holds a whole diffusers repository."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if not (Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}").is_dir():
        return False
    try:
        check_folder(Path(snapshot_download(repository, local_files_only=True)))
    except (LocalEntryNotFoundError, ModelError):
        return False
    return True
