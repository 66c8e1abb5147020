"""The weights that ship with the package, and where they lie."""

from pathlib import Path

from pixelsmile.errors import ModelError

_FOLDER = Path(__file__).parent


def model_path() -> Path:
    """The diffusers folder of the embedded editor; ModelError where the installation lacks it."""
    path = _FOLDER / "editor"
    if not (path / "model_index.json").is_file():
        raise ModelError(f"this installation lacks the embedded model ({path}): install pixelsmile again")
    return path
