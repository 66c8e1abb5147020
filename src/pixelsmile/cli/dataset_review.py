"""`pixelsmile dataset review` and `agreement`: pages for people who judge, and how far they agree."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import counted, print_json
from pixelsmile.cli.options import add_force, add_json
from pixelsmile.cli.parsing import CommandParser, whole_number
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.dataset.human_ratings import Agreement
    from pixelsmile.dataset.step_folder import StepFolder
    from pixelsmile.judges.agreement import Alpha

_REVIEW_EPILOG = """examples:
  pixelsmile dataset review faces
  pixelsmile dataset review faces --start 500 -o page2.html
  pixelsmile dataset review faces --annotate -n 100

Open the page in a browser: K keeps, D drops. It can be closed and opened again; nothing is sent. What it
saves is for build --decisions.

--annotate asks instead what the faces of a sample show, and how strongly: the pages of several people with
the same --seed have the same pictures. What they save is for dataset agreement.
"""
_AGREEMENT_EPILOG = """examples:
  pixelsmile dataset agreement faces answers-anna.jsonl answers-ben.jsonl

Krippendorff's alpha: 1 is full agreement, 0 is chance. Its interval (95 %) draws people, with all their
pictures, again.
"""


def review_parser() -> CommandParser:
    """The options of `dataset review`."""
    summary = "Write a page on which a person keeps or drops pictures."
    parser = CommandParser("dataset review", summary, _review, _REVIEW_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set whose faces were found")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page, .html (default: review.html in the folder)"
    )
    parser.add_argument(
        "--start",
        type=whole_number("start", 0),
        default=0,
        metavar="N",
        help="pictures to leave out (default 0)",
    )
    parser.add_argument(
        "--annotate", action="store_true", help="ask what the pictures of a sample show, and how strongly"
    )
    parser.add_argument(
        "--seed", type=whole_number("seed", 0), default=0, metavar="N", help="of that sample (default 0)"
    )
    parser.add_argument(
        "-n",
        "--num",
        type=whole_number("number of pictures", 1, 5000),
        metavar="N",
        help="pictures on the page (default 500, with --annotate 100)",
    )
    add_force(parser, "a page that exists")
    return parser


def agreement_parser() -> CommandParser:
    """The options of `dataset agreement`."""
    summary = "Say how far people agree on what pictures show, with one another and with the judge."
    parser = CommandParser("dataset agreement", summary, _agreement, _AGREEMENT_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set that was annotated")
    parser.add_argument(
        "answers", nargs="+", metavar="ANSWERS", help="what people saved on the page of review --annotate"
    )
    add_json(parser)
    return parser


def _review(options: argparse.Namespace) -> int:
    from pixelsmile.dataset.folder import last_finished
    from pixelsmile.errors import OutputError
    from pixelsmile.store.publication import check_place, write_file

    folder = Path(options.folder)
    name = "annotate.html" if options.annotate else "review.html"
    page = Path(options.output) if options.output is not None else folder / name
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"the page {str(page)!r} must end in .html")
    finished = last_finished(folder)
    check_place(page.parent, [page.name], force=options.force)
    text, said = _rating(folder, options) if options.annotate else _deciding(folder, finished, options)
    write_file(page, text.encode(), force=options.force)
    print(f"{page}: {said}")
    return 0


def _deciding(folder: Path, step_folder: "StepFolder", options: argparse.Namespace) -> tuple[str, str]:
    """The page on which pictures are kept or dropped, and what it has."""
    from pixelsmile.dataset.review import review_page

    text, num = review_page(folder, step_folder.all_rows(), start=options.start, num=options.num or 500)
    return text, f"{counted(num, 'picture')} that {step_folder.name} has kept"


def _rating(folder: Path, options: argparse.Namespace) -> tuple[str, str]:
    """The page on which a person says what a sample shows, and what it has."""
    from pixelsmile.dataset.human_ratings import rating_page, sample
    from pixelsmile.dataset.step_folder import StepFolder

    if options.start:
        raise InputError("--start is for the page of decisions: a sample is another one with another --seed")
    rows = sample(StepFolder(folder / "annotate").all_rows(), options.num or 100, options.seed)
    return rating_page(folder, rows), f"a sample of {counted(len(rows), 'picture')}, to be rated blind"


def _agreement(options: argparse.Namespace) -> int:
    from pixelsmile.dataset.human_ratings import agreement_of, read_answers
    from pixelsmile.dataset.step_folder import StepFolder

    answers = read_answers([Path(path) for path in dict.fromkeys(options.answers)])
    step_folder = StepFolder(Path(options.folder) / "annotate")
    found = agreement_of(answers, step_folder.every_row())
    if options.json:
        from dataclasses import asdict

        print_json(asdict(found))
        return 0
    print("\n".join(_agreement_lines(found)))
    return 0


def _agreement_lines(found: "Agreement") -> Iterator[str]:
    raters = ", ".join(f"{rater} {number:,}" for rater, number in found.raters.items())
    unclear = f", {found.num_unclear:,} cannot be told" if found.num_unclear else ""
    yield f"{counted(found.num_pictures, 'picture')}; rated by {raters}{unclear}"
    if found.num_unknown:
        yield f"{counted(found.num_unknown, 'answer')} about other pictures: left out"
    yield f"{'alpha of':<12}{'people':>24}{'people and judge':>24}"
    for name, people in found.people.items():
        yield f"{name:<12}{_alpha(people):>24}{_alpha(found.judge[name]):>24}"
    yield f"{'strongest':<12}{_alpha(found.people_dominant):>24}{_alpha(found.judge_dominant):>24}"
    if found.same is not None:
        yield f"the judge names the expression that people do on {100 * found.same:.0f} % of the pictures"


def _alpha(alpha: "Alpha") -> str:
    """`0.81 (0.72 to 0.88)`."""
    if alpha.value is None:
        return "–"
    ends = "" if alpha.low is None else f" ({alpha.low:.2f} to {alpha.high:.2f})"
    return f"{alpha.value:.2f}{ends}"
