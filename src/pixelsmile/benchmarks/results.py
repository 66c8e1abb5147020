"""What a run came to: every edit with its verdict and likeness, the numbers, and what is missing and why."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import JsonValue

from pixelsmile.benchmarks.likeness_settings import LikenessSettings, likeness_settings
from pixelsmile.benchmarks.metrics import Bootstrap, JudgedEdit, MetricChoices, Summary, summarise
from pixelsmile.benchmarks.metrics.measure import count_reasons
from pixelsmile.benchmarks.opinions import Opinion, current_outcomes, opinion_of, panel_opinion
from pixelsmile.benchmarks.run_folder import EditKey, EditRecord, IdentityRecord, RunFolder, Spec
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain
from pixelsmile.judges.agreement import Agreement, agreement
from pixelsmile.judges.verdict import Outcome
from pixelsmile.store.manifests import current_code

PANEL = "panel"  # the judge_id of the mean of all judges
NOT_MADE = "not made yet"
SCHEMA_VERSION = 1

Outcomes = Mapping[str, Mapping[EditKey, Outcome]]  # by judge


@dataclass(frozen=True)
class Missing:
    """How many edits lack something, by reason. An edit that was not made counts in `not_made` alone.

    `num_neutral` edits are towards a neutral face, of which no metric of FFE-Bench speaks: they are left out.
    """

    not_made: Mapping[str, int]
    not_judged: Mapping[str, int]
    no_identity: Mapping[str, int]
    num_neutral: int


@dataclass(frozen=True)
class RunResults:
    """All that is known about one run, by one judge or by the panel of its judges.

    judge_id: whose verdicts these are; PANEL for the mean of `judges`, which has the identities of those who
    judged, by id. agreement: of a panel. likeness: with what identity was measured, None where it was not.
    edits: all of the specification in its order, each with or without a picture. by_domain: of the domains
    that the run has edits in.
    """

    folder: RunFolder
    spec: Spec
    judge_id: str
    judges: Mapping[str, Mapping[str, JsonValue]]
    agreement: Agreement | None
    likeness: LikenessSettings | None
    edits: tuple[JudgedEdit, ...]
    missing: Missing
    summary: Summary
    by_domain: Mapping[Domain, Summary]

    def as_json(self) -> dict[str, Any]:
        """The report: the full specification of the run, who measured it and how, and the numbers."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": self.spec.model_dump(mode="json"),
            "judge": self.judge_id,
            "judges": {judge_id: dict(identity) for judge_id, identity in self.judges.items()},
            "agreement": None if self.agreement is None else asdict(self.agreement),
            "likeness": None if self.likeness is None else self.likeness.model_dump(mode="json"),
            "code": current_code().model_dump(mode="json"),
            "missing": asdict(self.missing),
            "summary": self.summary.as_json(),
            "by_domain": {domain: summary.as_json() for domain, summary in self.by_domain.items()},
        }

    def to_json(self) -> bytes:
        """`as_json` as a file. The same work gives the same bytes, but for `created` and `hardware` of the
        specification."""
        text = json.dumps(self.as_json(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"


def load_results(
    folder: RunFolder,
    judge_id: str | None = None,
    choices: MetricChoices | None = None,
    bootstrap: Bootstrap | None = None,
) -> RunResults:
    """The results of the run in `folder`, as far as it has come.

    judge_id: an id or the beginning of one, or PANEL; None stands for the only judge. InputError where no
    judge, or more than one, answers to it, and where the run has nothing that the metrics are about.
    """
    spec, made, identities = folder.spec_of("ffe"), folder.edits(), folder.identities()
    judges = _chosen_judges(folder, judge_id)
    outcomes = {judge: current_outcomes(folder, judge, made) for judge in judges}
    domain_of = {(task.source, task.target): task.domain for task in spec.tasks}
    keys = [key for key in spec.edit_keys() if key[1] != NEUTRAL]
    edits = [_judged_edit(key, made.get(key), _opinion(outcomes, key), identities.get(key)) for key in keys]
    domains = {
        domain: [edit for edit in edits if domain_of[edit.sample, edit.target] == domain]
        for domain in DOMAINS
    }
    return RunResults(
        folder=folder,
        spec=spec,
        judge_id=PANEL if judge_id == PANEL else next(iter(judges)),
        judges=judges,
        agreement=_agreement(outcomes) if judge_id == PANEL else None,
        likeness=likeness_settings(folder),
        edits=tuple(edits),
        missing=_missing(edits, made, num_neutral=len(spec.edit_keys()) - len(keys)),
        summary=summarise(edits, choices, bootstrap),
        by_domain={domain: summarise(some, choices, bootstrap) for domain, some in domains.items() if some},
    )


def _chosen_judges(folder: RunFolder, judge_id: str | None) -> dict[str, dict[str, JsonValue]]:
    """The judge that is meant, or all of them for a panel."""
    found, run = folder.judges(), str(folder.path)
    if not found:
        raise InputError(f"{run!r} is not judged yet: pixelsmile bench ffe judge {run}")
    if judge_id == PANEL:
        if len(found) < 2:
            raise InputError(f"{run!r} has one judge, which is no panel: leave the judge out")
        return found
    meant = {name: record for name, record in found.items() if name.startswith(judge_id or "")}
    if judge_id in found:  # an id may begin another
        meant = {judge_id: found[judge_id]}
    if len(meant) != 1:
        what = f"{len(meant)} judges" if meant else f"no judge {judge_id!r}"
        raise InputError(f"{run!r} has {what}: choose {PANEL} (their mean) or from {', '.join(found)}")
    return meant


def _opinion(outcomes: Outcomes, key: EditKey) -> Opinion:
    said = [by_key.get(key) for by_key in outcomes.values()]
    return opinion_of(said[0]) if len(said) == 1 else panel_opinion(said)


def _judged_edit(
    key: EditKey, made: EditRecord | None, opinion: Opinion, likeness: IdentityRecord | None
) -> JudgedEdit:
    source, target, strength = key
    if made is None or made.sha256 is None:
        reason = NOT_MADE if made is None else f"the editor made none: {made.failure}"
        return JudgedEdit(source, target, strength, no_verdict=reason, no_identity=reason)
    if likeness is not None and likeness.edit_sha256 != made.sha256:
        likeness = None
    return JudgedEdit(
        sample=source,
        target=target,
        strength=strength,
        scores=opinion.scores,
        no_verdict=opinion.no_verdict,
        dominant=opinion.dominant,
        similarities={} if likeness is None else likeness.similarities,
        no_identity=None if likeness is None else likeness.no_identity,
    )


def _missing(edits: Iterable[JudgedEdit], made: Mapping[EditKey, EditRecord], num_neutral: int) -> Missing:
    there = {key for key, record in made.items() if record.sha256 is not None}
    pictures = [edit for edit in edits if edit.key in there]
    return Missing(
        not_made=count_reasons(edit.no_verdict for edit in edits if edit.key not in there),
        not_judged=count_reasons(edit.no_verdict for edit in pictures),
        no_identity=count_reasons(
            edit.identity_reason
            for edit in pictures
            if not edit.similarities or None in edit.similarities.values()
        ),
        num_neutral=num_neutral,
    )


def _agreement(outcomes: Outcomes) -> Agreement:
    return agreement(
        {
            judge: {
                f"{source}/{target}/{strength!r}": said for (source, target, strength), said in by.items()
            }
            for judge, by in outcomes.items()
        }
    )
