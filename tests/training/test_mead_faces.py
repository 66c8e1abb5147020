"""MEAD tells of no faces: the cache finds them. Here in drawn portraits that are laid out as MEAD."""

from pathlib import Path

import numpy as np
import pytest
from training.drawn_mead import EMOTIONS, draw_mead
from training.tiny_training import filled, load_tiny_model, make_networks, save_tiny_model

from pixelsmile.errors import InputError
from pixelsmile.faces.detectors import load_detector
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

    networks = make_networks(tiny, MEAD_PROMPTS, detector=load_detector(drawn=True))
    cache = filled(tmp_path / "cache", list(triplets), networks)
    assert cache.num_faceless(triplets) == 0
    for triplet in triplets:
        batch = cache.batch([triplet])
        assert batch.landmarks is not None
        assert batch.identities is not None
        assert batch.identities.isfinite().all()
        assert set(batch.strengths.tolist()) <= {0.5, 0.75, 1.0}
        for target, found in zip((triplet.a, triplet.b), batch.landmarks, strict=True):
            truth_px = truth[target.image].truth.landmarks_5 / 2  # 128 px drawn, 64 px trained on
            errors_px = np.linalg.norm(found.numpy() - truth_px, axis=1)
            assert errors_px.mean() < 0.1 * np.linalg.norm(truth_px[0] - truth_px[1])


def test_without_a_detector_the_first_target_without_landmarks_is_named(tmp_path: Path, tiny) -> None:
    draw_mead(tmp_path, size_px=64)
    triplets = build_triplets(mead_pictures(tmp_path)).triplets[:1]
    networks = make_networks(tiny, MEAD_PROMPTS, detector=None)
    with pytest.raises(InputError, match="has no landmarks, and there is no detector to find them"):
        filled(tmp_path / "cache", list(triplets), networks)
