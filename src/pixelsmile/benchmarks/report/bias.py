"""The report of the bias test: its tables for the terminal, and its page (templates/bias.html)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pixelsmile.benchmarks.fed.bias import CHECKS, METRICS_CHECKED, BiasMetric, BiasResults, PairFound
from pixelsmile.benchmarks.report.charts import gain_chart
from pixelsmile.benchmarks.report.fed import Album
from pixelsmile.benchmarks.report.page import render, specified
from pixelsmile.benchmarks.report.tables import (
    COMPONENTS,
    DIMENSIONS,
    SCORE,
    UNKNOWN,
    Column,
    Row,
    Table,
    bootstrap_words,
    format_interval,
    level_words,
    printable,
    table_lines,
    value_interval_and_n,
    value_lines,
)
from pixelsmile.benchmarks.scores import ScoredEdit
from pixelsmile.expressions import NEUTRAL

COLUMNS: tuple[Column, ...] = (
    SCORE,
    *DIMENSIONS,
    replace(COMPONENTS[0], digits=3),  # identities of edits that are known lie close together
    *COMPONENTS[1:],
    Column("clip_truth", "CLIP~ truth", "cosine of image features of edit and ground truth", low=-1.0),
    Column("clip_source", "CLIP~ source", "cosine of image features of edit and source", low=-1.0),
    Column("ssim_truth", "SSIM truth", "of Wang et al. (2004) on grey pictures"),
    Column("ssim_source", "SSIM source", "of Wang et al. (2004) on grey pictures"),
    Column("psnr_truth", "PSNR truth", "dB", high=60.0, digits=1),
    Column("expression", "expression", "the judge's score for what was asked for"),
)
_KINDS = {
    "score": "FED-Score",
    "dimension": "Its dimensions, each alone",
    "component": "Its components, each alone",
    "single": "Single metrics that others use",
}
_SYMBOLS = {"yes": "yes", "no": "NO", "not told apart": "?"}
_SPECIFIED = (
    *("benchmark", "judge", "markers", "likeness", "background", "representation", "normalisation"),
    "code",
)


def bias_lines(found: BiasResults) -> list[str]:
    """Every editor's numbers, what each metric ranks right, and the differences where one is wrong."""
    truth = next(iter(found.runs.values()))
    constants = truth.summary.constants
    scores = [
        (editor, *value_interval_and_n(figures[SCORE.name], SCORE.digits))
        for editor, figures in found.figures.items()
    ]
    header = ("", SCORE.label, level_words(found.bootstrap), "scored", "unscored")
    lines = [
        f"triplets: {truth.summary.num_samples}, edits of each editor: {truth.summary.num_edits}, judged by "
        f"{truth.judge_id}",
        "",
        *table_lines(header, scores),
        "",
        *value_lines(_numbers(found, COLUMNS[:10])),
        "",
        *value_lines(_numbers(found, COLUMNS[10:])),
        "",
        "does it rank them as it should? yes, NO (the other way round), ? (not told apart)",
        *_check_lines(found),
    ]
    if wrong := list(_wrong(found)):
        lines += ["", "where it does not: the mean of the better editor minus that of the worse"]
        lines += table_lines(("", "difference", level_words(found.bootstrap), ""), wrong)
    lines += [
        "",
        f"FED-Score by normalisation {constants.version}, {constants.status}",
        f"Intervals: {bootstrap_words(found.bootstrap)}, of the same triplets for both editors",
    ]
    return [printable(line) for line in lines]


def bias_page(found: BiasResults) -> str:
    """The page of a bias test: what each metric ranks right, the numbers behind it, and the edits."""
    record = found.as_json()
    return render(
        "bias.html",
        "FED-Bench: bias test",
        {"numbers": record},
        found=found,
        truth=next(iter(found.runs.values())),
        checks=CHECKS,
        kinds=[
            (heading, [metric for metric in METRICS_CHECKED if metric.kind == kind])
            for kind, heading in _KINDS.items()
        ],
        gap=_gap,
        albums=[Album(editor, run) for editor, run in found.runs.items()],
        task=_example(found),
        board=_numbers(found, COLUMNS),
        chart=gain_chart(found.runs),
        differences=list(_differences(found)),
        specified=specified({"bias test": record}, _SPECIFIED),
    )


def _numbers(found: BiasResults, columns: Sequence[Column]) -> Table:
    groups = [[Row(editor, [figures])] for editor, figures in found.figures.items()]
    return Table("Numbers", columns, groups, style="many")


def _check_lines(found: BiasResults) -> list[str]:
    rows = [
        (metric.label, *(_SYMBOLS[found.checks[metric.name][check.name].answer] for check in CHECKS))
        for metric in METRICS_CHECKED
    ]
    orders = [f"  {check.name}: {' > '.join(check.order)}" for check in CHECKS]
    return [*table_lines(("", *(check.name for check in CHECKS)), rows), *orders]


def _pairs(found: BiasResults) -> Iterator[tuple[BiasMetric, str, PairFound]]:
    """Every pair of editors of every check of every metric."""
    for metric in METRICS_CHECKED:
        for name, check in found.checks[metric.name].items():
            yield from ((metric, name, pair) for pair in check.pairs)


def _wrong(found: BiasResults) -> Iterator[tuple[str, str, str, str]]:
    for metric, _, pair in _pairs(found):
        if pair.answer != "yes":
            gap = pair.difference
            value = UNKNOWN if gap.value is None else f"{gap.value:+.{metric.digits}f}"
            names = f"{metric.label}: {pair.better} > {pair.worse}"
            yield names, value, format_interval(gap, metric.digits), _SYMBOLS[pair.answer]


def _differences(found: BiasResults) -> Iterator[tuple[str, str, str, str, int, str]]:
    for metric, name, pair in _pairs(found):
        order, num = f"{pair.better} > {pair.worse}", pair.coverage.num_scored
        yield metric.label, name, order, _gap(pair, metric), num, pair.answer


def _gap(pair: PairFound, metric: BiasMetric) -> str:
    """The difference of a pair in words."""
    gap = pair.difference
    if gap.value is None:
        return gap.note or "undefined"
    return f"{gap.value:+.{metric.digits}f} ({format_interval(gap, metric.digits, ' – ')})"


def _example(found: BiasResults) -> tuple[ScoredEdit, ...] | None:
    """The first task that all editors have an edit of, of an expression that is not neutral; or None."""
    for task in zip(*(run.edits for run in found.runs.values()), strict=True):
        if task[0].target != NEUTRAL and all(each.file is not None for each in task):
            return task
    return None
