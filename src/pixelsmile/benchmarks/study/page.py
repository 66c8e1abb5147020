"""The page on which a rater ranks sweeps: one file, no server, and no names in it.

A task shows the sweeps of all editors in an order that depends on the rater. Each sweep has a random code,
new in every task; the key, kept apart, knows whose it is. Every sweep gets a rank of its own: the paper's
mean scores add up to 9.00 for both questions, as ranks without ties do that are scored 5, 3 and 1.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from pixelsmile.benchmarks.report.html import Html, document, json_block, package_text
from pixelsmile.benchmarks.report.pictures import data_uri
from pixelsmile.benchmarks.run_folder import EditKey, EditRecord, RunFolder
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.hashing import sha256_file
from pixelsmile.images import load_image
from pixelsmile.limits import MAX_FILE_BYTES, read_record, shown
from pixelsmile.store.json_lines import Record

# The key of a study: whose sweep each code stands for. Raters do not get it.


Question = Literal["continuity", "identity"]
QUESTIONS: tuple[Question, ...] = ("continuity", "identity")


class StudyTask(Record):
    """A task that raters see: a source, a target expression, and the code of each editor's sweep."""

    source: str
    target: str
    sweeps: dict[str, str]  # code: editor


class StudyKey(Record):
    """What joins the codes of a study's page to editors and tasks."""

    schema_version: Literal[1] = 1
    study: str
    seed: int
    strengths: tuple[float, ...]
    editors: dict[str, dict[str, JsonValue]] = Field(min_length=2)  # by label, as their runs describe them
    tasks: dict[str, StudyTask] = Field(min_length=1)  # by code

    @model_validator(mode="after")
    def _each_editor_once(self) -> "StudyKey":
        for code, task in self.tasks.items():
            if sorted(task.sweeps.values()) != sorted(self.editors):
                raise ValueError(f"task {shown(code)} has not one sweep of each editor")
        return self

    def to_json(self) -> bytes:
        """The key as a file."""
        return (self.model_dump_json(indent=1) + "\n").encode()


def read_key(path: Path) -> StudyKey:
    """The key in a file; InputError where it is missing or none of ours."""
    return read_record(
        path,
        StudyKey,
        max_bytes=MAX_FILE_BYTES,
        error=lambda problem: InputError(
            f"{problem}; use the .key.json that `pixelsmile bench study page` wrote"
        ),
    )


# Which tasks raters see: those of which every editor has the whole sweep, fairly drawn.


MIN_STRENGTHS = 3  # two pictures show no course

Pair = tuple[str, str]  # source, target


def common_strengths(runs: Sequence[RunFolder]) -> tuple[float, ...]:
    """The strengths that all runs have, rising; InputError where they are too few for a sweep."""
    found = set.intersection(*(set(run.spec().strengths) for run in runs))
    if len(found) < MIN_STRENGTHS:
        seen = "; ".join(", ".join(f"{s:g}" for s in run.spec().strengths) for run in runs)
        raise InputError(
            f"the runs share {len(found)} strengths (they have {seen}), and a sweep needs {MIN_STRENGTHS}: "
            "make them with the linear setting and the same strengths"
        )
    return tuple(sorted(found))


def shared_pairs(runs: Sequence[RunFolder], strengths: Sequence[float]) -> list[Pair]:
    """The tasks, in the first run's order, that have one source picture and whole sweeps in all runs.

    InputError where there are none.
    """
    edits = [_pictures(run) for run in runs]
    same: dict[str, bool] = {}
    pairs = []
    for task in runs[0].spec().tasks:
        keys = [(task.source, task.target, strength) for strength in strengths]
        if task.target == NEUTRAL or not all(made.issuperset(keys) for made in edits):
            continue
        if same.setdefault(task.source, _same_source(runs, task.source)):
            pairs.append((task.source, task.target))
    if not pairs:
        raise InputError(
            "the runs share no task with whole sweeps and the same source picture: run all editors on one "
            "benchmark, to its end"
        )
    return pairs


def draw_pairs(pairs: Sequence[Pair], num: int, rng: random.Random) -> list[Pair]:
    """`num` of `pairs` (all where there are fewer): expressions as even as can be, then sources."""
    by_target: dict[str, list[Pair]] = defaultdict(list)
    for pair in rng.sample(list(pairs), len(pairs)):
        by_target[pair[1]].append(pair)
    drawn: list[Pair] = []
    while len(drawn) < min(num, len(pairs)):
        for left in by_target.values():
            if left and len(drawn) < num:
                seen = [source for source, _ in drawn]
                rarest = min(left, key=lambda pair: seen.count(pair[0]))
                left.remove(rarest)
                drawn.append(rarest)
    return drawn


def _pictures(run: RunFolder) -> set[EditKey]:
    return {key for key, record in run.edits().items() if record.file is not None}


def _same_source(runs: Sequence[RunFolder], source: str) -> bool:
    files = [run.source_file(source) for run in runs]
    return all(file.exists() for file in files) and len({sha256_file(file) for file in files}) == 1


MAX_EDITORS = 9  # ranks are typed with one digit
_QUALITY = 90  # people are to see the editors' faults, not ours
_PACKAGE = "pixelsmile.benchmarks.study"


@dataclass(frozen=True)
class Study:
    """A page for raters, and the key to it."""

    page: str
    key: StudyKey
    num_pictures: int


def make_study(
    runs: Mapping[str, RunFolder],
    *,
    num_tasks: int,
    seed: int,
    codes: random.Random,
    max_side_px: int = 384,
) -> Study:
    """A study of `runs` (by the label of their editor) over `num_tasks` tasks that `seed` draws.

    `codes` must be unpredictable where raters are to stay blind: use random.SystemRandom. InputError where
    the runs are fewer than two or more than nine, or share no whole sweep of one source picture, and where a
    picture is not the one that was made.
    """
    if not 2 <= len(runs) <= MAX_EDITORS:
        raise InputError(f"a ranking of {len(runs)} editors: give from 2 to {MAX_EDITORS} runs")
    folders = list(runs.values())
    strengths = common_strengths(folders)
    pairs = draw_pairs(shared_pairs(folders, strengths), num_tasks, random.Random(seed))
    sweeps = {label: _Sweeps(run, run.edits(), strengths, max_side_px) for label, run in runs.items()}
    tasks, shown = {}, []
    for pair in pairs:
        by_code = {_code(codes): label for label in runs}
        code = _code(codes)
        tasks[code] = StudyTask(source=pair[0], target=pair[1], sweeps=by_code)
        shown.append(
            {
                "task": code,
                "expression": pair[1],
                "source": _picture(folders[0].source_file(pair[0]), max_side_px),
                "sweeps": [  # random codes: their order says nothing
                    {"code": sweep, "pictures": sweeps[by_code[sweep]].pictures(pair)}
                    for sweep in sorted(by_code)
                ],
            }
        )
    editors = {label: run.spec().editor for label, run in runs.items()}
    key = StudyKey(study=_code(codes), seed=seed, strengths=strengths, editors=editors, tasks=tasks)
    return Study(_page(key, shown), key, len(pairs) * (1 + len(runs) * len(strengths)))


@dataclass(frozen=True)
class _Sweeps:
    """The sweeps of one editor, as the page shows them."""

    run: RunFolder
    edits: Mapping[EditKey, EditRecord]
    strengths: Sequence[float]
    max_side_px: int

    def pictures(self, pair: Pair) -> list[str]:
        records = [self.edits[*pair, strength] for strength in self.strengths]
        return [_picture(self.run.picture_of(record), self.max_side_px) for record in records]


def _picture(path: Path, max_side_px: int) -> str:
    return data_uri(load_image(path), max_side_px, _QUALITY)


def _page(key: StudyKey, tasks: Sequence[dict[str, Any]]) -> str:
    data = {"study": key.study, "questions": list(QUESTIONS), "tasks": sorted(tasks, key=lambda t: t["task"])}
    body = Html(package_text(_PACKAGE, "study.html") + json_block("study", data))
    styles = [package_text("pixelsmile.benchmarks.report", "base.css"), package_text(_PACKAGE, "study.css")]
    return document("Which sweep is better?", body, styles=styles, script=package_text(_PACKAGE, "study.js"))


def _code(codes: random.Random) -> str:
    return f"{codes.getrandbits(40):010x}"
