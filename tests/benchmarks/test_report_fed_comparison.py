"""Two runs of FED-Bench, paired: means by hand, what only one has left out, and refusals."""

from dataclasses import replace

import pytest
from fed_run_examples import GOOD, RESTING, SMALLER, write_fed_run

from pixelsmile.benchmarks.fed.results import load_fed_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.report.fed_comparison import compare_fed_runs, fed_comparison_lines
from pixelsmile.benchmarks.scores import Score
from pixelsmile.cli import main
from pixelsmile.errors import InputError

QUICK = Bootstrap(num_replicates=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_fed_run(tmp_path_factory.mktemp("runs") / "odd")


@pytest.fixture(scope="module")
def run(folder):
    return load_fed_results(folder, bootstrap=QUICK)


def with_gains(run, gains):
    """Only those triplets, with these gains (None: unscored)."""
    return replace(
        run,
        edits=tuple(
            edit.with_scores(
                gain=Score(unscored="lost")
                if gains[edit.sample] is None
                else Score(values={"gain": gains[edit.sample]})
            )
            for edit in run.edits
            if edit.sample in gains
        ),
    )


def test_a_difference_is_of_what_both_have_scored(run):
    """GOOD is 2 against 1, SMALLER 1 against .5, RESTING is scored in one: each has two granularities."""
    a = with_gains(run, {GOOD: 2.0, SMALLER: 1.0, RESTING: 7.0})
    b = with_gains(run, {GOOD: 1.0, SMALLER: 0.5, RESTING: None})
    found, remarks = compare_fed_runs(a, b, QUICK)
    assert remarks == []
    assert list(found.differences) == ["all", "dense", "simple"]
    assert found.num_samples == 3
    for part, num_edits in (("all", 4), ("dense", 2), ("simple", 2)):
        gain = found.differences[part]["gain"]
        assert (gain.a, gain.b, gain.difference.value) == (1.5, 0.75, 0.75)
        assert 0.5 <= gain.difference.low <= 0.75 <= gain.difference.high <= 1.0
        assert gain.coverage.num_scored == num_edits
        assert gain.coverage.unscored == {"no value for the other editor's": num_edits / 2}
        assert found.differences[part]["quality"].difference.value == 0
    lines = fed_comparison_lines(found)
    assert lines[0].split()[:4] == ["all", "A", "B", "A"]
    assert sum(line.startswith("REG ") for line in lines) == 3


def test_tasks_of_one_run_are_left_out_and_said(run):
    a = with_gains(run, {GOOD: 2.0, SMALLER: 1.0})
    found, remarks = compare_fed_runs(a, with_gains(run, {GOOD: 2.0}), QUICK)
    assert found.differences["all"]["gain"].difference.value == 0
    assert remarks == ["2 tasks are in both runs, of 4 and 2: the others are left out"]
    with pytest.raises(InputError, match="share no task"):
        compare_fed_runs(a, with_gains(run, {RESTING: 1.0}))


def test_runs_that_were_judged_otherwise_are_refused(run):
    with pytest.raises(InputError, match="different judges: judge both alike"):
        compare_fed_runs(run, replace(run, judge_id="another"))
    with pytest.raises(InputError, match="different encoders"):
        compare_fed_runs(run, replace(run, identity_encoders=("facenet",)))


def test_the_command(folder, tmp_path, capsys):
    other = write_fed_run(tmp_path / "other")
    assert main(["bench", "compare", str(folder.path), str(other.path)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1] == "9 samples in both; difference is A - B"
    row = next(line for line in out.splitlines() if line.startswith("FED-Score"))
    assert row.split()[3] == "+0.000"
    assert main(["bench", "compare", str(folder.path), str(other.path), "--choice", "ties=unscored"]) == 2
    assert "--choice is for runs of FFE-Bench" in capsys.readouterr().err
