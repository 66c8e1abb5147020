"""The body of an answer of Gemini's generateContent."""

from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from pixelsmile.errors import PixelSmileError
from pixelsmile.judges.budget import counted
from pixelsmile.judges.providers.provider import Fault, Reply
from pixelsmile.limits import validated

_FINISHED = ("STOP", "FINISH_REASON_UNSPECIFIED")
# Reasons that are about the writing of the answer; all others mean that the service withheld it.
_WRITING = (
    "MAX_TOKENS",
    "CONTINUATION",
    "MALFORMED_RESPONSE",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
)


def read_content(value: JsonValue, body: str) -> Reply:
    """The reply in the body of an answer. value: its JSON."""
    try:
        content = validated(_Body, value, "the answer")
    except PixelSmileError:
        return Reply("", body, None, "malformed", "the server's answer is no generated content")
    usage = content.usage_metadata
    tokens = counted(usage.get("totalTokenCount")) if isinstance(usage, dict) else None
    blocked = content.prompt_feedback and content.prompt_feedback.block_reason
    if blocked:
        return Reply("", body, tokens, "refused", f"blockReason {blocked}")
    if not content.candidates:
        return Reply("", body, tokens, "empty", "the server's answer has no candidates")
    candidate = content.candidates[0]
    text = "".join(part.text or "" for part in candidate.parts() if not part.thought)
    fault, detail = _fault(candidate.finish_reason, text)
    return Reply(text, body, tokens, fault, detail)


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


class _Part(_Model):
    text: str | None = None
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
