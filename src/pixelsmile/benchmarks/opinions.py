"""What the judges of a run said of each edit that is in its folder now."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixelsmile.benchmarks.run_folder import EditKey, EditRecord, OutcomeRecord, RunFolder
from pixelsmile.errors import InputError, one_line
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.judges.verdict import Mark, NoVerdict, Outcome, Reason, Verdict, outcome_from_json

NOT_JUDGED = "not judged yet"
_MAX_EXAMPLE = 160  # characters

# A detail names a file or a server: what is counted is the kind of reason.
_NO_VERDICT: Mapping[Reason, str] = {
    "malformed": "the judge's answers were malformed",
    "empty": "the judge gave no answer",
    "refused": "the judge refused",
    "unreachable": "the judge could not be reached",
    "unreadable": "the judge could not read the picture",
    "unsuited": "the judge does not know such pictures",
}


@dataclass(frozen=True)
class Opinion:
    """Scores and dominant expression of one edit, or why there are none: the parts of a JudgedEdit."""

    scores: Mapping[str, float] | None
    dominant: str | None
    no_verdict: str | None


def current_outcomes(
    folder: RunFolder, judge_id: str, edits: Mapping[EditKey, EditRecord]
) -> dict[EditKey, Outcome]:
    """What that judge said of the pictures that `edits` name; what it said of older ones is left out.

    InputError where the file holds something that is no outcome.
    """
    return {
        key: _outcome(folder, judge_id, record)
        for key, record in folder.outcomes(judge_id).items()
        if key in edits and edits[key].sha256 == record.edit_sha256
    }


def opinion_of(outcome: Outcome | None) -> Opinion:
    """The opinion of one judge; None is an edit that it was not asked about."""
    match outcome:
        case Verdict():
            return Opinion(outcome.scores, outcome.dominant, None)
        case NoVerdict():
            return Opinion(None, None, _NO_VERDICT[outcome.reason])
        case Mark() | None:  # a mark is for something else than the expressions
            return Opinion(None, None, NOT_JUDGED)


def mark_of(outcome: Outcome | None) -> Mark | str:
    """The mark of one judge, or why there is none; None is an edit that it was not asked about."""
    match outcome:
        case Mark():
            return outcome
        case NoVerdict():
            return _NO_VERDICT[outcome.reason]
        case Verdict() | None:
            return NOT_JUDGED


def examples_of(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """For each reason why there is no verdict what was said of the first such question."""
    examples: dict[str, str] = {}
    for outcome in outcomes:
        if isinstance(outcome, NoVerdict) and outcome.detail:
            examples.setdefault(_NO_VERDICT[outcome.reason], one_line(outcome.detail, _MAX_EXAMPLE))
    return examples


def panel_opinion(outcomes: Sequence[Outcome | None]) -> Opinion:
    """The mean of several judges' scores, and the dominant expression that most of them name, if one leads.

    An edit that one of them has not scored has none: means over different judges could not be compared.
    """
    opinions = [opinion_of(outcome) for outcome in outcomes]
    for opinion in opinions:
        if opinion.scores is None:
            return opinion
    scores = {
        name: float(np.mean([opinion.scores[name] for opinion in opinions if opinion.scores]))
        for name in EXPRESSIONS
    }
    named = Counter(opinion.dominant for opinion in opinions).most_common(2)
    leads = len(named) == 1 or named[0][1] > named[1][1]
    return Opinion(scores, named[0][0] if leads else None, None)


def _outcome(folder: RunFolder, judge_id: str, record: OutcomeRecord) -> Outcome:
    try:
        return outcome_from_json(json.dumps(record.outcome))
    except ValueError as error:
        raise InputError(
            f"{str(folder.outcomes_file(judge_id))!r} holds no outcome for {record.source}/{record.target} "
            f"at {record.strength:g}: take the line out, and judge again"
        ) from error
