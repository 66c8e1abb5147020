"""Errors of servers: with their status, or inside an answer that says 200, and what follows from them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.judges.keys import ApiKey
from pixelsmile.judges.providers.connection import Answer
from pixelsmile.judges.providers.provider import Failure, Refused
from pixelsmile.judges.retry import is_retried, retry_after_s, retry_info_s
from pixelsmile.judges.rubrics.reading import without_halves
from pixelsmile.limits import parse_json

BAD_REQUEST = (400, 422)  # what servers say to a parameter that they do not know, among other things
NOT_FOUND = 404
_ABOUT_THE_QUESTION = (400, 413, 415, 422)
_MAY_BE_THE_PICTURE = (*_ABOUT_THE_QUESTION, 403, 451)
_SERVER_ERROR, _LAST_STATUS = 500, 599
# By what codes and messages say that it is the picture (DashScope, OpenAI, Azure, Gemini, OpenRouter).
_PICTURE = re.compile(
    r"data.?inspection|content.?(?:filter|policy|management)|responsibleai|moderation|flagged|inappropriate"
    r"|unable to process (?:the )?input image|invalid.image|image.parse|(?:unsupported|process) image",
    re.IGNORECASE,
)
_TOO_MANY = re.compile(r"rate.?limit|too many requests|resource.?exhausted|quota", re.IGNORECASE)
_NO_CREDIT = "insufficient_quota"  # with status 429, and no wait helps
_TOO_LONG = re.compile(
    r"context.?(?:length|window|size)|maximum (?:input|prompt|model) ?(?:length|len)|max_model_len"
    r"|(?:prompt|input|request|payload|body)(?: \w+){0,3} too (?:long|large|big)|token count .{0,40}exceeds",
    re.IGNORECASE,
)
_TOO_LARGE = 413
_MAX_SHOWN = 200  # characters of a server's message


@dataclass(frozen=True)
class ServerError:
    """What went wrong. status: of HTTP, or what the error says in its place. param: what it is about."""

    status: int
    message: str
    code: str = ""
    param: str = ""
    wait_s: float | None = None
    num_tokens: int | None = 0

    def failure(self, advice: str) -> Failure:
        """What follows: asking again, leaving the question, or the end. advice: for the latter two."""
        detail = f"{self.status}: {self.message}"
        if is_retried(self.status) and self.code != _NO_CREDIT:
            return Failure(detail, server_wait_s=self.wait_s, num_tokens=self.num_tokens)
        refused = self.refused
        return Failure(
            detail, stops=refused is None, refused=refused, advice=advice, num_tokens=self.num_tokens
        )

    @property
    def is_too_large(self) -> bool:
        """Whether the request was more than the server or the model takes."""
        in_words = self.status in _ABOUT_THE_QUESTION and _TOO_LONG.search(f"{self.code} {self.message}")
        return self.status == _TOO_LARGE or bool(in_words)

    def advice(self, key: ApiKey | None) -> str:
        """What to do about what asking again does not mend. key: that was sent."""
        if self.is_too_large:
            return "ask for less: smaller pictures with --max-side 512, or fewer --max-output-tokens"
        source = f"from {key.source}" if key else "none was sent: name its variable with --key-env"
        return f"check the key ({source}), the model's name, the address and the parameters"

    @property
    def refused(self) -> Refused | None:
        """What was not taken; None where no question would be."""
        if self.status in _MAY_BE_THE_PICTURE and _PICTURE.search(f"{self.code} {self.message}"):
            return "picture"
        return "request" if self.status in _ABOUT_THE_QUESTION else None


def error_of(answer: Answer, value: JsonValue) -> ServerError | None:
    """The error that an answer is, or holds although it says 200; None for none. value: of `parse_body`."""
    said = next(_errors_in(value, is_ok=answer.is_ok), None)
    if answer.is_ok and said is None:
        return None
    said = said or {}
    message = _message(said) or _shortened(answer.body) or "no message"
    names = [_text(said.get(field)) for field in ("code", "type", "status")]
    code = next((name for name in names if name and not name.isdigit()), "")
    wait_s = retry_info_s(said)
    return ServerError(
        _status_in(said, " ".join((*names, message))) if answer.is_ok else answer.status,
        message,
        code,
        _text(said.get("param")),
        retry_after_s(answer.headers) if wait_s is None else wait_s,
        None if answer.is_ok and _has_choices(value) else 0,
    )


def parse_body(body: str) -> JsonValue:
    """The JSON of an answer, with U+FFFD for halves of pairs; None where it is none, or too deep."""
    try:
        value: JsonValue = parse_json(without_halves(body), "the answer")
    except PixelSmileError:
        return None
    return value[0] if isinstance(value, list) and len(value) == 1 else value  # Gemini's errors may be in one


def _errors_in(value: JsonValue, *, is_ok: bool) -> Iterator[Mapping[str, JsonValue]]:
    """Where servers put an error: at the top, in the first choice, or they are one themselves."""
    if not isinstance(value, dict):
        return
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    for holder in (value, first):
        if isinstance(holder, dict) and (error := holder.get("error")):
            yield error if isinstance(error, dict) else {"message": _text(error)}
    if isinstance(first, dict) and first.get("finish_reason") == "error":
        yield {"message": "finish_reason error"}
    is_error = "error" in (value.get("object"), value.get("type"))
    if not is_ok or is_error or (not first and {"code", "message"} <= value.keys()):
        yield value


def _message(said: Mapping[str, JsonValue]) -> str:
    words = _text(said.get("message")) or _text(said.get("detail")) or _text(said.get("status"))
    metadata = said.get("metadata")  # of gateways: what the server behind them said
    raw = _text(metadata.get("raw")) if isinstance(metadata, dict) else ""
    return _shortened(f"{words} ({raw})" if raw else words)


def _status_in(said: Mapping[str, JsonValue], words: str) -> int:
    """The status that an error names; a server's own fault where it names none."""
    for name in ("code", "status", "status_code"):
        text = _text(said.get(name))
        if text.isascii() and text.isdigit() and len(text) == 3 and 400 <= int(text) <= _LAST_STATUS:
            return int(text)
    if _TOO_MANY.search(words):
        return 429
    return 400 if _PICTURE.search(words) else _SERVER_ERROR


def _has_choices(value: JsonValue) -> bool:
    return isinstance(value, dict) and bool(value.get("choices"))


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else "" if value is None else repr(value)[:_MAX_SHOWN]


def _shortened(text: str) -> str:
    return one_line(text, _MAX_SHOWN)
