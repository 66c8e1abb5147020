"""Reading an answer: lenient about the wrapping, strict about the content, and never a guess.

Accepted around the JSON object: white space, one Markdown fence with prose about it, and a leading
<think>...</think> block, as open reasoning models write it. Inside it every key must be there, once, and
nothing else; a number is a JSON number: "0.8" is a string. Any other answer is malformed, and the judge is
asked again.
"""

import json
import math
import re
from typing import NoReturn, Protocol

from pydantic import JsonValue

from pixelsmile.judges.verdict import Outcome

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*```[a-zA-Z]*[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_MAX_SEEN = 60  # characters of a wrong value in a message


class MalformedAnswerError(ValueError):
    """An answer that is not in the agreed form. The message says what is wrong with it."""


class ReadAnswer(Protocol):
    """What was read of an answer."""

    def outcome(self, judge: str, transcript: tuple[str, ...]) -> Outcome:
        """The same as the outcome of that judge."""


def read_json(text: str) -> JsonValue:
    """The JSON in an answer."""
    text = _unwrap(text)
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except MalformedAnswerError:
        raise
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError
        raise MalformedAnswerError(f"not JSON ({type(error).__name__}): {seen(text)}") from None


def require_object(value: JsonValue, what: str, keys: set[str]) -> dict[str, JsonValue]:
    """`value`, if it is an object with just these keys."""
    if not isinstance(value, dict):
        raise MalformedAnswerError(f"{what} is no object, but {seen(value)}")
    if missing := sorted(keys - set(value)):
        raise MalformedAnswerError(f"{what} lacks {', '.join(missing)}")
    if unknown := sorted(set(value) - keys):
        raise MalformedAnswerError(f"{what} has the unknown key {seen(unknown[0])}")
    return value


def require_number(value: JsonValue, what: str, highest: float) -> float:
    """`value`, if it is a number from 0 to `highest`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedAnswerError(f"{what} is no number, but {seen(value)}")
    if not 0 <= value <= highest or not math.isfinite(value):
        raise MalformedAnswerError(f"{what} is {seen(value)}, not in 0 to {highest:g}")
    return float(value)


def seen(value: JsonValue) -> str:
    """A wrong value, short enough for a message."""
    shown = repr(value)
    return shown if len(shown) <= _MAX_SEEN else f"{shown[:_MAX_SEEN]}..."


def _unwrap(text: str) -> str:
    text = _THOUGHT.sub("", text).strip()
    if text.startswith("{"):
        return text
    blocks = _FENCE.findall(text)
    if len(blocks) != 1:
        raise MalformedAnswerError(f"neither a JSON object nor one fenced block, but {seen(text)}")
    return blocks[0]


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise MalformedAnswerError("a key stands there twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise MalformedAnswerError(f"{name} is not a number in JSON")
