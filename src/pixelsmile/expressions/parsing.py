"""From what a person types to the names of the taxonomy."""

import difflib

from pixelsmile.errors import ExpressionError
from pixelsmile.expressions.strengths import parse_strength
from pixelsmile.expressions.taxonomy import EXPRESSIONS, NEUTRAL, SYNONYMS


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


def _suggestion(word: str) -> str:
    nearest = difflib.get_close_matches(word, SYNONYMS, n=6, cutoff=0.6)
    names = list(dict.fromkeys(SYNONYMS[match] for match in nearest))[:3]
    if names:
        return f"did you mean {' or '.join(names)}?"
    return f"choose from {', '.join(EXPRESSIONS)}"
