"""`pixelsmile bench compare`, as a user types it."""

import json
from pathlib import Path

import pytest
from benchmarks.run_examples import begin_run, judge_run, make_edits, measure_run, write_run

from pixelsmile.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "strong")
    weak = begin_run(folder / "weak", editor="weak", strengths=(0.0, 1.0))
    make_edits(weak)
    judge_run(weak, share=0.5)
    measure_run(weak)
    return str(folder / "strong"), str(folder / "weak")


def compare(*arguments: str) -> int:
    return main(["bench", "compare", *arguments])


def test_the_table_says_who_is_better_and_what_was_left_out(runs, capsys):
    assert compare(*runs) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("A truth, B weak; judged by example:drawing:")
    row = next(line for line in captured.out.splitlines() if line.startswith("S_E")).split()
    assert float(row[1]) == pytest.approx(2 * float(row[2]), abs=0.002)
    assert row[3].startswith("+")
    assert row[-1] == "A"
    assert "16 edits are in both runs, of 24 and 16" in captured.err


def test_json(runs, capsys):
    assert compare(*runs, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["a"], record["b"]) == ("truth", "weak")
    gap = record["differences"]["expression"]
    assert gap["difference"]["value"] == pytest.approx(gap["a"] - gap["b"])
    assert len(record["remarks"]) == 1


def test_a_run_cannot_be_compared_with_itself_or_nothing(runs, capsys):
    for arguments, line in (
        ((runs[0], runs[0]), "given twice"),
        ((runs[0], str(Path(runs[0]).parent)), "holds no run"),
        ((runs[0],), "required: RUN_B"),
    ):
        assert compare(*arguments) == 2
        assert line in capsys.readouterr().err
