"""The bias test of FED-Bench: editors whose order is known, ranked by FED-Score and by single metrics.

    FOLDER/truth, FOLDER/copy, ...   a run for each editor, as `bench fed run` and `judge` make them
    FOLDER/verdicts.sqlite           what the judge said; the runs share it

What is known: the truth is better than what changes too little, too much or the wrong thing, and than what
spoils the picture. A metric ranks two editors by their means over the tasks that it has a value for in both.
The paired interval of the difference says whether it is right: above 0 yes, below no, else it cannot tell.

Shape suffixes: T tasks (a triplet in one granularity).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pixelsmile.benchmarks.benchmark import Benchmark, portraits_of
from pixelsmile.benchmarks.fed.judging import fed_marks, fed_measures
from pixelsmile.benchmarks.fed.results import FedResults, load_fed_results
from pixelsmile.benchmarks.metrics.fed_score import COMPONENTS, DIMENSIONS, SCORE
from pixelsmile.benchmarks.metrics.measure import (
    Bootstrap,
    Coverage,
    Estimate,
    Figure,
    coverage,
    difference,
    estimate,
    mean_figure,
    mean_measure,
)
from pixelsmile.benchmarks.metrics.table import FloatArray, IntArray
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import GENERAL_STRENGTHS, run_edits
from pixelsmile.benchmarks.scorers.change import EDIT, SEEN
from pixelsmile.benchmarks.scorers.judged import keep_markers
from pixelsmile.benchmarks.scorers.scorer import Scoring, score_records
from pixelsmile.benchmarks.scorers.similarity import SIMILARITIES, SIMILARITY_STEM, SimilarityScorer
from pixelsmile.benchmarks.scores import CHANGE, NO_CHANGE, NOT_JUDGED, ScoredEdit
from pixelsmile.editors.sanity import FED_SANITY_EDITORS, SanityEditor
from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.judges.judge import Judge, Markers
from pixelsmile.judges.run import Asker, VerdictCache
from pixelsmile.store.publication import SCRATCH_PREFIX

if TYPE_CHECKING:
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.features.encoder import ImageEncoder

EDITORS = FED_SANITY_EDITORS
SCHEMA_VERSION = 1
NOT_BOTH = "no value for one of the two"
NO_VALUE = "no value"
_CACHE = "verdicts.sqlite"
_EXPRESSION = "expression"

Answer = Literal["yes", "no", "not told apart"]


@dataclass(frozen=True)
class Check:
    """A ranking that is known. order: editors, the best first."""

    name: str
    order: tuple[str, ...]


CHECKS: tuple[Check, ...] = (
    Check("lazy", ("truth", "half", "copy")),
    Check("overfit", ("truth", "1.5x", "2x")),
    Check("wrong expression", ("truth", "wrong-expression")),
    Check("other person", ("truth", "other-person")),
    Check("shifted", ("truth", "shifted")),
    Check("blurred", ("truth", "blurred")),
    # Not of the paper: an edit that is right but a little off its place, against none at all.
    Check("done", ("shifted", "copy")),
)


@dataclass(frozen=True)
class BiasMetric:
    """What is checked. name: in the table of values; kind: what it is a part of, or that it stands alone."""

    name: str
    label: str
    kind: Literal["score", "dimension", "component", "single"]
    better: Literal["higher", "lower"] = "higher"
    digits: int = 3


METRICS_CHECKED: tuple[BiasMetric, ...] = (
    BiasMetric("fed_score", "FED-Score", "score"),
    BiasMetric("fidelity", "Fidelity", "dimension"),
    BiasMetric("alignment", "Alignment", "dimension"),
    BiasMetric("gain_factor", "Gain", "dimension"),
    BiasMetric("identity", "ID alone", "component"),
    BiasMetric("background", "BG alone", "component", "lower", 1),
    BiasMetric("quality", "PQ alone", "component", digits=2),
    BiasMetric("consistency", "SC alone", "component", digits=2),
    BiasMetric("truth_alignment", "GTA alone", "component", digits=2),
    BiasMetric("clip_truth", "CLIP-like, to the truth", "single"),
    BiasMetric("clip_source", "CLIP-like, to the source", "single"),
    BiasMetric("ssim_truth", "SSIM to the truth", "single"),
    BiasMetric("ssim_source", "SSIM to the source", "single"),
    BiasMetric("psnr_truth", "PSNR to the truth, dB", "single", digits=2),
    BiasMetric("expression", "expression score alone", "single"),
)


@dataclass(frozen=True)
class BiasTable:
    """Every value that is checked. sample: the source picture of each task, (T,), from 0 on without a gap.

    values: by editor and metric, (T,), NaN where there is none.
    """

    sample: IntArray
    values: Mapping[str, Mapping[str, FloatArray]]

    @property
    def num_samples(self) -> int:
        return int(self.sample.max()) + 1


@dataclass(frozen=True)
class PairFound:
    """better - worse where higher is better, worse - better where lower is: above 0 is right."""

    better: str
    worse: str
    difference: Estimate
    coverage: Coverage

    @property
    def answer(self) -> Answer:
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or low <= 0 <= high:
            return "not told apart"
        return "yes" if low > 0 else "no"

    def as_json(self) -> dict[str, Any]:
        return {
            "better": self.better,
            "worse": self.worse,
            "answer": self.answer,
            "difference": self.difference.as_json(),
            **self.coverage.as_json(),
        }


@dataclass(frozen=True)
class CheckFound:
    """Whether a metric ranks as it should: yes in all pairs, no where it is wrong in one of them."""

    pairs: tuple[PairFound, ...]

    @property
    def answer(self) -> Answer:
        answers = {pair.answer for pair in self.pairs}
        return "no" if "no" in answers else "yes" if answers == {"yes"} else "not told apart"

    def as_json(self) -> dict[str, Any]:
        return {"answer": self.answer, "pairs": [pair.as_json() for pair in self.pairs]}


@dataclass(frozen=True)
class BiasResults:
    """All that came of it. runs: by editor. figures: by editor and metric. checks: by metric and check."""

    runs: Mapping[str, FedResults]
    figures: Mapping[str, Mapping[str, Figure]]
    checks: Mapping[str, Mapping[str, CheckFound]]
    bootstrap: Bootstrap

    @property
    def num_unjudged(self) -> int:
        """How many edits wait for an answer of the judge: a budget was spent before."""
        made = (edit for run in self.runs.values() for edit in run.edits if edit.unmade is None)
        return sum(any(_waits(edit, name) for name in COMPONENTS) for edit in made)

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
            "damage",
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


@dataclass(frozen=True)
class BiasProgress:
    """What is being done for which editor: num_done of num_all."""

    editor: str
    what: str
    num_done: int
    num_all: int


def run_bias(
    path: Path,
    benchmark: Benchmark,
    markers: Markers,
    judge: Judge,
    meter: "LikenessMeter",
    encoder: "ImageEncoder",
    *,
    max_concurrency: int = 8,
) -> Iterator[BiasProgress]:
    """Make, judge and measure what the folder at `path` lacks, editor by editor.

    judge: gives the twelve scores, and is the same as the markers. After a kill the same call does what is
    left. A spent budget leaves edits unscored: the results say how many. InputError or OutputError where the
    folder holds something else, or runs of another benchmark or encoder.
    """
    _check_folder(path)
    portraits = portraits_of(benchmark)
    for editor in EDITORS:
        with RunFolder.claimed(path / editor) as folder, VerdictCache(path / _CACHE) as cache:
            for event in run_edits(benchmark, SanityEditor(editor), folder, "general", GENERAL_STRENGTHS):
                yield BiasProgress(editor, "editing", event.num_done, event.num_edits)
            record, passes = fed_marks(markers, judge, partial(Asker, cache=cache), max_concurrency)
            keep_markers(folder, record)
            scorers = (
                *fed_measures(meter, portraits=portraits).values(),
                SimilarityScorer(encoder),
                *(s for s, _ in passes.values()),
            )
            for scorer in scorers:
                scoring = Scoring(folder, scorer)
                for num_done, _ in enumerate(scoring, 1):
                    yield BiasProgress(editor, scorer.name, num_done, scoring.num_edits)


def load_bias(path: Path, judge_id: str | None = None, bootstrap: Bootstrap | None = None) -> BiasResults:
    """The results of the runs below `path`, as far as they have come; raises as load_fed_results."""
    plan = bootstrap or Bootstrap()
    runs = {
        editor: load_fed_results(RunFolder(path / editor), judge_id, bootstrap=plan) for editor in EDITORS
    }
    table = bias_table(runs)
    figures = {editor: editor_figures(table, editor, plan) for editor in runs}
    return BiasResults(runs, figures, run_checks(table, plan), plan)


def bias_table(runs: Mapping[str, FedResults]) -> BiasTable:
    """Every value of every editor; the runs have the same tasks in the same order."""
    sources = [edit.drawn_with for edit in next(iter(runs.values())).edits]
    places = {name: place for place, name in enumerate(dict.fromkeys(sources))}
    sample = np.array([places[source] for source in sources], dtype=np.int64)
    return BiasTable(sample, {editor: _values(run) for editor, run in runs.items()})


def run_checks(
    table: BiasTable,
    plan: Bootstrap,
    metrics: Sequence[BiasMetric] = METRICS_CHECKED,
    checks: Sequence[Check] = CHECKS,
) -> dict[str, dict[str, CheckFound]]:
    """What each metric (by name) makes of each check (by name); all draw the same triplets."""
    weights_RS = plan.draw(table.num_samples)
    return {
        metric.name: {
            check.name: CheckFound(
                tuple(_pair(table, metric, *pair, plan, weights_RS) for pair in pairwise(check.order))
            )
            for check in checks
        }
        for metric in metrics
    }


def editor_figures(table: BiasTable, editor: str, plan: Bootstrap) -> dict[str, Figure]:
    """The mean of every metric of that editor, with its interval and what it rests on."""
    weights_RS = plan.draw(table.num_samples)
    return {
        name: mean_figure(values_T, table.sample, _missing(values_T, NO_VALUE), plan, weights_RS)
        for name, values_T in table.values[editor].items()
    }


def expression_score(run: FedResults, edit: ScoredEdit) -> float | None:
    """The judge's score for what was asked for, 0..1; for a neutral face 1 - its highest score."""
    seen = edit.score(CHANGE).metadata.get(SEEN)
    numbers = seen.get(EDIT) if isinstance(seen, dict) else None
    if not isinstance(numbers, list) or run.representation is None:
        return None
    if len(numbers) != len(run.representation.names):
        raise InputError(f"{str(run.folder.path)!r} has changes by something else than its representation")
    by_name = {
        name: float(str(number)) for name, number in zip(run.representation.names, numbers, strict=True)
    }
    return 1 - max(by_name.values()) if edit.target == NEUTRAL else by_name.get(edit.target)


def _values(run: FedResults) -> dict[str, FloatArray]:
    """Of each metric, (T,); NaN where there is none."""
    similarity = score_records(run.folder, SIMILARITY_STEM)
    columns: dict[str, list[float | None]] = {
        name: [edit.score(name).value for edit in run.edits] for name in (*COMPONENTS, *DIMENSIONS, SCORE)
    }
    columns[_EXPRESSION] = [expression_score(run, edit) for edit in run.edits]
    for name in SIMILARITIES:
        records = (similarity.get(edit.key) for edit in run.edits)
        columns[name] = [None if record is None else record.score.values.get(name) for record in records]
    return {
        name: np.array([np.nan if value is None else value for value in column])
        for name, column in columns.items()
    }


def _pair(
    table: BiasTable, metric: BiasMetric, better: str, worse: str, plan: Bootstrap, weights_RS: FloatArray
) -> PairFound:
    sign = 1.0 if metric.better == "higher" else -1.0
    one_T, other_T = (sign * table.values[editor][metric.name] for editor in (better, worse))
    both_T = np.isfinite(one_T) & np.isfinite(other_T)
    one_T, other_T = (np.where(both_T, values_T, np.nan) for values_T in (one_T, other_T))
    found = coverage("edits", table.sample, both_T, _missing(one_T, NOT_BOTH))
    means = (mean_measure(values_T, table.sample, table.num_samples, found) for values_T in (one_T, other_T))
    return PairFound(better, worse, estimate(difference(*means), plan, weights_RS), found)


def _missing(values_T: FloatArray, reason: str) -> list[str]:
    """The reason, for each value that there is not."""
    return [reason] * int((~np.isfinite(values_T)).sum())


def _waits(edit: ScoredEdit, name: str) -> bool:
    """Whether an answer of the judge is outstanding: on the edit, or on what it is compared with."""
    why = edit.score(name).unscored or ""
    return why == NO_CHANGE or why.endswith(NOT_JUDGED)


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
