"""What a scorer is, and how one is run: over the edits of a run, each score on disk before it is seen.

    class Sharpness(Scorer):
        name = "sharpness"
        settings = SharpnessSettings(step_px=1)

        async def score(self, edit: Edit) -> Score:
            return Score(values={"sharpness": sharpness_of(load_image(edit.picture))})

    for record in Scoring(folder, Sharpness()):
        ...

leaves RUN/scores/sharpness.json, with what decides the numbers, and RUN/scores/sharpness.jsonl, a line for
each edit; `scored_edits` and the results have them under that name.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import model_validator

from pixelsmile.benchmarks.run_folder import (
    EditKey,
    EditLine,
    EditRecord,
    RunFolder,
    TaskRecord,
    latest,
)
from pixelsmile.benchmarks.scores import NOT_MADE, Score, ScoredEdit, score_of
from pixelsmile.errors import InputError
from pixelsmile.judges.judge import outcome_from_json
from pixelsmile.limits import read_record, shown
from pixelsmile.remote import Pool
from pixelsmile.store.json_lines import LineWriter, Record, read_lines
from pixelsmile.store.publication import write_file
from pixelsmile.store.run_folder import differences

S = TypeVar("S", bound=Record)

_OTHERS = "scores"  # the folder of scores that no benchmark asks for
_REMARK = "remark"  # of settings: what readers must know; no number depends on it


@dataclass(frozen=True)
class Edit:
    """An edit that was made, as a scorer gets it: what was asked, and the files of the pictures.

    truth: the ground truth, where the benchmark has one.
    """

    task: TaskRecord
    strength: float
    picture: Path
    sha256: str
    source: Path
    truth: Path | None = None

    @property
    def key(self) -> EditKey:
        return self.task.source, self.task.target, self.strength


class Scorer(ABC):
    """Gives numbers to edits, one edit a call.

    name: what its scores are called in results, and its files in a run's folder. settings: everything beside
    the pictures that the numbers depend on. max_concurrency: how many calls may be under way at once.
    """

    name: str
    settings: Record
    max_concurrency: int = 1

    @property
    def stem(self) -> str:
        """Its files in the run's folder, without .json (settings) and .jsonl (scores)."""
        return f"{_OTHERS}/{self.name}"

    @abstractmethod
    async def score(self, edit: Edit) -> Score:
        """The numbers of an edit, or why there are none.

        An error ends the pass. After a RemoteError, and a BudgetSpentError, which is an ordinary end, what
        was in flight is kept.
        """

    def is_final(self, score: Score) -> bool:
        """Whether another pass need not score that edit again."""
        return True

    async def aclose(self) -> None:  # noqa: B027
        """Close what is open in this event loop. The scorer may be used again afterwards."""


class ScoreRecord(EditLine):
    """The score of an edit, as a line keeps it. Lines of before all scorers wrote alike are read too."""

    edit_sha256: str
    score: Score

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, values: Any) -> Any:
        return _as_score(values) if isinstance(values, dict) and "score" not in values else values


class Scoring:
    """One pass of a scorer over the edits of a run that it has no final score of; to be iterated once.

    Those edits are meant that were not scored, or not finally, or were made anew since. InputError, before
    anything is scored, where a picture is not the one that was made, and where the run was scored with other
    settings: numbers that were come by in two ways do not belong in one column. `force` drops those.

    A spent budget ends the pass as if all were done: `stopped` says why, `num_left` how much is missing.
    """

    def __init__(self, folder: RunFolder, scorer: Scorer, *, force: bool = False) -> None:
        self._folder, self._scorer = folder, scorer
        _keep_settings(folder, scorer, force)
        done = {
            key for key, record in score_records(folder, scorer.stem).items() if scorer.is_final(record.score)
        }
        edits = [edit for edit in edits_to_score(folder) if edit.key not in done]
        self.num_edits = len(edits)
        self._pool = Pool(edits, scorer.score, scorer.aclose, max_concurrency=scorer.max_concurrency)

    @property
    def stem(self) -> str:
        """Of its files; see `Scorer.stem`."""
        return self._scorer.stem

    @property
    def num_left(self) -> int:
        """How many of `num_edits` have no score of this pass."""
        return len(self._pool.left)

    @property
    def stopped(self) -> str | None:
        """Why the pass ended early; None where it did not."""
        return self._pool.stopped

    def __iter__(self) -> Iterator[ScoreRecord]:
        with LineWriter(_file(self._folder, self._scorer.stem, ".jsonl")) as lines:
            for edit, score in self._pool:
                source, target, strength = edit.key
                record = ScoreRecord(
                    source=source, target=target, strength=strength, edit_sha256=edit.sha256, score=score
                )
                lines.write(record)
                yield record


def edits_to_score(folder: RunFolder) -> Iterator[Edit]:
    """The edits of a run that were made, in its order; InputError where one is not that picture any more."""
    made, spec = folder.edits(), folder.spec()
    tasks = {(task.source, task.target): task for task in spec.tasks}
    for key in spec.edit_keys():
        record, task = made.get(key), tasks[key[:2]]
        if record is not None and record.sha256 is not None:
            yield Edit(
                task=task,
                strength=key[2],
                picture=folder.picture_of(record),
                sha256=record.sha256,
                source=folder.source_file(task.source),
                truth=None if task.truth is None else folder.truth_file(task.truth),
            )


def score_records(
    folder: RunFolder, stem: str, made: Mapping[EditKey, EditRecord] | None = None
) -> dict[EditKey, ScoreRecord]:
    """The scores in `stem`.jsonl, of the pictures that there are now; made: the edits, where known."""
    made = folder.edits() if made is None else made
    found = latest(read_lines(_file(folder, stem, ".jsonl"), ScoreRecord))
    return {
        key: record for key, record in found.items() if key in made and made[key].sha256 == record.edit_sha256
    }


def scored_edits(folder: RunFolder, stems: Mapping[str, str]) -> list[ScoredEdit]:
    """All edits of a run in its order, made or not, with their scores; stems: by the name of the scorer."""
    made, spec = folder.edits(), folder.spec()
    stems = {**other_stems(folder), **stems}
    records = {name: score_records(folder, stem, made) for name, stem in stems.items()}
    found = []
    for task in spec.tasks:
        for strength in spec.strengths:
            key = task.source, task.target, strength
            edit = made.get(key)
            scores = {name: by_key[key].score for name, by_key in records.items() if key in by_key}
            file = None if edit is None else edit.file
            found.append(ScoredEdit(task, strength, scores, file, why_unmade(edit)))
    return found


def why_unmade(edit: EditRecord | None) -> str | None:
    """Why there is no picture; None where there is one."""
    if edit is None:
        return NOT_MADE
    return None if edit.sha256 is not None else f"the editor made none: {edit.failure}"


def other_stems(folder: RunFolder) -> dict[str, str]:
    """The stems of the scorers that no benchmark asks for, by name."""
    files = sorted((folder.path / _OTHERS).glob("*.jsonl"))
    return {file.stem: f"{_OTHERS}/{file.stem}" for file in files}


def settings_at(folder: RunFolder, stem: str, kind: type[S]) -> S | None:
    """With what the scores in `stem`.jsonl were made; None where there are none. InputError if damaged."""
    path = _file(folder, stem, ".json")
    if not path.is_file():
        return None
    return read_record(path, kind, error=lambda problem: InputError(f"{problem}; judge again with --force"))


def keep_record(path: Path, record: Record) -> None:
    """Write a record as a file of its own, in place of one that is there."""
    write_file(path, (record.model_dump_json(indent=1) + "\n").encode(), force=True)


def kept_records(folder: Path, kind: type[S]) -> list[S]:
    """What `keep_record` wrote into a folder, by name. InputError for a file that is damaged."""
    return [
        read_record(path, kind, error=lambda problem: InputError(f"{problem}; judge again"))
        for path in sorted(folder.glob("*.json"))
    ]


def _keep_settings(folder: RunFolder, scorer: Scorer, force: bool) -> None:
    settings, lines = _file(folder, scorer.stem, ".json"), _file(folder, scorer.stem, ".jsonl")
    try:
        found = settings_at(folder, scorer.stem, type(scorer.settings))
    except InputError:
        if not force:
            raise
        found = None
    if lines.exists() and (change := _first_change(found, scorer.settings)) is not None:
        if not force:
            key, was, now = change
            raise InputError(
                f"{str(folder.path)!r} was scored for {scorer.name} with {key} = {shown(was)}, not "
                f"{shown(now)}: use that, or score all again with --force"
            )
        lines.unlink()
    if found != scorer.settings:
        keep_record(settings, scorer.settings)


def _first_change(found: Record | None, wanted: Record) -> tuple[str, Any, Any] | None:
    was = {} if found is None else found.model_dump(mode="json")
    changes = differences(was, wanted.model_dump(mode="json"))
    return next((change for change in changes if change[0] != _REMARK), None)


def _file(folder: RunFolder, stem: str, suffix: str) -> Path:
    return folder.path / f"{stem}{suffix}"


# Lines of scores as they were before all scorers wrote alike: each kind had keys of its own.
_PICTURE = ("source", "target", "strength", "edit_sha256")


def _as_score(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line in the present form; one of no known kind is left as it is. ValueError for no outcome."""
    kind = next((key for key in _KINDS if key in line), None)
    if kind is None:
        return dict(line)
    return {**{key: line[key] for key in _PICTURE if key in line}, "score": _KINDS[kind](line)}


def _identity(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": line["similarities"], "unscored": line.get("no_identity")}


def _background(line: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: line.get(name) for name in ("rmse", "share")}
    return {"values": values, "unscored": line.get("no_background")}


def _change(line: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: line.get(name) for name in ("change", "expected")}
    return {"values": values, "unscored": line.get("no_change"), "metadata": {"seen": line.get("seen", {})}}


def _similarity(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": line["values"], "unscored": line["no_values"]}


def _outcome(line: Mapping[str, Any]) -> dict[str, Any]:
    return score_of(outcome_from_json(json.dumps(line["outcome"]))).model_dump()


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "similarities": _identity,
    "rmse": _background,
    "change": _change,
    "no_values": _similarity,
    "outcome": _outcome,
}
