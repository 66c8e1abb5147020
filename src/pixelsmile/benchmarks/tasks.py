"""What a benchmark asks of an editor: a source picture, a target expression, and the words for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image
from pydantic import JsonValue

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.limits import shown

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the source

MAX_NAME_LETTERS = 100
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Task:
    """One edit, or one sweep of strengths. InputError for a name or target that cannot be.

    source: names the source picture; letters, digits, `.`, `_` and `-`, for it names files too.
    target: one of EXPRESSIONS, or neutral. prompt: what editors are told that read words.
    face_box: where the face is, if the benchmark says. triplet: of FED-Bench, which has two tasks for each.
    """

    source: str
    target: str
    domain: Domain
    prompt: str
    face_box: Box | None = None
    triplet: str | None = None

    def __post_init__(self) -> None:
        check_name(self.source, "source")
        if self.target not in (*EXPRESSIONS, NEUTRAL):
            raise InputError(
                f"source {self.source!r} has target {self.target!r}: use one of {', '.join(EXPRESSIONS)}"
            )

    @property
    def key(self) -> str:
        """`source/target`: no two tasks of a benchmark have the same."""
        return f"{self.source}/{self.target}"

    @property
    def sample(self) -> str:
        """What is drawn when a benchmark draws samples: the triplet, or else the source picture."""
        return self.triplet or self.source

    def as_json(self) -> dict[str, Any]:
        """What is asked for, as runs write it down, and benchmarks without triplets are hashed by it."""
        return {
            "source": self.source,
            "target": self.target,
            "domain": self.domain,
            "prompt": self.prompt,
            "face_box": self.face_box,
        }


def check_name(name: str, what: str, max_letters: int = MAX_NAME_LETTERS) -> None:
    """InputError, which says `what` it is a name of, unless files can be called by it."""
    if not _NAME.fullmatch(name) or len(name) > max_letters:
        raise InputError(
            f"{what} {shown(name)} cannot name a file: use up to {max_letters} letters, digits, '.', '_' "
            "and '-'"
        )


class Benchmark(Protocol):
    """Tasks and their source pictures."""

    @property
    def tasks(self) -> Sequence[Task]:
        """All tasks, in a fixed order."""

    def picture(self, source: str) -> Image.Image:
        """The source picture of that name, upright RGB; ImageError where it cannot be read."""

    def to_record(self) -> dict[str, JsonValue]:
        """Which benchmark this is, for a run's specification: name, origin, and a hash of all content."""
