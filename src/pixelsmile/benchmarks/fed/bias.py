"""The bias test of FED-Bench: editors whose order is known, scored by FED-Score and by single metrics.

    FOLDER/truth, FOLDER/copy, ...   a run for each editor, as `bench fed run` and `judge` make them
    FOLDER/verdicts.sqlite           what the judge said; the runs share it

After a kill the same call does what is left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.fed.background import BackgroundMeter, measure_background
from pixelsmile.benchmarks.fed.bias_checks import (
    CHECKS,
    METRICS_CHECKED,
    BiasTable,
    CheckFound,
    figures,
    run_checks,
)
from pixelsmile.benchmarks.fed.bias_singles import SINGLES, measure_singles, singles
from pixelsmile.benchmarks.fed.changes import measure_changes
from pixelsmile.benchmarks.fed.changes_of_scores import JudgedScores
from pixelsmile.benchmarks.fed.components import NO_CHANGE
from pixelsmile.benchmarks.fed.marking import MARKED, MarkerSet, keep_markers, marking
from pixelsmile.benchmarks.fed.results import FedResults, ScoredEdit, load_fed_results
from pixelsmile.benchmarks.likeness import measure_likeness
from pixelsmile.benchmarks.metrics.fed_summary import COMPONENTS, DIMENSIONS, SCORE
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.metrics.summary import Figure
from pixelsmile.benchmarks.metrics.table import FloatArray
from pixelsmile.benchmarks.opinions import NOT_JUDGED
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import GENERAL_STRENGTHS, run_edits
from pixelsmile.editors.sanity import FED_SANITY_EDITORS, SanityEditor
from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.run import VerdictCache
from pixelsmile.store.publication import SCRATCH_PREFIX

if TYPE_CHECKING:
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.features.encoder import ImageEncoder

EDITORS = FED_SANITY_EDITORS
SCHEMA_VERSION = 1
_CACHE = "verdicts.sqlite"
_EXPRESSION = "expression"


@dataclass(frozen=True)
class BiasMeasures:
    """Who judges and measures. scorer: gives the twelve scores, of the same judge as the markers."""

    markers: MarkerSet
    scorer: Judge
    meter: "LikenessMeter"
    encoder: "ImageEncoder"


@dataclass(frozen=True)
class BiasProgress:
    """What is being done for which editor: num_done of num_all."""

    editor: str
    what: str
    num_done: int
    num_all: int


@dataclass(frozen=True)
class BiasResults:
    """All that came of it. runs: by editor. figures: by editor and metric. checks: by metric and check."""

    runs: Mapping[str, FedResults]
    table: BiasTable
    figures: Mapping[str, Mapping[str, Figure]]
    checks: Mapping[str, Mapping[str, CheckFound]]
    bootstrap: Bootstrap

    @property
    def num_unjudged(self) -> int:
        """How many edits wait for an answer of the judge: a budget was spent before."""
        edits = (each for run in self.runs.values() for each in run.edits if each.file is not None)
        return sum(any(map(_waits, each.edit.reasons.values())) for each in edits)

    def as_json(self) -> dict[str, Any]:
        """Every number with its interval, every answer with its differences, and what they depend on."""
        truth = self.runs["truth"]
        record = truth.as_json()
        measured = (
            "judge",
            "markers",
            "identity_encoders",
            "likeness",
            "background",
            "representation",
            "code",
        )
        return {
            "schema_version": SCHEMA_VERSION,
            "benchmark": truth.spec.benchmark,
            **{name: record[name] for name in measured},
            "normalisation": truth.summary.constants.model_dump(mode="json"),
            "bootstrap": self.bootstrap.as_json(),
            "editors": {
                editor: {name: figure.as_json() for name, figure in found.items()}
                for editor, found in self.figures.items()
            },
            "checks": {
                metric: {name: check.as_json() for name, check in found.items()}
                for metric, found in self.checks.items()
            },
        }


def run_bias(
    path: Path, benchmark: Benchmark, measures: BiasMeasures, *, max_concurrency: int = 8
) -> Iterator[BiasProgress]:
    """Make, judge and measure what the folder at `path` lacks, editor by editor.

    A spent budget leaves edits unscored: the results say how many. InputError or OutputError where the folder
    holds something else, or runs of another benchmark, code or encoder.
    """
    _check_folder(path)
    for editor in EDITORS:
        with RunFolder.claimed(path / editor) as folder, VerdictCache(path / _CACHE) as cache:
            for event in run_edits(benchmark, SanityEditor(editor), folder, "general", GENERAL_STRENGTHS):
                yield BiasProgress(editor, "editing", event.num_done, event.num_edits)
            for what, num_done, num_all in _measured(folder, measures, cache, max_concurrency):
                yield BiasProgress(editor, what, num_done, num_all)


def load_bias(path: Path, judge_id: str | None = None, bootstrap: Bootstrap | None = None) -> BiasResults:
    """The results of the runs below `path`, as far as they have come; raises as load_fed_results."""
    plan = bootstrap or Bootstrap()
    runs = {
        editor: load_fed_results(RunFolder(path / editor), judge_id, bootstrap=plan) for editor in EDITORS
    }
    table = bias_table(runs)
    return BiasResults(
        runs,
        table,
        {editor: figures(table, editor, plan) for editor in runs},
        run_checks(table, plan, METRICS_CHECKED, CHECKS),
        plan,
    )


def bias_table(runs: Mapping[str, FedResults]) -> BiasTable:
    """Every value of every editor; the runs have the same tasks in the same order."""
    sources = [each.edit.drawn_with for each in next(iter(runs.values())).edits]
    places = {name: place for place, name in enumerate(dict.fromkeys(sources))}
    sample = np.array([places[source] for source in sources], dtype=np.int64)
    return BiasTable(sample, {editor: _values(run) for editor, run in runs.items()})


def _measured(
    folder: RunFolder, measures: BiasMeasures, cache: VerdictCache, max_concurrency: int
) -> Iterator[tuple[str, int, int]]:
    """All of `bench fed judge` for one run, and the single metrics."""
    background = BackgroundMeter(measures.meter.detector, measures.meter.detector_sha256)
    scores = JudgedScores(folder, measures.scorer, cache, max_concurrency=max_concurrency)
    keep_markers(folder, measures.markers.record(scores.settings.id))
    for what, events in (
        ("comparing faces", measure_likeness(folder, measures.meter)),
        ("comparing backgrounds", measure_background(folder, background)),
        ("single metrics", measure_singles(folder, measures.encoder)),
    ):
        for num_done, num_all in events:
            yield what, num_done, num_all
    for component in MARKED:
        judge = measures.markers.judge(component)
        judging = marking(folder, component, judge, cache, max_concurrency=max_concurrency)
        for num_done, _ in enumerate(judging, 1):
            yield f"judging: {component.replace('_', ' ')}", num_done, judging.num_edits
    for num_done, _ in enumerate(scores, 1):
        yield "judging: scores", num_done, scores.num_pictures
    for num_done, num_all in measure_changes(folder, scores):
        yield "measuring changes", num_done, num_all


def _waits(reason: str) -> bool:
    """Whether an answer of the judge is outstanding: on the edit, or on what it is compared with."""
    return reason == NO_CHANGE or reason.endswith(NOT_JUDGED)


def _values(run: FedResults) -> dict[str, FloatArray]:
    """Of each metric, (T,); NaN where there is none."""
    found = singles(run.folder)
    made = run.folder.edits()
    columns: dict[str, list[float | None]] = {
        name: [each.edit.components[name] for each in run.edits] for name in COMPONENTS
    }
    columns |= {name: [each.dimensions[name] for each in run.edits] for name in DIMENSIONS}
    columns[SCORE] = [each.score for each in run.edits]
    columns[_EXPRESSION] = [expression_score(run, each) for each in run.edits]
    for name in SINGLES:
        columns[name] = []
        for each in run.edits:
            key = each.task.source, each.task.target, 1.0
            record, edit = found.get(key), made.get(key)
            fresh = record is not None and edit is not None and record.edit_sha256 == edit.sha256
            columns[name].append(record.values.get(name) if record is not None and fresh else None)
    return {
        name: np.array([np.nan if value is None else value for value in column])
        for name, column in columns.items()
    }


def expression_score(run: FedResults, scored: ScoredEdit) -> float | None:
    """The judge's score for what was asked for, 0..1; for a neutral face 1 - its highest score."""
    seen = None if scored.change is None else scored.change.seen.get("edit")
    if seen is None or run.representation is None:
        return None
    if len(seen) != len(run.representation.names):
        raise InputError(f"{str(run.folder.path)!r} has changes by something else than its representation")
    by_name = dict(zip(run.representation.names, seen, strict=True))
    target = scored.task.target
    return 1 - max(by_name.values()) if target == NEUTRAL else by_name.get(target)


def _check_folder(path: Path) -> None:
    """OutputError where the folder holds what no bias test has left there."""
    if not path.is_dir():
        return
    ours = (*EDITORS, "bias.json", "bias.html")
    others = [
        item.name
        for item in sorted(path.iterdir())
        if item.name not in ours and not item.name.startswith((_CACHE, SCRATCH_PREFIX))
    ]
    if others:
        raise OutputError(
            f"{str(path)!r} holds {others[0]!r} and no bias test: choose an empty folder or a new one"
        )
