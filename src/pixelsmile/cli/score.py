"""`pixelsmile score`: which expressions pictures show, and how strongly, in the words of any judge."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.judge_options import add_refusals, add_server, judge_options
from pixelsmile.cli.parsing import CommandParser, one_of
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from pixelsmile.cli.score_asking import AskedPicture, Scored, Scoring
    from pixelsmile.faces.choice import FaceChoice
    from pixelsmile.judges.choosing import JudgeOptions
    from pixelsmile.judges.judge import Judge

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_SHOWN = 3  # scores of a picture in the table
_LEAST_SHOWN = 0.05
_EPILOG = """judges:
  photo                     photographs of people, on this machine (default for them):
                            happy, sad, angry, fear, disgust, surprised and neutral
  embedded                  portraits that pixelsmile drew (default for them)
  gemini:MODEL              the Gemini API, key in GEMINI_API_KEY
  openai:MODEL              OpenAI, key in OPENAI_API_KEY
  openai:MODEL@ADDRESS      any server that speaks its protocol: vLLM, SGLang, Ollama, hosted ones

examples:
  pixelsmile score photo.jpg
  pixelsmile score people/ --by-folder -o scores.jsonl
  pixelsmile score edits/*.png --judge gemini:gemini-3.1-pro-preview --max-requests 500 \\
      -o scores.jsonl

A line of the file is one picture, as `pixelsmile triplets build` reads it. The same command again adds
what is not there: a picture is known by its content. With --by-folder the folder of a picture names the
person in it, without which no triplets can be built.
"""


def run(options: argparse.Namespace) -> int:
    """Score what is not scored yet; exit code 1 where a budget left something over or nothing has scores."""
    from pixelsmile.cli.score_asking import Scoring

    asked = asked_pictures(options, find_pictures(options.pictures))
    scoring = Scoring(options, asked)
    scored = {one.path: one for one in scoring}
    found = [scored[one.path] for one in asked if one.path in scored]
    if options.json:
        print(json.dumps(_record(options, found, scoring)))
    else:
        print("\n".join(_table(found)))
    if not options.quiet:
        for remark in _remarks(options, scoring.judges):
            print(f"pixelsmile: {remark}", file=sys.stderr)
    if scoring.stopped:
        left = len(asked) - len(found)
        print(f"pixelsmile: {scoring.stopped}; {left} of {len(asked)} pictures are left", file=sys.stderr)
    return 1 if scoring.stopped or not any(one.scores for one in found) else 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser(
        "score", "Which expressions pictures show, and how strongly: scores 0 to 1.", run, _EPILOG
    )
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="pictures, or folders with pictures")
    parser.add_argument("--judge", metavar="JUDGE", help="who judges (default: who knows such pictures)")
    parser.add_argument(
        "--face",
        metavar="WHICH",
        help="which face: as for `edit`, but for all and whole (default: the only one)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="add the scores to a file of JSON lines")
    parser.add_argument("--by-folder", action="store_true", help="each folder holds pictures of one person")
    parser.add_argument(
        "--domain", type=one_of("domain", ("human", "anime")), help="of the pictures (default: human)"
    )
    parser.add_argument("--cache", metavar="FILE", help="share verdicts with other calls and runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no remarks")
    add_server(parser)
    add_refusals(parser)
    return parser


def _face_choice(text: str | None) -> "FaceChoice | None":
    from pixelsmile.faces.choice import parse_choice

    if text is None:
        return None
    choice = parse_choice(text)
    if choice.kind in ("all", "whole"):
        raise InputError(f"--face {text}: faces are scored one at a time, choose one")
    return choice


def find_pictures(names: Sequence[str]) -> list[str]:
    """The files that are named, and those in the folders that are, each once. InputError for none."""
    found: dict[str, None] = {}
    for name in names:
        if not os.path.lexists(name):
            raise InputError(f"there is no {name!r}: give pictures, or folders with pictures")
        if os.path.isfile(name):
            found[name] = None
            continue
        if not os.path.isdir(name):
            raise InputError(
                f"{name!r} is neither a picture nor a folder: give pictures, or folders with them"
            )
        inside = [
            str(Path(folder) / file)
            for folder, folders, files in os.walk(name)
            for file in files
            if file.lower().endswith(PICTURE_SUFFIXES)
            and not file.startswith(".")
            and os.path.isfile(Path(folder) / file)
        ]
        if not inside:
            raise InputError(f"{name!r} holds no pictures ({', '.join(PICTURE_SUFFIXES)})")
        found |= dict.fromkeys(sorted(inside))
    return list(found)


def asked_pictures(options: argparse.Namespace, paths: Sequence[str]) -> "list[AskedPicture]":
    """Each picture with who is asked about it: who is named, else who knows such pictures."""
    from pixelsmile.cli.score_asking import AskedPicture
    from pixelsmile.judges.choosing import EMBEDDED, PHOTO
    from pixelsmile.results import read_portrait

    portraits = {path: read_portrait(path) for path in paths}
    names = {path: options.judge or (PHOTO if portraits[path] is None else EMBEDDED) for path in paths}
    choice, different = _face_choice(options.face), list(dict.fromkeys(names.values()))
    settings = judge_options(options, different)
    judges = {name: _judge(options, name, settings, choice) for name in different}
    return [
        AskedPicture(path, judges[names[path]], options.domain or (portrait.domain if portrait else "human"))
        for path, portrait in portraits.items()
    ]


def _judge(
    options: argparse.Namespace, name: str, settings: "JudgeOptions", choice: "FaceChoice | None"
) -> "Judge":
    """A judge of the face that is meant; the one of photographs finds faces itself."""
    from pixelsmile.judges.choosing import EMBEDDED, PHOTO, parse_judge

    if name == PHOTO:
        from pixelsmile.faces.choice import ONLY
        from pixelsmile.judges.photo.judge import PhotoJudge

        return PhotoJudge(choice or ONLY)
    judge = parse_judge(name, settings)
    if choice is None:
        return judge
    from pixelsmile.faces.detectors import load_detector
    from pixelsmile.judges.of_face import OfFace

    return OfFace(judge, load_detector(drawn=name == EMBEDDED), choice, options.face.strip().lower())


def _table(found: "Sequence[Scored]") -> Iterator[str]:
    """A row a picture: what it shows, and its highest scores; or why it has none."""
    rows = [(one.path, one.dominant or "-", _words(one)) for one in found]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for path, dominant, words in rows:
        yield f"{path:<{widths[0]}}  {dominant:<{widths[1]}}  {words}"


def _words(one: "Scored") -> str:
    if one.scores is None:
        return f"no verdict: {one.detail or one.reason}"
    highest = sorted(one.scores.items(), key=lambda item: -item[1])[:_SHOWN]
    return "  ".join(f"{name} {score:.2f}" for name, score in highest if score >= _LEAST_SHOWN)


def _record(options: argparse.Namespace, found: "Sequence[Scored]", scoring: "Scoring") -> dict[str, Any]:
    judges = [{"id": judge.identity.id, **judge.identity.to_record()} for judge in scoring.judges]
    pictures = [
        {
            "picture": one.path,
            "judge": one.judge.identity.id,
            "shows": one.dominant,
            "scores": None if one.scores is None else _judged(one),
            "reason": one.reason,
            "detail": one.detail,
            "already_there": one.is_known,
        }
        for one in found
    ]
    return {"pictures": pictures, "judges": judges, "output": options.output, "stopped": scoring.stopped}


def _judged(one: "Scored") -> dict[str, float | None]:
    """The scores of a picture, null for what its judge does not judge."""
    from pixelsmile.cli.score_asking import judged_scores

    judged = judged_scores(one.judge, one.scores or {})
    return {name: judged.get(name) for name in EXPRESSIONS}


def _remarks(options: argparse.Namespace, judges: "Sequence[Judge]") -> Iterator[str]:
    """What the judges say of themselves, and what to know about the file."""
    for judge in judges:
        if judge.identity.remark:
            yield f"judge {judge.identity.provider}: {judge.identity.remark}"
        if judge.identity.is_partial and options.output is not None:
            yield f"what {judge.identity.provider} does not judge has no score in {options.output!r}"
