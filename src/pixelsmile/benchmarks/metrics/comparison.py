"""Two editors on the same samples: the differences of their metrics, with paired intervals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pixelsmile.benchmarks.metrics.bootstrap import Bootstrap, Estimate, estimate
from pixelsmile.benchmarks.metrics.catalogue import measures
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import Coverage, Measure, difference, in_common
from pixelsmile.benchmarks.metrics.samples import NO_FACE, JudgedEdit
from pixelsmile.benchmarks.metrics.table import EditTable, tabulate
from pixelsmile.errors import InputError

ONLY_OTHER = "no verdict for the other editor's edit"
ONLY_OTHER_IDENTITY = "no identity for the other editor's edit"
_MAX_NAMED = 3


@dataclass(frozen=True)
class Difference:
    """A metric of both editors on the edits that both have scored, and a - b with its paired interval."""

    a: float | None
    b: float | None
    difference: Estimate
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.difference.as_json(),
            **self.coverage.as_json(),
        }


@dataclass(frozen=True)
class Comparison:
    """Every metric of METRICS, a against b."""

    choices: MetricChoices
    bootstrap: Bootstrap
    num_samples: int
    differences: Mapping[str, Difference]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "choices": self.choices.as_json(),
            "bootstrap": self.bootstrap.as_json(),
            "n_samples": self.num_samples,
            "differences": {name: found.as_json() for name, found in self.differences.items()},
        }


def compare(
    a: Iterable[JudgedEdit],
    b: Iterable[JudgedEdit],
    choices: MetricChoices | None = None,
    bootstrap: Bootstrap | None = None,
) -> Comparison:
    """The metrics of `a` minus those of `b`, samples drawn together for both.

    An edit without verdict (or identity) in one is left out in both, and so is what has no value in one, as
    the linearity of a sweep whose scores are all the same: neither gains by silence.
    InputError where the samples, targets or strengths are not the same.
    """
    choices, plan = choices or MetricChoices(), bootstrap or Bootstrap()
    table_a, table_b = tabulate(a), tabulate(b)
    _require_same_jobs(table_a, table_b)
    pairs = list(zip(table_a.edits, table_b.edits, strict=True))
    found_a = measures(tabulate(_in_common(edit, other, choices) for edit, other in pairs), choices)
    found_b = measures(tabulate(_in_common(edit, other, choices) for other, edit in pairs), choices)
    weights_RS = plan.draw(table_a.num_samples)
    differences = {}
    for name in found_a:
        one, other = in_common(found_a[name], found_b[name])
        gap = estimate(difference(one, other), plan, weights_RS)
        differences[name] = Difference(_known(one), _known(other), gap, one.coverage)
    return Comparison(choices, plan, table_a.num_samples, differences)


def _in_common(edit: JudgedEdit, other: JudgedEdit, choices: MetricChoices) -> JudgedEdit:
    """`edit` without what `other` lacks."""
    if edit.scores is not None and other.scores is None:
        edit = replace(edit, scores=None, dominant=None, no_verdict=ONLY_OTHER)
    if choices.missing_faces == "zero" and other.no_identity == NO_FACE:
        return edit  # the other's is known: it is 0
    kept = {
        name: cosine if other.similarities.get(name) is not None else None
        for name, cosine in edit.similarities.items()
    }
    if kept != dict(edit.similarities):
        edit = replace(edit, similarities=kept, no_identity=edit.no_identity or ONLY_OTHER_IDENTITY)
    return edit


def _require_same_jobs(a: EditTable, b: EditTable) -> None:
    keys_a, keys_b = {edit.key for edit in a.edits}, {edit.key for edit in b.edits}
    if odd := sorted(keys_a ^ keys_b):
        named = ", ".join(
            f"{sample} {target} at {strength:g}" for sample, target, strength in odd[:_MAX_NAMED]
        )
        raise InputError(
            f"{len(odd)} edits are of one editor alone ({named}{', …' if len(odd) > _MAX_NAMED else ''}): "
            "compare editors on the same samples, targets and strengths"
        )
    if a.encoders != b.encoders:
        raise InputError(
            f"identity was measured with {', '.join(a.encoders) or 'nothing'} and with "
            f"{', '.join(b.encoders) or 'nothing'}: measure both alike"
        )


def _known(measure: Measure) -> float | None:
    value = measure.value()
    return None if value != value else value
