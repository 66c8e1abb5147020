"""Verdicts and marks say what they are, survive JSON, and are never made of anything else."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges import (
    JudgeIdentity,
    Mark,
    NoVerdict,
    Verdict,
    outcome_from_json,
)

ZEROS = dict.fromkeys(EXPRESSIONS, 0.0)
VERDICTS = st.builds(
    Verdict,
    judge=st.text(),
    scores=st.fixed_dictionaries(dict.fromkeys(EXPRESSIONS, st.floats(0, 1))),
    dominant=st.sampled_from((*EXPRESSIONS, NEUTRAL)),
    transcript=st.lists(st.text()).map(tuple),
)
NO_VERDICTS = st.builds(
    NoVerdict,
    judge=st.text(),
    reason=st.sampled_from(("malformed", "empty", "refused", "unreachable", "unreadable", "unsuited")),
    detail=st.text(),
    transcript=st.lists(st.text()).map(tuple),
)

MARKS = st.builds(
    Mark,
    judge=st.text(),
    mark=st.floats(0, 10),
    reason=st.text(min_size=1).filter(str.strip),
    transcript=st.lists(st.text()).map(tuple),
)


@given(VERDICTS | MARKS | NO_VERDICTS)
def test_json_and_back(outcome):
    text = outcome.to_json()
    assert "\n" not in text
    assert outcome_from_json(text) == outcome
    assert outcome_from_json(text).to_json() == text


def test_the_order_of_the_scores_is_the_taxonomy_s():
    verdict = Verdict("j", dict(reversed(ZEROS.items())), "happy")
    assert tuple(verdict.scores) == EXPRESSIONS


@pytest.mark.parametrize(
    ("scores", "dominant"),
    [
        ({**ZEROS, "happy": 1.01}, "happy"),
        ({**ZEROS, "happy": -0.01}, "happy"),
        ({**ZEROS, "happy": math.nan}, "happy"),
        ({**ZEROS, "bored": 0.5}, "happy"),
        ({name: 0.0 for name in EXPRESSIONS[1:]}, "happy"),
        (ZEROS, "Happiness"),
        (ZEROS, ""),
    ],
)
def test_what_is_no_verdict(scores, dominant):
    with pytest.raises(ValueError, match=r"score|dominant"):
        Verdict("j", scores, dominant)


@pytest.mark.parametrize(
    "change",
    [{"kind": "maybe"}, {"extra": 1}, {"scores": {}}, {"scores": {**ZEROS, "sad": "0"}}, {"transcript": "x"}],
)
def test_damaged_json_is_refused(change):
    record = json.loads(Verdict("j", ZEROS, "sad").to_json()) | change
    with pytest.raises(ValueError, match=r"valid|twelve"):
        outcome_from_json(json.dumps(record))


@pytest.mark.parametrize(
    ("mark", "reason"), [(-0.01, "x"), (10.01, "x"), (math.nan, "x"), (math.inf, "x"), (5, ""), (5, " \n")]
)
def test_what_is_no_mark(mark, reason):
    with pytest.raises(ValueError, match=r"mark is|has a reason"):
        Mark("j", mark, reason)


@pytest.mark.parametrize(
    "change", [{"mark": 11.0}, {"mark": "7"}, {"reason": ""}, {"scores": {}}, {"kind": "verdict"}]
)
def test_damaged_marks_are_refused(change):
    record = json.loads(Mark("j", 7, "why").to_json()) | change
    with pytest.raises(ValueError, match=r"valid|mark|reason"):
        outcome_from_json(json.dumps(record))


def test_a_missing_verdict_has_no_scores():
    outcome = outcome_from_json(NoVerdict("j", "refused", "SAFETY").to_json())
    assert not hasattr(outcome, "scores")


def test_identities_differ_by_all_that_matters():
    one = JudgeIdentity("p", "m", "r-1", "00", {"temperature": 0.0, "seed": 1})
    same = JudgeIdentity("p", "m", "r-1", "00", {"seed": 1, "temperature": 0.0})
    others = [
        JudgeIdentity("q", "m", "r-1", "00", one.parameters),
        JudgeIdentity("p", "n", "r-1", "00", one.parameters),
        JudgeIdentity("p", "m", "r-2", "00", one.parameters),
        JudgeIdentity("p", "m", "r-1", "01", one.parameters),
        JudgeIdentity("p", "m", "r-1", "00", {"temperature": 0.5, "seed": 1}),
    ]
    assert one.sha256 == same.sha256
    assert len({identity.sha256 for identity in (one, *others)}) == 6
    assert one.id.startswith("p:m:")
