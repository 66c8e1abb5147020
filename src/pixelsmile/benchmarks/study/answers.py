"""What raters answered: the pages' CSV files, checked against the key."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pixelsmile.benchmarks.study.key import QUESTIONS, Question, StudyKey
from pixelsmile.errors import InputError
from pixelsmile.json_lines import Record
from pixelsmile.limits import read_text, shown, validated

AnswerKey = tuple[str, str, Question]  # rater, task, question

COLUMNS = ("study", "rater", "task", "question", "code", "rank")


class _Line(Record):
    study: str
    rater: str = Field(min_length=1)
    task: str
    question: Question
    code: str
    rank: int = Field(ge=1)


@dataclass(frozen=True)
class Answers:
    """The rankings of all raters.

    complete: rank by editor, 1 the best, each rank once. num_incomplete: rankings that lack a rank, left out.
    num_expected: what all raters together were asked.
    """

    raters: tuple[str, ...]
    complete: Mapping[AnswerKey, Mapping[str, int]]
    num_incomplete: int
    num_expected: int

    @property
    def num_missing(self) -> int:
        """Questions that were not answered at all."""
        return self.num_expected - len(self.complete) - self.num_incomplete


def read_answers(paths: Sequence[Path], key: StudyKey) -> Answers:
    """The answers in `paths`, each one rater's file of the study that `key` belongs to.

    InputError for a file that cannot be read, has other columns or another study's codes, gives a rank
    twice or out of range, or has a rater who is in another file too.
    """
    ranks: dict[AnswerKey, dict[str, int]] = defaultdict(dict)
    file_of: dict[str, Path] = {}
    for path in paths:
        for number, line in _lines(path):
            try:
                _check(line, key)
                if file_of.setdefault(line.rater, path) != path:
                    raise InputError(
                        f"rater {shown(line.rater)} is in {str(file_of[line.rater])!r} too: keep one"
                    )
                _add(ranks[line.rater, line.task, line.question], line, key)
            except InputError as error:
                raise InputError(f"{str(path)!r}, line {number}: {error}") from error
    num_editors = len(key.editors)
    complete = {answer: found for answer, found in sorted(ranks.items()) if len(found) == num_editors}
    return Answers(
        raters=tuple(sorted(file_of)),
        complete=complete,
        num_incomplete=len(ranks) - len(complete),
        num_expected=len(file_of) * len(key.tasks) * len(QUESTIONS),
    )


def _lines(path: Path) -> list[tuple[int, _Line]]:
    """Every answer with the number of its line in the file."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restkey="", strict=True)
    found = []
    try:
        if sorted(reader.fieldnames or ()) != sorted(COLUMNS):
            raise InputError(
                f"{str(path)!r} lacks the columns {', '.join(COLUMNS)}: give the CSV of the page"
            )
        for row in reader:
            found.append((reader.line_num, validated(_Line, row, f"{str(path)!r}, line {reader.line_num}")))
    except csv.Error as error:
        raise InputError(
            f"{str(path)!r}, line {reader.line_num} is no CSV ({error}): give the CSV that the page saved"
        ) from error
    if not found:
        raise InputError(f"{str(path)!r} has no answers: leave it out")
    return found


def _check(line: _Line, key: StudyKey) -> None:
    if line.study != key.study:
        raise InputError(
            f"study {shown(line.study)} is not the key's ({key.study!r}): use the key of its page"
        )
    if line.task not in key.tasks or line.code not in key.tasks[line.task].sweeps:
        raise InputError(
            f"the key has no sweep {shown(line.code)} in task {shown(line.task)}: use the key of its page"
        )
    if line.rank > len(key.editors):
        raise InputError(f"rank {shown(line.rank)} of {len(key.editors)} sweeps: delete the line")


def _add(ranks: dict[str, int], line: _Line, key: StudyKey) -> None:
    editor = key.tasks[line.task].sweeps[line.code]
    if editor in ranks or line.rank in ranks.values():
        raise InputError(
            f"task {line.task!r}, {line.question}: a sweep or a rank comes twice: delete one of the lines"
        )
    ranks[editor] = line.rank
