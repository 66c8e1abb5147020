"""`pixelsmile bench study page`: a page on which people rank the sweeps of several editors, blind."""

import argparse
import random
import sys
from pathlib import Path

from pixelsmile.cli.parsing import CommandParser, whole_number
from pixelsmile.errors import OutputError

_EPILOG = """examples:
  pixelsmile bench study page runs/ours runs/theirs -o study.html
  pixelsmile bench study page runs/a runs/b runs/c -o study.html --samples 30 --seed 1

Give study.html to the raters, and keep study.key.json: it says whose sweep is whose. Each rater opens the
page in a browser, ranks, and hands in a CSV; pixelsmile bench study rank reads them. Nothing is sent.
"""


def run(options: argparse.Namespace) -> int:
    """Write the page and its key, both or neither."""
    page = Path(options.output)
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"cannot write {str(page)!r}: use a name that ends in .html")
    key = page.with_suffix(".key.json")
    from pixelsmile.benchmarks.report.remarks import run_labels
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.benchmarks.study.page import make_study
    from pixelsmile.store.publication import staged

    folders = [RunFolder(Path(path)) for path in options.runs]
    runs = dict(zip(run_labels(folders), folders, strict=True))
    with staged(page.parent, [page.name, key.name], force=options.force) as stage:
        study = make_study(runs, num_tasks=options.samples, seed=options.seed, codes=random.SystemRandom())
        stage.write(page.name, study.page.encode())
        stage.write(key.name, study.key.to_json())
    num_tasks = len(study.key.tasks)
    if num_tasks < options.samples:
        print(f"pixelsmile: the runs share {num_tasks} whole sweeps, not {options.samples}", file=sys.stderr)
    print(f"{page}  for the raters: {num_tasks} tasks, {study.num_pictures} pictures, {_size(study.page)}")
    print(f"{key}  for you alone: it names the editors")
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser(
        "bench study page",
        "Write a page on which people rank the sweeps of several editors, blind.",
        run,
        _EPILOG,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs on one benchmark, 2 to 9")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the page, .html")
    parser.add_argument(
        "--samples",
        type=whole_number("samples", 1),
        default=20,
        metavar="N",
        help="how many tasks a rater sees (default 20)",
    )
    parser.add_argument(
        "--seed", type=whole_number("seed", 0), default=0, metavar="S", help="which tasks (default 0)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    return parser


def _size(page: str) -> str:
    return f"{len(page.encode()) / 1e6:.1f} MB"
