"""Face parsing with a hand-made network: red is skin, green hair, everything else background."""

import numpy as np
import pytest
from faces.detectors.conftest import constant, save_model
from onnx import helper
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import NUM_CLASSES, FaceParser

SIZE = (200, 120)
FACE = Face((60, 30, 120, 90), None, 1.0, "manual")


def parser_file(path, num_classes=NUM_CLASSES, bias=0.5):
    """Logits of a 1 x 1 convolution on the normalised colours, at an eighth of the size."""
    weights = np.zeros((num_classes, 3, 1, 1), np.float32)
    weights[1, 0], weights[17 % num_classes, 1] = 1, 1  # skin by red, hair by green
    biases = np.zeros(num_classes, np.float32)
    biases[0] = bias
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["pooled", "weights", "biases"], ["logits"]),
        helper.make_node("Identity", ["logits"], ["auxiliary"]),
    ]
    outputs = [(name, (1, num_classes, "height", "width")) for name in ("logits", "auxiliary")]
    constants = [constant("weights", weights), constant("biases", biases)]
    return save_model(path, nodes, constants, outputs, (1, 3, 512, 512))


@pytest.fixture
def parser(tmp_path):
    return FaceParser(parser_file(tmp_path / "bisenet.onnx"))


def blocks():
    image = Image.new("RGB", SIZE)
    image.paste((255, 0, 0), (70, 40, 110, 80))
    image.paste((0, 255, 0), (60, 20, 120, 40))
    return image


def test_classes_lie_where_their_colours_are(parser):
    found = parser.classes(blocks().crop((40, 10, 140, 110)))
    assert found.shape == (100, 100)
    assert set(np.unique(found)) == {0, 1, 17}
    assert found[50, 50] == 1
    assert found[20, 50] == 17
    assert found[90, 5] == 0


def test_the_mask_is_the_face_without_hair(parser):
    mask = parser.mask(blocks(), FACE)
    assert mask.shape == (SIZE[1], SIZE[0])
    truth = np.zeros_like(mask)
    truth[40:80, 70:110] = 1
    assert (mask * truth).sum() / np.maximum(mask, truth).sum() > 0.9
    assert parser.name == "bisenet.onnx"


def test_colours_are_normalised_as_imagenets(tmp_path):
    """Red at 132 of 255 is .14 deviations above ImageNet's mean: skin beats a background at .1, not at .2."""
    grey = Image.new("RGB", (64, 64), (132, 0, 0))
    assert (FaceParser(parser_file(tmp_path / "low.onnx", bias=0.1)).classes(grey) == 1).all()
    assert (FaceParser(parser_file(tmp_path / "high.onnx", bias=0.2)).classes(grey) == 0).all()


def test_a_face_at_the_border_is_parsed_as_far_as_it_shows(parser):
    image = Image.new("RGB", SIZE, (255, 0, 0))
    mask = parser.mask(image, Face((-30, -20, 30, 40), None, 1.0, "manual"))
    assert mask.shape == (SIZE[1], SIZE[0])
    assert mask[:60, :60].all()
    assert not mask[:, 120:].any()


def test_files_that_are_no_parser(tmp_path, encoder_file):
    with pytest.raises(ModelError, match="there is no face parser"):
        FaceParser(tmp_path / "none.onnx")
    eleven = FaceParser(parser_file(tmp_path / "eleven.onnx", num_classes=11))
    with pytest.raises(ModelError, match="a face parser gives 1 x 19"):
        eleven.mask(blocks(), FACE)
    broken = FaceParser(parser_file(tmp_path / "nan.onnx", bias=np.nan))
    with pytest.raises(ModelError, match="not finite"):
        broken.mask(blocks(), FACE)
    other = FaceParser(encoder_file)
    with pytest.raises(ModelError):
        other.mask(blocks(), FACE)
