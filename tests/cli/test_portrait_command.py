"""`pixelsmile portrait`."""

import json
from pathlib import Path

import pytest
from PIL import Image

from pixelsmile.cli import main


@pytest.mark.parametrize("domain", ["human", "anime"])
def test_the_documented_command(domain, capsys):
    command = (
        f"portrait --seed 7 --domain {domain} --expression happy=0.8 --size 128 --truth t.json -o face.png"
    )
    assert main(command.split()) == 0
    assert capsys.readouterr().out == "face.png\n"
    with Image.open("face.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (128, 128))
        assert "drawn by software" in image.text["Description"]
        assert "algorithmicMedia" in image.text["XML:com.adobe.xmp"]
        assert json.loads(image.text["pixelsmile:portrait"])["style"] == domain
    truth = json.loads(Path("t.json").read_text())
    assert set(truth) == {"face_box", "landmarks_5", "action_units", "scores"}
    assert truth["scores"]["happy"] == pytest.approx(0.8, abs=0.05)
    assert len(truth["landmarks_5"]) == 5


def test_json_and_defaults(capsys):
    assert main(["portrait", "--json", "--size", "64"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["portrait"] == "portrait-0.png"
    assert record["settings"]["expression"] == "neutral"
    assert Path("portrait-0.png").is_file()


def test_nothing_is_overwritten_without_force(capsys):
    Path("face.png").write_bytes(b"mine")
    assert main(["portrait", "--size", "64", "-o", "face.png", "--truth", "t.json"]) == 2
    assert "'face.png' already there" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["face.png"]
    assert main(["portrait", "--size", "64", "-o", "face.png", "--force"]) == 0
    assert Path("face.png").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--expression hapy", "did you mean happy"),
        ("--expression happy=3", "out of range"),
        ("--expression happy --variant 99", "variant 99"),
        ("--size 9999", "size 9999 is out of range"),
        ("-o face.jpg", "use a name that ends in .png"),
        ("--truth truth.txt", "use a name that ends in .json"),
        ("-o /proc/here/face.png", "cannot write"),
    ],
)
def test_refusals(options, line, capsys):
    assert main(["portrait", *options.split()]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert list(Path().iterdir()) == []
