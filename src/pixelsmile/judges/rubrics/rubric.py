"""A scoring task for a model that sees pictures: the instructions, and the schema of its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from pixelsmile.hashing import sha256_json
from pixelsmile.judges.rubrics.answer import Answer, read_answer


@dataclass(frozen=True)
class Rubric:
    """One version of a task. Whoever changes a word makes a new version: verdicts are kept by its hash."""

    version: str
    instructions: str
    answer_schema: Mapping[str, JsonValue]

    @cached_property
    def sha256(self) -> str:
        """The hash of version, instructions and schema."""
        return sha256_json([self.version, self.instructions, dict(self.answer_schema)])

    def read(self, text: str) -> Answer:
        """The answer in what a model wrote; MalformedAnswerError where it is not in the agreed form."""
        return read_answer(text)
