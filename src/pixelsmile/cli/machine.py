"""The machine as `doctor` reports it. Nothing here raises: it says what is broken."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.editing.folders import FULL_MODEL, check_folder, read_options
from pixelsmile.editing.model_choice import is_downloaded
from pixelsmile.embedded import model_path
from pixelsmile.errors import ModelError
from pixelsmile.version import __version__

# distribution: module
_LIBRARIES = {
    "torch": "torch",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "peft": "peft",
    "accelerate": "accelerate",
    "pillow": "PIL",
    "skia-python": "skia",
    "onnxruntime": "onnxruntime",
}
_EXTRAS = {
    "av": "av",
    "bitsandbytes": "bitsandbytes",
    "onnx": "onnx",
    "opencv-python-headless": "cv2",
    "scikit-image": "skimage",
}
_LIGHT = ("torch", "pillow", "skia-python")  # imported to see that they load; the others are only looked up


@dataclass(frozen=True)
class Gpu:
    """A CUDA device."""

    name: str
    memory_gb: float


@dataclass(frozen=True)
class Machine:
    """What is here. A library without a version is missing, or cannot be imported.

    embedded_adapters: the domains that the embedded model has an adapter for.
    """

    pixelsmile: str
    python: str
    platform: str
    libraries: dict[str, str | None]
    extras: dict[str, str | None]
    num_cores: int
    memory_gb: float | None
    gpus: tuple[Gpu, ...]
    hub_cache: str
    disk_free_gb: float
    embedded_ready: bool
    embedded_adapters: tuple[str, ...]
    full_model_downloaded: bool

    @property
    def ready(self) -> bool:
        """Whether the embedded model can run."""
        return self.embedded_ready and all(self.libraries.values())


def look_at_machine() -> Machine:
    """The machine and installation that this runs on."""
    providers = importlib.metadata.packages_distributions()
    libraries = {name: _version(name, module, providers) for name, module in _LIBRARIES.items()}
    cache, embedded_ready = _hub_cache(), _embedded_ready()
    return Machine(
        pixelsmile=__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        libraries=libraries,
        extras={name: _version(name, module, providers) for name, module in _EXTRAS.items()},
        num_cores=_num_cores(),
        memory_gb=_memory_gb(),
        gpus=_gpus() if libraries["torch"] else (),
        hub_cache=str(cache),
        disk_free_gb=shutil.disk_usage(_existing(cache)).free / 1e9,
        embedded_ready=embedded_ready,
        embedded_adapters=_embedded_adapters() if embedded_ready else (),
        full_model_downloaded=libraries["diffusers"] is not None and is_downloaded(FULL_MODEL),
    )


def _version(name: str, module: str, providers: Mapping[str, Sequence[str]]) -> str | None:
    """The version of a module, whichever distribution brings it: onnxruntime is onnxruntime-gpu's too."""
    try:
        if name in _LIGHT:
            importlib.import_module(module)
        elif importlib.util.find_spec(module) is None:
            return None
        provider = next(iter(providers.get(module, ())), name)
        return importlib.metadata.version(provider)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
    except (ImportError, OSError, RuntimeError):  # absent, or a shared library that does not load
        return None


def _gpus() -> tuple[Gpu, ...]:
    import torch

    if not torch.cuda.is_available():
        return ()
    devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return tuple(Gpu(device.name, device.total_memory / 1e9) for device in devices)


def _num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, OSError, ValueError):  # Windows
        return None


def _hub_cache() -> Path:
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return Path(os.path.expanduser("~"))
    return Path(HF_HUB_CACHE)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _embedded_ready() -> bool:
    try:
        check_folder(model_path())
    except ModelError:
        return False
    return True


def _embedded_adapters() -> tuple[str, ...]:
    try:
        return tuple(read_options(model_path()).adapters)
    except ModelError:
        return ()
