"""`pixelsmile triplets build` and `mead`: annotated pictures or frames in, triplets and a report out."""

import json
from pathlib import Path

import pytest
from training.drawn_mead import draw_mead, write_clip

from pixelsmile.cli import main
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.store.manifests import read_manifest
from pixelsmile.triplets.triplet import read_triplets


def annotate(path: Path, *rows: tuple[str, str, str, float], root: Path | None = None) -> None:
    """A file of pictures (name, identity, expression, its score), and the pictures, which are empty."""
    lines = []
    for name, identity, expression, score in rows:
        picture = (root or path.parent) / name
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.touch()
        scores = {known: score if known == expression else 0.0 for known in EXPRESSIONS}
        lines.append({"image": name, "identity": identity, "category": expression, "scores": scores})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


ROWS = (
    ("p/n.png", "p", "neutral", 0.0),
    ("p/f.png", "p", "fear", 0.8),
    ("p/s.png", "p", "surprised", 0.4),
    ("p/weak.png", "p", "happy", 0.25),
    ("q/f.png", "q", "fear", 0.9),
)


def test_the_report_says_what_was_left_out_and_why(capsys):
    annotate(Path("mine.jsonl"), *ROWS)
    command = ["triplets", "build", "mine.jsonl", "-o", "out/triplets.jsonl", "--min-score", "0.3"]
    assert main([*command, "--uses-per-picture", "1", "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "1 triplet from 5 pictures of 2 people; 2 pictures left out",
        "  1 left out: it shows too little of its own expression (the first is 'p/weak.png')",
        "  1 left out: it is of a person without a source (the first is 'q/f.png')",
        "targets: angry 0, confused 0, contempt 0, confident 0, disgust 0, fear 1, happy 0, sad 0, shy 0, "
        "sleepy 0, surprised 1, anxious 0",
        "pairs: fear-surprised 1",
        "next: pixelsmile triplets check out/triplets.jsonl",
    ]
    assert err == ""
    (triplet,) = read_triplets(Path("out/triplets.jsonl"))
    assert {path.name for path in triplet.images} == {"n.png", "f.png", "s.png"}
    manifest = read_manifest("out/triplets.manifest.json")
    assert manifest.settings["choices"]["min_score"] == 0.3
    assert manifest.settings["report"]["num_triplets"] == 1
    assert (manifest.seeds, manifest.inputs[0].path) == ((3,), "mine.jsonl")
    assert manifest.outputs[0].size_bytes == Path("out/triplets.jsonl").stat().st_size


def test_paths_may_be_relative_to_another_folder_and_files_are_kept(capsys):
    annotate(Path("mine.jsonl"), *ROWS, root=Path("faces"))
    command = ["triplets", "build", "mine.jsonl", "--root", "faces", "-o", "t.jsonl"]
    assert main([*command, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["triplets"], record["num_triplets"], record["root"]) == ("t.jsonl", 3, "faces")
    assert json.loads(Path("t.jsonl").read_text().splitlines()[0])["src"]["image"] == "faces/p/n.png"
    before = Path("t.jsonl").read_bytes()
    assert main([*command, "--uses-per-picture", "1"]) == 2
    assert "'t.jsonl' and 1 more already there: replace with --force" in capsys.readouterr().err
    assert Path("t.jsonl").read_bytes() == before
    assert main([*command, "--uses-per-picture", "1", "--force"]) == 0
    assert len(read_triplets(Path("t.jsonl"))) == 1


def test_where_nothing_comes_of_it_nothing_is_written(capsys):
    annotate(Path("mine.jsonl"), *ROWS[1:])
    assert main(["triplets", "build", "mine.jsonl", "-o", "t.jsonl"]) == 1
    out, err = capsys.readouterr()
    assert "4 left out: each is of a person without a source (the first is 'p/f.png')" in out
    assert err.startswith("pixelsmile: no triplets came of these pictures, so nothing is written")
    assert [path.name for path in Path().iterdir() if path.is_file()] == ["mine.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.jsonl", "-o", "t.jsonl"], "there is no file 'none.jsonl'"),
        (["mine.jsonl"], "required: -o/--output"),
        (["mine.jsonl", "-o", "mine.jsonl", "--force"], "is the file that is read: choose another name"),
        (["mine.jsonl", "-o", "./mine.jsonl", "--force"], "is the file that is read"),
        (["mine.jsonl", "-o", "p"], "'p' is a folder"),
        (
            ["mine.jsonl", "-o", "t.jsonl", "--root", "p"],
            "5 of the 5 pictures named in 'mine.jsonl' are missing",
        ),
        (["mine.jsonl", "-o", "t.jsonl", "--min-score", "1.5"], "min-score '1.5' is no number from 0 to 1"),
        (["mine.jsonl", "-o", "t.jsonl", "--uses", "1"], "unknown option '--uses'"),
        (["bad.jsonl", "-o", "t.jsonl"], "'bad.jsonl', line 2: scores.fear is 8"),
    ],
)
def test_refusals_are_one_line(arguments, line, capsys):
    annotate(Path("mine.jsonl"), *ROWS)
    annotate(Path("bad.jsonl"), ROWS[0], ("p/f.png", "p", "fear", 8))
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert main(["triplets", "build", *arguments]) == 2
    out, err = capsys.readouterr()
    assert line in err
    assert (out, err.count("\n")) == ("", 1)
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


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
def test_folders_that_are_no_mead_are_refused(arguments, line, capsys):
    Path("empty").mkdir()
    Path("frames/M003/front/angry/level_1").mkdir(parents=True)
    Path("frames/M003/front/angry/level_1/1.png").touch()
    assert main(["triplets", "mead", *arguments]) == 2
    out, err = capsys.readouterr()
    assert line in err
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "frames"]
