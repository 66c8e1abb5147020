"""YuNet: OpenCV's own detector on a small network of the real interface, and what comes of its numbers."""

import sys

import numpy as np
import pytest
from faces.detectors.conftest import YUNET_SIZE, YUNET_STEPS, red_block, scrfd_file, yunet_file
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.yunet import YunetDetector


@pytest.mark.parametrize(
    ("size", "scale"),
    [((640, 480), 1), ((333, 217), 1), ((1280, 1024), 1), ((2560, 1280), 2), ((1152, 3840), 3)],
)
def test_through_opencv(size, scale, tmp_path):
    stride = 16
    cell = tuple(scale * stride * edge for edge in (5, 4, 6, 5))
    (face,) = YunetDetector.from_file(yunet_file(tmp_path / "yunet.onnx")).detect(red_block(size, cell))
    centre = np.array([5.5, 4.5]) * stride
    half = np.array(YUNET_SIZE) * stride / 2
    landmarks = np.array([5, 4]) * stride + np.reshape(YUNET_STEPS, (5, 2)) * stride
    np.testing.assert_allclose(face.box, np.concatenate([centre - half, centre + half]) * scale, atol=1e-3)
    np.testing.assert_allclose(face.landmarks_5, landmarks * scale + 0.5, atol=1e-3)
    assert face.score > 0.7
    assert face.source == "yunet"


def test_the_landmarks_come_in_our_order(tmp_path):
    """The person's right eye, which OpenCV gives first, is the viewer's left."""
    (face,) = YunetDetector.from_file(yunet_file(tmp_path / "yunet.onnx")).detect(
        red_block((640, 640), (160, 160, 176, 176))
    )
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks_5
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


class Recorder:
    """Stands where OpenCV's detector stands: writes down what it is shown, and says what it is told to."""

    def __init__(self, *answers):
        self.answers, self.shown = list(answers), []

    def setInputSize(self, input_size):  # noqa: N802
        self.shown.append([input_size])

    def detect(self, image):
        self.shown[-1].append(image)
        rows = self.answers.pop(0)
        return 1, None if rows is None else np.asarray(rows, np.float32)


ROW = [10, 20, 40, 60, *range(20, 30), 0.9]


def test_what_it_is_shown():
    image = Image.new("RGB", (3000, 1500), (255, 100, 0))
    network = Recorder(None, None)
    assert YunetDetector(network).detect(image) == []
    (large, shown), (small, _) = network.shown
    assert (large, small) == ((1280, 640), (320, 160))
    assert shown.shape == (640, 1280, 3)
    assert shown[5, 5].tolist() == [0, 100, 255]  # BGR


def test_a_small_picture_is_shown_once():
    network = Recorder([ROW])
    (face,) = YunetDetector(network).detect(Image.new("RGB", (200, 300)))
    assert face.box == (10, 20, 50, 80)
    np.testing.assert_array_equal(face.landmarks_5, np.arange(20, 30).reshape(5, 2) + 0.5)
    assert len(network.shown) == 1


def test_the_same_face_in_both_looks_counts_once():
    close_up = [value / 2 for value in ROW[:-1]]
    network = Recorder([ROW], [[*close_up, 0.8]])
    (face,) = YunetDetector(network).detect(Image.new("RGB", (640, 640)))
    assert face.score == pytest.approx(0.9)
    network = Recorder(None, [[*close_up, 0.8]])
    (face,) = YunetDetector(network, max_side_px=640).detect(Image.new("RGB", (640, 640)))
    np.testing.assert_allclose(face.box, (10, 20, 50, 80))


@pytest.mark.parametrize(
    ("rows", "line"),
    [([[1, 2, 3]], "not N x 15"), ([[np.inf, *ROW[1:]]], "not finite"), ([[*ROW[:-1], 7]], "0..1")],
)
def test_numbers_of_something_else(rows, line):
    with pytest.raises(ModelError, match=line):
        YunetDetector(Recorder(rows)).detect(Image.new("RGB", (100, 100)))


def test_what_is_no_yunet(tmp_path, capfd):
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    for path, line in (
        (tmp_path / "none.onnx", "there is no face detector"),
        (text, "is no YuNet, or cut short"),
    ):
        with pytest.raises(ModelError, match=line) as refused:
            YunetDetector.from_file(path)
        assert "\n" not in str(refused.value)
    other = YunetDetector.from_file(scrfd_file(tmp_path / "scrfd.onnx"))
    with pytest.raises(ModelError, match="YuNet cannot run on this picture"):
        other.detect(Image.new("RGB", (320, 320)))
    assert capfd.readouterr().err == ""


def test_without_opencv(tmp_path, monkeypatch):
    file = yunet_file(tmp_path / "yunet.onnx")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModelError, match=r"OpenCV, which is not installed: pip install"):
        YunetDetector.from_file(file)
