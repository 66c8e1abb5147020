"""What `pixelsmile bench ffe judge` says in the end: what is judged and measured, and what is not and why."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import VerdictScorer
from pixelsmile.benchmarks.scorers.outcomes import examples_of
from pixelsmile.benchmarks.scorers.scorer import Scoring, score_records, settings_at
from pixelsmile.benchmarks.scores import IDENTITY, NOT_JUDGED, Score


@dataclass(frozen=True)
class JudgeStanding:
    """How far one judge has come. unscored: edits without a verdict, by reason; examples: what was said.

    remark: what it says of itself; empty for nothing.
    """

    judge: str
    num_judged: int
    num_new: int  # outcomes of this call
    num_reused: int  # of them: without asking
    num_left: int  # that this call was about, and did not come to
    unscored: Mapping[str, int]
    examples: Mapping[str, str]  # by reason, of the first such edit
    stopped: str | None  # why it ended early
    remark: str = ""


@dataclass(frozen=True)
class LikenessStanding:
    """How far the likenesses have come."""

    encoders: Sequence[str]
    detector: str
    num_measured: int
    unmeasured: Mapping[str, int]


def judge_standing(
    folder: RunFolder, scorer: VerdictScorer, scoring: Scoring, num_reused: int
) -> JudgeStanding:
    """What is on disk of that judge after a pass, of whose outcomes `num_reused` needed no asking."""
    made = [key for key, edit in folder.edits().items() if edit.sha256 is not None]
    records = score_records(folder, scorer.place)
    scores = [records[key].score if key in records else Score(unscored=NOT_JUDGED) for key in made]
    reasons = Counter(score.unscored for score in scores)
    return JudgeStanding(
        judge=scorer.settings.id,
        num_judged=reasons.pop(None, 0),
        num_new=scoring.num_edits - scoring.num_left,
        num_reused=num_reused,
        num_left=scoring.num_left,
        unscored=_counts(reasons),
        examples=examples_of(scores),
        stopped=scoring.stopped,
        remark=scorer.settings.remark,
    )


def likeness_standing(folder: RunFolder) -> LikenessStanding | None:
    """What is on disk of the likenesses; None where nothing is measured."""
    settings = settings_at(folder, IDENTITY, IdentitySettings)
    if settings is None:
        return None
    reasons = Counter(record.score.unscored for record in score_records(folder, IDENTITY).values())
    num_measured = reasons.pop(None, 0)
    return LikenessStanding(tuple(settings.encoders), settings.detector, num_measured, _counts(reasons))


@dataclass(frozen=True)
class JudgeSummary:
    """The whole of it."""

    run: str
    num_edits: int
    num_made: int
    likeness: LikenessStanding | None
    judges: Sequence[JudgeStanding]

    @property
    def is_stopped(self) -> bool:
        """Whether a budget left something over."""
        return any(judge.stopped for judge in self.judges)

    @property
    def is_fruitless(self) -> bool:
        """Whether no edit at all has a verdict."""
        return not any(judge.num_judged for judge in self.judges)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        made = (
            "" if self.num_made == self.num_edits else f", {self.num_edits - self.num_made} of them not made"
        )
        yield f"{self.run}: {_edits(self.num_edits)}{made}"
        if self.likeness is None:
            yield "likeness: not measured"
        else:
            encoders, detector = ", ".join(self.likeness.encoders), self.likeness.detector
            yield f"likeness: {self.likeness.num_measured} measured ({encoders}; faces found by {detector})"
            yield from _reasons(self.likeness.unmeasured)
        for judge in self.judges:
            reused = f", {judge.num_reused} of those without asking" if judge.num_reused else ""
            yield f"{judge.judge}: {judge.num_judged} judged ({judge.num_new} now{reused})"
            if judge.remark:
                yield f"  {judge.remark}"
            yield from _reasons(judge.unscored, judge.examples)
            if judge.stopped:
                yield f"  stopped with {_edits(judge.num_left)} left: {judge.stopped}"
        if self.is_fruitless and not self.is_stopped:
            yield "no edit has a verdict: mend what is said above, then give the same command again"
            return
        rest = "the same command with a larger budget for the rest, or " if self.is_stopped else ""
        yield f"next: {rest}pixelsmile bench ffe report {shlex.quote(self.run)}"


def _edits(count: int) -> str:
    return f"{count} edit{'' if count == 1 else 's'}"


def _counts(reasons: Counter[str | None]) -> dict[str, int]:
    """The most frequent first."""
    return {str(reason): count for reason, count in reasons.most_common()}


def _reasons(counts: Mapping[str, int], examples: Mapping[str, str] | None = None) -> Iterator[str]:
    for reason, count in counts.items():
        example = (examples or {}).get(reason)
        yield f"  {count} without: {reason}{f' (as {example})' if example else ''}"
