"""People as judges, `pixelsmile bench study`: a page on which they rank sweeps, and what their ranks say."""

import argparse
import random
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import counted, print_json, remark
from pixelsmile.cli.options import add_force, add_json
from pixelsmile.cli.parsing import CommandParser, whole_number
from pixelsmile.errors import OutputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.study.ranks import QuestionRanks

_PAGE_EPILOG = """examples:
  pixelsmile bench study page runs/ours runs/theirs -o study.html
  pixelsmile bench study page runs/a runs/b runs/c -o study.html --samples 30 --seed 1

Give study.html to the raters, and keep study.key.json: it says whose sweep is whose. Each rater opens the
page in a browser, ranks, and hands in a CSV; pixelsmile bench study rank reads them. Nothing is sent.
"""
_RANK_EPILOG = """examples:
  pixelsmile bench study rank answers/*.csv --key study.key.json
  pixelsmile bench study rank anna.csv ben.csv --key study.key.json --json
"""


def page_parser() -> CommandParser:
    """The options of `bench study page`."""
    summary = "Write a page on which people rank the sweeps of several editors, blind."
    parser = CommandParser("bench study page", summary, _write_page, _PAGE_EPILOG)
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
    add_force(parser)
    return parser


def rank_parser() -> CommandParser:
    """The options of `bench study rank`."""
    summary = "Turn the CSV files of raters into mean ranks with intervals."
    parser = CommandParser("bench study rank", summary, _print_ranks, _RANK_EPILOG)
    parser.add_argument("answers", nargs="+", metavar="CSV", help="what raters saved, a file each")
    parser.add_argument("--key", required=True, metavar="FILE", help="the .key.json beside the study's page")
    add_json(parser)
    return parser


def _write_page(options: argparse.Namespace) -> int:
    """The page and its key, both or neither."""
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
    num_tasks, size = len(study.key.tasks), f"{len(study.page.encode()) / 1e6:.1f} MB"
    if num_tasks < options.samples:
        remark(f"the runs share {counted(num_tasks, 'whole sweep')}, not {options.samples}")
    print(f"{page}  for the raters: {counted(num_tasks, 'task')}, {study.num_pictures} pictures, {size}")
    print(f"{key}  for you alone: it names the editors")
    return 0


def _print_ranks(options: argparse.Namespace) -> int:
    """The ranks for both questions."""
    from pixelsmile.benchmarks.study.page import read_key
    from pixelsmile.benchmarks.study.ranks import rank_editors, read_answers

    key = read_key(Path(options.key))
    answers = read_answers([Path(path) for path in dict.fromkeys(options.answers)], key)
    found = rank_editors(answers, key)
    if options.json:
        print_json(
            {
                "raters": list(answers.raters),
                "n_expected": answers.num_expected,
                "n_complete": len(answers.complete),
                "n_incomplete": answers.num_incomplete,
                "n_missing": answers.num_missing,
                "questions": [ranks.as_json() for ranks in found],
            }
        )
        return 0
    for ranks in found:
        _print_question(ranks)
    print(
        f"{counted(len(answers.raters), 'rater')}, {counted(len(key.tasks), 'task')}: "
        f"{len(answers.complete)} of {answers.num_expected} questions answered, "
        f"{answers.num_incomplete} incomplete and {answers.num_missing} missing, left out"
    )
    _print_published()
    return 0


def _print_question(ranks: "QuestionRanks") -> None:
    from pixelsmile.benchmarks.report.tables import format_interval, format_number, table_lines

    rows = [
        (
            found.editor,
            format_number(found.rank.value, 2),
            format_interval(found.rank, 2),
            format_number(found.score(len(ranks.editors)), 2),
            str(found.num_first),
        )
        for found in ranks.editors
    ]
    print(f"{ranks.question} ({counted(ranks.num_answers, 'answer')})")
    print("\n".join(table_lines(("editor", "mean rank", "95% interval", "score 5..1", "times first"), rows)))
    if ranks.kendall_w is None:
        print("agreement: none to speak of, no two raters ranked the same task")
    else:
        tasks = counted(ranks.num_shared_tasks, "task")
        print(
            f"agreement: Kendall's W {ranks.kendall_w:.2f} (mean of {tasks}; chance "
            f"{ranks.kendall_w_chance:.2f}), Krippendorff's alpha {format_number(ranks.alpha, 2)} (chance 0)"
        )
    print()


def _print_published() -> None:
    from pixelsmile.benchmarks.published import published_table
    from pixelsmile.benchmarks.report.tables import format_number, table_lines

    table = published_table("ffe_user_study")
    rows = [
        (row.model, *(format_number(row.values[question], 2) for question in ("continuity", "identity")))
        for row in table.rows
    ]
    print()
    print(f"published ({table.source}, {table.judge}; other pictures, scores 5..1): not comparable directly")
    print("\n".join(table_lines(("editor", "continuity", "identity"), rows)))
