"""The body of an answer of the chat completions protocol."""

from pydantic import BaseModel, ValidationError

from pixelsmile.judges.providers.provider import Fault, Reply, one_line


def read_completion(body: str) -> Reply:
    """The reply in the body of a chat completion."""
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError:
        return Reply("", body, None, "malformed", "the server's answer is no chat completion")
    tokens = completion.usage.total_tokens if completion.usage else None
    if not completion.choices:
        return Reply("", body, tokens, "empty", "the server's answer has no choices")
    choice = completion.choices[0]
    fault, detail = _fault(choice)
    return Reply(choice.message.content or "", body, tokens, fault, detail)


def _fault(choice: "_Choice") -> tuple[Fault | None, str]:
    if choice.finish_reason == "content_filter":
        return "refused", "finish_reason content_filter"
    if choice.message.refusal:
        return "refused", one_line(choice.message.refusal)
    if choice.finish_reason == "length":
        return "malformed", "the answer was cut off: allow more max_output_tokens"
    if not (choice.message.content or "").strip():
        return "empty", "the message has no content"
    return None, ""


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    total_tokens: int | None = None


class _Completion(BaseModel):
    """What is needed of a chat completion; servers add fields of their own."""

    choices: list[_Choice]
    usage: _Usage | None = None
