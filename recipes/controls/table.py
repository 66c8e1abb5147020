"""What the rows came to: every metric with its interval, what each training cost, and the paper's order.

A value is of the edits of all seeds together; its interval (percentile, 95 %) draws source pictures and seeds
again, both at once, as in the table of ablations. Of two rows, a difference is drawn likewise, paired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from pixelsmile.benchmarks.metrics.measure import Measure, difference, percentile_interval
from pixelsmile.benchmarks.metrics.summary import METRICS, Summary
from pixelsmile.benchmarks.metrics.table import FloatArray
from pixelsmile.benchmarks.published import published_table
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.images import load_image
from pixelsmile.results.grid import Sweep, draw_grid
from pixelsmile.store.safetensors_header import read_header
from recipes.ablations.jobs import CPU_FILE, Job
from recipes.ablations.table import Edits, drawn_weights, pooled_measures
from recipes.controls.jobs import PUBLISHED_NAMES, TRIPLETS_A_STEP, UNTRAINED, weights_of
from recipes.controls.pace import seconds_taken

_TAIL = 0.025
_TILE_PX = 176
_FOUND_AFTERWARDS = {"saedit": ("directions",)}  # tensors that are not trained
COLUMNS = tuple(metric for metric in METRICS if metric.name not in ("mscr", "acc_6", "cls_2"))


@dataclass(frozen=True)
class Cell:
    """A metric of a row, or the difference of two; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Cost:
    """What a training was: trained parameters, optimiser steps, pairs (of a source and a target) that it saw;
    cpu_s: of the whole command, the median of the seeds."""

    parameters: int
    steps: int
    pairs: int
    cpu_s: float


@dataclass(frozen=True)
class Ordered:
    """Two rows that the paper's table puts one above the other, by a metric, and whether that holds here."""

    metric: str
    better: str
    worse: str
    gap: Cell
    holds: str


def control_table(edits: Edits, num_replicates: int = 2000) -> dict[str, dict[str, Cell]]:
    """Every row's cells by metric. The untrained row has one seed, which stands in for all."""
    found, weights_RS = _measured(edits, num_replicates)
    return {row: {name: _cell(one, weights_RS) for name, one in by.items()} for row, by in found.items()}


def paper_order(
    edits: Edits, metrics: Sequence[str] = ("cls_6", "cls_12", "hes"), num_replicates: int = 2000
) -> list[Ordered]:
    """Neighbours of table 2 by each of these metrics, best first, and whether they stand so here."""
    found, weights_RS = _measured(edits, num_replicates)
    rows_by_name = {name: row for row, name in PUBLISHED_NAMES.items() if row in edits}
    judged = []
    for metric in metrics:
        published = {
            rows_by_name[line.model]: line.values[metric]
            for line in published_table("ffe_linear").rows
            if line.model in rows_by_name and metric in line.values
        }
        for better, worse in pairwise(sorted(published, key=lambda row: -published[row])):
            if published[better] > published[worse]:
                gap = _cell(difference(found[better][metric], found[worse][metric]), weights_RS)
                judged.append(Ordered(metric, better, worse, gap, _verdict(gap)))
    return judged


def cost_of(jobs: Sequence[Job], num_steps: int) -> Cost | None:
    """Of a row's trainings, None where it has none. CPU seconds: the median, as one encodes the pictures."""
    if jobs[0].name == UNTRAINED:
        return None
    header = read_header(weights_of(jobs[0]))
    found = _FOUND_AFTERWARDS.get(jobs[0].name, ())
    parameters = sum(int(np.prod(entry.shape)) for name, entry in header.tensors.items() if name not in found)
    seconds = [seconds_taken(job.folder / CPU_FILE) for job in jobs]
    return Cost(parameters, num_steps, 2 * TRIPLETS_A_STEP * num_steps, float(np.median(seconds)))


def sheet(runs: Mapping[str, RunFolder]) -> Image.Image:
    """The benchmark's first sample as the rows edited it, a row each, small; one that failed says so."""
    first = next(iter(runs.values()))
    spec = first.spec()
    task, sweeps = spec.tasks[0], []
    for row, run in runs.items():
        edits = run.edits()
        found = [edits[task.source, task.target, strength] for strength in spec.strengths]
        tiles = [_small(run.picture_of(edit)) if edit.file else _no_picture() for edit in found]
        sweeps.append(Sweep(PUBLISHED_NAMES[row], tiles, spec.strengths))
    return draw_grid(_small(first.source_file(task.source)), sweeps, f"{task.source} -> {task.target}")


def curves(seeds: Sequence[Summary]) -> list[dict[str, float | None]]:
    """Figure 4 of a row: expression against identity by strength, means over its seeds."""
    points = zip(*(summary.trade_off for summary in seeds), strict=True)
    return [
        {
            "strength": alike[0].strength,
            "expression": _mean([point.expression.value for point in alike]),
            "identity": _mean([point.identity.value for point in alike]),
        }
        for alike in points
    ]


def as_json(
    table: Mapping[str, Mapping[str, Cell]],
    costs: Mapping[str, Cost | None],
    order: Sequence[Ordered],
    points: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """All of it, for a file."""
    return {
        "table": {row: {name: asdict(cell) for name, cell in cells.items()} for row, cells in table.items()},
        "costs": {row: None if cost is None else asdict(cost) for row, cost in costs.items()},
        "order": [asdict(one) for one in order],
        "trade_off": {row: list(some) for row, some in points.items()},
    }


def as_markdown(
    table: Mapping[str, Mapping[str, Cell]], costs: Mapping[str, Cost | None], order: Sequence[Ordered]
) -> str:
    """The rows with their metrics and costs, and the paper's order."""
    names = ["", *(metric.label for metric in COLUMNS), "parameters", "steps", "pairs", "CPU s"]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row, cells in table.items():
        cost = costs[row]
        paid = ["–"] * 4
        if cost is not None:
            paid = [f"{cost.parameters:,}", f"{cost.steps:,}", f"{cost.pairs:,}", f"{cost.cpu_s:.0f}"]
        shown = [_shown(cells[metric.name]) for metric in COLUMNS]
        lines.append("| " + " | ".join([row, *shown, *paid]) + " |")
    lines += ["", "| in the paper | by | difference here | holds |", "|---|---|---|---|"]
    lines += [
        f"| {one.better} above {one.worse} | {one.metric} | {_shown(one.gap, signed=True)} | {one.holds} |"
        for one in order
    ]
    return "\n".join(lines)


def _measured(edits: Edits, num_replicates: int) -> tuple[dict[str, Mapping[str, Measure]], FloatArray]:
    seeds = sorted({seed for by_seed in edits.values() for seed in by_seed})
    samples = {edit.sample for by_seed in edits.values() for some in by_seed.values() for edit in some}
    found = {row: pooled_measures(by_seed, seeds) for row, by_seed in edits.items()}
    return found, drawn_weights(len(samples), len(seeds), num_replicates)


def _cell(measure: Measure, weights_RS: FloatArray) -> Cell:
    value, drawn_R = measure.value(), measure.resampled(weights_RS)
    drawn_R = drawn_R[np.isfinite(drawn_R)]
    if not np.isfinite(value):
        return Cell(None)
    if not len(drawn_R):
        return Cell(float(value))
    low, high = percentile_interval(drawn_R, _TAIL)
    return Cell(float(value), float(low), float(high))


def _verdict(gap: Cell) -> str:
    if gap.low is None or gap.high is None:
        return "undefined"
    if gap.low <= 0 <= gap.high:
        return "not told apart"
    return "yes" if gap.low > 0 else "no, the opposite"


def _small(file: Path) -> Image.Image:
    return load_image(file).resize((_TILE_PX, _TILE_PX), Image.Resampling.LANCZOS)


def _no_picture() -> Image.Image:
    tile = Image.new("RGB", (_TILE_PX, _TILE_PX), "lightgrey")
    ImageDraw.Draw(tile).text((_TILE_PX / 2, _TILE_PX / 2), "edit failed", "black", anchor="mm")
    return tile


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _shown(cell: Cell, *, signed: bool = False) -> str:
    if cell.value is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    if cell.low is None or cell.high is None:
        return format(cell.value, form)
    return f"{cell.value:{form}} ({cell.low:{form}} to {cell.high:{form}})"
