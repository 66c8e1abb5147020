"""A task for a model that sees pictures: the instructions, the schema of its answer, and how that is read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import JsonValue

from pixelsmile.hashing import sha256_json
from pixelsmile.judges.rubrics.reading import ReadAnswer


@dataclass(frozen=True)
class Rubric:
    """One version of a task. Whoever changes a word makes a new version: outcomes are kept by its hash.

    read: makes of what a model wrote its answer; MalformedAnswerError where it is not in the agreed form.
    """

    version: str
    instructions: str
    answer_schema: Mapping[str, JsonValue]
    read: Callable[[str], ReadAnswer] = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """The hash of version, instructions and schema."""
        return sha256_json([self.version, self.instructions, dict(self.answer_schema)])

    def prompt(self, words: str = "") -> str:
        """What is said after the pictures: the instructions, then the question's words, if it has any.

        The words are a stranger's: in quotes, with those in them escaped, they cannot pass for ours.
        """
        return (
            f"{self.instructions}\n\n{json.dumps(words, ensure_ascii=False)}" if words else self.instructions
        )
