"""MEAD tells of no faces: the cache finds them. Here in drawn portraits that are laid out as MEAD."""

from pathlib import Path

import numpy as np
import pytest
from training.drawn_mead import EMOTIONS, draw_mead
from training.tiny_training import load_tiny_model, make_parts, save_tiny_model

from pixelsmile.errors import InputError
from pixelsmile.faces.detectors import load_detector
from pixelsmile.training.cache import TripletCache
from pixelsmile.triplets.mead import mead_pictures
from pixelsmile.triplets.pairing import PairingSettings, build_triplets
from pixelsmile.triplets.triplet import read_triplets, triplets_bytes

# Of one length in tokens, as the tiny model's tokenizer has them.
MEAD_PROMPTS = {name: f"person show {number} expression" for number, name in enumerate(EMOTIONS.values())}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return load_tiny_model(save_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


def test_the_cache_finds_the_faces_of_mead(tmp_path: Path, tiny) -> None:
    truth = draw_mead(tmp_path / "mead")
    pairing = build_triplets(mead_pictures(tmp_path / "mead"), PairingSettings(uses_per_picture=1))
    (tmp_path / "mead.jsonl").write_bytes(triplets_bytes(pairing.triplets, tmp_path))
    triplets = read_triplets(tmp_path / "mead.jsonl")
    assert all(target.landmarks_5 is None for item in triplets for target in (item.a, item.b))

    parts = make_parts(tiny, detector=load_detector(drawn=True), prompts=MEAD_PROMPTS)
    cache = TripletCache(tmp_path / "cache", 64, parts.hashes)
    list(cache.fill(triplets, parts))
    assert cache.report(triplets).num_faceless == 0
    for triplet in triplets:
        cached = cache.read(triplet)
        for target, found in ((triplet.a, cached.a), (triplet.b, cached.b)):
            portrait = truth[target.image].truth
            assert found.landmarks is not None
            eyes_px = np.linalg.norm(portrait.landmarks_5[0] - portrait.landmarks_5[1]) / 2
            errors_px = np.linalg.norm(found.landmarks.numpy() - portrait.landmarks_5 / 2, axis=1)
            assert errors_px.mean() < 0.1 * eyes_px  # 128 px drawn, 64 px trained on
            assert all(embedding.isfinite().all() for embedding in found.identities.values())
            assert found.strength in (0.5, 0.75, 1.0)


def test_without_a_detector_the_first_target_without_landmarks_is_named(tmp_path: Path, tiny) -> None:
    draw_mead(tmp_path, size_px=64)
    triplets = build_triplets(mead_pictures(tmp_path)).triplets[:1]
    parts = make_parts(tiny, detector=None, prompts=MEAD_PROMPTS)
    with pytest.raises(InputError, match="has no landmarks, and there is no detector to find them"):
        list(TripletCache(tmp_path / "cache", 64, parts.hashes).fill(triplets, parts))
