"""`pixelsmile likeness` with the networks that ship, on drawn people and on a photograph."""

import json

import numpy as np
import pytest
from PIL import Image

from pixelsmile.cli import main
from pixelsmile.portraits import action_units, draw_portrait, sample_identity


@pytest.fixture
def pictures():
    """face.png, which says that it is drawn; the same person happy, shifted, and another person."""
    assert main(["portrait", "--seed", "5900007", "-o", "face.png"]) == 0
    size = Image.open("face.png").width
    happy = draw_portrait(sample_identity(5_900_007), action_units("happy"), "human", size).image
    happy.save("happy.png")
    Image.fromarray(np.roll(np.asarray(happy), 2, axis=1)).save("shifted.png")
    draw_portrait(sample_identity(5_900_008), action_units("neutral"), "human", size).image.save("other.png")


def compare(capsys, *arguments):
    capsys.readouterr()
    assert main(["likeness", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["edits"]


def test_an_edit_a_shift_and_somebody_else(pictures, capsys):
    same, shifted, other = compare(capsys, "face.png", "happy.png", "shifted.png", "other.png")
    assert set(same["similarities"]) == {"embedded-arcface", "embedded-adaface", "embedded-facenet"}
    assert same["identity"] == pytest.approx(np.mean(list(same["similarities"].values())))
    assert same["identity"] > other["identity"] + 0.3
    assert same["background_rmse"] < 3 < shifted["background_rmse"]
    assert shifted["shift_px"][0] == pytest.approx(2, abs=0.3)


def test_an_edit_that_missed_the_face_is_said(pictures, capsys):
    face = Image.open("face.png").convert("RGB")
    missed = face.copy()
    missed.paste((255, 0, 0), (0, 0, 60, 60))
    missed.save("missed.png")
    face.save("same.png")
    faint = np.asarray(face, int) + np.indices((face.height, face.width)).sum(0)[..., None] % 2
    Image.fromarray(faint.clip(0, 255).astype(np.uint8)).save("faint.png")
    capsys.readouterr()
    edits = ["missed.png", "same.png", "faint.png", "happy.png"]
    assert main(["likeness", "face.png", *edits, "--json"]) == 0
    captured = capsys.readouterr()
    assert "'missed.png' shows the face of the source, pixel for pixel" in captured.err
    assert "'same.png' shows the face of the source, pixel for pixel" in captured.err
    assert "'faint.png': the face is all but as it was (0.7" in captured.err
    assert "happy.png" not in captured.err
    assert json.loads(captured.out)["edits"][3]["face_rmse"] > 5


def test_the_table(pictures, capsys):
    capsys.readouterr()
    assert main(["likeness", "face.png", "happy.png"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["edit", "identity"]
    assert row.startswith("happy.png")


def test_a_photograph_without_weights(capsys, tmp_path, monkeypatch):
    from skimage.data import astronaut

    monkeypatch.setenv("PIXELSMILE_MODELS", str(tmp_path / "none"))
    Image.fromarray(astronaut()).save("photo.png")
    (same,) = compare(capsys, "photo.png", "photo.png")
    assert same["similarities"] == {"dlib": pytest.approx(1, abs=1e-6)}
    assert same["background_rmse"] == 0
    assert (
        main(["likeness", "photo.png", "photo.png", "--face", "170,50,110,150", "--encoders", "embedded"])
        == 0
    )
    captured = capsys.readouterr()
    assert "their numbers mean little" in captured.err
    assert "aligned by their boxes alone" in captured.err
    assert captured.out.splitlines()[1].split()[1] == "1.000"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["face.png", "small.png"], "an edit has the size of its source"),
        (["face.png", "happy.png", "--face", "all"], "one at a time"),
        (["face.png", "happy.png", "--encoders", "none", "embedded"], "none stands alone"),
        (["face.png", "happy.png", "--encoders", "nobody"], "unknown identity encoder 'nobody'"),
        (["face.png", "gone.png"], "gone.png"),
    ],
)
def test_refusals(pictures, capsys, arguments, message):
    Image.new("RGB", (40, 40)).save("small.png")
    capsys.readouterr()
    assert main(["likeness", *arguments]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
