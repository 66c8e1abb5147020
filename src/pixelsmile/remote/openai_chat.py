"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, SGLang, Ollama, and hosted ones."""

import base64
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import JsonValue

from pixelsmile.judges.judge import JudgeError
from pixelsmile.judges.keys import ApiKey, read_key
from pixelsmile.judges.providers.address import is_same_server, server_of
from pixelsmile.judges.providers.chat_completion import read_completion
from pixelsmile.judges.providers.connection import Answer, Connection
from pixelsmile.judges.providers.limits import Limits
from pixelsmile.judges.providers.parts import Part, parts_of
from pixelsmile.judges.providers.provider import Failure, Reply
from pixelsmile.judges.providers.server_error import BAD_REQUEST, ServerError, error_of, parse_body
from pixelsmile.judges.question import Question
from pixelsmile.judges.rubrics import Rubric

logger = logging.getLogger(__name__)

ResponseFormat = Literal["json_schema", "json_object", "plain"]

_OPENAI = "https://api.openai.com/v1"
_WEAKER: dict[ResponseFormat, ResponseFormat] = {"json_schema": "json_object", "json_object": "plain"}
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OURS = ("model", "messages", "stream")  # what `extra_body` may not change: the question, and how it is read


class OpenAIProvider:
    """One model of one server.

    `base_url` ends with the version (`http://localhost:8000/v1`). The key comes from OPENAI_API_KEY for
    OpenAI itself; to another server none is sent unless `key_env` names a variable. `temperature` None leaves
    the server's default (models that reason take no other). `extra_body` has further fields of the request;
    a null takes one out.

    The answer's form is enforced by the strongest response_format that the server takes: a JSON schema, any
    JSON object, or nothing. Where it says that the request is bad before one has worked, the next weaker is
    tried and remembered; so is the other name of max_tokens where the server's error has it, and a request
    without the temperature where the error is about that, which is said. JudgeError for a
    missing key, an address that is none, or an `extra_body` that would change the question.
    """

    name = "openai"

    def __init__(
        self,
        model: str,
        *,
        base_url: str = _OPENAI,
        key_env: str | None = None,
        temperature: float | None = 0.0,
        seed: int | None = None,
        extra_body: Mapping[str, JsonValue] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.model = model
        self._host = server_of(base_url)
        self._limits = limits or Limits()
        is_openai = is_same_server(base_url, _OPENAI)
        self._key = _read_key(key_env, is_openai)
        self._settings: dict[str, JsonValue] = {"temperature": temperature, "seed": seed}
        self._extra_body = dict(extra_body or {})
        if taken := [name for name in _OURS if name in self._extra_body]:
            raise JudgeError(
                f"{taken[0]} is not to be changed by further fields of the request: leave it out"
            )
        self._format: ResponseFormat = "plain" if "response_format" in self._extra_body else "json_schema"
        self._format_works = False
        # OpenAI's reasoning models take the new name only, Ollama and LM Studio the old one only.
        self._limit_name = "max_completion_tokens" if is_openai else "max_tokens"
        self._limit_name_is_final = False
        self._sends_temperature = temperature is not None and "temperature" not in self._extra_body
        self._connection = Connection(
            base_url, self._key, ("Authorization", "Bearer "), self._limits.timeout_s
        )

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Server, sampling, and the size of pictures and answers."""
        return {
            "server": self._host,
            **self._settings,
            "extra_body": self._extra_body,
            "max_output_tokens": self._limits.max_output_tokens,
            "max_side_px": self._limits.max_side_px,
        }

    def max_tokens(self, question: Question, rubric: Rubric) -> int:
        """An upper bound of the tokens that one request can use."""
        return self._limits.max_tokens(question, rubric)

    async def ask(self, question: Question, rubric: Rubric) -> Reply | Failure:
        """One chat completion. All domains are asked the same, as in the paper."""
        parts = await parts_of(question, rubric, self._limits.max_side_px)
        form, limit_name, heated = self._format, self._limit_name, self._sends_temperature
        answer = await self._connection.post("chat/completions", self._request(parts, rubric))
        if not isinstance(answer, Answer):
            return answer
        value = parse_body(answer.body)
        error = error_of(answer, value)
        if error is None:
            if not self._format_works:  # others may have weakened it meanwhile, for what was not its fault
                self._format, self._format_works = form, True
            return self._connection.clean(read_completion(value, answer.body))
        if error.status not in BAD_REQUEST or error.refused == "picture" or error.is_too_large:
            return error.failure(self._advice(error))
        return (
            self._without_temperature(error, heated)
            or self._adapted(error, form, limit_name)
            or error.failure(self._advice(error))
        )

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._connection.aclose()

    def _request(self, parts: Sequence[Part], rubric: Rubric) -> dict[str, Any]:
        content = [_content(part) for part in parts]
        request: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": content}]}
        request |= self._settings | ({} if self._sends_temperature else {"temperature": None})
        if not _OTHER_NAME.keys() & self._extra_body.keys():
            request[self._limit_name] = self._limits.max_output_tokens
        request |= _response_format(self._format, rubric) | self._extra_body
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
        return Failure("the server does not take the temperature", at_once=True, num_tokens=0)

    def _adapted(self, error: ServerError, form: ResponseFormat, limit_name: str) -> Failure | None:
        """Why to ask at once, with another request; None where there is nothing left to change."""
        if "max_completion_tokens" in error.message and not _OTHER_NAME.keys() & self._extra_body.keys():
            if limit_name == self._limit_name and not self._limit_name_is_final:
                self._limit_name, self._limit_name_is_final = _OTHER_NAME[limit_name], True
            if limit_name != self._limit_name:
                return Failure(f"the server does not take {limit_name}", at_once=True, num_tokens=0)
        other = error.param and not error.param.startswith("response_format")
        if self._format_works or form not in _WEAKER or other:
            return None
        if self._format == form:
            self._format = _WEAKER[form]
        return Failure(f"the server does not take response_format {form}", at_once=True, num_tokens=0)

    def _advice(self, error: ServerError) -> str:
        if error.status in BAD_REQUEST and "temperature" in error.message:
            return "leave it to the model: no temperature in --extra"
        return error.advice(self._key)


def _read_key(key_env: str | None, is_openai: bool) -> ApiKey | None:
    if key_env is not None:
        return read_key([key_env])
    return read_key(["OPENAI_API_KEY"]) if is_openai else None


def _content(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    url = f"data:image/png;base64,{base64.b64encode(part).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _response_format(form: ResponseFormat, rubric: Rubric) -> dict[str, Any]:
    match form:
        case "json_schema":
            schema = {"name": "answer", "strict": True, "schema": dict(rubric.answer_schema)}
            return {"response_format": {"type": form, "json_schema": schema}}
        case "json_object":
            return {"response_format": {"type": form}}
        case "plain":
            return {}
