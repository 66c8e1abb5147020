"""The report of FED-Bench as one page: everything inside, nothing loaded, nothing run."""

from collections.abc import Mapping

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.report.cells import plain_table
from pixelsmile.benchmarks.report.fed_cases import (
    LAZY_BELOW,
    OVERFIT_ABOVE,
    examples,
    pattern_counts,
    ranked_tasks,
    shared_tasks,
)
from pixelsmile.benchmarks.report.fed_chart import LARGEST_GAIN, gain_chart
from pixelsmile.benchmarks.report.fed_leaderboard import (
    class_details,
    classes_table,
    dimensions_table,
    fed_leaderboard,
    fed_missing_table,
)
from pixelsmile.benchmarks.report.fed_numbers import constants_words
from pixelsmile.benchmarks.report.fed_pictures import FedAlbum, edit_case, task_strip, unscored_cases
from pixelsmile.benchmarks.report.fed_remarks import fed_remarks, gain_words
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.remarks import benchmark_words, identity_words
from pixelsmile.benchmarks.report.sheet import Section, sheet, specification
from pixelsmile.benchmarks.report.terminal import bootstrap_words

STYLES = ("fed.css",)
_SEED = 0  # of what is drawn by lot
_NUM_EXAMPLES = 3
_NUM_UNSCORED = 5


def fed_page(runs: Mapping[str, FedResults]) -> str:
    """The report of `runs`, by the label of each."""
    albums = {label: FedAlbum(label, run) for label, run in runs.items()}
    records = {label: run.as_json() for label, run in runs.items()}
    specified = [name for name in next(iter(records.values())) if name not in _NOT_SPECIFIED]
    sections = (
        Section("leaderboard", "Leaderboard", _leaderboard(runs)),
        Section("dimensions", "Dimensions and score", join((formula(runs), dimensions_table(runs)))),
        Section("classes", "Classes", _classes(runs)),
        Section("tasks", "The same task, side by side", _tasks(runs, albums)),
        Section("gain", "Lazy and overfit edits", _gain(runs, albums)),
        Section("missing", "What is missing", _missing(runs, albums)),
        Section("specification", "Specification", specification(records, specified)),
    )
    return sheet(f"FED-Bench: {', '.join(runs)}", _head(runs), sections, records, STYLES)


_NOT_SPECIFIED = ("schema_version", "edits", "summary", "by_domain", "missing")


def _head(runs: Mapping[str, FedResults]) -> Html:
    """The title, what each run is, and what to know before they are compared."""
    header = ("Run", "Benchmark", "Triplets", "Edits", "Judge", "Identity", "Change", "Seed", "Begun")
    warnings = (tag("p", sentence, class_="warning") for sentence in fed_remarks(runs))
    return tag(
        "header",
        tag("p", "FED-Bench report", class_="kicker"),
        tag("h1", ", ".join(runs)),
        plain_table(header, (_run_row(label, run) for label, run in runs.items())),
        *warnings,
    )


def _run_row(label: str, run: FedResults) -> Html:
    cells = (
        benchmark_words(run),
        run.summary.num_samples,
        run.summary.num_edits,
        run.judge_id,
        identity_words(run, digits=0),
        gain_words(run),
        run.spec.seed,
        tag("time", f"{run.spec.created:%Y-%m-%d}"),
    )
    return tag("tr", tag("th", label, scope="row"), *(tag("td", cell) for cell in cells))


def _leaderboard(runs: Mapping[str, FedResults]) -> Html:
    plan = next(iter(runs.values())).summary.bootstrap
    words = (
        f"Each number with its {bootstrap_words(plan)} and n, the edits it rests on. “Out” are those that "
        "lack a component: unscored, never zero. PQ, SC and GTA are marks of the judge from 0 to 10; BG is "
        "the RMSE of the pixels outside the face; REG is best at 1. The line below a number shows its "
        "interval on the whole scale: to 100 for BG, to 10 for marks, to 2 for REG, to 1 for the others."
    )
    return join((tag("p", words), fed_leaderboard(runs)))


def formula(runs: Mapping[str, FedResults]) -> Html:
    """How a score is made, and which part of that is reconstructed."""
    constants = next(iter(runs.values())).summary.constants
    lines = (tag("li", line) for line in constants_words(constants))
    how = (
        "The authors published the form of this formula and not its numbers; those below come from a fit to "
        f"the means in their table. Normalisation {constants.version}, frozen: “{constants.source}”"
    )
    status = None
    if constants.status == "reconstructed":
        status = tag("p", tag("span", "Reconstructed. ", class_="reconstructed"), how)
    return join((status, tag("ul", *lines, class_="formula")))


def _classes(runs: Mapping[str, FedResults]) -> Html:
    words = "FED-Score of each class that is asked for, dense and simple together; below, all its numbers."
    return join((tag("p", words), classes_table(runs), class_details(runs)))


def _tasks(runs: Mapping[str, FedResults], albums: Mapping[str, FedAlbum]) -> Html:
    words = (
        "As figure 4 of the paper. A full bar is best in every row: BG is shown as what is left of the "
        "background, REG as the Gaussian makes it count; the numbers are as measured."
    )
    parts = [tag("p", words)]
    if len(runs) > 1:
        everyone = list(albums.values())
        parts += (task_strip(why, everyone, task) for why, task in shared_tasks(runs, _SEED))
        if len(parts) == 1:
            parts.append(tag("p", "The runs share no task that all of them have an edit of."))
    else:
        for label, run in runs.items():
            parts += (task_strip(why, [albums[label]], task) for why, task in ranked_tasks(run))
    return join(parts)


def _gain(runs: Mapping[str, FedResults], albums: Mapping[str, FedAlbum]) -> Html:
    words = (
        "As figure 5 of the paper: REG is the change of the expression over the one from source to ground "
        "truth. The dashed line is the most that a REG allows; the large marks are means with their "
        f"intervals. Lazy is a REG below {LAZY_BELOW:g}, overfit one above {OVERFIT_ABOVE:g}: the paper has "
        f"no line, this one is ours. What lies beyond {LARGEST_GAIN:g} is drawn there."
    )
    parts = [tag("p", words), gain_chart(runs), _patterns(runs)]
    for label, run in runs.items():
        cards = [
            edit_case(albums[label], each, f"{kind}, REG {each.edit.components['gain']:.2f}")
            for kind in ("lazy", "overfit")
            for each in examples(run, kind, _NUM_EXAMPLES)
        ]
        if cards:
            parts += (tag("h3", label), tag("div", *cards, class_="cards"))
    return join(parts)


def _patterns(runs: Mapping[str, FedResults]) -> Html:
    rows = []
    for label, run in runs.items():
        found = pattern_counts(run)
        num = sum(found.values())
        shares = (f"{count} ({count / num:.0%})" if num else "0" for count in found.values())
        rows.append(tag("tr", tag("th", label, scope="row"), *(tag("td", share) for share in shares)))
    return plain_table(("Run", "lazy", "near 1", "overfit"), rows)


def _missing(runs: Mapping[str, FedResults], albums: Mapping[str, FedAlbum]) -> Html:
    return join((fed_missing_table(runs), *unscored_cases(albums, _NUM_UNSCORED)))
