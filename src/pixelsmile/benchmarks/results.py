"""What the results of both benchmarks have in common."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from pixelsmile.benchmarks.metrics.measure import Bootstrap, Figure, mean_figure
from pixelsmile.benchmarks.run_folder import RunFolder, Spec
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.scorer import other_stems
from pixelsmile.benchmarks.scores import ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.store.manifests import current_code

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


SCHEMA_VERSION = 1

M = TypeVar("M", bound="DataclassInstance")  # what is missing
S = TypeVar("S", bound="_Summary")


class _Summary(Protocol):
    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Results(Generic[M, S]):
    """All that is known about one run, by one judge.

    judge_id: whose verdicts or marks these are. identity: with what it was measured, None where it was not.
    edits: all that were asked for, in the order of the specification, made or not. by_domain: of the domains
    that the run has edits in. further: means of other scorers' values, by `scorer/value`.
    """

    folder: RunFolder
    spec: Spec
    judge_id: str
    identity: IdentitySettings | None
    edits: tuple[ScoredEdit, ...]
    missing: M
    summary: S
    by_domain: Mapping[Domain, S]
    further: Mapping[str, Figure]

    def as_json(self) -> dict[str, Any]:
        """The report: the full specification of the run, who measured it and how, and the numbers."""
        record = {
            "schema_version": SCHEMA_VERSION,
            "run": self.spec.model_dump(mode="json"),
            "judge": self.judge_id,
            "likeness": None if self.identity is None else self.identity.model_dump(mode="json"),
            "code": current_code().model_dump(mode="json"),
            "missing": asdict(self.missing),
            "summary": self.summary.as_json(),
            "by_domain": {domain: summary.as_json() for domain, summary in self.by_domain.items()},
        }
        if self.further:
            record["scores"] = {name: figure.as_json() for name, figure in self.further.items()}
        return record

    def to_json(self) -> bytes:
        """`as_json` as a file; see `as_file`."""
        return as_file(self.as_json())


def by_domain(edits: Sequence[ScoredEdit]) -> dict[Domain, list[ScoredEdit]]:
    """The edits of each domain that has any."""
    found = {domain: [edit for edit in edits if edit.task.domain == domain] for domain in DOMAINS}
    return {domain: some for domain, some in found.items() if some}


def further_figures(folder: RunFolder, edits: Sequence[ScoredEdit], plan: Bootstrap) -> dict[str, Figure]:
    """The mean of each value of the scorers that no benchmark asks for, by `scorer/value`."""
    drawn = [edit.drawn_with for edit in edits]
    places = {name: place for place, name in enumerate(dict.fromkeys(drawn))}
    sample_E = np.array([places[name] for name in drawn], dtype=np.int64)
    weights_RS, found = plan.draw(len(places)), {}
    for scorer in other_stems(folder):
        scores = [edit.score(scorer) for edit in edits]
        for name in dict.fromkeys(name for score in scores for name in score.values):
            values = [score.values.get(name) for score in scores]
            values_E = np.array([np.nan if value is None else value for value in values])
            reasons = (score.unscored for score in scores)
            found[f"{scorer}/{name}"] = mean_figure(values_E, sample_E, reasons, plan, weights_RS)
    return found


def chosen(known: Sequence[str], wanted: str | None, what: str, run: str, else_: str = "") -> str:
    """The one of `known` that is `wanted`, or begins with it; None: the only one. InputError otherwise."""
    if wanted is not None and wanted in known:  # one may begin another
        return wanted
    meant = [name for name in known if name.startswith(wanted or "")]
    if len(meant) != 1:
        seen = f"{len(meant)} {what}s" if meant else f"no {what} {wanted!r}"
        raise InputError(f"{run!r} has {seen}: choose {else_}from {', '.join(known)}")
    return meant[0]


def as_file(record: Mapping[str, Any]) -> bytes:
    """A report as a file. The same work gives the same bytes, but for `created` and `hardware` of the run."""
    text = json.dumps(record, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"
