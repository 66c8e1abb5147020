"""What to know before runs of FED-Bench are read and compared: their judges, and where they differ."""

from collections.abc import Callable, Mapping

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.report.remarks import (
    benchmark_words,
    difference,
    identity_words,
    judge_remarks,
)


def fed_remarks(runs: Mapping[str, FedResults]) -> list[str]:
    """A sentence for each thing in which the runs (by label) differ and that a comparison rests on.

    Before them, what the judges say of themselves.
    """
    asked: tuple[tuple[str, Callable[[FedResults], str]], ...] = (
        ("judges", lambda run: run.judge_id),
        ("benchmarks", benchmark_words),
        ("measures of identity", lambda run: f"{', '.join(run.identity_encoders)} of {identity_words(run)}"),
        ("measures of the background", background_words),
        ("representations of the expression", gain_words),
        ("constants", lambda run: f"normalisation {run.summary.constants.version}"),
    )
    differences = [sentence for what, seen in asked if (sentence := difference(what, seen, runs))]
    return [*judge_remarks(record for run in runs.values() for record in run.markers.values()), *differences]


def gain_words(run: FedResults) -> str:
    """In what the change of the expression is measured."""
    return "not measured" if run.representation is None else run.representation.id


def background_words(run: FedResults) -> str:
    """Who finds the face that the background is around, and what becomes of other sizes."""
    found = run.background
    if found is None:
        return "not measured"
    sizes = f"edits of another size {found.other_sizes}"
    return (
        f"faces by {found.detector} {(found.detector_sha256 or '')[:8]}, grown {found.grow:g} times; {sizes}"
    )
