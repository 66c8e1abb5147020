"""MEAD's folders, from clips to triplets."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.triplets.mead import Extracted, extract_frames, mead_pictures, spread
from pixelsmile.triplets.pairing import build_triplets

EMOTIONS = {
    "angry": "angry",
    "contempt": "contempt",
    "disgusted": "disgust",
    "fear": "fear",
    "happy": "happy",
    "sad": "sad",
    "surprised": "surprised",
}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def frames_of_a_person(root: Path, person: str) -> None:
    touch(root, f"{person}/video/front/neutral/level_1/001.png")
    for emotion in EMOTIONS:
        touch(root, *(f"{person}/video/front/{emotion}/level_{level}/001.png" for level in (1, 2, 3)))


def test_levels_become_strengths_and_scores_are_one_hot(tmp_path: Path) -> None:
    frames_of_a_person(tmp_path, "M003")
    pictures = mead_pictures(tmp_path)
    assert len(pictures) == 1 + 3 * len(EMOTIONS)
    found = {}
    for picture in pictures:
        assert (picture.identity, picture.domain, set(picture.scores)) == ("M003", "human", set(EXPRESSIONS))
        found[picture.image.relative_to(tmp_path / "M003/video/front").as_posix()] = picture
    assert found.pop("neutral/level_1/001.png").scores == dict.fromkeys(EXPRESSIONS, 0.0)
    for emotion, expression in EMOTIONS.items():
        for level, strength in ((1, 0.5), (2, 0.75), (3, 1.0)):
            picture = found.pop(f"{emotion}/level_{level}/001.png")
            assert picture.expression == expression
            assert picture.scores == {**dict.fromkeys(EXPRESSIONS, 0.0), expression: strength}
    assert not found


def test_triplets_of_mead(tmp_path: Path) -> None:
    for person in ("M003", "W009"):
        frames_of_a_person(tmp_path, person)
    pairing = build_triplets(mead_pictures(tmp_path))
    assert {triplet.identity for triplet in pairing.triplets} == {"M003", "W009"}
    for triplet in pairing.triplets:
        assert triplet.source.image.parts[-3:-1] == ("neutral", "level_1")
        assert triplet.a.strength in (0.5, 0.75, 1.0)
    assert pairing.pairs["fear", "surprised"] > 3
    assert not pairing.left_out


def test_only_frontal_frames_of_people_count_in_the_layouts_that_go_around(tmp_path: Path) -> None:
    wanted = (
        "M003/video/front/angry/level_1/001/0007.jpg",
        "MEAD/W009/front/sad/level_2/004.PNG",
        "W011/video-001/video/front/happy/level_3/002/frame.webp",
    )
    touch(
        tmp_path,
        *wanted,
        "M003/video/left_30/angry/level_1/001.png",
        "M003/audio/angry/level_1/001.m4a",
        "M003/video/front/angry/level_1/.002.partial/0001.png",
        "M003/video/front/angry/level_1/._001.png",
        "notes/front/page.png",
    )
    assert [p.image.relative_to(tmp_path).as_posix() for p in mead_pictures(tmp_path)] == list(wanted)


def test_frames_are_spread_evenly_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    clip = "M003/video/front/angry/level_1/001"
    touch(tmp_path, *(f"{clip}/{number}.png" for number in range(12)))
    touch(tmp_path, "M003/video/front/angry/level_1/002/1.png")
    names = [picture.image.stem for picture in mead_pictures(tmp_path, frames_per_clip=3)]
    assert names == ["2", "6", "10", "1"]


@pytest.mark.parametrize(
    ("length", "num", "expected"),
    [(10, 1, [5]), (10, 2, [2, 7]), (3, 3, [0, 1, 2]), (2, 5, [0, 1]), (0, 2, [])],
)
def test_spread(length: int, num: int, expected: list[int]) -> None:
    assert spread(length, num) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("M003/video/front/angry/001.png", "lies in no level of an emotion"),
        ("M003/video/front/angry/level_4/001.png", "lies in no level of an emotion"),
        ("M003/video/front/001.png", "lies in no level of an emotion"),
        ("M003/video/front/hungry/level_1/001.png", r"no emotion of MEAD \(unknown expression 'hungry'"),
        ("M003/video/top/angry/level_1/001.png", "no frames like M003/video/front"),
    ],
)
def test_folders_that_are_not_meads_are_refused(tmp_path: Path, name: str, message: str) -> None:
    touch(tmp_path, name)
    with pytest.raises(InputError, match=message):
        mead_pictures(tmp_path)


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        mead_pictures(tmp_path / "none")
    frames_of_a_person(tmp_path, "M003")
    with pytest.raises(InputError, match="0 frames of a clip"):
        mead_pictures(tmp_path, frames_per_clip=0)
    with pytest.raises(InputError, match="0 frames of a clip"):
        next(extract_frames(tmp_path, tmp_path / "out", frames_per_clip=0))


def make_clip(path: Path, num_frames: int = 10) -> None:
    """A clip whose frame n (from 1) has a grey of 20 n."""
    cv2 = pytest.importorskip("cv2")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, (64, 64))
    for number in range(1, num_frames + 1):
        writer.write(np.full((64, 64, 3), 20 * number, np.uint8))
    writer.release()


def test_frames_are_taken_from_clips_and_go_on_after_a_kill(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front = Path("M003/video/front")
    make_clip(tmp_path / "mead" / front / "angry/level_2/001.mp4")
    make_clip(tmp_path / "mead" / front / "happy/level_3/001.mp4")
    touch(tmp_path / "mead", str(front / "sad/level_1/001.mp4"))
    first = extract_frames(tmp_path / "mead", tmp_path / "out", frames_per_clip=2)
    assert next(first) == Extracted(done=1, num_clips=3, unreadable=0)
    first.close()
    touch(tmp_path / "out", str(front / "happy/level_3/.pixelsmile-1/new/0003.png"))  # what a kill leaves
    with caplog.at_level(logging.WARNING):
        *_, last = extract_frames(tmp_path / "mead", tmp_path / "out", frames_per_clip=2)
    assert last == Extracted(done=3, num_clips=3, unreadable=1)
    assert "001.mp4 gives no frames: it is damaged or no video" in caplog.text
    pictures = mead_pictures(tmp_path / "out", frames_per_clip=2)
    assert [(p.expression, p.scores[p.expression], p.image.name) for p in pictures] == [
        ("angry", 0.75, "0003.png"),
        ("angry", 0.75, "0008.png"),
        ("happy", 1.0, "0003.png"),
        ("happy", 1.0, "0008.png"),
    ]
    for picture, number in zip(pictures, (3, 8, 3, 8), strict=True):
        with Image.open(picture.image) as image:
            assert np.asarray(image).mean() == pytest.approx(20 * number, abs=4)
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".pixelsmile-1"]


def test_clips_with_too_few_frames_get_more_and_those_that_are_there_stay(tmp_path: Path) -> None:
    clip = Path("M003/video/front/angry/level_2/001")
    make_clip(tmp_path / "mead" / f"{clip}.mp4")
    names = []
    for frames_per_clip in (1, 2, 1):
        list(extract_frames(tmp_path / "mead", tmp_path / "out", frames_per_clip))
        names.append(sorted(path.name for path in (tmp_path / "out" / clip).iterdir()))
    assert names == [["0006.png"], ["0003.png", "0006.png", "0008.png"], ["0003.png", "0006.png", "0008.png"]]
    assert [p.image.name for p in mead_pictures(tmp_path / "out", 2)] == ["0003.png", "0008.png"]
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".pixelsmile-1"]


def test_a_damaged_clip_is_named_once(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    path = tmp_path / "mead/M003/video/front/angry/level_2/001.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no video")
    program = (
        "import sys; from pathlib import Path; from pixelsmile.triplets.mead import extract_frames\n"
        "list(extract_frames(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "mead"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == f"{path} gives no frames: it is damaged or no video\n"


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames_of_a_person(tmp_path, "M003")
    closed, scandir = tmp_path / "M003" / "video", os.scandir

    def refusing(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # nothing is closed to the superuser
    with pytest.raises(InputError, match=r"cannot look into '.*M003.video' \(Permission denied\)"):
        mead_pictures(tmp_path)


def test_without_a_decoder_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "M003/video/front/angry/level_1/001.mp4")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        InputError, match=r'needs OpenCV: pip install -c constraints\.txt -e "\.\[faces\]", or extract frames'
    ):
        next(extract_frames(tmp_path, tmp_path / "out"))


def test_without_clips_the_error_says_what_was_looked_for(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    with pytest.raises(InputError, match=r"no clips like M003/video/front/angry/level_1/001\.mp4"):
        next(extract_frames(tmp_path, tmp_path / "out"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    make_clip(tmp_path / "mead/M003/video/front/angry/level_2/001.mp4", 2)
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match=f"cannot write to '{tmp_path}{os.sep}out"):
        next(extract_frames(tmp_path / "mead", tmp_path / "out"))
