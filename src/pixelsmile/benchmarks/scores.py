"""What is known about an edit: a score from each scorer, judges among them, and all scores joined."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from pydantic import Field, JsonValue, model_validator

from pixelsmile.benchmarks.run_folder import EditKey, TaskRecord
from pixelsmile.errors import one_line
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.judges.judge import Mark, NoVerdict, Outcome, Reason, Statistics, Verdict
from pixelsmile.store.json_lines import Record

# Names of scorers that metrics ask for.
VERDICT, IDENTITY, BACKGROUND, CHANGE = "verdict", "identity", "background", "change"
DAMAGE = "damage"  # of drawn people alone; part of PQ by the embedded judge
MARKS = ("quality", "consistency", "truth_alignment")

NO_FACE = "no face found"  # why an edit that has lost its face has no identity
NO_SOURCE_FACE = "no face found in the source"
NOT_MADE = "not made yet"
NOT_JUDGED = "not judged yet"
NOT_MEASURED = "identity not measured"
NO_CHANGE = "change of expression not measured"
NO_DAMAGE = "damage not measured yet"
_NOT_SCORED = dict.fromkeys((VERDICT, *MARKS), NOT_JUDGED) | {CHANGE: NO_CHANGE}


class Score(Record):
    """What one scorer found about one edit.

    values: finite numbers by name, None for one that could not be had. unscored: why that one, or all of
    them, are missing. answer: what the scorer names beside its numbers, as the dominant expression.
    explanation: its own words, or the details of why there is no score. metadata: what else a reader may want
    to look up.
    """

    values: Mapping[str, float | None] = Field(default_factory=dict)
    unscored: str | None = None
    answer: str | None = None
    explanation: str = ""
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _scored_or_why_not(self) -> Self:
        is_whole = bool(self.values) and None not in self.values.values()
        if is_whole == bool(self.unscored):
            raise ValueError(
                f"{self.unscored!r} beside {len(self.values)} values: give all values, or why one is missing"
            )
        return self

    @property
    def value(self) -> float | None:
        """The only value, or the first of several."""
        return next(iter(self.values.values()), None)


@dataclass(frozen=True)
class ScoredEdit:
    """One edit that was asked for, and all that scorers found out about it.

    file: of the edit, in the run's folder; None where the editor made none, with the reason in `unmade`.
    scores: by the name of the scorer. source_sha256: of the source picture, which samples may share.
    """

    task: TaskRecord
    strength: float = 1.0  # general editing has one edit a task, at the full expression
    scores: Mapping[str, Score] = field(default_factory=dict)
    file: str | None = None
    unmade: str | None = None
    source_sha256: str | None = None

    @property
    def sample(self) -> str:
        """What editors are compared on, sample by sample: the triplet, or else the source picture."""
        return self.task.sample

    @property
    def drawn_with(self) -> str:
        """What a bootstrap draws together: everything that was made from one source picture."""
        return self.source_sha256 or self.sample

    @property
    def target(self) -> str:
        return self.task.target

    @property
    def granularity(self) -> str:
        """Dense or simple, of the instruction; empty where the benchmark has no instructions."""
        return self.task.wording

    @property
    def key(self) -> EditKey:
        """Source, target and strength: one editor has one edit for each."""
        return self.task.source, self.task.target, float(self.strength)

    def score(self, name: str) -> Score:
        """What that scorer found; a score without values, with the reason, where there is none."""
        why = self.unmade or _NOT_SCORED.get(name, f"{name} not measured")
        return self.scores.get(name) or Score(unscored=why)

    @property
    def verdict(self) -> Score:
        """A judge's twelve scores, 0..1, by expression; `answer` is the dominant one, as it was named."""
        return self.score(VERDICT)

    @property
    def identity(self) -> Score:
        """Cosines of source and edit, -1..1, by encoder."""
        return self.score(IDENTITY)

    def with_scores(self, **scores: Score) -> "ScoredEdit":
        """The edit with these scores in place of those of the same names."""
        return replace(self, scores={**self.scores, **scores})


MARK = "mark"  # the one value of a mark
_MAX_EXAMPLE = 160  # characters

# A detail names a file or a server: what is counted is the kind of reason.
_UNSCORED: Mapping[Reason, str] = {
    "malformed": "the judge's answers were malformed",
    "empty": "the judge gave no answer",
    "refused": "the judge refused",
    "unreachable": "the judge could not be reached",
    "unreadable": "the judge could not read the picture",
    "unsuited": "the judge does not know such pictures",
    "failed": "the judge broke down over the picture",
}


def score_of(outcome: Outcome) -> Score:
    """The outcome as a score; its answers as they came are the `transcript` of the metadata.

    ValueError for statistics, which are none.
    """
    metadata: dict[str, JsonValue] = {"transcript": [*outcome.transcript]}
    match outcome:
        case Verdict():
            return Score(values=outcome.scores, answer=outcome.dominant, metadata=metadata)
        case Mark():
            return Score(values={MARK: outcome.mark}, explanation=outcome.reason, metadata=metadata)
        case Statistics():
            raise ValueError("statistics of a picture are no score")
        case NoVerdict():
            return Score(
                unscored=_UNSCORED[outcome.reason],
                explanation=outcome.detail,
                metadata={**metadata, "reason": outcome.reason},
            )


def outcome_of(score: Score, judge: str) -> Outcome | None:
    """The verdict, or the lack of one, that a score was made of, without its transcript; None for a mark."""
    if score.unscored is not None:
        reasons: list[Reason] = [reason for reason, words in _UNSCORED.items() if words == score.unscored]
        return NoVerdict(judge, reasons[0] if reasons else "empty", score.explanation)
    if score.answer is None:
        return None
    return Verdict(judge, {name: value or 0.0 for name, value in score.values.items()}, score.answer)


def transcript(score: Score) -> tuple[str, ...]:
    """Every answer of the judge as it came, in order."""
    found = score.metadata.get("transcript")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def examples_of(scores: Iterable[Score]) -> dict[str, str]:
    """For each reason why there is no score what was said of the first such edit."""
    examples: dict[str, str] = {}
    for score in scores:
        if score.unscored and score.explanation:
            examples.setdefault(score.unscored, one_line(score.explanation, _MAX_EXAMPLE))
    return examples


def mean_verdict(verdicts: Sequence[Score]) -> Score:
    """The mean of several judges' scores, and the dominant expression that most of them name, if one leads.

    An edit that one of them has not scored has none: means over different judges could not be compared.
    """
    for verdict in verdicts:
        if verdict.unscored is not None:
            return verdict
    values = {name: float(np.mean([verdict.values[name] for verdict in verdicts])) for name in EXPRESSIONS}
    named = Counter(verdict.answer for verdict in verdicts).most_common(2)
    leads = len(named) == 1 or named[0][1] > named[1][1]
    return Score(values=values, answer=named[0][0] if leads else None)


def counts(scores: Iterable[Score]) -> tuple[int, dict[str, int]]:
    """How many are scored, and the reasons of the others, the most frequent first."""
    reasons = Counter(score.unscored for score in scores)
    num_scored = reasons.pop(None, 0)
    return num_scored, {str(reason): count for reason, count in reasons.most_common()}
