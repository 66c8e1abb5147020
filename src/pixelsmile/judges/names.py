"""A judge by what a person types: `photo`, `embedded`, `gemini:MODEL`, `openai:MODEL@ADDRESS`, ..."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.judges.judge import Judge, Markers
from pixelsmile.judges.model_judge import ModelJudge
from pixelsmile.judges.rubrics import (
    COMBINATION,
    EXPRESSION_SCORES,
    FED_CONSISTENCY,
    FED_QUALITY,
    FED_TRUTH_ALIGNMENT,
    STATISTICS,
    Rubric,
)
from pixelsmile.remote import (
    Budget,
    GeminiProvider,
    Limits,
    OpenAIProvider,
    Provider,
    ScriptedProvider,
    split_address,
)

FORMS = "photo, embedded, gemini:MODEL, openai:MODEL, openai:MODEL@ADDRESS or scripted:FILE"
EMBEDDED = "embedded"
PHOTO = "photo"

_FORM = re.compile(r"(?P<kind>gemini|openai|scripted):(?P<what>.+)", re.DOTALL)


@dataclass(frozen=True)
class JudgeOptions:
    """What may be set for a model behind a server; the other judges take none of it.

    budget: shared by all judges that get it. settings: `temperature` (None: the model's own), `seed` and
    `key_env` of the providers, where theirs are not to stand. extra: further fields of the request (OpenAI)
    or of generationConfig (Gemini); a null takes one out. rubric: by which it is asked for twelve scores.
    """

    budget: Budget = field(default_factory=Budget)
    limits: Limits = field(default_factory=Limits)
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, JsonValue] = field(default_factory=dict)
    rubric: Rubric = EXPRESSION_SCORES


def parse_judge(text: str, options: JudgeOptions | None = None) -> Judge:
    """The judge that `text` names, ready to be asked for twelve scores.

    `embedded` knows drawn portraits, `photo` photographs of people. An address is that of a server that
    speaks the protocol, and ends with its version for OpenAI's (http://localhost:8000/v1); a model's name may
    hold colons. A file has JSON lines {"picture": SHA-256 of the pixels (Picture.sha256), "answer": an answer
    in the rubric's form}.

    InputError for other words and files; RemoteError (also one) for a missing key or an address that is none.
    """
    if text == EMBEDDED:
        from pixelsmile.judges.embedded.judge import EmbeddedJudge  # torch takes seconds to load

        return EmbeddedJudge()
    if text == PHOTO:
        from pixelsmile.judges.photo.judge import PhotoJudge

        return PhotoJudge()
    options = options or JudgeOptions()
    return _model_judge(text, options.rubric, options)


def parse_statistician(text: str, domain: Domain, options: JudgeOptions | None = None) -> Judge:
    """The model that `text` names, ready to be asked what a picture of that domain shows.

    InputError for the judges that know expressions alone, and as `parse_judge`.
    """
    if text in (EMBEDDED, PHOTO):
        raise InputError(
            f"judge {text!r} knows expressions alone, not age or clothes: name a model, as gemini:MODEL"
        )
    return _model_judge(text, STATISTICS[domain], options or JudgeOptions())


def parse_reader(text: str, options: JudgeOptions | None = None) -> Judge:
    """The model that `text` names, ready to be asked in words whether a face is an expression.

    A file has JSON lines {"question": Question.sha256, "answer": ...}. InputError for judges that read no
    words, and as `parse_judge`.
    """
    if text in (EMBEDDED, PHOTO):
        raise InputError(f"judge {text!r} reads no words: name a model, as gemini:MODEL")
    return _model_judge(text, COMBINATION, options or JudgeOptions())


def parse_markers(text: str, options: JudgeOptions | None = None) -> Markers:
    """The three that `text` names, in the words that `parse_judge` takes.

    A file has JSON lines {"question": Question.sha256, "answer": ...} for all three. Errors are the same.
    """
    if text == EMBEDDED:
        from pixelsmile.judges.embedded.marks import embedded_markers

        return embedded_markers()
    if text == PHOTO:
        from pixelsmile.judges.photo.marks import photo_markers

        return photo_markers()
    options = options or JudgeOptions()
    return Markers(
        quality=_model_judge(text, FED_QUALITY, options),
        consistency=_model_judge(text, FED_CONSISTENCY, options),
        truth_alignment=_model_judge(text, FED_TRUTH_ALIGNMENT, options),
    )


def is_judge(text: str) -> bool:
    """Whether `parse_judge` takes such words; not whether there is a key, or a server."""
    return text in (EMBEDDED, PHOTO) or _FORM.fullmatch(text) is not None


def is_local(text: str) -> bool:
    """Whether the judge of this name is a network on this machine."""
    return text in (EMBEDDED, PHOTO)


def server_named(text: str) -> str | None:
    """The address in the name of a judge, or the provider of one that has a home; None for no server."""
    match = _FORM.fullmatch(text)
    if match is None or match["kind"] == "scripted":
        return None
    _, address = split_address(match["what"])
    return address or match["kind"]


def _model_judge(text: str, rubric: Rubric, options: JudgeOptions) -> ModelJudge:
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(f"judge {text!r} is not understood: use {FORMS}")
    return ModelJudge(_provider(match["kind"], match["what"], options), rubric=rubric, budget=options.budget)


def _provider(kind: str, what: str, options: JudgeOptions) -> Provider:
    if kind == "scripted":
        return ScriptedProvider.from_file(what)
    settings = {**options.settings, "limits": options.limits}
    what, settings["base_url"] = split_address(what)
    if kind == "gemini":
        return GeminiProvider(what, settings=options.extra, **settings)
    return OpenAIProvider(what, extra_body=options.extra, **settings)
