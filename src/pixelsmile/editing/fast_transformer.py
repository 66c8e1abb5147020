"""A transformer made faster as `Acceleration` says: kernels, compiled blocks, merged adapters, caches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.hooks import FirstBlockCacheConfig, HookRegistry, TaylorSeerCacheConfig
from diffusers.models.attention_dispatch import (
    AttentionBackendName,
    _check_attention_backend_requirements,
)
from torch import Tensor, nn

from pixelsmile.editing.acceleration import Acceleration, StepCache
from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
from pixelsmile.editing.adapters.transformer import fitting_updates, load_adapters
from pixelsmile.editing.adapters.updates import Kronecker, Update
from pixelsmile.editing.devices import Placement
from pixelsmile.editing.small_weights import is_stored_small
from pixelsmile.errors import AdapterError, DeviceError

_BACKENDS = {
    "native": AttentionBackendName.NATIVE,
    "cudnn": AttentionBackendName._NATIVE_CUDNN,
    "efficient": AttentionBackendName._NATIVE_EFFICIENT,
    "flash": AttentionBackendName.FLASH,
    "flash3": AttentionBackendName._FLASH_3,
    "math": AttentionBackendName._NATIVE_MATH,
    "sage": AttentionBackendName.SAGE,
    "xformers": AttentionBackendName.XFORMERS,
}
_NEED_GPU = ("cudnn", "efficient", "flash", "flash3", "sage", "xformers")
_NUM_FIRST = 3  # steps that TaylorSeer computes before it extrapolates


def equip(
    transformer: Any, specs: Sequence[AdapterSpec], acceleration: Acceleration, placement: Placement
) -> list[dict[str, Any]]:
    """Put adapters on a loaded transformer, or merge them, and set it to run as fast as asked.

    What was loaded, to be recorded. AdapterError, DeviceError.
    """
    loaded = load_adapters(transformer, specs, offload=placement.offload, fuse=acceleration.fuse)
    if acceleration.fuse:
        fuse_adapters(transformer, specs)
    accelerate(transformer, acceleration, placement.device)
    return loaded


def accelerate(transformer: Any, acceleration: Acceleration, device: torch.device) -> None:
    """Set a loaded transformer to run so; adapters are on it, or merged, by now.

    DeviceError where a kernel or a compiler is not here.
    """
    if acceleration.attention is not None:
        _set_attention(transformer, acceleration.attention, device)
    if acceleration.cache is not None:
        transformer.enable_cache(_cache_config(acceleration.cache))
    if acceleration.compile:
        _check_compiler(device)
        transformer.compile_repeated_blocks()


def _set_attention(transformer: Any, name: str, device: torch.device) -> None:
    """Of this transformer alone: the library's own way would set that of every other model, too."""
    if name in _NEED_GPU and device.type != "cuda":
        raise DeviceError(f"attention {name!r} needs a CUDA GPU, the device is {device}: leave it out")
    try:
        _check_attention_backend_requirements(_BACKENDS[name])
    except RuntimeError as missing:
        reason = str(missing).removesuffix(".")
        raise DeviceError(f"attention {name!r} cannot be used here ({reason}): leave it out") from missing
    for module in transformer.modules():
        if hasattr(getattr(module, "processor", None), "_attention_backend"):
            module.processor._attention_backend = _BACKENDS[name]


def _check_compiler(device: torch.device) -> None:
    """DeviceError where torch.compile would fail at the first step, with a page of reasons."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise DeviceError("compile needs triton, which is not installed: leave it out, or install triton")
    elif device.type == "cpu":
        from torch._inductor.cpp_builder import get_cpp_compiler

        try:
            get_cpp_compiler()
        except Exception as missing:
            raise DeviceError(
                "compile needs a C++ compiler, which was not found: leave it out, or install g++"
            ) from missing


def _cache_config(cache: StepCache) -> Any:
    if cache.kind == "first-block":
        return FirstBlockCacheConfig(threshold=cache.level)
    return TaylorSeerCacheConfig(
        cache_interval=int(cache.level),
        disable_cache_before_step=_NUM_FIRST,
        max_order=1,
        taylor_factors_dtype=torch.float32,
        use_lite_mode=True,
    )


def forget_steps(transformer: Any) -> None:
    """Before other pictures are made: what a step cache holds of the last ones goes."""
    if getattr(transformer, "is_cache_enabled", False):
        HookRegistry.check_if_exists_or_initialize(transformer).reset_stateful_hooks(recurse=True)


@contextmanager
def step_context(transformer: Any, name: str) -> Iterator[None]:
    """For a forward that is the same one of every step: a step cache keeps one memory for each name."""
    if getattr(transformer, "is_cache_enabled", False):
        with transformer.cache_context(name):
            yield
    else:
        yield


@torch.no_grad()
def fuse_adapters(transformer: Any, specs: Sequence[AdapterSpec]) -> None:
    """Add what the adapters do to the weights themselves, each with its scale.

    AdapterError for a DoRA, for adapters of one domain alone, and where the weights are in 8 bits or fewer.
    """
    if is_stored_small(transformer) or getattr(transformer, "quantization_method", None):
        raise AdapterError("weights in 8 bits or fewer take no merged adapter: leave out --fuse")
    for spec in specs:
        if spec.domain is not None:
            raise AdapterError(
                f"adapter {spec.source!r} is for {spec.domain} pictures alone: leave out --fuse, or give it "
                "as --adapter"
            )
        file = find_adapter(spec)
        if "DoRA" in file.contents.method:
            raise AdapterError(f"adapter {file.path.name!r} is a DoRA, which is not merged: leave out --fuse")
        for name, update in fitting_updates(transformer, file).items():
            layer = transformer.get_submodule(name)
            _add(layer.weight, spec.scale * _change(update))
            if not isinstance(update, Kronecker) and update.bias is not None:
                if layer.bias is None:
                    layer.bias = nn.Parameter(layer.weight.new_zeros(layer.weight.shape[0]), False)
                _add(layer.bias, spec.scale * update.bias)


def _change(update: Update) -> Tensor:
    """(out, in), float32."""
    if isinstance(update, Kronecker):
        return torch.kron(update.left.float(), update.right.float())
    return update.B.float() @ update.A.float()


def _add(weight: Tensor, change: Tensor) -> None:
    weight.copy_(weight.float() + change.to(weight.device))
