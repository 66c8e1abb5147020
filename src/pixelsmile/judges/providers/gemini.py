"""Gemini through google-genai."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, ValidationError

from pixelsmile.judges.errors import JudgeError
from pixelsmile.judges.keys import read_key
from pixelsmile.judges.providers.address import server_of
from pixelsmile.judges.providers.generated_content import read_content
from pixelsmile.judges.providers.limits import Limits
from pixelsmile.judges.providers.parts import Part, parts_of
from pixelsmile.judges.providers.provider import Failure, Reply, one_line
from pixelsmile.judges.question import Question
from pixelsmile.judges.retry import is_retried, retry_after_s, retry_info_s
from pixelsmile.judges.rubrics import Rubric

if TYPE_CHECKING:
    import httpx2
    from google import genai

_GEMINI = "https://generativelanguage.googleapis.com"
_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")


class GeminiProvider:
    """One model of the Gemini API.

    The key comes from GEMINI_API_KEY, else GOOGLE_API_KEY, else the variable that `key_env` names.
    `api_version` v1beta has the previews and their aliases, v1 has not. `temperature` None leaves the model's
    default, which Google asks for with Gemini 3. `settings` has further fields of the SDK's
    GenerateContentConfig, such as `thinking_config` or `safety_settings`.

    JudgeError for a missing key or an address that is none.
    """

    name = "gemini"

    def __init__(
        self,
        model: str,
        *,
        base_url: str = _GEMINI,
        api_version: str = "v1beta",
        key_env: str | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.model = model
        self._base_url = base_url
        self._api_version = api_version
        self._host = server_of(base_url)
        self._key = read_key([key_env] if key_env else _KEYS)
        self._settings = {"temperature": temperature, "seed": seed, **(settings or {})}
        self._limits = limits or Limits()
        self._client: genai.Client | None = None
        self._connections: httpx2.AsyncClient | None = None

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Server, settings, and the size of pictures and answers."""
        return {
            "server": self._host,
            "api_version": self._api_version,
            **self._settings,
            "max_output_tokens": self._limits.max_output_tokens,
            "max_side_px": self._limits.max_side_px,
        }

    def max_tokens(self, question: Question, rubric: Rubric) -> int:
        """An upper bound of the tokens that one request can use."""
        return self._limits.max_tokens(question, rubric)

    async def ask(self, question: Question, rubric: Rubric) -> Reply | Failure:
        """One generateContent. All domains are asked the same, as in the paper."""
        parts = await parts_of(question, rubric, self._limits.max_side_px)
        answer = await self._send(parts, rubric)
        return answer if isinstance(answer, Failure) else read_content(self._key.redact(answer))

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        client, self._client = self._client, None
        connections, self._connections = self._connections, None
        if client is not None:
            await client.aio.aclose()
            client.close()
        if connections is not None:
            await connections.aclose()

    def _open(self, genai: Any, httpx2: Any) -> "genai.Client":
        if self._client is None:
            # Our own connections: the SDK would use aiohttp where that is installed, with other errors, and
            # keep no more than twenty connections alive otherwise.
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
            self._connections = httpx2.AsyncClient(limits=limits, timeout=self._limits.timeout_s)
            options = genai.types.HttpOptions(
                base_url=self._base_url,
                api_version=self._api_version,
                timeout=round(self._limits.timeout_s * 1000),
                retry_options=genai.types.HttpRetryOptions(attempts=1),  # retry.py decides, the budget counts
                httpx_async_client=self._connections,
            )
            self._client = genai.Client(api_key=self._key.reveal(), vertexai=False, http_options=options)
        return self._client

    def _config(self, genai: Any, rubric: Rubric) -> Any:
        try:
            return genai.types.GenerateContentConfig(
                response_mime_type="application/json",
                response_json_schema=dict(rubric.answer_schema),
                max_output_tokens=self._limits.max_output_tokens,
                automatic_function_calling={"disable": True},
                should_return_http_response=True,  # the body as it came; also: never a second request
                **self._settings,
            )
        except (ValidationError, TypeError) as error:
            raise JudgeError(f"these settings are not Gemini's: {one_line(str(error))}") from None

    async def _send(self, parts: Sequence[Part], rubric: Rubric) -> str | Failure:
        """The body of the answer, or what went wrong. The SDK's errors hold the key and end here."""
        genai, httpx2 = _sdk()
        client, config = self._open(genai, httpx2), self._config(genai, rubric)
        contents = [
            part if isinstance(part, str) else genai.types.Part.from_bytes(data=part, mime_type="image/png")
            for part in parts
        ]
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                response = await client.aio.models.generate_content(
                    model=self.model, contents=contents, config=config
                )
            return response.sdk_http_response.body or ""
        except genai.errors.APIError as error:
            return self._failed(error)
        except (TimeoutError, httpx2.TimeoutException):
            return Failure(f"no answer within {self._limits.timeout_s:g} s")
        except (httpx2.HTTPError, OSError) as error:
            return Failure(one_line(self._key.redact(f"{type(error).__name__}: {error}")))

    def _failed(self, error: Any) -> Failure:
        message = one_line(self._key.redact(str(error.message or error.status or "no message")))
        detail = f"{error.code}: {message}"
        if is_retried(error.code):
            wait_s = retry_info_s(error.details)
            if wait_s is None:
                wait_s = retry_after_s(_headers(error.response))
            return Failure(detail, server_wait_s=wait_s, num_tokens=0)
        return Failure(
            f"{self.model!r} at {self._host} cannot be asked ({detail}): check the key (from "
            f"{self._key.source}), the model's name, the address and the parameters",
            stops=True,
            num_tokens=0,
        )


def _headers(response: Any) -> dict[str, str]:
    headers = getattr(response, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _sdk() -> tuple[Any, Any]:
    """The SDK, and the HTTP library that it brings."""
    try:
        import httpx2
        from google import genai
    except ImportError:
        raise JudgeError(
            "the google-genai package is missing: pip install -c constraints.txt -e '.[judges]'"
        ) from None
    return genai, httpx2
