"""The networks that ship: what embedded detector and encoders say of drawn people they have never seen."""

import json

import numpy as np
import pytest
from PIL import Image

from pixelsmile.embedded import detector_path, encoder_paths
from pixelsmile.expressions import DOMAINS, EXPRESSIONS
from pixelsmile.faces.alignment import align
from pixelsmile.faces.detectors.candidates import intersection_over_union
from pixelsmile.faces.detectors.drawn import DrawnDetector
from pixelsmile.faces.encoders.encoder import identity_similarity
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.portraits import action_units, draw_portrait, sample_identity
from recipes.faces.detector.plan import PoolPlan
from recipes.faces.detector.pool import planned_drawings, pool_of
from recipes.faces.detector.quality import bad_input

FIRST_SEED = 5_900_000  # of nobody's training


@pytest.fixture(scope="module")
def detector():
    return DrawnDetector.from_folder(detector_path())


@pytest.fixture(scope="module")
def encoders():
    return [load_encoder(path) for path in encoder_paths()]


def portrait(index, domain, expression="neutral", size=256):
    return draw_portrait(sample_identity(FIRST_SEED + index), action_units(expression, 1.0), domain, size)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_detector_finds_drawn_faces(detector, domain):
    errors = []
    for index, expression in enumerate(EXPRESSIONS):
        drawn = portrait(index, domain, expression)
        face = detector.detect(drawn.image)[0]
        box = np.array(drawn.truth.face_box)
        assert intersection_over_union(box, np.array([face.box]))[0] > 0.75
        left_eye, right_eye = drawn.truth.landmarks_5[:2]
        error = np.linalg.norm(face.landmarks_5 - drawn.truth.landmarks_5, axis=1)
        errors.append(error / np.linalg.norm(right_eye - left_eye))
        mask = detector.mask(drawn.image, face) > 0.5
        assert (mask & drawn.truth.face_mask).sum() / (mask | drawn.truth.face_mask).sum() > 0.8
    assert np.mean(errors) < 0.06


def test_bad_input_is_survived(detector):
    drawings = planned_drawings(20, PoolPlan().first_test_seed, 0)
    found = bad_input(detector, pool_of(drawings, PoolPlan().size))
    for name in ("no face", "one pixel", "a line", "a face of 5 px"):
        assert found[name] == {"to_find": 0, "found": 0, "besides": 0}, name
    for name in ("grey", "a face at the border"):
        assert found[name]["found"] == found[name]["to_find"] == 1, name
    crowd = found["500 faces"]
    assert crowd["to_find"] == 500
    assert crowd["found"] > 480
    assert crowd["besides"] < 20


def test_the_encoders_are_three_of_different_kinds(encoders):
    assert [encoder.name for encoder in encoders] == [
        "embedded-arcface", "embedded-adaface", "embedded-facenet",
    ]  # fmt: skip
    configs = [json.loads((path / "config.json").read_text()) for path in encoder_paths()]
    assert len({config["architecture"]["type"] for config in configs}) == 3
    size = sum(file.stat().st_size for path in encoder_paths() for file in path.iterdir())
    assert size < 15e6


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_encoders_know_people_across_expressions(detector, encoders, domain):
    """The same person with another expression is nearer than anybody else, found through the detector."""
    sizes = sorted({encoder.size_px for encoder in encoders})

    def crops(expression):
        found = {size: [] for size in sizes}
        for index in range(10):
            image = portrait(index, domain, expression).image
            landmarks = detector.detect(image)[0].landmarks_5
            for size in sizes:
                found[size].append(align(np.asarray(image), landmarks, size).transpose(2, 0, 1) / 255)
        return {size: np.stack(stack) for size, stack in found.items()}

    neutral, happy = crops("neutral"), crops("happy")
    same = identity_similarity(neutral, happy, encoders)
    shifted = {size: np.roll(stack, 1, axis=0) for size, stack in happy.items()}
    different = identity_similarity(neutral, shifted, encoders)
    assert (same[:, None] > different[None]).mean() > 0.95
    assert same.mean() - different.mean() > 0.3


def test_a_grey_picture_of_no_one_has_an_embedding_too(encoders):
    for encoder in encoders:
        grey = np.asarray(Image.new("RGB", (encoder.size_px,) * 2, "grey"), np.float32).transpose(2, 0, 1)
        embedding = encoder.embed(grey[None] / 255)
        assert np.linalg.norm(embedding[0]) == pytest.approx(1, abs=1e-5)
