"""LoRA adapters for the transformer: PEFT and diffusers safetensors files, folders and hub ids.

The product of a pair of tensors is scaled by lora_alpha / rank where the file gives an alpha (in its
metadata, in adapter_config.json beside it, or as `.alpha` tensors), and by 1 where it gives none, as the
published PixelSmile adapter is used. That factor is folded into the second tensor, so what is loaded always
has scale 1.
"""

import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pixelsmile.errors import AdapterError
from pixelsmile.hashing import sha256_file

_PREFIXES = ("base_model.model.", "transformer.", "diffusion_model.")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_FILE_NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
_TENSOR = re.compile(r"(?P<module>.+?)\.(?P<role>lora_(A|B|down|up))(\.default)?\.weight$")
_ROLES = {"lora_A": "A", "lora_down": "A", "lora_B": "B", "lora_up": "B"}


@dataclass(frozen=True)
class AdapterSpec:
    """An adapter to load: a safetensors file, a folder with one, or a hub id; and how strongly it applies.

    domain: of the pictures that it is for, human or anime; None: all.
    """

    source: str
    scale: float = 1.0
    domain: str | None = None

    @classmethod
    def parse(cls, text: str) -> "AdapterSpec":
        """`PATH` or `PATH=SCALE` (a number after the last `=`)."""
        source, has_scale, scale = text.rpartition("=")
        try:
            return cls(source, float(scale)) if has_scale and source else cls(text)
        except ValueError:
            return cls(text)


@dataclass
class _Pair:
    """The two factors of one module's update, B @ A, and its alpha."""

    A: Tensor | None = None
    B: Tensor | None = None
    alpha: float | None = None


@dataclass
class _Adapter:
    pairs: dict[str, _Pair] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def load_adapters(transformer: Any, specs: Sequence[AdapterSpec]) -> list[dict[str, Any]]:
    """Load the adapters side by side, and freeze them; what was loaded, to be recorded.

    `activate` chooses among them. Each is checked against the transformer before anything is changed:
    AdapterError names the tensors that do not fit.
    """
    loaded = []
    states = [fitting_state(transformer, spec) for spec in specs]
    for index, (spec, (file, state, num_modules)) in enumerate(zip(specs, states, strict=True)):
        with warnings.catch_warnings():  # several adapters side by side are what we want
            warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
            transformer.load_lora_adapter(state, prefix=None, adapter_name=_name(index))
        digest = sha256_file(file)
        record = {"source": spec.source, "scale": spec.scale, "modules": num_modules, "sha256": digest}
        loaded.append(record if spec.domain is None else {**record, "domain": spec.domain})
    if specs:
        transformer.requires_grad_(False)
    return loaded


def find_adapter(spec: AdapterSpec) -> Path:
    """The file of an adapter, fetched from the hub where it is a hub id. AdapterError where there is none."""
    if not math.isfinite(spec.scale):
        raise AdapterError(
            f"scale {spec.scale!r} of adapter {spec.source} is not a finite number: use for example 1"
        )
    return _find(spec.source)


def activate(transformer: Any, adapters: Sequence[Mapping[str, Any]], domain: str) -> None:
    """Let those of the loaded adapters act that are for pictures of that domain, and no others."""
    chosen = {_name(index): record for index, record in enumerate(adapters) if is_for(record, domain)}
    if chosen:
        transformer.enable_adapters()
        transformer.set_adapters(list(chosen), weights=[record["scale"] for record in chosen.values()])
    elif adapters:
        transformer.disable_adapters()


def is_for(adapter: Mapping[str, Any], domain: str) -> bool:
    """Whether an adapter, as `load_adapters` recorded it, acts on pictures of that domain."""
    return adapter.get("domain") in (None, domain)


def _name(index: int) -> str:
    return f"adapter_{index}"


def fitting_state(transformer: nn.Module, spec: AdapterSpec) -> tuple[Path, dict[str, Tensor], int]:
    """The adapter's file, its tensors by module (`….lora_A.weight`, `….lora_B.weight`), how many modules.

    Scaled by its alpha: what is loaded has scale 1. AdapterError where it is none, or does not fit.
    """
    file = find_adapter(spec)
    tensors, metadata = _read(file)
    adapter = _sort(tensors)
    problems = _misfits(transformer, adapter.pairs) + adapter.unknown
    if problems or not adapter.pairs:
        raise AdapterError(_misfit_message(file, problems, len(tensors)))
    config = _config(file, metadata)
    state: dict[str, Tensor] = {}
    for module, pair in adapter.pairs.items():
        assert pair.A is not None  # _misfits found every pair complete
        assert pair.B is not None
        state[f"{module}.lora_A.weight"] = pair.A
        state[f"{module}.lora_B.weight"] = pair.B * _scaling(module, pair, config)
    return file, state, len(adapter.pairs)


def _find(source: str) -> Path:
    path = Path(source)
    if path.suffix in _PICKLES:
        raise AdapterError(f"adapter {source} is a pickle, which is never loaded: convert it to safetensors")
    if path.is_file():
        return path
    if path.is_dir():
        return _find_in(path)
    return _from_hub(source)


def _find_in(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    named = [file for file in files if file.name in _FILE_NAMES]
    if len(named or files) != 1:
        seen = ", ".join(file.name for file in files) or "none"
        raise AdapterError(f"adapter folder {folder} must hold one safetensors file, it has {seen}: name it")
    return (named or files)[0]


def _from_hub(source: str) -> Path:
    if source.count("/") != 1 or source.startswith((".", "/", "~")) or source.endswith(".safetensors"):
        raise AdapterError(f"no adapter file, folder or hub id {source!r}: check the path")
    from huggingface_hub import snapshot_download

    try:
        return _find_in(Path(snapshot_download(source, allow_patterns=["*.safetensors", "*.json"])))
    except AdapterError:
        raise
    except Exception as error:  # the hub client raises errors of several libraries
        raise AdapterError(
            f"cannot fetch adapter {source!r} from the hub ({type(error).__name__}): "
            "check the name and the network"
        ) from error


def _read(file: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    try:
        with safe_open(file, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"adapter {file} is not a whole safetensors file ({error}): fetch or save it again"
        ) from None


def _sort(tensors: Mapping[str, Tensor]) -> _Adapter:
    adapter = _Adapter()
    for name, tensor in tensors.items():
        bare = _without_prefix(name)
        if bare.endswith(".alpha"):
            adapter.pairs.setdefault(bare.removesuffix(".alpha"), _Pair()).alpha = float(tensor)
        elif (match := _TENSOR.match(bare)) and tensor.ndim == 2:
            setattr(adapter.pairs.setdefault(match["module"], _Pair()), _ROLES[match["role"]], tensor)
        else:
            adapter.unknown.append(f"{name} {tuple(tensor.shape)} (not a LoRA tensor)")
    return adapter


def _without_prefix(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _misfits(transformer: nn.Module, pairs: Mapping[str, _Pair]) -> list[str]:
    """One line for each module whose pair does not fit the transformer."""
    modules = dict(transformer.named_modules())
    problems = []
    for name, pair in pairs.items():
        module = modules.get(name)
        module = getattr(module, "base_layer", module)
        if pair.A is None or pair.B is None:
            problems.append(f"{name} (half of the pair is missing)")
        elif module is None or not hasattr(module, "in_features"):
            problems.append(f"{name} (the model has no such layer)")
        else:
            rank = pair.A.shape[0]
            wanted = ((rank, module.in_features), (module.out_features, rank))
            seen = (tuple(pair.A.shape), tuple(pair.B.shape))
            if seen != wanted:
                problems.append(f"{name} {seen} (the model needs {wanted})")
    return problems


def _misfit_message(file: Path, problems: list[str], num_tensors: int) -> str:
    if not problems:
        return f"adapter {file} holds no LoRA tensors: give a LoRA saved by peft or diffusers"
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return (
        f"adapter {file} is for another model: {len(problems)} of its parts ({num_tensors} tensors) "
        f"do not fit: {'; '.join(problems[:3])}{more}; use the model that it was trained on"
    )


def _config(file: Path, metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """The LoRA config saved with the file: in its metadata (diffusers), or beside it (PEFT); else empty."""
    try:
        if "lora_adapter_metadata" in metadata:
            config = json.loads(metadata["lora_adapter_metadata"])
            return {_without_prefix(key): value for key, value in config.items()}
        beside = file.with_name("adapter_config.json")
        return json.loads(beside.read_text()) if beside.is_file() else {}
    except (ValueError, AttributeError):
        raise AdapterError(
            f"the LoRA config of adapter {file} is not valid JSON: save the adapter again"
        ) from None


def _scaling(module: str, pair: _Pair, config: Mapping[str, Any]) -> float:
    assert pair.A is not None
    rank = pair.A.shape[0]
    alpha = pair.alpha
    if alpha is None:
        alpha = _pattern(config.get("alpha_pattern") or {}, module, config.get("lora_alpha"))
    if alpha is None:
        return 1.0
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _pattern(patterns: Mapping[str, float], module: str, default: float | None) -> float | None:
    """PEFT's rule: a pattern is a regular expression that matches the end of a module's name."""
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default
