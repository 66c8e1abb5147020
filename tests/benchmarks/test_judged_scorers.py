"""Judging the edits of a run: what is asked, what is kept, and what a kill costs."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from judging_under_kills import IN_FLIGHT, PaidJudge, judge_all
from PIL import Image
from run_examples import STRENGTHS, begin_run, edit_record, make_edits, png_of

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import VerdictScorer, judge_stem, judges_of
from pixelsmile.benchmarks.scorers.scorer import Scoring, score_records
from pixelsmile.errors import InputError
from pixelsmile.expressions import JUDGE_LABELS
from pixelsmile.hashing import sha256_bytes
from pixelsmile.judges import Budget, ModelJudge, VerdictCache
from pixelsmile.judges.run import Asker
from pixelsmile.remote import NOTHING, Failure, RemoteError, Reply, ScriptedProvider
from pixelsmile.store.json_lines import LineWriter

NUM_KILLS = 20
QUICK = Bootstrap(num_replicates=100)
ANSWER = json.dumps({"scores": dict.fromkeys(JUDGE_LABELS, 0.5), "dominant": "Happiness"})
NO_ANSWER = Reply("what a lovely face", "what a lovely face", NOTHING)


class Script:
    """Answers, and remembers about which pictures it was asked."""

    def __init__(self, answer=ANSWER) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, question):
        self.asked.append(question.sha256)
        return self.answer(question) if callable(self.answer) else self.answer

    def judge(self, **settings) -> ModelJudge:
        return ModelJudge(ScriptedProvider(self, version="test"), **settings)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """Eight sources with one edit each, none judged."""
    folder = begin_run(tmp_path / "run", strengths=[1.0])
    make_edits(folder)
    return folder


def judged(folder: RunFolder, judge, cache: Path | None = None, max_concurrency: int = 8) -> Scoring:
    with VerdictCache(cache or folder.path / "verdicts.sqlite") as open_cache:
        judging = Scoring(folder, VerdictScorer(Asker(judge, open_cache), max_concurrency))
        list(judging)
    return judging


def verdicts(folder: RunFolder, judge_id: str | None = None):
    """Of that judge, or of the only one."""
    (judge_id,) = judges_of(folder) if judge_id is None else (judge_id,)
    return {key: record.score for key, record in score_records(folder, judge_stem(judge_id)).items()}


def test_every_edit_is_judged_once(folder):
    script = Script()
    judging = judged(folder, script.judge())
    assert (judging.num_edits, judging.num_left, judging.stopped) == (8, 0, None)
    assert len(script.asked) == len(set(script.asked)) == 8
    assert set(verdicts(folder)) == set(folder.edits())
    again = judged(folder, script.judge())
    assert again.num_edits == 0
    assert len(script.asked) == 8


def test_an_outcome_is_in_the_file_before_it_is_seen(folder):
    judge = Script().judge()
    with VerdictCache(folder.path / "verdicts.sqlite") as cache:
        for number, _ in enumerate(Scoring(folder, VerdictScorer(Asker(judge, cache))), 1):
            assert len(verdicts(folder)) == number


def test_what_has_no_verdict_is_asked_again(folder):
    chatting = Script(NO_ANSWER)
    judged(folder, chatting.judge())
    assert {score.unscored for score in verdicts(folder).values()} == {"the judge's answers were malformed"}
    answering = Script()
    assert judged(folder, answering.judge()).num_edits == 8
    assert len(answering.asked) == 8
    assert {score.unscored for score in verdicts(folder).values()} == {None}


def test_an_edit_that_was_made_anew_is_judged_anew(folder):
    script = Script()
    judged(folder, script.judge())
    key = next(iter(folder.edits()))
    png = png_of(Image.new("RGB", (64, 64), "teal"))
    (folder.path / folder.edit_name(key)).write_bytes(png)
    with LineWriter(folder.edits_file) as lines:
        lines.write(edit_record(key, file=folder.edit_name(key), sha256=sha256_bytes(png)))
    assert judged(folder, script.judge()).num_edits == 1
    assert len(script.asked) == 9


def test_a_shared_cache_spares_another_run_the_price(folder, tmp_path):
    script, cache = Script(), tmp_path / "shared.sqlite"
    judged(folder, script.judge(), cache)
    other = begin_run(tmp_path / "other", strengths=[1.0], editor="the same by another name")
    make_edits(other)
    judging = judged(other, script.judge(), cache)
    assert (judging.num_edits, judging.num_left) == (8, 0)
    assert len(script.asked) == 8
    assert len(verdicts(other)) == 8


def test_a_spent_budget_leaves_a_state_to_go_on_from(folder):
    script = Script()
    judging = judged(folder, script.judge(budget=Budget(max_requests=3)), max_concurrency=2)
    assert judging.num_left == 5
    assert judging.stopped.startswith("the budget is spent: 3 of 3 requests")
    assert len(verdicts(folder)) == 3
    assert load_results(folder, bootstrap=QUICK).missing.not_judged == {"not judged yet": 5}
    assert judged(folder, script.judge()).num_left == 0
    assert len(script.asked) == len(set(script.asked)) == 8


def test_a_judge_that_cannot_be_asked_leaves_what_was_judged(folder):
    answers = iter([ANSWER, ANSWER])
    wrong_key = Failure("says 401: wrong key", stops=True)
    script = Script(lambda question: next(answers, wrong_key))
    with pytest.raises(RemoteError, match="wrong key"):
        judged(folder, script.judge(), max_concurrency=1)
    assert len(verdicts(folder)) == 2
    whole = Script()
    assert judged(folder, whole.judge()).num_left == 0
    assert len(whole.asked) == 6


@pytest.mark.parametrize(("change", "said"), [("spoil", "was changed since"), ("remove", "is missing")])
def test_a_picture_that_is_not_the_one_that_was_made_is_refused(folder, change, said):
    path = folder.path / folder.edit_name(next(iter(folder.edits())))
    if change == "spoil":
        path.write_bytes(path.read_bytes() + b"0")
    else:
        path.unlink()
    script = Script()
    with pytest.raises(InputError, match=said):
        judged(folder, script.judge())
    assert script.asked == []


def test_equal_pictures_are_paid_for_once(tmp_path):
    """The neutral face of a person is the same whatever the target is."""
    folder = begin_run(tmp_path / "run", strengths=STRENGTHS)
    make_edits(folder)
    script = Script()
    judging = judged(folder, script.judge())
    assert judging.num_edits == 23  # one of 24 was not made
    assert len(script.asked) == len({edit.sha256 for edit in folder.edits().values()} - {None}) == 19


def test_kills_at_any_moment_cost_nothing_that_was_kept(tmp_path):
    """The report is the same, byte for byte; what has an answer on disk is never asked about again."""
    strengths = [round(0.05 * step, 2) for step in range(1, 21)]
    whole = begin_run(tmp_path / "whole", strengths=strengths)
    make_edits(whole)
    judge_all(whole, tmp_path / "once")
    killed = begin_run(tmp_path / "killed", strengths=strengths, created=7)
    make_edits(killed)
    program = Path(__file__).with_name("judging_under_kills.py")
    payments = tmp_path / "payments"
    done = subprocess.run(
        [sys.executable, str(program), str(killed.path), str(payments), str(NUM_KILLS)],
        capture_output=True,
        text=True,
        check=True,
    )
    rounds = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(rounds) == NUM_KILLS
    assert sum(number == 9 for number, _, _ in rounds) >= NUM_KILLS // 2
    assert 0 < max(num_kept for _, num_kept, _ in rounds) < len(whole.edits())
    assert all(asked_again == 0 for _, _, asked_again in rounds)
    answers = Counter(line.split()[1] for line in payments.read_text().splitlines() if "answered" in line)
    assert set(answers) == set(Counter((tmp_path / "once").read_text().split()[1::2]))
    assert answers.total() - len(answers) <= NUM_KILLS * IN_FLIGHT
    expected = load_results(whole, bootstrap=QUICK).to_json()
    found = load_results(killed, bootstrap=QUICK).to_json()
    assert found.replace(b"00:00:07Z", b"00:00:00Z") == expected
    assert set(judges_of(killed)) == {PaidJudge.identity.id}
