"""Lines of scores as they were before all scorers wrote alike: each kind had keys of its own."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pixelsmile.benchmarks.scorers.outcomes import score_of
from pixelsmile.judges.verdict import outcome_from_json

_PICTURE = ("source", "target", "strength", "edit_sha256")


def as_score(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line in the present form; one of no known kind is left as it is. ValueError for no outcome."""
    kind = next((key for key in _KINDS if key in line), None)
    if kind is None:
        return dict(line)
    return {**{key: line[key] for key in _PICTURE if key in line}, "score": _KINDS[kind](line)}


def _identity(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": line["similarities"], "unscored": line.get("no_identity")}


def _background(line: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: line.get(name) for name in ("rmse", "share")}
    return {"values": values, "unscored": line.get("no_background")}


def _change(line: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: line.get(name) for name in ("change", "expected")}
    return {"values": values, "unscored": line.get("no_change"), "metadata": {"seen": line.get("seen", {})}}


def _similarity(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": line["values"], "unscored": line["no_values"]}


def _outcome(line: Mapping[str, Any]) -> dict[str, Any]:
    return score_of(outcome_from_json(json.dumps(line["outcome"]))).model_dump()


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "similarities": _identity,
    "rmse": _background,
    "change": _change,
    "no_values": _similarity,
    "outcome": _outcome,
}
