"""The weights that ship with the package, and where they lie."""

import json
from pathlib import Path
from typing import Any

from pixelsmile.errors import ModelError

_FOLDER = Path(__file__).parent
_DETECTOR = _FOLDER / "faces" / "detector"


def model_path() -> Path:
    """The diffusers folder of the embedded editor; ModelError where the installation lacks it."""
    path = _FOLDER / "editor"
    if not (path / "model_index.json").is_file():
        raise ModelError(f"this installation lacks the embedded model ({path}): install pixelsmile again")
    return path


def has_detector() -> bool:
    """Whether this installation has the embedded face detector."""
    return all((_DETECTOR / name).is_file() for name in ("config.json", "model.safetensors"))


def detector_path() -> Path:
    """The folder of the embedded face detector; ModelError where the installation lacks it."""
    if not has_detector():
        raise ModelError(
            f"this installation lacks the embedded detector ({_DETECTOR}): install pixelsmile again"
        )
    return _DETECTOR


def judge_path() -> Path:
    """The folder of the embedded judge; ModelError where the installation lacks it."""
    path = _FOLDER / "judge"
    if not (path / "model.safetensors").is_file():
        raise ModelError(f"this installation lacks the embedded judge ({path}): install pixelsmile again")
    return path


def features_path() -> Path:
    """The folder of the embedded image encoder; ModelError where the installation lacks it."""
    path = _FOLDER / "features"
    if not (path / "model.safetensors").is_file():
        raise ModelError(
            f"this installation lacks the embedded image encoder ({path}): install pixelsmile again"
        )
    return path


def encoder_paths() -> tuple[Path, ...]:
    """The folders of the three embedded identity encoders; ModelError where the installation lacks one."""
    paths = tuple(_FOLDER / "faces" / name for name in ("arcface", "adaface", "facenet"))
    for path in paths:
        if not (path / "model.safetensors").is_file():
            raise ModelError(
                f"this installation lacks an embedded identity encoder ({path}): install pixelsmile again"
            )
    return paths


def photo_path() -> Path:
    """The folder of the networks for photographs; ModelError where the installation lacks one of them."""
    path = _FOLDER / "photo"
    for name in ("detector-short", "detector-full", "landmarks", "blendshapes", "identity", "expressions"):
        if not (path / f"{name}.onnx").is_file():
            raise ModelError(
                f"this installation lacks the networks for photographs ({path}): install pixelsmile again"
            )
    return path


def photo_sources() -> dict[str, dict[str, Any]]:
    """Of each network for photographs: size, origin, licence, what it was trained on, hashes."""
    sources: dict[str, dict[str, Any]] = json.loads((photo_path() / "sources.json").read_bytes())
    return sources
