"""The dynamics of a training (PixelSmile, figure 9): loss and confusion along its steps.

A training that validates on FFE-Bench leaves a run each time, validation/step-00000500-ffe in its folder, and
what it logged of its losses in stats.jsonl. A report on two or more of these runs gets this section.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from pixelsmile.benchmarks.ffe.results import RunResults
from pixelsmile.benchmarks.metrics.measure import Estimate
from pixelsmile.benchmarks.report.charts import Axis, Chart, Point, Series, nice_ticks
from pixelsmile.benchmarks.report.tables import FFE_COLUMNS, format_interval, format_number
from pixelsmile.errors import InputError
from pixelsmile.store.json_lines import read_lines

COLUMNS = tuple(column for column in FFE_COLUMNS if column.name in ("mscr", "acc_6", "acc_12"))
_VALIDATION = re.compile(r"step-(\d{8})-ffe")


class _Logged(BaseModel, extra="ignore", allow_inf_nan=False):
    """A line of stats.jsonl: the mean losses since the line before, by term."""

    step: int = Field(ge=0)
    losses: dict[str, float]


@dataclass(frozen=True)
class Validation:
    """A training after `step` steps. loss: the mean of those logged since the one before, or None."""

    step: int
    loss: float | None
    run: RunResults


def validations(runs: Mapping[str, RunResults]) -> tuple[list[Validation], list[tuple[int, float]]]:
    """The validations of the one training that `runs` are of, by rising step, and each logged total loss.

    Nothing where they are of none, or of several, or there is one run alone.
    """
    found = {
        int(name[1]): run for run in runs.values() if (name := _VALIDATION.fullmatch(run.folder.path.name))
    }
    folders = {run.folder.path.resolve().parent for run in runs.values()}
    if len(found) < max(2, len(runs)) or len(folders) > 1:
        return [], []
    lines = read_lines(folders.pop().parent / "stats.jsonl", _Logged)
    logged = [(line.step, line.losses["total"]) for line in lines if "total" in line.losses]
    seen, before = [], -1
    for step, run in sorted(found.items()):
        since = [loss for at, loss in logged if before < at <= step]
        seen.append(Validation(step, math.fsum(since) / len(since) if since else None, run))
        before = step
    return seen, logged


def dynamics(runs: Mapping[str, RunResults]) -> dict[str, Any] | None:
    """The section: its charts and the rows of its table; None where `runs` are no training's."""
    found, logged = validations(runs)
    if not found:
        return None
    steps = Axis("step", nice_ticks(0, found[-1].step))
    ends = [loss for _, loss in logged] or [0.0]
    return {
        "charts": [
            Chart(
                "Loss along the training",
                steps,
                Axis("loss", nice_ticks(min(0.0, *ends), max(ends))),
                [Series("loss (dots: as logged)", _losses(found), is_line=True, cloud=logged)],
                height=300,
            ),
            Chart(
                "Confusion and accuracy along the training",
                steps,
                Axis("share of the edits", nice_ticks(0.0, 1.0)),
                [Series(column.label, _points(found, column.name), is_line=True) for column in COLUMNS],
                height=340,
            ),
        ],
        "header": ("Step", "Loss", *(column.label for column in COLUMNS)),
        "rows": [_row(each) for each in found],
    }


def training_runs(training: Path) -> list[Path]:
    """The validations that a training left in its folder, by rising step. InputError for fewer than two."""
    found = sorted(
        path for path in training.glob("validation/step-*-ffe") if _VALIDATION.fullmatch(path.name)
    )
    if len(found) < 2:
        raise InputError(
            f"{str(training)!r} has {len(found)} validations on FFE-Bench, and a line needs two: name the "
            "folder of a training that measures itself (validation.benchmark)"
        )
    return found


def training_charts(trainings: Mapping[str, Mapping[str, RunResults]]) -> list[Chart]:
    """Loss and mSCR along the steps, a line for each training by its label: figure 9 in the paper's form.

    Each training: the results of its `training_runs`, by any label.
    """
    found = {label: validations(runs) for label, runs in trainings.items()}
    steps = Axis("step", nice_ticks(0, max(seen[-1].step for seen, _ in found.values())))
    ends = [loss for _, logged in found.values() for _, loss in logged] or [0.0, 1.0]
    return [
        Chart(
            "Loss along the trainings",
            steps,
            Axis("loss", nice_ticks(min(0.0, *ends), max(ends))),
            [
                Series(name, _losses(seen), is_line=True, cloud=logged)
                for name, (seen, logged) in found.items()
            ],
            height=300,
        ),
        Chart(
            "Confusion along the trainings",
            steps,
            Axis("mSCR", nice_ticks(0.0, 1.0)),
            [Series(name, _points(seen, "mscr"), is_line=True) for name, (seen, _) in found.items()],
            height=340,
        ),
    ]


def _losses(found: list[Validation]) -> list[Point]:
    points = [(each.step, each.loss) for each in found if each.loss is not None]
    return [Point(_exactly(step), _exactly(loss), f"step {step}: loss {loss:.4g}") for step, loss in points]


def _points(found: list[Validation], name: str) -> list[Point]:
    estimates = [(each.step, each.run.summary.metrics[name].estimate) for each in found]
    return [
        Point(_exactly(step), seen, f"step {step}: {format_number(seen.value)} ({format_interval(seen)})")
        for step, seen in estimates
        if seen.value is not None
    ]


def _row(each: Validation) -> tuple[str, ...]:
    estimates = (each.run.summary.metrics[column.name].estimate for column in COLUMNS)
    numbers = (f"{format_number(seen.value)} ({format_interval(seen, between=' – ')})" for seen in estimates)
    return str(each.step), format_number(each.loss, 4), *numbers


def _exactly(value: float) -> Estimate:
    return Estimate(value, None, None)
