"""Answers as servers in the wild give them: right ones are read, errors are not, and nothing gets out."""

import asyncio
import gzip
import json
import zlib
from datetime import UTC, datetime
from random import Random

import pytest
from model_examples import (
    HASTE,
    OPENAI_KEY,
    JudgingRun,
    gemini_provider,
    judge_at,
    openai_provider,
    question_of,
    samples_of,
)
from model_server import JudgeServer, SayingServer, completion, good_answer, refusal

from pixelsmile.judges import (
    Budget,
    GeminiProvider,
    ModelJudge,
    NoVerdict,
    OpenAIProvider,
    RetryPolicy,
    Verdict,
)
from pixelsmile.remote import Limits, RemoteError
from pixelsmile.remote.answers import counted, is_retried, retry_after_s, retry_info_s
from pixelsmile.remote.connection import MAX_ANSWER_BYTES

GOOD = json.dumps(good_answer("a"))
HURRY = RetryPolicy(max_requests=3, max_answers=2, base_s=0.001)


def outcome_of(say, provider=openai_provider, retry=HURRY, budget=None, **settings):
    """What becomes of one question to a server that says that."""
    with SayingServer(say) as server:
        judge = ModelJudge(provider(server.url, **settings), retry=retry, budget=budget)
        (judgement,) = JudgingRun(judge, samples_of(1))
    return judgement.outcome


def always(answer):
    return lambda request, nth: answer


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        f"calm, so all scores are low\n</think>\n\n{GOOD}",
        [{"type": "thinking", "thinking": [{"type": "text", "text": "{}"}]}, {"type": "text", "text": GOOD}],
        [{"type": "text", "text": GOOD[:30]}, {"type": "output_text", "text": GOOD[30:]}],
        [GOOD],
        f"\ud83d {GOOD}",
        f"<|begin_of_box|>{GOOD}<|end_of_box|>",
        f"```json {GOOD}```",
    ],
)
def test_right_answers_are_read(content):
    assert isinstance(outcome_of(always(completion(content))), Verdict)


@pytest.mark.parametrize("charset", ["nonsense", "utf-16", "rot13", "base64", "\xff", "undefined"])
def test_a_charset_is_not_believed(charset):
    status, _, body = completion(GOOD)
    headers = {"Content-Type": f"application/json; charset={charset}"}
    assert isinstance(outcome_of(always((status, headers, body))), Verdict)
    said = outcome_of(always((500, headers, b"\xff\xfe")))
    assert (said.reason, said.detail[:3]) == ("unreachable", "500")


@pytest.mark.parametrize(
    ("message", "reason", "detail"),
    [
        ({"content": None, "reasoning_content": GOOD}, "empty", "all is in the reasoning"),
        ({"content": [{"type": "refusal", "refusal": "No,\nthanks"}]}, "refused", "No, thanks"),
        ({"content": 7}, "empty", "no content"),
        ({"content": {"a": 1}}, "empty", "no content"),
    ],
)
def test_what_is_no_answer(message, reason, detail):
    outcome = outcome_of(always(completion(**message)))
    assert outcome.reason == reason
    assert detail in outcome.detail


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"choices": None, "error": {"message": "busy", "code": 429}}, "429: busy"),
        ({"error": {"message": "error", "code": "429", "metadata": {"raw": "slow"}}}, "429: error (slow)"),
        ({"error": "Rate limit reached"}, "429: Rate limit"),
        ({"object": "error", "message": "overloaded", "code": 503}, "503: overloaded"),
        ({"code": "Throttling.RateLimit", "message": "Too many requests"}, "429: Too many"),
        ({"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "up"}}]}, "502: up"),
        ({"choices": [{"finish_reason": "error", "message": {"content": ""}}]}, "500: finish_reason error"),
        ([{"error": {"message": "spent", "status": "RESOURCE_EXHAUSTED"}}], "429: spent"),
    ],
)
@pytest.mark.parametrize("provider", [openai_provider, gemini_provider])
def test_an_error_inside_of_200_is_one(provider, body, detail):
    outcome = outcome_of(always((200, {}, json.dumps(body).encode())), provider)
    assert (outcome.reason, outcome.detail[: len(detail)]) == ("unreachable", detail)
    once = outcome_of(
        lambda request, nth: (200, {}, json.dumps(body).encode()) if nth == 1 else completion(GOOD)
    )
    assert isinstance(once, Verdict)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_error_inside_of_200_stops_like_one_outside(status):
    with pytest.raises(RemoteError, match=f"{status}: gone"):
        outcome_of(always(refusal(200, "gone", code=status)))


def test_the_other_name_of_max_tokens():
    def say(request, nth):
        if "max_tokens" in request:
            return refusal(400, "'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
        return completion(GOOD)

    with SayingServer(say) as server:
        judge = ModelJudge(openai_provider(server.url), retry=HURRY)
        outcomes = [one.outcome for one in JudgingRun(judge, samples_of(3), max_concurrency=1)]
    assert all(isinstance(outcome, Verdict) for outcome in outcomes)
    assert server.num_requests == 4, "the name is remembered"
    assert {request["response_format"]["type"] for request in server.requests} == {"json_schema"}


def test_a_name_is_changed_once():
    with pytest.raises(RemoteError, match="max_completion_tokens is too large"):
        outcome_of(always(refusal(400, "max_completion_tokens is too large")), retry=HASTE)


def test_a_null_takes_a_field_out():
    extra = {"max_tokens": None, "temperature": None, "response_format": None, "top_k": 1}
    with SayingServer(always(completion(GOOD))) as server:
        list(JudgingRun(ModelJudge(openai_provider(server.url, extra_body=extra)), samples_of(1)))
    assert set(server.requests[0]) == {"model", "messages", "top_k"}
    settings = {"response_json_schema": None, "maxOutputTokens": None, "safety_settings": [], "topK": 1}
    with JudgeServer() as server:
        list(JudgingRun(ModelJudge(gemini_provider(server.url, settings=settings)), samples_of(1)))
    assert set(server.requests[0]) == {"contents", "generationConfig", "safetySettings"}
    assert server.requests[0]["generationConfig"] == {"responseMimeType": "application/json", "topK": 1}


def test_the_question_is_not_to_be_changed():
    with pytest.raises(RemoteError, match="messages is not to be changed"):
        openai_provider("http://localhost:1", extra_body={"messages": None})
    with pytest.raises(RemoteError, match="contents is not to be changed"):
        gemini_provider("http://localhost:1", settings={"contents": []})


NO_TEMPERATURE = refusal(400, "'temperature' does not support 0.0 with this model.", param="temperature")


def test_a_temperature_that_is_not_taken_is_left_out(caplog):
    def say(request, nth):
        return NO_TEMPERATURE if "temperature" in request else completion(GOOD)

    with SayingServer(say) as server:
        judge = ModelJudge(openai_provider(server.url), retry=HURRY)
        outcomes = [one.outcome for one in JudgingRun(judge, samples_of(3), max_concurrency=1)]
    assert all(isinstance(outcome, Verdict) for outcome in outcomes)
    assert server.num_requests == 4, "it is remembered"
    assert {request["response_format"]["type"] for request in server.requests} == {"json_schema"}
    assert [record.getMessage()[:24] for record in caplog.records] == ["m takes no temperature ("]


def test_a_parameter_is_not_the_format_and_gets_advice():
    with pytest.raises(RemoteError, match="no temperature in --extra"):
        outcome_of(always(NO_TEMPERATURE), extra_body={"temperature": 1})


@pytest.mark.parametrize("kind", ["openai", "gemini"])
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "x"),
        (400, "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens"),
        (400, "The input token count (9000) exceeds the maximum number of tokens allowed (4096)."),
        (400, "The prompt (total length 9000) is too long to fit into the model (context length 4096)"),
    ],
)
def test_what_is_too_large_is_told_how_to_get_smaller(kind, status, message):
    with (
        SayingServer(always(refusal(status, message))) as server,
        pytest.raises(RemoteError, match=r"--max-side 512.*--max-output-tokens$") as caught,
    ):
        list(JudgingRun(judge_at(server.url, kind), samples_of(1)))
    assert "key" not in str(caught.value)
    assert server.num_requests == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I'm sorry, but I can't help with identifying people.", "refused"),
        ("I’m sorry, I can’t assist with that.", "refused"),
        ("Sorry, but as an AI model, I cannot judge a person's face.", "refused"),
        ("I cannot assist with this request.", "refused"),
        ("I'm unable to rate real people.", "refused"),
        ("I'm sorry, but I can't see any picture. Please attach it.", "malformed"),
        ("I can't say for sure {", "malformed"),
        ("I cannot but say: happy. " * 20, "malformed"),
        ("The face is rather happy, I would say 0.8.", "malformed"),
    ],
)
def test_a_refusal_in_words(text, reason):
    assert outcome_of(always(completion(text))).reason == reason


def test_a_long_wait_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr("pixelsmile.remote.client._LONG_WAIT_S", 0.01)
    say = always((429, {"Retry-After": "0.02"}, b"slow down"))
    assert outcome_of(say, retry=HURRY).reason == "unreachable"
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith(" asks for a wait of 0 s (429: slow down): waiting")


def test_no_answer_is_said_once_before_a_person_wonders(caplog, monkeypatch):
    monkeypatch.setattr("pixelsmile.remote.client._LONG_WAIT_S", 0.0)
    assert outcome_of(always((503, {}, b"busy")), retry=HURRY).reason == "unreachable"
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.endswith(" does not answer (503: busy): waiting")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status):
    with JudgeServer() as other:
        target = f"{other.url}/v1/chat/completions?key={OPENAI_KEY}"
        for provider in (openai_provider, gemini_provider):
            with pytest.raises(RemoteError, match=f"{status}: a redirect to .*not followed") as caught:
                outcome_of(always((status, {"Location": target}, b"")), provider)
            assert provider is gemini_provider or OPENAI_KEY not in str(caught.value)
    assert other.requests == []


def test_nothing_of_the_environment_goes_elsewhere(monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.setenv(name, f"mine-{name}")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: mine-header")
    with JudgeServer() as server:
        list(JudgingRun(ModelJudge(OpenAIProvider("m", base_url=f"{server.url}/v1")), samples_of(1)))
        list(JudgingRun(ModelJudge(GeminiProvider("m", base_url=server.url)), samples_of(1)))
    for headers in server.headers:
        assert not {"authorization", "x-goog-api-key"} & headers.keys()
        assert not any("mine" in value or "secret" in value for value in headers.values())


@pytest.mark.parametrize(
    "url", ["http://api.openai.com/v1", "https://api.openai.com:8443/v1", "https://openai.com/v1"]
)
def test_openai_s_key_is_for_its_address_alone(url):
    assert OpenAIProvider("m", base_url=url)._connection.key is None
    assert OpenAIProvider("m")._connection.key is not None


BOMB = gzip.compress(bytes(64 * MAX_ANSWER_BYTES))


@pytest.mark.parametrize(
    ("headers", "body", "is_read"),
    [
        ({}, completion(GOOD)[2].ljust(MAX_ANSWER_BYTES), True),
        ({}, completion(GOOD)[2].ljust(MAX_ANSWER_BYTES + 1), False),
        ({"Content-Encoding": "gzip"}, gzip.compress(completion(GOOD)[2]), True),
        ({"Content-Encoding": "gzip"}, BOMB, False),
    ],
)
def test_an_answer_has_a_megabyte(headers, body, is_read):
    outcome = outcome_of(always((200, headers, body)))
    assert isinstance(outcome, Verdict) == is_read
    assert is_read or (outcome.reason, outcome.transcript) == ("malformed", ("", ""))
    assert is_read or "longer than 1,048,576 bytes" in outcome.detail


def test_a_broken_package_is_an_answer_and_no_fault_of_the_network():
    outcome = outcome_of(always((200, {"Content-Encoding": "gzip"}, b"no gzip")))
    assert (outcome.reason, outcome.transcript) == ("malformed", ("", ""))
    outcome = outcome_of(always((500, {"Content-Encoding": "gzip"}, b"no gzip")))
    assert (outcome.reason, outcome.detail) == ("unreachable", "500: no message")


def test_what_is_packed_otherwise_is_no_traceback():
    for headers, body in [
        ({"Content-Encoding": "gzip"}, b"no gzip"),
        ({"Content-Encoding": "deflate"}, zlib.compress(completion(GOOD)[2])),
        ({"Content-Encoding": "br"}, b"\x00\x01"),
    ]:
        assert isinstance(outcome_of(always((200, headers, body))), NoVerdict)


def test_an_error_of_any_length_is_a_line():
    outcome = outcome_of(always((500, {}, b'{"error": {"message": "' + b"x\\n" * MAX_ANSWER_BYTES)))
    assert outcome.detail.startswith("500: ")
    assert len(outcome.detail) <= 300


class Dripping(JudgeServer):
    """Sends a byte now and then, for ever."""

    async def _answer(self, writer, protocol, digest, fault):
        writer.write(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            await asyncio.sleep(0.02)


def test_an_answer_is_timed_as_a_whole():
    with Dripping() as server:
        policy = RetryPolicy(max_requests=1, max_answers=1)
        (judgement,) = JudgingRun(judge_at(server.url, "openai", policy, timeout_s=0.15), samples_of(1))
    assert judgement.outcome.detail == "no answer within 0.15 s"


@pytest.mark.parametrize("tokens", [-5, 0, 1e30, 10**30, "20", True, None, [1], {"a": 1}])
def test_absurd_usage_counts_as_the_reservation(tokens):
    assert counted(tokens) is None
    usage = {"total_tokens": tokens, "totalTokenCount": tokens}
    budget = Budget()
    assert isinstance(outcome_of(always(completion(GOOD, usage)), budget=budget), Verdict)
    prompt = ModelJudge(openai_provider("http://localhost:1")).prompt(question_of(0))
    assert budget.spending.used == Limits().bound(prompt)


def test_usage_that_is_a_number():
    assert [counted(value) for value in (1, 20, 20.0, 20.5, 10_000_000)] == [1, 20, 20, 21, 10_000_000]


@pytest.mark.parametrize(
    "wait", ["-1", "1e9999", "soon", "", "\xff", "Mon, 99 Xyz 2026 99:99:99 GMT", "0x10", "\xb2"]
)
def test_retry_after_may_be_anything(wait):
    def say(request, nth):
        return (429, {"Retry-After": wait}, b"{}") if nth == 1 else completion(GOOD)

    assert isinstance(outcome_of(say), Verdict)


@pytest.mark.parametrize("wait", ["1e9", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_waits_for_ever(wait):
    with pytest.raises(RemoteError, match=r"asks for 86,400 s of patience \(429"):
        outcome_of(always((429, {"Retry-After": wait}, b"{}")))


# Waits: what servers ask for, and backoff where they ask for nothing.

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e9"}, 86_400.0),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"}, 86_400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 +99999999999"}, None),
        ({"retry-after": "Mon, 99 Xyz 2026 99:99:99 GMT"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": ",,,"}, None),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 0.0),
        ({"retry-after-ms": "1e12"}, 86_400.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Saturday, 21-Nov-26 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 13:00:30 +0100"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:59:00 GMT"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after(headers, wait_s):
    assert retry_after_s(headers, NOW) == wait_s


def google_error(*details: object) -> dict:
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": list(details)}}


INFO = "type.googleapis.com/google.rpc.RetryInfo"


@pytest.mark.parametrize(
    ("body", "wait_s"),
    [
        (
            google_error(
                {"@type": "type.googleapis.com/google.rpc.Help"}, {"@type": INFO, "retryDelay": "34.5s"}
            ),
            34.5,
        ),
        (google_error({"@type": INFO, "retryDelay": "58s"})["error"], 58.0),
        (google_error({"@type": INFO, "retryDelay": "soon"}), None),
        (google_error({"@type": INFO, "retryDelay": "1e300s"}), 86_400.0),
        (google_error({"@type": INFO, "retryDelay": "1e999s"}), None),
        (google_error({"@type": INFO, "retryDelay": "-1s"}), 0.0),
        (google_error({"@type": INFO, "retryDelay": 5}), None),
        (google_error({"@type": INFO}), None),
        (google_error("x"), None),
        (google_error(), None),
        ({"error": "x"}, None),
        ({"error": {"details": {}}}, None),
        ([1], None),
        (None, None),
    ],
)
def test_retry_info(body, wait_s):
    assert retry_info_s(body) == wait_s


def test_statuses():
    assert [status for status in range(300, 600) if is_retried(status)] == [408, 429, *range(500, 600)]


def test_backoff_is_full_jitter_up_to_a_cap():
    policy, generator = RetryPolicy(base_s=1, cap_s=10), Random(0)
    for num_failures, most_s in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (500, 10)]:
        waits = [policy.wait_s(num_failures, generator) for _ in range(2000)]
        assert 0 <= min(waits) < 0.05 * most_s
        assert 0.95 * most_s < max(waits) <= most_s
        assert sum(waits) / 2000 == pytest.approx(most_s / 2, rel=0.05)


def test_a_server_s_wish_is_kept_and_spread():
    waits = [RetryPolicy(base_s=2).wait_s(1, Random(seed), server_wait_s=30) for seed in range(100)]
    assert 30 <= min(waits) < max(waits) <= 32


def test_the_same_generator_gives_the_same_waits():
    policy = RetryPolicy()
    assert policy.wait_s(3, Random(7)) == policy.wait_s(3, Random(7))


def test_policies_make_sense():
    with pytest.raises(ValueError, match="does not hold"):
        RetryPolicy(max_requests=2, max_answers=3)
