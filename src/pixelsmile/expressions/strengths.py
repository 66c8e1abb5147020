"""The user's number: how strong an expression is (alpha in the paper, equation 5)."""

from collections.abc import Iterable, Mapping, Set
from numbers import Real

from pixelsmile.errors import StrengthError

MAX_STRENGTH = 2.0


def check_strength(strength: float, what: str = "strength") -> float:
    """`strength` as a float, if it is a finite number in 0..2; else StrengthError.

    0 is the neutral face, 1 the full expression, more is extrapolation (paper, section 4.1).
    """
    if isinstance(strength, bool) or not isinstance(strength, Real):  # numpy's numbers are Real, too
        raise StrengthError(f"{what} must be a number from 0 to {MAX_STRENGTH:g}, not {strength!r}")
    if not 0 <= strength <= MAX_STRENGTH:  # nor is NaN
        raise StrengthError(
            f"{what} {strength!r} is out of range: use 0 (neutral) through 1 (full) to {MAX_STRENGTH:g}"
        )
    return float(strength)


def check_strengths(strengths: Iterable[float]) -> tuple[float, ...]:
    """Every strength checked, in the given order: of a list, a tuple, a numpy array of one dimension.

    StrengthError for an empty one, for a number alone, and for what is no row of numbers at all.
    """
    if isinstance(strengths, Real) and not isinstance(strengths, bool):
        raise StrengthError(
            f"strengths must be a list of numbers, not {strengths!r} alone: write [{strengths}]"
        )
    if isinstance(strengths, str | bytes | Mapping | Set) or not _has_an_order(strengths):
        raise StrengthError(f"strengths must be a list of numbers, not {strengths!r}: write [0, 0.5, 1]")
    checked = tuple(check_strength(strength) for strength in strengths)
    if not checked:
        raise StrengthError("no strengths given: pass at least one, for example 1")
    return checked


def _has_an_order(strengths: object) -> bool:
    """Whether it can be walked through; numpy's arrays of no dimension only look as if."""
    return isinstance(strengths, Iterable) and getattr(strengths, "ndim", 1) > 0


def parse_strength(text: str, what: str = "strength") -> float:
    """The strength written in `text`, checked as `check_strength` does."""
    try:
        value = float(text)
    except ValueError:
        raise StrengthError(f"{what} {text!r} is not a number: use one from 0 to {MAX_STRENGTH:g}") from None
    return check_strength(value, what)
