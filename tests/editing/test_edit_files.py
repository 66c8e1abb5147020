"""What an edit leaves on disk, from Python as from the command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pixelsmile.editing.edit_files import (
    EditResult,
    OutputFormat,
    file_names,
    write_files,
)
from pixelsmile.editing.pictures import Source, open_source, read_source
from pixelsmile.errors import InputError, OutputError, StrengthError
from pixelsmile.hashing import sha256_file
from pixelsmile.store.manifests import read_manifest
from pixelsmile.store.publication import staged


def result_of(source: Source, label: str = "happy", strengths: tuple[float, ...] = (0.0, 0.5)) -> EditResult:
    """A sweep of flat pictures, with the settings that the files look at."""
    images = [Image.new("RGB", (48, 48), (round(100 * strength), 40, 40)) for strength in strengths]
    settings = {
        "seed": 3,
        "strengths": list(strengths),
        "weights": [[strength] for strength in strengths],
        "faces": [{"face": {"corrections": [f"at {strength}" for strength in strengths]}}],
    }
    return EditResult(label, images, strengths, settings, source)


def test_file_names():
    assert file_names(["happy", "sad"], (0.0, 0.125), OutputFormat(grid=True, animations=("gif", "mp4"))) == [
        "happy-0.00.png",
        "happy-0.125.png",
        "sad-0.00.png",
        "sad-0.125.png",
        "happy.gif",
        "happy.mp4",
        "sad.gif",
        "sad.mp4",
        "grid.png",
        "manifest.json",
    ]
    with pytest.raises(StrengthError, match=r"0.5 is given twice"):
        file_names(["happy"], (0.5, 1.0, 0.5), OutputFormat())


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
    assert settings["faces"] == [{"face": {"corrections": ["at 0.5"]}}]
    assert settings["source_sha256"] == sha256_file(tmp_path / "face.png")
    manifest = read_manifest(paths[2])
    assert manifest.seeds == (3,)
    assert [record.path for record in manifest.inputs] == [str(tmp_path / "face.png")]
    assert [record.sha256 for record in manifest.outputs] == [sha256_file(path) for path in paths[:2]]


def test_a_picture_without_a_file_is_saved_too(tmp_path):
    source = open_source(Image.new("RGB", (64, 48)))
    paths = result_of(source).save(str(tmp_path / "out"))
    assert read_manifest(paths[-1]).inputs == ()


@pytest.mark.parametrize(("form", "suffix"), [("jpeg", ".jpg"), ("webp", ".webp")])
def test_saved_in_other_formats(form, suffix, tmp_path):
    result = result_of(open_source(Image.new("RGB", (64, 48))))
    paths = result.save(tmp_path, format=form, quality=80)
    assert [path.name for path in paths] == [
        f"happy-0.00{suffix}",
        f"happy-0.50{suffix}",
        "manifest.json",
    ]
    for options in ({"format": "gif"}, {"quality": 80}, {"format": form, "quality": 0}):
        with pytest.raises(InputError):
            result.save(tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()


def test_a_format_that_cannot_hold_the_picture(tmp_path):
    result = result_of(open_source(Image.new("RGB", (64, 48))))
    clear = replace(result, images=[image.convert("RGBA") for image in result.images])
    with pytest.raises(OutputError, match=r"jpeg does not hold transparency: write png or webp \(--format\)"):
        clear.save(tmp_path / "out", format="jpeg")
    assert not (tmp_path / "out").exists()
    assert len(clear.save(tmp_path / "out", format="webp")) == 3


def test_the_frames_in_between_are_edited_but_not_kept(tmp_path):
    form = OutputFormat(animations=("gif",), frames=(0.0, 0.25, 0.5))
    assert form.all_strengths((0.0, 0.5)) == (0.0, 0.5, 0.25)
    result = result_of(open_source(Image.new("RGB", (64, 48))), strengths=(0.0, 0.5, 0.25))
    with staged(tmp_path / "out", file_names(["happy"], (0.0, 0.5), form)) as stage:
        files = write_files(stage, {"happy": "happy"}, [result], (0.0, 0.5), form)
    assert [path.name for path in files.paths()] == [
        "happy-0.00.png",
        "happy-0.50.png",
        "happy.gif",
        "manifest.json",
    ]
    with Image.open(tmp_path / "out/happy.gif") as gif:
        shown = []
        for index in range(gif.n_frames):
            gif.seek(index)
            shown.append(gif.convert("RGB").getpixel((5, 5))[0])
    assert shown == [0, 25, 50, 25]
    assert read_manifest(tmp_path / "out/manifest.json").settings["frames"] == [0.0, 0.25, 0.5]


def test_nothing_is_overwritten(tmp_path):
    result = result_of(open_source(Image.new("RGB", (64, 48))))
    (tmp_path / "happy-0.50.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="already there"):
        result.save(tmp_path)
    assert [path.name for path in Path(tmp_path).iterdir()] == ["happy-0.50.png"]
    assert len(result.save(tmp_path, force=True)) == 3
    assert (tmp_path / "happy-0.50.png").read_bytes() != b"mine"
