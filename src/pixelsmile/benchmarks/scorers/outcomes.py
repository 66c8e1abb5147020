"""What judges say, as scores: a verdict has twelve values, a mark has one, and "no verdict" has a reason."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import JsonValue

from pixelsmile.benchmarks.scores import Score
from pixelsmile.errors import one_line
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.judges.verdict import Mark, NoVerdict, Outcome, Reason, Verdict

MARK = "mark"  # the one value of a mark
_MAX_EXAMPLE = 160  # characters

# A detail names a file or a server: what is counted is the kind of reason.
_UNSCORED: Mapping[Reason, str] = {
    "malformed": "the judge's answers were malformed",
    "empty": "the judge gave no answer",
    "refused": "the judge refused",
    "unreachable": "the judge could not be reached",
    "unreadable": "the judge could not read the picture",
    "unsuited": "the judge does not know such pictures",
}


def score_of(outcome: Outcome) -> Score:
    """The outcome as a score; its answers as they came are the `transcript` of the metadata."""
    metadata: dict[str, JsonValue] = {"transcript": [*outcome.transcript]}
    match outcome:
        case Verdict():
            return Score(values=outcome.scores, answer=outcome.dominant, metadata=metadata)
        case Mark():
            return Score(values={MARK: outcome.mark}, explanation=outcome.reason, metadata=metadata)
        case NoVerdict():
            return Score(
                unscored=_UNSCORED[outcome.reason],
                explanation=outcome.detail,
                metadata={**metadata, "reason": outcome.reason},
            )


def outcome_of(score: Score, judge: str) -> Outcome | None:
    """The verdict, or the lack of one, that a score was made of, without its transcript; None for a mark."""
    if score.unscored is not None:
        reasons: list[Reason] = [reason for reason, words in _UNSCORED.items() if words == score.unscored]
        return NoVerdict(judge, reasons[0] if reasons else "empty", score.explanation)
    if score.answer is None:
        return None
    return Verdict(judge, {name: value or 0.0 for name, value in score.values.items()}, score.answer)


def transcript(score: Score) -> tuple[str, ...]:
    """Every answer of the judge as it came, in order."""
    found = score.metadata.get("transcript")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def examples_of(scores: Iterable[Score]) -> dict[str, str]:
    """For each reason why there is no score what was said of the first such edit."""
    examples: dict[str, str] = {}
    for score in scores:
        if score.unscored and score.explanation:
            examples.setdefault(score.unscored, one_line(score.explanation, _MAX_EXAMPLE))
    return examples


def mean_verdict(verdicts: Sequence[Score]) -> Score:
    """The mean of several judges' scores, and the dominant expression that most of them name, if one leads.

    An edit that one of them has not scored has none: means over different judges could not be compared.
    """
    for verdict in verdicts:
        if verdict.unscored is not None:
            return verdict
    values = {name: float(np.mean([verdict.values[name] for verdict in verdicts])) for name in EXPRESSIONS}
    named = Counter(verdict.answer for verdict in verdicts).most_common(2)
    leads = len(named) == 1 or named[0][1] > named[1][1]
    return Score(values=values, answer=named[0][0] if leads else None)
