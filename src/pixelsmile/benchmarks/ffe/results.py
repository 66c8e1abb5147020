"""What a run of FFE-Bench came to: every edit with its scores, the numbers, and what is missing and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import Bootstrap, Figure, count_reasons
from pixelsmile.benchmarks.metrics.summary import Summary, summarise
from pixelsmile.benchmarks.results import as_file, by_domain, chosen, further_figures
from pixelsmile.benchmarks.run_folder import RunFolder, Spec
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import JudgeSettings, judge_place, judges_of
from pixelsmile.benchmarks.scorers.outcomes import mean_verdict, outcome_of
from pixelsmile.benchmarks.scorers.scorer import scored_edits, settings_at
from pixelsmile.benchmarks.scores import IDENTITY, VERDICT, ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL, Domain
from pixelsmile.judges.agreement import Agreement, agreement
from pixelsmile.store.manifests import current_code

PANEL = "panel"  # the judge_id of the mean of all judges
SCHEMA_VERSION = 1


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

    judge_id: whose verdicts these are; PANEL for the mean of `judges`, by id. agreement: of a panel.
    identity: with what it was measured, None where it was not. edits: all of the specification in its order,
    made or not. by_domain: of the domains that the run has edits in. further: means of other scorers' values.
    """

    folder: RunFolder
    spec: Spec
    judge_id: str
    judges: Mapping[str, JudgeSettings]
    agreement: Agreement | None
    identity: IdentitySettings | None
    edits: tuple[ScoredEdit, ...]
    missing: Missing
    summary: Summary
    by_domain: Mapping[Domain, Summary]
    further: Mapping[str, Figure]

    def as_json(self) -> dict[str, Any]:
        """The report: the full specification of the run, who measured it and how, and the numbers."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": self.spec.model_dump(mode="json"),
            "judge": self.judge_id,
            "judges": {judge_id: settings.as_json() for judge_id, settings in self.judges.items()},
            "agreement": None if self.agreement is None else asdict(self.agreement),
            "likeness": None if self.identity is None else self.identity.model_dump(mode="json"),
            "code": current_code().model_dump(mode="json"),
            "missing": asdict(self.missing),
            "summary": self.summary.as_json(),
            "by_domain": {domain: summary.as_json() for domain, summary in self.by_domain.items()},
            **(
                {"scores": {name: each.as_json() for name, each in self.further.items()}}
                if self.further
                else {}
            ),
        }

    def to_json(self) -> bytes:
        """`as_json` as a file; see `as_file`."""
        return as_file(self.as_json())


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
    spec, judges = folder.spec_of("ffe"), _chosen_judges(folder, judge_id)
    places = {judge: judge_place(judge) for judge in judges}
    asked = scored_edits(folder, {IDENTITY: IDENTITY, **places})
    known = [edit for edit in asked if edit.target != NEUTRAL]
    edits = [_with_verdict(edit, list(judges)) for edit in known]
    plan = bootstrap or Bootstrap()
    return RunResults(
        folder=folder,
        spec=spec,
        judge_id=PANEL if judge_id == PANEL else next(iter(judges)),
        judges=judges,
        agreement=_agreement(known, list(judges)) if judge_id == PANEL else None,
        identity=settings_at(folder, IDENTITY, IdentitySettings),
        edits=tuple(edits),
        missing=_missing(edits, num_neutral=len(asked) - len(edits)),
        summary=summarise(edits, choices, plan),
        by_domain={domain: summarise(some, choices, plan) for domain, some in by_domain(edits).items()},
        further=further_figures(folder, edits, plan),
    )


def _chosen_judges(folder: RunFolder, judge_id: str | None) -> dict[str, JudgeSettings]:
    """The judge that is meant, or all of them for a panel."""
    found, run = judges_of(folder), str(folder.path)
    if not found:
        raise InputError(f"{run!r} is not judged yet: pixelsmile bench ffe judge {run}")
    if judge_id == PANEL:
        if len(found) < 2:
            raise InputError(f"{run!r} has one judge, which is no panel: leave the judge out")
        return found
    name = chosen(list(found), judge_id, "judge", run, f"{PANEL} (their mean) or ")
    return {name: found[name]}


def _with_verdict(edit: ScoredEdit, judges: Sequence[str]) -> ScoredEdit:
    """The edit with the verdict of the only judge, or the mean of several."""
    if len(judges) == 1 and judges[0] not in edit.scores:
        return edit
    verdicts = [edit.scores.get(judge) or edit.verdict for judge in judges]
    return edit.with_scores(**{VERDICT: verdicts[0] if len(verdicts) == 1 else mean_verdict(verdicts)})


def _missing(edits: Iterable[ScoredEdit], num_neutral: int) -> Missing:
    edits = list(edits)
    pictures = [edit for edit in edits if edit.unmade is None]
    return Missing(
        not_made=count_reasons(edit.unmade for edit in edits),
        not_judged=count_reasons(edit.verdict.unscored for edit in pictures),
        no_identity=count_reasons(edit.identity.unscored for edit in pictures),
        num_neutral=num_neutral,
    )


def _agreement(edits: Sequence[ScoredEdit], judges: Sequence[str]) -> Agreement:
    said = {
        judge: {
            str(edit.key): outcome_of(edit.scores[judge], judge) for edit in edits if judge in edit.scores
        }
        for judge in judges
    }
    return agreement(
        {judge: {key: o for key, o in by.items() if o is not None} for judge, by in said.items()}
    )
