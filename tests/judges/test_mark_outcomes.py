"""Marks say what they are, survive JSON, and are never made of anything else."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.judges import Mark, outcome_from_json

MARKS = st.builds(
    Mark,
    judge=st.text(),
    mark=st.floats(0, 10),
    reason=st.text(min_size=1).filter(str.strip),
    transcript=st.lists(st.text()).map(tuple),
)


@given(MARKS)
def test_a_mark_in_json_and_back(mark):
    text = mark.to_json()
    assert "\n" not in text
    assert outcome_from_json(text) == mark
    assert json.loads(text)["kind"] == "mark"


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
