"""The square that is trained on: the reference's rule, worked out by hand, and what is said of losses."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.cli import main
from pixelsmile.errors import ImageError
from pixelsmile.triplets.crops import TrainingCrop, crop_remarks, face_box, needs_a_detector
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet, triplets_bytes

POINTS = ((40.0, 40.0), (60.0, 42.0), (50.0, 52.0), (42.0, 60.0), (58.0, 64.0))


def test_a_body_keeps_its_face() -> None:
    """1000 x 3000 pixels, a face of 200 x 240 at the top: scaled to 512 x 1536, its middle at (256, 215)."""
    crop = TrainingCrop.around((1000, 3000), 512, (400.0, 300.0, 600.0, 540.0))
    assert (crop.scaled, crop.left, crop.top) == ((512, 1536), 0, 0)
    assert crop.share_of((400.0, 300.0, 600.0, 540.0)) == pytest.approx(1)
    below = TrainingCrop.around((1000, 3000), 512, (400.0, 1400.0, 600.0, 1640.0))
    assert below.top == int(1520 * 0.512 - 256) == 522
    middle = TrainingCrop.around((1000, 3000), 512, None)
    assert middle.top == (1536 - 512) // 2
    assert middle.share_of((400.0, 300.0, 600.0, 540.0)) == 0  # what was lost before there was a box


def test_a_face_that_is_too_large_is_cut_on_both_sides() -> None:
    crop = TrainingCrop.around((400, 200), 100, (100.0, 0.0, 400.0, 200.0))
    assert (crop.left, crop.share_of((100.0, 0.0, 400.0, 200.0))) == (75, pytest.approx(2 / 3))


@given(
    st.tuples(st.integers(16, 200), st.integers(16, 200)),
    st.tuples(st.floats(-20, 200), st.floats(-20, 200), st.floats(1, 150), st.floats(1, 150)) | st.none(),
)
def test_it_is_the_references_rule(size: tuple[int, int], place: tuple[float, ...] | None) -> None:
    """`resize_with_crop` by its description: contain the box, in the middle of what contains it."""
    if max(size) > 16 * min(size):
        return
    box = None if place is None else (place[0], place[1], place[0] + place[2], place[1] + place[3])
    side, scale = 64, 64 / min(size)
    crop = TrainingCrop.around(size, side, box)
    assert min(crop.scaled) == side
    x0, y0, x1, y1 = (0.0, 0.0, *crop.scaled) if box is None else (edge * scale for edge in box)
    free = (crop.scaled[0] - side, crop.scaled[1] - side)
    wanted = [
        min(max(0.0, (low + high - side) / 2), most)
        for low, high, most in ((x0, x1, free[0]), (y0, y1, free[1]))
    ]
    assert np.abs(np.array([crop.left, crop.top]) - wanted).max() < 1 + 1e-6
    assert crop.picture(Image.new("RGB", size)).size == (side, side)


def test_a_strip_is_refused() -> None:
    with pytest.raises(ImageError, match="a strip of 8 x 8000 pixels"):
        TrainingCrop.around((8, 8000), 512, None)


def triplet(folder: Path, size: tuple[int, int], source: dict, target: dict) -> Triplet:
    for name in "sab":
        Image.new("RGB", size).save(folder / f"{name}.png")
    a, b = (
        Target(folder / f"{name}.png", e, {e: 1.0}, **target) for name, e in (("a", "fear"), ("b", "shy"))
    )
    return Triplet(SourceImage(folder / "s.png", **source), a, b)


def test_landmarks_say_where_a_face_is_too() -> None:
    assert face_box(SourceImage(Path("s"), None, POINTS)) == (40.0, 40.0, 60.0, 64.0)
    assert face_box(SourceImage(Path("s"), (1.0, 2.0, 3.0, 4.0), POINTS)) == (1.0, 2.0, 3.0, 4.0)
    assert face_box(SourceImage(Path("s"))) is None


def test_a_detector_is_needed_where_nothing_is_said_of_what_is_cut(tmp_path: Path) -> None:
    assert not needs_a_detector([triplet(tmp_path, (64, 64), {}, {})])
    assert not needs_a_detector(
        [triplet(tmp_path, (64, 96), {"face_box": (1, 1, 9, 9)}, {"landmarks_5": POINTS})]
    )
    assert needs_a_detector([triplet(tmp_path, (64, 96), {}, {"landmarks_5": POINTS})])


@pytest.mark.parametrize(
    ("size", "source", "target", "said"),
    [
        ((64, 64), {}, {}, None),
        ((64, 96), {"face_box": (8, 8, 56, 60)}, {"face_box": (8, 8, 56, 60)}, None),
        (
            (64, 96),
            {},
            {},
            "3 pictures are not square, without boxes, one is '.*a.png': pixelsmile train looks",
        ),
        (
            (64, 96),
            {"face_box": (0, 0, 64, 96)},
            {"face_box": (0, 16, 64, 80)},
            r"1 face does not fit .*s.png' \(67%",
        ),
        (
            (64, 192),
            {"face_box": (8, 8, 56, 60)},
            {"face_box": (8, 72, 56, 130)},
            "2 targets are cut elsewhere than the source, by up to 105% of the square: if",
        ),
    ],
)
def test_what_training_would_lose_is_told(
    tmp_path: Path,
    size: tuple[int, int],
    source: dict,
    target: dict,
    said: str | None,
    capsys: pytest.CaptureFixture,
) -> None:
    found = triplet(tmp_path, size, source, target)
    sizes = {image: size for image in found.images}
    lines = crop_remarks([found], sizes)
    assert len(lines) == (said is not None)
    (tmp_path / "t.jsonl").write_bytes(triplets_bytes([found], tmp_path))
    assert main(["triplets", "check", str(tmp_path / "t.jsonl"), "--open", "--quiet"]) == 0
    assert all(line in " ".join(capsys.readouterr().err.split()) for line in lines)
    assert said is None or re.search(said, lines[0])
