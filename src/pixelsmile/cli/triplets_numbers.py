"""Numbers from 0 to 1 as arguments of `pixelsmile triplets`."""

import math
from collections.abc import Callable

from pixelsmile.errors import InputError


def share(what: str) -> Callable[[str], float]:
    """An argparse type: a number from 0 to 1, or an InputError."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 <= number <= 1:
            raise InputError(f"{what} {text!r} is no number from 0 to 1: use for example 0.5")
        return number

    return parse
