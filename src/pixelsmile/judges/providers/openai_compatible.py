"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, SGLang, Ollama, and hosted ones."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from pixelsmile.judges.errors import JudgeError
from pixelsmile.judges.keys import ApiKey, read_key
from pixelsmile.judges.providers.address import server_of
from pixelsmile.judges.providers.chat_completion import read_completion
from pixelsmile.judges.providers.limits import Limits
from pixelsmile.judges.providers.parts import Part, parts_of
from pixelsmile.judges.providers.provider import Failure, Fault, Reply, one_line
from pixelsmile.judges.question import Question
from pixelsmile.judges.retry import is_retried, retry_after_s
from pixelsmile.judges.rubrics import Rubric

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ResponseFormat = Literal["json_schema", "json_object", "plain"]

_OPENAI = "https://api.openai.com/v1"
_WEAKER: dict[ResponseFormat, ResponseFormat] = {"json_schema": "json_object", "json_object": "plain"}
_BAD_REQUEST = (400, 422)  # what servers say to a response_format that they do not know
_REFUSALS = ("content_filter", "content_policy_violation")  # error codes, with status 400
_NO_CREDIT = "insufficient_quota"  # an error code, with status 429


class OpenAIProvider:
    """One model of one server.

    `base_url` ends with the version (`http://localhost:8000/v1`). The key comes from OPENAI_API_KEY for
    OpenAI itself; to another server none is sent unless `key_env` names a variable. `temperature` None leaves
    the server's default (models that reason take no other). `extra_body` has further fields of the request.

    The answer's form is enforced by the strongest response_format that the server takes: a JSON schema, any
    JSON object, or nothing. Where it says that the request is bad before one has worked, the next weaker is
    tried and remembered. JudgeError for a missing key or an address that is none.
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
        self._base_url = base_url
        self._host = server_of(base_url)
        self._limits = limits or Limits()
        self._key = self._read_key(key_env)
        self._settings: dict[str, JsonValue] = {"temperature": temperature, "seed": seed}
        self._extra_body = dict(extra_body or {})
        self._format: ResponseFormat = "json_schema"
        self._format_works = False
        self._client: AsyncOpenAI | None = None

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
        form = self._format
        answer = await self._send(self._request(parts, rubric, form))
        if isinstance(answer, str):
            self._format_works = True
            return read_completion(self._key.redact(answer))
        if answer.status not in _BAD_REQUEST or answer.fault or self._format_works or form not in _WEAKER:
            return self._failed(answer)
        if self._format == form:
            self._format = _WEAKER[form]
        return Failure(f"the server does not take response_format {form}", at_once=True, num_tokens=0)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _read_key(self, key_env: str | None) -> ApiKey:
        if key_env is not None:
            return read_key([key_env])
        if self._host == server_of(_OPENAI):
            return read_key(["OPENAI_API_KEY"])
        return ApiKey("none", "nowhere: name its variable with key_env")

    def _open(self) -> "AsyncOpenAI":
        if self._client is None:
            openai = _sdk()
            self._client = openai.AsyncOpenAI(
                api_key=self._key.reveal(),
                base_url=self._base_url,
                timeout=self._limits.timeout_s,
                max_retries=0,  # retry.py decides, and the budget counts
            )
        return self._client

    def _request(self, parts: Sequence[Part], rubric: Rubric, form: ResponseFormat) -> dict[str, Any]:
        content = [_content(part) for part in parts]
        request: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": content}]}
        request |= {name: value for name, value in self._settings.items() if value is not None}
        # OpenAI's reasoning models take the new name only, Ollama and LM Studio the old one only.
        new_name = self._host == server_of(_OPENAI)
        request["max_completion_tokens" if new_name else "max_tokens"] = self._limits.max_output_tokens
        # The SDK walks through what it is given at some cost, and passes extra_body on as it is.
        return request | {"extra_body": {**self._extra_body, **_response_format(form, rubric)}}

    async def _send(self, request: dict[str, Any]) -> "str | _Refused":
        """The body of the answer, or what went wrong. The SDK's errors hold the key and end here."""
        client, openai = self._open(), _sdk()
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                response = await client.chat.completions.with_raw_response.create(**request)
            return str(response.http_response.text)
        except openai.APIStatusError as error:
            return _Refused(
                status=error.status_code,
                detail=one_line(self._key.redact(str(error.message))),
                code=error.code or "",
                server_wait_s=retry_after_s(error.response.headers),
            )
        except (TimeoutError, openai.APITimeoutError):
            return _Refused(0, f"no answer within {self._limits.timeout_s:g} s")
        except openai.APIError as error:
            cause = error.__cause__ or error
            return _Refused(0, one_line(self._key.redact(f"{type(cause).__name__}: {cause}")))

    def _failed(self, refused: "_Refused") -> Reply | Failure:
        if refused.fault:
            return Reply("", refused.detail, 0, refused.fault, refused.detail)
        if refused.status == 0:
            return Failure(refused.detail)
        detail = f"{refused.status}: {refused.detail}"
        if is_retried(refused.status) and refused.code != _NO_CREDIT:
            return Failure(detail, server_wait_s=refused.server_wait_s, num_tokens=0)
        return Failure(
            f"{self.model!r} at {self._host} cannot be asked ({detail}): check the key (from "
            f"{self._key.source}), the model's name, the address and the parameters",
            stops=True,
            num_tokens=0,
        )


def _content(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    url = f"data:image/png;base64,{base64.b64encode(part).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _response_format(form: ResponseFormat, rubric: Rubric) -> dict[str, JsonValue]:
    match form:
        case "json_schema":
            schema: JsonValue = {"name": "answer", "strict": True, "schema": dict(rubric.answer_schema)}
            return {"response_format": {"type": form, "json_schema": schema}}
        case "json_object":
            return {"response_format": {"type": form}}
        case "plain":
            return {}


class _Refused:
    """An HTTP status other than 200, or 0 where there was no answer at all."""

    def __init__(self, status: int, detail: str, code: str = "", server_wait_s: float | None = None) -> None:
        self.status = status
        self.detail = detail
        self.code = code
        self.server_wait_s = server_wait_s
        self.fault: Fault | None = "refused" if code in _REFUSALS else None


def _sdk() -> Any:
    try:
        import openai
    except ImportError:
        raise JudgeError(
            "the openai package is missing: pip install -c constraints.txt -e '.[judges]'"
        ) from None
    return openai
