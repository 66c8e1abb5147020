"""`pixelsmile bench ffe report`: the numbers of runs, in the terminal, as JSON and as a page."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pixelsmile.cli.bench_choices import add_choice_options, read_choices
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import InputError, OutputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.run_folder import RunFolder

REPORT_NAME = "report.json"  # in the folder of a run


class _Results(Protocol):
    def to_json(self) -> bytes: ...


R = TypeVar("R", bound=_Results)

_EPILOG = """examples:
  pixelsmile bench ffe report runs/first
  pixelsmile bench ffe report runs/ours runs/theirs -o report.html
  pixelsmile bench ffe report runs/first --judge gemini --choice ties=unscored

Every run gets its report.json, and all together one page with pictures, which needs no network and no other
file. What lies in a run's folder is replaced; a page elsewhere only with --force.
"""


def run(options: argparse.Namespace) -> int:
    """Write report.json into each run and the page, and print the tables."""
    page = page_path(options.runs, options.output)
    from pixelsmile.benchmarks.report.ffe import ffe_lines, ffe_page
    from pixelsmile.benchmarks.report.remarks import ffe_remarks
    from pixelsmile.benchmarks.results import load_results

    choices = read_choices(options)
    runs = write_reports(options, page, lambda folder: load_results(folder, options.judge, choices), ffe_page)
    print_reports(options.runs, page, ffe_lines(runs), ffe_remarks(runs))
    return 0


def write_reports(
    options: argparse.Namespace,
    page: Path,
    load: Callable[["RunFolder"], R],
    draw: Callable[[Mapping[str, R]], str],
) -> dict[str, R]:
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


def print_reports(runs: Sequence[str], page: Path, lines: Iterable[str], sentences: Iterable[str]) -> None:
    """The tables and where the files are; remarks to stderr."""
    from pixelsmile.benchmarks.report.tables import printable

    print("\n".join(lines))
    print()
    for run in runs:
        print(Path(run) / REPORT_NAME)
    print(page)
    for sentence in sentences:
        print(f"pixelsmile: {printable(sentence)}", file=sys.stderr)


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser(
        "bench ffe report", "Report what runs came to: tables, JSON and a page.", run, _EPILOG
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of judged runs")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page, .html (one run: RUN/report.html where left out)"
    )
    add_choice_options(parser)
    parser.add_argument("--force", action="store_true", help="replace a page that exists")
    return parser


def page_path(runs: Sequence[str], output: str | None) -> Path:
    """Where the page goes. InputError for several runs and no place, OutputError for no page's name."""
    if output is None:
        if len(runs) > 1:
            raise InputError("several runs and no place for their page: add -o report.html")
        return Path(runs[0]) / "report.html"
    page = Path(output)
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"cannot write {str(page)!r}: use a name that ends in .html")
    return page
