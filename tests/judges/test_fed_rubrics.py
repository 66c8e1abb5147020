"""The rubrics of FED-Bench stay what they were, and marks are read or refused, never guessed."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.judges import Mark
from pixelsmile.judges.rubrics import (
    EXPRESSION_SCORES,
    FED_CONSISTENCY,
    FED_QUALITY,
    FED_TRUTH_ALIGNMENT,
)
from pixelsmile.remote import UnusableReplyError

RUBRICS = (FED_QUALITY, FED_CONSISTENCY, FED_TRUTH_ALIGNMENT)
GOOD = {"reason": "The brows are raised.", "mark": 7.25}
TEXT = json.dumps(GOOD)


def changed(**values: object) -> str:
    return json.dumps({**GOOD, **values})


@pytest.mark.parametrize(
    ("rubric", "version", "sha256"),
    [
        (FED_QUALITY, "fed-quality-1", "fecbf49dcba4a4f4fc27fa9920b5557d967c3143a204891dfc50ec70b1861366"),
        (
            FED_CONSISTENCY,
            "fed-consistency-1",
            "d226541d7668418994f40f3e67be358e5a94c5a2d33c1349524bddff720277b5",
        ),
        (
            FED_TRUTH_ALIGNMENT,
            "fed-truth-alignment-1",
            "8465104385a6510854157c713c65d5cc8a7fc69a890a20be33ec8e46da96e074",
        ),
    ],
)
def test_the_words_of_a_version_never_change(rubric, version, sha256):
    assert rubric.version == version
    assert rubric.sha256 == sha256, "marks are kept by this hash: a changed rubric is a new version"


@pytest.mark.parametrize("rubric", RUBRICS)
def test_five_anchors_and_the_reason_first(rubric):
    assert re.findall(r"^- ([0-9.]+): ", rubric.instructions, re.MULTILINE) == ["10", "7.5", "5", "2.5", "0"]
    assert list(rubric.answer_schema["properties"]) == ["reason", "mark"]
    assert rubric.answer_schema["required"] == ["reason", "mark"]
    assert rubric.answer_schema["properties"]["mark"]["maximum"] == 10


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"\n {json.dumps(GOOD, indent=2)}\n",
        f"```json\n{TEXT}\n```",
        f"My rating:\n\n```\n{TEXT}\n```\nShall I go on?",
        f"<think>8? No, {{7}}.</think>\n{TEXT}",
        json.dumps(dict(reversed(GOOD.items()))),
        f"Sure! {TEXT}",
        f"{TEXT} That is all.",
        f"I see raised brows.</think>{TEXT}",
    ],
)
@pytest.mark.parametrize("rubric", RUBRICS)
def test_accepted_forms(rubric, text):
    assert rubric.read(text) == Mark("", 7.25, "The brows are raised.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON object in"),
        ("7.5", "no JSON object in"),
        ("I'd rather not.", "no JSON object in"),
        (TEXT[:-4], "not JSON"),
        (f"[{TEXT}, {TEXT}]", "more than one JSON object"),
        (json.dumps({"mark": 7}), "lacks reason"),
        (json.dumps({"reason": "x"}), "lacks mark"),
        (changed(reason=""), "no sentence"),
        (changed(reason=" \n"), "no sentence"),
        (changed(reason=None), "no sentence"),
        (changed(reason=["x"]), "no sentence"),
        (changed(mark=10.01), "not in 0 to 10"),
        (changed(mark=-0.5), "not in 0 to 10"),
        (changed(mark=75), "not in 0 to 10"),
        (changed(mark=float("nan")), "NaN"),
        (changed(mark=1).replace("1", "1e999"), "not in 0 to 10"),
        (changed(mark="7"), "no number"),
        (changed(mark="7/10"), "no number"),
        (changed(mark=True), "no number"),
        (changed(mark=None), "no number"),
        (changed(confidence=1), "unknown key 'confidence'"),
        (TEXT.replace('"reason"', '"mark"'), "twice"),
    ],
)
def test_malformed_marks(text, message):
    with pytest.raises(UnusableReplyError, match=message) as caught:
        FED_QUALITY.read(text)
    assert len(str(caught.value)) < 200


@given(st.floats(0, 10), st.text().filter(str.strip))
def test_every_mark_is_read_as_it_is(mark, reason):
    answer = FED_CONSISTENCY.read(json.dumps({"reason": reason, "mark": mark}))
    assert (answer.mark, answer.reason) == (mark, reason.strip())


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_other_text_is_a_mark(text):
    with pytest.raises(UnusableReplyError):
        FED_QUALITY.read(text)


@given(st.data())
def test_a_damaged_mark_is_refused_or_in_range(data):
    cut = data.draw(st.integers(0, len(TEXT) - 1))
    text = TEXT[:cut] + TEXT[cut + data.draw(st.integers(1, 30)) :]
    try:
        answer = FED_QUALITY.read(text)
    except UnusableReplyError:
        return
    assert 0 <= answer.mark <= 10
    assert answer.reason


def test_without_words_the_prompt_is_the_instructions():
    assert EXPRESSION_SCORES.prompt() == EXPRESSION_SCORES.instructions


@given(st.text(min_size=1))
def test_words_cannot_leave_their_quotes(words):
    head, quoted = FED_CONSISTENCY.prompt(words).split(FED_CONSISTENCY.instructions)
    assert head == ""
    assert len(quoted.strip().split("\n")) == 1
    assert json.loads(quoted) == words


def test_half_of_a_letter_in_a_reason_can_be_kept():
    answer = FED_QUALITY.read('{"reason": "It is \\ud83d \\ud83d\\ude00.", "mark": 5}')
    assert answer.reason == "It is \ufffd \U0001f600."
    assert answer.to_json().encode()
