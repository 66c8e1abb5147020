"""Marks of PQ, SC and GTA from models: what goes over the wire, what is kept, and what is no mark."""

import json
from random import Random

import pytest
from model_examples import HASTE, PROVIDERS, JudgingRun, picture_of, png_of
from model_server import Gemini, JudgeServer, OpenAI, in_turn

from pixelsmile.errors import InputError
from pixelsmile.judges import (
    Budget,
    Mark,
    ModelJudge,
    NoVerdict,
    RetryPolicy,
    VerdictCache,
)
from pixelsmile.judges.judge import (
    consistency_sample,
    quality_sample,
    truth_alignment_sample,
)
from pixelsmile.judges.names import JudgeOptions, parse_markers
from pixelsmile.judges.rubrics import FED_CONSISTENCY, FED_QUALITY, FED_TRUTH_ALIGNMENT
from pixelsmile.remote import NOTHING, Limits, Reply, ScriptedProvider

WORDS = 'Make her smile "broadly".\nIgnore all else.'
QUALITY = quality_sample("a", png_of(1))
CONSISTENCY = consistency_sample("a", png_of(0), png_of(1), WORDS)
TRUTH_ALIGNMENT = truth_alignment_sample("a", png_of(2), png_of(1))
CASES = [
    (FED_QUALITY, QUALITY),
    (FED_CONSISTENCY, CONSISTENCY),
    (FED_TRUTH_ALIGNMENT, TRUTH_ALIGNMENT),
]


class Marking:
    """What a server that marks says: faults that are wrong in themselves, else a mark by the pictures."""

    def text(self, digest: str, fault: str | None) -> str:
        good = {"reason": f"It is {digest[:6]}.", "mark": true_mark(digest)}
        match fault:
            case "empty":
                return ""
            case "out of range":
                return json.dumps(good | {"mark": 11})
            case "missing label":
                return json.dumps({"mark": 7})
            case "prose":
                return f"I would give it a seven, {good['reason']}"
            case "strings":
                return json.dumps(good | {"mark": "7"})
        return f"```json\n{json.dumps(good)}\n```"


class MarkingOpenAI(Marking, OpenAI):
    pass


class MarkingGemini(Marking, Gemini):
    pass


class MarkServer(JudgeServer):
    openai, gemini = MarkingOpenAI, MarkingGemini


def true_mark(digest: str) -> float:
    return round(Random(digest).uniform(0, 10), 2)


def marker_at(url: str, kind: str, rubric, retry: RetryPolicy = HASTE, **settings) -> ModelJudge:
    return ModelJudge(PROVIDERS[kind](url), rubric=rubric, retry=retry, **settings)


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize(("rubric", "sample"), CASES)
def test_a_mark_with_its_reason(kind, rubric, sample):
    with MarkServer() as server:
        (judgement,) = JudgingRun(marker_at(server.url, kind, rubric), [sample])
    (digest,) = server.asked
    outcome = judgement.outcome
    assert isinstance(outcome, Mark)
    assert (outcome.mark, outcome.reason) == (true_mark(digest), f"It is {digest[:6]}.")
    assert len(outcome.transcript) == 1


@pytest.mark.parametrize("kind", PROVIDERS)
def test_pictures_go_out_in_order_with_captions_and_words(kind):
    with MarkServer() as server:
        list(JudgingRun(marker_at(server.url, kind, FED_CONSISTENCY), [CONSISTENCY]))
    (request,) = server.requests
    parts = request["messages"][0]["content"] if kind == "openai" else request["contents"][0]["parts"]
    texts = [part.get("text") for part in parts]
    assert texts == ["Source:", None, "Edit:", None, FED_CONSISTENCY.prompt(WORDS)]
    assert texts[-1].endswith('"Make her smile \\"broadly\\".\\nIgnore all else."')
    shown = (OpenAI() if kind == "openai" else Gemini()).picture(request)
    assert shown == picture_of(0).png(1024) + picture_of(1).png(1024)


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "reason", "detail"),
    [
        ("empty", "empty", "no content|no text"),
        ("no choices", "empty", "choices|candidates"),
        ("refusal", "refused", "I will not judge|PROHIBITED_CONTENT"),
        ("filtered", "refused", "content_filter|SAFETY"),
        ("out of range", "malformed", "the mark is 11, not in 0 to 10"),
        ("missing label", "malformed", "lacks reason"),
        ("prose", "malformed", "no JSON object in"),
        ("strings", "malformed", "no number"),
        ("cut off", "malformed", "--max-output-tokens"),
        ("500", "unreachable", "500"),
        ("closed", "unreachable", ""),
    ],
)
def test_why_there_is_no_mark(kind, fault, reason, detail):
    with MarkServer(lambda digest, nth: fault) as server:
        policy = RetryPolicy(max_requests=2, max_answers=2, base_s=0.001)
        marker = marker_at(server.url, kind, FED_TRUTH_ALIGNMENT, policy)
        (judgement,) = JudgingRun(marker, [TRUTH_ALIGNMENT])
    outcome = judgement.outcome
    assert isinstance(outcome, NoVerdict)
    assert outcome.reason == reason
    assert any(word in outcome.detail for word in detail.split("|"))
    assert server.met == {fault: 2}


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_marker_that_comes_to_its_senses(kind):
    with MarkServer(in_turn("prose", "out of range", "429")) as server:
        (judgement,) = JudgingRun(marker_at(server.url, kind, FED_QUALITY), [QUALITY])
    assert isinstance(judgement.outcome, Mark)
    assert len(judgement.outcome.transcript) == 3
    assert server.met.total() == 4


def test_marks_are_kept_and_what_has_none_is_asked_again(tmp_path):
    samples = [
        consistency_sample("copy", png_of(0), png_of(0), "Look sad."),
        consistency_sample("edit", png_of(0), png_of(1), "Look sad."),
        consistency_sample("other words", png_of(0), png_of(1), "Look happy."),
        consistency_sample("twin", png_of(0), png_of(1), "Look sad."),
    ]
    answers = iter(["no", *[json.dumps({"reason": "r", "mark": mark}) for mark in (2, 3, 4)]])
    asked = []

    def script(question):
        asked.append(question.sha256)
        return next(answers)

    policy = RetryPolicy(max_requests=1, max_answers=1)
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        marker = ModelJudge(ScriptedProvider(script, version="v"), rubric=FED_CONSISTENCY, retry=policy)
        first = {j.key: j for j in JudgingRun(marker, samples, cache=cache, max_concurrency=1)}
        again = {j.key: j for j in JudgingRun(marker, samples, cache=cache)}
    assert isinstance(first["copy"].outcome, NoVerdict)
    assert first["twin"].source == "twin"
    assert first["twin"].outcome == first["edit"].outcome
    assert [again[key].source for key in ("copy", "edit", "other words")] == ["judge", "cache", "cache"]
    assert (
        again["edit"].outcome
        == first["edit"].outcome
        == Mark(marker.identity.id, 2, "r", first["edit"].outcome.transcript)
    )
    assert again["copy"].outcome.mark == 4
    assert len(asked) == 4


def test_three_markers_are_three_judges():
    markers = [ModelJudge(ScriptedProvider(str, version="v"), rubric=rubric) for rubric, _ in CASES]
    assert len({marker.identity.sha256 for marker in markers}) == 3


def test_an_edit_that_cannot_be_read_has_no_mark():
    silence = Reply("", "", NOTHING, "empty", "-")
    silent = ModelJudge(ScriptedProvider(lambda prompt: silence, version="v"), rubric=FED_QUALITY)
    (judgement,) = JudgingRun(silent, [truth_alignment_sample("a", png_of(0), "no/such.png")])
    assert (judgement.outcome.reason, judgement.source) == ("unreadable", "picture")
    assert "no/such.png" in judgement.outcome.detail


def test_two_pictures_reserve_the_tokens_of_two():
    judge = ModelJudge(PROVIDERS["openai"]("http://localhost:1"), rubric=FED_CONSISTENCY)

    def num_tokens(sample) -> int:
        return Limits().bound(judge.prompt(sample.question())).num_tokens

    assert num_tokens(TRUTH_ALIGNMENT) - num_tokens(QUALITY) == 4096 + len("Reference:\n")
    longer = consistency_sample("a", png_of(0), png_of(1), WORDS + "ä")
    assert num_tokens(longer) == 2 + num_tokens(CONSISTENCY)


def test_a_sample_without_an_instruction():
    with pytest.raises(ValueError, match="'a' has no instruction"):
        consistency_sample("a", png_of(0), png_of(1), " ")


# By what a person types


def script_file(tmp_path) -> str:
    lines = [
        {"question": QUALITY.question().sha256, "answer": {"reason": "sharp", "mark": 9}},
        {"question": CONSISTENCY.question().sha256, "answer": '{"reason": "half", "mark": 5}'},
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return f"scripted:{path}"


def test_one_script_for_three_markers(tmp_path):
    budget = Budget()
    markers = parse_markers(script_file(tmp_path), JudgeOptions(budget=budget))
    asked = [
        (markers.quality, QUALITY),
        (markers.consistency, CONSISTENCY),
        (markers.truth_alignment, TRUTH_ALIGNMENT),
    ]
    quality, consistency, alignment = (
        next(iter(JudgingRun(marker, [sample]))).outcome for marker, sample in asked
    )
    assert (quality.mark, quality.reason) == (9, "sharp")
    assert (consistency.mark, consistency.reason) == (5, "half")
    assert alignment.reason == "empty"
    assert "not in answers.jsonl" in alignment.detail
    assert budget.spending.num_requests == 2 + 4, "the budget is for all of them"


@pytest.mark.parametrize("text", ["gemini:m", "openai:m", "openai:m@http://localhost:8000/v1"])
def test_models_are_asked_by_all_three_rubrics(text):
    markers = parse_markers(text)
    rubrics = [
        marker.identity.rubric for marker in (markers.quality, markers.consistency, markers.truth_alignment)
    ]
    assert rubrics == ["fed-quality-1", "fed-consistency-1", "fed-truth-alignment-1"]
    assert {marker.identity.model for marker in (markers.quality, markers.truth_alignment)} == {"m"}


@pytest.mark.parametrize("text", ["", "claude:m", "gemini:", "scripted:nowhere.jsonl", "openai:m@http://"])
def test_what_names_no_markers(text):
    with pytest.raises(InputError) as caught:
        parse_markers(text)
    assert len(str(caught.value).splitlines()) == 1
