"""The networks for photographs that ship: what their record says is what lies there, and they run."""

import hashlib
import json

import numpy as np
import pytest

from pixelsmile.embedded import photo_path

RECORD = json.loads((photo_path() / "sources.json").read_bytes())
INPUTS = {
    "detector-short.onnx": ((1, 128, 128, 3), {"boxes": (1, 896, 16), "logits": (1, 896, 1)}),
    "detector-full.onnx": ((1, 192, 192, 3), {"boxes": (1, 2304, 16), "logits": (1, 2304, 1)}),
    "landmarks.onnx": ((1, 256, 256, 3), {"landmarks": (1, 1, 1, 1434), "presence": (1, 1, 1, 1)}),
    "blendshapes.onnx": ((1, 146, 2), {"scores": (52,)}),
    "identity.onnx": ((1, 3, 150, 150), {"embedding": (1, 128)}),
    "expressions.onnx": ((1, 3, 112, 112), {"probabilities": (1, 7)}),
}


def test_the_record_is_of_what_lies_there():
    found = {path.name for path in photo_path().iterdir()} - {"sources.json", "NOTICE"}
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
