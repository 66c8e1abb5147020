"""Two runs of FED-Bench on the tasks that both have done, paired: what is better, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.metrics.measure import (
    ONLY_OTHER_VALUE,
    Bootstrap,
    coverage,
    difference,
    estimate,
    mean_measure,
    p_value,
)
from pixelsmile.benchmarks.metrics.summary import Difference
from pixelsmile.benchmarks.metrics.table import FloatArray, IntArray
from pixelsmile.benchmarks.report.tables import (
    FED_COLUMNS,
    UNKNOWN,
    Column,
    format_interval,
    format_number,
    level_words,
    table_lines,
)
from pixelsmile.benchmarks.scores import Score, ScoredEdit
from pixelsmile.errors import InputError

ALL = "all"


@dataclass(frozen=True)
class FedComparison:
    """a - b by `ALL` or granularity, then by the name of FED_COLUMNS, on the edits that both have scored."""

    bootstrap: Bootstrap
    num_samples: int
    differences: Mapping[str, Mapping[str, Difference]]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "bootstrap": self.bootstrap.as_json(),
            "n_samples": self.num_samples,
            "differences": {
                part: {name: each.as_json() for name, each in found.items()}
                for part, found in self.differences.items()
            },
        }


def compare_fed_runs(
    a: FedResults, b: FedResults, bootstrap: Bootstrap | None = None
) -> tuple[FedComparison, list[str]]:
    """The means of `a` minus those of `b` on the tasks that both runs have, of the same source pictures.

    And a sentence on those that are left out. What was made from one source is drawn together. InputError
    where they were judged or measured differently, or nothing is common.
    """
    _require_same_measures(a, b)
    others = {edit.key: edit for edit in b.edits}
    pairs = [
        (edit, others[edit.key])
        for edit in a.edits
        if edit.key in others and edit.source_sha256 == others[edit.key].source_sha256 is not None
    ]
    if not pairs:
        raise InputError("the runs share no task: run both editors on the same triplets")
    remarks = []
    if len(pairs) < max(len(a.edits), len(b.edits)):
        counts = f"{len(a.edits)} and {len(b.edits)}"
        remarks.append(f"{len(pairs)} tasks are in both runs, of {counts}: the others are left out")
    plan, parts = bootstrap or Bootstrap(), sorted({edit.granularity for edit, _ in pairs})
    chosen = {part: [pair for pair in pairs if part in (ALL, pair[0].granularity)] for part in (ALL, *parts)}
    found = {part: _differences(some, plan) for part, some in chosen.items() if part == ALL or len(parts) > 1}
    return FedComparison(plan, len({edit.sample for edit, _ in pairs}), found), remarks


def fed_comparison_lines(found: FedComparison) -> list[str]:
    """A table for each part: both means, their difference with its interval, and who is better."""
    lines: list[str] = []
    for part, differences in found.differences.items():
        rows = [_row(column, differences[column.name]) for column in FED_COLUMNS]
        header = (part, "A", "B", "A - B", level_words(found.bootstrap), "scored", "unscored", "better")
        lines += ["", *table_lines(header, rows)]
    return lines[1:]


def _require_same_measures(a: FedResults, b: FedResults) -> None:
    for what, one, other in (
        ("judges", a.judge_id, b.judge_id),
        ("encoders", a.identity_encoders, b.identity_encoders),
        ("detectors", a.identity, b.identity),
        ("backgrounds", a.background, b.background),
        ("representations", a.representation, b.representation),
    ):
        if one != other:
            raise InputError(
                f"the runs have different {what}: judge both alike (pixelsmile bench fed judge), then compare"
            )


def _differences(pairs: Sequence[tuple[ScoredEdit, ScoredEdit]], plan: Bootstrap) -> dict[str, Difference]:
    sources = [edit.drawn_with for edit, _ in pairs]
    places = {name: place for place, name in enumerate(dict.fromkeys(sources))}
    sample_E = np.array([places[source] for source in sources], dtype=np.int64)
    weights_RS = plan.draw(len(places))
    return {
        column.name: _difference(
            [(edit.score(column.name), other.score(column.name)) for edit, other in pairs],
            sample_E,
            plan,
            weights_RS,
        )
        for column in FED_COLUMNS
    }


def _difference(
    scores: Sequence[tuple[Score, Score]], sample_E: IntArray, plan: Bootstrap, weights_RS: FloatArray
) -> Difference:
    known = [(one.value, other.value) for one, other in scores]
    both_E = np.array([None not in pair for pair in known])
    lost = [
        one.unscored or ONLY_OTHER_VALUE for (one, _), both in zip(scores, both_E, strict=True) if not both
    ]
    rests_on = coverage("edits", sample_E, both_E, lost)
    values_E2 = np.where(both_E[:, None], np.array(known, dtype=np.float64), np.nan)
    one, other = (mean_measure(values_E, sample_E, weights_RS.shape[1], rests_on) for values_E in values_E2.T)
    gap = difference(one, other)
    a, b = (None if np.isnan(mean.value()) else mean.value() for mean in (one, other))
    found = estimate(gap, plan, weights_RS), rests_on, p_value(gap, plan, weights_RS)
    return Difference(a, b, *found)


def _row(column: Column, each: Difference) -> tuple[str, ...]:
    gap, rests_on = each.difference, each.coverage
    better = ""
    if gap.low is not None and gap.high is not None and not gap.low <= 0 <= gap.high and column.better:
        better = "A" if (gap.low > 0) == (column.better == "higher") else "B"
    return (
        column.label,
        format_number(each.a),
        format_number(each.b),
        UNKNOWN if gap.value is None else f"{gap.value:+.3f}",
        format_interval(gap),
        f"{rests_on.num_scored} edits",
        str(sum(rests_on.unscored.values())),
        better,
    )
