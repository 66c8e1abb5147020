"""`pixelsmile triplets check`: what files of triplets hold, and what is wrong with them."""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.options import add_domain, add_json, add_quiet
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.triplets.survey import Strengths, TripletSurvey
    from pixelsmile.triplets.triplet import Triplet

_MAX_PAIRS = 12
_EPILOG = """examples:
  pixelsmile triplets check drawn/triplets.jsonl
  pixelsmile triplets check human.jsonl anime.jsonl --open --json

The files are JSON lines as PixelSmile's own code reads them, one triplet a line:
  {"src": {"image": "s.png"}, "dst": [{"image": "a.png", "category": "fear",
   "scores": {"fear": 0.8}}, {...}]}
or, which that code does not read, one target and the words that ask for it:
  {"src": {"image": "s.png"}, "dst": [{"image": "t.png", "category": "neutral", "scores": {}}],
   "instruction": "Let the whole face rest."}
with, if you like, "boxes": [x1, y1, x2, y2] and "landmarks" beside "image", and "identity" and "domain"
beside "src".

The exit code is 1 where a line is wrong or a picture is missing (with --open: or damaged).
"""


@dataclass(frozen=True)
class _Checked:
    """One file. survey: None where lines are wrong. remarks: what training would lose, which is no fault."""

    path: Path
    survey: "TripletSurvey | None"
    faults: list[str]
    remarks: list[str] = field(default_factory=list)


def parser() -> CommandParser:
    """The options."""
    summary = "Say what files of triplets hold, and what is wrong."
    parser = CommandParser("triplets check", summary, run, _EPILOG)
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON lines")
    parser.add_argument(
        "--root", metavar="FOLDER", help="what the paths are relative to (default: the file's own folder)"
    )
    add_domain(parser, both=False, what="of lines that name none")
    parser.add_argument(
        "--open",
        action="store_true",
        help="also open every picture, look for faces outside of it, and of what is cut out for training",
    )
    add_json(parser)
    add_quiet(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Describe every file on stdout, its faults on stderr; exit code 1 where there are any."""
    for name in options.files:
        if not Path(name).is_file():
            raise InputError(f"there is no file {name!r}: check the path")
    if options.root is not None:
        remark(
            "pixelsmile train takes paths relative to the file's own folder: move the file to "
            f"{options.root!r} before you train, or make its paths absolute",
            options.quiet,
        )
    found = [_check(options, Path(name)) for name in options.files]
    for checked in found:
        if checked.survey is not None and not options.json:
            print("\n".join(_lines(checked.path, checked.survey)))
        for line in (*checked.faults, *checked.remarks):
            remark(line)
    if options.json:
        print_json({"files": [_record(checked) for checked in found]})
    return 1 if any(checked.faults for checked in found) else 0


def _check(options: argparse.Namespace, path: Path) -> _Checked:
    from pixelsmile.triplets.survey import survey_triplets
    from pixelsmile.triplets.triplet import check_files, read_numbered_triplets

    root = None if options.root is None else Path(options.root)
    try:
        numbered = read_numbered_triplets(path, root=root, domain=options.domain)
    except InputError as error:
        return _Checked(path, None, [str(error)])
    triplets = [triplet for _, triplet in numbered]
    faults: list[str] = []
    remarks: list[str] = []
    try:
        check_files(path, ((number, image) for number, triplet in numbered for image in triplet.images))
        if options.open:
            faults, remarks = _open_all(options, triplets)
    except InputError as error:
        faults = [str(error)]
    return _Checked(path, survey_triplets(triplets), faults, remarks)


def _open_all(options: argparse.Namespace, triplets: "Sequence[Triplet]") -> tuple[list[str], list[str]]:
    """The first picture that is wrong, and how many are; and what training would lose of the others."""
    from pixelsmile.triplets.crops import crop_remarks
    from pixelsmile.triplets.survey import inspect_pictures

    problems, sizes = [], {}
    with progress(options.quiet, "opening", "pictures") as show:
        for event in inspect_pictures(triplets):
            show(event.done, event.num_pictures)
            if event.problem is not None:
                problems.append(event.problem)
            elif event.size is not None:
                sizes[event.path] = event.size
    others = f"; {len(problems)} pictures are wrong in all" if len(problems) > 1 else ""
    return [f"{problem}{others}" for problem in problems[:1]], crop_remarks(triplets, sizes)


def _lines(path: Path, survey: "TripletSurvey") -> Iterator[str]:
    from pixelsmile.benchmarks.report.tables import printable, table_lines

    domains = ", ".join(f"{count:,} {name}" for name, count in survey.domains.items())
    yield printable(
        f"{path}: {counted(survey.num_triplets, 'triplet')} ({domains}) of {_people(survey)}, "
        f"{counted(survey.num_pictures, 'picture')}"
    )
    yield from ("", _instructions(survey), "") if survey.num_words else ("", *_pairs(survey), "")
    strengths = [_row(name, found) for name, found in survey.strengths.items()]
    header = ("strength of", "targets", "least", "25 %", "median", "75 %", "most")
    yield from table_lines(header, [*strengths, _row("all", survey.all_strengths)])
    yield from ("", _boxes(survey), _landmarks(survey))


def _pairs(survey: "TripletSurvey") -> list[str]:
    from pixelsmile.benchmarks.report.tables import table_lines

    pairs = Counter(survey.pairs).most_common()
    rows = [(f"{a}-{b}", f"{count:,}", f"{count / survey.num_triplets:.1%}") for (a, b), count in pairs]
    if len(pairs) > _MAX_PAIRS:
        rest = sum(count for _, count in pairs[_MAX_PAIRS:])
        others = f"{len(pairs) - _MAX_PAIRS} other pairs"
        rows[_MAX_PAIRS:] = [(others, f"{rest:,}", f"{rest / survey.num_triplets:.1%}")]
    return list(table_lines(("pair", "triplets", "share"), rows))


def _instructions(survey: "TripletSurvey") -> str:
    least, most = min(survey.num_words), max(survey.num_words)
    different = counted(survey.num_instructions, "instruction")
    return f"{different}, of {least} to {counted(most, 'word')}, one target each"


def _row(name: str, strengths: "Strengths") -> tuple[str, ...]:
    return (name, f"{strengths.num_targets:,}", *(f"{value:.2f}" for value in strengths.quartiles))


def _people(survey: "TripletSurvey") -> str:
    if not survey.num_identities:
        return "people that are not named"
    nameless = f" and {counted(survey.num_nameless, 'triplet')} without a name" if survey.num_nameless else ""
    return counted(survey.num_identities, "person", "people") + nameless


def _boxes(survey: "TripletSurvey") -> str:
    return f"face boxes: in {_of(survey.num_boxes, survey.num_targets)}"


def _landmarks(survey: "TripletSurvey") -> str:
    said = f"landmarks: in {_of(survey.num_landmarks, survey.num_targets)}"
    if survey.num_landmarks == survey.num_targets:
        return said
    which = "the others" if survey.num_landmarks else "them"
    return (
        f"{said}; where the identity term is on, pixelsmile train finds {which} with a face detector\n"
        "  (data.detector: embedded for drawn portraits, else what `pixelsmile models list` shows)"
    )


def _of(number: int, total: int) -> str:
    if number in (0, total):
        return f"{'all' if number else 'none of the'} {total:,} targets"
    return f"{number:,} of {total:,} targets"


def _record(checked: _Checked) -> dict[str, object]:
    survey = {} if checked.survey is None else checked.survey.to_record()
    return {"file": str(checked.path), "faults": checked.faults, "remarks": checked.remarks, **survey}
