"""`pixelsmile bench fed bias`, as a user types it."""

import json
from pathlib import Path

import pytest

from pixelsmile.cli import main


def bias(*arguments: str) -> int:
    return main(["bench", "fed", "bias", *arguments])


def test_one_triplet_from_nothing_to_tables_json_and_page(capsys):
    assert bias("--samples", "1", "--instructions", "dense", "-o", "bias") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("triplets: 1, edits of each editor: 1, judged by embedded:")
    assert captured.out.splitlines()[-2:] == ["bias/bias.json", "bias/bias.html"]
    record = json.loads(Path("bias/bias.json").read_bytes())
    assert record["editors"]["truth"]["fed_score"]["value"] > record["editors"]["copy"]["fed_score"]["value"]
    assert record["checks"]["identity"]["lazy"]["pairs"][1]["difference"]["value"] < 0  # a copy keeps most
    assert "What each metric ranks right" in Path("bias/bias.html").read_text(encoding="utf-8")
    first = Path("bias/bias.json").read_bytes()
    assert bias("--samples", "1", "--instructions", "dense", "-o", "bias", "--json") == 0
    assert json.loads(capsys.readouterr().out) == record
    assert Path("bias/bias.json").read_bytes() == first
    assert bias("--samples", "2", "-o", "bias") == 2
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "-o/--output"),
        (["-o", "bias", "--samples", "0"], "samples 0 is out of range"),
        (["-o", "bias", "--judge", "nobody"], "judge 'nobody' is not understood"),
        (["-o", "bias", "--instructions", "short"], "unknown instructions 'short'"),
        (["-o", "bias", "--temperature", "1"], "is for judges behind a server"),
        (["-o", "bias", "--sample", "3"], "did you mean --samples?"),
    ],
)
def test_mistakes_are_one_line(arguments, line, capsys):
    assert bias(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert line in captured.err
    assert not Path("bias").exists()


def test_a_folder_of_something_else_is_refused(capsys):
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("precious")
    assert bias("--samples", "1", "-o", "thesis") == 2
    assert "holds 'chapter.txt' and no bias test" in capsys.readouterr().err
    assert [path.name for path in Path("thesis").iterdir()] == ["chapter.txt"]


def test_a_spent_budget_is_said_and_leaves_edits_unscored(capsys):
    judge = "openai:none@http://localhost:9/v1"
    assert (
        bias("--samples", "1", "--instructions", "dense", "--judge", judge, "--max-requests", "0", "-o", "b")
        == 1
    )
    captured = capsys.readouterr()
    assert "9 edits are not judged: the same command with a larger budget does the rest" in captured.err
    record = json.loads(Path("b/bias.json").read_bytes())
    assert record["editors"]["truth"]["fed_score"]["value"] is None
    assert record["editors"]["truth"]["ssim_truth"]["value"] == pytest.approx(1)
    assert record["checks"]["fed_score"]["lazy"]["answer"] == "not told apart"
