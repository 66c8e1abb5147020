"""What a run of FED-Bench came to: every task with its six components, the numbers, and what is missing.

results = load_fed_results(RunFolder(Path("runs/first")))
results.summary.overall["fed_score"].estimate.value
for edit in results.edits:
    edit.score("fed_score").value, edit.score("gain").unscored, edit.score("quality").explanation
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import JsonValue

from pixelsmile.benchmarks.metrics.fed_score import (
    COMPONENTS,
    DIMENSIONS,
    SCORE,
    FedNormalisation,
    FedSummary,
    fed_summarise,
    gain_defined,
    load_normalisation,
    relative_gain,
    with_fed_scores,
)
from pixelsmile.benchmarks.metrics.measure import Bootstrap, count_reasons
from pixelsmile.benchmarks.results import Results, by_domain, chosen, further_figures
from pixelsmile.benchmarks.run_folder import RunFolder, TaskRecord
from pixelsmile.benchmarks.scorers.background import BackgroundSettings
from pixelsmile.benchmarks.scorers.change import change_stem, representations_of
from pixelsmile.benchmarks.scorers.drawn import DamageSettings
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import MarkersRecord, judge_stem, kept_markers
from pixelsmile.benchmarks.scorers.representations import RepresentationSettings
from pixelsmile.benchmarks.scorers.scorer import scored_edits, settings_at
from pixelsmile.benchmarks.scores import (
    BACKGROUND,
    CHANGE,
    DAMAGE,
    IDENTITY,
    MARK,
    MARKS,
    NO_CHANGE,
    NO_DAMAGE,
    NO_FACE,
    NOT_MEASURED,
    Score,
    ScoredEdit,
)
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_file

PAPERS_ENCODER = "arcface"
EMBEDDED_JUDGE = "embedded"  # the provider of its identity
NOTHING_TO_CHANGE = "source and ground truth hardly differ: REG is undefined"


@dataclass(frozen=True)
class FedMissing:
    """How many tasks lack something, by reason.

    no_instruction: that could not be asked, by granularity. not_made: that have no edit. components: of the
    edits that were made, by component and reason.
    """

    no_instruction: Mapping[str, int]
    not_made: Mapping[str, int]
    components: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class FedResults(Results[FedMissing, FedSummary]):
    """The results of FED-Bench by the marks of one judge.

    markers: its identities by component, each with its id. identity_encoders: those whose mean is ID.
    background, representation: with what BG and REG were measured; None where they were not. edits: those
    without an instruction come last; each has a score for every one of COMPONENTS, DIMENSIONS and SCORE.
    damage: how it was measured where PQ is the lower of the judge's mark and that of damage; None where PQ is
    the judge's mark.
    """

    markers: Mapping[str, Mapping[str, JsonValue]]
    identity_encoders: tuple[str, ...]
    background: BackgroundSettings | None
    representation: RepresentationSettings | None
    damage: DamageSettings | None = None

    def as_json(self) -> dict[str, Any]:
        """The report, with all markers and every task's components."""
        settings = {
            "background": self.background,
            "representation": self.representation,
            "damage": self.damage,
        }
        return {
            **super().as_json(),
            "markers": {component: dict(identity) for component, identity in self.markers.items()},
            "identity_encoders": list(self.identity_encoders),
            **{
                name: None if found is None else found.model_dump(mode="json")
                for name, found in settings.items()
            },
            "edits": [_as_json(edit) for edit in self.edits],
        }


def load_fed_results(
    folder: RunFolder,
    judge_id: str | None = None,
    representation: str | None = None,
    *,
    encoders: Sequence[str] | None = None,
    constants: FedNormalisation | None = None,
    bootstrap: Bootstrap | None = None,
) -> FedResults:
    """The results of the run in `folder`, as far as it has come.

    judge_id: an id or the beginning of one; None stands for the only judge. representation: likewise of
    RUN/changes (None: the one that was measured with that judge). encoders: whose mean is ID (None: arcface
    where it measured, as the paper, else all). InputError where none or several answer to a name.
    """
    spec, markers = folder.spec_of("fed"), _chosen_markers(folder, judge_id)
    measure = _chosen_representation(folder, representation, markers.representation)
    constants, plan = constants or load_normalisation(), bootstrap or Bootstrap()
    identity = settings_at(folder, IDENTITY, IdentitySettings)
    names = identity_encoders(identity, encoders)
    edits = fed_edits(folder, markers, measure, names, constants)
    return FedResults(
        folder=folder,
        spec=spec,
        judge_id=markers.id,
        markers=markers.judges(folder),
        identity_encoders=names,
        identity=identity,
        background=settings_at(folder, BACKGROUND, BackgroundSettings),
        representation=measure,
        damage=_damage_settings(folder, markers),
        edits=edits,
        missing=_missing(edits),
        summary=fed_summarise(edits, constants, plan),
        by_domain={domain: fed_summarise(some, constants, plan) for domain, some in by_domain(edits).items()},
        further=further_figures(folder, edits, plan),
    )


def fed_edits(
    folder: RunFolder,
    markers: MarkersRecord,
    representation: RepresentationSettings | None,
    encoders: Sequence[str],
    constants: FedNormalisation,
) -> tuple[ScoredEdit, ...]:
    """Every task of the run with a score for each of COMPONENTS, DIMENSIONS and SCORE.

    representation: what REG is measured by, None where it is not. encoders: those whose mean is ID.
    """
    stems: dict[str, str] = {component: judge_stem(judge) for component, judge in markers.markers.items()}
    stems |= {IDENTITY: IDENTITY, BACKGROUND: BACKGROUND}
    if representation is not None:
        stems[CHANGE] = change_stem(representation.id)
    spec = folder.spec()
    unasked = [
        ScoredEdit(task, unmade=f"the benchmark has no {task.granularity} instruction")
        for task in spec.without_instruction
    ]
    edits = [*scored_edits(folder, stems), *unasked]
    sources = _source_hashes(folder, (*spec.tasks, *spec.without_instruction))
    kind = None if representation is None else representation.kind
    if _damage_settings(folder, markers) is not None:
        edits = [edit.with_scores(quality=_quality(edit)) for edit in edits]
    return with_fed_scores(
        [_with_components(edit, encoders, kind, constants, sources[edit.sample]) for edit in edits], constants
    )


def identity_encoders(identity: IdentitySettings | None, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Whose mean is ID: those wanted, else ArcFace as in the paper, else all that measured. InputError."""
    there = () if identity is None else tuple(identity.encoders)
    if wanted is None:
        return (PAPERS_ENCODER,) if PAPERS_ENCODER in there else there
    if unknown := [name for name in wanted if name not in there]:
        raise InputError(
            f"identity encoder {unknown[0]!r} measured nothing here: "
            f"{'choose from ' + ', '.join(there) if there else 'judge with --encoders first'}"
        )
    return tuple(dict.fromkeys(wanted))


def _with_components(
    edit: ScoredEdit,
    encoders: Sequence[str],
    kind: str | None,
    constants: FedNormalisation,
    source_sha256: str | None,
) -> ScoredEdit:
    components = {
        "identity": _identity(edit, encoders),
        "background": edit.score(BACKGROUND),
        **{component: edit.score(component) for component in MARKS},
        "gain": _gain(edit, kind, constants),
    }
    return replace(edit, scores={**edit.scores, **components}, source_sha256=source_sha256)


def _damage_settings(folder: RunFolder, markers: MarkersRecord) -> DamageSettings | None:
    """How damage was measured, where it is a part of PQ: beside the embedded judge, which cannot see it."""
    if markers.judges(folder)["quality"].get("provider") != EMBEDDED_JUDGE:
        return None
    return settings_at(folder, f"scores/{DAMAGE}", DamageSettings)


def _quality(edit: ScoredEdit) -> Score:
    """PQ: the lower of the judge's mark and that of damage; unscored where one lacks."""
    judged, damage = edit.score(MARKS[0]), edit.scores.get(DAMAGE)
    if judged.unscored is not None:
        return judged
    if damage is None or damage.unscored is not None:
        return Score(unscored=NO_DAMAGE if damage is None else damage.unscored)
    mark = damage.values.get("mark")
    if mark is None or judged.value is None or judged.value <= mark:
        return judged
    return judged.model_copy(update={"values": {MARK: mark}, "explanation": damage.explanation})


def _identity(edit: ScoredEdit, encoders: Sequence[str]) -> Score:
    found = edit.identity
    if edit.unmade or not found.values or not encoders:
        return found if found.unscored else Score(unscored=NOT_MEASURED)
    cosines = [found.values.get(name) for name in encoders]
    known = [cosine for cosine in cosines if cosine is not None]
    if len(known) < len(cosines):
        return Score(unscored=found.unscored or NO_FACE)
    return Score(values={"identity": float(np.mean(known))})


def _gain(edit: ScoredEdit, kind: str | None, constants: FedNormalisation) -> Score:
    found = edit.score(CHANGE)
    change, expected = found.values.get("change"), found.values.get("expected")
    if edit.unmade or kind is None or change is None or expected is None:
        return Score(unscored=found.unscored or NO_CHANGE, explanation=found.explanation)
    own = constants.of_representation(kind)
    if own is None:
        return Score(unscored=f"normalisation {constants.version} has no least change by {kind}")
    if not gain_defined(expected, own):
        return Score(unscored=NOTHING_TO_CHANGE)
    return Score(values={"gain": float(relative_gain(change, expected, own))})


def _chosen_markers(folder: RunFolder, judge_id: str | None) -> MarkersRecord:
    kept, run = kept_markers(folder), str(folder.path)
    if not kept:
        raise InputError(f"{run!r} is not judged yet: pixelsmile bench fed judge {run}")
    return kept[chosen(list(kept), judge_id, "judge", run)]


def _chosen_representation(
    folder: RunFolder, wanted: str | None, judged_with: str | None
) -> RepresentationSettings | None:
    kept = representations_of(folder)
    if wanted is None and judged_with is not None:
        return kept.get(judged_with)  # None: the judging has not come to it yet
    if wanted is None and not kept:
        return None
    return kept[chosen(list(kept), wanted, "representation", str(folder.path))]


def _source_hashes(folder: RunFolder, tasks: Sequence[TaskRecord]) -> dict[str, str | None]:
    """The hash of each triplet's source picture: triplets may share it. None where no task was begun."""
    found: dict[str, str | None] = {}
    for task in tasks:
        file = folder.source_file(task.source)
        if found.get(task.sample) is None:
            found[task.sample] = sha256_file(file) if file.is_file() else None
    return found


def _missing(edits: Sequence[ScoredEdit]) -> FedMissing:
    made = [edit for edit in edits if edit.unmade is None]
    asked = [edit for edit in edits if edit.task.prompt]
    return FedMissing(
        no_instruction=dict(Counter(edit.granularity for edit in edits if not edit.task.prompt)),
        not_made=count_reasons(edit.unmade for edit in asked),
        components={
            name: found
            for name in COMPONENTS
            if (found := count_reasons(edit.score(name).unscored for edit in made))
        },
    )


def _as_json(edit: ScoredEdit) -> dict[str, Any]:
    reasons = {name: edit.score(name).unscored for name in COMPONENTS}
    words = {name: edit.score(name) for name in MARKS}
    return {
        "triplet": edit.sample,
        "granularity": edit.granularity,
        "target": edit.target,
        "domain": edit.task.domain,
        "file": edit.file,
        "components": {name: edit.score(name).value for name in COMPONENTS},
        "reasons": {name: why for name, why in reasons.items() if why is not None},
        "words": {name: score.explanation for name, score in words.items() if score.unscored is None},
        "dimensions": {name: edit.score(name).value for name in DIMENSIONS},
        "score": edit.score(SCORE).value,
    }
