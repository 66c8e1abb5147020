"""A task for a model that sees pictures: the instructions, the form of its answer, and how that is read.

Reading is lenient about the wrapping, strict about the content, and never a guess. Around the JSON object may
stand what models put there: reasoning that ends with </think> (whether its beginning came or not), fences,
marks of a box, prose. There must be one object and not two. Inside it every key must be there, once, and
nothing else; a number is a JSON number: "0.8" is a string. Any other answer is malformed, and the judge is
asked again. All of it takes time in proportion to the text.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn

from pydantic import JsonValue

from pixelsmile.hashing import sha256_json
from pixelsmile.judges.judge import (
    Mark,
    Statistics,
    Verdict,
)
from pixelsmile.limits import MAX_DEPTH, shown
from pixelsmile.remote.answers import without_halves
from pixelsmile.remote.client import UnusableReplyError

# What stands before the last end is reasoning, and drafts in it are no answers.
_REASONING = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("◁think▷", "◁/think▷"),
)
# What stands inside is the answer, whatever is said about it.
_FRAMES = (("<|begin_of_box|>", "<|end_of_box|>"), ("<answer>", "</answer>"))
_SIGN = re.compile(r'[{}"]|\\.', re.DOTALL)
_MOST_BRACES = 64  # pairs of braces in an answer; prose has a few, {like this}


@dataclass(frozen=True)
class Rubric:
    """One version of a task. Whoever changes a word makes a new version: outcomes are kept by its hash.

    read: makes of what a model wrote an outcome of nobody's; UnusableReplyError where it is not in the
    agreed form.
    """

    version: str
    instructions: str
    answer_schema: Mapping[str, JsonValue]
    read: Callable[[str], Verdict | Mark | Statistics] = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """The hash of version, instructions and schema."""
        return sha256_json([self.version, self.instructions, dict(self.answer_schema)])

    def prompt(self, words: str = "") -> str:
        """What is said after the pictures: the instructions, then the question's words, if it has any.

        The words are a stranger's: in quotes, with those in them escaped, they cannot pass for ours.
        """
        return (
            f"{self.instructions}\n\n{json.dumps(words, ensure_ascii=False)}" if words else self.instructions
        )


def read_object(text: str) -> JsonValue:
    """The one JSON object in an answer."""
    text = _framed(_after_reasoning(text))
    found: list[JsonValue] = []
    fault = f"no JSON object in {shown(text)}"
    for written in map(without_halves, _in_braces(text)):
        try:
            found.append(json.loads(written, object_pairs_hook=_once, parse_constant=_no_constant))
        except UnusableReplyError:
            raise
        except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError
            fault = f"not JSON ({type(error).__name__}): {shown(written)}"
        if len(found) > 1:
            raise UnusableReplyError(f"more than one JSON object in {shown(text)}")
    if not found:
        raise UnusableReplyError(fault)
    return found[0]


def require_object(value: JsonValue, what: str, keys: set[str]) -> dict[str, JsonValue]:
    """`value`, if it is an object with just these keys."""
    if not isinstance(value, dict):
        raise UnusableReplyError(f"{what} is no object, but {shown(value)}")
    if missing := sorted(keys - set(value)):
        raise UnusableReplyError(f"{what} lacks {', '.join(missing)}")
    if unknown := sorted(set(value) - keys):
        raise UnusableReplyError(f"{what} has the unknown key {shown(unknown[0])}")
    return value


def require_number(value: JsonValue, what: str, highest: float) -> float:
    """`value`, if it is a number from 0 to `highest`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableReplyError(f"{what} is no number, but {shown(value)}")
    if not 0 <= value <= highest or not math.isfinite(value):
        raise UnusableReplyError(f"{what} is {shown(value)}, not in 0 to {highest:g}")
    return float(value)


def _after_reasoning(text: str) -> str:
    for begin, end in _REASONING:
        text = text.rpartition(end)[2]
        if begin in text:
            raise UnusableReplyError(f"the reasoning has no end ({begin}): allow more --max-output-tokens")
    return text


def _framed(text: str) -> str:
    for begin, end in _FRAMES:
        _, mark, rest = text.rpartition(begin)
        if mark:
            text = rest.partition(end)[0]
    return text


def _in_braces(text: str) -> Iterator[str]:
    """What stands in outermost braces."""
    begin = text.find("{")
    for _ in range(_MOST_BRACES):
        if begin < 0:
            return
        end = _end_of_braces(text, begin)
        yield text[begin:end]
        begin = text.find("{", end)
    raise UnusableReplyError(f"more than {_MOST_BRACES} pairs of braces in {shown(text)}")


def _end_of_braces(text: str, begin: int) -> int:
    """Where the brace at `begin` is closed; braces in JSON strings do not count."""
    depth, in_string = 0, False
    for match in _SIGN.finditer(text, begin):
        match match[0]:
            case '"':
                in_string = not in_string
            case "{" if not in_string:
                depth += 1
                if depth > MAX_DEPTH:
                    break
            case "}" if not in_string:
                depth -= 1
                if depth == 0:
                    return match.end()
    raise UnusableReplyError(f"not JSON (a brace is not closed, or too many): {shown(text[begin:])}")


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise UnusableReplyError("a key stands there twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise UnusableReplyError(f"{name} is not a number in JSON")
