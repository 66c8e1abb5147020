"""Devices, number formats, and the ways to fit a large model on a small card."""

from dataclasses import dataclass

import torch

from pixelsmile.editing.options import DTYPE_NAMES, OFFLOADS, QUANTIZATIONS, Offload, Quantization
from pixelsmile.errors import DeviceError, install

_BITSANDBYTES = "0.48"  # from here on, weights of 8 bits can leave the GPU

NEED_BITSANDBYTES: tuple[Quantization, ...] = ("8bit", "4bit")  # and with it a GPU
DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in DTYPE_NAMES}


@dataclass(frozen=True)
class Placement:
    """Where a model runs and in which numbers. quantization: of the transformer and the text encoder.

    "fp8": 8-bit floats with a scale for each row, turned back where they are used; on any device.
    """

    device: torch.device
    dtype: torch.dtype
    offload: Offload = "none"
    quantization: Quantization | None = None


def place(
    device: str | None = None,
    dtype: str | None = None,
    offload: str = "none",
    quantization: str | None = None,
) -> Placement:
    """The placement that was asked for, or what suits this machine: bfloat16 on a GPU, float32 on a CPU.

    DeviceError for what is unknown, or what this machine does not have.
    """
    chosen = _device(device)
    on_cpu = chosen.type == "cpu"
    name = dtype or ("float32" if on_cpu else "bfloat16")
    if name not in DTYPES:
        raise DeviceError(f"unknown dtype {dtype!r}: choose from {', '.join(DTYPES)}")
    if offload not in OFFLOADS:
        raise DeviceError(f"unknown offload {offload!r}: choose from {', '.join(OFFLOADS)}")
    if quantization is not None and quantization not in QUANTIZATIONS:
        raise DeviceError(f"unknown quantization {quantization!r}: choose from {', '.join(QUANTIZATIONS)}")
    if on_cpu and (offload != "none" or quantization in NEED_BITSANDBYTES):
        option = f"offload {offload!r}" if offload != "none" else f"quantization {quantization!r}"
        raise DeviceError(f"{option} needs a GPU, the device is {chosen}: leave it out")
    if quantization in NEED_BITSANDBYTES:
        _require_bitsandbytes(quantization)
    return Placement(chosen, DTYPES[name], offload, quantization)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"unknown device {name!r}: use cpu, cuda, cuda:1, ... or mps") from None
    if device.type == "cuda" and not (device.index or 0) < torch.cuda.device_count():
        raise DeviceError(
            f"no device {name!r}: this machine has {torch.cuda.device_count()} CUDA GPUs; use cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("no device 'mps' on this machine: use cpu")
    if device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"device {name!r} is not supported: use cpu, cuda, cuda:1, ... or mps")
    return device


def _require_bitsandbytes(quantization: str) -> None:
    from transformers.utils import is_bitsandbytes_available

    if not is_bitsandbytes_available(_BITSANDBYTES):
        raise DeviceError(
            f"quantization {quantization!r} needs bitsandbytes {_BITSANDBYTES} or newer: "
            f"{install('quantization')}"
        )
