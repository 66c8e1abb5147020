"""What an edit leaves on disk, from Python as from the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image

from pixelsmile.editing.edit_files import EditResult, Source, file_names, read_source
from pixelsmile.errors import OutputError, StrengthError
from pixelsmile.hashing import sha256_file
from pixelsmile.records import read_manifest


def result_of(source: Source, label: str = "happy", strengths: tuple[float, ...] = (0.0, 0.5)) -> EditResult:
    """A sweep of flat pictures, with the settings that the files look at."""
    images = [Image.new("RGB", (48, 48), (round(100 * strength), 40, 40)) for strength in strengths]
    settings = {"seed": 3, "strengths": list(strengths), "weights": [[strength] for strength in strengths]}
    return EditResult(label, images, strengths, settings, source)


def test_file_names():
    assert file_names(["happy", "sad"], (0.0, 0.125), grid=True, gif=True) == [
        "happy-0.00.png",
        "happy-0.125.png",
        "sad-0.00.png",
        "sad-0.125.png",
        "happy.gif",
        "sad.gif",
        "grid.png",
        "manifest.json",
    ]
    with pytest.raises(StrengthError, match=r"0.5 is given twice"):
        file_names(["happy"], (0.5, 1.0, 0.5), grid=False, gif=False)


def test_saved_as_the_command_does(tmp_path):
    Image.new("RGB", (64, 48), (9, 9, 9)).save(tmp_path / "face.png")
    source = read_source(tmp_path / "face.png")
    paths = result_of(source, "happy=0.6,sad=0.4").save(tmp_path / "out")
    assert [path.name for path in paths] == [
        "happy0.6+sad0.4-0.00.png",
        "happy0.6+sad0.4-0.50.png",
        "manifest.json",
    ]
    with Image.open(paths[1]) as image:
        settings = json.loads(image.text["pixelsmile:settings"])
    assert settings["strength"] == 0.5
    assert settings["weights"] == [0.5]
    assert settings["source_sha256"] == sha256_file(tmp_path / "face.png")
    manifest = read_manifest(paths[2])
    assert manifest.seeds == (3,)
    assert [record.path for record in manifest.inputs] == [str(tmp_path / "face.png")]
    assert [record.sha256 for record in manifest.outputs] == [sha256_file(path) for path in paths[:2]]


def test_a_picture_without_a_file_is_saved_too(tmp_path):
    source = Source(None, Image.new("RGB", (64, 48)))
    paths = result_of(source).save(str(tmp_path / "out"))
    assert read_manifest(paths[-1]).inputs == ()


def test_nothing_is_overwritten(tmp_path):
    result = result_of(Source(None, Image.new("RGB", (64, 48))))
    (tmp_path / "happy-0.50.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="already there"):
        result.save(tmp_path)
    assert [path.name for path in Path(tmp_path).iterdir()] == ["happy-0.50.png"]
    assert len(result.save(tmp_path, force=True)) == 3
    assert (tmp_path / "happy-0.50.png").read_bytes() != b"mine"
