"""A transformer in one file, as other tools keep it: GGUF, or safetensors of 8 or 16 bits; by its header.

The file takes the place of a model folder's transformer; all other parts come from the folder. Names may have
the prefix that ComfyUI gives them. Weights of 8 bits come with a scale, one for a layer or one for each of
its rows (`scale_weight`, `weight_scale`), or are 8-bit floats as they are. Loads no torch.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from pixelsmile.errors import ModelError
from pixelsmile.store.gguf_header import read_gguf_header
from pixelsmile.store.safetensors_header import BITS, TensorEntry, read_header

GGUF = ".gguf"
SUFFIXES = (GGUF, ".safetensors")
GRID_REMARK = (
    "{} holds 8-bit floats without scales: together with an adapter such a base is known to draw a grid over "
    "the picture; better take a scaled file, GGUF, or bfloat16 with --quantization fp8"
)
_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.")
_SCALE = re.compile(r"(?P<layer>.+)\.(scale_weight|weight_scale)$")
# Of what computes in 8 bits; here the numbers of a layer are turned back into 16 bits.
_UNUSED = re.compile(r"(.+\.)?(scale_input|input_scale|scaled_fp8|comfy_quant)$")
_BLOCKS = re.compile(
    r"\.(weight_scale_2|weight_scale_inv|qweight|qzeros|weight_packed|absmax|quant_map)(\.|$)"
)
_KEPT = ("F64", "F32", "F16", "BF16")
_EIGHT_BITS = {
    "F8_E4M3": "8-bit floats (e4m3)",
    "F8_E5M2": "8-bit floats (e5m2)",
    "I8": "8-bit whole numbers",
}
_ADAPTER = re.compile(r"\.lora_|\.lokr_|\.hada_|\.dora_scale$")
_MARK = "transformer_blocks."  # what every transformer of this family has


@dataclass(frozen=True)
class WeightFile:
    """A file of weights. tensors: its names for those of the network, by the network's. shapes: of these.

    scales: of weights of 8 bits, the file's names by the network's. format: in words. num_bytes: of all
    tensors. bare: weights of 8-bit floats that have no scale.
    """

    path: Path
    tensors: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    format: str
    num_bytes: int
    scales: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False

    @property
    def is_gguf(self) -> bool:
        return self.path.suffix.lower() == GGUF

    @property
    def is_small(self) -> bool:
        """Whether its weights stay as they are in it: they are not quantised once more."""
        return self.is_gguf or self.bare or bool(self.scales)

    def remarks(self) -> list[str]:
        """What is to be said about it."""
        return [GRID_REMARK.format(self.path.name)] if self.bare else []

    def as_dict(self) -> dict[str, object]:
        """For a record, but for the hash."""
        return {"file": self.path.name, "format": self.format}


def read_weight_file(path: Path) -> WeightFile:
    """A file, by its header. ModelError where it is no transformer, cut short, or of an unknown format."""
    if path.suffix.lower() == GGUF:
        return _gguf(path)
    entries = read_header(path, error=ModelError).tensors
    names = {_plain(name): name for name in entries}
    _check_names(path, names)
    scales = {
        f"{match['layer']}.weight": file for name, file in names.items() if (match := _SCALE.fullmatch(name))
    }
    tensors = {
        name: file
        for name, file in names.items()
        if not _SCALE.fullmatch(name) and not _UNUSED.fullmatch(name)
    }
    small = {name: entries[file].dtype for name, file in tensors.items() if entries[file].dtype not in _KEPT}
    _check_formats(path, small, scales)
    bare = any(name not in scales for name in small)
    return WeightFile(
        path=path,
        tensors=tensors,
        shapes={name: entries[file].shape for name, file in tensors.items()},
        format=_words(small, scales, [entries[file] for file in tensors.values()]),
        num_bytes=sum(prod(entry.shape) * BITS[entry.dtype] // 8 for entry in entries.values()),
        scales={name: file for name, file in scales.items() if name in small},
        bare=bare,
    )


def _gguf(path: Path) -> WeightFile:
    found = read_gguf_header(path, error=ModelError).tensors
    names = {_plain(name): name for name in found}
    _check_names(path, names)
    sizes: Counter[str] = Counter()
    for tensor in found.values():
        sizes[tensor.format] += tensor.num_bytes
    return WeightFile(
        path=path,
        tensors=names,
        shapes={name: found[file].shape for name, file in names.items()},
        format=f"GGUF, mostly {sizes.most_common(1)[0][0]}",
        num_bytes=sum(sizes.values()),
    )


def _plain(name: str) -> str:
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def _check_names(path: Path, names: Mapping[str, str]) -> None:
    called = f"model {str(path)!r}"
    if any(_ADAPTER.search(name) for name in names):
        raise ModelError(f"{called} is a LoRA adapter: give it as --adapter")
    if blocks := next((name for name in names if _BLOCKS.search(name)), None):
        raise ModelError(
            f"{called} is quantised in a way that is not read ({blocks}): take GGUF, scaled 8-bit floats, or "
            "the folder in bfloat16 with --quantization 4bit"
        )
    if not any(name.startswith(_MARK) for name in names):
        first = next(iter(names), "nothing")
        raise ModelError(
            f"{called} is no transformer of the Qwen-Image family (it holds {first[:60]}, ...): take one, or "
            "a model folder"
        )


def _check_formats(path: Path, small: Mapping[str, str], scales: Mapping[str, str]) -> None:
    for name, dtype in small.items():
        if dtype not in _EIGHT_BITS or (dtype == "I8" and name not in scales):
            how = " without a scale" if dtype in _EIGHT_BITS else ""
            raise ModelError(
                f"model {str(path)!r} holds {name[:80]} as {dtype}{how}, which is not read: take another file"
            )


def _words(small: Mapping[str, str], scales: Mapping[str, str], entries: list[TensorEntry]) -> str:
    if small:
        kind = Counter(small.values()).most_common(1)[0][0]
        return f"{_EIGHT_BITS[kind]}, {'with' if any(name in scales for name in small) else 'without'} scales"
    return Counter(entry.dtype for entry in entries).most_common(1)[0][0]
