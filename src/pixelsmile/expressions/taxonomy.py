"""The expressions that this project knows, their names in the field, and the prompts that ask for them.

Sources: the twelve categories and their order, PixelSmile's published adapter; the judge's labels, its
benchmark prompts; the basic six, Ekman (1992); the seven classes, FED-Bench; the confusing pairs, PixelSmile
sections 1, 3.2 and 4.2 (the paper names two, its full list is not published); the prompts, the published
adapter.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from pixelsmile.errors import ExpressionError

Domain = Literal["human", "anime"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)

NEUTRAL = "neutral"


@dataclass(frozen=True)
class Expression:
    """One of the twelve categories: its name, the judge's label, and what else people call it."""

    name: str
    judge_label: str
    synonyms: tuple[str, ...]


TAXONOMY: tuple[Expression, ...] = (
    Expression("angry", "Anger", ("anger", "mad", "furious", "rage", "annoyed", "irritated")),
    Expression("confused", "Confusion", ("confusion", "puzzled", "perplexed", "baffled")),
    Expression("contempt", "Contempt", ("contemptuous", "scorn", "scornful", "disdain", "sneer", "smug")),
    Expression("confident", "Confidence", ("confidence", "assured", "proud", "pride")),
    Expression("disgust", "Disgust", ("disgusted", "revulsion", "grossed")),
    Expression("fear", "Fear", ("afraid", "fearful", "scared", "frightened", "terrified", "terror")),
    Expression("happy", "Happiness", ("happiness", "smile", "smiling", "joy", "joyful", "glad", "cheerful")),
    Expression("sad", "Sadness", ("sadness", "unhappy", "sorrow", "sorrowful", "crying", "gloomy")),
    Expression("shy", "Embarrassment", ("shyness", "embarrassed", "embarrassment", "bashful", "blushing")),
    Expression("sleepy", "Drowsiness", ("drowsy", "drowsiness", "tired", "sleep", "exhausted", "weary")),
    Expression("surprised", "Surprise", ("surprise", "astonished", "amazed", "shocked", "startled")),
    Expression("anxious", "Nervousness", ("anxiety", "nervous", "nervousness", "worried", "worry", "uneasy")),
)

EXPRESSIONS: tuple[str, ...] = tuple(expression.name for expression in TAXONOMY)

BASIC_SIX: tuple[str, ...] = ("happy", "sad", "angry", "fear", "surprised", "disgust")

CONFUSING_PAIRS: tuple[tuple[str, str], ...] = (("fear", "surprised"), ("angry", "disgust"))

JUDGE_LABELS: dict[str, str] = {expression.judge_label: expression.name for expression in TAXONOMY}

# FED-Bench's class names, and what they are called here.
FED_BENCH_CLASSES: dict[str, str] = {
    "happy": "happy",
    "neutral": NEUTRAL,
    "sad": "sad",
    "angry": "angry",
    "surprise": "surprised",
    "fear": "fear",
    "disgust": "disgust",
}

SYNONYMS: dict[str, str] = {
    NEUTRAL: NEUTRAL,
    "calm": NEUTRAL,
    "relaxed": NEUTRAL,
    "expressionless": NEUTRAL,
    **{synonym: expression.name for expression in TAXONOMY for synonym in expression.synonyms},
    **{label.lower(): name for label, name in JUDGE_LABELS.items()},
    **{name: name for name in EXPRESSIONS},
}


def confusing_partner(expression: str) -> str | None:
    """The other half of the confusing pair that `expression` belongs to, or None."""
    for a, b in CONFUSING_PAIRS:
        if expression in (a, b):
            return b if expression == a else a
    return None


_SUBJECTS: dict[Domain, str] = {"human": "person", "anime": "character"}


def target_prompt(expression: str, domain: Domain = "human") -> str:
    """`Edit the person to show a happy expression`; `character` takes the place of `person` for anime."""
    if domain not in _SUBJECTS:
        raise ExpressionError(f"unknown domain {domain!r}: choose from {', '.join(DOMAINS)}")
    return f"Edit the {_SUBJECTS[domain]} to show a {expression} expression"


def neutral_prompt(domain: Domain = "human") -> str:
    """The prompt at strength 0: where every direction starts (paper, equation 4)."""
    return target_prompt(NEUTRAL, domain)
