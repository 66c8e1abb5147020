"""What `pixelsmile bench fed judge` says in the end: how many have each component, and why others lack it."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pixelsmile.benchmarks.fed.results import fed_edits, identity_encoders
from pixelsmile.benchmarks.metrics.fed_score import COMPONENTS, SCORE, load_normalisation
from pixelsmile.benchmarks.metrics.measure import count_reasons
from pixelsmile.benchmarks.report.columns import COMPONENTS as COMPONENT_COLUMNS
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.change import representations_of
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import MarkersRecord
from pixelsmile.benchmarks.scorers.scorer import settings_at
from pixelsmile.benchmarks.scores import CHANGE, IDENTITY, MARKS


@dataclass(frozen=True)
class Asking:
    """What came of one pass of a judge. num_reused: without asking, of num_new.

    examples: for each reason why there was no mark what was said of the first such edit.
    """

    num_new: int
    num_reused: int
    num_left: int
    stopped: str | None
    examples: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ComponentStanding:
    """How many edits have a component, and how many lack it, by reason."""

    num_scored: int
    unscored: Mapping[str, int]


@dataclass(frozen=True)
class FedJudgeSummary:
    """How far one judge, and what is measured beside it, have come.

    num_scored: tasks with all six components. components: by their names.
    """

    run: str
    judge: str
    representation: str | None
    num_tasks: int
    num_made: int
    num_scored: int
    components: Mapping[str, ComponentStanding]
    asked: Mapping[str, Asking]
    remark: str = ""  # what the judge says of itself

    @classmethod
    def of(cls, folder: RunFolder, record: MarkersRecord, asked: Mapping[str, Asking]) -> "FedJudgeSummary":
        """What is on disk now."""
        measure = representations_of(folder).get(record.representation or "")
        encoders = identity_encoders(settings_at(folder, IDENTITY, IdentitySettings), None)
        edits = fed_edits(folder, record, measure, encoders, load_normalisation())
        standings = {}
        for name in COMPONENTS:
            reasons = [edit.score(name).unscored for edit in edits]
            standings[name] = ComponentStanding(reasons.count(None), count_reasons(reasons))
        return cls(
            run=str(folder.path),
            judge=record.id,
            representation=record.representation,
            num_tasks=len(edits),
            num_made=sum(edit.unmade is None for edit in edits),
            num_scored=sum(edit.score(SCORE).unscored is None for edit in edits),
            components=standings,
            asked=asked,
            remark=str(record.judges(folder)["consistency"].get("remark", "")),
        )

    @property
    def stopped(self) -> str | None:
        """Why a pass ended early; None where none did."""
        return next((pass_.stopped for pass_ in self.asked.values() if pass_.stopped), None)

    @property
    def is_fruitless(self) -> bool:
        """Whether no edit at all has a mark."""
        return not any(self.components[name].num_scored for name in MARKS)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "stopped": self.stopped}

    def _example(self, component: str, reason: str) -> str | None:
        """What was said of one edit that lacks a judged component for that reason; REG is by scores."""
        pass_ = self.asked.get(CHANGE if component == "gain" else component)
        examples = {} if pass_ is None else pass_.examples
        return next((said for why, said in examples.items() if reason.endswith(why)), None)

    def lines(self) -> Iterator[str]:
        unmade = self.num_tasks - self.num_made
        yield f"{self.run}: {_tasks(self.num_tasks)}{f', {unmade} of them without an edit' if unmade else ''}"
        num_new = sum(pass_.num_new for pass_ in self.asked.values())
        num_reused = sum(pass_.num_reused for pass_ in self.asked.values())
        reused = f", {num_reused} of them without asking" if num_reused else ""
        yield f"{self.judge}: {num_new} answers now{reused}; REG by {self.representation or 'nothing'}"
        if self.remark:
            yield f"  {self.remark}"
        for column in COMPONENT_COLUMNS:
            standing = self.components[column.name]
            yield f"  {column.label:<3}  {standing.num_scored} scored"
            for reason, count in standing.unscored.items():
                example = self._example(column.name, reason)
                yield f"       {count} without: {reason}{f' (as {example})' if example else ''}"
        yield f"  all six: {self.num_scored} of {self.num_tasks}"
        if self.stopped:
            num_left = sum(pass_.num_left for pass_ in self.asked.values())
            yield f"  stopped with {num_left} questions left: {self.stopped}"
        if self.is_fruitless and not self.stopped:
            yield "no edit has a mark: mend what is said above, then give the same command again"
            return
        rest = "the same command with a larger budget for the rest, or " if self.stopped else ""
        yield f"next: {rest}pixelsmile bench fed report {shlex.quote(self.run)}"


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"
