"""`pixelsmile bench fed report`: the numbers of runs, in the terminal, as JSON and as a page."""

import argparse
from functools import partial

from pixelsmile.cli.bench_report import page_path, print_reports, write_reports
from pixelsmile.cli.parsing import CommandParser

_EPILOG = """examples:
  pixelsmile bench fed report runs/first
  pixelsmile bench fed report runs/ours runs/theirs -o report.html --published
  pixelsmile bench fed report runs/first --judge gemini --representation landmarks --classes

Every run gets its report.json, and all together one page with pictures, which needs no network and no other
file. What lies in a run's folder is replaced; a page elsewhere only with --force.
"""


def run(options: argparse.Namespace) -> int:
    """Write report.json into each run and the page, and print the tables."""
    page = page_path(options.runs, options.output)
    from pixelsmile.benchmarks.fed.results import load_fed_results
    from pixelsmile.benchmarks.metrics import load_normalisation
    from pixelsmile.benchmarks.report.fed import fed_lines, fed_page
    from pixelsmile.benchmarks.report.remarks import fed_remarks

    constants = None if options.normalisation is None else load_normalisation(options.normalisation)
    load = partial(
        load_fed_results,
        judge_id=options.judge,
        representation=options.representation,
        encoders=options.encoders,
        constants=constants,
    )
    runs = write_reports(options, page, load, fed_page)
    lines = fed_lines(runs, classes=options.classes, published=options.published)
    print_reports(options.runs, page, lines, fed_remarks(runs))
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser(
        "bench fed report", "Report what runs of FED-Bench came to: tables, JSON and a page.", run, _EPILOG
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of judged runs")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page, .html (one run: RUN/report.html where left out)"
    )
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
    parser.add_argument("--force", action="store_true", help="replace a page that exists")
    return parser
