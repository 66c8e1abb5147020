"""What scripts are given: numbers in their range, files that can be written; or one line that says which."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image


def whole(least: int = 1) -> Callable[[str], int]:
    """An argparse type: a whole number from `least` on."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return number

    return read


def real(least: float = 0.0, most: float = math.inf) -> Callable[[str], float]:
    """An argparse type: a finite number from `least` to `most`."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and least <= number <= most):
            top = "" if most == math.inf else f" to {most:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least:g}{top or ' on'}")
        return number

    return read


def picture_file(text: str) -> Path:
    """An argparse type: a file for a picture, in a folder that is there."""
    file = Path(text)
    if Image.registered_extensions().get(file.suffix.lower()) not in Image.SAVE:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a picture: try one like sheet.png")
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(file.parent)!r}: make it first")
    return file
