"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, SGLang, Ollama, and hosted ones."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.limits import validated
from pixelsmile.remote.answers import BAD_REQUEST, Answer, ServerError, usage_of
from pixelsmile.remote.connection import OPENAI, Connection
from pixelsmile.remote.provider import (
    NOTHING,
    Failure,
    Fault,
    Limits,
    Part,
    Prompt,
    Reply,
    check_not_ours,
    data_uri,
)

logger = logging.getLogger(__name__)

ResponseFormat = Literal["json_schema", "json_object", "plain"]

_WEAKER: dict[ResponseFormat, ResponseFormat] = {"json_schema": "json_object", "json_object": "plain"}
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OURS = ("model", "messages", "stream")  # what `extra_body` may not change: the question, and how it is read
_TEXTS = ("text", "output_text")  # of parts; others are what the model thought, or a refusal


class OpenAIProvider:
    """One model of one server.

    `base_url` ends with the version (`http://localhost:8000/v1`). The key comes from OPENAI_API_KEY for
    OpenAI itself; to another server none is sent unless `key_env` names a variable. `temperature` None leaves
    the server's default (models that reason take no other). `extra_body` has further fields of the request;
    a null takes one out.

    The answer's form is enforced by the strongest response_format that the server takes: a JSON schema, any
    JSON object, or nothing. Where it says that the request is bad before one has worked, the next weaker is
    tried and remembered; so is the other name of max_tokens where the server's error has it, and a request
    without the temperature where the error is about that, which is said. RemoteError for a
    missing key, an address that is none, or an `extra_body` that would change the question.
    """

    name = "openai"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_env: str | None = None,
        temperature: float | None = 0.0,
        seed: int | None = None,
        extra_body: Mapping[str, JsonValue] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.model = model
        self.limits = limits or Limits()
        self._connection = Connection(OPENAI, base_url, key_env, self.limits.timeout_s)
        self._settings: dict[str, JsonValue] = {"temperature": temperature, "seed": seed}
        self._extra_body = dict(extra_body or {})
        check_not_ours(self._extra_body, _OURS)
        self._format: ResponseFormat = "plain" if "response_format" in self._extra_body else "json_schema"
        self._format_works = False
        # OpenAI's reasoning models take the new name only, Ollama and LM Studio the old one only.
        self._limit_name = "max_completion_tokens" if self._connection.is_home else "max_tokens"
        self._limit_name_is_final = False
        self._sends_temperature = temperature is not None and "temperature" not in self._extra_body

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Server, sampling, and the size of pictures and answers."""
        return {
            "server": self._connection.host,
            **self._settings,
            "extra_body": self._extra_body,
            "max_output_tokens": self.limits.max_output_tokens,
            "max_side_px": self.limits.max_side_px,
        }

    async def ask(self, prompt: Prompt) -> Reply | Failure:
        """One chat completion."""
        form, limit_name, heated = self._format, self._limit_name, self._sends_temperature
        answer = await self._connection.post("chat/completions", record=self._request(prompt))
        if isinstance(answer, Answer):
            if not self._format_works:  # others may have weakened it meanwhile, for what was not its fault
                self._format, self._format_works = form, True
            return self._connection.clean(read_completion(answer))
        if not isinstance(answer, ServerError):
            return answer
        adapted = None
        if answer.status in BAD_REQUEST and answer.refused != "picture" and not answer.is_too_large:
            adapted = self._without_temperature(answer, heated) or self._adapted(answer, form, limit_name)
        return adapted or answer.failure(self._advice(answer))

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._connection.aclose()

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        content = [_content(part) for part in prompt.parts]
        request: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": content}]}
        request |= self._settings | ({} if self._sends_temperature else {"temperature": None})
        if not _OTHER_NAME.keys() & self._extra_body.keys():
            request[self._limit_name] = self.limits.max_output_tokens
        request |= _response_format(self._format, prompt.schema) | self._extra_body
        return {name: value for name, value in request.items() if value is not None}

    def _without_temperature(self, error: ServerError, heated: bool) -> Failure | None:
        """Why to ask at once, leaving the temperature to the model; None where the error is about others.

        heated: whether that request had one: others may have left it out meanwhile.
        """
        if not heated or "temperature" not in f"{error.param} {error.message}".lower():
            return None
        if self._sends_temperature:
            self._sends_temperature = False
            logger.warning("%s takes no temperature (%s): left to the model", self.model, error.message)
        return Failure("the server does not take the temperature", at_once=True, usage=NOTHING)

    def _adapted(self, error: ServerError, form: ResponseFormat, limit_name: str) -> Failure | None:
        """Why to ask at once, with another request; None where there is nothing left to change."""
        if "max_completion_tokens" in error.message and not _OTHER_NAME.keys() & self._extra_body.keys():
            if limit_name == self._limit_name and not self._limit_name_is_final:
                self._limit_name, self._limit_name_is_final = _OTHER_NAME[limit_name], True
            if limit_name != self._limit_name:
                return Failure(f"the server does not take {limit_name}", at_once=True, usage=NOTHING)
        other = error.param and not error.param.startswith("response_format")
        if self._format_works or form not in _WEAKER or other:
            return None
        if self._format == form:
            self._format = _WEAKER[form]
        return Failure(f"the server does not take response_format {form}", at_once=True, usage=NOTHING)

    def _advice(self, error: ServerError) -> str:
        if error.status in BAD_REQUEST and "temperature" in error.message:
            return "leave it to the model: no temperature in --extra"
        return error.advice(self._connection.key)


def read_completion(answer: Answer) -> Reply:
    """The reply in a chat completion."""
    try:
        completion = validated(_Completion, answer.value, "the answer")
    except PixelSmileError:
        return Reply("", answer.body, None, "malformed", "the server's answer is no chat completion")
    usage = usage_of(completion.usage, "total_tokens")
    if not completion.choices:
        return Reply("", answer.body, usage, "empty", "the server's answer has no choices")
    choice = completion.choices[0]
    text = "".join(_texts(choice.message.content))
    return Reply(text, answer.body, usage, *_fault(choice, text))


def _content(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": data_uri(part)}}


def _response_format(form: ResponseFormat, schema: Mapping[str, JsonValue] | None) -> dict[str, Any]:
    if schema is None or form == "plain":
        return {}
    if form == "json_object":
        return {"response_format": {"type": form}}
    named = {"name": "answer", "strict": True, "schema": dict(schema)}
    return {"response_format": {"type": form, "json_schema": named}}


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
