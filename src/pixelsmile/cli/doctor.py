"""`pixelsmile doctor`: what this machine can run, what is missing, and what to type."""

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pixelsmile.cli.display import print_json
from pixelsmile.cli.options import add_json
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.editing.folders import FULL_MODEL, check_folder, read_options
from pixelsmile.editing.memory import CardRow, card_rows, edit_memory, least_gb
from pixelsmile.editing.model_choice import (
    FULL_MODEL_DOWNLOAD_GB,
    FULL_MODEL_MEMORY_GB,
    full_model_options,
    is_downloaded,
)
from pixelsmile.editing.options import Quantization
from pixelsmile.embedded import model_path
from pixelsmile.errors import ModelError, install
from pixelsmile.training.step_memory import least_checkpointed, training_way
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
    "gguf": "gguf",
    "onnx": "onnx",
    "opencv-python-headless": "cv2",
    "scikit-image": "skimage",
}
_LIGHT = ("torch", "pillow", "skia-python")  # imported to see that they load; the others are only looked up
FACE_EXTRAS = ("onnx", "opencv-python-headless", "scikit-image")
_BROKEN = 1
_TEXT_BITS: tuple[Quantization | None, ...] = (None, "fp8", "4bit")


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


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("doctor", "Say what this machine can run, what is missing, and what to type.", run)
    parser.add_argument(
        "--cards",
        action="store_true",
        help="also a table: which card runs the paper's model, with which options, at which size and batch",
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Print the findings; exit code 1 where not even the embedded model can run."""
    machine = look_at_machine()
    lines = advice(machine)
    if options.json:
        cards = {"cards": [_card_record(row) for row in card_rows()]} if options.cards else {}
        print_json({**asdict(machine), "ready": machine.ready, "advice": lines, **cards})
    else:
        _print_findings(machine, lines)
        if options.cards:
            _print_cards()
    return 0 if machine.ready else _BROKEN


def _print_findings(machine: Machine, lines: Sequence[str]) -> None:
    rows = [
        ("pixelsmile", machine.pixelsmile),
        ("python", f"{machine.python} on {machine.platform}"),
        ("libraries", _versions(machine.libraries, "MISSING")),
        ("extras", _versions(machine.extras, "not installed")),
        ("processor", f"{machine.num_cores} cores, {_gb(machine.memory_gb)} memory"),
        ("gpu", "; ".join(f"{gpu.name}, {_gb(gpu.memory_gb)}" for gpu in machine.gpus) or "none found"),
        ("disk", f"{_gb(machine.disk_free_gb)} free for models ({machine.hub_cache})"),
        ("models", "geometric: ready"),
        ("", f"embedded: {_embedded(machine)}"),
        ("", f"{FULL_MODEL}: {'downloaded' if machine.full_model_downloaded else 'not downloaded'}"),
    ]
    for name, text in rows:
        print(f"{name:<11} {text}")
    print()
    for line in lines:
        print(f"- {line}")


def _print_cards() -> None:
    """The table of `memory.card_rows`, with the words that make it right to read."""
    print(
        f"\n{FULL_MODEL} in 16 bits unless the options say otherwise, computed from its shapes, not measured:"
    )
    print(
        f"{'card':>7}  {'options':<35} {'one picture of':>14}  {'largest, one at':>15}  {'at once,':>8}  "
        f"{'training: base,':<16}  {'blocks checkpointed':<19}"
    )
    print(
        f"{'':>7}  {'':<35} {'512 px takes':>14}  {'a time':>15}  {'512 px':>8}  {'triplets at once':<16}  "
        "with one triplet"
    )
    for row in card_rows():
        base, batch_size = training_way(row.memory_gb)
        training = f"{base}, {batch_size}" if batch_size else base
        checkpointed = least_checkpointed(row.memory_gb)
        print(
            f"{row.card_gb:>4} GB  {row.options:<35} {row.total_gb:>11.1f} GB  {row.size_px:>12} px  "
            f"{row.batch_size:>8}  {training:<16}  {'' if checkpointed is None else checkpointed}".rstrip()
        )
    print(_file_line())


def _card_record(row: CardRow) -> dict[str, Any]:
    base, batch_size = training_way(row.memory_gb)
    return {
        **asdict(row),
        "training_base": base,
        "training_batch_size": batch_size,
        "training_checkpointed": least_checkpointed(row.memory_gb),
    }


def _file_line() -> str:
    """What a transformer in a file takes, and its text encoder, which is on the card before it."""
    beside_gb = edit_memory(offload="model", transformer_gb=100).total - 100
    whole, fp8, four = (
        edit_memory(offload="model", transformer_gb=0, quantization=bits).total for bits in _TEXT_BITS
    )
    return (
        f"a transformer in a file of F GB (GGUF), with --offload model: F + {beside_gb:.1f} GB, and no less\n"
        f"than the text encoder: {whole:.1f} GB, {fp8:.1f} with --quantization fp8, {four:.1f} with 4bit"
    )


def advice(machine: Machine) -> list[str]:
    """What to type on that machine, one line each."""
    missing = [name for name, version in machine.libraries.items() if version is None]
    if missing:
        return [
            f"{', '.join(missing)} missing or broken: pip install -c constraints.txt -e . (or: make venv)"
        ]
    if not machine.embedded_ready:
        return ["the embedded model is missing from this installation: install pixelsmile again"]
    return [
        "photographs run here, by the geometric model: pixelsmile edit photo.jpg -e happy --grid",
        "drawn portraits run here, by the embedded model: pixelsmile edit face.png -e happy --grid",
        *_full_model_advice(machine),
        *_faces_advice(machine),
    ]


def _full_model_advice(machine: Machine) -> list[str]:
    if not machine.gpus:
        return [
            f"the paper's model, {FULL_MODEL}, needs a CUDA GPU, which was not found: "
            f"{FULL_MODEL_MEMORY_GB} GB for 16 bits, {least_gb('4bit', 'model')} GB for 4 bits with "
            "--offload model (pixelsmile doctor --cards)"
        ]
    memory_gb = max(gpu.memory_gb for gpu in machine.gpus)
    options = full_model_options(memory_gb)
    lines = [f"photographs by the paper's model, on this GPU: pixelsmile edit photo.jpg -e happy {options}"]
    if not machine.full_model_downloaded:
        lines.append(
            f"first download it ({FULL_MODEL_DOWNLOAD_GB} GB): pixelsmile models fetch qwen-image-edit-2511"
        )
        if machine.disk_free_gb < FULL_MODEL_DOWNLOAD_GB:
            lines.append(
                f"that needs more disk: set HF_HOME to a place with {FULL_MODEL_DOWNLOAD_GB} GB free"
            )
    if "bit" in options and machine.extras["bitsandbytes"] is None:
        lines.append(f"for --quantization: {install('quantization')}")
    return lines


def _faces_advice(machine: Machine) -> list[str]:
    missing = [name for name in FACE_EXTRAS if machine.extras[name] is None]
    if missing:
        return [
            f"for other detectors and encoders of faces ({', '.join(missing)} missing): {install('faces')}"
        ]
    return ["weights of other detectors and encoders of faces: pixelsmile models list"]


def _embedded(machine: Machine) -> str:
    if not machine.embedded_ready:
        return "MISSING"
    if not machine.embedded_adapters:
        return "ready, without adapters"
    return f"ready, with adapters for {' and '.join(machine.embedded_adapters)}"


def _versions(libraries: Mapping[str, str | None], absent: str) -> str:
    return ", ".join(f"{name} {version or absent}" for name, version in libraries.items())


def _gb(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.0f} GB"


def look_at_machine() -> Machine:
    """The machine and installation that this runs on."""
    providers = importlib.metadata.packages_distributions()
    libraries = {name: _version(name, module, providers) for name, module in _LIBRARIES.items()}
    cache, adapters = _hub_cache(), _embedded_adapters()
    disk = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
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
        disk_free_gb=shutil.disk_usage(disk).free / 1e9,
        embedded_ready=adapters is not None,
        embedded_adapters=adapters or (),
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


def _embedded_adapters() -> tuple[str, ...] | None:
    """The domains that the embedded model has adapters for; None where it cannot run."""
    try:
        check_folder(model_path())
        return tuple(read_options(model_path()).adapters)
    except ModelError:
        return None
