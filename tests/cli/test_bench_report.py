"""`pixelsmile bench ffe report` and `bench compare`, as a user types them."""

import json
import shutil
from pathlib import Path

import pytest
from benchmarks.run_examples import begin_run, judge_run, make_edits, measure_run, write_run

from pixelsmile.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run").path


@pytest.fixture
def run(made) -> str:
    shutil.copytree(made, "run")
    return "run"


def report(*arguments: str) -> int:
    return main(["bench", "ffe", "report", *arguments])


def refusal(capsys, *arguments: str) -> str:
    assert report(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_one_run_gets_its_report_beside_it_and_again_the_same(run, capsys):
    assert report(run) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-2:] == ["run/report.json", "run/report.html"]
    assert captured.err == ""
    record = json.loads(Path("run/report.json").read_bytes())
    assert f"{record['summary']['metrics']['hes']['value']:.3f}" in captured.out
    first = Path("run/report.json").read_bytes(), Path("run/report.html").read_bytes()
    assert report(run) == 0
    assert (Path("run/report.json").read_bytes(), Path("run/report.html").read_bytes()) == first


def test_for_programs_it_is_one_object(run, capsys):
    assert report(run, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["page"], found["remarks"]) == ("run/report.html", [])
    (one,) = found["runs"]
    assert one["report"] == "run/report.json"
    assert one["summary"] == json.loads(Path("run/report.json").read_bytes())["summary"]


def test_several_runs_on_one_page(run, capsys):
    shutil.copytree(run, "other")
    assert "add -o report.html" in refusal(capsys, run, "other")
    assert report(run, "other", "-o", "report.html") == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert "truth (run)" in page
    assert "truth (other)" in page
    assert Path("run/report.json").exists()
    assert Path("other/report.json").exists()
    capsys.readouterr()
    assert "already there" in refusal(capsys, run, "-o", "report.html")
    assert report(run, "-o", "report.html", "--force") == 0


def test_choices_and_judges(run, capsys):
    from pixelsmile.benchmarks.run_folder import RunFolder

    assert report(run, "--choice", "accuracy_strengths=0.5", "--choice", "ties=unscored") == 0
    choices = json.loads(Path("run/report.json").read_bytes())["summary"]["choices"]
    assert (choices["accuracy_strengths"], choices["ties"]) == (0.5, "unscored")
    judge_run(RunFolder(Path(run)), "second", share=0.5)
    capsys.readouterr()
    assert "has 2 judges: choose panel" in refusal(capsys, run)
    assert report(run, "--judge", "example:second") == 0
    assert report(run, "--judge", "panel") == 0
    assert json.loads(Path("run/report.json").read_bytes())["judge"] == "panel"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none"], "holds no run"),
        (["run", "-o", "report.pdf"], "use a name that ends in .html"),
        (["run", "run", "-o", "a.html"], "given twice"),
        (["run", "--judge", "gemini"], "no judge 'gemini'"),
        (["run", "--choice", "ties"], "write name=value"),
        (["run", "--choice", "tiess=split"], "did you mean ties?"),
        (["run", "--choice", "ties=maybe"], "ties is 'maybe': input should be 'split', 'unscored'"),
        (["run", "--choice", "min_points=many"], "input should be a valid integer"),
        (["run", "--choice", "min_points=NaN"], "input should be a valid integer"),
        (
            ["run", "--choice", "num_points=5.0", "--choice", "max_strength=1"],
            "num_points is 5.0: input should be a valid integer",
        ),
        (
            ["run", "--choice", "neutral_at_most=many"],
            "neutral_at_most is 'many': input should be a valid number",
        ),
        (
            ["run", "--choice", "identity_encoders=[1]"],
            "identity_encoders.0 is 1: input should be a valid string",
        ),
        (["run", "--choice", "identity_encoders=clip"], "identity encoders clip measured nothing here"),
        (["run", "--chioce", "ties=split"], "did you mean --choice?"),
        ([], "required: RUN"),
    ],
)
def test_slips_get_one_line_and_write_nothing(run, arguments, line, capsys):
    before = sorted(Path().rglob("*"))
    assert line in refusal(capsys, *arguments)
    assert sorted(Path().rglob("*")) == before


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


def test_a_run_cannot_be_compared_with_itself_or_nothing(runs, tmp_path, capsys):
    fed = tmp_path / "fed"
    assert main(f"bench fed run --samples 1 --editor copy -q -o {fed}".split()) == 0
    for arguments, line in (
        ((runs[0], runs[0]), "given twice"),
        ((runs[0], str(Path(runs[0]).parent)), "holds no run"),
        ((runs[0],), "required: RUN_B"),
        ((runs[0], str(fed)), "of FED-Bench do not compare: name two runs of one benchmark"),
    ):
        assert compare(*arguments) == 2
        assert line in capsys.readouterr().err
