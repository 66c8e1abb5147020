"""Several judges at once."""

import asyncio
from collections import Counter
from contextlib import aclosing

import pytest
from judge_examples import judge_at, samples_of
from judge_server import JudgeServer, good_answer

from pixelsmile.judges import JudgeError, ModelJudge, ScriptedProvider, VerdictCache
from pixelsmile.judges.agreement import agreement
from pixelsmile.judges.panel import Panel
from pixelsmile.judges.providers import Failure


def scripted(version: str, answer) -> ModelJudge:
    return ModelJudge(ScriptedProvider(answer, version=version))


def by_judge(panel: Panel) -> dict[str, dict[str, object]]:
    """All outcomes, as `agreement` takes them."""
    found: dict[str, dict[str, object]] = {}

    async def run() -> None:
        async for judgement in panel:
            found.setdefault(judgement.outcome.judge, {})[judgement.key] = judgement.outcome

    asyncio.run(run())
    return found


def test_two_servers_and_a_script(tmp_path):
    with JudgeServer() as server, VerdictCache(tmp_path / "cache.sqlite") as cache:
        judges = [judge_at(server.url, "openai"), judge_at(server.url, "gemini")]
        judges.append(
            scripted("contrary", lambda question: str(good_answer(question.sha256)).replace("'", '"'))
        )
        outcomes = by_judge(Panel(judges, samples_of(6), cache=cache, max_concurrency=3))
    assert {judge: len(by_key) for judge, by_key in outcomes.items()} == dict.fromkeys(
        (judge.identity.id for judge in judges), 6
    )
    found = agreement(outcomes)
    assert (found.num_pictures, found.num_paired) == (6, 6)
    assert found.all_scores < 0.9
    alike = agreement({judge: by_key for judge, by_key in outcomes.items() if "scripted" not in judge})
    assert (alike.all_scores, alike.dominant) == (1.0, 1.0)


def test_one_that_cannot_be_asked_stops_all():
    good = scripted("good", lambda question: "")
    wrong = scripted("wrong", lambda question: Failure("is closed", stops=True))
    panel = Panel([good, wrong], samples_of(200), max_concurrency=2)
    with pytest.raises(JudgeError, match="is closed"):
        by_judge(panel)
    assert Counter(bool(run.left) for run in panel.runs.values()) == {True: 2}


def test_a_panel_can_be_left_before_its_end():
    async def first(panel: Panel) -> None:
        async with aclosing(aiter(panel)) as judgements:
            async for _ in judgements:
                return

    panel = Panel(
        [scripted("a", lambda _: ""), scripted("b", lambda _: "")], samples_of(20), max_concurrency=2
    )
    asyncio.run(asyncio.wait_for(first(panel), timeout=30))


def test_a_panel_has_different_judges():
    with pytest.raises(ValueError, match="different judges"):
        Panel([scripted("a", str), scripted("a", str)], [])
