"""The product's own commands, each in a process of its own: what recipes are made of."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ON_FACES = "data.window=[0.1875,0.25,0.8125,0.9375]"  # the face of any drawn portrait, and little else


def train_command(settings: Sequence[str], output: Path) -> tuple[str, ...]:
    """A training by the recipe `embedded` with these settings (`key=value`) beyond it."""
    changes = (word for one in settings for word in ("--set", one))
    return ("train", "embedded", *changes, "-o", str(output))


def run_command(command: Sequence[str], log: Path, num_threads: int) -> None:
    """One command as a person would type it, what it says to `log`. RuntimeError where it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "pixelsmile", *command]
    with log.open("a") as file:
        done = subprocess.run(
            words,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(num_threads)},
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"pixelsmile {' '.join(command)} failed ({done.returncode}): see {log}")
