"""The cascade on the one photograph of a person that scikit-image ships."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import data

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.cascade import CascadeDetector, _vote

FACE = (177, 72, 274, 195)  # brows to chin, ear to ear, by eye


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def detector() -> CascadeDetector:
    return CascadeDetector()


def assert_on_the_face(box, scale=1.0, offset=(0, 0)):
    middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    for coordinate, (low, high), shift in zip(
        middle, ((FACE[0], FACE[2]), (FACE[1], FACE[3])), offset, strict=True
    ):
        third = (high - low) / 3
        assert (low + third) * scale + shift < coordinate < (high - third) * scale + shift
    assert 0.7 * scale * (FACE[2] - FACE[0]) < box[2] - box[0] < 1.3 * scale * (FACE[3] - FACE[1])


@pytest.mark.parametrize("scale", [0.5, 1, 4])
def test_the_astronaut(scale, astronaut, detector):
    image = astronaut.resize((round(512 * scale),) * 2, Image.Resampling.BICUBIC)
    (face,) = detector.detect(image)
    assert_on_the_face(face.box, scale)
    assert face.landmarks_5 is None
    assert face.source == detector.name == "cascade"
    assert 0.5 <= face.score < 1


def test_in_a_wide_grey_picture(astronaut, detector):
    wide = Image.new("RGB", (900, 512), (128, 128, 128))
    wide.paste(astronaut.convert("L").convert("RGB"), (300, 0))
    (face,) = detector.detect(wide)
    assert_on_the_face(face.box, offset=(300, 0))


def test_no_face(detector):
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    for image in (
        Image.new("RGB", (300, 300)),
        Image.fromarray(noise),
        Image.new("RGB", (2000, 33), "white"),
    ):
        assert detector.detect(image) == []
    drawing = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(drawing).rectangle((100, 100, 200, 200), outline="black", width=5)
    assert detector.detect(drawing) == []


def test_windows_that_overlap_are_one_face():
    boxes, votes = _vote(np.array([[0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60], [4, 0, 14, 10]], float))
    assert votes.tolist() == [3, 1]
    np.testing.assert_allclose(boxes, [[2, 0, 12, 10], [50, 50, 60, 60]])
    assert _vote(np.zeros((0, 4)))[0].shape == (0, 4)


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(ModelError, match=r"scikit-image, which is not installed: pip install"):
        CascadeDetector()
