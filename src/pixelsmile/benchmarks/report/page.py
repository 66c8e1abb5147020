"""The report as one page: everything inside, nothing loaded, nothing run."""

from collections.abc import Mapping

from pixelsmile.benchmarks.report.cases import (
    Point,
    all_sweeps,
    chosen_sweeps,
    leading,
    least_alike,
    most_confused,
    shared_sweeps,
)
from pixelsmile.benchmarks.report.cells import plain_table
from pixelsmile.benchmarks.report.charts import trade_off_chart
from pixelsmile.benchmarks.report.choice_words import choices_table
from pixelsmile.benchmarks.report.confusion import confusion_figure, pairs_table
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.leaderboard import leaderboard, missing_table
from pixelsmile.benchmarks.report.remarks import benchmark_words, identity_words, remarks, strength_words
from pixelsmile.benchmarks.report.sheet import Section, sheet, specification
from pixelsmile.benchmarks.report.strips import Album, edit_card, sweep_strip, unscored_list
from pixelsmile.benchmarks.report.terminal import bootstrap_words
from pixelsmile.benchmarks.report.text import format_number
from pixelsmile.benchmarks.results import RunResults

_SPECIFIED = ("run", "judges", "likeness", "code")  # the parts of a report that the numbers depend on
_SEED = 0  # of what is drawn by lot
_NUM_SHARED = 3
_NUM_CONFUSED = 6
_NUM_UNLIKE = 3
_NUM_UNSCORED = 5


def report_page(runs: Mapping[str, RunResults]) -> str:
    """The report of `runs`, by the label of each."""
    albums = {label: Album(label, run) for label, run in runs.items()}
    records = {label: run.as_json() for label, run in runs.items()}
    sections = (
        Section("leaderboard", "Leaderboard", _leaderboard(runs)),
        Section("trade-off", "Expression against identity", _trade_off(runs)),
        Section("confusion", "Confusion", _confusion(runs)),
        Section("sweeps", "Sweeps", _sweeps(runs, albums)),
        Section("worst", "Worst cases", _worst(runs, albums)),
        Section("missing", "What is missing", _missing(runs, albums)),
        Section("choices", "Where the paper is silent", _choices(runs)),
        Section("specification", "Specification", specification(records, _SPECIFIED)),
    )
    return sheet(f"FFE-Bench: {', '.join(runs)}", _head(runs), sections, records)


def _head(runs: Mapping[str, RunResults]) -> Html:
    header = (
        "Run",
        "Benchmark",
        "Setting",
        "Strengths",
        "Samples",
        "Edits",
        "Judge",
        "Identity",
        "Seed",
        "Begun",
    )
    rows = (_run_row(label, run) for label, run in runs.items())
    warnings = (tag("p", sentence, class_="warning") for sentence in remarks(runs))
    return tag(
        "header",
        tag("p", "FFE-Bench report", class_="kicker"),
        tag("h1", ", ".join(runs)),
        plain_table(header, rows),
        *warnings,
    )


def _run_row(label: str, run: RunResults) -> Html:
    cells = (
        benchmark_words(run),
        run.spec.setting,
        strength_words(run),
        run.summary.num_samples,
        run.summary.num_edits,
        run.judge_id + (f" ({len(run.judges)} judges)" if len(run.judges) > 1 else ""),
        identity_words(run, digits=0),
        run.spec.seed,
        tag("time", f"{run.spec.created:%Y-%m-%d}"),
    )
    return tag("tr", tag("th", label, scope="row"), *(tag("td", cell) for cell in cells))


def _leaderboard(runs: Mapping[str, RunResults]) -> Html:
    plan = next(iter(runs.values())).summary.bootstrap
    words = (
        f"Each number with its {bootstrap_words(plan)} and n, the edits or sweeps it rests on. “Out” are "
        "those without a verdict or a likeness: unscored, never zero. The line below a number shows its "
        "interval on the metric's whole scale, −1 to 1 for CLS and 0 to 1 for the others. ID Sim is best "
        "near 0.6 to 0.7 (paper, 5.2): more is a copy."
    )
    return join((tag("p", words), leaderboard(runs), *_agreements(runs)))


def _agreements(runs: Mapping[str, RunResults]) -> list[Html]:
    return [
        tag(
            "p",
            f"{label}: {len(found.judges)} judges on {found.num_paired} pictures that two or more scored; "
            f"Krippendorff's alpha {format_number(found.all_scores, 2)} for the scores, "
            f"{format_number(found.dominant, 2)} for the dominant expression (1: full agreement, 0: chance).",
        )
        for label, run in runs.items()
        if (found := run.agreement) is not None
    ]


def _trade_off(runs: Mapping[str, RunResults]) -> Html:
    words = (
        "As figure 4 of the paper: a line for each editor, a point for each strength, the first and the last "
        "with its number. Crosses are intervals. Far to the right and inside the band is best: strong "
        "expressions on the same person."
    )
    curves = {label: run.summary.trade_off for label, run in runs.items()}
    return join((tag("p", words), trade_off_chart(curves)))


def _confusion(runs: Mapping[str, RunResults]) -> Html:
    figures = (confusion_figure(label, run.summary) for label, run in runs.items())
    pairs = (tag("div", pairs_table(label, run.summary)) for label, run in runs.items())
    words = "Pairs that are often taken for one another; mSCR is the mean of their BCR."
    return join(
        (tag("div", *figures, class_="figures"), tag("p", words), tag("div", *pairs, class_="figures"))
    )


def _sweeps(runs: Mapping[str, RunResults], albums: Mapping[str, Album]) -> Html:
    words = (
        "Below each picture: strength, score for the target, identity. r is the correlation of strength and "
        "score (CLS of the sweep); quality, by which the best and the worst were chosen, the harmonic mean "
        "of mean score and mean identity."
    )
    found = {label: all_sweeps(run) for label, run in runs.items()}
    parts = [tag("p", words)]
    if len(runs) > 1:
        parts.append(tag("h3", f"The same tasks, drawn by lot (seed {_SEED})"))
        for sweeps in shared_sweeps(list(found.values()), _SEED, _NUM_SHARED):
            strips = (
                sweep_strip(albums[label], sweep, label) for label, sweep in zip(runs, sweeps, strict=True)
            )
            parts.append(tag("div", *strips, class_="together"))
    for label in runs:
        parts.append(tag("h3", label))
        parts += (sweep_strip(albums[label], sweep, why) for why, sweep in chosen_sweeps(found[label], _SEED))
    return join(parts)


def _worst(runs: Mapping[str, RunResults], albums: Mapping[str, Album]) -> Html:
    parts = [
        tag(
            "p",
            "The edits in which another expression leads the target by most, with the beginning of the "
            "judge's answer; then those that kept least of the person.",
        )
    ]
    for label, run in runs.items():
        parts.append(tag("h3", label))
        confused = [
            edit_card(
                albums[label], point, f"asked for {point.edit.target}, seen as {leading(point.edit, 1)[0][0]}"
            )
            for point in most_confused(run, _NUM_CONFUSED)
        ]
        unlike = [edit_card(albums[label], point, _unlike(point)) for point in least_alike(run, _NUM_UNLIKE)]
        if not confused:
            parts.append(tag("p", "No other expression leads the target in any edit."))
        parts.append(tag("div", *confused, *unlike, class_="cards"))
    return join(parts)


def _unlike(point: Point) -> str:
    return f"kept least of the person: {point.edit.target}"


def _missing(runs: Mapping[str, RunResults], albums: Mapping[str, Album]) -> Html:
    return join((missing_table(runs), *(unscored_list(album, _NUM_UNSCORED) for album in albums.values())))


def _choices(runs: Mapping[str, RunResults]) -> Html:
    words = "The paper leaves these open. Each is recorded with the numbers, and can be set with "
    example = tag("code", "--choice name=value")
    return join((tag("p", words, example, "."), choices_table(next(iter(runs.values())).summary.choices)))
