"""What is known about an edit: a score from each scorer, and the edit with all of its scores joined."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from pydantic import Field, JsonValue, model_validator

from pixelsmile.benchmarks.run_folder import EditKey, TaskRecord
from pixelsmile.store.json_lines import Record

# Names of scorers that metrics ask for.
VERDICT, IDENTITY, BACKGROUND, CHANGE = "verdict", "identity", "background", "change"
MARKS = ("quality", "consistency", "truth_alignment")

NO_FACE = "no face found"  # why an edit that has lost its face has no identity
NO_SOURCE_FACE = "no face found in the source"
NOT_MADE = "not made yet"
NOT_JUDGED = "not judged yet"
NOT_MEASURED = "identity not measured"
NO_CHANGE = "change of expression not measured"
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
