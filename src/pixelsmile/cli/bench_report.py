"""What runs came to: `pixelsmile bench ffe report`, `bench fed report` and `bench compare`."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pixelsmile.cli.display import print_json, remark
from pixelsmile.cli.options import add_force, add_json
from pixelsmile.cli.parsing import CommandParser, nearest
from pixelsmile.errors import InputError, OutputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.fed.results import FedResults
    from pixelsmile.benchmarks.ffe.results import RunResults
    from pixelsmile.benchmarks.metrics.choices import MetricChoices
    from pixelsmile.benchmarks.run_folder import RunFolder

    R = TypeVar("R", RunResults, FedResults)
    _Compared = tuple[str, dict[str, Any], list[str], list[str]]  # the judge, as JSON, as lines, remarks

REPORT_NAME = "report.json"  # in the folder of a run

_WRITTEN = """
Every run gets its report.json, and all together one page with pictures, which needs no network and no other
file. What lies in a run's folder is replaced; a page elsewhere only with --force.
"""
_FFE_EPILOG = f"""examples:
  pixelsmile bench ffe report runs/first
  pixelsmile bench ffe report runs/ours runs/theirs -o report.html
  pixelsmile bench ffe report runs/first --judge gemini --choice ties=unscored
  pixelsmile bench ffe report trained/validation/step-*-ffe -o training.html
{_WRITTEN}The runs that one training leaves are shown along its steps too, with its loss.
"""
_FED_EPILOG = f"""examples:
  pixelsmile bench fed report runs/first
  pixelsmile bench fed report runs/ours runs/theirs -o report.html --published
  pixelsmile bench fed report runs/first --judge gemini --representation landmarks --classes
{_WRITTEN}"""
_COMPARE_EPILOG = """examples:
  pixelsmile bench compare runs/ours runs/theirs
  pixelsmile bench compare runs/new runs/old --judge gemini --json

A difference is A minus B on the edits that both have, with its interval over samples drawn together for both:
much narrower than the two intervals of a report. One that leaves out 0 is no accident of the samples.
"""


def ffe_parser() -> CommandParser:
    """The options of `bench ffe report`."""
    parser = CommandParser(
        "bench ffe report", "Report what runs came to: tables, JSON and a page.", _report_ffe, _FFE_EPILOG
    )
    _add_runs(parser)
    _add_choices(parser)
    add_force(parser, "a page that exists")
    return parser


def fed_parser() -> CommandParser:
    """The options of `bench fed report`."""
    summary = "Report what runs of FED-Bench came to: tables, JSON and a page."
    parser = CommandParser("bench fed report", summary, _report_fed, _FED_EPILOG)
    _add_runs(parser)
    parser.add_argument("--judge", metavar="ID", help="whose marks: the beginning of an id")
    parser.add_argument(
        "--representation",
        metavar="ID",
        help="what REG is measured by: the beginning of an id, such as scores, landmarks or embedding "
        "(default: what was measured in the judge's last call)",
    )
    parser.add_argument(
        "--encoders",
        nargs="+",
        metavar="NAME",
        help="whose mean is ID (default: arcface, as in the paper, where it measured; else all)",
    )
    parser.add_argument(
        "--normalisation", metavar="VERSION", help="of the frozen constants (default: the newest)"
    )
    parser.add_argument("--classes", action="store_true", help="print the numbers of each class too")
    parser.add_argument(
        "--published", action="store_true", help="print the published rows too, which another judge gave"
    )
    add_force(parser, "a page that exists")
    return parser


def compare_parser() -> CommandParser:
    """The options of `bench compare`."""
    parser = CommandParser(
        "bench compare", "Compare two runs, paired sample by sample.", _compare, _COMPARE_EPILOG
    )
    parser.add_argument("a", metavar="RUN_A", help="the folder of a judged run")
    parser.add_argument("b", metavar="RUN_B", help="the one it is compared with")
    _add_choices(parser)
    add_json(parser)
    return parser


def _report_ffe(options: argparse.Namespace) -> int:
    page = _page_path(options)
    from pixelsmile.benchmarks.ffe.results import load_results
    from pixelsmile.benchmarks.report.ffe import ffe_lines, ffe_page
    from pixelsmile.benchmarks.report.remarks import ffe_remarks

    load = partial(load_results, judge_id=options.judge, choices=_choices(options))
    runs = _write(options, page, load, ffe_page)
    _print(options, page, runs, ffe_lines(runs), ffe_remarks(runs))
    return 0


def _report_fed(options: argparse.Namespace) -> int:
    page = _page_path(options)
    from pixelsmile.benchmarks.fed.results import load_fed_results
    from pixelsmile.benchmarks.metrics.fed_score import load_normalisation
    from pixelsmile.benchmarks.report.fed import fed_lines, fed_page
    from pixelsmile.benchmarks.report.remarks import fed_remarks

    load = partial(
        load_fed_results,
        judge_id=options.judge,
        representation=options.representation,
        encoders=options.encoders,
        constants=None if options.normalisation is None else load_normalisation(options.normalisation),
    )
    runs = _write(options, page, load, fed_page)
    lines = fed_lines(runs, classes=options.classes, published=options.published)
    _print(options, page, runs, lines, fed_remarks(runs))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from pixelsmile.benchmarks.report.remarks import run_labels
    from pixelsmile.benchmarks.report.tables import printable
    from pixelsmile.benchmarks.run_folder import RunFolder

    folders = [RunFolder(Path(path)) for path in (options.a, options.b)]
    labels = run_labels(folders)
    kinds = [folder.spec().tasks[0].benchmark for folder in folders]
    if kinds[0] != kinds[1]:
        raise InputError(
            f"{options.a!r} of {kinds[0].upper()}-Bench and {options.b!r} of {kinds[1].upper()}-Bench do not "
            "compare: name two runs of one benchmark"
        )
    compared = _compared_fed if kinds[0] == "fed" else _compared_ffe
    judge, record, lines, remarks = compared(options, folders)
    if options.json:
        print_json({"a": labels[0], "b": labels[1], "judge": judge, "remarks": remarks, **record})
        return 0
    print(f"A {printable(labels[0])}, B {printable(labels[1])}; judged by {printable(judge)}")
    print(f"{record['n_samples']} samples in both; difference is A - B")
    print("\n".join(printable(line) for line in lines))
    for sentence in remarks:
        remark(printable(sentence))
    return 0


def _compared_ffe(options: argparse.Namespace, folders: "Sequence[RunFolder]") -> "_Compared":
    from pixelsmile.benchmarks.ffe.results import load_results
    from pixelsmile.benchmarks.report.comparison import compare_runs, comparison_lines

    choices = _choices(options)
    a, b = (load_results(folder, options.judge, choices) for folder in folders)
    found, remarks = compare_runs(a, b, choices)
    return a.judge_id, found.as_json(), comparison_lines(found), remarks


def _compared_fed(options: argparse.Namespace, folders: "Sequence[RunFolder]") -> "_Compared":
    from pixelsmile.benchmarks.fed.results import load_fed_results
    from pixelsmile.benchmarks.report.fed_comparison import compare_fed_runs, fed_comparison_lines

    if options.choice:
        raise InputError("--choice is for runs of FFE-Bench, and these are of FED-Bench: leave it out")
    a, b = (load_fed_results(folder, options.judge) for folder in folders)
    found, remarks = compare_fed_runs(a, b)
    return a.judge_id, found.as_json(), fed_comparison_lines(found), remarks


def _write(
    options: argparse.Namespace,
    page: Path,
    load: "Callable[[RunFolder], R]",
    draw: "Callable[[Mapping[str, R]], str]",
) -> "dict[str, R]":
    """Load the runs, write the page and each run's report.json; the results by label."""
    from pixelsmile.benchmarks.report.remarks import run_labels
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.store.publication import staged, write_file

    folders = [RunFolder(Path(path)) for path in options.runs]
    labels = run_labels(folders)
    with staged(page.parent, [page.name], force=options.force or options.output is None) as stage:
        results = [load(folder) for folder in folders]
        runs = dict(zip(labels, results, strict=True))
        stage.write(page.name, draw(runs).encode())
        for folder, found in zip(folders, results, strict=True):
            write_file(folder.path / REPORT_NAME, found.to_json(), force=True)
    return runs


def _print(
    options: argparse.Namespace,
    page: Path,
    runs: "Mapping[str, R]",
    lines: Iterable[str],
    sentences: Sequence[str],
) -> None:
    """The tables and where the files are, or all of it but the edits as one object; remarks to stderr."""
    from pixelsmile.benchmarks.report.tables import printable

    reports: list[str] = [str(Path(run) / REPORT_NAME) for run in options.runs]
    if options.json:
        records = [
            {"label": label, "report": report}
            | {name: value for name, value in found.as_json().items() if name != "edits"}
            for report, (label, found) in zip(reports, runs.items(), strict=True)
        ]
        print_json({"page": str(page), "runs": records, "remarks": list(sentences)})
    else:
        print("\n".join([*lines, "", *reports, str(page)]))
    for sentence in sentences:
        remark(printable(sentence))


def _page_path(options: argparse.Namespace) -> Path:
    """Where the page goes. InputError for several runs and no place, OutputError for no page's name."""
    if options.output is None:
        if len(options.runs) > 1:
            raise InputError("several runs and no place for their page: add -o report.html")
        return Path(options.runs[0]) / "report.html"
    page = Path(options.output)
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"cannot write {str(page)!r}: use a name that ends in .html")
    return page


def _add_runs(parser: CommandParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of judged runs")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page, .html (one run: RUN/report.html where left out)"
    )
    add_json(parser, "the tables")


def _add_choices(parser: CommandParser) -> None:
    """Whose verdicts count, and how the metrics are taken where the paper is silent."""
    parser.add_argument(
        "--judge", metavar="ID", help="whose verdicts: the beginning of an id, or panel (the mean of all)"
    )
    parser.add_argument(
        "--choice",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="take a metric otherwise, such as ties=unscored or accuracy_strengths=largest; again for more",
    )


def _choices(options: argparse.Namespace) -> "MetricChoices":
    """The choices of `--choice`; a value is JSON, or a word. InputError for what no metric knows."""
    from pixelsmile.benchmarks.metrics.choices import MetricChoices

    known = list(MetricChoices.model_fields)
    return MetricChoices.from_json(dict(_choice(text, known) for text in options.choice))


def _choice(text: str, known: Sequence[str]) -> tuple[str, object]:
    from pixelsmile.limits import parse_json

    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--choice {text!r}: write name=value, for example ties=unscored")
    if name not in known:
        raise InputError(f"unknown choice {name!r}: {nearest(name, known)}")
    try:
        return name, parse_json(value, "it")
    except InputError:
        return name, value
