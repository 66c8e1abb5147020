"""Detectors of the stated interface, row by row and as YOLOv8 exports them; everything else is refused."""

import numpy as np
import pytest
from faces.detectors.conftest import constant, fixed_output_file, save_model
from onnx import helper
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.onnx_boxes import OnnxBoxesDetector

NUM_ANCHORS = 8400  # at 640 px: 80 x 80 + 40 x 40 + 20 x 20
ROWS = [[64, 32, 128, 96, 0.9], [320, 320, 400, 420, 0.7], [66, 32, 130, 96, 0.8], [0, 0, 9, 9, 0.1]]
POINTS = np.arange(10) * 10 + 3
WIDE = Image.new("RGB", (1280, 960))  # twice the input


def detect(path, **options):
    return OnnxBoxesDetector(path, **options).detect(WIDE)


@pytest.mark.parametrize("batch", [False, True])
def test_boxes_and_scores(batch, tmp_path):
    values = [ROWS] if batch else ROWS
    sure, other = detect(fixed_output_file(tmp_path / "anime.onnx", values))
    np.testing.assert_allclose(sure.box, (128, 64, 256, 192))
    np.testing.assert_allclose(other.box, (640, 640, 800, 840))
    assert sure.score == pytest.approx(0.9)
    assert sure.landmarks_5 is None
    assert sure.source == "anime.onnx"


def test_a_free_number_of_rows(tmp_path):
    path = fixed_output_file(tmp_path / "anime.onnx", np.zeros((0, 5)), shape=("faces", 5))
    assert detect(path) == []


def test_landmarks(tmp_path):
    values = [[*ROWS[0], *POINTS]]
    (face,) = detect(fixed_output_file(tmp_path / "anime.onnx", values))
    np.testing.assert_allclose(face.landmarks_5, 2 * POINTS.reshape(5, 2))


@pytest.mark.parametrize(
    ("names", "boxes"),
    [(None, [(128, 64)]), ("{0: 'body', 1: 'Face'}", [(640, 640)]), ("{0: 'girl'}", [(128, 64)])],
)
def test_classes(names, boxes, tmp_path):
    values = [[*ROWS[0], 0], [*ROWS[1], 1]]
    metadata = {} if names is None else {"names": names}
    faces = detect(fixed_output_file(tmp_path / "anime.onnx", values, metadata=metadata))
    assert [face.box[:2] for face in faces] == boxes


def yolo(*faces, num_classes=1):
    output = np.zeros((1, 4 + num_classes, NUM_ANCHORS))
    for anchor, values in faces:
        output[0, :, anchor] = values
    return output


@pytest.mark.parametrize("shape", [None, ("batch", 5, "anchors")])
def test_yolov8(shape, tmp_path):
    values = yolo((17, [96, 64, 64, 32, 0.9]), (18, [97, 64, 64, 32, 0.8]), (8399, [500, 300, 20, 40, 0.6]))
    path = fixed_output_file(tmp_path / "anime.onnx", values, shape=shape, metadata={"names": "{0: 'face'}"})
    sure, other = detect(path)
    np.testing.assert_allclose(sure.box, (128, 96, 256, 160))
    np.testing.assert_allclose(other.box, (980, 560, 1020, 640))
    assert [round(face.score, 3) for face in (sure, other)] == [0.9, 0.6]


def test_yolov8_of_several_classes(tmp_path):
    values = yolo((3, [96, 64, 64, 32, 0.9, 0.1]), (4, [500, 300, 20, 40, 0.2, 0.8]), num_classes=2)
    metadata = {"names": "{0: 'person', 1: 'face'}"}
    (face,) = detect(fixed_output_file(tmp_path / "anime.onnx", values, metadata=metadata))
    np.testing.assert_allclose(face.box, (980, 560, 1020, 640))


def test_what_the_network_is_shown(tmp_path):
    """RGB in 0..1 in the top left corner, 114 of 255 below: read back as a score and as sides of a box."""
    nodes = [
        helper.make_node("Gather", ["image", "red"], ["r"], axis=1),
        helper.make_node("Slice", ["r", "top0", "top1", "rows"], ["top"]),
        helper.make_node("Slice", ["r", "low0", "low1", "rows"], ["low"]),
        helper.make_node("ReduceMean", ["top"], ["score"], keepdims=0),
        helper.make_node("ReduceMean", ["low"], ["padding"], keepdims=0),
        helper.make_node("Reshape", ["score", "cell"], ["score11"]),
        helper.make_node("Reshape", ["padding", "cell"], ["padding11"]),
        helper.make_node("Mul", ["padding11", "hundred"], ["side11"]),
        helper.make_node("Concat", ["corner", "side11", "side11", "score11"], ["output"], axis=1),
    ]
    constants = [constant("corner", [[0, 0]]), constant("hundred", 100)]
    integers = (("red", [0]), ("top0", [0]), ("top1", [300]), ("low0", [500]), ("low1", [640]), ("rows", [2]))
    constants += [constant(name, value, np.int64) for name, value in (*integers, ("cell", [1, 1]))]
    path = save_model(tmp_path / "anime.onnx", nodes, constants, [("output", (1, 5))])
    (face,) = OnnxBoxesDetector(path).detect(Image.new("RGB", (640, 480), (204, 0, 51)))
    assert face.score == pytest.approx(0.8, rel=1e-4)
    np.testing.assert_allclose(face.box, (0, 0, 100 * 114 / 255, 100 * 114 / 255), rtol=1e-4)


def test_a_fixed_size(tmp_path):
    path = fixed_output_file(tmp_path / "anime.onnx", [ROWS[0]], input_shape=(1, 3, 320, 320))
    (face,) = detect(path)
    np.testing.assert_allclose(face.box, (256, 128, 512, 384))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (np.zeros((1, 512)), r"gives \(1, 512\), not one output N x 5"),
        (np.zeros((1, 7, 7, 5)), r"gives \(1, 7, 7, 5\)"),
        (np.zeros(5), r"gives \(5,\)"),
        (np.zeros((1, 4, NUM_ANCHORS)), "is no known face detector"),
        (np.zeros((1, 5, 8399)), "is no known face detector"),
        (np.zeros((2, 4, 5)), "is no known face detector"),
        ([[0, 0, 9, 9, 40]], r"not 0\.\.1"),
        ([[0, 0, 9, np.nan, 0.5]], "not finite"),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_what_has_another_interface(values, line, declared, tmp_path):
    rank = np.asarray(values).ndim
    shape = None if declared else [f"axis{axis}" for axis in range(rank)]
    with pytest.raises(ModelError, match=line) as refused:
        detect(fixed_output_file(tmp_path / "other.onnx", values, shape=shape))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("names", "num_classes", "line"),
    [
        ("{0: 'cat', 1: 'dog'}", 2, "finds cat, dog, but no face"),
        ("{0: 'face'}", 16, "names 1 classes and scores 16"),  # a pose model: the rest are landmarks
        ("not a table", 1, "cannot be read"),
    ],
)
def test_classes_that_are_no_faces(names, num_classes, line, tmp_path):
    path = fixed_output_file(tmp_path / "a.onnx", yolo(num_classes=num_classes), metadata={"names": names})
    with pytest.raises(ModelError, match=line):
        detect(path)
