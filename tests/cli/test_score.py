"""`pixelsmile score`, as a user meets it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

from pixelsmile.cli import main
from pixelsmile.expressions import EXPRESSIONS, JUDGE_LABELS
from pixelsmile.judges import Picture
from pixelsmile.triplets.annotated import read_annotated


@pytest.fixture
def photo() -> Path:
    """A person who smiles, in `eileen/photo.png`."""
    path = Path("eileen/photo.png")
    path.parent.mkdir()
    Image.fromarray(astronaut()).crop((100, 0, 356, 256)).save(path)
    return path


@pytest.fixture
def grey() -> Path:
    path = Path("grey.png")
    Image.new("RGB", (128, 128), "grey").save(path)
    return path


def score(*arguments: object) -> int:
    return main(["score", *map(str, arguments)])


def scored(capsys, *arguments: object) -> dict:
    capsys.readouterr()
    assert score(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys, *arguments: object) -> str:
    capsys.readouterr()
    assert score(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_the_table(photo, grey, capsys):
    assert score(photo, grey) == 0
    captured = capsys.readouterr()
    first, second = captured.out.splitlines()
    assert first.split()[:3] == ["eileen/photo.png", "happy", "happy"]
    assert second.split(maxsplit=2) == ["grey.png", "-", "no verdict: there is no face"]
    assert captured.err.startswith("pixelsmile: judge photo: right on ")


def test_nothing_with_scores_is_exit_code_one(grey, capsys):
    assert score(grey, "-q") == 1
    assert "no verdict" in capsys.readouterr().out


def test_what_is_not_judged_is_null(photo, capsys):
    (picture,) = scored(capsys, photo)["pictures"]
    assert picture["shows"] == "happy"
    assert list(picture["scores"]) == list(EXPRESSIONS)
    assert picture["scores"]["happy"] > 0.7
    assert picture["scores"]["shy"] is None


def test_the_same_command_again_asks_nothing(photo, grey, capsys):
    out = Path("scores.jsonl")
    (one,) = scored(capsys, "eileen", "-o", out)["pictures"]
    before = out.read_bytes()
    shutil.copy(photo, "copy.png")
    again = scored(capsys, "eileen", "copy.png", grey, "-o", out)
    kept, copy, nobody = again["pictures"]
    assert (one["already_there"], kept["already_there"], copy["already_there"]) == (False, True, True)
    assert kept["scores"] == one["scores"]
    assert nobody["reason"] == "unsuited"
    assert out.read_bytes() == before
    line = json.loads(before)
    assert (line["image"], line["category"], line["domain"]) == ("eileen/photo.png", "happy", "human")
    assert "identity" not in line


def test_triplets_are_built_from_it(photo, capsys):
    assert score("eileen", "-o", "scores.jsonl", "--by-folder", "-q") == 0
    (picture,) = read_annotated(Path("scores.jsonl"))
    assert (picture.identity, picture.expression) == ("eileen", "happy")
    assert picture.image == photo
    assert "confident" not in picture.scores
    assert len(picture.unscored) == 6


def test_drawn_portraits_have_a_judge_of_their_own(photo, drawn_face, capsys):
    found = scored(capsys, photo, drawn_face)
    assert [one["judge"].partition(":")[0] for one in found["pictures"]] == ["photo", "embedded"]
    assert len(found["judges"]) == 2


def script(*paths: Path) -> str:
    answer = {"scores": dict.fromkeys(JUDGE_LABELS, 0.25), "dominant": "Neutral"}
    lines = [json.dumps({"picture": Picture.read(path).sha256, "answer": answer}) for path in paths]
    Path("answers.jsonl").write_text("\n".join(lines) + "\n")
    return "scripted:answers.jsonl"


def test_any_judge_and_a_budget(photo, grey, capsys):
    judge = script(photo, grey)
    options = ("--judge", judge, "-o", "scores.jsonl", "--max-concurrency", "1")
    assert score(photo, grey, *options, "--max-requests", "1") == 1
    captured = capsys.readouterr()
    assert "1 of 2 pictures are left" in captured.err
    assert len(Path("scores.jsonl").read_text().splitlines()) == 1
    found = scored(capsys, photo, grey, *options)
    assert [one["already_there"] for one in found["pictures"]] == [True, False]
    assert found["pictures"][1]["scores"]["shy"] == 0.25


def test_one_face_of_two(photo, capsys):
    image = Image.open(photo)
    two = Image.new("RGB", (512, 256))
    two.paste(image, (0, 0))
    two.paste(image, (256, 0))
    two.save("two.png")
    assert score("two.png", "-q") == 1
    assert "there are 2 faces: choose" in capsys.readouterr().out
    (picture,) = scored(capsys, "two.png", "--face", "2")["pictures"]
    assert picture["shows"] == "happy"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.png"], "there is no 'gone.png'"),
        (["empty"], "'empty' holds no pictures"),
        (["eileen", "--face", "all"], "one at a time"),
        (["eileen", "--judge", "me"], "judge 'me' is not understood"),
        (["eileen", "--seed", "1"], "--seed is for judges behind a server"),
        (["eileen", "-o", "other.jsonl"], "choose another file"),
        (["eileen", "-o", "damaged.jsonl"], "choose another file"),
    ],
)
def test_refusals(photo, capsys, arguments, words):
    Path("empty").mkdir()
    scores = dict.fromkeys(EXPRESSIONS, 0.0)
    line = json.dumps({"image": "a.png", "identity": "a", "category": "happy", "scores": scores})
    Path("other.jsonl").write_text(line + "\n")
    Path("damaged.jsonl").write_text("{}\n")
    assert words in refusal(capsys, *arguments)
    assert Path("other.jsonl").read_text() == line + "\n"


def test_a_pipe_is_no_picture_and_a_text_has_no_verdict(photo, capsys):
    os.mkfifo("pipe.png")
    assert "pipe.png" in refusal(capsys, "pipe.png")
    Path("text.png").write_text("a face")
    found = scored(capsys, "text.png", photo)
    assert [one["reason"] for one in found["pictures"]] == ["unreadable", None]
