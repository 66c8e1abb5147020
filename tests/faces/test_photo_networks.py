"""The networks for photographs that ship: what their record says is what lies there, and they run."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from pixelsmile.embedded import photo_path
from pixelsmile.faces.alignment import similarity
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.encoders.onnx_encoder import SAME_PERSON, photo_encoder
from pixelsmile.faces.likeness import LikenessMeter, load_encoders

RECORD = json.loads((photo_path() / "sources.json").read_bytes())
INPUTS = {
    "detector-short.onnx": ((1, 128, 128, 3), {"boxes": (1, 896, 16), "logits": (1, 896, 1)}),
    "detector-full.onnx": ((1, 192, 192, 3), {"boxes": (1, 2304, 16), "logits": (1, 2304, 1)}),
    "landmarks.onnx": ((1, 256, 256, 3), {"landmarks": (1, 1, 1, 1434), "presence": (1, 1, 1, 1)}),
    "blendshapes.onnx": ((1, 146, 2), {"scores": (52,)}),
    "identity.onnx": ((1, 3, 150, 150), {"embedding": (1, 128)}),
    "expressions.onnx": ((1, 3, 112, 112), {"probabilities": (1, 7)}),
}


OURS = ("judge.json", "judge_quality.json")  # fitted and measured by recipes.photo


def test_the_record_is_of_what_lies_there():
    found = {path.name for path in photo_path().iterdir()} - {"sources.json", "NOTICE", *OURS}
    assert found == set(RECORD)
    for name, entry in RECORD.items():
        data = (photo_path() / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry["sha256"], entry["size_bytes"])
        assert entry["licence"] in ("Apache-2.0", "MIT")
        assert entry["trained_on"]
        assert name in (photo_path() / "NOTICE").read_text()
    assert sum(entry["size_bytes"] for entry in RECORD.values()) <= 13_000_000


@pytest.mark.parametrize("name", INPUTS)
def test_a_network_runs(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(photo_path() / name, providers=["CPUExecutionProvider"])
    shape, wanted = INPUTS[name]
    values = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {session.get_inputs()[0].name: values}), strict=True))
    assert {key: value.shape for key, value in found.items()} == wanted
    assert all(np.isfinite(value).all() for value in found.values())
    assert RECORD[name]["largest_difference"] < 1e-4


def test_the_encoder_knows_the_astronaut_again():
    data = pytest.importorskip("skimage.data")
    meter = LikenessMeter(MeshDetector.load(), None, load_encoders(["dlib"]))
    astronaut = Image.fromarray(data.astronaut())
    known = meter.know(astronaut)
    turned = meter.know(astronaut.rotate(-35, resample=Image.Resampling.BICUBIC, expand=True))
    other = meter.know(Image.fromarray(data.camera()).convert("RGB"))
    assert meter.similarities(known, turned)["dlib"] > SAME_PERSON + 0.04
    assert meter.similarities(known, other)["dlib"] < SAME_PERSON


def test_dlib_sees_the_face_where_its_template_says():
    encoder = photo_encoder()
    picture = np.zeros((400, 400, 3), np.uint8)
    points = np.array([[150, 150], [250, 150], [200, 200], [165, 260], [235, 260]], np.float64)
    for x, y in points.astype(int):
        picture[y - 8 : y + 8, x - 8 : x + 8] = 255
    crop = encoder.alignment.crop(picture, points)
    assert crop.shape == (150, 150, 3)
    for x, y in similar(points, encoder.alignment.points_52):
        assert crop[round(y - 0.5), round(x - 0.5)].min() > 200


def similar(points, targets):
    """The points through the similarity nearest to taking them to the targets."""
    matrix = similarity(points, targets)
    return points @ matrix[:, :2].T + matrix[:, 2]
