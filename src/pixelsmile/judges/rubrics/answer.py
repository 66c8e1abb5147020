"""Reading an answer: lenient about the wrapping, strict about the content, and never a guess.

Accepted around the JSON object: white space, one Markdown fence with prose about it, and a leading
<think>...</think> block, as open reasoning models write it. Inside it every label must be there, once, and
nothing else; a score is a JSON number in [0, 1]. "0.8" is a string and not a number, 80 is not 0.8, and
"anger" is not a label: such an answer is malformed, and the judge is asked again.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from pydantic import JsonValue

from pixelsmile.expressions import EXPRESSIONS, JUDGE_LABELS, NEUTRAL

NEUTRAL_LABEL = "Neutral"

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*```[a-zA-Z]*[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_MAX_SEEN = 60  # characters of a wrong value in a message


class MalformedAnswerError(ValueError):
    """An answer that is not in the agreed form. The message says what is wrong with it."""


@dataclass(frozen=True)
class Answer:
    """What was read: a score in [0, 1] for each of EXPRESSIONS, and the dominant one (or "neutral")."""

    scores: Mapping[str, float]
    dominant: str


def read_answer(text: str) -> Answer:
    """The answer in `text`; MalformedAnswerError where it is not exactly that."""
    record = _object(_json(_unwrap(text)), "the answer", {"scores", "dominant"})
    labels = _object(record["scores"], "scores", set(JUDGE_LABELS))
    by_name = {JUDGE_LABELS[label]: _score(label, value) for label, value in labels.items()}
    return Answer({name: by_name[name] for name in EXPRESSIONS}, _dominant(record["dominant"]))


def _unwrap(text: str) -> str:
    text = _THOUGHT.sub("", text).strip()
    if text.startswith("{"):
        return text
    blocks = _FENCE.findall(text)
    if len(blocks) != 1:
        raise MalformedAnswerError(f"neither a JSON object nor one fenced block, but {_seen(text)}")
    return blocks[0]


def _json(text: str) -> JsonValue:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except MalformedAnswerError:
        raise
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError
        raise MalformedAnswerError(f"not JSON ({type(error).__name__}): {_seen(text)}") from None


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise MalformedAnswerError("a key stands there twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise MalformedAnswerError(f"{name} is not a number in JSON")


def _object(value: JsonValue, what: str, keys: set[str]) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise MalformedAnswerError(f"{what} is no object, but {_seen(value)}")
    if missing := sorted(keys - set(value)):
        raise MalformedAnswerError(f"{what} lacks {', '.join(missing)}")
    if unknown := sorted(set(value) - keys):
        raise MalformedAnswerError(f"{what} has the unknown key {_seen(unknown[0])}")
    return value


def _score(label: str, value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedAnswerError(f"the score of {label} is no number, but {_seen(value)}")
    if not 0 <= value <= 1 or not math.isfinite(value):
        raise MalformedAnswerError(f"the score of {label} is {_seen(value)}, not in 0 to 1")
    return float(value)


def _dominant(value: JsonValue) -> str:
    if value == NEUTRAL_LABEL:
        return NEUTRAL
    if not isinstance(value, str) or value not in JUDGE_LABELS:
        raise MalformedAnswerError(f"the dominant expression is no label, but {_seen(value)}")
    return JUDGE_LABELS[value]


def _seen(value: JsonValue) -> str:
    shown = repr(value) if isinstance(value, str) else f"{value!r}"
    return shown if len(shown) <= _MAX_SEEN else f"{shown[:_MAX_SEEN]}..."
