"""How good the embedded markers are: on people that nobody was trained on, against errors of known amounts.

    python -m recipes.judge.marks_quality [--judge runs/judge/finished] [--out marks_quality.json]

Each test person's true edit is damaged (for PQ), made too weak, too strong, or mixed with another expression
or with the source's (for SC and GTA), by amounts from 0 to 1. A good marker's marks fall as amounts rise:
Spearman's rank correlation is near -1. What has no fault should earn about 10 whoever it shows.

Strengths above 1 hardly show in the judge's scores, which end there: that an edit overdoes it is for
FED-Bench's REG to say.
"""

import argparse
import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelsmile.embedded import judge_path
from pixelsmile.expressions import DOMAINS, NEUTRAL
from pixelsmile.judges.embedded.marks import embedded_markers
from pixelsmile.judges.judge import (
    Judge,
    Mark,
    Markers,
    Sample,
    Target,
    consistency_sample,
    quality_sample,
    truth_alignment_sample,
)
from pixelsmile.store.publication import write_file
from recipes.command_line import refusing, rounded, start_log, whole
from recipes.judge.marks import DAMAGES, EditTask, Ruin, task_of
from recipes.judge.quality import reconstruction

QUALITY_FILE = "marks_quality.json"
SOUND = ("drawn", "reconstructed")
_NUM_DIGITS = 3

log = logging.getLogger("recipe")


@dataclass(frozen=True)
class MarksTest:
    """Who is tested: `num_people` in each domain; their seeds are not those of the calibration."""

    first_seed: int = 7_700_000
    num_people: int = 8
    amounts: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    ruin: Ruin = field(default_factory=Ruin)


@dataclass(frozen=True)
class Fault:
    """An edit with one fault, and how much of it. Of SOUND there is none: amount 0."""

    kind: str
    amount: float
    image: Image.Image


@dataclass
class Tally:
    """The marks of one component: (amount, mark) by kind of fault, and what was refused."""

    marks: defaultdict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, fault: Fault, marker: Judge, sample: Sample) -> None:
        """Have one edit marked."""
        outcome = asyncio.run(marker.judge(sample.question()))
        if isinstance(outcome, Mark):
            self.marks[fault.kind].append((fault.amount, outcome.mark))
        else:
            self.refused[f"{fault.kind} {fault.amount:g}"] += 1

    def report(self) -> dict[str, Any]:
        """Of each kind the mean mark by amount and Spearman's correlation; and the refusals."""
        kinds = {kind: _kind(np.array(marks)) for kind, marks in self.marks.items()}
        return {"kinds": kinds, "refused": dict(self.refused)}


def measure(markers: Markers, test: MarksTest) -> dict[str, Any]:
    """The report, by component; SC once for dense and once for simple instructions."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for index in range(test.num_people):
        for domain in DOMAINS:
            for component, fault, marker, sample in _asked(
                markers, task_of(test.first_seed + index, domain), test
            ):
                tallies[component].add(fault, marker, sample)
        log.info("%d of %d people", index + 1, test.num_people)
    return {component: tally.report() for component, tally in tallies.items()}


def _asked(markers: Markers, task: EditTask, test: MarksTest) -> Iterator[tuple[str, Fault, Judge, Sample]]:
    source, truth = task.picture(task.source), task.picture(task.truth)
    dense, simple = task.target, Target(task.target.expression)
    domain = task.domain
    for fault in _damages(task, truth, test):
        yield "quality", fault, markers.quality, quality_sample("", fault.image, domain)
    for fault in _misses(task, truth, test):
        for name, target in (("dense", dense), ("simple", simple)):
            sample = consistency_sample("", source, fault.image, name, domain, target)
            yield f"consistency, {name}", fault, markers.consistency, sample
        sample = truth_alignment_sample("", truth, fault.image, domain)
        yield "truth_alignment", fault, markers.truth_alignment, sample


def _damages(task: EditTask, truth: Image.Image, test: MarksTest) -> Iterator[Fault]:
    rng = np.random.default_rng(task.seed)
    yield from _sound(truth)
    for kind in DAMAGES:
        for amount in test.amounts:
            yield Fault(kind, amount, test.ruin.damaged(truth, kind, amount, rng))


def _misses(task: EditTask, truth: Image.Image, test: MarksTest) -> Iterator[Fault]:
    yield from _sound(truth)
    yield Fault("another person", 0.0, task.picture(task.truth, of_another=True))
    for amount in test.amounts:
        ways = {
            "towards the source": task.towards(task.source, amount),
            "towards another expression": task.towards(task.wrong, amount),
        }
        if task.target.expression != NEUTRAL:  # of rest there is neither too little nor too much
            ways["too weak"] = task.truth.scaled(1 - amount)
            ways["too strong"] = task.truth.scaled(1 + amount)
        for kind, units in ways.items():
            yield Fault(kind, amount, task.picture(units))


def _sound(truth: Image.Image) -> Iterator[Fault]:
    for kind, image in zip(SOUND, (truth, reconstruction(truth)), strict=True):
        yield Fault(kind, 0.0, image)


def _kind(marks_N2: np.ndarray) -> dict[str, Any]:
    amounts_N, marks_N = marks_N2.T
    means = {
        f"{amount:g}": rounded(marks_N[amounts_N == amount].mean(), _NUM_DIGITS)
        for amount in np.unique(amounts_N)
    }
    lowest = {"lowest": rounded(marks_N.min(), _NUM_DIGITS)} if len(means) == 1 else {}
    return {"mean_marks": means, "spearman": spearman(amounts_N, marks_N), **lowest}


def spearman(one_N: np.ndarray, other_N: np.ndarray) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; None where one of them never changes."""
    ranks_2N = np.stack([_ranks(one_N), _ranks(other_N)])
    if (np.ptp(ranks_2N, axis=1) == 0).any():
        return None
    return rounded(np.corrcoef(ranks_2N)[0, 1], _NUM_DIGITS)


def _ranks(values_N: np.ndarray) -> np.ndarray:
    _, places_N, counts_U = np.unique(values_N, return_inverse=True, return_counts=True)
    return (np.cumsum(counts_U) - (counts_U - 1) / 2)[places_N]


@refusing()
def main() -> None:
    """Test the markers and write the report; prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", type=Path, default=None, help="its folder (default: the one that ships)")
    parser.add_argument("--people", type=whole(), default=MarksTest().num_people, help="in each domain")
    parser.add_argument("--out", type=Path, default=None, help=f"default: {QUALITY_FILE} in that folder")
    arguments = parser.parse_args()
    start_log()
    folder = arguments.judge or judge_path()
    report = measure(embedded_markers(folder), MarksTest(num_people=arguments.people))
    target = arguments.out or folder / QUALITY_FILE
    write_file(target, (json.dumps(report, indent=2) + "\n").encode(), force=True)
    print(target.read_text(), end="")


if __name__ == "__main__":
    main()
