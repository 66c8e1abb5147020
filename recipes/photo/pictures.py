"""The pictures that are fitted and measured on: a folder of somebody's, checked before the work."""

from pathlib import Path

from pixelsmile.errors import InputError


def pictures_in(folder: Path) -> list[Path]:
    """The JPEG files of a folder, sorted. InputError where there is none."""
    found = sorted(folder.glob("*.jpg")) if folder.is_dir() else []
    if not found:
        seen = "holds no *.jpg" if folder.is_dir() else "is no folder"
        raise InputError(f"{str(folder)!r} {seen}: name a folder with portraits")
    return found
