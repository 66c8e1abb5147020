"""What goes over the wire, and what is made of what comes back."""

import json
import re

import pytest
from model_examples import (
    GEMINI_KEY,
    HASTE,
    OPENAI_KEY,
    JudgingRun,
    gemini_provider,
    is_true,
    judge_at,
    openai_provider,
    picture_of,
    question_of,
    samples_of,
)
from model_server import JudgeServer, OpenAI, good_answer, in_turn, truth

from pixelsmile.errors import InputError
from pixelsmile.judges import (
    Budget,
    GeminiProvider,
    ModelJudge,
    NoVerdict,
    OpenAIProvider,
    RetryPolicy,
    Verdict,
)
from pixelsmile.judges.rubrics import EXPRESSION_SCORES
from pixelsmile.remote import Limits, RemoteError, ScriptedProvider


def judge_one(provider, **settings):
    """The outcome for one sample."""
    (judgement,) = JudgingRun(ModelJudge(provider, **{"retry": HASTE, **settings}), samples_of(1))
    return judgement.outcome


def test_the_request_of_openai():
    with JudgeServer() as server:
        assert is_true(judge_one(openai_provider(server.url, seed=7, extra_body={"top_k": 1})), 0)
    (request,), (headers,) = server.requests, server.headers
    assert headers["authorization"] == f"Bearer {OPENAI_KEY}"
    assert {name: request[name] for name in ("model", "temperature", "seed", "max_tokens", "top_k")} == {
        "model": "m",
        "temperature": 0.0,
        "seed": 7,
        "max_tokens": 8192,
        "top_k": 1,
    }
    form = request["response_format"]["json_schema"]
    assert (form["strict"], form["schema"]) == (True, EXPRESSION_SCORES.answer_schema)
    assert OpenAI().picture(request) == picture_of(0).png(1024)
    assert request["messages"][0]["content"][1] == {"type": "text", "text": EXPRESSION_SCORES.instructions}


def test_the_request_of_gemini():
    thinking = {"thinking_config": {"thinking_budget": 128}}
    with JudgeServer() as server:
        assert is_true(judge_one(gemini_provider(server.url, seed=7, settings=thinking)), 0)
    (request,), (headers,) = server.requests, server.headers
    assert headers["x-goog-api-key"] == GEMINI_KEY
    config = request["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"] == EXPRESSION_SCORES.answer_schema
    assert (config["seed"], config["maxOutputTokens"]) == (7, 8192)
    assert list(config["thinkingConfig"].values()) == [128]  # the API takes both spellings of the key
    assert "temperature" not in config
    assert request["contents"][0]["parts"][1] == {"text": EXPRESSION_SCORES.instructions}


class Choosy(JudgeServer):
    """Says 400 to the response formats that it does not know."""

    def __init__(self, *known: str) -> None:
        super().__init__(lambda digest, nth: None if self.form() in known else "400")

    def form(self) -> str:
        return self.requests[-1].get("response_format", {"type": "plain"})["type"]


@pytest.mark.parametrize(
    ("known", "num_refused"), [(("json_schema",), 0), (("json_object", "plain"), 1), (("plain",), 2)]
)
def test_the_strongest_format_that_the_server_takes_is_remembered(known, num_refused):
    with Choosy(*known) as server:
        judge = ModelJudge(openai_provider(server.url), retry=HASTE)
        assert len(list(JudgingRun(judge, samples_of(4), max_concurrency=1))) == 4
    assert server.met == {"good": 4} | ({"400": num_refused} if num_refused else {})


def test_a_bad_request_that_is_not_about_the_format():
    with (
        Choosy() as server,
        pytest.raises(RemoteError, match=r"'m' at localhost cannot be asked \(400: .*fault 400"),
    ):
        judge_one(openai_provider(server.url))
    assert server.met == {"400": 3}
    decide = in_turn(None, "400")
    with JudgeServer() as server:
        server.decide = lambda digest, nth: decide(digest, server.asked.total())
        outcomes = [
            one.outcome
            for one in JudgingRun(judge_at(server.url, "openai"), samples_of(3), max_concurrency=1)
        ]
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [None, "refused", None]
    assert server.met == {"good": 2, "400": 1}, "the format had worked"


@pytest.mark.parametrize("kind", ["openai", "gemini"])
@pytest.mark.parametrize("status", ["401", "402", "403", "404"])
def test_what_stops_the_run_at_once(kind, status):
    with JudgeServer(lambda digest, nth: status) as server:
        run = JudgingRun(judge_at(server.url, kind), samples_of(20), max_concurrency=2)
        advice = "has no credit left: add some" if status == "402" else "check the"
        with pytest.raises(RemoteError, match=f"{status}: fault {status}.*{advice}") as caught:
            list(run)
    assert server.met.total() <= 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["openai", "gemini"])
@pytest.mark.parametrize(
    ("fault", "reason", "detail"),
    [
        ("refusal", "refused", r"I will not judge|PROHIBITED_CONTENT"),
        ("filtered", "refused", r"content_filter|SAFETY"),
        ("no choices", "empty", "choices|candidates"),
        ("empty", "empty", "no content|no text"),
        ("cut off", "malformed", "--max-output-tokens"),
        ("broken body", "malformed", "server's answer is no"),
        ("broken answer", "malformed", "not JSON"),
        ("missing label", "malformed", "lacks Fear"),
        ("500", "unreachable", "500"),
        ("closed", "unreachable", ""),
        ("half a body", "unreachable", ""),
    ],
)
def test_why_there_is_no_verdict(kind, fault, reason, detail):
    with JudgeServer(lambda digest, nth: fault) as server:
        policy = RetryPolicy(max_requests=3, max_answers=2, base_s=0.001)
        (judgement,) = JudgingRun(judge_at(server.url, kind, policy), samples_of(1))
    outcome = judgement.outcome
    assert isinstance(outcome, NoVerdict)
    assert outcome.reason == reason
    assert outcome.detail
    assert re.search(detail, outcome.detail)
    assert server.met == {fault: 3 if reason == "unreachable" else 2}
    assert len(outcome.transcript) == (0 if reason == "unreachable" else 2)


@pytest.mark.parametrize("kind", ["openai", "gemini"])
def test_transcripts_are_the_answers_as_they_came(kind):
    with JudgeServer(in_turn("prose")) as server:
        (judgement,) = JudgingRun(judge_at(server.url, kind), samples_of(1))
    assert isinstance(judgement.outcome, Verdict)
    prose, answer = judgement.outcome.transcript
    assert "The face is rather happy" in prose
    assert json.loads(answer).keys() >= {"choices" if kind == "openai" else "candidates"}


@pytest.mark.parametrize("kind", ["openai", "gemini"])
def test_a_server_s_wait_is_kept(kind):
    with JudgeServer(in_turn("429 date", "429 seconds", "429 info", "429")) as server:
        (judgement,) = JudgingRun(judge_at(server.url, kind), samples_of(1))
    assert is_true(judgement.outcome, 0)
    assert server.met.total() == 5


@pytest.mark.parametrize("kind", ["openai", "gemini"])
def test_the_budget_counts_what_the_server_reports(kind):
    budget = Budget()
    with JudgeServer(in_turn("429", "wrong keys")) as server:
        list(JudgingRun(judge_at(server.url, kind, budget=budget), samples_of(3)))
    assert (budget.spending.num_requests, budget.spending.num_tokens) == (9, 6000)
    assert budget.spending.reserved.num_tokens == 0


@pytest.mark.parametrize("kind", ["openai", "gemini"])
def test_tokens_stop_before_the_limit(kind):
    with JudgeServer() as server:
        judge = judge_at(server.url, kind)
        bound = Limits().bound(judge.prompt(question_of(0))).num_tokens
        budget = Budget(max_tokens=bound + 3500)
        run = JudgingRun(judge_at(server.url, kind, budget=budget), samples_of(20), max_concurrency=8)
        assert len(list(run)) == 4
    assert budget.spending.num_tokens == 4000
    assert "tokens" in run.stopped
    assert len(run.left) == 16


def test_nobody_listens():
    with JudgeServer() as server:
        url = server.url
    policy = RetryPolicy(max_requests=2, max_answers=1, base_s=0.001)
    for provider in (openai_provider(url), gemini_provider(url)):
        outcome = judge_one(provider, retry=policy)
        assert (outcome.reason, outcome.transcript) == ("unreachable", ())


def test_no_credit_is_no_reason_to_wait():
    class NoCredit(OpenAI):
        def answer(self, digest, fault):
            return 429, {}, json.dumps({"error": {"message": "pay", "code": "insufficient_quota"}}).encode()

    class Server(JudgeServer):
        async def _answer(self, writer, protocol, digest, fault):
            return await super()._answer(writer, NoCredit(), digest, "429")

    with Server() as server, pytest.raises(RemoteError, match=r"429: .*pay.*no credit left"):
        judge_one(openai_provider(server.url))


def test_identities_name_server_and_settings_but_no_port_and_no_key():
    one = ModelJudge(openai_provider("http://127.0.0.1:8000")).identity
    assert one == ModelJudge(openai_provider("http://localhost:9000")).identity
    assert one.parameters["server"] == "localhost"
    others = [
        openai_provider("http://10.0.0.1:8000"),
        openai_provider("http://localhost:8000", temperature=0.5),
        openai_provider("http://localhost:8000", extra_body={"top_k": 1}),
        openai_provider("http://localhost:8000", limits=Limits(max_side_px=512)),
        gemini_provider("http://localhost:8000"),
    ]
    assert len({ModelJudge(provider).identity.sha256 for provider in others} | {one.sha256}) == 6


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://me:word@host/v1", "http://h/v1?key=1"]
)
def test_addresses_that_are_refused(url):
    for provider in (OpenAIProvider, GeminiProvider):
        with pytest.raises(RemoteError, match="address") as caught:
            provider("m", base_url=url)
        assert "word" not in str(caught.value).replace("password", "")


def test_a_name_that_nobody_knows_gets_the_current_one():
    with JudgeServer(lambda digest, nth: "404") as server, pytest.raises(RemoteError) as caught:
        judge_one(gemini_provider(server.url))
    assert "(404: fault 404): check the model's name (gemini-3.1-pro-preview is current)" in str(caught.value)


def test_a_name_that_was_shut_down_may_live_elsewhere():
    with pytest.raises(RemoteError, match=r"gemini-3-pro-preview was shut down: use gemini:gemini-3\.1-pro"):
        GeminiProvider("gemini-3-pro-preview")
    assert (
        GeminiProvider("gemini-3-pro-preview", base_url="http://localhost:1").model == "gemini-3-pro-preview"
    )


def test_scripted_answers_from_a_file(tmp_path):
    path = tmp_path / "script.jsonl"
    lines = [{"picture": picture_of(0).sha256, "answer": good_answer("a")}]
    lines += [{"picture": picture_of(1).sha256, "answer": "I decline."}]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    judge = ModelJudge(ScriptedProvider.from_file(path))
    outcomes = {judgement.key: judgement.outcome for judgement in JudgingRun(judge, samples_of(3))}
    assert dict(outcomes["sample 0"].scores) == truth("a")[0]
    assert outcomes["sample 1"].reason == "malformed"
    assert outcomes["sample 2"].reason == "empty"
    assert ScriptedProvider.from_file(path).model == ScriptedProvider.from_file(path).model


@pytest.mark.parametrize(
    "line", ["{}", "x", '{"picture": "abc", "answer": 1}', '{"picture": "%s"}' % ("0" * 64)]
)
def test_scripts_that_are_none(tmp_path, line):
    path = tmp_path / "script.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match="line 1 of"):
        ScriptedProvider.from_file(path)
    with pytest.raises(InputError, match="there is no file"):
        ScriptedProvider.from_file(tmp_path / "missing")
