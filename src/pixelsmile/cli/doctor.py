"""`pixelsmile doctor`: what this machine can run, what is missing, and what to type."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pixelsmile.cli.machine import Machine, look_at_machine
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.editing.folders import FULL_MODEL
from pixelsmile.editing.model_choice import FULL_MODEL_DOWNLOAD_GB, FULL_MODEL_MEMORY_GB, full_model_options

FACE_EXTRAS = ("onnx", "opencv-python-headless", "scikit-image")
_BROKEN = 1


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("doctor", "Say what this machine can run, what is missing, and what to type.", run)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(options: argparse.Namespace) -> int:
    """Print the findings; exit code 1 where not even the embedded model can run."""
    machine = look_at_machine()
    lines = advice(machine)
    if options.json:
        print(json.dumps({**asdict(machine), "ready": machine.ready, "advice": lines}))
    else:
        _print_findings(machine, lines)
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
            f"{FULL_MODEL_MEMORY_GB} GB for 16 bits, 14 GB for 4 bits with --offload model"
        ]
    memory_gb = max(gpu.memory_gb for gpu in machine.gpus)
    options = full_model_options(memory_gb)
    lines = [f"photographs by the paper's model, on this GPU: pixelsmile edit photo.jpg -e happy {options}"]
    if not machine.full_model_downloaded:
        lines.append(f"first download it ({FULL_MODEL_DOWNLOAD_GB} GB): hf download {FULL_MODEL}")
        if machine.disk_free_gb < FULL_MODEL_DOWNLOAD_GB:
            lines.append(
                f"that needs more disk: set HF_HOME to a place with {FULL_MODEL_DOWNLOAD_GB} GB free"
            )
    if "--quantization" in options and machine.extras["bitsandbytes"] is None:
        lines.append('for --quantization: pip install -c constraints.txt -e ".[quantization]"')
    return lines


def _faces_advice(machine: Machine) -> list[str]:
    missing = [name for name in FACE_EXTRAS if machine.extras[name] is None]
    if missing:
        command = 'pip install -c constraints.txt -e ".[faces]"'
        return [f"for other detectors and encoders of faces ({', '.join(missing)} missing): {command}"]
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
