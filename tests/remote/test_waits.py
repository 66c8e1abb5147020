"""Waits: what servers ask for, and backoff where they ask for nothing."""

from datetime import UTC, datetime
from random import Random

import pytest

from pixelsmile.judges import RetryPolicy
from pixelsmile.remote.answers import is_retried, retry_after_s, retry_info_s

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


def error(*details: object) -> dict:
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": list(details)}}


INFO = "type.googleapis.com/google.rpc.RetryInfo"


@pytest.mark.parametrize(
    ("body", "wait_s"),
    [
        (
            error({"@type": "type.googleapis.com/google.rpc.Help"}, {"@type": INFO, "retryDelay": "34.5s"}),
            34.5,
        ),
        (error({"@type": INFO, "retryDelay": "58s"})["error"], 58.0),
        (error({"@type": INFO, "retryDelay": "soon"}), None),
        (error({"@type": INFO, "retryDelay": "1e300s"}), 86_400.0),
        (error({"@type": INFO, "retryDelay": "1e999s"}), None),
        (error({"@type": INFO, "retryDelay": "-1s"}), 0.0),
        (error({"@type": INFO, "retryDelay": 5}), None),
        (error({"@type": INFO}), None),
        (error("x"), None),
        (error(), None),
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
