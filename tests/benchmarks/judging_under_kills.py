"""Kills a judging over and over, then lets it end. Run by test_judged_scorers.py as a program of its own.

    python judging_under_kills.py RUN PAYMENTS NUM_KILLS

The judge notes in PAYMENTS what it is asked and what it has answered. A line is printed for each kill: the
signal that ended the judging (0: it was over before), how many verdicts were kept until then, and how many of
those it asked about again.
"""

import asyncio
import hashlib
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import VerdictScorer
from pixelsmile.benchmarks.scorers.scorer import Scoring
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.judges import (
    JudgeIdentity,
    Question,
    Verdict,
    VerdictCache,
)
from pixelsmile.judges.run import Asker

IN_FLIGHT = 4


class PaidJudge:
    """Takes a while, and writes down every request and every answer."""

    identity = JudgeIdentity("paid", "m", "expression-scores/1", "0" * 64, {})

    def __init__(self, payments: Path) -> None:
        self._payments = os.open(payments, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def judge(self, question: Question) -> Verdict:
        self._note("asked", question)
        await asyncio.sleep(random.uniform(0.02, 0.06))
        self._note("answered", question)
        return verdict_of(question.sha256)

    async def aclose(self) -> None:
        pass

    def _note(self, what: str, question: Question) -> None:
        os.write(self._payments, f"{what} {question.sha256}\n".encode())


def verdict_of(sha256: str) -> Verdict:
    digest = hashlib.sha256(sha256.encode()).digest()
    scores = {name: byte / 255 for name, byte in zip(EXPRESSIONS, digest, strict=False)}
    return Verdict(PaidJudge.identity.id, scores, max(scores, key=scores.__getitem__), ("an answer",))


def judge_all(folder: RunFolder, payments: Path) -> None:
    with VerdictCache(folder.path / "verdicts.sqlite") as cache:
        for _ in Scoring(folder, VerdictScorer(Asker(PaidJudge(payments), cache), IN_FLIGHT)):
            pass


def kept(folder: RunFolder) -> set[str]:
    """The pictures whose verdicts have reached the disk."""
    path = folder.path / "verdicts.sqlite"
    if not path.exists():
        return set()
    database = sqlite3.connect(path)
    try:
        return {row[0] for row in database.execute("SELECT picture_sha256 FROM outcomes")}
    except sqlite3.OperationalError:  # killed before it was laid out
        return set()
    finally:
        database.close()


def main(run: str, payments: str, num_kills: str) -> None:
    folder, notes = RunFolder(Path(run)), Path(payments)
    for round_number in range(int(num_kills)):
        before, length = kept(folder), notes.stat().st_size if notes.exists() else 0
        child = os.fork()
        if child == 0:
            judge_all(folder, notes)
            os._exit(0)
        if round_number % 2:  # else the kill may come before the first request
            _wait_for_more(notes, length)
        time.sleep(random.Random(round_number).uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        new = notes.read_text()[length:].split() if notes.exists() else []
        print(os.WTERMSIG(status), len(before), len(before & set(new)))
    judge_all(folder, notes)


def _wait_for_more(notes: Path, length: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (notes.exists() and notes.stat().st_size > length):
        time.sleep(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
