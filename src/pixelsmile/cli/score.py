"""`pixelsmile score`: which expressions pictures show, and how strongly, in the words of any judge."""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import print_json, progress, remark
from pixelsmile.cli.options import (
    JUDGES,
    add_json,
    add_one_face,
    add_quiet,
    add_refusals,
    add_server,
    judge_options,
)
from pixelsmile.cli.parsing import CommandParser, one_of
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS

if TYPE_CHECKING:
    from pixelsmile.faces.choice import FaceChoice
    from pixelsmile.judges.judge import Judge
    from pixelsmile.judges.names import JudgeOptions
    from pixelsmile.triplets.scoring import JudgedPicture, PictureScoring, Scored

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_SHOWN = 3  # scores of a picture in the table
_LEAST_SHOWN = 0.05
_EPILOG = (
    JUDGES.format(photo="them", embedded="portraits that pixelsmile drew (default for them)")
    + """
examples:
  pixelsmile score photo.jpg
  pixelsmile score people/ --by-folder -o scores.jsonl
  pixelsmile score edits/*.png --judge gemini:gemini-3.1-pro-preview --max-requests 500 \\
      -o scores.jsonl

A line of the file is one picture, as `pixelsmile triplets build` reads it. The same command again adds
what is not there: a picture is known by its content. With --by-folder the folder of a picture names the
person in it, without which no triplets can be built.
"""
)


def parser() -> CommandParser:
    """The options."""
    summary = "Which expressions pictures show, and how strongly: scores 0 to 1."
    parser = CommandParser("score", summary, run, _EPILOG)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="pictures, or folders with pictures")
    parser.add_argument("--judge", metavar="JUDGE", help="who judges (default: who knows such pictures)")
    add_one_face(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="add the scores to a file of JSON lines")
    parser.add_argument("--by-folder", action="store_true", help="each folder holds pictures of one person")
    parser.add_argument("--domain", type=one_of("domain", DOMAINS), help="of the pictures (default: human)")
    parser.add_argument("--cache", metavar="FILE", help="share verdicts with other calls and runs")
    add_json(parser, "the table")
    add_quiet(parser)
    add_server(parser)
    add_refusals(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Score what is not scored yet; exit code 1 where a budget left something over or nothing has scores."""
    from pixelsmile.triplets.scoring import PictureScoring

    pictures = _judged_pictures(options, _find_pictures(options.pictures))
    scoring = PictureScoring(
        pictures,
        None if options.output is None else Path(options.output),
        by_folder=options.by_folder,
        cache=None if options.cache is None else Path(options.cache),
        max_concurrency=options.max_concurrency,
        ask_refused_again=options.ask_again,
        max_refusals=options.max_refusals,
    )
    found = _scored(scoring, pictures, options.quiet)
    if options.json:
        print_json(_record(options, found, scoring))
    else:
        print("\n".join(_table(found)))
    for judge in scoring.judges:
        for sentence in _sentences(judge, options.output):
            remark(sentence, options.quiet)
    if scoring.stopped:
        num_left = len(pictures) - len(found)
        remark(f"{scoring.stopped}; {num_left} of {len(pictures)} pictures are left")
    return 1 if scoring.stopped or not any(one.scores for one in found) else 0


def _find_pictures(names: Sequence[str]) -> list[str]:
    """The files that are named, and those in the folders that are, each once. InputError for none."""
    found: dict[str, None] = {}
    for name in names:
        if os.path.isfile(name):
            found[name] = None
        elif os.path.isdir(name):
            found |= dict.fromkeys(_pictures_below(name))
        elif os.path.lexists(name):
            raise InputError(
                f"{name!r} is neither a picture nor a folder: give pictures, or folders with them"
            )
        else:
            raise InputError(f"there is no {name!r}: give pictures, or folders with pictures")
    return list(found)


def _pictures_below(folder: str) -> list[str]:
    found = [
        str(Path(inner) / file)
        for inner, _, files in os.walk(folder)
        for file in files
        if file.lower().endswith(PICTURE_SUFFIXES)
        and not file.startswith(".")
        and os.path.isfile(Path(inner) / file)
    ]
    if not found:
        raise InputError(f"{folder!r} holds no pictures ({', '.join(PICTURE_SUFFIXES)})")
    return sorted(found)


def _judged_pictures(options: argparse.Namespace, paths: Sequence[str]) -> "list[JudgedPicture]":
    """Each picture with who is asked about it: who is named, else who knows such pictures."""
    from pixelsmile.judges.names import EMBEDDED, PHOTO
    from pixelsmile.results import read_portrait
    from pixelsmile.triplets.scoring import JudgedPicture

    portraits = {path: read_portrait(path) for path in paths}
    names = {path: options.judge or (PHOTO if portraits[path] is None else EMBEDDED) for path in paths}
    choice, different = _face_choice(options.face), list(dict.fromkeys(names.values()))
    settings = judge_options(options, different)
    judges = {name: _judge(options, name, settings, choice) for name in different}
    return [
        JudgedPicture(path, judges[names[path]], options.domain or (portrait.domain if portrait else "human"))
        for path, portrait in portraits.items()
    ]


def _face_choice(text: str | None) -> "FaceChoice | None":
    from pixelsmile.faces.choice import parse_choice

    if text is None:
        return None
    choice = parse_choice(text)
    if choice.kind in ("all", "whole"):
        raise InputError(f"--face {text}: faces are scored one at a time, choose one")
    return choice


def _judge(
    options: argparse.Namespace, name: str, settings: "JudgeOptions | None", choice: "FaceChoice | None"
) -> "Judge":
    """A judge of the face that is meant; the one of photographs finds faces itself."""
    from pixelsmile.judges.names import EMBEDDED, PHOTO, parse_judge

    if name == PHOTO:
        from pixelsmile.faces.choice import ONLY
        from pixelsmile.judges.photo.judge import PhotoJudge

        return PhotoJudge(choice or ONLY)
    judge = parse_judge(name, settings)
    if choice is None:
        return judge
    from pixelsmile.faces.detectors import load_detector
    from pixelsmile.judges.judge import OfFace

    return OfFace(judge, load_detector(drawn=name == EMBEDDED), choice, options.face.strip().lower())


def _scored(scoring: "PictureScoring", pictures: "Sequence[JudgedPicture]", quiet: bool) -> "list[Scored]":
    """Run the pass to its end; what came out, in the order of the pictures."""
    found = {}
    with progress(quiet, "judging", "pictures") as show:
        for one in scoring:
            found[one.picture] = one
            show(len(found), len(pictures), what=f"judging: {one.picture.judge.identity.provider}")
    return [found[picture] for picture in pictures if picture in found]


def _table(found: "Sequence[Scored]") -> Iterator[str]:
    """A row a picture: what it shows, and its highest scores; or why it has none."""
    rows = [(one.picture.path, one.dominant or "-", _words(one)) for one in found]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for path, dominant, words in rows:
        yield f"{path:<{widths[0]}}  {dominant:<{widths[1]}}  {words}"


def _words(one: "Scored") -> str:
    if one.scores is None:
        return f"no verdict: {one.detail or one.reason}"
    highest = sorted(one.scores.items(), key=lambda item: -item[1])[:_SHOWN]
    return "  ".join(f"{name} {score:.2f}" for name, score in highest if score >= _LEAST_SHOWN)


def _record(
    options: argparse.Namespace, found: "Sequence[Scored]", scoring: "PictureScoring"
) -> dict[str, Any]:
    judges = [{"id": judge.identity.id, **judge.identity.to_record()} for judge in scoring.judges]
    pictures = []
    for one in found:
        judged = one.judged_scores()  # null for what the judge does not judge
        pictures.append(
            {
                "picture": one.picture.path,
                "judge": one.picture.judge.identity.id,
                "shows": one.dominant,
                "scores": None if one.scores is None else {name: judged.get(name) for name in EXPRESSIONS},
                "reason": one.reason,
                "detail": one.detail,
                "already_there": one.is_known,
            }
        )
    return {"pictures": pictures, "judges": judges, "output": options.output, "stopped": scoring.stopped}


def _sentences(judge: "Judge", output: str | None) -> Iterator[str]:
    """What a judge says of itself, and what to know about the file."""
    if judge.identity.remark:
        yield f"judge {judge.identity.provider}: {judge.identity.remark}"
    if judge.identity.is_partial and output is not None:
        yield f"what {judge.identity.provider} does not judge has no score in {output!r}"
