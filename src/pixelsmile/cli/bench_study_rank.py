"""`pixelsmile bench study rank`: from raters' CSV files to mean ranks and agreement."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.parsing import CommandParser

if TYPE_CHECKING:
    from pixelsmile.benchmarks.study.ranks import Answers, QuestionRanks

_EPILOG = """examples:
  pixelsmile bench study rank answers/*.csv --key study.key.json
  pixelsmile bench study rank anna.csv ben.csv --key study.key.json --json
"""


def run(options: argparse.Namespace) -> int:
    """Print the ranks for both questions."""
    from pixelsmile.benchmarks.study.page import read_key
    from pixelsmile.benchmarks.study.ranks import rank_editors, read_answers

    key = read_key(Path(options.key))
    answers = read_answers([Path(path) for path in dict.fromkeys(options.answers)], key)
    found = rank_editors(answers, key)
    if options.json:
        print(json.dumps(_record(answers, found), allow_nan=False))
        return 0
    for ranks in found:
        _print_question(ranks)
    print(
        f"{_count(len(answers.raters), 'rater')}, {_count(len(key.tasks), 'task')}: "
        f"{len(answers.complete)} of {answers.num_expected} questions answered, "
        f"{answers.num_incomplete} incomplete and {answers.num_missing} missing, left out"
    )
    _print_published()
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser(
        "bench study rank", "Turn the CSV files of raters into mean ranks with intervals.", run, _EPILOG
    )
    parser.add_argument("answers", nargs="+", metavar="CSV", help="what raters saved, a file each")
    parser.add_argument("--key", required=True, metavar="FILE", help="the .key.json beside the study's page")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


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
    print(f"{ranks.question} ({_count(ranks.num_answers, 'answer')})")
    print("\n".join(table_lines(("editor", "mean rank", "95% interval", "score 5..1", "times first"), rows)))
    if ranks.kendall_w is None:
        print("agreement: none to speak of, no two raters ranked the same task")
    else:
        tasks = _count(ranks.num_shared_tasks, "task")
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
        (row.model, format_number(row.values["continuity"], 2), format_number(row.values["identity"], 2))
        for row in table.rows
    ]
    print()
    print(f"published ({table.source}, {table.judge}; other pictures, scores 5..1): not comparable directly")
    print("\n".join(table_lines(("editor", "continuity", "identity"), rows)))


def _record(answers: "Answers", found: Sequence["QuestionRanks"]) -> dict[str, object]:
    return {
        "raters": list(answers.raters),
        "n_expected": answers.num_expected,
        "n_complete": len(answers.complete),
        "n_incomplete": answers.num_incomplete,
        "n_missing": answers.num_missing,
        "questions": [ranks.as_json() for ranks in found],
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
