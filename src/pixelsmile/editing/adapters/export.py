"""Adapters written as other tools want them: with their names, and with alpha folded in.

What comes out has scale 1 for everybody: for tools that read an alpha (it equals the rank wherever it is
stated) and for those that do not.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from pixelsmile.editing.adapters.alphas import METADATA_KEY
from pixelsmile.editing.adapters.files import TRAINED_BY, WORDS, AdapterFile
from pixelsmile.editing.adapters.formats import NAMINGS, Naming
from pixelsmile.editing.adapters.updates import LowRank, Update, read_updates, tensors_of
from pixelsmile.editing.options import AdapterFormat
from pixelsmile.errors import AdapterError
from pixelsmile.hashing import sha256_file
from pixelsmile.store.safetensors_header import canonical
from pixelsmile.version import __version__

PEFT_FILES = ("adapter_model.safetensors", "adapter_config.json")
_NAMINGS = {naming.tool.lower(): naming for naming in reversed(NAMINGS)}  # the first of each tool
_MAX_BLOCKS = 200  # Qwen-Image-Edit has 60


@dataclass(frozen=True)
class Exported:
    """An adapter in another format: the bytes of its file, and of the config beside it where there is one."""

    weights: bytes
    config: bytes | None
    dtype: str
    num_layers: int


def export(file: AdapterFile, target: AdapterFormat) -> Exported:
    """An adapter for a transformer of the Qwen-Image family in another format: the same update of each layer.

    The numbers are in bf16 or fp16 where that holds all of them exactly, else in fp32. AdapterError for what
    the format cannot hold: a LoKr anywhere, a bias in the formats of kohya and ComfyUI.
    """
    updates = read_updates(file, dict.fromkeys(qwen_layers(file)))
    naming = _NAMINGS[target]
    plain = {module: _exportable(file, target, module, update) for module, update in updates.items()}
    dtype = _narrowest(plain)
    tensors = {
        name: tensor.to(dtype).contiguous()
        for module, update in plain.items()
        for name, tensor in _tensors(naming, module, update)
    }
    config = _peft_config(file, plain)
    metadata = _notes(file)
    if target == "diffusers":
        diffusers_config = {naming.prefix + key: value for key, value in config.items()}
        metadata[METADATA_KEY] = json.dumps(diffusers_config, indent=2, sort_keys=True)
    return Exported(
        weights=canonical(safetensors.torch.save(tensors, metadata)),
        config=(json.dumps(config, indent=2, sort_keys=True) + "\n").encode() if target == "peft" else None,
        dtype=str(dtype).removeprefix("torch."),
        num_layers=len(plain),
    )


def qwen_layers(file: AdapterFile) -> list[str]:
    """The names of the layers of a Qwen-Image transformer with as many blocks as the file speaks of."""
    from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel

    from pixelsmile.editing.adapters.transformer import linear_layers

    numbers = re.findall(r"transformer_blocks[._](\d{1,9})", " ".join(file.contents.layers))
    num_blocks = max(map(int, numbers), default=0) + 1
    if num_blocks > _MAX_BLOCKS:
        raise AdapterError(
            f"adapter {file.path.name!r} speaks of {num_blocks:,} blocks, and Qwen-Image-Edit has 60: give "
            "an adapter for it"
        )
    with torch.device("meta"):  # names alone: no memory
        transformer = QwenImageTransformer2DModel(
            num_layers=num_blocks, attention_head_dim=16, num_attention_heads=1, axes_dims_rope=(4, 6, 6)
        )
    return list(linear_layers(transformer))


def _exportable(file: AdapterFile, target: str, module: str, update: Update) -> LowRank:
    if not isinstance(update, LowRank):
        raise AdapterError(
            f"adapter {file.path.name!r} is a {file.contents.method}, whose update of {module} is "
            "of no low rank and fits no LoRA: use it as it is"
        )
    if update.bias is not None and target not in ("diffusers", "peft"):
        raise AdapterError(
            f"adapter {file.path.name!r} has biases, for which {target} has no name: "
            "convert it to diffusers or peft"
        )
    return update


def _narrowest(updates: Mapping[str, LowRank]) -> torch.dtype:
    """The smallest format that holds every number exactly."""
    tensors = [tensor for update in updates.values() for tensor in tensors_of(update).values()]
    for dtype in (torch.bfloat16, torch.float16):
        if all(torch.equal(tensor.to(dtype).float(), tensor) for tensor in tensors):
            return dtype
    return torch.float32


def _tensors(naming: Naming, module: str, update: LowRank) -> Iterator[tuple[str, Tensor]]:
    """The tensors of one layer by their names; flat names go with alpha tensors."""
    name, (down, up) = naming.layer(module), naming.factors
    yield f"{name}.{down}.weight", update.A
    yield f"{name}.{up}.weight", update.B
    if naming.is_flat:
        yield f"{name}.alpha", torch.tensor(float(update.A.shape[0]))
    if update.bias is not None:
        yield f"{name}.{up}.bias", update.bias
    if update.magnitude is not None:
        is_column = naming.magnitude == "dora_scale"
        yield f"{name}.{naming.magnitude}", update.magnitude[:, None] if is_column else update.magnitude


def _peft_config(file: AdapterFile, updates: Mapping[str, LowRank]) -> dict[str, Any]:
    """A LoraConfig in which alpha is the rank of every layer."""
    from peft import LoraConfig

    ranks = {module: update.A.shape[0] for module, update in updates.items()}
    rank = Counter(ranks.values()).most_common(1)[0][0]
    others = {f"^{re.escape(module)}": other for module, other in ranks.items() if other != rank}
    config = LoraConfig(
        base_model_name_or_path=file.base,
        r=rank,
        lora_alpha=rank,
        rank_pattern=others,
        alpha_pattern=others,
        target_modules=sorted(updates),
        use_dora=any(update.magnitude is not None for update in updates.values()),
        lora_bias=any(update.bias is not None for update in updates.values()),
    ).to_dict()
    return {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}


def _notes(file: AdapterFile) -> dict[str, str]:
    """Where it came from, for whoever reads the header."""
    notes = {
        "format": "pt",
        "converted_by": f"pixelsmile {__version__}",
        "converted_from": f"{file.path.name}, SHA-256 {sha256_file(file.path)}",
        "converted_note": f"alpha is folded in: scale 1 (it was in: {file.alphas.source or 'none'})",
    }
    kept = {key: file.header.metadata[key] for key in (TRAINED_BY, WORDS) if key in file.header.metadata}
    return {**notes, **kept, **({} if file.base is None else {"base_model": file.base})}
