"""`pixelsmile triplets mead`, on drawn portraits laid out as MEAD."""

import json
from pathlib import Path

import pytest
from training.drawn_mead import draw_mead, write_clip

from pixelsmile.cli import main
from pixelsmile.store.manifests import read_manifest
from pixelsmile.triplets.triplet import read_triplets


def strengths(path: str) -> set[float]:
    return {target.strength for item in read_triplets(Path(path)) for target in (item.a, item.b)}


def draw_clips(root: Path) -> None:
    for path, portrait in draw_mead(Path("drawn"), size_px=64).items():
        write_clip(root / path.parent.relative_to("drawn").with_suffix(".mp4"), portrait)


def test_frames_become_triplets_that_check_describes(capsys):
    draw_mead(Path("MEAD"), ("M003", "W009"), size_px=32)
    assert main(["triplets", "mead", "MEAD", "-o", "mead.jsonl"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].endswith(" triplets from 26 pictures of 2 people; 0 pictures left out")
    assert err == ""
    assert strengths("mead.jsonl") == {0.5, 0.75, 1.0}
    assert read_manifest("mead.manifest.json").settings["frames"] == "MEAD"
    assert main(["triplets", "check", "mead.jsonl", "--open"]) == 0
    out = capsys.readouterr().out
    none = f"in none of the {2 * len(read_triplets(Path('mead.jsonl')))} targets"
    assert f"face boxes: {none}\nlandmarks: {none}; where the identity term is on" in out
    assert "pixelsmile train finds them with a face detector" in out


def test_frames_are_taken_from_clips_beside_the_output(capsys):
    pytest.importorskip("cv2")
    draw_clips(Path("MEAD"))
    Path("MEAD/M003/video/front/angry/level_1/002.mp4").write_bytes(b"no video")
    command = ["triplets", "mead", "MEAD", "-o", "data/mead.jsonl"]
    assert main([*command, "--frames-per-clip", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert (record["num_pictures"], record["unreadable_clips"]) == (26, 1)
    assert "1 of 14 clips gave no frames: they are left out" in err
    assert len(list(Path("data/mead-frames").rglob("*.png"))) == 26
    assert strengths("data/mead.jsonl") == {0.5, 0.75, 1.0}
    image = json.loads(Path("data/mead.jsonl").read_text().splitlines()[0])["src"]["image"]
    assert image.startswith("mead-frames/M003/video/front/neutral/level_1/001/")

    assert main([*command, "--frames", "elsewhere"]) == 2  # refused before a frame is taken
    assert "already there: replace with --force" in capsys.readouterr().err
    assert not Path("elsewhere").exists()
    assert main([*command, "--frames", "elsewhere", "--force", "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert len(list(Path("elsewhere").rglob("*.png"))) == 13


def test_where_there_are_frames_clips_are_not_read(capsys):
    draw_mead(Path("MEAD"), size_px=32)
    Path("MEAD/M003/video/front/angry/level_1/001.mp4").touch()
    assert main(["triplets", "mead", "MEAD", "-o", "mead.jsonl"]) == 0
    assert "'MEAD' holds frames and clips: the frames are used" in capsys.readouterr().err
    assert read_manifest("mead.manifest.json").settings["frames"] == "MEAD"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none", "-o", "t.jsonl"], "'none' is no folder: give the one that holds MEAD's people"),
        (["empty", "-o", "t.jsonl"], "no clips like M003/video/front/angry/level_1/001.mp4 below 'empty'"),
        (["empty"], "required: -o/--output"),
        (["empty", "-o", "t.jsonl", "--frames-per-clip", "0"], "frames-per-clip 0 is out of range"),
        (
            ["frames", "-o", "t.jsonl", "--frames", "x"],
            "no clips like M003/video/front/angry/level_1/001.mp4",
        ),
    ],
)
def test_refusals_are_one_line(arguments, line, capsys):
    Path("empty").mkdir()
    Path("frames/M003/front/angry/level_1").mkdir(parents=True)
    Path("frames/M003/front/angry/level_1/1.png").touch()
    assert main(["triplets", "mead", *arguments]) == 2
    out, err = capsys.readouterr()
    assert line in err
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "frames"]
