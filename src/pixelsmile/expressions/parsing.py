"""From what a person types to expressions, blends and strengths.

A strength is the user's number, how strong an expression is: alpha in the paper, equation 5.
"""

import difflib
from collections.abc import Iterable, Mapping, Set
from numbers import Real

from pixelsmile.errors import ExpressionError, StrengthError
from pixelsmile.expressions.taxonomy import EXPRESSIONS, NEUTRAL, SYNONYMS

MAX_STRENGTH = 2.0


def parse_expression(text: str) -> str:
    """The expression that `text` names: one of EXPRESSIONS, or NEUTRAL.

    Case, surrounding space and synonyms do not matter (`Smile` is happy). Anything else is an
    ExpressionError that lists the nearest.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"an expression must be a name like 'happy', not {text!r}")
    word = text.strip().lower()
    if word in SYNONYMS:
        return SYNONYMS[word]
    raise ExpressionError(f"unknown expression {text!r}: {_suggestion(word)}")


def parse_blend(text: str) -> dict[str, float]:
    """The weights in `happy=0.6,surprised=0.4`, or {"happy": 1.0} for `happy`; in the order written.

    Each weight is a strength (0..2). ExpressionError for an expression given twice, also by a synonym, and
    where all weights are 0.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, has_weight, weight = part.partition("=")
        if not name.strip():
            raise ExpressionError(f"empty part in blend {text!r}: write it like happy=0.6,surprised=0.4")
        expression = parse_expression(name)
        if expression == NEUTRAL:
            raise ExpressionError(f"blend {text!r} contains neutral, where every blend starts: leave it out")
        if expression in weights:
            raise ExpressionError(f"blend {text!r} names {expression} twice: give it one weight")
        weights[expression] = parse_strength(weight, f"weight of {expression}") if has_weight else 1.0
    if not any(weights.values()):
        raise ExpressionError(f"all weights of blend {text!r} are 0, which is neutral: raise one of them")
    return weights


def format_blend(weights: dict[str, float]) -> str:
    """`weights` as `parse_blend` reads them."""
    return ",".join(f"{name}={weight:g}" for name, weight in weights.items())


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


def parse_strength(text: str, what: str = "strength") -> float:
    """The strength written in `text`, checked as `check_strength` does."""
    try:
        value = float(text)
    except ValueError:
        raise StrengthError(f"{what} {text!r} is not a number: use one from 0 to {MAX_STRENGTH:g}") from None
    return check_strength(value, what)


def _suggestion(word: str) -> str:
    nearest = difflib.get_close_matches(word, SYNONYMS, n=6, cutoff=0.6)
    names = list(dict.fromkeys(SYNONYMS[match] for match in nearest))[:3]
    if names:
        return f"did you mean {' or '.join(names)}?"
    return f"choose from {', '.join(EXPRESSIONS)}"


def _has_an_order(strengths: object) -> bool:
    """Whether it can be walked through; numpy's arrays of no dimension only look as if."""
    return isinstance(strengths, Iterable) and getattr(strengths, "ndim", 1) > 0
