"""The recipe of the networks for photographs: graphs that run, a mesh that is read, a fitted judge."""

import json
import struct
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pixelsmile.judges.photo.judge import Quality
from pixelsmile.judges.photo.scores import CATEGORIES, SHAPES
from recipes.photo import __main__ as program
from recipes.photo import canonical_mesh, judge, marks, quality
from recipes.photo.equality import run_onnx
from recipes.photo.face_api import EXPRESSION_CLASSES, expressions
from recipes.photo.graph import Graph

POSED = [f"{name}=one.jpg" for name in CATEGORIES]


@pytest.fixture
def portraits(tmp_path):
    """The astronaut, and mirrored: two people at rest, as far as anybody knows."""
    folder = tmp_path / "portraits"
    folder.mkdir()
    pixels = data.astronaut()[:300, 60:400]
    for name, picture in (("one", pixels), ("two", pixels[:, ::-1])):
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / f"{name}.jpg", quality=95)
    return folder


def test_constants_are_kept_in_few_bytes_and_run():
    graph, values = Graph(), np.array([[0, 255], [51, 102]], np.uint8)
    assert graph.constant(values) == graph.constant(values.copy())
    total = graph.node("Add", "image", graph.affine(values, 1 / 255, -1.0))
    graph.node("Add", total, graph.half(np.float16([[1, 2], [3, 4]])), output="sum")
    (found,) = run_onnx(
        graph.model({"image": [2, 2]}, ["sum"], {"origin": "a test"}), np.ones((2, 2), "f4")
    ).values()
    np.testing.assert_allclose(found, [[1, 3], [3.2, 4.4]], rtol=1e-6)


def test_the_network_of_expressions_gives_probabilities():
    rng, entries, stored = np.random.default_rng(0), [], []

    def weight(name, *shape):
        entries.append({"name": name, "shape": shape, "dtype": "float32"})
        stored.append(rng.normal(0, 0.05, shape).astype(np.float32).tobytes())

    for dense, (before, width) in enumerate([(3, 32), (32, 64), (64, 128), (128, 256)]):
        for conv in range(4):
            prefix, taken = f"dense{dense}/conv{conv}", width if conv else before
            if dense == conv == 0:
                weight(f"{prefix}/filters", 3, 3, 3, width)
            else:
                weight(f"{prefix}/depthwise_filter", 3, 3, taken, 1)
                weight(f"{prefix}/pointwise_filter", 1, 1, taken, width)
            weight(f"{prefix}/bias", width)
    weight("fc/weights", 256, 7)
    weight("fc/bias", 7)
    network = expressions(json.dumps([{"weights": entries}]).encode(), b"".join(stored), {})
    (found,) = run_onnx(network, rng.uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)).values()
    assert found.shape == (1, len(EXPRESSION_CLASSES))
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_a_canonical_mesh_is_read():
    def field(number, kind, body):
        return bytes([number << 3 | kind]) + body

    def message(number, body):
        size = len(body)
        return field(number, 2, bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + body)

    vertices = np.arange(468 * 5, dtype=np.float32)
    floats = b"".join(field(3, 5, struct.pack("<f", value)) for value in vertices)
    indices = b"".join(field(4, 0, bytes([index])) for index in (0, 1, 2, 2, 1, 3))
    rigid = message(2, field(1, 0, bytes([33])) + field(2, 5, struct.pack("<f", 0.5)))
    mesh = canonical_mesh.read(message(1, floats + indices) + rigid)
    assert mesh["vertices_cm"][1].tolist() == [5, 6, 7]
    assert mesh["triangles"].tolist() == [[0, 1, 2], [2, 1, 3]]
    assert np.flatnonzero(mesh["rigid"]).tolist() == [33]


def test_the_judge_is_fitted_on_edits(portraits, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judge, "STRENGTHS", (0.5, 1.0))
    monkeypatch.setattr(judge, "NUM_VARIANTS", 1)
    # The astronaut smiles: what she shows is made up.
    odds = {"one.jpg": np.zeros(7), "two.jpg": np.arange(7.0)}
    monkeypatch.setattr(judge, "_network_log_odds", lambda _, path: odds[path.name])
    posed = [f"{name}=two.jpg" for name in CATEGORIES]
    target = tmp_path / "judge.json"
    words = ["judge", portraits, "--rest", "one.jpg", "--posed", *posed, "--into", target]
    monkeypatch.setattr(sys, "argv", [*map(str, words)])
    judge.main()
    assert "faces of 2 people" in capsys.readouterr().out
    fitted = json.loads(target.read_text())
    assert fitted["shapes"] == list(SHAPES)
    assert np.isfinite(fitted["weights"]).all()
    assert all(np.diff(way["log_odds"]).min() > 0 for way in fitted["shape"].values())


def test_the_judge_is_measured(portraits, tmp_path, monkeypatch, capsys):
    lines = [{"image": f"{name}.jpg", "label": "happy"} for name in ("one", "two")]
    (portraits / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    steps = [
        {"file": f"{name}-{step}.jpg", "domain": "human", "expression": "angry", "step": step}
        for name, step in (("sweep", 0), ("sweep", 1))
    ]
    for one, name in zip(steps, ("one", "two"), strict=True):
        (portraits / one["file"]).write_bytes((portraits / f"{name}.jpg").read_bytes())
    (portraits / "index.json").write_text(json.dumps(steps))
    target = tmp_path / "quality.json"
    monkeypatch.setattr(sys, "argv", ["quality", str(portraits), str(portraits), "--into", str(target)])
    quality.main()
    found = Quality.model_validate_json(target.read_text())
    assert (found.num_faces, found.num_without) == (2, 0)
    assert "pearson" in capsys.readouterr().out


def test_damage_shows_in_its_signs(portraits, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["marks", str(portraits)])
    marks.main()
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("  ")[0] for row in rows[1:]] == ["as it is", "blur 5.0%", "blur 1.2%", "noise", "JPEG"]


FACE, SHOT = {"image": "one.jpg", "label": "happy"}, {"file": "one.jpg", "domain": "human", "step": 0}


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        (marks, ("nothing",), "'nothing' is no folder: name a folder with portraits"),
        (marks, ("empty",), "'empty' holds no *.jpg"),
        (judge, ("empty", "--rest", "one.jpg", "--posed", *POSED), "'empty' holds no *.jpg"),
        (judge, ("portraits", "--rest", "a.jpg", "--posed", *POSED), "no picture 'a.jpg' in 'portraits'"),
        (judge, ("portraits", "--rest", "one.jpg", "--posed", *POSED[1:]), "--posed lacks happy"),
        (judge, ("portraits", "--rest", "one.jpg", "--posed", "glad=one.jpg"), "'glad=one.jpg' is not like"),
        (quality, ("empty", "empty"), "'empty' has no labels.jsonl"),
        (quality, ("portraits", "empty"), "'empty' has no index.json"),
        (quality, ("labels", "sweeps"), "line 1: label: 'glad' is none of neutral, happy,"),
        (quality, ("portraits", "portraits", "--into", "portraits"), "'portraits' is a folder"),
    ],
)
def test_what_the_recipes_of_photographs_cannot_use_is_one_line(
    module, words, said, portraits, tmp_path, monkeypatch, capsys
):
    for name in ("empty", "labels", "sweeps"):
        (tmp_path / name).mkdir()
    (portraits / "labels.jsonl").write_text(json.dumps(FACE) + "\n")
    (tmp_path / "labels" / "labels.jsonl").write_text(json.dumps({**FACE, "label": "glad"}) + "\n")
    (tmp_path / "sweeps" / "index.json").write_text(json.dumps([SHOT]))
    (portraits / "index.json").write_text(json.dumps([SHOT]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["recipe", *words])
    with pytest.raises(SystemExit, match="2"):
        module.main()
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_sweep_that_does_not_rise_has_no_number(portraits, capsys):
    shots = [{**SHOT, "file": f"flat-{step}.jpg", "expression": "angry", "step": step} for step in (0, 1)]
    for shot in shots:
        (portraits / shot["file"]).write_bytes((portraits / "one.jpg").read_bytes())
    (portraits / "index.json").write_text(json.dumps(shots))
    assert quality.rises(quality.PhotoJudge(), portraits) == {}
    assert "flat: no rise to measure" in capsys.readouterr().out


def test_what_converts_is_missed_before_anything_is_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(program, "PACKAGES", ("no_such_package",))
    monkeypatch.setattr(sys, "argv", ["photo", "--packages", str(tmp_path / "got"), "--into", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        program.main()
    (said,) = capsys.readouterr().err.splitlines()
    assert "no_such_package" in said
    assert not (tmp_path / "got").exists()
