"""`pixelsmile dataset`."""

import json
from pathlib import Path

import pytest

from pixelsmile.cli import main
from pixelsmile.dataset import build as build_module

SMALL = (
    *("--set", "collect.drawn.humans.num_people=2", "--set", "collect.drawn.humans.size_px=96"),
    *("--set", "collect.drawn.anime.num_people=1", "--set", "collect.drawn.anime.size_px=128"),
    *("--set", "collect.min_side_px=96", "--set", "faces.min_px=50"),
)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = build_module.Workers
    monkeypatch.setattr(build_module, "Workers", lambda num: workers(0))


def built(*arguments: str) -> int:
    return main(["dataset", "build", "drawn", "-o", "people", *SMALL, *arguments])


def test_built_counted_explained_and_reviewed(capsys):
    assert built() == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "collect: 3 of 3 kept",
        "faces: 1 of 3 kept; face too small (2)",
        "duplicates: 1 of 1 kept",
        "identities: 1 of 1 kept",
        "next: pixelsmile dataset stats people; pixelsmile dataset review people",
    ]
    assert err == ""
    assert built("--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert [step["is_new"] for step in record["steps"]] == [False] * 4
    assert record["steps"][1]["counts"] == {"anime": {"kept": 1}, "human": {"face too small": 2}}

    assert main(["dataset", "stats", "people"]) == 0
    out = capsys.readouterr().out
    assert "faces\n  anime  1 of 1 kept\n  human  0 of 2 kept; face too small (2)\n" in out
    assert "anime after identities: 1 picture, 1 person, at most 1 each, shorter side 128" in out
    assert main(["dataset", "stats", "people", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"]["anime"]["licences"] == {"Apache-2.0": 1}

    assert main(["dataset", "explain", "people", "20000001-neutral"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.endswith(": rejected by faces: face too small")
    assert len(lines) == 2
    assert "96 x 96 px" in lines[0]
    assert "(face too small: at least 50)" in lines[1]
    assert "sharpness" in lines[1]
    assert main(["dataset", "explain", "people", first[:7], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["row"]["reason"] == "face too small"

    assert main(["dataset", "review", "people"]) == 0
    assert capsys.readouterr().out == "people/review.html: 1 picture that identities has kept\n"
    page = Path("people/review.html").read_text()
    row = json.loads(Path("people/identities/rows-00000.jsonl").read_text())
    assert row["id"] in page
    assert page.count("data:image/webp") == 1
    assert main(["dataset", "review", "people"]) == 2
    assert "--force" in capsys.readouterr().err

    Path("decisions.jsonl").write_text(json.dumps({"id": row["id"], "keep": False}) + "\n")
    assert built("--decisions", "decisions.jsonl", "--redo", "duplicates") == 0
    assert "review: 0 of 1 kept; dropped by a person (1)" in capsys.readouterr().out
    assert main(["dataset", "review", "people", "--force"]) == 2
    assert "no pictures from number 0 on" in capsys.readouterr().err


def test_an_unfinished_one_can_be_looked_at(capsys, monkeypatch):
    monkeypatch.setattr(build_module, "Identities", _stops)
    with pytest.raises(ZeroDivisionError):
        built("-q")
    capsys.readouterr()
    assert main(["dataset", "stats", "people"]) == 0
    out = capsys.readouterr().out
    assert "identities (not finished)" in out
    assert "anime after duplicates: 1 picture, shorter side" in out


def _stops(settings: object) -> object:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["bild"], "unknown command 'dataset bild': did you mean build?"),
        (["build", "drwn", "-o", "x"], "no configuration 'drwn', and no such file: did you mean drawn?"),
        (["build", "no.yaml", "-o", "x"], "there is no file 'no.yaml'"),
        (["build", "photographs", "-o", "x"], "--set collect.folders.photographs.path=..."),
        (["build", "drawn", "-o", "x", "--set", "faces.min_pix=3"], "did you mean 'faces.min_px'?"),
        (
            ["build", "ffe-miniature", "-o", "x", "--set", "generate.editor=trut"],
            "--set generate.editor=trut: generate.editor",
        ),
        (
            ["build", "drawn", "-o", "x", "--until", "generate"],
            "has no step 'generate': its steps are collect",
        ),
        (["build", "drawn", "-o", "x", "--workers", "0"], "workers 0 is out of range"),
        (["build", "drawn", "-o", "x", "--decisions", "no.jsonl"], "there is no file 'no.jsonl'"),
        (["build", "drawn", "-o", "full"], "'full' holds 'a' and no run"),
        (["stats", "full"], "'full' holds no data set"),
        (["explain", "full", "a"], "'full' holds no data set"),
        (["review", "full"], "'full' holds no data set"),
        (["review", "full", "-o", "page.txt"], "must end in .html"),
    ],
)
def test_refusals_are_one_line(arguments, line, capsys):
    Path("full").mkdir()
    Path("full/a").touch()
    assert main(["dataset", *arguments]) == 2
    out, err = capsys.readouterr()
    assert line in err
    assert err.count("\n") == 1
    assert out == ""
    assert not Path("x").exists()


def test_a_row_that_is_not_there_or_not_the_only_one(capsys):
    assert built("-q", "--until", "collect") == 0
    for wanted, line in (("nobody", "no row 'nobody'"), ("", "no row ''")):
        assert main(["dataset", "explain", "people", wanted]) == 2
        assert line in capsys.readouterr().err


def test_people_rate_a_sample_and_their_agreement_is_told(capsys):
    assert built("--set", "faces.min_px=20", "--set", "annotate.statistics=drawn") == 0
    capsys.readouterr()
    assert main(["dataset", "review", "people", "--annotate", "-n", "2"]) == 0
    assert capsys.readouterr().out == "people/annotate.html: a sample of 2 pictures, to be rated blind\n"
    assert "Cannot tell" in Path("people/annotate.html").read_text()
    assert main(["dataset", "review", "people", "--annotate", "--start", "1", "--force"]) == 2
    assert "--seed" in capsys.readouterr().err

    rows = [json.loads(line) for line in Path("people/annotate/rows-00000.jsonl").read_text().splitlines()]
    lines = [{"id": row["id"], "rater": "anna", "scores": {}} for row in rows]
    Path("a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert main(["dataset", "agreement", "people", "a.jsonl"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 pictures; rated by anna 3\n")
    assert "the judge names the expression that people do on 100 % of the pictures" in out
    assert main(["dataset", "agreement", "people", "a.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] == 1

    assert main(["dataset", "stats", "people"]) == 0
    out = capsys.readouterr().out
    assert "human as annotated\n  judged by embedded:drawn-portraits:" in out
    assert "\n  0 of 2 doubted\n" in out
    assert "style: 2d_anime 100 %" in out
    assert main(["dataset", "explain", "people", rows[0]["id"]]) == 0
    assert "doubts: none; statistics of drawn: " in capsys.readouterr().out
