"""The bias test as one page: what each metric ranks right, the numbers behind it, and how the edits look."""

from pixelsmile.benchmarks.fed.bias import BiasResults
from pixelsmile.benchmarks.fed.bias_checks import (
    CHECKS,
    METRICS_CHECKED,
    BiasMetric,
    CheckFound,
    PairFound,
)
from pixelsmile.benchmarks.report.bias_terminal import SHOWN
from pixelsmile.benchmarks.report.cells import Footnotes, board, figure_cell, interval_words, plain_table
from pixelsmile.benchmarks.report.fed_chart import gain_chart
from pixelsmile.benchmarks.report.fed_numbers import ALL_NUMBERS
from pixelsmile.benchmarks.report.fed_page import STYLES, formula
from pixelsmile.benchmarks.report.fed_pictures import FedAlbum, task_strip
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.sheet import Section, sheet, specification
from pixelsmile.benchmarks.report.terminal import bootstrap_words
from pixelsmile.expressions import NEUTRAL

_MARKS = {"yes": "✓ yes", "no": "✕ no", "not told apart": "≈ not told apart"}
_KINDS = {
    "score": "FED-Score",
    "dimension": "Its dimensions, each alone",
    "component": "Its components, each alone",
    "single": "Single metrics that others use",
}
_SCALES = {number.name: (number.low, number.high) for number in ALL_NUMBERS}
_SCALES |= {"psnr_truth": (0.0, 60.0), "clip_truth": (-1.0, 1.0), "clip_source": (-1.0, 1.0)}
_SPECIFIED = (
    *("benchmark", "judge", "markers", "likeness", "background", "representation", "normalisation"),
    "code",
)


def bias_page(found: BiasResults) -> str:
    """The page of a bias test."""
    record = found.as_json()
    sections = (
        Section("checks", "What each metric ranks right", _checks(found)),
        Section("example", "The edits", _example(found)),
        Section("numbers-of-editors", "The numbers", _numbers(found)),
        Section("gain", "REG against FED-Score", gain_chart(found.runs)),
        Section("differences", "The differences", _differences(found)),
        Section("formula", "FED-Score", formula(found.runs)),
        Section("specification", "Specification", specification({"bias test": record}, _SPECIFIED)),
    )
    return sheet("FED-Bench: bias test", _head(found), sections, record, STYLES)


def _head(found: BiasResults) -> Html:
    truth = next(iter(found.runs.values()))
    words = (
        "Nine editors without a model, whose order is known, on drawn portraits "
        f"(triplets: {truth.summary.num_samples}, edits of each editor: {truth.summary.num_edits}), judged "
        f"by {truth.judge_id}. The paper says that single metrics favour lazy and overfit edits; below is "
        "which of them do here."
    )
    return tag(
        "header",
        tag("p", "FED-Bench report", class_="kicker"),
        tag("h1", "Bias test"),
        tag("p", words),
    )


def _checks(found: BiasResults) -> Html:
    words = (
        "✓: the better editor of each pair has the better mean, and the paired interval of the difference "
        "leaves out 0. ✕: in one pair the worse editor has it, and the interval leaves out 0. ≈: neither. "
        f"Each is a {bootstrap_words(found.bootstrap)}, of the same triplets for both. The exact edit "
        "is the ground truth itself, so a metric that compares with it pixel by pixel cannot be wrong about "
        "“truth > …”: of those metrics the other pairs are the test."
    )
    names = (
        tag(
            "th",
            check.name,
            tag("span", " > ".join(check.order), class_="n"),
            scope="col",
        )
        for check in CHECKS
    )
    head = tag("tr", tag("th", "Metric", scope="col"), *names)
    bodies = []
    for kind, heading in _KINDS.items():
        rows = [
            tag(
                "tr",
                tag("th", metric.label, scope="row"),
                *(_answer(found.checks[metric.name][check.name], metric) for check in CHECKS),
            )
            for metric in METRICS_CHECKED
            if metric.kind == kind
        ]
        if len(rows) > 1:
            title = tag("th", heading, colspan=1 + len(CHECKS), scope="rowgroup", class_="kind")
            rows.insert(0, tag("tr", title))
        bodies.append(tag("tbody", *rows))
    return join((tag("p", words), board(head, bodies, Footnotes(), "Checks", "board narrow answers")))


def _answer(check: CheckFound, metric: BiasMetric) -> Html:
    pairs = "\n".join(f"{pair.better} > {pair.worse}: {_gap(pair, metric)}" for pair in check.pairs)
    return tag("td", _MARKS[check.answer], title=pairs, class_=check.answer.split()[0])


def _gap(pair: PairFound, metric: BiasMetric) -> str:
    gap = pair.difference
    if gap.value is None:
        return gap.note or "undefined"
    return f"{gap.value:+.{metric.digits}f} ({interval_words(gap.low, gap.high, metric.digits)})"


def _example(found: BiasResults) -> Html:
    """The first task that all editors have an edit of, an expression that is not neutral."""
    albums = [FedAlbum(editor, run) for editor, run in found.runs.items()]
    tasks = zip(*(run.edits for run in found.runs.values()), strict=True)
    whole = (
        task
        for task in tasks
        if task[0].edit.expression != NEUTRAL and all(each.file is not None for each in task)
    )
    task = next(whole, None)
    if task is None:
        return tag("p", "There is no task that every editor has an edit of.")
    words = "A full bar is best in every row; the numbers are as measured."
    return join((tag("p", words), task_strip("one task", albums, task)))


def _numbers(found: BiasResults) -> Html:
    notes = Footnotes()
    head = tag(
        "tr", tag("th", "Editor", scope="col"), *(tag("th", label, scope="col") for _, label, _ in SHOWN)
    )
    rows = []
    for editor, figures in found.figures.items():
        cells = (
            figure_cell(figures[name], notes, *_SCALES.get(name, (0.0, 1.0)), digits)
            for name, _, digits in SHOWN
        )
        rows.append(tag("tbody", tag("tr", tag("th", tag("strong", editor), scope="row"), *cells)))
    words = (
        "CLIP~ is the cosine of image features of the edit and of ground truth or source; SSIM is that of "
        "Wang et al. (2004) on grey pictures; equal pictures have the PSNR of rounding, 58.9 dB; expression "
        "is the judge's score for what was asked for (1 − the highest score for a neutral face)."
    )
    return join((tag("p", words), board(head, rows, notes, "Numbers", "board many")))


def _differences(found: BiasResults) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", metric.label, scope="row"),
            *(
                tag("td", cell)
                for cell in (
                    name,
                    f"{pair.better} > {pair.worse}",
                    _gap(pair, metric),
                    pair.coverage.num_scored,
                    _MARKS[pair.answer],
                )
            ),
        )
        for metric in METRICS_CHECKED
        for name, check in found.checks[metric.name].items()
        for pair in check.pairs
    ]
    words = "The mean of the better editor minus that of the worse, over edits that both have a value for."
    table = plain_table(("Metric", "Check", "Order", "Difference (interval)", "n", "Answer"), rows)
    return join((tag("p", words), tag("details", tag("summary", f"{len(rows)} differences"), table)))
