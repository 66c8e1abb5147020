"""What the editors of this folder share: jobs come in a line each, the model is loaded once, answers go out.

    def load(options):                  # the model; once, before the first job
        def edit(job: Job):             # a picture; RefusedError, or any other error, is why there is none
            ...
        return edit

    serve(load, arguments("Some editor", repository="inference.py"))

It runs in the editor's own environment: Python 3.9 or newer, the standard library and Pillow alone.
The lines are those of `--editor command:...`; see docs/foreign-editors.md.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import math
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

MAX_REASON = 300  # characters
# What leaves a graphics card unusable for the rest of the process.
FATAL = ("CUDA error", "device-side assert", "CUBLAS_STATUS", "cuDNN error")


class RefusedError(Exception):
    """What this editor does not do; its text goes back as it is."""


@dataclass(frozen=True)
class Job:
    """One edit.

    picture: RGB. source: the name of the picture. target: an expression, such as `happy`. strength: 0 the
    neutral face, 1 the whole expression. face_box: x0, y0, x1, y1 in pixels, where that is known.
    """

    picture: Image.Image
    source: str
    target: str
    prompt: str
    domain: str
    strength: float
    seed: int
    face_box: list[float] | None = None

    @property
    def picture_key(self) -> str:
        """The same for the same picture: for what an editor keeps of it for other strengths."""
        return hashlib.sha256(repr(self.picture.size).encode() + self.picture.tobytes()).hexdigest()


Edit = Callable[[Job], Image.Image]
Load = Callable[[argparse.Namespace], Edit]


def arguments(name: str, *, repository: str = "") -> argparse.ArgumentParser:
    """The options that all editors have; add your own. repository: a file by which its checkout is known."""
    parser = argparse.ArgumentParser(description=f"{name}, as pixelsmile's --editor command:... runs it.")
    if repository:
        parser.add_argument(
            "--repository", type=checkout(repository), required=True, help="where it is checked out"
        )
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:1, cpu")
    return parser


def checkout(marker: str) -> Callable[[str], Path]:
    """An option's type: a folder in which there is `marker`, whose modules can be imported from then on."""

    def read(text: str) -> Path:
        path = folder(text)
        if not (path / marker).exists():
            raise argparse.ArgumentTypeError(f"{text!r} is no checkout of it: there is no {marker} in it")
        sys.path.insert(0, str(path))
        return path

    return read


def folder(text: str) -> Path:
    """An option's type: a folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return Path(text).resolve()


def file(text: str) -> Path:
    """An option's type: a file that is there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return Path(text).resolve()


def whole(text: str) -> int:
    """An option's type: a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def real(text: str) -> float:
    """An option's type: a number that is finite."""
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not finite")
    return number


def target_file(text: str) -> tuple[str, Path]:
    """An option's type: an expression and the file for it, as happy=smile.pt."""
    target, sign, path = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not TARGET=FILE, such as happy=smile.pt")
    return target.strip(), file(path.strip())


def full(job: Job) -> str:
    """The prompt of a job, for an editor that takes no strength. RefusedError for other strengths than 1.

    `--editor NAME` says strengths in the prompt, and asks for full edits alone.
    """
    if job.strength != 1:
        raise RefusedError(
            f"takes no strength, and was asked for {job.strength:g}: ask for full edits alone, with "
            "--setting general"
        )
    return job.prompt


def serve(load: Load, parser: argparse.ArgumentParser) -> None:
    """Load the model, then answer jobs until there are no more.

    Whatever the editor prints goes to stderr, and it does not see stdin: both are kept for jobs and answers.
    Where the model cannot be loaded, or the graphics card is lost, the process ends with a line about it.
    """
    options = parser.parse_args()
    jobs, answers = _own_streams()
    try:
        edit = load(options)
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"the model cannot be loaded: {reason(error)}")
    for line in jobs:
        if line.strip():
            _answer(edit, json.loads(line), answers)


def reason(error: BaseException) -> str:
    """Why there is no picture, in one line."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
    text = text if isinstance(error, RefusedError) else f"{type(error).__name__}: {text}"
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 3] + "..."


def _answer(edit: Edit, asked: dict[str, Any], answers: TextIO) -> None:
    answer: dict[str, Any] = {"job": asked["job"]}
    try:
        picture = edit(_job(asked))
        if not isinstance(picture, Image.Image):
            raise TypeError(f"the editor gave {type(picture).__name__}, not a picture")
        _save(picture, Path(asked["out_path"]))
        answer["ok"] = True
    except Exception as error:
        if not isinstance(error, RefusedError):
            traceback.print_exc()
        if any(word in str(error) for word in FATAL):
            sys.exit(reason(error))  # the next process, which is started for the other jobs, has a card again
        answer["error"] = reason(error)
        _make_room(error)
    print(json.dumps(answer), file=answers, flush=True)


def _job(asked: dict[str, Any]) -> Job:
    source = Path(asked["source_path"])
    with Image.open(source) as picture:
        return Job(
            picture.convert("RGB"),
            source.stem,
            asked["target"],
            asked["prompt"],
            asked["domain"],
            float(asked["strength"]),
            int(asked["seed"]),
            asked.get("face_box"),
        )


def _save(picture: Image.Image, path: Path) -> None:
    """All of it, or nothing."""
    part = path.with_suffix(".part")
    picture.convert("RGB").save(part, format="PNG")
    part.replace(path)


def _make_room(error: Exception) -> None:
    if "OutOfMemory" in type(error).__name__:
        error.__traceback__ = None  # it holds the tensors
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def _own_streams() -> tuple[TextIO, TextIO]:
    """stdin and stdout for us alone; others, Python or not, find nothing and stderr in their places."""
    jobs = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return jobs, answers
