"""The numbers that scripts are given: in their range, or one line that says which it is."""

import argparse
import math
from collections.abc import Callable


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
