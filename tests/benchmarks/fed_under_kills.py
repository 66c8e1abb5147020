"""Kills a run of FED-Bench and its judging over and over, then lets them end. Run by test_fed_results.py.

    python fed_under_kills.py RUN PAYMENTS NUM_KILLS

The judges note in PAYMENTS what they are asked. A line is printed for each kill: the signal that ended the
work (0: it was over before), and how many of the answers that were kept before were asked for again.
"""

import asyncio
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.fed_run_examples import TRIPLETS, ExampleJudge, begin_fed_run, mark_fed_run, measure_fed_run

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scores import MARKS
from pixelsmile.judges import Question, cache_key
from pixelsmile.judges.judge import Markers


class PaidJudge(ExampleJudge):
    """Takes a while, and writes down every request. It answers all of them."""

    def __init__(self, rubric: str, payments: Path) -> None:
        super().__init__(rubric)
        self._payments = os.open(payments, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def judge(self, question: Question):
        os.write(self._payments, f"{cache_key(self.identity, question)}\n".encode())
        await asyncio.sleep(random.uniform(0.02, 0.06))
        return await super().judge(question)


def work(path: Path, payments: Path) -> None:
    begin_fed_run(path, [triplet for triplet in TRIPLETS if triplet.name != "silent"])
    folder = RunFolder(path)
    measure_fed_run(folder)
    markers = Markers(*(PaidJudge(component, payments) for component in MARKS))
    mark_fed_run(folder, markers, PaidJudge("scores", payments))


def kept(path: Path) -> set[str]:
    """The keys of the answers that have reached the disk."""
    database = path / "verdicts.sqlite"
    if not database.exists():
        return set()
    connection = sqlite3.connect(database)
    try:
        return {row[0] for row in connection.execute("SELECT key FROM outcomes")}
    except sqlite3.OperationalError:  # killed before it was laid out
        return set()
    finally:
        connection.close()


def main(run: str, payments: str, num_kills: str) -> None:
    os.fsync = lambda file: None  # what was written outlives a kill without it; only a power cut needs it
    path, notes = Path(run), Path(payments)
    notes.touch()
    for round_number in range(int(num_kills)):
        before, length = kept(path), notes.stat().st_size
        child = os.fork()
        if child == 0:
            work(path, notes)
            os._exit(0)
        if round_number % 2:  # else the kill may come before the first request
            wait_for_more(notes, length)
        time.sleep(random.Random(round_number).uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        asked = set(notes.read_text()[length:].split())
        print(os.WTERMSIG(status), len(before & asked))
    work(path, notes)


def wait_for_more(notes: Path, length: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and notes.stat().st_size == length:
        time.sleep(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
