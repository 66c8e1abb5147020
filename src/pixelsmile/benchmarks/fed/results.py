"""What a run of FED-Bench came to: every task with its six components, the numbers, and what is missing.

results = load_fed_results(RunFolder(Path("runs/first")))
results.summary.overall["fed_score"].estimate.value
for scored in results.edits:
    scored.score, scored.edit.components, scored.words
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from pixelsmile.benchmarks.fed.background import BackgroundSettings, background_settings
from pixelsmile.benchmarks.fed.changes import ChangeRecord, representations
from pixelsmile.benchmarks.fed.components import (
    STRENGTH,
    Parts,
    Rules,
    chosen_name,
    components_of,
    identity_encoders,
    read_parts,
)
from pixelsmile.benchmarks.fed.marking import MarkersRecord, identities_of, kept_markers
from pixelsmile.benchmarks.fed.representations import RepresentationSettings
from pixelsmile.benchmarks.likeness_settings import LikenessSettings
from pixelsmile.benchmarks.metrics.fed_score import (
    FedComponents,
    FedNormalisation,
    fed_scores,
    load_normalisation,
)
from pixelsmile.benchmarks.metrics.fed_summary import (
    COMPONENTS,
    DIMENSIONS,
    FedEdit,
    FedSummary,
    fed_summarise,
)
from pixelsmile.benchmarks.metrics.measure import Bootstrap, count_reasons
from pixelsmile.benchmarks.metrics.table import FloatArray
from pixelsmile.benchmarks.run_folder import FedTaskRecord, RunFolder, Spec
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.store.manifests import current_code

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ScoredEdit:
    """One task: what was asked, what was made, and what it is worth.

    task: has triplet, granularity, target (the class), domain and prompt. edit: the six components, or the
    reason for each that is missing; its sample is the triplet. words: what the markers said, by component
    (quality, consistency, truth_alignment). file: of the edit, in the run's folder; None where none was made.
    dimensions: fidelity, alignment and gain_factor; score: their product; None where a component lacks.
    change: the lengths behind REG; None where it was not measured.
    """

    task: FedTaskRecord
    edit: FedEdit
    words: Mapping[str, str]
    file: str | None
    dimensions: Mapping[str, float | None]
    score: float | None
    change: ChangeRecord | None

    def as_json(self) -> dict[str, Any]:
        return {
            "triplet": self.task.triplet,
            "granularity": self.task.granularity,
            "target": self.task.target,
            "domain": self.task.domain,
            "file": self.file,
            "components": dict(self.edit.components),
            "reasons": dict(self.edit.reasons),
            "words": dict(self.words),
            "dimensions": dict(self.dimensions),
            "score": self.score,
        }


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
class FedResults:
    """All that is known about one run of FED-Bench, by the marks of one judge.

    judge_id: whose marks. markers: its identities by component, each with its id. identity_encoders: those
    whose mean is ID. likeness, background, representation: with what ID, BG and REG were measured; None where
    they were not. edits: all tasks of the specification in its order, then those without an instruction.
    """

    folder: RunFolder
    spec: Spec
    judge_id: str
    markers: Mapping[str, Mapping[str, JsonValue]]
    identity_encoders: tuple[str, ...]
    likeness: LikenessSettings | None
    background: BackgroundSettings | None
    representation: RepresentationSettings | None
    edits: tuple[ScoredEdit, ...]
    missing: FedMissing
    summary: FedSummary
    by_domain: Mapping[Domain, FedSummary]

    def source_file(self, scored: ScoredEdit) -> Path:
        """The picture that the editor got."""
        return self.folder.source_file(scored.task.source)

    def truth_file(self, scored: ScoredEdit) -> Path:
        """The ground truth; it can differ from the source in size."""
        return self.folder.truth_file(scored.task.triplet)

    def as_json(self) -> dict[str, Any]:
        """The report: the specification, who measured and how, the numbers, and every task's components."""
        settings = {
            "likeness": self.likeness,
            "background": self.background,
            "representation": self.representation,
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "run": self.spec.model_dump(mode="json"),
            "judge": self.judge_id,
            "markers": {component: dict(identity) for component, identity in self.markers.items()},
            "identity_encoders": list(self.identity_encoders),
            **{
                name: None if found is None else found.model_dump(mode="json")
                for name, found in settings.items()
            },
            "code": current_code().model_dump(mode="json"),
            "missing": asdict(self.missing),
            "summary": self.summary.as_json(),
            "by_domain": {domain: summary.as_json() for domain, summary in self.by_domain.items()},
            "edits": [scored.as_json() for scored in self.edits],
        }

    def to_json(self) -> bytes:
        """`as_json` as a file. The same work gives the same bytes, but for `created` and `hardware` of the
        specification."""
        text = json.dumps(self.as_json(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"


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
    spec = folder.spec_of("fed")
    found = _chosen_markers(folder, judge_id)
    chosen = _chosen_representation(folder, representation, found.representation)
    constants = constants or load_normalisation()
    parts = read_parts(folder, found, None if chosen is None else chosen.id)
    names = identity_encoders(parts.likeness, encoders)
    rules = Rules(constants, names, None if chosen is None else chosen.kind)
    tasks = (*spec.fed_tasks, *spec.without_instruction)
    sources = _sources(folder, tasks)
    edits = tuple(_scored(task, sources[task.triplet], parts, rules) for task in tasks)
    judged = {domain: [each.edit for each in edits if each.task.domain == domain] for domain in DOMAINS}
    return FedResults(
        folder=folder,
        spec=spec,
        judge_id=found.id,
        markers=identities_of(folder, found),
        identity_encoders=names,
        likeness=parts.likeness,
        background=background_settings(folder),
        representation=chosen,
        edits=edits,
        missing=_missing(edits),
        summary=fed_summarise([each.edit for each in edits], constants, bootstrap),
        by_domain={
            domain: fed_summarise(some, constants, bootstrap) for domain, some in judged.items() if some
        },
    )


def _chosen_markers(folder: RunFolder, judge_id: str | None) -> MarkersRecord:
    kept, run = kept_markers(folder), str(folder.path)
    if not kept:
        raise InputError(f"{run!r} is not judged yet: pixelsmile bench fed judge {run}")
    return kept[chosen_name(list(kept), judge_id, "judge", run)]


def _chosen_representation(
    folder: RunFolder, wanted: str | None, judged_with: str | None
) -> RepresentationSettings | None:
    kept = representations(folder)
    if wanted is None and judged_with is not None:
        return kept.get(judged_with)  # None: the judging has not come to it yet
    if wanted is None and not kept:
        return None
    return kept[chosen_name(list(kept), wanted, "representation", str(folder.path))]


def _sources(folder: RunFolder, tasks: Sequence[FedTaskRecord]) -> dict[str, str | None]:
    """The hash of each triplet's source picture: triplets may share it. None where no task was begun."""
    found: dict[str, str | None] = {}
    for task in tasks:
        file = folder.source_file(task.source)
        if found.get(task.triplet) is None:
            found[task.triplet] = sha256_file(file) if file.is_file() else None
    return found


def _scored(task: FedTaskRecord, source: str | None, parts: Parts, rules: Rules) -> ScoredEdit:
    key = (task.source, task.target, STRENGTH)
    made = parts.edits.get(key)
    found = components_of(task, parts, rules)
    edit = FedEdit(
        sample=task.triplet,
        expression=task.target,
        granularity=task.granularity,
        components={name: None if isinstance(value, str) else value for name, value in found.items()},
        reasons={name: value for name, value in found.items() if isinstance(value, str)},
        source=source,
    )
    scores = fed_scores(FedComponents(**_numbers(edit)), rules.constants)
    dimensions = dict(zip(DIMENSIONS, (scores.fidelity, scores.alignment, scores.gain), strict=True))
    return ScoredEdit(
        task=task,
        edit=edit,
        words={name: mark.reason for name, mark in parts.marks_of(key).items()},
        file=None if made is None else made.file,
        dimensions={name: _number(value) for name, value in dimensions.items()},
        score=_number(scores.score),
        change=parts.change_of(key),
    )


def _numbers(edit: FedEdit) -> dict[str, FloatArray]:
    return {name: np.array(np.nan if value is None else value) for name, value in edit.components.items()}


def _number(value: FloatArray) -> float | None:
    return float(value) if np.isfinite(value) else None


def _missing(edits: Sequence[ScoredEdit]) -> FedMissing:
    unasked = [each for each in edits if not each.task.prompt]
    made = [each for each in edits if each.file is not None]
    unmade = [each.edit.unscored_reason() for each in edits if each.task.prompt and each.file is None]
    return FedMissing(
        no_instruction=dict(Counter(each.task.granularity for each in unasked)),
        not_made=count_reasons(unmade),
        components={
            name: found
            for name in COMPONENTS
            if (found := count_reasons(each.edit.reasons.get(name) for each in made))
        },
    )
