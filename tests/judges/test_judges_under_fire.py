"""Servers that misbehave: every sample is judged in the end, none wrongly, none twice."""

import pytest
from model_examples import is_true, judge_at, samples_of
from model_server import FAULTS, JudgeServer, at_random, in_turn

from pixelsmile.judges import JudgingRun, Verdict, VerdictCache

NUM_SAMPLES = 40


@pytest.mark.parametrize("kind", ["openai", "gemini"])
def test_a_third_of_the_requests_goes_wrong(kind, tmp_path):
    with JudgeServer(at_random(0.3)) as server, VerdictCache(tmp_path / "cache.sqlite") as cache:
        run = JudgingRun(
            judge_at(server.url, kind, timeout_s=5.0),
            samples_of(NUM_SAMPLES),
            cache=cache,
            max_concurrency=16,
        )
        judgements = list(run)
    assert len(judgements) == len({judgement.key for judgement in judgements}) == NUM_SAMPLES
    assert all(isinstance(judgement.outcome, Verdict) for judgement in judgements)
    assert all(is_true(judgement.outcome, int(judgement.key.split()[1])) for judgement in judgements)
    assert set(server.answered.values()) == {1}, "a good answer was paid for twice"
    assert len(server.answered) == NUM_SAMPLES
    assert server.met.total() > NUM_SAMPLES
    assert run.left == ()
    assert run.stopped is None


@pytest.mark.parametrize("kind", ["openai", "gemini"])
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "timeout"])
def test_each_fault_is_outlived(kind, fault):
    with JudgeServer(in_turn(fault)) as server:
        (judgement,) = JudgingRun(judge_at(server.url, kind), samples_of(1))
    assert server.met == {fault: 1, "good": 1}
    assert is_true(judgement.outcome, 0)


@pytest.mark.parametrize("kind", ["openai", "gemini"])
def test_a_server_that_hangs(kind):
    with JudgeServer(in_turn("timeout")) as server:
        (judgement,) = JudgingRun(judge_at(server.url, kind, timeout_s=2.0), samples_of(1))
    assert is_true(judgement.outcome, 0)
    assert server.met == {"timeout": 1, "good": 1}
