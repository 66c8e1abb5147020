"""How far a run has come: which edits are made and scored, which are not and why, and what is left to do."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pixelsmile.benchmarks.fed.results import fed_edits, identity_encoders
from pixelsmile.benchmarks.metrics.fed_score import COMPONENTS, SCORE, load_normalisation
from pixelsmile.benchmarks.report.tables import COMPONENTS as COMPONENT_COLUMNS
from pixelsmile.benchmarks.report.tables import printable
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.change import representations_of
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import JudgeSettings, MarkersRecord, judge_place
from pixelsmile.benchmarks.scorers.scorer import score_records, settings_at
from pixelsmile.benchmarks.scores import IDENTITY, MARKS, NOT_JUDGED, Score
from pixelsmile.errors import one_line

SCORES = "scores"  # the pass of a judge by whose scores REG is measured
_MAX_REASONS = 5  # of failures that are printed


@dataclass(frozen=True)
class EditingStanding:
    """How many edits an editor has made, and the reasons of the others. num_missing: tasks without words."""

    run: str
    num_tasks: int
    num_missing: int
    num_edits: int
    failures: Mapping[str, int]

    @classmethod
    def of(cls, run: str, folder: RunFolder) -> "EditingStanding":
        """What is on disk, where every edit was tried."""
        spec, edits = folder.spec(), folder.edits()
        records = [edits[key] for key in spec.edit_keys()]
        failures = Counter(str(record.failure) for record in records if record.file is None)
        return cls(run, len(spec.tasks), len(spec.without_instruction), len(records), failures)

    @property
    def num_made(self) -> int:
        return self.num_edits - sum(self.failures.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "edits": self.num_edits,
            "made": self.num_made,
            "failures": dict(self.failures),
        }

    def lines(self, task: str, num_new: int, seconds: float) -> Iterator[str]:
        """task: what one is called. num_new: edits of this call, which took so many seconds."""
        now = "" if num_new == self.num_edits else f"{num_new} of them now, "
        took = f"{now}in {seconds:.1f} s" if num_new else "finished before: nothing to do"
        yield f"{self.run}: {_counted(self.num_edits, 'edit')} of {_counted(self.num_tasks, task)}, {took}"
        if self.failures:
            yield f"{sum(self.failures.values())} failed; the same command tries them once more:"
        for reason, count in Counter(self.failures).most_common(_MAX_REASONS):
            yield f"  {count} x {printable(one_line(reason))}"
        if len(self.failures) > _MAX_REASONS:
            yield f"  and {len(self.failures) - _MAX_REASONS} other reasons: see edits.jsonl there"
        if self.num_missing:
            yield f"{_counted(self.num_missing, task)} missing: they are unscored"


@dataclass(frozen=True)
class JudgePass:
    """What came of one pass of a judge: answers, of them those without asking, and questions that are left.

    examples: for each reason why there was no score what was said of the first such edit.
    """

    num_new: int
    num_reused: int
    num_left: int
    stopped: str | None
    examples: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgeStanding:
    """How far one judge of FFE-Bench has come. unscored: edits without a verdict, by reason.

    remark: what the judge says of itself; empty for nothing.
    """

    judge: str
    num_judged: int
    num_new: int
    num_reused: int
    num_left: int
    unscored: Mapping[str, int]
    examples: Mapping[str, str]
    stopped: str | None
    remark: str = ""

    @classmethod
    def of(cls, folder: RunFolder, judge: JudgeSettings, asked: JudgePass) -> "JudgeStanding":
        """What is on disk of that judge after a pass."""
        records = score_records(folder, judge_place(judge.id))
        made = [key for key, edit in folder.edits().items() if edit.sha256 is not None]
        scores = [records[key].score if key in records else Score(unscored=NOT_JUDGED) for key in made]
        num_judged, unscored = _counts(scores)
        return cls(judge.id, num_judged, unscored=unscored, remark=judge.remark, **asdict(asked))


@dataclass(frozen=True)
class IdentityStanding:
    """How many edits have been compared with their sources, and by whom."""

    encoders: Sequence[str]
    detector: str
    num_measured: int
    unmeasured: Mapping[str, int]

    @classmethod
    def of(cls, folder: RunFolder) -> "IdentityStanding | None":
        """What is on disk; None where nothing is measured."""
        settings = settings_at(folder, IDENTITY, IdentitySettings)
        if settings is None:
            return None
        scores = (record.score for record in score_records(folder, IDENTITY).values())
        return cls(tuple(settings.encoders), settings.detector, *_counts(scores))


@dataclass(frozen=True)
class FfeStanding:
    """How far a run of FFE-Bench has come."""

    run: str
    num_edits: int
    num_made: int
    likeness: IdentityStanding | None
    judges: Sequence[JudgeStanding]

    @classmethod
    def of(cls, run: str, folder: RunFolder, judges: Sequence[JudgeStanding]) -> "FfeStanding":
        num_made = sum(edit.sha256 is not None for edit in folder.edits().values())
        return cls(run, len(folder.spec().edit_keys()), num_made, IdentityStanding.of(folder), judges)

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
        num_unmade = self.num_edits - self.num_made
        without = f", {num_unmade} of them not made" if num_unmade else ""
        yield f"{self.run}: {_counted(self.num_edits, 'edit')}{without}"
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
                yield f"  stopped with {_counted(judge.num_left, 'edit')} left: {judge.stopped}"
        yield _next("ffe", "verdict", self.run, self.is_stopped, self.is_fruitless)


@dataclass(frozen=True)
class ComponentStanding:
    """How many edits have a component, and how many lack it, by reason."""

    num_scored: int
    unscored: Mapping[str, int]


@dataclass(frozen=True)
class FedStanding:
    """How far a run of FED-Bench has come, by one judge and what is measured beside it.

    num_scored: tasks with all six components. components, asked: by their names, and by those of passes.
    """

    run: str
    judge: str
    representation: str | None
    num_tasks: int
    num_made: int
    num_scored: int
    components: Mapping[str, ComponentStanding]
    asked: Mapping[str, JudgePass]
    remark: str = ""  # what the judge says of itself

    @classmethod
    def of(cls, folder: RunFolder, record: MarkersRecord, asked: Mapping[str, JudgePass]) -> "FedStanding":
        """What is on disk now."""
        measure = representations_of(folder).get(record.representation or "")
        encoders = identity_encoders(settings_at(folder, IDENTITY, IdentitySettings), None)
        edits = fed_edits(folder, record, measure, encoders, load_normalisation())
        return cls(
            run=str(folder.path),
            judge=record.id,
            representation=record.representation,
            num_tasks=len(edits),
            num_made=sum(edit.unmade is None for edit in edits),
            num_scored=sum(edit.score(SCORE).unscored is None for edit in edits),
            components={
                name: ComponentStanding(*_counts(edit.score(name) for edit in edits)) for name in COMPONENTS
            },
            asked=asked,
            remark=str(record.judges(folder)["consistency"].get("remark", "")),
        )

    @property
    def stopped(self) -> str | None:
        """Why a pass ended early; None where none did."""
        return next((asked.stopped for asked in self.asked.values() if asked.stopped), None)

    @property
    def is_fruitless(self) -> bool:
        """Whether no edit at all has a mark."""
        return not any(self.components[name].num_scored for name in MARKS)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "stopped": self.stopped}

    def lines(self) -> Iterator[str]:
        num_unmade = self.num_tasks - self.num_made
        without = f", {num_unmade} of them without an edit" if num_unmade else ""
        yield f"{self.run}: {_counted(self.num_tasks, 'task')}{without}"
        num_new, num_reused, num_left = (
            sum(getattr(asked, name) for asked in self.asked.values())
            for name in ("num_new", "num_reused", "num_left")
        )
        reused = f", {num_reused} of them without asking" if num_reused else ""
        yield f"{self.judge}: {num_new} answers now{reused}; REG by {self.representation or 'nothing'}"
        if self.remark:
            yield f"  {self.remark}"
        for column in COMPONENT_COLUMNS:
            standing = self.components[column.name]
            yield f"  {column.label:<3}  {standing.num_scored} scored"
            yield from _reasons(standing.unscored, self._examples(column.name), indent=7)
        yield f"  all six: {self.num_scored} of {self.num_tasks}"
        if self.stopped:
            yield f"  stopped with {num_left} questions left: {self.stopped}"
        yield _next("fed", "mark", self.run, self.stopped is not None, self.is_fruitless)

    def _examples(self, component: str) -> dict[str, str]:
        """What was said of one edit that lacks a judged component, by reason; REG is by scores."""
        asked = self.asked.get(SCORES if component == "gain" else component)
        return {
            reason: said
            for reason in self.components[component].unscored
            for why, said in (asked.examples if asked else {}).items()
            if reason.endswith(why)
        }


def _counts(scores: Iterable[Score]) -> tuple[int, dict[str, int]]:
    """How many are scored, and the reasons of the others, the most frequent first."""
    reasons = Counter(score.unscored for score in scores)
    num_scored = reasons.pop(None, 0)
    return num_scored, {str(reason): count for reason, count in reasons.most_common()}


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _reasons(
    counts: Mapping[str, int], examples: Mapping[str, str] | None = None, indent: int = 2
) -> Iterator[str]:
    for reason, count in counts.items():
        example = (examples or {}).get(reason)
        yield f"{'':{indent}}{count} without: {reason}{f' (as {example})' if example else ''}"


def _next(benchmark: str, score: str, run: str, is_stopped: bool, is_fruitless: bool) -> str:
    if is_fruitless and not is_stopped:
        return f"no edit has a {score}: mend what is said above, then give the same command again"
    rest = "the same command with a larger budget for the rest, or " if is_stopped else ""
    return f"next: {rest}pixelsmile bench {benchmark} report {shlex.quote(run)}"
