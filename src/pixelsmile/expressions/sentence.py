"""What a sentence asks a face to show: `Make her smile a little` is happy at 0.5.

Read are sentences that name one expression, by its name or a synonym, and may say how strongly, in a word
beside it. A sentence that names several, or says what is not wanted, is refused, never guessed at: the
refusal says how to ask without words. One that names none is somebody else's matter.
"""

import re
from dataclasses import dataclass

from pixelsmile.errors import ExpressionError
from pixelsmile.expressions.taxonomy import NEUTRAL, SYNONYMS
from pixelsmile.limits import shown

MAX_SENTENCE = 32_000  # characters, as OpenAI takes them

# A strength for each word or pair of words right before the expression, or right after it.
ADVERBS = {
    **dict.fromkeys(("barely", "faint", "faintly"), 0.25),
    **dict.fromkeys(("slight", "slightly", "subtle", "subtly", "gentle", "gently", "a little", "a bit"), 0.5),
    **dict.fromkeys(("very", "really", "strongly"), 1.25),
    **dict.fromkeys(("extremely", "extreme"), 1.5),
}
_NEGATIONS = frozenset(
    (
        "no",
        "not",
        "never",
        "without",
        "less",
        "stop",
        "instead",
        "remove",
        "don't",
        "dont",
        "doesn't",
        "isn't",
    )
)


@dataclass(frozen=True)
class Wish:
    """An expression, or neutral, and how strongly, where the sentence says so."""

    expression: str
    strength: float | None = None


def read_sentence(text: str) -> Wish | None:
    """The expression that a sentence asks for; None where it names none.

    ExpressionError for a sentence of several expressions or with a negation beside one, or too long a text.
    """
    if len(text) > MAX_SENTENCE:
        raise ExpressionError(f"the prompt has {len(text):,} characters, at most {MAX_SENTENCE:,} are read")
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text.lower().replace("’", "'"))
    places = [place for place, word in enumerate(words) if word in SYNONYMS]
    named = dict.fromkeys(SYNONYMS[words[place]] for place in places)
    if not named:
        return None
    if len(named) > 1:
        mixed = [name for name in named if name != NEUTRAL]
        blend = ",".join(f"{name}={1 / len(mixed):.2g}" for name in mixed)
        how = f"blend={blend} mixes them, " if len(mixed) > 1 else ""
        raise ExpressionError(
            f"the prompt {shown(text)} names {' and '.join(named)}: {how}expression={mixed[0]} takes one"
        )
    (expression,) = named
    if denied := [word for word in words if word in _NEGATIONS]:
        raise ExpressionError(
            f"the prompt {shown(text)} says {denied[0]!r}, and what is not wanted is not read: say what is, "
            f"or give expression={expression}"
        )
    return Wish(expression, _strength(words, places))


def _strength(words: list[str], places: list[int]) -> float | None:
    """The first strength that stands beside one of the places."""
    for place in places:
        for beside in (
            words[:place][-1:],
            words[:place][-2:],
            words[place + 1 :][:1],
            words[place + 1 :][:2],
        ):
            if (strength := ADVERBS.get(" ".join(beside))) is not None:
                return strength
    return None
