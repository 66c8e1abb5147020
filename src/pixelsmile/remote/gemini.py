"""Gemini's generateContent."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue
from pydantic.alias_generators import to_camel

from pixelsmile.judges.judge import JudgeError
from pixelsmile.judges.keys import ApiKey, read_key
from pixelsmile.judges.providers.address import is_same_server, server_of
from pixelsmile.judges.providers.connection import Answer, Connection
from pixelsmile.judges.providers.generated_content import read_content
from pixelsmile.judges.providers.limits import Limits
from pixelsmile.judges.providers.parts import Part, parts_of
from pixelsmile.judges.providers.provider import Failure, Reply
from pixelsmile.judges.providers.server_error import NOT_FOUND, ServerError, error_of, parse_body
from pixelsmile.judges.question import Question
from pixelsmile.judges.rubrics import Rubric

CURRENT_MODEL = "gemini-3.1-pro-preview"

_GEMINI = "https://generativelanguage.googleapis.com"
_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
# What Google has shut down, by what follows it (ai.google.dev/gemini-api/docs/deprecations, November 2026).
_RETIRED = {
    "gemini-3-pro-preview": CURRENT_MODEL,
    "gemini-2.5-pro-preview-03-25": CURRENT_MODEL,
    "gemini-2.5-pro-preview-05-06": CURRENT_MODEL,
    "gemini-2.5-pro-preview-06-05": CURRENT_MODEL,
    "gemini-2.0-flash": "gemini-3.5-flash",
    "gemini-2.0-flash-001": "gemini-3.5-flash",
    "gemini-2.0-flash-lite": "gemini-3.5-flash",
    "gemini-2.0-flash-lite-001": "gemini-3.5-flash",
    "gemini-1.5-pro": CURRENT_MODEL,
    "gemini-1.5-flash": "gemini-3.5-flash",
}
# Settings that stand beside generationConfig in the request and not in it.
_BESIDE = ("safetySettings", "systemInstruction", "tools", "toolConfig", "cachedContent")
_OURS = "contents"


class GeminiProvider:
    """One model of the Gemini API.

    The key comes from GEMINI_API_KEY, else GOOGLE_API_KEY; to another address than Google's none is sent
    unless `key_env` names a variable. `api_version` v1beta has the previews and their aliases, v1 has not.
    `temperature` None leaves the model's default, which Google asks for with Gemini 3. `settings` has further
    fields of generationConfig, such as `thinking_config`, and `safety_settings`; a null takes one out.

    JudgeError for a missing key, an address that is none, a model that Google has shut down, or settings that
    would change the question.
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
        self._api_version = api_version
        self._host = server_of(base_url)
        is_google = is_same_server(base_url, _GEMINI)
        if is_google and model in _RETIRED:
            raise JudgeError(f"{model} was shut down: use gemini:{_RETIRED[model]}, which follows it")
        self._key = _read_key(key_env, is_google)
        self._settings = {"temperature": temperature, "seed": seed, **(settings or {})}
        if _OURS in self._settings:
            raise JudgeError(f"{_OURS} is not to be changed by further settings: leave it out")
        self._limits = limits or Limits()
        self._connection = Connection(base_url, self._key, ("x-goog-api-key", ""), self._limits.timeout_s)

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
        name = self.model if "/" in self.model else f"models/{self.model}"
        path = f"{self._api_version}/{quote(name, errors='replace')}:generateContent"
        answer = await self._connection.post(path, self._request(parts, rubric))
        if not isinstance(answer, Answer):
            return answer
        value = parse_body(answer.body)
        error = error_of(answer, value)
        if error is not None:
            return error.failure(self._advice(error))
        return self._connection.clean(read_content(value, answer.body))

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._connection.aclose()

    def _request(self, parts: Sequence[Part], rubric: Rubric) -> dict[str, Any]:
        config: dict[str, Any] = {
            "responseMimeType": "application/json",
            "responseJsonSchema": dict(rubric.answer_schema),
            "maxOutputTokens": self._limits.max_output_tokens,
        }
        config |= {to_camel(name): value for name, value in self._settings.items()}
        config = {name: value for name, value in config.items() if value is not None}
        beside = {name: config.pop(name) for name in _BESIDE if name in config}
        contents = [{"role": "user", "parts": [_part(part) for part in parts]}]
        return {_OURS: contents, "generationConfig": config, **beside}

    def _advice(self, error: ServerError) -> str:
        if error.status == NOT_FOUND:
            return f"check the model's name ({CURRENT_MODEL} is current) and the address"
        return error.advice(self._key)


def _read_key(key_env: str | None, is_google: bool) -> ApiKey | None:
    if key_env is not None:
        return read_key([key_env])
    return read_key(_KEYS) if is_google else None


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(part).decode()}}
