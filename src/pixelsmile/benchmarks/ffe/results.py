"""What a run of FFE-Bench came to: every edit with its scores, the numbers, and what is missing and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import Bootstrap, Figure, count_reasons
from pixelsmile.benchmarks.metrics.summary import Summary, summarise
from pixelsmile.benchmarks.results import Results, by_domain, chosen, further_figures
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import JudgeSettings, judge_stem, judges_of
from pixelsmile.benchmarks.scorers.scorer import scored_edits, settings_at
from pixelsmile.benchmarks.scores import (
    IDENTITY,
    VERDICT,
    ScoredEdit,
    mean_verdict,
    outcome_of,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.judges.agreement import Agreement, agreement

PANEL = "panel"  # the judge_id of the mean of all judges


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
class RunResults(Results[Missing, Summary]):
    """The results of FFE-Bench by one judge, or by the panel of the run's judges.

    judge_id: PANEL for the mean of `judges`, by id. agreement: of a panel. further_by_strength: `further`, by
    strength.
    """

    judges: Mapping[str, JudgeSettings]
    agreement: Agreement | None
    further_by_strength: Mapping[str, Mapping[float, Figure]]

    def as_json(self) -> dict[str, Any]:
        """The report, with all judges."""
        by_strength = {
            name: {f"{strength:g}": figure.as_json() for strength, figure in found.items()}
            for name, found in self.further_by_strength.items()
        }
        return {
            **super().as_json(),
            **({"scores_by_strength": by_strength} if by_strength else {}),
            "judges": {judge_id: settings.as_json() for judge_id, settings in self.judges.items()},
            "agreement": None if self.agreement is None else asdict(self.agreement),
        }


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
    stems = {judge: judge_stem(judge) for judge in judges}
    asked = scored_edits(folder, {IDENTITY: IDENTITY, **stems})
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
        further_by_strength=_by_strength(folder, edits, plan),
    )


def _by_strength(
    folder: RunFolder, edits: Sequence[ScoredEdit], plan: Bootstrap
) -> dict[str, dict[float, Figure]]:
    """The means of other scorers' values at each strength; empty for runs of one."""
    strengths = sorted({edit.strength for edit in edits})
    found: dict[str, dict[float, Figure]] = {}
    for strength in strengths if len(strengths) > 1 else ():
        some = [edit for edit in edits if edit.strength == strength]
        for name, figure in further_figures(folder, some, plan).items():
            found.setdefault(name, {})[strength] = figure
    return found


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
