"""`pixelsmile bench leaderboard`: editors side by side, on both benchmarks."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json, remark
from pixelsmile.cli.options import add_force, add_json
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import InputError, OutputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.ffe.results import RunResults
    from pixelsmile.benchmarks.report.leaderboard import Board
    from pixelsmile.benchmarks.study.ranks import QuestionRanks

_FORMS = {"html": (".html", ".htm"), "csv": (".csv",), "latex": (".tex",)}
_EPILOG = """examples:
  pixelsmile bench leaderboard runs/*
  pixelsmile bench leaderboard runs/* --html board.html --csv board.csv --latex board.tex
  pixelsmile bench leaderboard runs/* --judge gemini --html board.html
  pixelsmile bench leaderboard runs/* --html board.html \\
      --study answers/*.csv --key study.key.json --training trained/symmetric trained/asymmetric

Runs of both benchmarks, made and judged before. Those with other samples, strengths, judges or measures get
boards of their own, for their numbers do not compare. In each column every editor is compared with the best
one, paired by sample; p-values are adjusted for the number of editors (Holm).
"""


def parser() -> CommandParser:
    """The options of `bench leaderboard`."""
    made = CommandParser(
        "bench leaderboard", "Put editors side by side, on one page for both benchmarks.", _run, _EPILOG
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="folders of judged runs")
    made.add_argument("--judge", metavar="ID", help="whose verdicts and marks: the beginning of an id")
    files = made.add_argument_group("what to write")
    files.add_argument("--html", metavar="FILE", help="the page, with the figures of both papers")
    files.add_argument("--csv", metavar="FILE", help="a row for each editor")
    files.add_argument("--latex", metavar="FILE", help="a table for each board, for booktabs")
    page = made.add_argument_group("more figures for the page")
    page.add_argument(
        "--study", nargs="+", default=[], metavar="CSV", help="answers of people to `bench study page`"
    )
    page.add_argument("--key", metavar="FILE", help="the key of that study")
    page.add_argument(
        "--training",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="trainings that validated on FFE-Bench: their loss and confusion, a line each",
    )
    add_json(made, "the boards")
    add_force(made, "files that exist")
    return made


def _run(options: argparse.Namespace) -> int:
    files = {form: _path(options, form) for form in _FORMS if getattr(options, form) is not None}
    if (options.study or options.key or options.training) and "html" not in files:
        raise InputError("--study and --training draw figures on the page: add --html board.html")
    if bool(options.study) != bool(options.key):
        raise InputError("--study and --key go together: the answers, and the key of their page")
    from pixelsmile.benchmarks.report.leaderboard import leaderboard, leaderboard_lines
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.store.publication import staged

    with ExitStack() as stack:
        stages = {
            form: stack.enter_context(staged(path.parent, [path.name], force=options.force))
            for form, path in files.items()
        }
        boards = leaderboard([RunFolder(Path(run)) for run in options.runs], options.judge)
        for form, stage in stages.items():
            stage.write(files[form].name, _file(form, boards, options).encode())
    written = [str(path) for path in files.values()]
    if options.json:
        print_json({"boards": [board.as_json() for board in boards], "files": written})
    else:
        print("\n\n".join("\n".join(leaderboard_lines(board)) for board in boards))
        print("\n".join(["", *written]) if written else "", end="\n" if written else "")
    return 0


def _file(form: str, boards: "Sequence[Board]", options: argparse.Namespace) -> str:
    from pixelsmile.benchmarks.report.leaderboard_files import leaderboard_csv, leaderboard_latex
    from pixelsmile.benchmarks.report.leaderboard_page import leaderboard_page

    match form:
        case "csv":
            return leaderboard_csv(boards)
        case "latex":
            return leaderboard_latex(boards)
        case _:
            return leaderboard_page(boards, _study(options), _trainings(options))


def _path(options: argparse.Namespace, form: str) -> Path:
    """Where that file goes; OutputError for a name of another kind."""
    path, endings = Path(getattr(options, form)), _FORMS[form]
    if path.suffix.lower() not in endings:
        raise OutputError(f"cannot write {str(path)!r}: use a name that ends in {endings[0]}")
    return path


def _study(options: argparse.Namespace) -> "Sequence[QuestionRanks]":
    if not options.study:
        return ()
    from pixelsmile.benchmarks.study.page import read_key
    from pixelsmile.benchmarks.study.ranks import rank_editors, read_answers

    key = read_key(Path(options.key))
    return rank_editors(read_answers([Path(path) for path in dict.fromkeys(options.study)], key), key)


def _trainings(options: argparse.Namespace) -> "Mapping[str, Mapping[str, RunResults]]":
    """The validations of each training, by the name of its folder."""
    from pixelsmile.benchmarks.ffe.results import load_results
    from pixelsmile.benchmarks.report.dynamics import training_runs
    from pixelsmile.benchmarks.run_folder import RunFolder

    folders = [Path(folder) for folder in dict.fromkeys(options.training)]
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        remark("trainings of one name: the page calls them by their whole paths")
        names = [str(folder) for folder in folders]
    return {
        name: {path.name: load_results(RunFolder(path), options.judge) for path in training_runs(folder)}
        for name, folder in zip(names, folders, strict=True)
    }
