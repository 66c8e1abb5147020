"""People who rate pictures: a page for a sample, and how far they agree, with one another and the judge.

The page is one file and shows nothing of what a picture is meant to be. A person says which expressions a
face shows and how strongly, as the judges do, and saves JSON lines; the last about a picture counts:

    {"id": "...", "rater": "anna", "scores": {"happy": 0.75}, "unclear": false}

A face at rest has no scores. What is unclear counts for nobody. Shape suffixes: J raters, U pictures, E
expressions.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, JsonValue, field_validator

from pixelsmile.dataset.folder import kept_picture
from pixelsmile.dataset.review import filled_page
from pixelsmile.dataset.rows import Row
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges.agreement import Alpha, alpha_with_interval, score_alphas
from pixelsmile.limits import validated
from pixelsmile.results.page import data_uri
from pixelsmile.store.json_lines import Record, read_numbered

_SIDE_PX = 420
# On the keyboard; each is a letter of its word.
_KEYS = {
    "angry": "a",
    "confused": "c",
    "contempt": "t",
    "confident": "o",
    "disgust": "d",
    "fear": "f",
    "happy": "h",
    "sad": "s",
    "shy": "y",
    "sleepy": "l",
    "surprised": "u",
    "anxious": "x",
    NEUTRAL: "n",
}
# The anchors of the scale that judges are given.
_STRENGTHS = (("a trace", 0.25), ("clear", 0.5), ("strong", 0.75), ("as strong as can be", 1.0))

FloatArray = npt.NDArray[np.float64]


class Answer(Record):
    """What one person says of one picture."""

    id: str
    rater: str = Field(min_length=1, max_length=60)
    scores: dict[str, Annotated[float, Field(ge=0, le=1)]]
    unclear: bool = False

    @field_validator("scores")
    @classmethod
    def _known(cls, scores: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(set(scores) - set(EXPRESSIONS)):
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(EXPRESSIONS)}")
        return scores


def sample(rows: Iterable[Row], num: int, seed: int) -> list[Row]:
    """So many rows, as even over labels and domains as can be, each picture once, in an order of chance.

    InputError where there are none.
    """
    strata: dict[tuple[str, str], list[tuple[str, Row]]] = defaultdict(list)
    for row in rows:
        drawn = hashlib.sha256(f"{seed} {row.id}".encode()).hexdigest()
        stratum = strata[row.domain, row.expression or ""]
        stratum.append((drawn, row))
        if len(stratum) >= 2 * num:
            _cut(stratum, num)
    for stratum in strata.values():
        _cut(stratum, num)
    turns = zip_longest(*(strata[key] for key in sorted(strata)))
    chosen = [one for turn in turns for one in turn if one is not None][:num]
    if not chosen:
        raise InputError("no pictures are annotated: build on, to the end of annotate")
    return [row for _, row in sorted(chosen, key=lambda one: one[0])]


def _cut(stratum: list[tuple[str, Row]], num: int) -> None:
    """Leave the first of them: of a large set no more are kept in memory."""
    stratum.sort(key=lambda one: one[0])
    del stratum[num:]


def rating_page(folder: Path, rows: Sequence[Row]) -> str:
    """The page of these rows. ImageError where a picture is not there any more."""
    shown = [{"id": row.id, "uri": data_uri(kept_picture(folder, row), _SIDE_PX)} for row in rows]
    expressions: list[JsonValue] = [{"name": name, "key": key} for name, key in _KEYS.items()]
    strengths: list[JsonValue] = [{"words": words, "score": score} for words, score in _STRENGTHS]
    return filled_page(
        "rate", f"What do {len(rows)} faces show?", shown, expressions=expressions, strengths=strengths
    )


def read_answers(paths: Sequence[Path]) -> list[Answer]:
    """What each person says of each picture, the last line of each. InputError for what are no answers."""
    found: dict[tuple[str, str], Answer] = {}
    for path in paths:
        for _, answer in read_numbered(path, lambda line: validated(Answer, line), needed="answer"):
            found[answer.rater, answer.id] = answer
    return list(found.values())


@dataclass(frozen=True)
class Agreement:
    """How far people agree with one another, and their mean with the judge: Krippendorff's alpha of each.

    scores: by expression, and of `all` together; dominant: which is the strongest, or none. same: the share
    of pictures on which the judge names the expression that people do. None where there are fewer than two
    people, or nothing differs.
    """

    raters: dict[str, int]  # how many pictures each has rated
    num_pictures: int
    num_unclear: int
    num_unknown: int  # answers about pictures that this data set does not have
    people: dict[str, Alpha]
    people_dominant: Alpha
    judge: dict[str, Alpha]
    judge_dominant: Alpha
    same: float | None


def agreement_of(answers: Sequence[Answer], rows: Iterable[Row]) -> Agreement:
    """rows: annotated ones. InputError where no answer is about one of them."""
    wanted = {answer.id for answer in answers}
    known = {row.id: row for row in rows if row.id in wanted}
    if not known:
        raise InputError("the answers are about no picture of this data set: check the files")
    places = {row_id: place for place, row_id in enumerate(known)}
    raters = list(dict.fromkeys(answer.rater for answer in answers))
    table_JUE = np.full((len(raters), len(known), len(EXPRESSIONS)), np.nan)
    for answer in answers:
        if answer.id in places and not answer.unclear:
            scores = [answer.scores.get(name, 0.0) for name in EXPRESSIONS]
            table_JUE[raters.index(answer.rater), places[answer.id]] = scores
    clusters = [row.person or row.id for row in known.values()]
    means_UE, judged_UE = _means(table_JUE), np.array([_judged(row) for row in known.values()])
    people_U, judge_U = _dominant(means_UE), np.array([_number(row.dominant) for row in known.values()])
    both_U = np.isfinite(people_U) & np.isfinite(judge_U)
    rated_JU = np.isfinite(table_JUE).all(axis=2)
    return Agreement(
        raters={rater: int(rated_JU[number].sum()) for number, rater in enumerate(raters)},
        num_pictures=len(known),
        num_unclear=sum(answer.unclear for answer in answers),
        num_unknown=sum(answer.id not in known for answer in answers),
        people=score_alphas(table_JUE, clusters),
        people_dominant=alpha_with_interval(
            np.stack([_dominant(table_UE) for table_UE in table_JUE]), "nominal", clusters
        ),
        judge=score_alphas(np.stack([means_UE, judged_UE]), clusters),
        judge_dominant=alpha_with_interval(np.stack([people_U, judge_U]), "nominal", clusters),
        same=float(np.mean(people_U[both_U] == judge_U[both_U])) if both_U.any() else None,
    )


def _means(table_JUE: FloatArray) -> FloatArray:
    """Over the people who have rated a picture; NaN where nobody has."""
    known_JUE = np.isfinite(table_JUE)
    num_UE = known_JUE.sum(axis=0)
    sums_UE = np.where(known_JUE, table_JUE, 0.0).sum(axis=0)
    return np.divide(sums_UE, num_UE, out=np.full(sums_UE.shape, np.nan), where=num_UE > 0)


def _dominant(scores_UE: FloatArray) -> FloatArray:
    """The number of the highest score, of `neutral` where all are 0; NaN where there are none."""
    rated_U = np.asarray(np.isfinite(scores_UE).all(axis=1))
    filled_UE = np.where(rated_U[:, None], scores_UE, 0.0)
    highest_U = np.where(filled_UE.max(axis=1) > 0, filled_UE.argmax(axis=1), len(EXPRESSIONS))
    return np.where(rated_U, highest_U, np.nan)


def _judged(row: Row) -> list[float]:
    return [row.judged.get(name, np.nan) for name in EXPRESSIONS]


def _number(dominant: str | None) -> float:
    return np.nan if dominant is None else float((*EXPRESSIONS, NEUTRAL).index(dominant))
