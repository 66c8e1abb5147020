"""A provider that answers from a file or a function: for demonstrations and tests."""

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.judges.providers.provider import Failure, Reply
from pixelsmile.judges.question import Question
from pixelsmile.judges.rubrics import Rubric
from pixelsmile.limits import problem_of, read_bytes

Script = Callable[[Question], str | Reply | Failure]
"""What is said to a question: the text of an answer in the rubric's form, or any reply or failure."""


class ScriptedProvider:
    """Says what `script` says, for nothing. `version` stands for the script in the judge's identity."""

    name = "scripted"

    def __init__(self, script: Script, *, version: str) -> None:
        self.model = version
        self._script = script

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> "ScriptedProvider":
        """Answers from JSON lines: {"picture": <Picture.sha256>, "answer": <an answer, or its text>}.

        A question of more than a picture is {"question": <Question.sha256>, "answer": ...}. What is not in
        the file gets an empty answer. InputError for a file that is none of these.
        """
        data = read_bytes(path)
        answers = dict(_entries(data, str(path)))
        nothing = Reply("", "", 0, "empty", f"the question is not in {Path(path).name}")
        version = sha256_bytes(data)[:16]
        return cls(lambda question: answers.get(question.sha256, nothing), version=version)

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """None: the version says it all."""
        return {}

    def max_tokens(self, question: Question, rubric: Rubric) -> int:
        """A script needs no tokens."""
        return 0

    async def ask(self, question: Question, rubric: Rubric) -> Reply | Failure:
        """What the script says."""
        answer = self._script(question)
        return Reply(answer, answer, 0) if isinstance(answer, str) else answer

    async def aclose(self) -> None:
        """There is nothing to close."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    question: str = Field(
        pattern="^[0-9a-f]{64}$", validation_alias=AliasChoices("picture", "question")
    )  # a picture alone is a question too
    answer: JsonValue


def _entries(data: bytes, name: str) -> list[tuple[str, str]]:
    entries: list[tuple[str, str]] = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = _Line.model_validate_json(line)
        except ValidationError as error:
            raise InputError(
                f"line {number} of {name!r} is no scripted answer ({problem_of(error)}): "
                'write {"picture": ..., "answer": ...} or {"question": ..., "answer": ...}'
            ) from error
        answer = entry.answer if isinstance(entry.answer, str) else json.dumps(entry.answer)
        entries.append((entry.question, answer))
    return entries
