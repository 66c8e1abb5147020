"""What a benchmark needs of an editor, whatever is behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.tasks import Task


@dataclass(frozen=True)
class Made:
    """One edit of a sweep: an RGB picture, or None with the reason."""

    strength: float
    image: Image.Image | None
    failure: str | None = None


class BenchmarkEditor(Protocol):
    """Makes the edits that a benchmark asks for."""

    def to_record(self) -> dict[str, JsonValue]:
        """Everything that its edits depend on: name, kind, hashes of weights, settings."""

    def edit(self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int) -> Iterator[Made]:
        """Each of `strengths` once, in any order; the same seed gives the same edits."""

    def close(self) -> None:
        """Let go of what it holds: memory, processes."""
