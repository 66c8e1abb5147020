"""The six components of an edit, from what a run's folder holds: each a number, or the reason for none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixelsmile.benchmarks.fed.background import BackgroundRecord, backgrounds
from pixelsmile.benchmarks.fed.changes import ChangeRecord, changes
from pixelsmile.benchmarks.fed.marking import MARKED, Marked, MarkersRecord
from pixelsmile.benchmarks.likeness_settings import LikenessSettings, likeness_settings
from pixelsmile.benchmarks.metrics.fed_score import FedNormalisation, gain_defined, relative_gain
from pixelsmile.benchmarks.metrics.fed_summary import COMPONENTS
from pixelsmile.benchmarks.metrics.table import NO_FACE, NOT_MEASURED
from pixelsmile.benchmarks.opinions import NOT_JUDGED, current_outcomes, mark_of
from pixelsmile.benchmarks.results import NOT_MADE
from pixelsmile.benchmarks.run_folder import EditKey, EditRecord, FedTaskRecord, IdentityRecord, RunFolder
from pixelsmile.errors import InputError
from pixelsmile.judges.verdict import Mark

STRENGTH = 1.0  # of every edit of FED-Bench
PAPERS_ENCODER = "arcface"
NO_BACKGROUND = "background not measured"
NO_CHANGE = "change of expression not measured"
NOTHING_TO_CHANGE = "source and ground truth hardly differ: REG is undefined"

Found = float | str  # a component, or why there is none


@dataclass(frozen=True)
class Rules:
    """How components are taken. encoders: those whose mean is ID. kind: of REG's representation."""

    constants: FedNormalisation
    encoders: tuple[str, ...]
    kind: str | None


@dataclass(frozen=True)
class Parts:
    """What was made, measured and marked, by edit; it may be about pictures that were made anew since."""

    edits: Mapping[EditKey, EditRecord]
    likeness: LikenessSettings | None
    identities: Mapping[EditKey, IdentityRecord]
    backgrounds: Mapping[EditKey, BackgroundRecord]
    changes: Mapping[EditKey, ChangeRecord]
    marks: Mapping[Marked, Mapping[EditKey, Mark | str]]

    def marks_of(self, key: EditKey) -> dict[Marked, Mark]:
        """Those that there are, by component."""
        found = {component: by_key.get(key) for component, by_key in self.marks.items()}
        return {component: mark for component, mark in found.items() if isinstance(mark, Mark)}

    def change_of(self, key: EditKey) -> ChangeRecord | None:
        """The change of the picture that there is now."""
        record = self.changes.get(key)
        return record if record is not None and record.edit_sha256 == self.sha256(key) else None

    def sha256(self, key: EditKey) -> str | None:
        """Of the picture that there is now."""
        return self.edits[key].sha256 if key in self.edits else None


def read_parts(folder: RunFolder, markers: MarkersRecord, representation: str | None) -> Parts:
    """All of it from the run's folder; representation: the id of what REG is measured by."""
    made = folder.edits()
    outcomes = {
        component: current_outcomes(folder, judge_id, made) for component, judge_id in markers.markers.items()
    }
    return Parts(
        edits=made,
        likeness=likeness_settings(folder),
        identities=folder.identities(),
        backgrounds=backgrounds(folder),
        changes={} if representation is None else changes(folder, representation),
        marks={
            component: {key: mark_of(outcome) for key, outcome in by_key.items()}
            for component, by_key in outcomes.items()
        },
    )


def identity_encoders(likeness: LikenessSettings | None, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Whose mean is ID: those wanted, else ArcFace as in the paper, else all that measured. InputError."""
    there = () if likeness is None else tuple(likeness.encoders)
    if wanted is None:
        return (PAPERS_ENCODER,) if PAPERS_ENCODER in there else there
    if unknown := [name for name in wanted if name not in there]:
        raise InputError(
            f"identity encoder {unknown[0]!r} measured nothing here: "
            f"{'choose from ' + ', '.join(there) if there else 'judge with --encoders first'}"
        )
    return tuple(dict.fromkeys(wanted))


def components_of(task: FedTaskRecord, parts: Parts, rules: Rules) -> dict[str, Found]:
    """The six of a task, by COMPONENTS."""
    key = (task.source, task.target, STRENGTH)
    if (unmade := _why_unmade(task, parts.edits.get(key))) is not None:
        return dict.fromkeys(COMPONENTS, unmade)
    found: dict[str, Found] = {
        "identity": _identity(key, parts, rules),
        "background": _background(key, parts),
        "gain": _gain(parts.change_of(key), rules),
    }
    for component in MARKED:
        mark = parts.marks[component].get(key, NOT_JUDGED)
        found[component] = mark if isinstance(mark, str) else mark.mark
    return {name: found[name] for name in COMPONENTS}


def _why_unmade(task: FedTaskRecord, made: EditRecord | None) -> str | None:
    if not task.prompt:
        return f"the benchmark has no {task.granularity} instruction"
    if made is None:
        return NOT_MADE
    return None if made.sha256 is not None else f"the editor made none: {made.failure}"


def _identity(key: EditKey, parts: Parts, rules: Rules) -> Found:
    record = parts.identities.get(key)
    if record is None or record.edit_sha256 != parts.sha256(key) or not rules.encoders:
        return NOT_MEASURED
    cosines = [record.similarities.get(name) for name in rules.encoders]
    known = [cosine for cosine in cosines if cosine is not None]
    if len(known) < len(cosines):
        return record.no_identity or NO_FACE
    return float(np.mean(known))


def _background(key: EditKey, parts: Parts) -> Found:
    record = parts.backgrounds.get(key)
    if record is None or record.edit_sha256 != parts.sha256(key):
        return NO_BACKGROUND
    return record.rmse if record.rmse is not None else record.no_background or NO_BACKGROUND


def _gain(record: ChangeRecord | None, rules: Rules) -> Found:
    if record is None or rules.kind is None:
        return NO_CHANGE
    if record.change is None or record.expected is None:
        return record.no_change or NO_CHANGE
    constants = rules.constants.of_representation(rules.kind)
    if constants is None:
        return f"normalisation {rules.constants.version} has no least change by {rules.kind}"
    if not gain_defined(record.expected, constants):
        return NOTHING_TO_CHANGE
    return float(relative_gain(record.change, record.expected, constants))


def chosen_name(known: Sequence[str], wanted: str | None, what: str, run: str) -> str:
    """The one of `known` that is `wanted`, or begins with it; None: the only one. InputError otherwise."""
    if wanted is not None and wanted in known:  # one may begin another
        return wanted
    meant = [name for name in known if name.startswith(wanted or "")]
    if len(meant) != 1:
        seen = f"{len(meant)} {what}s" if meant else f"no {what} {wanted!r}"
        raise InputError(f"{run!r} has {seen}: choose from {', '.join(known)}")
    return meant[0]
