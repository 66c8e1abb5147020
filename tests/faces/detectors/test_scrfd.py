"""SCRFD: what its numbers mean, at any size of picture, and files that are none."""

import numpy as np
import pytest
from faces.detectors.conftest import SCRFD_SIDES, SCRFD_STEPS, fixed_output_file, red_block, scrfd_file
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.scrfd import ScrfdDetector


def expected(column: int, row: int, stride: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Box and landmarks of the face at a cell, in the pixels of a picture `scale` times the input."""
    anchor = np.array([column, row]) * stride
    left_top, right_bottom = np.array(SCRFD_SIDES[:2]) * stride, np.array(SCRFD_SIDES[2:]) * stride
    box = np.concatenate([anchor - left_top, anchor + right_bottom])
    return box * scale, (anchor + np.reshape(SCRFD_STEPS, (5, 2)) * stride) * scale + 0.5


@pytest.mark.parametrize(
    ("num_outputs", "stride"),
    [(9, 8), (9, 16), (9, 32), (6, 16), (15, 8), (15, 64), (15, 128), (10, 32)],
)
def test_every_level(num_outputs, stride, tmp_path):
    file = scrfd_file(tmp_path / "scrfd.onnx", num_outputs=num_outputs, stride=stride)
    image = red_block((640, 640), (3 * stride, 2 * stride, 4 * stride, 3 * stride))
    (face,) = ScrfdDetector(file).detect(image)
    box, landmarks = expected(3, 2, stride, 1)
    np.testing.assert_allclose(face.box, box)
    assert face.score == pytest.approx(1, abs=1e-6)
    assert face.source == "scrfd"
    if num_outputs in (6, 10):
        assert face.landmarks_5 is None
    else:
        assert face.landmarks_5.dtype == np.float64
        np.testing.assert_allclose(face.landmarks_5, landmarks)


@pytest.mark.parametrize(
    ("size", "scale"),
    [((1280, 960), 2), ((960, 1280), 2), ((3200, 640), 5), ((320, 160), 0.5), ((64, 320), 0.5)],
)
def test_pictures_of_any_size(size, scale, tmp_path):
    stride = 16
    cell = tuple(round(scale * stride * edge) for edge in (2, 1, 3, 2))
    (face,) = ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx")).detect(red_block(size, cell))
    box, landmarks = expected(2, 1, stride, scale)
    np.testing.assert_allclose(face.box, box)
    np.testing.assert_allclose(face.landmarks_5, landmarks)
    assert face.score > 0.7  # the edges of the block are smoothed


def test_only_red_is_a_face(tmp_path):
    detector = ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx"))
    for colour in ((0, 0, 255), (0, 255, 0), (0, 0, 0)):
        assert detector.detect(Image.new("RGB", (640, 640), colour)) == []


def test_the_order_of_the_outputs_does_not_matter(tmp_path):
    image = red_block((640, 640), (32, 32, 48, 48))
    straight = ScrfdDetector(scrfd_file(tmp_path / "a.onnx")).detect(image)
    shuffled = ScrfdDetector(scrfd_file(tmp_path / "b.onnx", order=(8, 0, 4, 2, 6, 1, 3, 5, 7))).detect(image)
    assert shuffled[0].box == straight[0].box
    np.testing.assert_array_equal(shuffled[0].landmarks_5, straight[0].landmarks_5)


def test_several_faces_the_surest_first(tmp_path):
    image = red_block((640, 640), (160, 160, 176, 176))
    image.paste((200, 0, 0), (480, 480, 496, 496))
    image.paste((230, 0, 0), (176, 160, 192, 176))  # overlaps the first by more than 0.4
    faces = ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx")).detect(image)
    assert [round(face.score, 2) for face in faces] == [1.0, 0.78]
    assert len(ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx"), overlap=1.0).detect(image)) == 3
    assert len(ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx"), threshold=0.9).detect(image)) == 1


def test_at_the_border_and_in_the_padding(tmp_path):
    detector = ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx"))
    (face,) = detector.detect(red_block((640, 320), (0, 0, 16, 16)))
    assert face.box == (-16, -32, 48, 64)  # whole, though it sticks out


def test_a_given_size(tmp_path):
    file = scrfd_file(tmp_path / "scrfd.onnx")
    (face,) = ScrfdDetector(file, size_px=320).detect(red_block((640, 640), (64, 32, 96, 64)))
    np.testing.assert_allclose(face.box, expected(2, 1, 16, 2)[0])
    with pytest.raises(ModelError, match="multiples of 32"):
        ScrfdDetector(file, size_px=100)
    fixed = scrfd_file(tmp_path / "fixed.onnx", input_shape=(1, 3, 320, 640))
    assert len(ScrfdDetector(fixed).detect(red_block((640, 320), (64, 32, 80, 48)))) == 1
    with pytest.raises(ModelError, match="640 x 320 px only, not 640"):
        ScrfdDetector(fixed, size_px=640)


def test_what_is_no_scrfd(tmp_path, encoder_file):
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    whole = scrfd_file(tmp_path / "whole.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole.read_bytes()[:-300])
    boxes = fixed_output_file(tmp_path / "boxes.onnx", np.zeros((1, 5)))
    for path, line in (
        (tmp_path / "none.onnx", "there is no face detector"),
        (text, "no ONNX file, or cut short"),
        (cut, "no ONNX file, or cut short"),
        (encoder_file, "it has 1 outputs ((1, 512)), an SCRFD has 6, 9, 10 or 15"),
        (boxes, "is no SCRFD"),
        (fixed_output_file(tmp_path / "grey.onnx", [0], input_shape=(1, 1, 8, 8)), "takes one picture"),
    ):
        with pytest.raises(ModelError) as refused:
            ScrfdDetector(path)
        assert line in str(refused.value)
        assert "\n" not in str(refused.value)


def wrong_outputs(num_rows: int, score: float) -> list[np.ndarray]:
    rows = (num_rows, 3200, 800)
    scores = [np.full((number, 1), score, np.float32) for number in rows]
    return [*scores, *(np.ones((number, width), np.float32) for width in (4, 10) for number in rows)]


def test_outputs_that_are_not_what_they_should_be(tmp_path):
    detector = ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx"))
    with pytest.raises(ModelError, match=r"of width 1 it should give \[12800, 3200, 800\] rows"):
        detector.decode(wrong_outputs(12799, 0.0))
    for score, line in ((np.nan, "not finite"), (3.0, "scores from 3 to 3, not 0..1")):
        with pytest.raises(ModelError, match=line):
            detector.decode(wrong_outputs(12800, score)).faces((640, 640), "scrfd", 0.5, 0.4)


def test_a_batch_of_one_in_front_of_the_outputs(tmp_path):
    detector = ScrfdDetector(scrfd_file(tmp_path / "scrfd.onnx"))
    outputs = [output[None] for output in wrong_outputs(12800, 0.0)]
    assert detector.decode(outputs).scores.size == 0


def test_without_onnxruntime(tmp_path, monkeypatch):
    file = scrfd_file(tmp_path / "scrfd.onnx")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r'pip install -c constraints.txt -e "\.\[faces\]"'):
        ScrfdDetector(file)
