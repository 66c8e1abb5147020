"""The user's number: how strong an expression is (alpha in the paper, equation 5)."""

import math
from collections.abc import Iterable

from pixelsmile.errors import StrengthError

MAX_STRENGTH = 2.0


def check_strength(strength: float, what: str = "strength") -> float:
    """`strength` as a float, if it is a finite number in 0..2; else StrengthError.

    0 is the neutral face, 1 the full expression, more is extrapolation (paper, section 4.1).
    """
    if isinstance(strength, bool) or not isinstance(strength, (int, float)):
        raise StrengthError(f"{what} must be a number from 0 to {MAX_STRENGTH:g}, not {strength!r}")
    if not math.isfinite(strength) or not 0 <= strength <= MAX_STRENGTH:
        raise StrengthError(
            f"{what} {strength!r} is out of range: use 0 (neutral) through 1 (full) to {MAX_STRENGTH:g}"
        )
    return float(strength)


def check_strengths(strengths: Iterable[float]) -> tuple[float, ...]:
    """Every strength checked, in the given order; an empty sequence is a StrengthError."""
    checked = tuple(check_strength(strength) for strength in strengths)
    if not checked:
        raise StrengthError("no strengths given: pass at least one, for example 1")
    return checked


def parse_strength(text: str, what: str = "strength") -> float:
    """The strength written in `text`, checked as `check_strength` does."""
    try:
        value = float(text)
    except ValueError:
        raise StrengthError(f"{what} {text!r} is not a number: use one from 0 to {MAX_STRENGTH:g}") from None
    return check_strength(value, what)
