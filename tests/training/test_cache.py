"""The cache of triplets: equal to computing, kept, shared, resumed after a kill, healed."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import (
    CROP,
    LANDMARKS,
    PROMPTS,
    SIZE,
    TinyDetector,
    load_tiny_model,
    make_parts,
    make_triplets,
    save_tiny_model,
    tiny_identity_encoder,
    write_picture,
)

from pixelsmile.editing.autoencoder import encode_images
from pixelsmile.editing.flow import pack
from pixelsmile.editing.pictures import to_tensor
from pixelsmile.errors import ExpressionError, ImageError, InputError, ModelError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.training.batch import collate
from pixelsmile.training.cache import CacheProgress, TripletCache
from pixelsmile.training.cache_work import find_landmarks, working_picture, working_points
from pixelsmile.training.store import TensorStore
from pixelsmile.triplets.triplet import Triplet


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(model_folder):
    return load_tiny_model(model_folder)


def filled(folder, triplets, parts):
    cache = TripletCache(folder, SIZE, parts.hashes)
    progress = list(cache.fill(triplets, parts))
    assert progress[-1].done == progress[-1].total
    return cache


@torch.no_grad()
def computed(triplet, parts):
    """What the cache should hold, each part by itself."""
    pixels = {path: to_tensor(Image.open(path)) for path in triplet.images}
    texts = [PROMPTS[name] for name in ("neutral", triplet.a.expression, triplet.b.expression)]
    found = {"latents": [pack(encode_images(parts.vae, part))[0] for part in pixels.values()]}
    source = Image.open(triplet.source.image)
    found["prompts"] = [
        parts.prompt_encoder.encode(source, [text], torch.device("cpu"))[0].embedding for text in texts
    ]
    targets = [pixels[triplet.a.image], pixels[triplet.b.image]]
    found["features"] = [parts.image_encoder.features(target)[0] for target in targets]
    points = np.array([LANDMARKS])
    crops = [align_batch(target / 2 + 0.5, points, CROP) for target in targets]
    found["identities"] = [parts.identity_encoders[0].embed(crop)[0] for crop in crops]
    return found


@pytest.mark.parametrize("landmarks", [True, False])
def test_what_is_cached_equals_what_is_computed(model, tmp_path, landmarks):
    """Latents, features and identities to the bit; prompts to 1e-5, for they are encoded in one batch."""
    (triplet,) = make_triplets(tmp_path, 1, landmarks=landmarks)
    parts = make_parts(model)
    cached = filled(tmp_path / "cache", [triplet], parts).read(triplet)
    wanted = computed(triplet, parts)
    for ours, theirs in zip(
        (cached.source, cached.a.latents, cached.b.latents), wanted["latents"], strict=True
    ):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(
        (cached.neutral, cached.a.prompt, cached.b.prompt), wanted["prompts"], strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert not torch.equal(cached.a.prompt, cached.b.prompt)
    for index, target in enumerate((cached.a, cached.b)):
        assert torch.equal(target.feature, wanted["features"][index])
        torch.testing.assert_close(target.identities["tiny"], wanted["identities"][index], rtol=0, atol=1e-6)
        assert torch.equal(target.landmarks, torch.tensor(LANDMARKS))
    assert (cached.grid, cached.a.strength, cached.b.strength) == ((8, 8), 0.75, 0.5)


def test_nothing_is_computed_twice_and_runs_share_a_folder(model, tmp_path):
    triplets = make_triplets(tmp_path, 2, landmarks=False)
    parts = make_parts(model)
    first = filled(tmp_path / "cache", triplets, parts)
    assert (parts.image_encoder.num_pictures, parts.detector.num_pictures) == (4, 4)
    again = make_parts(model)
    second = TripletCache(tmp_path / "cache", SIZE, again.hashes)
    assert list(second.fill(triplets, again)) == [CacheProgress(0, 0)]
    assert again.image_encoder.num_pictures == 0
    assert first.read(triplets[1]).key == second.read(triplets[1]).key
    report = second.report(triplets)
    assert (report.num_triplets, report.num_pictures, report.num_faceless, report.num_damaged) == (2, 6, 0, 0)
    assert report.size_bytes == sum(path.stat().st_size for path in (tmp_path / "cache").iterdir())


def test_what_changed_is_computed_again_and_nothing_else(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    folder, parts = tmp_path / "cache", make_parts(model)
    before = filled(folder, [triplet], parts).read(triplet)
    other = make_parts(model, identity_encoders=[tiny_identity_encoder(7)])
    after = filled(folder, [triplet], other).read(triplet)
    assert not torch.equal(before.a.identities["tiny"], after.a.identities["tiny"])
    assert other.image_encoder.num_pictures == 0
    write_picture(triplet.a.image, 99)
    changed = make_parts(model)
    found = filled(folder, [triplet], changed).read(triplet)
    assert not torch.equal(found.a.latents, before.a.latents)
    assert torch.equal(found.b.latents, before.b.latents)
    assert changed.image_encoder.num_pictures == 1
    assert found.key != before.key


def test_a_call_of_the_tokenizer_changes_no_hash(model):
    before = make_parts(model).hashes
    model.tokenizer(["one", "and a longer one"], padding=True)
    assert make_parts(model).hashes == before
    assert before != make_parts(model, image_encoder=None).hashes


def test_without_terms_nothing_is_cached_for_them(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    parts = make_parts(model, image_encoder=None, identity_encoders=[], detector=None)
    cached = filled(tmp_path / "cache", [triplet], parts).read(triplet)
    assert (cached.a.feature, cached.a.landmarks, cached.a.identities) == (None, None, {})
    batch = collate([cached])
    assert (batch.features, batch.landmarks, batch.identities) == (None, None, {})


def test_a_target_without_a_face_is_marked_and_counted(model, tmp_path):
    triplets = make_triplets(tmp_path, 2, landmarks=False)
    write_picture(triplets[1].b.image, 0, black=True)
    cache = filled(tmp_path / "cache", triplets, make_parts(model))
    faceless = cache.read(triplets[1])
    assert faceless.b.landmarks.isnan().all()
    assert faceless.b.identities["tiny"].isnan().all()
    assert faceless.a.landmarks.isfinite().all()
    assert cache.report(triplets).num_faceless == 1


def test_a_batch_has_branch_a_first(model, tmp_path):
    triplets = make_triplets(tmp_path, 2)
    cache = filled(tmp_path / "cache", triplets, make_parts(model))
    first, second = (cache.read(triplet) for triplet in triplets)
    batch = collate([first, second]).to("cpu")
    assert len(batch) == 2
    rows = (first.a, second.a, first.b, second.b)
    assert torch.equal(batch.targets, torch.stack([row.latents for row in rows]))
    assert torch.equal(batch.source, torch.stack([first.source, second.source] * 2))
    assert torch.equal(batch.prompts, torch.stack([row.prompt for row in rows]))
    assert torch.equal(batch.identities["tiny"], torch.stack([row.identities["tiny"] for row in rows]))
    assert batch.strengths.tolist() == [0.75, 0.75, 0.5, 0.5]
    assert batch.keys == (first.key, second.key)
    assert batch.prompts_mask.all()


def test_triplets_that_do_not_go_together_are_refused(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    cached = filled(tmp_path / "cache", [triplet], make_parts(model)).read(triplet)
    with pytest.raises(InputError, match="no triplets"):
        collate([])
    with pytest.raises(InputError, match="8 x 8 and 16 x 16"):
        collate([cached, dataclasses.replace(cached, grid=(16, 16))])
    lacking = dataclasses.replace(cached, a=dataclasses.replace(cached.a, feature=None))
    with pytest.raises(InputError, match="3 of 4 targets have image features"):
        collate([cached, lacking])


def test_shorter_prompts_are_padded_and_masked(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    cached = filled(tmp_path / "cache", [triplet], make_parts(model)).read(triplet)
    short = dataclasses.replace(
        cached,
        neutral=cached.neutral[:-2],
        a=dataclasses.replace(cached.a, prompt=cached.a.prompt[:-2]),
        b=dataclasses.replace(cached.b, prompt=cached.b.prompt[:-2]),
    )
    batch = collate([cached, short])
    num = len(cached.neutral)
    assert batch.neutral_mask.sum(1).tolist() == [num, num - 2] * 2
    assert not batch.prompts[1, -2:].any()


def test_a_damaged_shard_is_found_and_made_again(model, tmp_path, caplog):
    triplets = make_triplets(tmp_path, 2)
    folder, parts = tmp_path / "cache", make_parts(model)
    before = filled(folder, triplets, parts).read(triplets[0])
    (shard,) = folder.iterdir()
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    healed = TripletCache(folder, SIZE, parts.hashes)
    assert "damaged" in caplog.text
    assert healed.report([]).num_damaged == 1
    with pytest.raises(InputError, match="fill it first"):
        healed.read(triplets[0])
    list(healed.fill(triplets, parts))
    assert torch.equal(healed.read(triplets[0]).b.latents, before.b.latents)


@pytest.mark.parametrize("keep", [0, 7, 200])
def test_a_shard_that_is_cut_short_is_taken_away(tmp_path, keep):
    store = TensorStore(tmp_path)
    store.add("k", torch.arange(50.0))
    store.flush()
    (shard,) = tmp_path.iterdir()
    shard.write_bytes(shard.read_bytes()[:keep])
    assert "k" not in TensorStore(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_store_writes_shards_of_the_size_that_was_asked_for(tmp_path):
    store, other = TensorStore(tmp_path / "s", shard_bytes=400), TensorStore(tmp_path / "s")
    for index in range(5):
        store.add(f"k{index}", torch.full((50,), index, dtype=torch.float32))
        store.flush_full()
    assert len(list((tmp_path / "s").iterdir())) == 2
    assert "k4" in store
    store.flush()
    store.flush()
    assert len(list((tmp_path / "s").iterdir())) == 3
    assert len(other) == 0
    other.refresh()
    assert len(other) == len(store) == 5
    assert all(torch.equal(other.read(f"k{index}"), store.read(f"k{index}")) for index in range(5))
    assert other.size_bytes == store.size_bytes


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tiny_training import SIZE, load_tiny_model, make_parts, make_triplets
from pixelsmile.training.cache import TripletCache
folder = Path({folder!r})
parts = make_parts(load_tiny_model(Path({model!r})))
cache = TripletCache(folder / "cache", SIZE, parts.hashes)
cache._store._shard_bytes = 1
for progress in cache.fill(make_triplets(folder, 3), parts):
    if progress.done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_costs_only_what_was_not_on_disk(model, model_folder, tmp_path):
    program = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path), model=str(model_folder))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr
    triplets, parts = make_triplets(tmp_path, 3), make_parts(model)
    cache = TripletCache(tmp_path / "cache", SIZE, parts.hashes)
    progress = list(cache.fill(triplets, parts))
    assert progress[0] == CacheProgress(0, 4)
    whole = filled(tmp_path / "whole", triplets, parts)
    for triplet in triplets:
        ours, theirs = cache.read(triplet), whole.read(triplet)
        assert ours.key == theirs.key
        assert torch.equal(ours.a.latents, theirs.a.latents)
        assert torch.equal(ours.b.prompt, theirs.b.prompt)


def test_prompts_of_unequal_length_are_refused_before_any_work(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    parts = make_parts(model, prompts={**PROMPTS, "fear": "person show a great fear expression"})
    cache = TripletCache(tmp_path / "cache", SIZE, parts.hashes)
    with pytest.raises(ExpressionError, match="prompts of one length"):
        list(cache.fill([triplet], parts))
    assert parts.image_encoder.num_pictures == 0


def test_what_cannot_be_cached_is_refused(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1, landmarks=False)
    parts = make_parts(model, detector=None)
    with pytest.raises(InputError, match="no landmarks"):
        filled(tmp_path / "cache", [triplet], parts)
    with pytest.raises(InputError, match="multiples of 16: take 80"):
        list(TripletCache(tmp_path / "cache", 75, parts.hashes).fill([triplet], parts))
    with pytest.raises(InputError, match="other networks"):
        list(TripletCache(tmp_path / "cache", SIZE, parts.hashes).fill([triplet], make_parts(model)))
    with pytest.raises(InputError, match="each of them once"):
        make_parts(model, identity_encoders=[tiny_identity_encoder(), tiny_identity_encoder()])
    flat = dataclasses.replace(triplet.a, landmarks_5=((5.0, 5.0),) * 5)
    with pytest.raises(InputError, match=r"0a\.png.*are no face"):
        filled(tmp_path / "cache", [dataclasses.replace(triplet, a=flat)], make_parts(model))
    triplet.a.image.unlink()
    with pytest.raises(ImageError, match=r"0a\.png.*check the path"):
        filled(tmp_path / "cache", [triplet], parts)


def test_a_source_that_is_a_target_elsewhere_is_encoded_once(model, tmp_path):
    one, two = make_triplets(tmp_path, 2)
    shared = Triplet(one.source, dataclasses.replace(two.a, image=one.source.image), two.b)
    parts = make_parts(model)
    cache = TripletCache(tmp_path / "cache", SIZE, parts.hashes)
    assert list(cache.fill([one, shared], parts))[-1].total == 4
    assert torch.equal(cache.read(shared).a.latents, cache.read(one).source)


def test_points_follow_the_picture_to_its_working_size(tmp_path):
    """A dot in a wide picture is where its coordinates say, before and after."""
    pixels = np.zeros((100, 161, 3), np.uint8)
    pixels[60:64, 90:94] = 255
    working = np.asarray(working_picture(Image.fromarray(pixels), 50))[..., 0].astype(float)
    (point,) = working_points(np.array([[92.0, 62.0]]), (161, 100), 50)
    y, x = np.mgrid[0:50, 0:50] + 0.5
    middle = [(working * axis).sum() / working.sum() for axis in (x, y)]
    np.testing.assert_allclose(point, [(92 - 30) / 2, 31])
    np.testing.assert_allclose(middle, point, atol=0.02)


def test_the_face_in_the_box_is_taken():
    class Two(TinyDetector):
        def detect(self, image):
            (face,) = super().detect(image)
            small = dataclasses.replace(face, box=(0.0, 0.0, 10.0, 10.0), landmarks_5=face.landmarks_5 / 10)
            return [small, face]

    picture = Image.new("RGB", (SIZE, SIZE), "white")
    assert find_landmarks(picture, Two(), None)[0, 0] == 22
    assert find_landmarks(picture, Two(), (1.0, 0.0, 11.0, 10.0))[0, 0] == 2.2
    assert find_landmarks(picture, Two(), (54.0, 54.0, 64.0, 64.0)) is None

    class Boxes(TinyDetector):
        def detect(self, image):
            return [dataclasses.replace(face, landmarks_5=None) for face in super().detect(image)]

    with pytest.raises(ModelError, match="no eyes"):
        find_landmarks(picture, Boxes(), None)
