"""What any editor is asked, and what it gives, whatever is behind it: tasks, edits, and the protocol."""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from PIL import Image
from pydantic import JsonValue

from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.images import load_image
from pixelsmile.limits import shown

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the source
Granularity = Literal["dense", "simple"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif")
MAX_NAME_LETTERS = 100
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class Picture(Protocol):
    """A picture by reference: nothing is read or drawn before it is asked for."""

    def load(self) -> Image.Image:
        """Upright RGB; ImageError or InputError where it cannot be read."""

    def sha256(self) -> str:
        """The hash of what it is made from, for records."""


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file of its own."""

    path: Path

    def load(self) -> Image.Image:
        return load_image(self.path)

    def sha256(self) -> str:
        return sha256_file(self.path)


@dataclass(frozen=True)
class Task:
    """One edit, or one sweep of strengths. InputError for a name or target that cannot be.

    source: names the source picture; letters, digits, `.`, `_` and `-`, for it names files too.
    target: one of EXPRESSIONS, or neutral. prompt: what editors are told that read words.
    face_box: where the face is, if that is known.

    A task of a triplet has besides: triplet, its name; granularity, how much its words say; asked_strength,
    how strong an expression (0..2) they ask for, where that is known; truth, what a perfect editor makes of
    it, which editors under test never see.

    units: of one look of the target, action units at full strength by name, for editors that move those.
    """

    source: str
    target: str
    domain: Domain
    prompt: str
    face_box: Box | None = None
    triplet: str | None = None
    granularity: Granularity | None = None
    asked_strength: float | None = None
    units: Mapping[str, float] | None = field(default=None, kw_only=True, compare=False)
    picture: Picture = field(kw_only=True, repr=False, compare=False)
    truth: Picture | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.source, "source")
        if self.target not in (*EXPRESSIONS, NEUTRAL):
            raise InputError(
                f"source {self.source!r} has target {self.target!r}: use one of {', '.join(EXPRESSIONS)}"
            )

    @property
    def key(self) -> str:
        """`source/target`: no two tasks of a benchmark have the same."""
        return f"{self.source}/{self.target}"

    @property
    def sample(self) -> str:
        """What is drawn when a benchmark draws samples: the triplet, or else the source picture."""
        return self.triplet or self.source

    def as_json(self) -> dict[str, Any]:
        """What is asked for, as runs write it down."""
        asked: dict[str, Any] = {
            "source": self.source,
            "target": self.target,
            "domain": self.domain,
            "prompt": self.prompt,
            "face_box": self.face_box,
        }
        if self.triplet is not None:
            asked |= {
                "triplet": self.triplet,
                "granularity": self.granularity,
                "asked_strength": self.asked_strength,
            }
        return asked


def check_name(name: str, what: str, max_letters: int = MAX_NAME_LETTERS) -> None:
    """InputError, which says `what` it is a name of, unless files can be called by it."""
    if not _NAME.fullmatch(name) or len(name) > max_letters:
        raise InputError(
            f"{what} {shown(name)} cannot name a file: use up to {max_letters} letters, digits, '.', '_' "
            "and '-'"
        )


Fault = Literal["failed", "refused", "unreachable"]


@dataclass(frozen=True)
class EditOutcome:
    """One edit of a sweep: an RGB picture, or None with the reason.

    fault: what kind of reason that is. `failed`: there will be none. `refused`: who makes it will not.
    `unreachable`: nobody was asked, or nobody answered; another time there may be one.
    """

    strength: float
    image: Image.Image | None
    failure: str | None = None
    fault: Fault = "failed"


class EditorStoppedError(PixelSmileError):
    """No other task would fare better: what is under way comes in, the rest is left for the next run."""


@dataclass(frozen=True)
class Capabilities:
    """What an editor can do, as far as that is known; the defaults are those of one that is not known.

    continuous: it takes any strength; others are asked for full edits alone, at strength 1. degrees: it is
    told strengths in words, so that those which are told alike are one edit. words: it follows a task's
    prompt; others its target. face_box: it edits the face in a task's box. keeps_size: its edits
    have the size of their source. note: what it says about its limits; nothing for most.
    """

    domains: tuple[str, ...] = DOMAINS
    continuous: bool = True
    degrees: bool = False
    words: bool = True
    face_box: bool = True
    keeps_size: bool = False
    note: str = ""


class TaskEditor(Protocol):
    """Makes edits. The unit of its work is a sweep: one source, one target, some strengths.

    max_concurrency: how many sweeps it may be given at once. An editor that computes here takes 1, and makes
    its sweep in one batch.
    """

    max_concurrency: int

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def to_record(self) -> dict[str, JsonValue]:
        """Everything that its edits depend on: name, kind, hashes of weights, settings."""

    def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """Each of `strengths` once, in any order; the same seed gives the same edits.

        picture: the task's, loaded. An error of ours is the reason why there is none of those that are left;
        an EditorStoppedError ends the run.
        """

    async def close(self) -> None:
        """Let go of what it holds: memory, processes."""


def check_tasks(can: Capabilities, tasks: Iterable[Task], strengths: Sequence[float]) -> None:
    """InputError for tasks of a domain that the editor does not know, or at strengths that it cannot take."""
    if unknown := sorted({task.domain for task in tasks} - set(can.domains)):
        raise InputError(
            f"the editor knows {' and '.join(can.domains)} pictures, and some tasks are {unknown[0]}: add "
            f"--domain {can.domains[0]}, or name another --model or --control"
        )
    if not can.continuous and tuple(strengths) != (1.0,):
        raise InputError("the editor takes no strength: ask it for full edits alone, with --setting general")
