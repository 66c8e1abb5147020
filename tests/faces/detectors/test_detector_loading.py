"""Which detector is taken, and what is said where it cannot be."""

import importlib.util
import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from faces.detectors.conftest import fixed_output_file, scrfd_file, yunet_file

from pixelsmile.embedded import detector_path
from pixelsmile.errors import MAX_MESSAGE, ModelError
from pixelsmile.faces.detectors import DETECTORS, DetectorChoice, choose_detector, load_detector
from pixelsmile.faces.detectors.cascade import CascadeDetector
from pixelsmile.faces.detectors.loading import detector_sha256
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.detectors.onnx_boxes import OnnxBoxesDetector
from pixelsmile.faces.detectors.scrfd import ScrfdDetector
from pixelsmile.faces.detectors.yunet import YunetDetector
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.hashing import sha256_file
from pixelsmile.store.weight_hashes import sha256_weights


@pytest.fixture
def published(models, monkeypatch):
    """Publish hand-made files: they lie in the models folder, and the catalogue knows them."""

    def publish(*names):
        for name in names:
            build = {"scrfd": scrfd_file, "yunet": yunet_file}[name]
            path = build(models / WEIGHTS[name].file)
            entry = replace(WEIGHTS[name], size_bytes=path.stat().st_size, sha256=sha256_file(path))
            monkeypatch.setitem(WEIGHTS, name, entry)

    return publish


@pytest.fixture
def no_mesh(monkeypatch):
    """An installation without the networks for photographs."""
    others = {name: kind for name, kind in DETECTORS.items() if name != "mesh"}
    monkeypatch.setattr("pixelsmile.faces.detectors.loading.DETECTORS", others)


def test_what_ships_is_taken(published):
    published("scrfd", "yunet")
    assert choose_detector() == DetectorChoice("mesh")
    assert isinstance(load_detector(), MeshDetector)


def test_without_weights(models, caplog, no_mesh):
    caplog.set_level(logging.INFO, logger="pixelsmile")
    assert isinstance(load_detector(), CascadeDetector)
    assert "detector cascade: it finds frontal faces only and may miss others" in caplog.text
    assert "scrfd has no weights; yunet has no weights (pixelsmile models list)" in caplog.text


def test_the_best_that_is_there(published, no_mesh):
    published("yunet")
    choice = choose_detector()
    assert choice.name == "yunet"
    assert choice.reason == "detector yunet: accurate and fast; scrfd has no weights (pixelsmile models list)"
    assert isinstance(load_detector(), YunetDetector)
    published("scrfd")
    assert choose_detector().reason == "detector scrfd: the most accurate"
    assert isinstance(load_detector("auto"), ScrfdDetector)


def test_by_name(published):
    published("scrfd", "yunet")
    for name, kind in (("scrfd", ScrfdDetector), ("yunet", YunetDetector), ("cascade", CascadeDetector)):
        reason = choose_detector(name).reason
        assert reason is None or (name == "cascade" and "may miss others" in reason)
        detector = load_detector(name)
        assert isinstance(detector, kind)
        assert detector.name == name


def test_under_the_name_of_the_other_pack(published, models):
    published("scrfd")
    (models / "scrfd_10g_bnkps.onnx").rename(models / "det_10g.onnx")
    assert isinstance(load_detector("scrfd"), ScrfdDetector)


@pytest.mark.parametrize("name", ["scrfd", "yunet"])
def test_missing_weights(name, models):
    with pytest.raises(ModelError) as refused:
        load_detector(name)
    line = str(refused.value)
    weights = WEIGHTS[name]
    assert "\n" not in line
    assert f"pixelsmile models fetch {name}" in line
    for part in (weights.licence.name, weights.licence.terms, f"pixelsmile models list {name}"):
        assert part in line
    assert str(models / weights.file) in line or len(line) == MAX_MESSAGE  # a long path loses its middle


def test_damaged_weights_are_not_passed_over(published, models):
    published("scrfd")
    path = models / "scrfd_10g_bnkps.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="is not the published file"):
        load_detector("scrfd")


def test_files(tmp_path):
    assert isinstance(load_detector(str(scrfd_file(tmp_path / "mine.onnx"))), ScrfdDetector)
    anime = load_detector(str(fixed_output_file(tmp_path / "Anime.ONNX", np.zeros((1, 5)))))
    assert isinstance(anime, OnnxBoxesDetector)
    assert anime.name == "Anime.ONNX"


def test_hashes_are_of_the_files(published, models, tmp_path):
    """A file of one's own never passes for the catalogue's, whatever it is called."""
    published("scrfd", "yunet")
    for name in ("scrfd", "yunet"):
        assert detector_sha256(name) == sha256_file(models / WEIGHTS[name].file)
    assert detector_sha256("auto") == detector_sha256("mesh") != detector_sha256("scrfd")
    own = scrfd_file(tmp_path / "scrfd.onnx", stride=32)
    assert load_detector(str(own)).name == "scrfd"
    assert detector_sha256(str(own)) == sha256_file(own) != detector_sha256("scrfd")
    boxes = [
        fixed_output_file(tmp_path / name, np.full((1, 5), value))
        for name, value in (("a.onnx", 0.0), ("b.onnx", 1.0))
    ]
    assert len({detector_sha256(str(path)) for path in boxes}) == 2
    assert detector_sha256("cascade") is None
    assert detector_sha256("embedded") == sha256_weights(detector_path())


def test_files_that_are_no_detector(tmp_path, encoder_file):
    with pytest.raises(ModelError, match="is no known face detector: it gives \\(1, 512\\)"):
        load_detector(str(encoder_file))
    with pytest.raises(ModelError, match="there is no face detector"):
        load_detector(str(tmp_path / "none.onnx"))


@pytest.mark.parametrize("name", ["retinaface", "", "weights.pt"])
def test_unknown_names(name):
    with pytest.raises(ModelError, match=r"use auto, embedded, mesh, scrfd, yunet, cascade, or the path"):
        load_detector(name)


def test_what_is_not_installed(published, monkeypatch):
    published("scrfd")
    find_spec = importlib.util.find_spec
    absent = {"onnxruntime"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else find_spec(name, *rest)
    )
    choice = choose_detector()
    assert choice.name == "cascade"
    assert "scrfd is not installed" in choice.reason
    absent |= {kind.module for kind in DETECTORS.values()}
    with pytest.raises(ModelError, match=r"no face detector can run here .*\.\[faces\]"):
        choose_detector()


def test_a_look_at_the_names_loads_nothing():
    program = "import sys, pixelsmile.faces.detectors as d; d.choose_detector('cascade')\n"
    program += "print(*({'cv2', 'onnxruntime', 'skimage', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
