"""What a benchmark or a data set needs of an editor, whatever is behind it."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image
from pydantic import JsonValue

from pixelsmile.editors.task import Task
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.expressions import DOMAINS


@dataclass(frozen=True)
class EditOutcome:
    """One edit of a sweep: an RGB picture, or None with the reason."""

    strength: float
    image: Image.Image | None
    failure: str | None = None


class EditorStoppedError(PixelSmileError):
    """No other task would fare better: what is under way comes in, the rest is left for the next run."""


@dataclass(frozen=True)
class Capabilities:
    """What an editor can do, as far as that is known; the defaults are those of one that is not known.

    continuous: it takes any strength; others are asked for full edits alone, at strength 1. words: it follows
    a task's prompt; others its target. face_box: it edits the face in a task's box. keeps_size: its edits
    have the size of their source. note: what it says about its limits; nothing for most.
    """

    domains: tuple[str, ...] = DOMAINS
    continuous: bool = True
    words: bool = True
    face_box: bool = True
    keeps_size: bool = False
    note: str = ""


class TaskEditor(Protocol):
    """Makes edits. The unit of its work is a sweep: one source, one target, some strengths.

    max_concurrency: how many sweeps it may be given at once. An editor that computes here takes 1, and makes
    its sweep in one batch.
    """

    max_concurrency: int

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def to_record(self) -> dict[str, JsonValue]:
        """Everything that its edits depend on: name, kind, hashes of weights, settings."""

    def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """Each of `strengths` once, in any order; the same seed gives the same edits.

        picture: the task's, loaded. An error of ours is the reason why there is none of those that are left;
        an EditorStoppedError ends the run.
        """

    async def close(self) -> None:
        """Let go of what it holds: memory, processes."""


def check_tasks(can: Capabilities, tasks: Iterable[Task], strengths: Sequence[float]) -> None:
    """InputError for tasks of a domain that the editor does not know, or at strengths that it cannot take."""
    if unknown := sorted({task.domain for task in tasks} - set(can.domains)):
        raise InputError(
            f"the model knows {' and '.join(can.domains)} pictures, and some tasks are {unknown[0]}: add "
            f"--domain {can.domains[0]}, or name another --model"
        )
    if not can.continuous and tuple(strengths) != (1.0,):
        raise InputError("the editor takes no strength: ask it for full edits alone, with --setting general")
