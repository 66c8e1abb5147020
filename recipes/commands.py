"""The product's own commands, each in a process of its own: what recipes are made of."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pixelsmile.errors import PixelSmileError

PRESET = "embedded"  # the recipe of the product that trainings begin with
ON_FACES = "data.window=[0.1875,0.25,0.8125,0.9375]"  # the face of any drawn portrait, and little else


class CommandError(PixelSmileError):
    """A command that a recipe is made of failed. The message has its last words, and names its log."""


def train_command(settings: Sequence[str], output: Path, preset: str = PRESET) -> tuple[str, ...]:
    """A training by a recipe of the product with these settings (`key=value`) beyond it."""
    changes = (word for one in settings for word in ("--set", one))
    return ("train", preset, *changes, "-o", str(output))


def run_command(command: Sequence[str], log: Path, num_threads: int) -> float:
    """One command as a person would type it, what it says to `log`; its CPU seconds, all threads together.

    CommandError where it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "pixelsmile", *command]
    environment = {**os.environ, "OMP_NUM_THREADS": str(num_threads)}
    with log.open("a") as file:
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, env=environment)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)  # which Popen did not hear of
    if process.returncode:
        said = log.read_text(errors="replace").splitlines()[-1:]
        raise CommandError(
            f"pixelsmile {' '.join(command[:3])} failed ({process.returncode}): {''.join(said)} (see {log})"
        )
    return usage.ru_utime + usage.ru_stime
