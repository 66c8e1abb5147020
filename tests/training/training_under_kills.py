"""Kills a training over and over at random moments, then lets it end. Run by test_checkpoint.py.

    python training_under_kills.py RUN NUM_KILLS LONGEST_S [CHANGE ...]

A kill comes after a random share of LONGEST_S seconds of processor time, every other one then waits for the
middle of writing a checkpoint. A line is printed for each: the signal that ended the training (0: it was over
before), the newest checkpoint then, and how many files of the next one were written.
"""

import glob
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from small_job import train

from pixelsmile.training.checkpoint import Checkpoints


def main(run: str, num_kills: str, longest_s: str, *changes: str) -> None:
    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1)])  # its first use imports for seconds
    folder, chance = Path(run), random.Random(num_kills)
    for number in range(int(num_kills)):
        child = os.fork()
        if child == 0:
            train(folder, *changes)
            os._exit(0)
        _wait_for_cpu(child, chance.uniform(0, float(longest_s)))
        if number % 2:
            _wait_for_half_a_checkpoint(child, folder / "checkpoints", chance.randint(0, 4))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        newest = Checkpoints(folder / "checkpoints", 1).newest_step()
        print(os.WTERMSIG(status), newest, len(_half_written(folder / "checkpoints")), flush=True)
    train(folder, *changes)


def _wait_for_cpu(child: int, seconds: float) -> None:
    while _is_running(child) and time.clock_gettime(_cpu_clock(child)) < seconds:
        time.sleep(0.001)


def _wait_for_half_a_checkpoint(child: int, folder: Path, num_files: int) -> None:
    """Until so many files of a new checkpoint are there: the child is at work on the next."""
    left_over = _half_written(folder)  # by the kill before
    while _is_running(child) and (len(found := _half_written(folder)) < num_files or found == left_over):
        left_over = left_over if found == left_over else ()


def _half_written(folder: Path) -> tuple[str, ...]:
    # Unlike Path.glob, glob.glob bears a folder that goes while it looks.
    return tuple(sorted(glob.glob(f"{folder}/.pixelsmile-*/new/*/*")))


def _is_running(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _cpu_clock(process: int) -> int:
    """The clock of another process's processor time (clock_getcpuclockid of glibc)."""
    return (~process << 3) | 2


if __name__ == "__main__":
    main(*sys.argv[1:])
