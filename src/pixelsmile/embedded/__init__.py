"""The weights that ship with the package, and where they lie.

Each path is that of a whole folder; ModelError where the installation lacks it.
"""

import json
from pathlib import Path
from typing import Any

from pixelsmile.errors import ModelError

_FOLDER = Path(__file__).parent
_NETWORK = ("config.json", "model.safetensors")
_PHOTO = ("detector-short", "detector-full", "landmarks", "blendshapes", "identity", "expressions")


def model_path() -> Path:
    """Of the embedded editor: a folder of diffusers."""
    return _whole("editor", "model", "model_index.json")


def detector_path() -> Path:
    """Of the detector of drawn faces."""
    return _whole("faces/detector", "detector", *_NETWORK)


def judge_path() -> Path:
    """Of the judge of drawn portraits."""
    return _whole("judge", "judge", "model.safetensors")


def features_path() -> Path:
    """Of the image encoder for drawn portraits."""
    return _whole("features", "image encoder", "model.safetensors")


def encoder_paths() -> tuple[Path, ...]:
    """Of the three identity encoders for drawn faces."""
    names = ("arcface", "adaface", "facenet")
    return tuple(_whole(f"faces/{name}", "identity encoder", *_NETWORK) for name in names)


def photo_path() -> Path:
    """Of the networks for photographs, ONNX."""
    return _whole("photo", "set of networks for photographs", *(f"{name}.onnx" for name in _PHOTO))


def photo_sources() -> dict[str, dict[str, Any]]:
    """Of each network for photographs: size, origin, licence, what it was trained on, hashes."""
    sources: dict[str, dict[str, Any]] = json.loads((photo_path() / "sources.json").read_bytes())
    return sources


def _whole(name: str, what: str, *files: str) -> Path:
    path = _FOLDER / name
    if not all((path / file).is_file() for file in files):
        raise ModelError(f"this installation lacks the embedded {what} ({path}): install pixelsmile again")
    return path
