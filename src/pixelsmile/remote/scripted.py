"""A provider that answers from a file or a function: for demonstrations and tests."""

import json
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue

from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.limits import read_bytes, validated
from pixelsmile.remote.provider import NOTHING, Failure, Prompt, Reply

Script = Callable[[Prompt], str | Reply | Failure]
"""What is said to a prompt: the text of an answer, or any reply or failure."""


class ScriptedProvider:
    """Says what `script` says, for nothing. `version` stands for the script in identities."""

    name = "scripted"
    limits = None

    def __init__(self, script: Script, *, version: str) -> None:
        self.model = version
        self._script = script

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> "ScriptedProvider":
        """Answers from JSON lines: {"picture": <SHA-256 of its pixels>, "answer": <an answer, or its text>}.

        A question of more than a picture is {"question": <its SHA-256>, "answer": ...}. What is not in the
        file gets an empty answer. InputError for a file that is none of these.
        """
        data = read_bytes(path)
        answers = dict(_entries(data, str(path)))
        nothing = Reply("", "", NOTHING, "empty", f"the question is not in {Path(path).name}")
        version = sha256_bytes(data)[:16]
        return cls(lambda prompt: answers.get(prompt.sha256, nothing), version=version)

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """None: the version says it all."""
        return {}

    async def ask(self, prompt: Prompt) -> Reply | Failure:
        """What the script says."""
        answer = self._script(prompt)
        return Reply(answer, answer, NOTHING) if isinstance(answer, str) else answer

    async def aclose(self) -> None:
        """There is nothing to close."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    question: str = Field(
        pattern="^[0-9a-f]{64}$", validation_alias=AliasChoices("picture", "question")
    )  # a picture alone is a question too
    answer: JsonValue


def _entries(data: bytes, name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue

        def refused(problem: str, number: int = number) -> InputError:
            return InputError(
                f"line {number} of {name!r} is no scripted answer ({problem}): "
                'write {"picture": ..., "answer": ...} or {"question": ..., "answer": ...}'
            )

        entry = validated(_Line, line, error=refused)
        yield entry.question, entry.answer if isinstance(entry.answer, str) else json.dumps(entry.answer)
