"""What a server said: its words, the pictures in them, and the errors, with their status or inside of a 200.

Servers name a wait in Retry-After (RFC 9110, section 10.2.3: seconds or a date), OpenAI also in
retry-after-ms, Gemini in a RetryInfo among the error's details (google/rpc/error_details.proto).
"""

import base64
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property

from pydantic import JsonValue

from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.limits import parse_json
from pixelsmile.remote.keys import ApiKey
from pixelsmile.remote.provider import NOTHING, Failure, Refused, Usage

BAD_REQUEST = (400, 422)  # what servers say to a parameter that they do not know, among other things
NOT_FOUND = 404
_PAYMENT_REQUIRED = 402
_REQUEST_TIMEOUT, _TOO_LARGE, _TOO_MANY_REQUESTS = 408, 413, 429
_OK, _FIRST_REDIRECT, _SERVER_ERROR, _LAST_STATUS = 200, 300, 500, 599
_ABOUT_THE_QUESTION = (*BAD_REQUEST, _TOO_LARGE, 415)
_MAY_BE_THE_PICTURE = (*_ABOUT_THE_QUESTION, 403, 451)
# By what codes and messages say that it is the picture (DashScope, OpenAI, Azure, Gemini, OpenRouter, Ark,
# Replicate).
_PICTURE = re.compile(
    r"data.?inspection|content.?(?:filter|policy|management)|responsibleai|moderation|flagged|inappropriate"
    r"|sensitive.?content|risk.?detection|\bnsfw\b"
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
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_LONGEST_S = 86_400.0  # who asks for more than a day asks for never
_MAX_SHOWN = 200  # characters of a server's message
_MAX_TOKENS = 10_000_000  # of one request: no model takes as many
# A string that is long enough to be a picture, as JSON writes it, and what stands in its place.
_ENCODED = re.compile(r'"(?:data:image\\?/[a-z]+;base64,)?([A-Za-z0-9+/_=\\-]{1024,})"')
_PLACE = "picture:{}"
# An escaped whole pair, a half of one, or any other escape: read from the left, so that none is cut in two.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


@dataclass(frozen=True)
class Answer:
    """headers: by lower-case names. body: its text. The key is blacked out in both, and each picture that was
    taken out of the body has its number there.
    """

    status: int
    headers: Mapping[str, str]
    body: str
    pictures: tuple[bytes, ...] = ()

    @property
    def is_ok(self) -> bool:
        return _OK <= self.status < _FIRST_REDIRECT

    @cached_property
    def value(self) -> JsonValue:
        """The JSON of the body, with U+FFFD for halves of pairs; None where it is none, or too deep."""
        try:
            value: JsonValue = parse_json(without_halves(self.body), "the answer")
        except PixelSmileError:
            return None
        # Gemini's errors may be in a list of one.
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    def picture(self, text: str) -> bytes | None:
        """The picture that a string of the value stands for; None for what is no base64."""
        for number, picture in enumerate(self.pictures):
            if text == _PLACE.format(number):
                return picture
        return _decoded(text)


def without_pictures(body: str) -> tuple[str, tuple[bytes, ...]]:
    """A body with a number for each picture in it: nobody wants to search those for words."""
    pictures: list[bytes] = []

    def take(match: re.Match[str]) -> str:
        picture = _decoded(match[1].replace("\\/", "/"))
        if picture is None:
            return match[0]
        pictures.append(picture)
        return f'"{_PLACE.format(len(pictures) - 1)}"'

    return _ENCODED.sub(take, body), tuple(pictures)


def without_halves(written: str) -> str:
    """JSON with U+FFFD for each escaped half of a surrogate pair, which no file could keep."""
    return _ESCAPE.sub(lambda match: r"\ufffd" if match[1] else match[0], written)


def counted(reported: object) -> int | None:
    """A server's count of the tokens of one request; None, as if nothing were reported, for what is none.

    None are texts, truths, what is not finite, less than one, and more than any model takes.
    """
    if isinstance(reported, bool) or not isinstance(reported, int | float):
        return None
    return math.ceil(reported) if 0 < reported <= _MAX_TOKENS else None


def usage_of(reported: object, field: str) -> Usage | None:
    """The usage in a server's report of it."""
    num_tokens = counted(reported.get(field)) if isinstance(reported, dict) else None
    return None if num_tokens is None else Usage(num_tokens)


@dataclass(frozen=True)
class ServerError:
    """What went wrong. status: of HTTP, or what the error says in its place. param: what it is about.

    answer: that holds it, where it came as if all were well.
    """

    status: int
    message: str
    code: str = ""
    param: str = ""
    wait_s: float | None = None
    usage: Usage | None = NOTHING
    answer: Answer | None = None

    def failure(self, advice: str) -> Failure:
        """What follows: asking again, leaving the prompt, or the end. advice: for the latter two."""
        detail = f"{self.status}: {self.message}"
        if is_retried(self.status) and self.code != _NO_CREDIT:
            return Failure(detail, server_wait_s=self.wait_s, usage=self.usage)
        refused = self.refused
        return Failure(detail, stops=refused is None, refused=refused, advice=advice, usage=self.usage)

    @property
    def is_too_large(self) -> bool:
        """Whether the request was more than the server or the model takes."""
        in_words = self.status in _ABOUT_THE_QUESTION and _TOO_LONG.search(f"{self.code} {self.message}")
        return self.status == _TOO_LARGE or bool(in_words)

    def advice(self, key: ApiKey | None) -> str:
        """What to do about what asking again does not mend. key: that was sent."""
        if self.is_too_large:
            return "ask for less: smaller pictures with --max-side 512, or fewer --max-output-tokens"
        if self.status == _PAYMENT_REQUIRED or self.code == _NO_CREDIT:
            whose = f"the account of {key.source}" if key else "the account that pays"
            return f"{whose} has no credit left: add some, then run this again for the rest"
        source = f"from {key.source}" if key else "none was sent: name its variable with --key-env"
        return f"check the key ({source}), the model's name, the address and the parameters"

    @property
    def refused(self) -> Refused | None:
        """What was not taken; None where no prompt would be."""
        if self.status in _MAY_BE_THE_PICTURE and is_about_picture(f"{self.code} {self.message}"):
            return "picture"
        return "request" if self.status in _ABOUT_THE_QUESTION else None


def is_about_picture(words: str) -> bool:
    """Whether a server's words name a picture as the reason for what went wrong."""
    return _PICTURE.search(words) is not None


def is_retried(status: int) -> bool:
    """Whether this HTTP status may pass by itself: a timeout, too many requests, a server's own fault."""
    return status in (_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS) or status >= _SERVER_ERROR


def error_of(answer: Answer) -> ServerError | None:
    """The error that an answer is, or holds although it says 200; None for none."""
    said = next(_errors_in(answer.value, is_ok=answer.is_ok), None)
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
        None if answer.is_ok and _has_choices(answer.value) else NOTHING,
        answer if answer.is_ok else None,
    )


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait that a server asks for in its headers, from 0 to a day; None where none is understood."""
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, _LONGEST_S)
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _seconds(text)
    seconds = _until(text, now or datetime.now(UTC)) if seconds is None else seconds
    return None if seconds is None else min(seconds, _LONGEST_S)


def retry_info_s(error: object) -> float | None:
    """The wait in the RetryInfo of a Google API error's body; None where there is none."""
    error = error.get("error", error) if isinstance(error, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("@type") == _RETRY_INFO:
            delay = detail.get("retryDelay")
            seconds = _seconds(delay.removesuffix("s")) if isinstance(delay, str) else None
            return None if seconds is None else min(seconds, _LONGEST_S)
    return None


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
        return _TOO_MANY_REQUESTS
    return BAD_REQUEST[0] if is_about_picture(words) else _SERVER_ERROR


def _has_choices(value: JsonValue) -> bool:
    return isinstance(value, dict) and bool(value.get("choices"))


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else "" if value is None else repr(value)[:_MAX_SHOWN]


def _shortened(text: str) -> str:
    return one_line(text, _MAX_SHOWN)


def _decoded(text: str) -> bytes | None:
    try:
        data = text.encode().replace(b"-", b"+").replace(b"_", b"/")
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except ValueError:
        return None


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:  # RFC 5322's -0000: the zone is not known, and HTTP dates are GMT
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):  # dates that are none find many ways to fail
        return None
