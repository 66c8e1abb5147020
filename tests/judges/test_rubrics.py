"""A rubric stays what it was, and answers to it are read or refused, never guessed."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.expressions import EXPRESSIONS, TAXONOMY
from pixelsmile.judges import Verdict, outcome_from_json
from pixelsmile.judges.rubrics import EXPRESSION_SCORES, STATISTICS, TABLE_6
from pixelsmile.remote import UnusableReplyError

LABELS = [expression.judge_label for expression in TAXONOMY]
SCORES = {label: number / 20 for number, label in enumerate(LABELS)}
GOOD = {"scores": SCORES, "dominant": "Fear"}
TEXT = json.dumps(GOOD)


def changed(label: str, value: object) -> str:
    return json.dumps({**GOOD, "scores": {**SCORES, label: value}})


def test_the_words_are_those_of_their_version():
    assert EXPRESSION_SCORES.version == "expression-scores-1"
    assert EXPRESSION_SCORES.sha256 == "a6adc384485dfd3eb95967b86cef2fb780aa6ba31f9eb3bf4bf8166388f5cefe", (
        "verdicts are kept by this hash: a changed rubric is a new version"
    )


def test_instructions_and_schema_name_every_label():
    assert all(f"- {label}: " in EXPRESSION_SCORES.instructions for label in LABELS)
    properties = EXPRESSION_SCORES.answer_schema["properties"]
    assert properties["scores"]["required"] == LABELS
    assert properties["dominant"]["enum"] == [*LABELS, "Neutral"]


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"\n  {json.dumps(GOOD, indent=2)}\n",
        f"```json\n{TEXT}\n```",
        f"Here it is:\n\n```\n{TEXT}\n```\nAnything else?",
        f"<think>Is it {{fear}}?\n</think>\n{TEXT}",
        f"Is it {{fear}}, or {TEXT}?\n</think>\n\n{TEXT}",
        f"<thinking>calm, so {TEXT}</thinking>{TEXT}",
        f"◁think▷calm◁/think▷{TEXT}",
        f"```JSON5 {TEXT}```",
        f"```json\n{TEXT}\n```".replace("\n", "\r\n"),
        f"<|begin_of_box|>{TEXT}<|end_of_box|>",
        f"Rather {TEXT}: <answer>\n{TEXT}\n</answer> I am sure",
        f"\ufeff{TEXT}",
        f'\ufffd {TEXT}\n\nThe face is "calm", {{so}} to speak.',
        f"Sure! {TEXT}",
        json.dumps([GOOD]),
    ],
)
def test_accepted_wrappings(text):
    answer = EXPRESSION_SCORES.read(text)
    assert tuple(answer.scores) == EXPRESSIONS
    assert answer.scores == {e.name: SCORES[e.judge_label] for e in TAXONOMY}
    assert answer.dominant == "fear"


def test_integers_and_a_face_at_rest():
    answer = EXPRESSION_SCORES.read(json.dumps({"scores": dict.fromkeys(LABELS, 0), "dominant": "Neutral"}))
    assert set(answer.scores.values()) == {0.0}
    assert answer.dominant == "neutral"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON object in"),
        ("0.8", "no JSON object in"),
        ("I cannot help with that.", "no JSON object in"),
        (f"```\n{TEXT}\n```\n```\n{TEXT}\n```", "more than one JSON object"),
        (f"<think>It could be {TEXT}", "the reasoning has no end"),
        (f"It could be {TEXT}</think>", "no JSON object in ''"),
        (f"<|begin_of_box|>calm<|end_of_box|>{TEXT}", "no JSON object in 'calm'"),
        (f"As {{in}} {TEXT} or {TEXT}", "more than one JSON object"),
        (f"{TEXT} {{", "a brace is not closed"),
        ("{x}" * 100 + TEXT, "more than 64 pairs of braces"),
        (TEXT.replace('"', "'"), "not JSON"),
        (TEXT[:-20], "not JSON"),
        (TEXT + TEXT, "more than one JSON object"),
        ("{" * 100_000, "not JSON"),
        (changed("Fear", 10).replace("10", "9" * 5000), "not JSON"),
        (json.dumps([GOOD, GOOD]), "more than one JSON object"),
        (json.dumps({"scores": SCORES}), "lacks dominant"),
        (json.dumps({**GOOD, "why": "x"}), "unknown key 'why'"),
        (json.dumps({**GOOD, "scores": list(SCORES.values())}), "no object"),
        (json.dumps({**GOOD, "scores": {k: v for k, v in SCORES.items() if k != "Fear"}}), "lacks Fear"),
        (changed("Boredom", 0.1), "unknown key 'Boredom'"),
        (changed("Fear", 1.01), "not in 0 to 1"),
        (changed("Fear", -0.01), "not in 0 to 1"),
        (changed("Fear", 85), "not in 0 to 1"),
        (changed("Fear", float("nan")), "NaN"),
        (changed("Fear", float("inf")), "Infinity"),
        (changed("Fear", 0.5).replace('"Fear": 0.5', '"Fear": 1e999'), "not in 0 to 1"),
        (changed("Fear", "0.5"), "no number"),
        (changed("Fear", True), "no number"),
        (changed("Fear", None), "no number"),
        (TEXT.replace('"Fear":', '"Anger":'), "twice"),
        (json.dumps({**GOOD, "dominant": "fear"}), "no label"),
        (json.dumps({**GOOD, "dominant": ["Fear"]}), "no label"),
    ],
)
def test_malformed_answers(text, message):
    with pytest.raises(UnusableReplyError, match=message) as caught:
        EXPRESSION_SCORES.read(text)
    assert len(str(caught.value)) < 200


HOSTILE = (
    "a",
    "{",
    "}",
    '"',
    "\\",
    "{}",
    '{"',
    '{"a":',
    '{"a":[1,',
    "```x\n",
    "   ",
    "<think>",
    "</think>",
    "<answer>",
)


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_megabyte_of_anything_is_read_at_once(unit):
    begin = time.process_time()
    with pytest.raises(UnusableReplyError) as caught:
        EXPRESSION_SCORES.read(unit * (2**20 // len(unit)))
    assert time.process_time() - begin < 1
    assert len(str(caught.value)) < 200


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_nothing_else_is_read(text):
    with pytest.raises(UnusableReplyError):
        EXPRESSION_SCORES.read(text)


@given(st.data())
def test_a_damaged_answer_is_never_read_differently(data):
    cut = data.draw(st.integers(0, len(TEXT) - 1))
    text = TEXT[:cut] + TEXT[cut + data.draw(st.integers(1, 30)) :]
    try:
        answer = EXPRESSION_SCORES.read(text)
    except UnusableReplyError:
        return
    assert isinstance(answer, Verdict)
    assert all(0 <= score <= 1 for score in answer.scores.values())


def test_the_words_of_table_6_and_its_answers():
    assert TABLE_6.sha256 == "ec1d0138bd6f7f3b303fd616433ec13d3b53db3c13af35a2223589936176da4c", (
        "verdicts are kept by this hash: a changed rubric is a new version"
    )
    assert all(f"- {label}: " in TABLE_6.instructions for label in LABELS)
    assert sorted(TABLE_6.answer_schema["required"]) == sorted(LABELS)
    answer = TABLE_6.read(json.dumps(SCORES))
    assert answer.scores == {e.name: SCORES[e.judge_label] for e in TAXONOMY}
    assert answer.dominant == max(answer.scores, key=answer.scores.get)
    assert TABLE_6.read(json.dumps({**dict.fromkeys(LABELS, 0.1), "Fear": 0.24})).dominant == "neutral"
    assert TABLE_6.read(json.dumps({**dict.fromkeys(LABELS, 0.1), "Fear": 0.25})).dominant == "fear"
    for wrong, message in ((GOOD, "lacks Anger"), ({**SCORES, "Fear": 2}, "not in 0 to 1")):
        with pytest.raises(UnusableReplyError, match=message):
            TABLE_6.read(json.dumps(wrong))


PERSON = {
    "categorical": {
        "gender": "female",
        "age_group": "young_adult",
        "skin_tone": "light",
        "expression": "other",
    },
    "descriptions": {
        "appearance_sentence": "She wears a blue coat\nand a scarf.",
        "action_sentence": "She looks at the viewer.",
        "background_sentence": "A plain wall.",
    },
}


def test_statistics_of_people_and_of_anime():
    found = STATISTICS["human"].read(f"```json\n{json.dumps(PERSON)}\n```")
    assert (found.gender, found.age_group, found.skin_tone, found.style) == (
        *("female", "young_adult", "light"),
        None,
    )
    assert found.appearance == "She wears a blue coat and a scarf."
    assert outcome_from_json(found.to_json()) == found
    anime = {**PERSON["categorical"], "style": "chibi"}
    with pytest.raises(UnusableReplyError, match="unknown key 'skin_tone'"):
        STATISTICS["anime"].read(json.dumps({**PERSON, "categorical": anime}))
    del anime["skin_tone"]
    assert STATISTICS["anime"].read(json.dumps({**PERSON, "categorical": anime})).style == "chibi"
    hashes = [STATISTICS[domain].sha256 for domain in ("human", "anime")]
    assert hashes == [
        "e68e49704ce69b4b24e75318c8e0ebe111bc2bb36732b78bcf847a4fbcdeaecf",
        "30090acf30af33e28ceef5b046f38742ef23e316675b6279a0b690d68b7e2656",
    ], "a changed rubric is a new version"


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("categorical", "gender", "woman", "gender is none of its values, but 'woman'"),
        ("categorical", "gender", ["male"], "gender is none of its values"),
        ("descriptions", "action_sentence", " ", "no sentence"),
        ("descriptions", "action_sentence", 3, "no sentence"),
        ("descriptions", "action_sentence", "a" * 301, "no sentence of at most 300"),
        ("descriptions", "action_sentence", "a\u202eb", "no sentence"),
    ],
)
def test_statistics_that_are_none(part, key, value, message):
    answer = json.dumps({**PERSON, part: {**PERSON[part], key: value}})
    with pytest.raises(UnusableReplyError, match=message) as caught:
        STATISTICS["human"].read(answer)
    assert len(str(caught.value)) < 200
