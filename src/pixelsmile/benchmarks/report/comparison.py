"""Two runs of FFE-Bench on the work that both have done: what can be compared, and what is left out."""

from pixelsmile.benchmarks.ffe.results import RunResults
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.metrics.summary import (
    METRICS,
    Comparison,
    Metric,
    compare,
)
from pixelsmile.benchmarks.report.remarks import benchmark_words, identity_words, strength_words
from pixelsmile.benchmarks.report.tables import (
    UNKNOWN,
    format_interval,
    format_number,
    level_words,
    table_lines,
)
from pixelsmile.benchmarks.scores import IDENTITY, NOT_MEASURED, Score, ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_file


def compare_runs(
    a: RunResults, b: RunResults, choices: MetricChoices | None = None, bootstrap: Bootstrap | None = None
) -> tuple[Comparison, list[str]]:
    """The metrics of `a` minus those of `b` on the edits that both runs have, of the same source pictures;
    and sentences on what does not enter.

    InputError where their judges differ, or nothing is common. Likeness is left out where it was measured
    otherwise in each.
    """
    if a.judge_id != b.judge_id or a.judges != b.judges:
        raise InputError(
            f"the runs have different judges ({a.judge_id} and {b.judge_id}): judge both with the same, "
            "and choose it with --judge"
        )
    remarks: list[str] = []
    edits_a, edits_b = _common(a, b, remarks)
    if a.identity != b.identity:
        remarks.append(
            f"identity was measured differently ({identity_words(a)}; {identity_words(b)}): "
            "ID Sim and HES are left out"
        )
        edits_a, edits_b = (
            [edit.with_scores(**{IDENTITY: Score(unscored=NOT_MEASURED)}) for edit in edits]
            for edits in (edits_a, edits_b)
        )
    return compare(edits_a, edits_b, choices, bootstrap), remarks


def comparison_lines(found: Comparison) -> list[str]:
    """A line for each metric: both values, their difference with its interval, and who is better."""
    rows, notes = [], []
    for metric in METRICS:
        each = found.differences[metric.name]
        gap, coverage = each.difference, each.coverage
        if gap.note is not None:
            notes.append(f"{metric.label}: {gap.note}")
        rows.append(
            (
                metric.label,
                format_number(each.a),
                format_number(each.b),
                UNKNOWN if gap.value is None else f"{gap.value:+.3f}",
                format_interval(gap),
                f"{coverage.num_scored} {coverage.unit}",
                str(sum(coverage.unscored.values())),
                _better(metric, gap.low, gap.high),
            )
        )
    header = ("", "A", "B", "A - B", level_words(found.bootstrap), "scored", "unscored", "better")
    return table_lines(header, rows) + notes


def _better(metric: Metric, low: float | None, high: float | None) -> str:
    """A or B, where the interval leaves out 0 and the metric has a better end."""
    if low is None or high is None or low <= 0 <= high or metric.better is None:
        return ""
    return "A" if (low > 0) == (metric.better == "higher") else "B"


def _common(a: RunResults, b: RunResults, remarks: list[str]) -> tuple[list[ScoredEdit], list[ScoredEdit]]:
    same_sources = _same_sources(a, b)
    keys = {edit.key for edit in a.edits if edit.sample in same_sources} & {edit.key for edit in b.edits}
    if not keys:
        raise InputError(_nothing_common(a, b, bool(same_sources)))
    num_a, num_b = len(a.edits), len(b.edits)
    if len(keys) < max(num_a, num_b):
        remarks.append(
            f"{len(keys)} edits are in both runs, of {num_a} and {num_b}: the others are left out "
            f"(benchmarks {benchmark_words(a)} and {benchmark_words(b)}, strengths {strength_words(a)} and "
            f"{strength_words(b)})"
        )
    return [edit for edit in a.edits if edit.key in keys], [edit for edit in b.edits if edit.key in keys]


def _same_sources(a: RunResults, b: RunResults) -> set[str]:
    """The names that stand for the same picture in both."""
    names = {task.source for task in a.spec.tasks} & {task.source for task in b.spec.tasks}
    files = {name: (a.folder.source_file(name), b.folder.source_file(name)) for name in names}
    return {
        name
        for name, (one, other) in files.items()
        if one.exists() and other.exists() and sha256_file(one) == sha256_file(other)
    }


def _nothing_common(a: RunResults, b: RunResults, same_sources: bool) -> str:
    if not same_sources:
        return (
            f"the runs share no source picture (benchmarks {benchmark_words(a)} and {benchmark_words(b)}): "
            "run both editors on one benchmark"
        )
    return (
        f"the runs share no edit (strengths {strength_words(a)} and {strength_words(b)}): run both editors "
        "on the same tasks and strengths"
    )
