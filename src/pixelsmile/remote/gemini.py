"""Gemini's generateContent."""

import base64
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from pixelsmile.errors import PixelSmileError
from pixelsmile.limits import validated
from pixelsmile.remote.answers import NOT_FOUND, Answer, ServerError, usage_of
from pixelsmile.remote.connection import Connection, Service
from pixelsmile.remote.keys import is_same_server
from pixelsmile.remote.provider import Failure, Fault, Limits, Part, Prompt, RemoteError, Reply, media_type

CURRENT_MODEL = "gemini-3.1-pro-preview"

GEMINI = Service(
    "https://generativelanguage.googleapis.com", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), ("x-goog-api-key", "")
)
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
_FINISHED = ("STOP", "FINISH_REASON_UNSPECIFIED", "NO_IMAGE")
# Reasons that are about the writing of the answer; all others mean that the service withheld it.
_WRITING = (
    "MAX_TOKENS",
    "CONTINUATION",
    "MALFORMED_RESPONSE",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
)


class GeminiProvider:
    """One model of the Gemini API.

    The key comes from GEMINI_API_KEY, else GOOGLE_API_KEY; to another address than Google's none is sent
    unless `key_env` names a variable. `api_version` v1beta has the previews and their aliases, v1 has not.
    `temperature` None leaves the model's default, which Google asks for with Gemini 3. `settings` has further
    fields of generationConfig, such as `thinking_config`, and `safety_settings`; a null takes one out.

    RemoteError for a missing key, an address that is none, a model that Google has shut down, or settings
    that would change the question.
    """

    name = "gemini"
    current_model: ClassVar[str] = CURRENT_MODEL
    has_pictures: ClassVar[bool] = False  # in its answers

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_version: str = "v1beta",
        key_env: str | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        limits: Limits | None = None,
    ) -> None:
        if model in _RETIRED and is_same_server(base_url or GEMINI.url, GEMINI.url):
            raise RemoteError(f"{model} was shut down: use gemini:{_RETIRED[model]}, which follows it")
        self.model = model
        self.limits = limits or Limits()
        self._api_version = api_version
        self._connection = Connection(
            GEMINI, base_url, key_env, self.limits.timeout_s, has_pictures=self.has_pictures
        )
        self._settings = {"temperature": temperature, "seed": seed, **(settings or {})}
        if _OURS in self._settings:
            raise RemoteError(f"{_OURS} is not to be changed by further settings: leave it out")

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Server, settings, and the size of pictures and answers."""
        return {
            "server": self._connection.host,
            "api_version": self._api_version,
            **self._settings,
            "max_output_tokens": self.limits.max_output_tokens,
            "max_side_px": self.limits.max_side_px,
        }

    async def ask(self, prompt: Prompt) -> Reply | Failure:
        """One generateContent."""
        name = self.model if "/" in self.model else f"models/{self.model}"
        path = f"{self._api_version}/{quote(name, errors='replace')}:generateContent"
        answer = await self._connection.post(path, record=self._request(prompt))
        match answer:
            case Answer():
                return self._connection.clean(self._read(answer))
            case ServerError():
                return answer.failure(self._advice(answer))
        return answer

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._connection.aclose()

    def _config(self, prompt: Prompt) -> dict[str, Any]:
        """What generationConfig has before any setting."""
        config: dict[str, Any] = {"maxOutputTokens": self.limits.max_output_tokens}
        if prompt.schema is not None:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": dict(prompt.schema)}
        return config

    def _read(self, answer: Answer) -> Reply:
        return read_content(answer)

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        config = self._config(prompt)
        config |= {to_camel(name): value for name, value in self._settings.items()}
        config = {name: value for name, value in config.items() if value is not None}
        beside = {name: config.pop(name) for name in _BESIDE if name in config}
        contents = [{"role": "user", "parts": [_part(part) for part in prompt.parts]}]
        return {_OURS: contents, "generationConfig": config, **beside}

    def _advice(self, error: ServerError) -> str:
        if error.status == NOT_FOUND:
            return f"check the model's name ({self.current_model} is current) and the address"
        return error.advice(self._connection.key)


def read_content(answer: Answer) -> Reply:
    """The reply in generated content: its text and its pictures, without those that the model thinks in.

    Without a text it is empty, whatever it shows: whoever wants pictures looks at these.
    """
    try:
        content = validated(_Body, answer.value, "the answer")
    except PixelSmileError:
        return Reply("", answer.body, None, "malformed", "the server's answer is no generated content")
    usage = usage_of(content.usage_metadata, "totalTokenCount")
    blocked = content.prompt_feedback and content.prompt_feedback.block_reason
    if blocked:
        return Reply("", answer.body, usage, "refused", f"blockReason {blocked}")
    if not content.candidates:
        return Reply("", answer.body, usage, "empty", "the server's answer has no candidates")
    candidate = content.candidates[0]
    parts = [part for part in candidate.parts() if not part.thought]
    text = "".join(part.text or "" for part in parts)
    pictures = tuple(answer.picture(part.inline_data.data) or b"" for part in parts if part.inline_data)
    return Reply(text, answer.body, usage, *_fault(candidate.finish_reason, text), pictures)


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    return {"inlineData": {"mimeType": media_type(part), "data": base64.b64encode(part).decode()}}


def _fault(finish_reason: str | None, text: str) -> tuple[Fault | None, str]:
    if finish_reason in _WRITING:
        return "malformed", f"finishReason {finish_reason}: allow more --max-output-tokens"
    if finish_reason is not None and finish_reason not in _FINISHED:
        return "refused", f"finishReason {finish_reason}"
    if not text.strip():
        return "empty", "the candidate has no text"
    return None, ""


class _Model(BaseModel):
    """What is needed of the answer; there is more in it."""

    model_config = ConfigDict(alias_generator=to_camel)


class _Data(_Model):
    data: str = ""


class _Part(_Model):
    text: str | None = None
    inline_data: _Data | None = None
    thought: bool | None = None


class _Content(_Model):
    parts: list[_Part] | None = None


class _Candidate(_Model):
    content: _Content | None = None
    finish_reason: str | None = None

    def parts(self) -> list[_Part]:
        return (self.content.parts if self.content else None) or []


class _Feedback(_Model):
    block_reason: str | None = None


class _Body(_Model):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Any = None
