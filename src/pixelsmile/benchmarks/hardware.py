"""The machine that a run was made on, as far as numbers may depend on it. Nothing in it names the machine."""

import os
import platform
import sys

from pydantic import JsonValue


def hardware() -> dict[str, JsonValue]:
    """System, processors that this process may use, memory in GB, and the GPUs where torch is loaded."""
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "num_processors": _num_processors(),
        "memory_gb": _memory_gb(),
        "gpus": _gpus(),
    }


def _num_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def _gpus() -> list[JsonValue]:
    torch = sys.modules.get("torch")  # loading it to look would take seconds
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
