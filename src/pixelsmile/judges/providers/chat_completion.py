"""The body of an answer of the chat completions protocol."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, JsonValue

from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.judges.budget import counted
from pixelsmile.judges.providers.provider import Fault, Reply
from pixelsmile.limits import validated

_TEXTS = ("text", "output_text")  # of parts; others are what the model thought, or a refusal


def read_completion(value: JsonValue, body: str) -> Reply:
    """The reply in the body of a chat completion. value: its JSON."""
    try:
        completion = validated(_Completion, value, "the answer")
    except PixelSmileError:
        return Reply("", body, None, "malformed", "the server's answer is no chat completion")
    usage = completion.usage
    tokens = counted(usage.get("total_tokens")) if isinstance(usage, dict) else None
    if not completion.choices:
        return Reply("", body, tokens, "empty", "the server's answer has no choices")
    choice = completion.choices[0]
    text = "".join(_texts(choice.message.content))
    fault, detail = _fault(choice, text)
    return Reply(text, body, tokens, fault, detail)


def _texts(content: JsonValue) -> Iterator[str]:
    """What is said: a text, or the texts among its parts."""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and part.get("type") in _TEXTS and isinstance(part.get("text"), str):
            yield str(part["text"])


def _fault(choice: "_Choice", text: str) -> tuple[Fault | None, str]:
    if choice.finish_reason == "content_filter":
        return "refused", "finish_reason content_filter"
    if refusal := choice.message.refusal or "".join(_refusals(choice.message.content)):
        return "refused", one_line(refusal)
    if choice.finish_reason == "length":
        return "malformed", "the answer was cut off: allow more --max-output-tokens"
    if text.strip():
        return None, ""
    if choice.message.reasoning_content or choice.message.reasoning:
        return "empty", "all is in the reasoning and nothing in the content: see how the server parses it"
    return "empty", "the message has no content"


def _refusals(content: JsonValue) -> Iterator[str]:
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict) and part.get("type") == "refusal":
            yield str(part.get("refusal"))


class _Message(BaseModel):
    content: JsonValue = None
    refusal: str | None = None
    reasoning_content: JsonValue = None
    reasoning: JsonValue = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    """What is needed of a chat completion; servers add fields of their own."""

    choices: list[_Choice]
    usage: Any = None
