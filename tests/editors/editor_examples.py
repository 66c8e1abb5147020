"""Tasks and sweeps for the tests of editors.

task = a_task("happy")                          whose picture is grey
outcomes = sweep(editor, task, picture, (1,))   without an event loop; `runner` for editors with processes
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from pixelsmile.editors.editor import (
    Box,
    EditOutcome,
    Task,
    TaskEditor,
)


@dataclass(frozen=True)
class GreyPicture:
    """A grey square."""

    level: int = 128

    def load(self) -> Image.Image:
        return Image.new("RGB", (40, 40), (self.level,) * 3)

    def sha256(self) -> str:
        return hashlib.sha256(bytes([self.level])).hexdigest()


def a_task(target: str = "happy", prompt: str = "smile", box: Box | None = None, source: str = "s") -> Task:
    return Task(source, target, "human", prompt, box, picture=GreyPicture())


def sweep(
    editor: TaskEditor,
    task: Task,
    picture: Image.Image,
    strengths: Sequence[float],
    seed: int = 0,
    runner: asyncio.Runner | None = None,
) -> list[EditOutcome]:
    """All outcomes of one task, in the order in which they come."""

    async def collected() -> list[EditOutcome]:
        return [outcome async for outcome in editor.edit(task, picture, strengths, seed)]

    return asyncio.run(collected()) if runner is None else runner.run(collected())
