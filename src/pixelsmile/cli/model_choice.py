"""Which model edits when nobody names one, and why."""

import json
from dataclasses import dataclass
from pathlib import Path

EMBEDDED = "embedded"
FULL_MODEL = "Qwen/Qwen-Image-Edit-2511"
FULL_MODEL_DOWNLOAD_GB = 60
FULL_MODEL_MEMORY_GB = 64  # 20.4 + 8.3 billion weights of 2 bytes, and room to work
_WEIGHT_INDEXES = (
    ("transformer", "diffusion_pytorch_model.safetensors.index.json"),
    ("text_encoder", "model.safetensors.index.json"),
)
_WHOLE_FILES = ("model_index.json", "vae/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json")


@dataclass(frozen=True)
class ModelChoice:
    """A model and, where the program chose it, the reason in one line."""

    model: str
    reason: str | None = None


def choose_model(requested: str | None, device: str | None) -> ModelChoice:
    """What was asked for; else the full model if it is downloaded and the GPU holds it; else the embedded."""
    if requested is not None:
        return ModelChoice(requested)
    if device is not None and not device.startswith("cuda"):
        return ModelChoice(EMBEDDED, f"device {device}: using the embedded model")
    memory_gb = gpu_memory_gb(device)
    if memory_gb is None:
        return ModelChoice(EMBEDDED, "no GPU found: using the embedded model")
    if not is_downloaded(FULL_MODEL):
        return ModelChoice(
            EMBEDDED,
            f"{FULL_MODEL} is not downloaded ({FULL_MODEL_DOWNLOAD_GB} GB): using the embedded model; "
            f"to use the full one: hf download {FULL_MODEL}",
        )
    if memory_gb < FULL_MODEL_MEMORY_GB:
        return ModelChoice(
            EMBEDDED,
            f"this GPU has {memory_gb:.0f} GB, {FULL_MODEL} wants {FULL_MODEL_MEMORY_GB}: "
            f"using the embedded model; to use the full one: {full_model_options(memory_gb)}",
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
    return torch.cuda.get_device_properties(index).total_memory / 1e9


def full_model_options(memory_gb: float) -> str:
    """The options under which the full model should fit into that much GPU memory (estimated)."""
    base = f"--model {FULL_MODEL}"
    if memory_gb >= FULL_MODEL_MEMORY_GB:
        return base
    if memory_gb >= 46:  # the transformer alone, in 16 bits
        return f"{base} --offload model"
    if memory_gb >= 24:  # the transformer alone, in 8 bits
        return f"{base} --offload model --quantise 8bit"
    if memory_gb >= 14:  # the transformer alone, in 4 bits
        return f"{base} --offload model --quantise 4bit"
    return f"{base} --offload sequential"


def is_downloaded(repository: str) -> bool:
    """Whether the hub cache on this machine holds every weight file of a diffusers repository."""
    from huggingface_hub import try_to_load_from_cache

    def cached(name: str) -> Path | None:
        found = try_to_load_from_cache(repository, name)
        return Path(found) if isinstance(found, str) and Path(found).is_file() else None

    if not all(cached(name) for name in _WHOLE_FILES):
        return False
    for folder, index_name in _WEIGHT_INDEXES:
        index = cached(f"{folder}/{index_name}")
        if index is None:
            return False
        shards = set(json.loads(index.read_text())["weight_map"].values())
        if not all(cached(f"{folder}/{shard}") for shard in shards):
            return False
    return True
