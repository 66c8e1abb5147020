"""Runs: every sample once, in any order, nothing paid for twice, and ends that leave nothing behind."""

import asyncio
import io
import json
from collections import Counter
from contextlib import aclosing

import pytest
from model_examples import JudgingRun, picture_of, png_of, question_of, samples_of
from model_server import good_answer, truth
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pixelsmile.judges import (
    Budget,
    Judgement,
    ModelJudge,
    NoVerdict,
    Picture,
    Question,
    Sample,
    Verdict,
    VerdictCache,
)
from pixelsmile.remote import Failure, RemoteError, Reply, ScriptedProvider, Usage


class Scripted(ScriptedProvider):
    """Answers with the truth after a while, and counts."""

    def __init__(self, script=None, delay_s: float = 0.0) -> None:
        super().__init__(script or true_answer, version="test")
        self.delay_s = delay_s
        self.asked: Counter[str] = Counter()
        self.in_flight = self.most_in_flight = self.num_closed = 0

    async def ask(self, prompt):
        self.asked[prompt.sha256] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay_s)
            return await super().ask(prompt)
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        assert self.in_flight == 0
        self.num_closed += 1


def true_answer(question: Question) -> Reply:
    text = json.dumps(good_answer(question.sha256))
    return Reply(text, text, Usage(10))


def is_true(outcome, seed: int) -> bool:
    return (dict(outcome.scores), outcome.dominant) == truth(picture_of(seed).sha256)


def test_all_samples_once_and_right():
    provider = Scripted(delay_s=0.005)
    run = JudgingRun(ModelJudge(provider), samples_of(30), max_concurrency=7)
    judgements = list(run)
    assert sorted(judgement.key for judgement in judgements) == sorted(
        sample.key for sample in samples_of(30)
    )
    assert all(is_true(judgement.outcome, int(judgement.key.split()[1])) for judgement in judgements)
    assert {judgement.source for judgement in judgements} == {"judge"}
    assert 1 < provider.most_in_flight <= 7
    assert provider.num_closed == 1
    assert (run.left, run.stopped) == ((), None)


def test_results_come_as_they_are_ready():
    async def slow_first(question: Question) -> None:
        await asyncio.sleep(0.2 if question.sha256 == picture_of(0).sha256 else 0)

    class Uneven(Scripted):
        async def ask(self, prompt):
            await slow_first(prompt)
            return await super().ask(prompt)

    keys = [judgement.key for judgement in JudgingRun(ModelJudge(Uneven()), samples_of(5), max_concurrency=2)]
    assert keys[-1] == "sample 0"


def test_twins_are_judged_once():
    provider = Scripted(delay_s=0.01)
    samples = [Sample(f"{seed} {twin}", png_of(seed), "human") for seed in range(4) for twin in range(5)]
    judgements = list(JudgingRun(ModelJudge(provider), samples, max_concurrency=6))
    assert set(provider.asked.values()) == {1}
    assert Counter(judgement.source for judgement in judgements) == {"judge": 4, "twin": 16}
    assert all(is_true(judgement.outcome, int(judgement.key.split()[0])) for judgement in judgements)


def test_another_domain_is_another_question():
    provider = Scripted()
    samples = [Sample("a", png_of(0), "human"), Sample("b", png_of(0), "anime")]
    assert [judgement.source for judgement in JudgingRun(ModelJudge(provider), samples)] == ["judge", "judge"]


def test_the_cache_pays(tmp_path):
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        first = {j.key: j.outcome for j in JudgingRun(ModelJudge(Scripted()), samples_of(3), cache=cache)}
        provider = Scripted()
        judgements = list(JudgingRun(ModelJudge(provider), samples_of(5), cache=cache))
    assert Counter(judgement.source for judgement in judgements) == {"cache": 3, "judge": 2}
    assert all(first[j.key] == j.outcome for j in judgements if j.source == "cache")
    assert provider.asked.total() == 2


@pytest.mark.parametrize(
    ("reason", "settings", "num_asked"),
    [
        ("empty", {}, 1),
        ("refused", {}, 0),
        ("refused", {"ask_refused_again": True}, 1),
    ],
)
def test_no_verdict_is_asked_for_again_but_for_a_refusal(tmp_path, reason, settings, num_asked):
    refusing = ScriptedProvider(lambda question: Reply("", "no", Usage(5), reason, "SAFETY"), version="test")
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        (refused,) = JudgingRun(ModelJudge(refusing), samples_of(1), cache=cache)
        assert isinstance(refused.outcome, NoVerdict)
        assert (refused.outcome.reason, refused.outcome.detail) == (reason, "SAFETY")
        assert refused.outcome.transcript == ("no",) * 4
        provider = Scripted()
        (again,) = JudgingRun(ModelJudge(provider), samples_of(1), cache=cache, **settings)
    assert provider.asked.total() == num_asked
    assert isinstance(again.outcome, Verdict if num_asked else NoVerdict)


def test_a_picture_that_cannot_be_read():
    samples = [
        Sample("broken", png_of(0)[:200], "human"),
        Sample("missing", "no/such.png", "human"),
        *samples_of(1),
    ]
    provider = Scripted()
    outcomes = {judgement.key: judgement.outcome for judgement in JudgingRun(ModelJudge(provider), samples)}
    assert {key for key, outcome in outcomes.items() if isinstance(outcome, NoVerdict)} == {
        "broken",
        "missing",
    }
    assert outcomes["missing"].reason == "unreadable"
    assert "no/such.png" in outcomes["missing"].detail
    assert provider.asked.total() == 1


def test_a_budget_ends_the_run_and_the_next_one_goes_on(tmp_path):
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        provider = Scripted(delay_s=0.002)
        run = JudgingRun(
            ModelJudge(provider, budget=Budget(max_requests=11)),
            samples_of(30),
            cache=cache,
            max_concurrency=4,
        )
        judged = {judgement.key for judgement in run}
        assert len(judged) == provider.asked.total() == 11
        assert "11 of 11 requests" in run.stopped
        assert set(run.left) == {sample.key for sample in samples_of(30)} - judged
        rest = JudgingRun(ModelJudge(provider), samples_of(30), cache=cache)
        assert len(list(rest)) == 30
        assert provider.asked.total() == 30
        assert (rest.left, rest.stopped) == ((), None)


def test_a_budget_does_not_wait_for_backoff():
    script = iter([Failure("busy", server_wait_s=500.0), true_answer(question_of(1))])
    provider = ScriptedProvider(lambda question: next(script), version="test")
    run = JudgingRun(ModelJudge(provider, budget=Budget(max_requests=2)), samples_of(3), max_concurrency=2)
    assert len(list(run)) == 1
    assert len(run.left) == 2


def test_one_clear_line_where_nothing_can_be_judged():
    failure = Failure("'m' at x cannot be asked (401: bad key)", stops=True)
    wrong = picture_of(3).sha256
    provider = Scripted(lambda q: failure if q.sha256 == wrong else true_answer(q), delay_s=0.01)
    run = JudgingRun(ModelJudge(provider), samples_of(40), max_concurrency=4)
    judged: list[Judgement] = []
    with pytest.raises(RemoteError, match="401: bad key"):
        judged.extend(run)
    assert provider.asked.total() == len(judged) + 1 < 40, (
        "what was in flight came in, nothing was begun after"
    )
    assert provider.num_closed == 1
    assert len(run.left) + len(judged) == 40


def test_too_much_patience():
    busy = ScriptedProvider(lambda question: Failure("429: quota", server_wait_s=7200.0), version="test")
    with pytest.raises(RemoteError, match=r"asks for 7,200 s of patience \(429: quota\): run again later"):
        list(JudgingRun(ModelJudge(busy), samples_of(3)))


def test_a_judge_is_as_new_after_an_error():
    failures = iter([Failure("is closed", stops=True)])
    provider = Scripted(lambda question: next(failures, None) or true_answer(question))
    judge = ModelJudge(provider)
    with pytest.raises(RemoteError):
        list(JudgingRun(judge, samples_of(1)))
    assert len(list(JudgingRun(judge, samples_of(1)))) == 1


def test_whoever_stops_early_leaves_nothing_behind():
    provider = Scripted(delay_s=0.05)

    async def first(run: JudgingRun) -> str:
        async with aclosing(aiter(run.pool)) as results:
            async for sample, _ in results:
                return sample.key
        raise AssertionError

    run = JudgingRun(ModelJudge(provider), samples_of(9), max_concurrency=3)
    assert asyncio.run(first(run)) not in run.left
    assert len(run.left) == 8
    assert (provider.in_flight, provider.num_closed) == (0, 1)

    for _ in JudgingRun(ModelJudge(provider), samples_of(9), max_concurrency=3):
        break
    assert (provider.in_flight, provider.num_closed) == (0, 2)


def test_metadata_is_not_shown():
    note = PngInfo()
    note.add_text("pixelsmile:settings", "happy at strength 1")
    file = io.BytesIO()
    with Image.open(io.BytesIO(png_of(0))) as image:
        image.save(file, "PNG", pnginfo=note)
    assert b"happy" in file.getvalue()
    picture = Picture.read(file.getvalue())
    assert b"happy" not in picture.png(1024)
    assert picture == picture_of(0)


def test_large_pictures_are_scaled_down():
    picture = Picture.read(Image.new("RGB", (400, 100), "red"))
    for most, size in [(1024, (400, 100)), (200, (200, 50)), (3, (3, 1))]:
        with Image.open(io.BytesIO(picture.png(most))) as image:
            assert image.size == size


def test_runs_make_sense():
    judge = ModelJudge(Scripted())
    with pytest.raises(ValueError, match="in flight"):
        JudgingRun(judge, [], max_concurrency=0)
    run = JudgingRun(judge, samples_of(1))
    list(run)
    with pytest.raises(RuntimeError, match="once"):
        list(run)
    assert list(JudgingRun(judge, [])) == []
