"""Plans: what is counted, what is known to be done, and what nobody knows."""

import json
from decimal import Decimal

import pytest
from quick_benchmark import QUICK
from run_examples import write_run

from pixelsmile.benchmarks.catalogue import load_fed_benchmark
from pixelsmile.benchmarks.plan import Earlier, Question, Span, plan, total
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.cli import main
from pixelsmile.editors.choice import parse_editor
from pixelsmile.errors import InputError

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def asked(*names: str, **rest) -> Question:
    return Question({name: parse_editor(name) for name in names}, {"ffe": QUICK}, STRENGTHS, **rest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> RunFolder:
    return write_run(tmp_path_factory.mktemp("runs") / "truth", editor="truth")


def earlier_of(folder: RunFolder, sha256: str | None) -> Earlier:
    """A run of the quick benchmark where sha256 is None, as that has no hash."""
    spec = folder.spec()
    return Earlier(folder, spec.model_copy(update={"benchmark": {"name": "quick", "sha256": sha256}}))


def test_an_editor_without_strengths_is_asked_once_a_task_and_pays_for_each_call():
    """16 tasks at $.05; an answer that cannot be used is paid for, up to four."""
    edit, judge = plan(asked("bfl:flux-2-pro", prices={"bfl:flux-2-pro": Decimal("0.05")}))
    assert (edit.num, edit.num_calls, edit.dollars) == (16, 16, Span(pytest.approx(0.8), pytest.approx(3.2)))
    assert edit.hours is None
    assert (judge.num, judge.num_calls, judge.dollars) == (16, 0, Span(0.0, 0.0))


def test_strengths_in_words_are_calls_of_their_own_and_the_neutral_face_one_a_source():
    """12 words beside neutral for each of 4 sources x 4 targets, and 4 neutral faces."""
    edit, _ = plan(asked("seedream-4.5"))
    assert edit.num == 16 * 5
    assert edit.num_calls == 16 * 4 + 4
    assert edit.dollars is not None


def test_a_price_that_nobody_knows_is_unknown_and_in_no_sum():
    work = list(plan(asked("gpt-image-1.5", "truth", judge="gemini:model", judge_price=Decimal("0.01"))))
    assert work[0].dollars is None
    dollars, num_unknown, _, num_untimed = total(work)
    assert num_unknown == 1
    assert dollars.low == pytest.approx(0.01 * 2 * 80)
    assert num_untimed == 4


def test_hours_are_those_of_earlier_runs_and_what_is_made_is_not_counted(folder):
    """The run is of other samples: its seconds (.1 each) count, its edits do not."""
    edit, _ = plan(asked("truth", earlier=[earlier_of(folder, "another")]))
    assert (edit.num, edit.num_done) == (80, 0)
    assert edit.hours.low == pytest.approx(80 * 0.1 / 3600)
    assert edit.hours.high == pytest.approx(80 * 0.1 / 3600)
    assert edit.notes == ["timed in truth (truth)"]
    (twice, _) = plan(asked("truth", earlier=[earlier_of(folder, "another")], processes=2))
    assert twice.hours.low == pytest.approx(edit.hours.low / 2)
    nobody, _ = plan(asked("copy", earlier=[earlier_of(folder, "another")]))
    assert nobody.hours is None


def test_of_the_same_samples_what_is_made_and_judged_is_done(folder):
    spec = folder.spec()
    tasks = [task for task in QUICK.tasks if task.source == "a"][:1]
    assert tasks
    found = Earlier.of(folder)
    assert len(found.made()) == 23  # of 24; one was not made
    assert found.num_judged("example:drawing") == 22  # one was refused
    assert found.num_judged("example") == 22
    assert found.num_judged("gemini:other") == 0
    assert spec.tasks[0].benchmark == found.benchmark == "ffe"


def test_marks_of_fed_bench_are_three_an_edit_and_scores_measure_changes():
    benchmark = load_fed_benchmark("embedded", num_samples=2)
    question = Question({"truth": parse_editor("truth")}, {"fed": benchmark}, STRENGTHS, "gemini:model")
    edit, judge = plan(question)
    assert edit.num == len(benchmark.tasks) == 4
    assert judge.num == judge.num_calls == 4 * 4 + 2 * 2
    assert judge.dollars is None


def test_a_sum_of_nothing_known_is_none_and_a_program_need_not_be_here(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "plan", "--editors", "bagel", "--samples", "2", "--benchmark", "ffe"]) == 0
    out = capsys.readouterr().out
    assert "in all: 0 dollars\n        unknown hours in a row, for there are only lines that nobody" in out
    words = "bench plan --editors gpt-image-1.5 --samples 2 --benchmark ffe --judge gemini:m"
    assert main(words.split()) == 0
    assert (
        "in all: unknown dollars, for there are only lines without a known price\n" in capsys.readouterr().out
    )
    with pytest.raises(InputError, match="start in a checkout"):
        parse_editor("bagel")


def test_the_command_says_it_and_refuses_in_one_line(folder, capsys):
    words = ["bench", "plan", "--editors", "truth", "bfl:x", "--samples", "2", "--benchmark", "ffe"]
    assert main([*words, "--price", "bfl:x=0.5", "--earlier", str(folder.path)]) == 0
    out = capsys.readouterr().out
    assert "1.00 to 4.00" in out
    assert "in all: 1.00 to 4.00 dollars\n" in out
    assert "less than 0.01 hours in a row, not counting lines that nobody has timed: " in out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dollars"]["n_unknown"] == 1
    for wrong, line in (
        (["--price", "bfl:y=1"], "of one of truth, bfl:x"),
        (["--judge", "nobody"], "is not understood"),
        (["--earlier", "nowhere"], "holds no run"),
    ):
        assert main([*words, *wrong]) == 2
        assert line in capsys.readouterr().err
