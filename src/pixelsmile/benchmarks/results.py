"""What the results of both benchmarks have in common."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pixelsmile.benchmarks.metrics.measure import Bootstrap, Figure, mean_figure
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.scorer import other_places
from pixelsmile.benchmarks.scores import ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain


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
    for scorer in other_places(folder):
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
