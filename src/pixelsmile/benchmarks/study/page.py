"""The page on which a rater ranks sweeps, one file without a server and without names, and the key to it.

A task shows the sweeps of all editors in an order that depends on the rater. Each sweep has a random code,
new in every task; the key, kept apart, knows whose it is. Every sweep gets a rank of its own: the paper's
mean scores add up to 9.00 for both questions, as ranks without ties do that are scored 5, 3 and 1.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup
from pydantic import Field, JsonValue, model_validator

from pixelsmile.benchmarks.report.page import render
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.hashing import sha256_file
from pixelsmile.images import load_image
from pixelsmile.limits import MAX_FILE_BYTES, read_record, shown
from pixelsmile.results.page import data_uri
from pixelsmile.store.json_lines import Record

Question = Literal["continuity", "identity"]
Pair = tuple[str, str]  # source, target

QUESTIONS: tuple[Question, ...] = ("continuity", "identity")
MIN_STRENGTHS = 3  # two pictures show no course
MAX_EDITORS = 9  # ranks are typed with one digit
_QUALITY = 90  # people are to see the editors' faults, not ours


class StudyTask(Record):
    """A task that raters see: a source, a target expression, and the code of each editor's sweep."""

    source: str
    target: str
    sweeps: dict[str, str]  # code: editor


class StudyKey(Record):
    """What joins the codes of a study's page to editors and tasks. Raters do not get it."""

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
    edits = {label: run.edits() for label, run in runs.items()}
    tasks, on_page = {}, []
    for source, target in draw_pairs(shared_pairs(folders, strengths), num_tasks, random.Random(seed)):
        by_code = {_code(codes): label for label in runs}
        code = _code(codes)
        tasks[code] = StudyTask(source=source, target=target, sweeps=by_code)
        sweeps = [  # random codes: their order says nothing
            {
                "code": sweep,
                "pictures": [
                    _picture(runs[label].picture_of(edits[label][source, target, strength]), max_side_px)
                    for strength in strengths
                ],
            }
            for sweep, label in sorted(by_code.items())
        ]
        shown_source = _picture(folders[0].source_file(source), max_side_px)
        on_page.append({"task": code, "expression": target, "source": shown_source, "sweeps": sweeps})
    editors = {label: run.spec().editor for label, run in runs.items()}
    key = StudyKey(study=_code(codes), seed=seed, strengths=strengths, editors=editors, tasks=tasks)
    return Study(_page(key, on_page), key, len(tasks) * (1 + len(runs) * len(strengths)))


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
    made = [{key for key, record in run.edits().items() if record.file is not None} for run in runs]
    same: dict[str, bool] = {}
    pairs = []
    for task in runs[0].spec().tasks:
        keys = [(task.source, task.target, strength) for strength in strengths]
        if task.target == NEUTRAL or not all(keys_made.issuperset(keys) for keys_made in made):
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


def _same_source(runs: Sequence[RunFolder], source: str) -> bool:
    files = [run.source_file(source) for run in runs]
    return all(file.exists() for file in files) and len({sha256_file(file) for file in files}) == 1


def _picture(path: Path, max_side_px: int) -> str:
    return data_uri(load_image(path), max_side_px, _QUALITY)


def _page(key: StudyKey, tasks: Sequence[dict[str, Any]]) -> str:
    """Sorted by their codes, tasks are in no order that says anything."""
    data = {"study": key.study, "questions": list(QUESTIONS), "tasks": sorted(tasks, key=lambda t: t["task"])}
    body, style, script = (
        (resources.files(__package__) / f"study.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    return render(
        "document.html",
        "Which sweep is better?",
        {"study": data},
        script,
        body=Markup(body),
        style=Markup(style),
    )


def _code(codes: random.Random) -> str:
    return f"{codes.getrandbits(40):010x}"
