"""The report of FFE-Bench: its tables for the terminal, and its page (templates/ffe.html)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pixelsmile.benchmarks.ffe.results import RunResults
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.confusion import PREDICTIONS, confusion_rates
from pixelsmile.benchmarks.metrics.summary import Summary
from pixelsmile.benchmarks.published import TableName
from pixelsmile.benchmarks.report.cases import (
    all_sweeps,
    chosen_sweeps,
    leading,
    least_alike,
    most_confused,
    shared_sweeps,
)
from pixelsmile.benchmarks.report.charts import trade_off_chart
from pixelsmile.benchmarks.report.dynamics import dynamics
from pixelsmile.benchmarks.report.page import Pictures, excerpt, render, specified
from pixelsmile.benchmarks.report.remarks import benchmark_words, ffe_remarks, identity_words, strength_words
from pixelsmile.benchmarks.report.tables import (
    DRAWN_COLUMNS,
    FFE_COLUMNS,
    OUR_COLUMNS,
    PAPERS_COLUMNS,
    Column,
    Row,
    Table,
    further_columns,
    further_rows,
    interval_lines,
    printable,
    value_lines,
)
from pixelsmile.benchmarks.scores import ScoredEdit, transcript
from pixelsmile.expressions import EXPRESSIONS

PUBLISHED: tuple[TableName, ...] = ("ffe_general", "ffe_linear", "ffe_ablation")
OURS = "Beside the paper's measures"
_SPECIFIED = ("run", "judges", "likeness", "code")  # the parts of a report that the numbers depend on
_SEED = 0  # of what is drawn by lot
_NUM_SHARED = 3
_NUM_CONFUSED = 6
_NUM_UNLIKE = 3

# What each choice of the metrics means: the paper is silent on all of them.
MEANINGS = {
    "confusing_pairs": "the pairs that mSCR is the mean over; the paper names these two",
    "dominant": "what an edit shows: the highest of the scores, or what the judge names",
    "ties": "equal highest scores: split evenly, unscored, for the target, or for the other",
    "neutral_at_most": "a highest score up to this shows a neutral face",
    "confusion_strengths": "strengths that enter mSCR and the confusion matrix",
    "accuracy_strengths": "strengths that enter Acc-6 and Acc-12",
    "expression_strengths": "strengths that enter S_E",
    "identity_strengths": "strengths that enter ID Sim",
    "harmonic_strengths": "strengths that enter HES",
    "identity_encoders": "encoders that S_ID is the mean of; none named: all that measured",
    "partial_identity": "an encoder found nothing: the edit is unscored, or has the mean of the others",
    "missing_faces": "no face in the edit: unscored, or similarity zero",
    "harmonic": "HES of the two means, or the mean of each sweep's or each edit's",
    "negative_identity": "a similarity below zero: HES is zero, or undefined",
    "linearity": "CLS as the mean of each sweep's correlation, or one over all points pooled",
    "max_strength": "the largest strength of CLS; none: all that there are",
    "num_points": "how many evenly spaced strengths CLS takes; none: all that there are",
    "min_points": "scored points that a sweep needs at least",
    "incomplete_sweeps": "a sweep with points missing: used from min_points on, or unscored",
    "constant_sweeps": "a sweep whose scores are all equal: undefined and counted, or zero",
    "evenness_to": "the largest strength of evenness and of the share that moves",
}


def ffe_lines(runs: Mapping[str, RunResults]) -> list[str]:
    """The leaderboard of `runs` (by label) above the published rows, then each run with its intervals."""
    lines = value_lines(leaderboard(runs, domains=False))
    lines += ["", OURS, *value_lines(leaderboard(runs, OUR_COLUMNS, domains=False))]
    for table in by_strength(runs):
        lines += ["", table.label, *value_lines(table)]
    for label, run in runs.items():
        found = run.summary
        domains = run.by_domain if len(run.by_domain) > 1 else {}
        parts = {domain: part.metrics for domain, part in domains.items()}
        lines += ["", f"{label}: {found.num_samples} samples, judged by {run.judge_id}"]
        columns = (*FFE_COLUMNS, *further_columns(run.further))
        lines += interval_lines(columns, {**found.metrics, **run.further}, found.bootstrap, parts)
    return [printable(line) for line in lines]


def ffe_page(runs: Mapping[str, RunResults]) -> str:
    """The page of `runs`, by the label of each."""
    records = {label: run.as_json() for label, run in runs.items()}
    sweeps = {label: all_sweeps(run) for label, run in runs.items()}
    shared = shared_sweeps(list(sweeps.values()), _SEED, _NUM_SHARED) if len(runs) > 1 else []
    return render(
        "ffe.html",
        f"FFE-Bench: {', '.join(runs)}",
        {"numbers": records},
        runs=runs,
        albums={label: _Album(run) for label, run in runs.items()},
        about=[_about(label, run) for label, run in runs.items()],
        remarks=ffe_remarks(runs),
        board=leaderboard(runs),
        ours=leaderboard(runs, OUR_COLUMNS),
        by_strength=by_strength(runs),
        further=further_rows({label: run.further for label, run in runs.items()}),
        chart=trade_off_chart({label: run.summary.trade_off for label, run in runs.items()}),
        confusion={label: _confusion(run.summary) for label, run in runs.items()},
        seed=_SEED,
        shared=[list(zip(runs, together, strict=True)) for together in shared],
        chosen={label: chosen_sweeps(found, _SEED) for label, found in sweeps.items()},
        confused={label: most_confused(run, _NUM_CONFUSED) for label, run in runs.items()},
        unlike={label: least_alike(run, _NUM_UNLIKE) for label, run in runs.items()},
        leading=leading,
        dynamics=dynamics(runs),
        missing=[row for label, run in runs.items() for row in _missing(label, run)],
        choices=list(_choices(next(iter(runs.values())).summary.choices)),
        specified=specified(records, _SPECIFIED),
    )


def leaderboard(
    runs: Mapping[str, RunResults], columns: Sequence[Column] = PAPERS_COLUMNS, *, domains: bool = True
) -> Table:
    """Each run as a whole and, with `domains`, by domain; the published rows below the paper's columns."""
    groups = [
        [
            _row(label, run.summary),
            *(
                _row(domain, part, is_part=True)
                for domain, part in run.by_domain.items()
                if domains and len(run.by_domain) > 1
            ),
        ]
        for label, run in runs.items()
    ]
    if columns is PAPERS_COLUMNS:
        return Table("Leaderboard", columns, groups, published=PUBLISHED)
    return Table(OURS, columns, groups)


def by_strength(runs: Mapping[str, RunResults]) -> list[Table]:
    """For each of DRAWN_COLUMNS that any run has: the runs below each other, a column for each strength."""
    tables = []
    for column in DRAWN_COLUMNS:
        found = {label: run.further_by_strength.get(column.name, {}) for label, run in runs.items()}
        strengths = sorted({strength for figures in found.values() for strength in figures})
        if not strengths:
            continue
        columns = [replace(column, name=f"{at:g}", label=f"{at:g}") for at in strengths]
        rows = [
            Row(label, [{f"{at:g}": figure for at, figure in figures.items()}])
            for label, figures in found.items()
        ]
        tables.append(Table(f"{column.label} by strength: {column.hint}", columns, [rows]))
    return tables


class _Album:
    """The pictures of one run, and what its judges said of them."""

    def __init__(self, run: RunResults) -> None:
        self._run, self._pictures = run, Pictures(run.folder)

    def source(self, source: str) -> dict[str, str]:
        return self._pictures.source(source, f"{source}, the source")

    def edit(self, edit: ScoredEdit) -> dict[str, str]:
        words = f"{edit.sample}, {edit.target} at strength {edit.strength:g}"
        return self._pictures.edit(edit.key, words, edit.unmade)

    def said(self, edit: ScoredEdit) -> str:
        """The beginning of the last answer about that edit, of the first judge that gave any."""
        answers = (transcript(edit.scores[judge]) for judge in self._run.judges if judge in edit.scores)
        return next((excerpt(said[-1]) for said in answers if said), "")

    def unscored(self) -> list[tuple[str, str]]:
        """The edits that a judge gave no verdict on, with the reason; and what it said."""
        found = [(edit, edit.scores.get(judge)) for judge in self._run.judges for edit in self._run.edits]
        return [
            (
                f"{edit.sample} → {edit.target} at {edit.strength:g}: {score.unscored}. "
                f"{excerpt(score.explanation)}",
                excerpt(said[-1]) if (said := transcript(score)) else "",
            )
            for edit, score in found
            if score is not None and score.unscored is not None
        ]


def _row(label: str, found: Summary, is_part: bool = False) -> Row:
    return Row(label, [found.metrics], f"{found.num_samples} samples", is_part)


def _about(label: str, run: RunResults) -> tuple[object, ...]:
    return (
        label,
        benchmark_words(run),
        run.spec.setting,
        strength_words(run),
        run.summary.num_samples,
        run.summary.num_edits,
        run.judge_id + (f" ({len(run.judges)} judges)" if len(run.judges) > 1 else ""),
        identity_words(run, digits=0),
        run.spec.seed,
        f"{run.spec.created:%Y-%m-%d}",
    )


def _confusion(found: Summary) -> dict[str, Any]:
    """The matrix, the share of each target that shows what (Eq. 1); and the confusing pairs (Eq. 2)."""
    at = found.choices.confusion_strengths
    return {
        "strength": f"at strength {at:g}" if isinstance(at, (int, float)) else f"at {at} strengths",
        "predictions": PREDICTIONS,
        "rows": [
            (
                target,
                [None if math.isnan(rate) else float(rate) for rate in rates],
                f"{counts.sum():g}",
            )
            for target, rates, counts in zip(
                EXPRESSIONS, confusion_rates(found.confusion), found.confusion, strict=True
            )
        ],
        "pairs": found.pairs,
    }


def _missing(label: str, run: RunResults) -> Iterator[tuple[str, str, str, int]]:
    """How many edits lack a picture, a verdict or a likeness, and why."""
    missing = run.missing
    for what, reasons in (
        ("no picture", missing.not_made),
        ("no verdict", missing.not_judged),
        ("no likeness", missing.no_identity),
    ):
        yield from ((label, what, reason, count) for reason, count in reasons.items())
    if missing.num_neutral:
        yield label, "left out", "towards neutral: no metric is about it", missing.num_neutral


def _choices(choices: MetricChoices) -> Iterator[tuple[str, str, str, str]]:
    """The name of every choice, its value, the default where it is another, and what it means."""
    default, record = MetricChoices().as_json(), choices.as_json()
    for name, value in record.items():
        usual = default[name]
        yield name, _words(value), "" if value == usual else _words(usual), MEANINGS[name]


def _words(value: object) -> str:
    match value:
        case None:
            return "none"
        case [*parts]:
            return ", ".join("–".join(part) if isinstance(part, list) else str(part) for part in parts)
        case float():
            return f"{value:g}"
        case _:
            return str(value)
