"""Servers that misbehave: all is judged in the end, none wrongly, none twice; what is refused is unscored."""

import json

import pytest
from model_examples import JudgingRun, digest_of, is_true, judge_at, samples_of
from model_server import FAULTS, JudgeServer, at_random, in_turn

from pixelsmile.judges import NoVerdict, Verdict, VerdictCache
from pixelsmile.remote import RemoteError

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


# Refusals


INSPECTED = {"message": "Input data may contain inappropriate content.", "code": "data_inspection_failed"}
UNABLE = {"message": "Unable to process input image. Please retry", "status": "INVALID_ARGUMENT"}
TOO_LARGE = {"message": "Request Entity Too Large"}


class Refusing(JudgeServer):
    """Refuses the pictures of these seeds, always."""

    def __init__(self, status: int, error: dict, *seeds: int) -> None:
        super().__init__()
        self.refused = {digest_of(seed) for seed in seeds}
        self.error = status, error

    async def _answer(self, writer, protocol, digest, fault):
        if digest not in self.refused:
            return await super()._answer(writer, protocol, digest, fault)
        status, error = self.error
        protocol.answer = lambda digest, fault: (status, {}, json.dumps({"error": error}).encode())
        return await super()._answer(writer, protocol, digest, "refused")


@pytest.mark.parametrize("kind", ["openai", "gemini"])
@pytest.mark.parametrize(
    ("status", "error"), [(400, INSPECTED), (400, UNABLE), (413, TOO_LARGE), (422, {"message": "no"})]
)
def test_the_run_goes_on_without_that_picture(kind, status, error, tmp_path):
    with Refusing(status, error, 2) as server, VerdictCache(tmp_path / "cache.sqlite") as cache:
        run = JudgingRun(judge_at(server.url, kind), samples_of(5), cache=cache, max_concurrency=1)
        outcomes = {one.key: one.outcome for one in run}
        assert (run.left, run.stopped) == ((), None)
        refused = outcomes.pop("sample 2")
        assert all(isinstance(outcome, Verdict) for outcome in outcomes.values())
        assert isinstance(refused, NoVerdict)
        assert (refused.reason, refused.transcript) == ("refused", ())
        assert refused.detail.startswith(f"{status}: {error['message']}")
        assert server.asked[digest_of(2)] == 1, "the same again would be refused again"

        again = {one.key: one for one in JudgingRun(judge_at(server.url, kind), samples_of(5), cache=cache)}
        assert (again["sample 2"].source, again["sample 2"].outcome) == ("cache", refused)
        assert server.asked[digest_of(2)] == 1
        run = JudgingRun(judge_at(server.url, kind), samples_of(5), cache=cache, ask_refused_again=True)
        assert len(list(run)) == 5
        assert server.asked[digest_of(2)] > 1


def test_a_picture_may_be_refused_before_anything_is_answered():
    with Refusing(400, INSPECTED, 0) as server:
        run = JudgingRun(judge_at(server.url, "openai"), samples_of(3), max_concurrency=1)
        outcomes = [one.outcome for one in run]
    assert [isinstance(outcome, Verdict) for outcome in outcomes] == [False, True, True]


def test_what_may_be_the_request_stops_a_judge_that_never_answered(tmp_path):
    with Refusing(413, TOO_LARGE, 0) as server, VerdictCache(tmp_path / "cache.sqlite") as cache:
        judge = judge_at(server.url, "openai")
        with pytest.raises(RemoteError, match=r"cannot be asked \(413: Request Entity Too Large\)"):
            list(JudgingRun(judge, samples_of(3), cache=cache, max_concurrency=1))
        list(JudgingRun(judge, samples_of(2)[1:], cache=cache))
        run = JudgingRun(judge, samples_of(3), cache=cache, max_concurrency=1)
        assert len(list(run)) == 3, "it has answered before: the cache says so"


@pytest.mark.parametrize(("most", "num_refused"), [(5, 4), (2, 1)])
def test_several_in_a_row_stop_the_run(most, num_refused, tmp_path):
    with Refusing(400, INSPECTED, *range(3, 20)) as server, VerdictCache(tmp_path / "cache.sqlite") as cache:
        run = JudgingRun(
            judge_at(server.url, "gemini"), samples_of(20), cache=cache, max_concurrency=1, max_refusals=most
        )
        outcomes = []
        with pytest.raises(RemoteError, match=rf"^{most} questions in a row .*\(400: Input") as caught:
            outcomes.extend(one.outcome for one in run)
    assert sum(isinstance(outcome, Verdict) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, NoVerdict) for outcome in outcomes) == num_refused
    assert "--ask-again" in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_an_answer_between_ends_the_row():
    with Refusing(400, INSPECTED, *range(1, 20, 2)) as server:
        run = JudgingRun(judge_at(server.url, "openai"), samples_of(20), max_concurrency=1, max_refusals=2)
        assert len(list(run)) == 20


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_stops_at_once_also_after_answers(status, tmp_path):
    with Refusing(status, {"message": "no"}, 2) as server, VerdictCache(tmp_path / "cache.sqlite") as cache:
        run = JudgingRun(judge_at(server.url, "openai"), samples_of(9), cache=cache, max_concurrency=1)
        outcomes = []
        with pytest.raises(RemoteError, match=f"{status}: no"):
            outcomes.extend(run)
    assert len(outcomes) == 2, "what was done is kept"


def test_a_run_stops_after_one_refusal_at_the_least():
    with pytest.raises(ValueError, match="0 refusals"):
        JudgingRun(judge_at("http://localhost:1", "openai"), [], max_refusals=0)
