"""What a comparison will cost before it runs: edits, calls, dollars and hours, of editors and of a judge.

Nothing is opened, loaded or asked. Prices are those of the table of editors, or a person's; seconds are those
that earlier runs of the same editor took. What nobody knows is None, and counts in no sum.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.run_folder import BenchmarkKind, EditKey, RunFolder, Spec
from pixelsmile.benchmarks.runner import GENERAL_STRENGTHS
from pixelsmile.benchmarks.scorers.change import change_stem, representations_of
from pixelsmile.benchmarks.scorers.judged import judge_stem, judges_of
from pixelsmile.benchmarks.scorers.scorer import score_records
from pixelsmile.benchmarks.scores import MARKS
from pixelsmile.editors.choice import EditorChoice
from pixelsmile.editors.named import told
from pixelsmile.editors.remote import DEFAULT_CONCURRENCY
from pixelsmile.judges.names import is_local
from pixelsmile.remote import RetryPolicy

_HOUR_S = 3600.0
_ENDS = (10, 90)  # percentiles of the seconds of an edit, between which a run is expected
FREE = Decimal(0)


@dataclass(frozen=True)
class Span:
    """From the least to the most that is expected."""

    low: float
    high: float

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> "Span":
        return Span(self.low * factor, self.high * factor)

    def as_json(self) -> dict[str, float]:
        return {"low": round(self.low, 6), "high": round(self.high, 6)}


@dataclass(frozen=True)
class Work:
    """What one editor, or the judge of its edits, is still to do on one benchmark.

    num: edits, or answers of the judge. num_done: of them that earlier runs have. num_calls: requests to a
    server at the least, 0 for what computes here. dollars: from each call answered once to each as often as
    is paid for before one is given up; None where the price is not known. hours: None where nobody measured.
    """

    who: str
    benchmark: BenchmarkKind
    task: str  # edit, judge
    num: int
    num_done: int
    num_calls: int
    dollars: Span | None
    hours: Span | None
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "who": self.who,
            "benchmark": self.benchmark,
            "task": self.task,
            "needed": self.num,
            "done": self.num_done,
            "calls": self.num_calls,
            "dollars": None if self.dollars is None else self.dollars.as_json(),
            "hours": None if self.hours is None else self.hours.as_json(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Earlier:
    """A run that was made before: what it has, and how long its edits took."""

    folder: RunFolder
    spec: Spec

    @classmethod
    def of(cls, folder: RunFolder) -> "Earlier":
        return cls(folder, folder.spec())

    @property
    def benchmark(self) -> BenchmarkKind:
        return self.spec.tasks[0].benchmark

    def is_of(self, name: str, choice: EditorChoice) -> bool:
        """Whether that editor made it: its record has the name that a person types, or the end of it."""
        record = self.spec.editor
        if choice.kind == "own" and not choice.name:
            return record.get("kind") == "pixelsmile"
        typed = {name, choice.argument, choice.argument.partition("@")[0]} - {""}
        return not typed.isdisjoint({str(record.get("editor")), str(record.get("name"))})

    @property
    def name(self) -> str:
        """What its editor calls itself."""
        return str(self.spec.editor.get("name") or self.spec.editor.get("kind"))

    def made(self) -> frozenset[EditKey]:
        return frozenset(key for key, record in self.folder.edits().items() if record.file is not None)

    def seconds(self) -> list[float]:
        """Of an edit, by sweep: where one is made in one go, all its time stands beside one of its edits."""
        sweeps: dict[tuple[str, str], list[float]] = {}
        for (source, target, _), record in self.folder.edits().items():
            if record.file is not None and record.seconds is not None:
                sweeps.setdefault((source, target), []).append(record.seconds)
        return [sum(found) / len(found) for found in sweeps.values()]

    def num_judged(self, judge: str) -> int:
        """How many answers of that judge it has; where scores measure changes, those about them too."""
        meant = [each for each, about in judges_of(self.folder).items() if _is_judge(judge, about.as_json())]
        num = sum(len(self._scored(judge_stem(each))) for each in meant)
        by_scores = [each.id for each in representations_of(self.folder).values() if each.kind == "scores"]
        if not meant or not by_scores:
            return num
        changed = {key for each in by_scores for key in self._scored(change_stem(each))}
        samples = {(task.source, task.target): task.sample for task in self.spec.tasks}
        return num + len(changed) + 2 * len({samples[source, target] for source, target, _ in changed})

    def _scored(self, stem: str) -> list[EditKey]:
        records = score_records(self.folder, stem).items()
        return [key for key, record in records if record.score.unscored is None]


@dataclass(frozen=True)
class Question:
    """What is planned. strengths: of a sweep, for editors that take strengths; others are asked once.

    prices: dollars of an edit, by the editor's name, where a person knows better than the table. judge_price:
    of an answer. at_once: how many edits are under way, by kind of editor where that is not its default.
    """

    editors: Mapping[str, EditorChoice]
    benchmarks: Mapping[BenchmarkKind, Benchmark]
    strengths: Sequence[float]
    judge: str = "embedded"
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    judge_price: Decimal | None = None
    max_concurrency: int | None = None
    processes: int = 1
    earlier: Sequence[Earlier] = ()


def plan(asked: Question) -> Iterator[Work]:
    """The work of each editor on each benchmark, and of the judge of its edits."""
    records = {kind: benchmark.to_record() for kind, benchmark in asked.benchmarks.items()}
    for name, choice in asked.editors.items():
        for kind, benchmark in asked.benchmarks.items():
            own = [run for run in asked.earlier if run.is_of(name, choice)]
            same = [run for run in own if run.benchmark == kind and _same(run, records[kind])]
            yield _editing(asked, name, choice, kind, benchmark, own, same)
            yield _judging(asked, name, choice, kind, benchmark, same)


def total(work: Sequence[Work]) -> tuple[Span, int, Span, int]:
    """Dollars and hours of all, each with how many lines are not known and so not in it."""
    dollars = [each.dollars for each in work if each.num > each.num_done]
    hours = [each.hours for each in work if each.num > each.num_done]
    return _sum(dollars), dollars.count(None), _sum(hours), hours.count(None)


def _editing(
    asked: Question,
    name: str,
    choice: EditorChoice,
    kind: BenchmarkKind,
    benchmark: Benchmark,
    own: Sequence[Earlier],
    same: Sequence[Earlier],
) -> Work:
    keys = _keys(asked, choice, kind, benchmark)
    done = keys & frozenset(key for run in same for key in run.made())
    left = keys - done
    calls = _num_calls(choice, benchmark, left) if choice.kind == "service" else 0
    seconds = [second for run in own for second in run.seconds()]
    at_once = _at_once(asked, choice)
    notes = [] if choice.kind != "service" or at_once == 1 else [f"{at_once} at once"]
    if seconds and left:
        notes.append(f"timed in {', '.join(sorted({f'{run.folder.path.name} ({run.name})' for run in own}))}")
    price = asked.prices.get(name, choice.price or None)
    if calls and price is not None:
        notes.append(f"${price} an edit")
    return Work(
        name, kind, "edit", len(keys), len(done), calls,
        _dollars(calls, price), _hours(len(left), seconds, at_once), notes,
    )  # fmt: skip


def _judging(
    asked: Question,
    name: str,
    choice: EditorChoice,
    kind: BenchmarkKind,
    benchmark: Benchmark,
    same: Sequence[Earlier],
) -> Work:
    """FFE-Bench: an answer for each edit. FED-Bench: three marks for each, and scores of edit, source and
    truth, by which REG is measured."""
    num_edits = len(_keys(asked, choice, kind, benchmark))
    num = num_edits
    if kind == "fed":
        triplets = {task.triplet for task in benchmark.tasks}
        num = num_edits * (len(MARKS) + 1) + 2 * len(triplets)
    done = min(num, max((run.num_judged(asked.judge) for run in same), default=0))
    calls = 0 if is_local(asked.judge) else num - done
    hours, notes = (None, ["how long it takes is not recorded"]) if num > done else (Span(0.0, 0.0), [])
    return Work(
        f"{asked.judge} of {name}", kind, "judge", num, done, calls,
        _dollars(calls, asked.judge_price), hours, notes,
    )  # fmt: skip


def _keys(
    asked: Question, choice: EditorChoice, kind: BenchmarkKind, benchmark: Benchmark
) -> frozenset[EditKey]:
    takes = kind == "ffe" and choice.takes_strength
    strengths = asked.strengths if takes else GENERAL_STRENGTHS
    return frozenset((task.source, task.target, float(s)) for task in benchmark.tasks for s in strengths)


def _num_calls(choice: EditorChoice, benchmark: Benchmark, left: frozenset[EditKey]) -> int:
    """Strengths that are told in the same words are one call, and the neutral face one for each source."""
    if choice.row is None or choice.row.strength.by != "words":
        return len(left)
    tasks = {(task.source, task.target): task for task in benchmark.tasks}
    return len({(source, told(tasks[source, target], strength)) for source, target, strength in left})


def _at_once(asked: Question, choice: EditorChoice) -> int:
    if choice.kind == "service":
        return asked.max_concurrency or DEFAULT_CONCURRENCY
    return asked.processes * (asked.max_concurrency or 1 if choice.kind == "command" else 1)


def _dollars(calls: int, price: Decimal | None) -> Span | None:
    """An answer that cannot be used is paid for, and asked for again."""
    if not calls:
        return Span(0.0, 0.0)
    if price is None:
        return None
    return Span(float(calls * price), float(calls * price * RetryPolicy().max_answers))


def _hours(num: int, seconds: Sequence[float], at_once: int) -> Span | None:
    if not num:
        return Span(0.0, 0.0)
    if len(seconds) < 2:
        return None
    places = statistics.quantiles(seconds, n=100, method="inclusive")
    return Span(places[_ENDS[0] - 1], places[_ENDS[1] - 1]) * (num / at_once / _HOUR_S)


def _same(run: Earlier, record: Mapping[str, Any]) -> bool:
    """Whether it is of the same pictures and words, so that it can go on."""
    return run.spec.benchmark.get("sha256") == record.get("sha256")


def _is_judge(judge: str, record: Mapping[str, Any]) -> bool:
    return judge.partition("@")[0] in (
        f"{record.get('provider')}:{record.get('model')}",
        record.get("provider"),
    )


def _sum(spans: Sequence[Span | None]) -> Span:
    return sum((span for span in spans if span is not None), Span(0.0, 0.0))
