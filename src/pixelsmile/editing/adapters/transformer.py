"""Adapters on the transformer: loaded side by side, checked against it, and switched by domain and scale.

`files` finds them, `formats` and `alphas` say what they hold, `updates` reads them.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.editing.adapters.files import AdapterFile, AdapterSpec, find_adapter, is_for
from pixelsmile.editing.adapters.updates import Kronecker, LowRank, Update, read_updates
from pixelsmile.editing.small_weights import is_stored_small
from pixelsmile.errors import AdapterError
from pixelsmile.store.weight_hashes import remembered_sha256

_log = logging.getLogger(__name__)


def load_adapters(
    transformer: Any, specs: Sequence[AdapterSpec], *, offload: str = "none", fuse: bool = False
) -> list[dict[str, Any]]:
    """Load the adapters side by side, and freeze them; what was loaded, to be recorded.

    `activate` chooses among them. fuse: they are only checked and recorded, since they are merged. offload:
    how the transformer will be. Each is checked against the transformer before anything is changed:
    AdapterError names what does not fit. What a person should know of a file is logged, and in its record.
    """
    files = [find_adapter(spec) for spec in specs]
    for file in files:
        _check_offload(file, offload)
        _check_stored(file, transformer)
    updates = [fitting_updates(transformer, file, transformer.dtype) for file in files]
    loaded = []
    for index, (spec, file, fitting) in enumerate(zip(specs, files, updates, strict=True)):
        if not fuse:
            _install(transformer, _name(index), fitting)
        for note in file.notes:
            _log.warning("adapter %s: %s", file.path.name, note)
        loaded.append(_record(spec, file, len(fitting)))
    if specs:
        transformer.requires_grad_(False)
    return loaded


def activate(transformer: Any, adapters: Sequence[Mapping[str, Any]], domain: str) -> None:
    """Let those of the loaded adapters act that are for pictures of that domain, and no others.

    At scale 0 one is left out: a DoRA that is only scaled down would still change the rows' norms.
    """
    chosen = {
        _name(index): record["scale"]
        for index, record in enumerate(adapters)
        if is_for(record, domain) and record["scale"]
    }
    if chosen:
        transformer.enable_adapters()
        transformer.set_adapters(list(chosen), weights=list(chosen.values()))
    elif adapters:
        transformer.disable_adapters()


def fitting_updates(
    transformer: nn.Module, file: AdapterFile, dtype: torch.dtype = torch.float32
) -> dict[str, Update]:
    """The adapter's update of each module of the transformer.

    AdapterError where it does not fit, or holds what is not finite.
    """
    updates = read_updates(file, linear_layers(transformer), dtype)
    has_magnitudes = {
        isinstance(update, LowRank) and update.magnitude is not None for update in updates.values()
    }
    if len(has_magnitudes) > 1:
        raise AdapterError(
            f"adapter {file.path.name!r} has DoRA magnitudes for some of its layers only: take a plain LoRA"
        )
    return updates


def linear_layers(transformer: nn.Module) -> dict[str, tuple[int, int]]:
    """(out, in) of the layers that an adapter may change, by name, whether or not adapters are on them."""
    found = {}
    for name, module in transformer.named_modules():
        if not any(part.startswith("lora_") or part == "base_layer" for part in name.split(".")):
            layer = getattr(module, "base_layer", module)
            if hasattr(layer, "in_features") and hasattr(layer, "out_features"):
                found[name] = (layer.out_features, layer.in_features)
    return found


def _name(index: int) -> str:
    return f"adapter_{index}"


def _check_offload(file: AdapterFile, offload: str) -> None:
    """Layer by layer, peft's DoRA would ask for weights that are not there: it needs those of the layer."""
    if offload == "sequential" and "DoRA" in file.contents.method:
        raise AdapterError(
            f"adapter {file.path.name!r} is a DoRA, which cannot act under offload 'sequential': use "
            "offload 'model', or a plain LoRA"
        )


def _check_stored(file: AdapterFile, transformer: Any) -> None:
    """A DoRA scales the rows of a layer by their norms, which weights in fewer bits do not show."""
    if "DoRA" in file.contents.method and is_stored_small(transformer):
        raise AdapterError(
            f"adapter {file.path.name!r} is a DoRA, which cannot act on a base in 8 bits or fewer: use a "
            "plain LoRA, or the base in bfloat16"
        )


def _record(spec: AdapterSpec, file: AdapterFile, num_modules: int) -> dict[str, Any]:
    record = {
        "source": spec.recorded_as or spec.source,
        "scale": spec.scale,
        "modules": num_modules,
        "sha256": remembered_sha256(file.path),
        "format": f"{file.contents.method} ({file.contents.tool})",
        "alpha": file.alphas.source or "none stated: scale 1",
    }
    if file.notes:
        record["notes"] = list(file.notes)
    return record if spec.domain is None else {**record, "domain": spec.domain}


def _install(transformer: Any, adapter: str, updates: Mapping[str, Update]) -> None:
    """Put updates on the transformer as an adapter of peft; a Kronecker product in place of its factors."""
    state: dict[str, Tensor] = {}
    has_bias = any(isinstance(update, LowRank) and update.bias is not None for update in updates.values())
    for module, update in updates.items():
        if isinstance(update, Kronecker):  # rank 1 holds its place
            num_rows, num_columns = update.shape
            update = LowRank(update.left.new_zeros(1, num_columns), update.left.new_zeros(num_rows, 1))
        state[f"{module}.lora_A.weight"] = update.A
        state[f"{module}.lora_B.weight"] = update.B
        if has_bias:  # peft has them for all layers or for none
            state[f"{module}.lora_B.bias"] = (
                update.B.new_zeros(update.B.shape[0]) if update.bias is None else update.bias
            )
        if update.magnitude is not None:
            state[f"{module}.lora_magnitude_vector"] = update.magnitude
    with warnings.catch_warnings():  # several adapters side by side, a bias on a layer without: as wanted
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
        warnings.filterwarnings("ignore", message="`lora_bias=True` was passed")
        transformer.load_lora_adapter(state, prefix=None, adapter_name=adapter)
    for module, update in updates.items():
        if isinstance(update, Kronecker):
            layer = transformer.get_submodule(module)
            place = layer.lora_A[adapter].weight
            layer.lora_A[adapter] = _RightFactor(update.right.to(place))
            layer.lora_B[adapter] = _LeftFactor(update.left.to(place))


class _RightFactor(nn.Module):
    """I ⊗ right: the first half of (left ⊗ right) x = (left ⊗ I)(I ⊗ right) x, in peft's place of A."""

    def __init__(self, right: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(right, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., columns of left, rows of right)."""
        return x.unflatten(-1, (-1, self.weight.shape[1])) @ self.weight.T


class _LeftFactor(nn.Module):
    """left ⊗ I: the second half, in peft's place of B."""

    def __init__(self, left: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(left, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., columns of left, rows of right) to (..., out)."""
        return (self.weight @ x).flatten(-2)
