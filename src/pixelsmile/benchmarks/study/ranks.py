"""From raters' CSV files to mean ranks of the editors, how sure they are, and how far raters agree.

Shape suffixes: J raters, T tasks, E editors, C source pictures, R replicates.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pixelsmile.benchmarks.metrics.measure import (
    DEGENERATE,
    TOO_OFTEN_UNDEFINED,
    UNDEFINED,
    Bootstrap,
    Estimate,
    percentile_interval,
)
from pixelsmile.benchmarks.study.page import QUESTIONS, Question, StudyKey
from pixelsmile.errors import InputError
from pixelsmile.judges.agreement import krippendorff_alpha
from pixelsmile.limits import read_text, shown, validated
from pixelsmile.store.json_lines import Record

AnswerKey = tuple[str, str, Question]  # rater, task, question

FloatArray = npt.NDArray[np.float64]

COLUMNS = ("study", "rater", "task", "question", "code", "rank")
BEST_SCORE, WORST_SCORE = 5.0, 1.0


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


@dataclass(frozen=True)
class EditorRank:
    """One editor's rank, 1 the best, the mean over all complete answers, and how often it came first.

    score: the rank from 5 (always first) to 1 (always last). The paper's means (section 5.5) seem to be
    of this form: those of its three methods add up to 9 = 5 + 3 + 1 for both questions.
    """

    editor: str
    rank: Estimate
    num_first: int

    def score(self, num_editors: int) -> float | None:
        if self.rank.value is None:
            return None
        return BEST_SCORE - (BEST_SCORE - WORST_SCORE) * (self.rank.value - 1) / (num_editors - 1)


@dataclass(frozen=True)
class QuestionRanks:
    """What raters said to one question; editors from the best to the worst.

    kendall_w: the mean of W over the `num_shared_tasks` that several raters ranked, 1 if they all agree;
    chance gives `kendall_w_chance`. alpha: Krippendorff's ordinal alpha, 1 for agreement, 0 for chance. None
    where no two raters ranked the same task.
    """

    question: Question
    num_answers: int
    editors: tuple[EditorRank, ...]
    num_shared_tasks: int
    kendall_w: float | None
    kendall_w_chance: float | None
    alpha: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "question": self.question,
            "n_answers": self.num_answers,
            "editors": [
                {
                    "editor": found.editor,
                    "rank": found.rank.as_json(),
                    "score": found.score(len(self.editors)),
                    "n_first": found.num_first,
                }
                for found in self.editors
            ],
            "n_shared_tasks": self.num_shared_tasks,
            "kendall_w": self.kendall_w,
            "kendall_w_chance": self.kendall_w_chance,
            "krippendorff_alpha": self.alpha,
        }


def rank_editors(
    answers: Answers, key: StudyKey, bootstrap: Bootstrap | None = None
) -> tuple[QuestionRanks, ...]:
    """The ranks for each question. Intervals are percentiles; `bootstrap.method` is not asked."""
    plan = bootstrap or Bootstrap(method="percentile")
    return tuple(_question_ranks(answers, key, question, plan) for question in QUESTIONS)


def kendall_w(ranks_JE: FloatArray) -> float:
    """Kendall's coefficient of concordance of rankings without ties, 0..1: W = 12 S / (m^2 (n^3 - n)).

    Kendall and Babington Smith, "The Problem of m Rankings" (1939): S is the sum of squared deviations of the
    n editors' rank sums from their mean, over m raters.
    """
    num_raters, num_editors = ranks_JE.shape
    sums_E = ranks_JE.sum(axis=0)
    spread = float(((sums_E - sums_E.mean()) ** 2).sum())
    return 12 * spread / (num_raters**2 * (num_editors**3 - num_editors))


def crossed_means(
    ranks_JTE: FloatArray, source_T: Sequence[str], num_replicates: int, seed: int
) -> FloatArray:
    """Mean ranks (R, E) over raters and source pictures, both drawn again; NaN where nothing was drawn.

    An answer counts as often as its rater times its source was drawn (Owen, "The pigeonhole bootstrap",
    2007): neither ten answers of one rater nor ten tasks of one face are ten independent opinions.
    """
    rng = np.random.default_rng(seed)
    num_raters, num_tasks, num_editors = ranks_JTE.shape
    sources, source_index_T = np.unique(np.array(source_T), return_inverse=True)
    rater_RJ = _drawn(rng, num_raters, num_replicates)
    task_RT = _drawn(rng, len(sources), num_replicates)[:, source_index_T]
    answered_JT = _answered(ranks_JTE)
    known_JTE = np.where(answered_JT[..., None], ranks_JTE, 0.0)
    sums_RTE = (rater_RJ @ known_JTE.reshape(num_raters, -1)).reshape(-1, num_tasks, num_editors)
    sums_RE = np.einsum("rt,rte->re", task_RT, sums_RTE)
    counts_R1 = np.einsum("rt,rt->r", task_RT, rater_RJ @ answered_JT.astype(np.float64))[:, None]
    undefined_RE = np.full_like(sums_RE, np.nan)
    return np.divide(sums_RE, counts_R1, out=undefined_RE, where=counts_R1 > 0)


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


def _question_ranks(answers: Answers, key: StudyKey, question: Question, plan: Bootstrap) -> QuestionRanks:
    ranks_JTE = _table(answers, key, question)
    answered_JT = _answered(ranks_JTE)
    rankings = ranks_JTE[answered_JT]
    sources = [task.source for task in key.tasks.values()]
    drawn_RE = crossed_means(ranks_JTE, sources, plan.num_replicates, plan.seed)
    editors = [
        EditorRank(
            editor,
            _estimate(rankings[:, place], drawn_RE[:, place], plan),
            int((rankings[:, place] == 1).sum()),
        )
        for place, editor in enumerate(key.editors)
    ]
    shared_T = answered_JT.sum(axis=0) >= 2
    concordances = [kendall_w(ranks_JTE[answered_JT[:, t], t]) for t in np.flatnonzero(shared_T)]
    # E[W] of m random rankings is 1 / m.
    chances = 1 / answered_JT.sum(axis=0)[shared_T]
    return QuestionRanks(
        question=question,
        num_answers=len(rankings),
        editors=tuple(sorted(editors, key=lambda found: found.rank.value or np.inf)),
        num_shared_tasks=len(concordances),
        kendall_w=float(np.mean(concordances)) if concordances else None,
        kendall_w_chance=float(np.mean(chances)) if concordances else None,
        alpha=_ordinal_alpha(ranks_JTE),
    )


def _table(answers: Answers, key: StudyKey, question: Question) -> FloatArray:
    """The complete answers to `question` as ranks (J, T, E); NaN where there is none."""
    ranks_JTE = np.full((len(answers.raters), len(key.tasks), len(key.editors)), np.nan)
    for j, rater in enumerate(answers.raters):
        for t, task in enumerate(key.tasks):
            if found := answers.complete.get((rater, task, question)):
                ranks_JTE[j, t] = [found[editor] for editor in key.editors]
    return ranks_JTE


def _answered(ranks_JTE: FloatArray) -> npt.NDArray[np.bool_]:
    """Which rater ranked which task, (J, T)."""
    return np.asarray(np.isfinite(ranks_JTE).all(axis=2))


def _ordinal_alpha(ranks_JTE: FloatArray) -> float | None:
    """Krippendorff's ordinal alpha, a unit being an editor's sweep in a task.

    Every ranking uses each rank once, so all ranks are equally frequent among what can be paired, and the
    ordinal difference of two ranks is a multiple of their numeric one: interval alpha is the same number.
    """
    return krippendorff_alpha(ranks_JTE.reshape(len(ranks_JTE), -1), "interval")


def _estimate(ranks: FloatArray, drawn_R: FloatArray, plan: Bootstrap) -> Estimate:
    if not len(ranks):
        return Estimate(None, None, None, note=UNDEFINED)
    value, defined_R = float(ranks.mean()), drawn_R[np.isfinite(drawn_R)]
    num_undefined = len(drawn_R) - len(defined_R)
    if num_undefined > plan.max_undefined_share * len(drawn_R):
        return Estimate(value, None, None, num_undefined, TOO_OFTEN_UNDEFINED)
    if np.ptp(defined_R) == 0:
        return Estimate(value, None, None, num_undefined, DEGENERATE)
    low, high = percentile_interval(defined_R, (1 - plan.level) / 2)
    return Estimate(value, low, high, num_undefined)


def _drawn(rng: np.random.Generator, num: int, num_replicates: int) -> FloatArray:
    return rng.multinomial(num, np.full(num, 1 / num), size=num_replicates).astype(np.float64)
