"""The page on which a rater ranks sweeps: one file, no server, and no names in it.

A task shows the sweeps of all editors in an order that depends on the rater. Each sweep has a random code,
new in every task; the key, kept apart, knows whose it is. Every sweep gets a rank of its own: the paper's
mean scores add up to 9.00 for both questions, as ranks without ties do that are scored 5, 3 and 1.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelsmile.benchmarks.report.html import Html, document, json_block, package_text
from pixelsmile.benchmarks.report.pictures import data_uri
from pixelsmile.benchmarks.run_folder import EditKey, EditRecord, RunFolder
from pixelsmile.benchmarks.study.key import QUESTIONS, StudyKey, StudyTask
from pixelsmile.benchmarks.study.sample import Pair, common_strengths, draw_pairs, shared_pairs
from pixelsmile.errors import InputError
from pixelsmile.images import load_image

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
