"""What to know before runs are read and compared: what judges say of themselves, and where runs differ."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from pydantic import JsonValue

from pixelsmile.benchmarks.likeness_settings import LikenessSettings
from pixelsmile.benchmarks.results import RunResults
from pixelsmile.benchmarks.run_folder import Spec

R = TypeVar("R")


class Measured(Protocol):
    """A run of either benchmark."""

    @property
    def spec(self) -> Spec: ...

    @property
    def likeness(self) -> LikenessSettings | None: ...


def remarks(runs: Mapping[str, RunResults]) -> list[str]:
    """A sentence for each thing in which the runs (by label) differ and that a comparison rests on.

    Before them, what the judges say of themselves.
    """
    asked: tuple[tuple[str, Callable[[RunResults], str]], ...] = (
        ("judges", lambda run: run.judge_id),
        ("benchmarks", benchmark_words),
        ("settings", lambda run: run.spec.setting),
        ("strengths", strength_words),
        ("measures of identity", identity_words),
    )
    differences = [sentence for what, seen in asked if (sentence := difference(what, seen, runs))]
    return [*judge_remarks(record for run in runs.values() for record in run.judges.values()), *differences]


def judge_remarks(records: Iterable[Mapping[str, JsonValue]]) -> list[str]:
    """A sentence for each judge whose identity has a remark."""
    found = {
        f"Judge {record.get('provider')}:{record.get('model')}: {record['remark']}."
        for record in records
        if record.get("remark")
    }
    return sorted(found)


def benchmark_words(run: Measured) -> str:
    """The benchmark's name, and the start of the hash of its content."""
    about = run.spec.benchmark
    digest = about.get("sha256")
    return str(about.get("name", "unnamed")) + (f" {str(digest)[:8]}" if digest else "")


def strength_words(run: RunResults) -> str:
    return ", ".join(f"{strength:g}" for strength in run.spec.strengths)


def identity_words(run: Measured, digits: int = 8) -> str:
    """The encoders that S_ID is the mean of, with the start of their hashes, and who found the faces."""
    if run.likeness is None:
        return "not measured"
    encoders = ", ".join(
        f"{name} {digest[:digits]}".strip() for name, digest in run.likeness.encoders.items()
    )
    return f"{encoders}; faces by {run.likeness.detector}"


def difference(what: str, seen: Callable[[R], str], runs: Mapping[str, R]) -> str | None:
    """The sentence that says who differs in `what`; None where all are `seen` to have the same."""
    found: dict[str, list[str]] = {}
    for label, run in runs.items():
        found.setdefault(seen(run), []).append(label)
    if len(found) < 2:
        return None
    parts = "; ".join(f"{', '.join(labels)}: {words}" for words, labels in found.items())
    return f"The runs have different {what}, so their numbers do not compare directly ({parts})."
