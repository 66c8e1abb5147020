"""Likeness of source and edit: which faces, which encoders, and what an interruption leaves."""

import numpy as np
import pytest
from PIL import Image
from run_examples import (
    FACELESS,
    begin_run,
    drawn,
    edit_record,
    keep_judge,
    make_edits,
    png_of,
    scores_file,
)
from tiny_encoders import write_encoder

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.identity import IdentityScorer, IdentitySettings
from pixelsmile.benchmarks.scorers.scorer import Scoring, score_records, settings_at
from pixelsmile.benchmarks.scores import IDENTITY, NO_FACE, NO_SOURCE_FACE
from pixelsmile.errors import InputError, ModelError
from pixelsmile.faces.alignment import Alignment, align, template
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.face import Face
from pixelsmile.faces.likeness import KnownEncoder, LikenessMeter, open_meter
from pixelsmile.hashing import sha256_bytes
from pixelsmile.judges import JudgeIdentity
from pixelsmile.store.json_lines import LineWriter

KEY = ("human-0", "happy", 1.0)


class DrawnTruth:
    """Finds the faces of a run's pictures where they were drawn, and counts how often it is asked."""

    name = "truth"

    def __init__(self, folder: RunFolder) -> None:
        spec = folder.spec()
        keys = [(task.source, "neutral", 0.0) for task in spec.tasks] + list(spec.edit_keys())
        self.faces = {drawn(key).image.tobytes(): [face_of(key)] for key in keys}
        self.num_asked = 0

    def detect(self, image: Image.Image) -> list[Face]:
        self.num_asked += 1
        return self.faces.get(image.tobytes(), [])


def face_of(key) -> Face:
    truth = drawn(key).truth
    return Face(truth.face_box, truth.landmarks_5, 1.0, "truth")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> list[KnownEncoder]:
    path = tmp_path_factory.mktemp("encoders")
    kinds = ("arcface", "facenet")
    return [
        KnownEncoder(load_encoder(write_encoder(path / kind, kind, seed), device="cpu"), f"{seed}" * 64)
        for seed, kind in enumerate(kinds)
    ]


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """Sixteen edits, of four sources."""
    return made_in(tmp_path / "run")


def made_in(path) -> RunFolder:
    folder = begin_run(path, strengths=[0.0, 1.0])
    make_edits(folder)
    return folder


def meter_of(folder: RunFolder, encoders, **changes) -> LikenessMeter:
    return LikenessMeter(
        **{"detector": DrawnTruth(folder), "detector_sha256": None, "encoders": encoders, **changes}
    )


def measure(folder: RunFolder, meter: LikenessMeter, **settings) -> int:
    """How many edits there were to measure."""
    return len(list(Scoring(folder, IdentityScorer(meter), **settings)))


def settings_of(meter: LikenessMeter) -> IdentitySettings:
    return IdentityScorer(meter).settings


def identities(folder: RunFolder):
    return {key: record.score for key, record in score_records(folder, IDENTITY).items()}


def test_the_cosine_of_the_aligned_faces(folder, encoders):
    assert measure(folder, meter_of(folder, encoders)) == 16
    found = identities(folder)
    assert set(found) == set(folder.spec().edit_keys())
    for known in encoders:
        vectors = []
        for key in (("human-0", "neutral", 0.0), KEY):
            crop = align(np.asarray(drawn(key).image), face_of(key).landmarks_5, known.encoder.size_px) / 255
            vectors.append(known.encoder.embed(crop.transpose(2, 0, 1)[None])[0].astype(np.float64))
        expected = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
        assert found[KEY].values[known.encoder.name] == pytest.approx(expected, abs=1e-6)
        assert found[KEY].values[known.encoder.name] < 0.9999


def test_the_same_picture_is_the_same_person(folder, encoders):
    measure(folder, meter_of(folder, encoders))
    for key, record in identities(folder).items():
        if key[2] == 0:
            assert list(record.values.values()) == pytest.approx([1.0, 1.0], abs=1e-6)


def test_an_edit_without_a_face(folder, encoders):
    meter = meter_of(folder, encoders)
    meter.detector.faces[drawn(FACELESS).image.tobytes()] = []
    measure(folder, meter)
    record = identities(folder)[FACELESS]
    assert record.values == {"arcface": None, "facenet": None}
    assert record.unscored == NO_FACE


def test_a_source_without_a_face(folder, encoders):
    meter = meter_of(folder, encoders)
    meter.detector.faces[drawn(("human-0", "neutral", 0.0)).image.tobytes()] = []
    measure(folder, meter)
    reasons = {key: record.unscored for key, record in identities(folder).items()}
    assert {key[0] for key, reason in reasons.items() if reason == NO_SOURCE_FACE} == {"human-0"}
    assert reasons["human-1", "surprised", 1.0] is None


def test_of_several_faces_the_one_at_the_source_s_place(folder, encoders):
    """Another face, larger and surer, is elsewhere in the edit, and in the source."""
    expected = meter_of(folder, encoders)
    measure(folder, expected)
    right = identities(folder)[KEY]
    meter = meter_of(folder, encoders)
    for key in (("human-0", "neutral", 0.0), KEY):
        _, y0, x1, y1 = face_of(key).box
        other = Face((x1, y0, x1 + 100, y1 + 100), face_of(key).landmarks_5 + 40, 1.0, "truth")
        meter.detector.faces[drawn(key).image.tobytes()] = [other, face_of(key)]
    measure(folder, LikenessMeter(meter.detector, "a" * 64, encoders), force=True)
    assert identities(folder)[KEY] == right
    meter.detector.faces[drawn(KEY).image.tobytes()] = [other]
    measure(folder, LikenessMeter(meter.detector, "b" * 64, encoders), force=True)
    assert identities(folder)[KEY].unscored == NO_FACE


def test_an_edit_of_another_size(folder, encoders):
    """Its face is looked for where it would be at that size."""
    large = drawn(KEY).image.resize((192, 128))
    x0, y0, x1, y1 = face_of(KEY).box
    face = Face((3 * x0, 2 * y0, 3 * x1, 2 * y1), face_of(KEY).landmarks_5 * (3, 2), 1.0, "truth")
    (folder.path / folder.edit_name(KEY)).write_bytes(png_of(large))
    with LineWriter(folder.edits_file) as lines:
        lines.write(edit_record(KEY, file=folder.edit_name(KEY), sha256=sha256_bytes(png_of(large))))
    meter = meter_of(folder, encoders)
    meter.detector.faces[large.tobytes()] = [face]
    measure(folder, meter)
    assert identities(folder)[KEY].unscored is None


def test_without_a_box_the_largest_face_is_meant(folder, encoders):
    small, large = face_of(KEY), Face((0, 0, 64, 64), None, 0.6, "truth")
    meter = meter_of(folder, encoders, by_box=True)
    meter.detector.faces[drawn(KEY).image.tobytes()] = [small, large]
    assert meter.know(drawn(KEY).image).face is large
    assert meter.know(drawn(KEY).image, small.box).face is small
    assert meter.know(Image.new("RGB", (64, 64))) is None


def test_an_interruption_leaves_the_same_bytes(folder, encoders, tmp_path):
    measure(folder, meter_of(folder, encoders))
    whole = scores_file(folder, IDENTITY).read_bytes()
    other = made_in(tmp_path / "other")
    events = iter(Scoring(other, IdentityScorer(meter_of(other, encoders))))
    assert len([next(events) for _ in range(5)]) == 5
    events.close()
    with scores_file(other, IDENTITY).open("ab") as file:
        file.write(b'{"source": "human-')  # a line that a kill has cut
    assert measure(other, meter_of(other, encoders)) == 11
    assert scores_file(other, IDENTITY).read_bytes() == whole


def test_what_is_measured_is_not_measured_again(folder, encoders):
    measure(folder, meter_of(folder, encoders))
    meter = meter_of(folder, encoders)
    assert measure(folder, meter) == 0
    assert measure(folder, meter, force=True) == 0  # by the same encoders
    assert meter.detector.num_asked == 0


def test_a_source_is_looked_at_once(folder, encoders):
    meter = meter_of(folder, encoders)
    measure(folder, meter)
    assert meter.detector.num_asked == 16 + 4


def test_other_encoders_need_force(folder, encoders):
    measure(folder, meter_of(folder, encoders))
    before = scores_file(folder, IDENTITY).read_bytes()
    alone = meter_of(folder, encoders[:1])
    with pytest.raises(
        InputError, match=r"scored for identity with encoders.facenet = '1+.*, not None: .* --force"
    ):
        measure(folder, alone)
    assert scores_file(folder, IDENTITY).read_bytes() == before
    assert measure(folder, alone, force=True) == 16
    assert settings_at(folder, IDENTITY, IdentitySettings).encoders == {"arcface": "0" * 64}
    assert identities(folder)[KEY].values.keys() == {"arcface"}


def test_damaged_settings_need_force(folder, encoders):
    measure(folder, meter_of(folder, encoders))
    (folder.path / "identity.json").write_text("{")
    with pytest.raises(InputError, match=r"no valid JSON .*--force"):
        measure(folder, meter_of(folder, encoders))
    assert measure(folder, meter_of(folder, encoders), force=True) == 16


def test_the_likenesses_reach_the_results(folder, encoders):
    measure(folder, meter_of(folder, encoders))
    identity = JudgeIdentity("example", "nobody", "1", "0" * 64, {})
    keep_judge(folder, identity)
    results = load_results(folder, bootstrap=Bootstrap(num_replicates=100))
    assert results.summary.encoders == ("arcface", "facenet")
    assert results.summary.metrics["id_sim"].coverage.num_scored == 16
    assert results.missing.no_identity == {}
    assert results.identity == settings_of(meter_of(folder, encoders))


def test_faces_without_landmarks_cannot_be_aligned(folder, encoders):
    meter = meter_of(folder, encoders)
    for faces in meter.detector.faces.values():
        faces[0] = Face(faces[0].box, None, 1.0, "truth")
    with pytest.raises(ModelError, match=r"detector truth finds no eyes, nose and mouth .*--detector"):
        measure(folder, meter)


def test_an_encoder_that_breaks_down(folder, encoders):
    class Broken:
        name, size_px, differentiable = "broken", 112, False
        alignment = Alignment(template(112), 112)

        def embed(self, crops_BCHW):
            return np.full((1, 4), np.nan)

    with pytest.raises(ModelError, match=r"encoder broken gives no finite numbers"):
        measure(folder, meter_of(folder, [KnownEncoder(Broken(), "0" * 64)]))


def test_two_encoders_of_one_name(folder, encoders):
    with pytest.raises(ModelError, match=r"arcface, arcface: give each of them once"):
        meter_of(folder, [encoders[0], encoders[0]])


def test_choosing_by_path_and_by_kind(tmp_path, encoders):
    path = write_encoder(tmp_path / "mine", "arcface", seed=5)
    meter = open_meter([str(path)], "cascade", drawn=False, device="cpu")
    assert [known.encoder.name for known in meter.encoders] == ["arcface"]
    assert (settings_of(meter).detector, settings_of(meter).detector_sha256) == ("cascade", None)
    same = open_meter([f"arcface={path}"], "cascade", drawn=False, device="cpu")
    assert settings_of(same) == settings_of(meter)
    write_encoder(path, "arcface", seed=6)
    other = open_meter([str(path)], "cascade", drawn=False, device="cpu")
    assert settings_of(other) != settings_of(meter)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embedded"], "know drawn portraits only"),
        (["arcfase"], r"unknown identity encoder 'arcfase': use embedded, arcface"),
        (["facenet"], "facenet needs its weights: pixelsmile models fetch facenet"),
    ],
)
def test_encoders_that_cannot_be(words, said, tmp_path, monkeypatch):
    monkeypatch.setenv("PIXELSMILE_MODELS", str(tmp_path))
    with pytest.raises(InputError, match=said):
        open_meter(words, "cascade", drawn=False)
