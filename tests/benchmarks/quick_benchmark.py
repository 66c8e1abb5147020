"""A benchmark and an editor that take no time, and a program that kills their runs.

python quick_benchmark.py FOLDER NUM_KILLS SEED AT_ONCE    run, kill at random moments, run to the end
"""

import asyncio
import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.editors.editor import Capabilities, EditOutcome, Task
from pixelsmile.errors import ImageError, InputError
from pixelsmile.expressions import target_prompt

SIDE_PX = 48
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
TARGETS = ("happy", "sad", "angry", "shy")
REFUSED = ("b", "sad")  # by the editor
UNREADABLE = "c"  # of the benchmark's pictures
COUNT_FILE = "calls"  # a letter for each edit that was begun, beside the run's folder


@dataclass(frozen=True)
class FlatPicture:
    """A flat picture; one of the four cannot be read."""

    source: str

    def load(self) -> Image.Image:
        if self.source == UNREADABLE:
            raise ImageError(f"picture {self.source!r} is damaged: copy it again")
        return Image.new("RGB", (SIDE_PX, SIDE_PX), (60 * "abcd".index(self.source), 90, 120))

    def sha256(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()


TASKS = tuple(
    Task(source, target, "human", target_prompt(target), (4.0, 4.0, 44.0, 44.0), picture=FlatPicture(source))
    for source in "abcd"
    for target in TARGETS
)
QUICK = Benchmark("quick", "tests", TASKS, dict)


class QuickEditor:
    """Tints pictures by target and strength, and keeps count of its work. It refuses one task half-way."""

    capabilities = Capabilities()

    def __init__(self, calls: Path, seconds: float = 0.0, max_concurrency: int = 1) -> None:
        self._calls, self._seconds = calls, seconds
        self.max_concurrency = max_concurrency

    def to_record(self) -> dict[str, JsonValue]:
        return {"name": "quick", "kind": "test"}

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        for strength in strengths:
            if (task.source, task.target) == REFUSED and strength > 0.5:
                raise InputError("too strong for me: use less")
            with self._calls.open("a") as file:
                file.write("x")
            await asyncio.sleep(self._seconds)
            yield EditOutcome(strength, tinted(picture, task.target, strength, seed))

    async def close(self) -> None:
        """Nothing is held."""


def tinted(picture: Image.Image, target: str, strength: float, seed: int) -> Image.Image:
    pixels = np.asarray(picture).copy()
    pixels[..., 2] = 100 * strength + 10 * TARGETS.index(target) + seed % 10
    return Image.fromarray(pixels)


def run(folder: Path, seconds: float = 0.0, max_concurrency: int = 1) -> None:
    """Run the benchmark to its end."""
    editor = QuickEditor(folder.with_name(COUNT_FILE), seconds, max_concurrency)
    with RunFolder.claimed(folder) as claim:
        for _ in run_edits(QUICK, editor, claim, "linear", STRENGTHS, seed=3):
            pass


def main(folder: Path, num_kills: int, seed: int, max_concurrency: int) -> None:
    os.fsync = lambda file: None  # what was written outlives a kill without it; only a power cut needs it
    moments = random.Random(seed)
    for _ in range(num_kills):
        process = os.fork()
        if process == 0:
            run(folder, 0.001, max_concurrency)
            os._exit(0)
        time.sleep(moments.uniform(0.0, 0.12))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    run(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
