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
    filled,
    load_tiny_model,
    make_networks,
    make_told,
    make_triplets,
    save_tiny_model,
    tiny_identity_encoder,
    write_picture,
)

from pixelsmile.editing.autoencoder import encode_images
from pixelsmile.editing.flow import pack
from pixelsmile.editing.folders import ConditionSize, ModelOptions
from pixelsmile.editing.pictures import to_tensor
from pixelsmile.editing.prompts import PromptEncoder
from pixelsmile.errors import ExpressionError, ImageError, InputError, ModelError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.training import tensor_store
from pixelsmile.training.batch import padded
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.cache_filling import (
    CacheProgress,
    fill,
    find_landmarks,
)
from pixelsmile.training.tensor_store import TensorStore
from pixelsmile.triplets.crops import TrainingCrop
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet

STAYS = {
    "all": "2a46df11cd89682cee0f460d79c2236fb2a363b9f4d4aa76f97e79f808439fbc",
    "none": "68cb9502bb2c200374a6adac585f3416d3720a4fa27162bda3b532452963d572",
}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(model_folder):
    return load_tiny_model(model_folder)


def test_the_text_encoder_sees_the_source_as_in_an_edit_with_an_adapter(model, tmp_path):
    """As it is, where the model says nothing (the reference); a control is trained on the bare base."""
    (triplet,) = make_triplets(tmp_path, 1)
    networks = make_networks(model, options=ModelOptions(size=SIZE, prompts=PROMPTS))
    cache = filled(tmp_path / "cache", [triplet], networks)
    keys = cache.keys(triplet)
    seen_as_it_is = PromptEncoder(
        model.text_encoder, model.tokenizer, model.image_processor, ConditionSize(SIZE)
    )
    picture = Image.open(triplet.source.image)
    (wanted,) = seen_as_it_is.encode(picture, [PROMPTS["neutral"]], torch.device("cpu"))
    torch.testing.assert_close(cache.store.read(keys.neutral), wanted.embedding)
    bare = make_networks(model, options=ModelOptions(size=SIZE, prompts=PROMPTS), adapted=False)
    assert bare.prompt_encoder.condition_size == ConditionSize(384)
    assert networks.hashes.text != bare.hashes.text


@torch.no_grad()
def computed(triplet, networks):
    """What a batch of this triplet should be, each part by itself."""
    vae = networks.components.vae
    pixels = [to_tensor(Image.open(path)) for path in triplet.images]
    source, *targets = (pack(encode_images(vae, part))[0] for part in pixels)
    texts = [PROMPTS[name] for name in ("neutral", triplet.a.expression, triplet.b.expression)]
    picture = Image.open(triplet.source.image)
    neutral, *prompts = (
        networks.prompt_encoder.encode(picture, [text], torch.device("cpu"))[0].embedding for text in texts
    )
    crops = [align_batch(target / 2 + 0.5, np.array([LANDMARKS]), CROP) for target in pixels[1:]]
    return {
        "source": torch.stack([source] * 2),
        "targets": torch.stack(targets),
        "neutral": torch.stack([neutral] * 2),
        "prompts": torch.stack(prompts),
        "features": torch.cat([networks.image_encoder.features(target) for target in pixels[1:]]),
        "identities": torch.cat([networks.identity_encoder.embed(crop) for crop in crops]),
        "landmarks": torch.tensor([LANDMARKS] * 2),
        "strengths": torch.tensor([triplet.a.strength, triplet.b.strength]),
    }


@pytest.mark.parametrize("landmarks", [True, False])
def test_what_is_cached_equals_what_is_computed(model, tmp_path, landmarks):
    """Latents and features to the bit; prompts to 1e-5, for they are encoded in one batch."""
    (triplet,) = make_triplets(tmp_path, 1, landmarks=landmarks)
    networks = make_networks(model)
    batch = filled(tmp_path / "cache", [triplet], networks).batch([triplet])
    tolerances = {"neutral": 1e-5, "prompts": 1e-5, "identities": 1e-6}
    for name, wanted in computed(triplet, networks).items():
        atol = tolerances.get(name, 0)
        torch.testing.assert_close(getattr(batch, name), wanted, rtol=0, atol=atol, msg=name)
    assert not torch.equal(*batch.prompts)
    assert (batch.grid, bool(batch.mask.all())) == ((8, 8), True)


def test_nothing_is_computed_twice_and_runs_share_a_folder(model, tmp_path):
    triplets = make_triplets(tmp_path, 2, landmarks=False)
    networks = make_networks(model)
    first = filled(tmp_path / "cache", triplets, networks)
    assert (networks.image_encoder.num_pictures, networks.detector.num_pictures) == (4, 4)
    again = make_networks(model)
    second = TripletCache(tmp_path / "cache", SIZE, again.hashes)
    assert list(fill(second, triplets, again)) == [CacheProgress(0, 0)]
    assert again.image_encoder.num_pictures == 0
    assert first.sha256(triplets) == second.sha256(triplets)
    assert second.num_faceless(triplets) == 0


def test_what_changed_is_computed_again_and_nothing_else(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    folder = tmp_path / "cache"
    first = filled(folder, [triplet], make_networks(model))
    before, sha256 = first.batch([triplet]), first.sha256([triplet])
    other = make_networks(model, identity_encoder=tiny_identity_encoder(7))
    after = filled(folder, [triplet], other).batch([triplet])
    assert not torch.equal(before.identities, after.identities)
    assert other.image_encoder.num_pictures == 0
    write_picture(triplet.a.image, 99)
    changed = make_networks(model)
    cache = filled(folder, [triplet], changed)
    found = cache.batch([triplet])
    assert not torch.equal(found.targets[0], before.targets[0])
    assert torch.equal(found.targets[1], before.targets[1])
    assert changed.image_encoder.num_pictures == 1
    assert cache.sha256([triplet]) != sha256


def test_the_hash_of_what_is_cached_stays(model, tmp_path):
    """Checkpoints of trainings keep it: with another, none of them could be gone on with."""
    (triplet,) = make_triplets(tmp_path, 1)
    found = {}
    for name, changes in (("all", {}), ("none", {"image_encoder": None, "identity_encoder": None})):
        hashes = make_networks(model, **changes).hashes
        named = dict.fromkeys(("latents", "text"), "0")
        for part in ("features", "identity", "landmarks"):
            named[part] = getattr(hashes, part) and part
        cache = TripletCache(tmp_path / name, SIZE, dataclasses.replace(hashes, **named))
        cache._pictures = {path: (name, True) for path, name in zip(triplet.images, "sab", strict=True)}
        found[name] = cache.sha256([triplet])
    assert found == STAYS


def test_a_call_of_the_tokenizer_changes_no_hash(model):
    before = make_networks(model).hashes
    model.tokenizer(["one", "and a longer one"], padding=True)
    assert make_networks(model).hashes == before
    assert before != make_networks(model, image_encoder=None).hashes


def test_without_terms_nothing_is_cached_for_them(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    networks = make_networks(model, image_encoder=None, identity_encoder=None, detector=None)
    batch = filled(tmp_path / "cache", [triplet], networks).batch([triplet])
    assert (batch.features, batch.landmarks, batch.identities) == (None, None, None)


def test_a_target_without_a_face_is_marked_and_counted(model, tmp_path):
    triplets = make_triplets(tmp_path, 2, landmarks=False)
    write_picture(triplets[1].b.image, 0, black=True)
    cache = filled(tmp_path / "cache", triplets, make_networks(model))
    batch = cache.batch(triplets)
    for found in (batch.landmarks, batch.identities):
        assert found[3].isnan().all()
        assert found[:3].isfinite().all()
    assert cache.num_faceless(triplets) == 1


def test_a_batch_has_branch_a_first(model, tmp_path):
    triplets = make_triplets(tmp_path, 2)
    cache = filled(tmp_path / "cache", triplets, make_networks(model))
    batch = cache.batch(triplets).to("cpu")
    first, second = (cache.batch([triplet]) for triplet in triplets)
    assert len(batch) == 2
    for name in ("source", "targets", "neutral", "prompts", "features", "identities", "strengths"):
        one, two = getattr(first, name), getattr(second, name)
        assert torch.equal(getattr(batch, name), torch.stack([one[0], two[0], one[1], two[1]]))
    assert batch.strengths.tolist() == [0.75, 0.75, 0.5, 0.5]


def test_an_instruction_is_the_prompt_at_any_strength(model, tmp_path):
    """Of two lengths, in a batch of one branch; the picture of the source is encoded once."""
    told = make_told(tmp_path, "let the face rest", "show fear")
    networks = make_networks(model)
    cache = filled(tmp_path / "cache", told, networks)
    assert list(fill(cache, told, networks)) == [CacheProgress(0, 0)]
    batch = cache.batch(told)
    assert (len(batch), batch.num_branches, len(batch.targets)) == (2, 1, 2)
    conditions, mask = batch.conditions()
    for row, triplet in enumerate(told):
        image = Image.open(triplet.source.image)
        (prompt,) = networks.prompt_encoder.encode(image, [triplet.instruction], torch.device("cpu"))
        assert mask[row].sum() == len(prompt.token_ids)
        found = conditions[row, : len(prompt.token_ids)]
        torch.testing.assert_close(found, prompt.embedding, rtol=0, atol=1e-5)
    assert mask[0].all()
    assert not mask[1].all()
    assert cache.sha256(told) != cache.sha256(told[::-1])


def test_shorter_prompts_are_padded_and_masked():
    long, short = torch.ones(5, 2), torch.ones(3, 2)
    embeddings, mask = padded([long, short])
    assert mask.sum(1).tolist() == [5, 3]
    assert embeddings.sum((1, 2)).tolist() == [10, 6]


def test_a_damaged_shard_is_found_and_made_again(model, tmp_path, caplog):
    triplets = make_triplets(tmp_path, 2)
    folder, networks = tmp_path / "cache", make_networks(model)
    before = filled(folder, triplets, networks).batch(triplets)
    (shard,) = folder.iterdir()
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    healed = TripletCache(folder, SIZE, networks.hashes)
    assert "damaged" in caplog.text
    with pytest.raises(InputError, match="fill it first"):
        healed.batch(triplets[:1])
    list(fill(healed, triplets, networks))
    assert torch.equal(healed.batch(triplets).targets, before.targets)


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
    other = TensorStore(tmp_path / "s")
    assert len(other) == len(store) == 5
    assert all(torch.equal(other.read(f"k{index}"), store.read(f"k{index}")) for index in range(5))


def test_other_processes_take_the_word_of_the_first(tmp_path, monkeypatch):
    store = TensorStore(tmp_path)
    store.add("k", torch.arange(50.0))
    store.flush()
    read = []
    monkeypatch.setattr(tensor_store, "remembered_sha256", lambda path: read.append(path) or path.stem)
    assert torch.equal(TensorStore(tmp_path, verify=False).read("k"), torch.arange(50.0))
    assert not read
    TensorStore(tmp_path)
    assert len(read) == 1


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="asks Linux")
def test_a_store_maps_its_files_and_holds_no_copy(tmp_path):
    """What many processes read is in memory once: file pages, none of a process's own."""
    num_bytes = 2**25
    store = TensorStore(tmp_path)
    store.add("k", torch.ones(num_bytes, dtype=torch.uint8))
    store.flush()
    del store
    other = TensorStore(tmp_path, verify=False)
    before = own_and_shared_bytes()
    found = other.read("k")
    assert found.sum() == num_bytes
    own, shared = (now - was for now, was in zip(own_and_shared_bytes(), before, strict=True))
    assert shared > 0.9 * num_bytes
    assert own < 0.2 * num_bytes


def own_and_shared_bytes() -> tuple[int, int]:
    """Of this process: memory that is no file's, and pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {name: 1024 * int(rest.split()[0]) for name, rest in (line.split(":") for line in lines
             if line.startswith("Rss"))}  # fmt: skip
    return sizes["RssAnon"], sizes["RssFile"] + sizes["RssShmem"]


KILLED = """
import os, signal, sys
sys.path[:0] = {tests!r}
from pathlib import Path
from tiny_training import SIZE, load_tiny_model, make_networks, make_triplets
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.cache_filling import fill
folder = Path({folder!r})
networks = make_networks(load_tiny_model(Path({model!r})))
cache = TripletCache(folder / "cache", SIZE, networks.hashes)
cache.store._shard_bytes = 1
for progress in fill(cache, make_triplets(folder, 3), networks):
    if progress.done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_costs_only_what_was_not_on_disk(model, model_folder, tmp_path):
    tests = [str(folder) for folder in Path(__file__).parents[:2]]
    program = KILLED.format(tests=tests, folder=str(tmp_path), model=str(model_folder))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr
    triplets, networks = make_triplets(tmp_path, 3), make_networks(model)
    cache = TripletCache(tmp_path / "cache", SIZE, networks.hashes)
    progress = list(fill(cache, triplets, networks))
    assert progress[0] == CacheProgress(0, 4)
    ours, theirs = cache.batch(triplets), filled(tmp_path / "whole", triplets, networks).batch(triplets)
    assert torch.equal(ours.targets, theirs.targets)
    assert torch.equal(ours.prompts, theirs.prompts)


def test_prompts_of_unequal_length_are_refused_before_any_work(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1)
    networks = make_networks(model, {**PROMPTS, "fear": "person show a great fear expression"})
    with pytest.raises(ExpressionError, match="prompts of one length"):
        filled(tmp_path / "cache", [triplet], networks)
    assert networks.image_encoder.num_pictures == 0


def test_what_cannot_be_cached_is_refused(model, tmp_path):
    (triplet,) = make_triplets(tmp_path, 1, landmarks=False)
    networks = make_networks(model, detector=None)
    with pytest.raises(InputError, match="no landmarks"):
        filled(tmp_path / "cache", [triplet], networks)
    with pytest.raises(InputError, match="multiples of 16: take 80"):
        list(fill(TripletCache(tmp_path / "cache", 75, networks.hashes), [triplet], networks))
    cache = TripletCache(tmp_path / "cache", SIZE, networks.hashes)
    with pytest.raises(InputError, match="other networks"):
        list(fill(cache, [triplet], make_networks(model)))
    flat = dataclasses.replace(triplet.a, landmarks_5=((5.0, 5.0),) * 5)
    with pytest.raises(InputError, match=r"0a\.png.*are no face"):
        filled(tmp_path / "cache", [dataclasses.replace(triplet, a=flat)], make_networks(model))
    triplet.a.image.unlink()
    with pytest.raises(ImageError, match=r"0a\.png.*check the path"):
        filled(tmp_path / "cache", [triplet], networks)


def test_a_source_that_is_a_target_elsewhere_is_encoded_once(model, tmp_path):
    one, two = make_triplets(tmp_path, 2)
    shared = Triplet(one.source, dataclasses.replace(two.a, image=one.source.image), two.b)
    networks = make_networks(model)
    cache = TripletCache(tmp_path / "cache", SIZE, networks.hashes)
    assert list(fill(cache, [one, shared], networks))[-1].total == 4
    assert torch.equal(cache.batch([shared]).targets[0], cache.batch([one]).source[0])


def test_points_follow_the_picture_to_its_working_size(tmp_path):
    """A dot in a wide picture is where its coordinates say, before and after."""
    pixels = np.zeros((100, 161, 3), np.uint8)
    pixels[60:64, 90:94] = 255
    crop = TrainingCrop.around((161, 100), 50, None)
    working = np.asarray(crop.picture(Image.fromarray(pixels)))[..., 0].astype(float)
    (point,) = crop.points(np.array([[92.0, 62.0]]))
    y, x = np.mgrid[0:50, 0:50] + 0.5
    middle = [(working * axis).sum() / working.sum() for axis in (x, y)]
    np.testing.assert_allclose(point, [92 * 80 / 161 - 15, 31])
    np.testing.assert_allclose(middle, point, atol=0.02)


TALL = (SIZE, 4 * SIZE)


def tall_triplet(folder, **said):
    """Of pictures four times as high as wide; what is said of all faces."""
    source, a, b = (
        write_picture(folder / f"{name}.png", 40 + place, TALL) for place, name in enumerate("sab")
    )
    return Triplet(
        SourceImage(source, **said),
        Target(a, "fear", {"fear": 0.75}, **said),
        Target(b, "surprised", {"surprised": 0.5}, **said),
    )


@torch.no_grad()
def latents_of(model, path, top):
    picture = Image.open(path).crop((0, top, SIZE, top + SIZE))
    return pack(encode_images(model.vae, to_tensor(picture)))[0]


BELOW_BY_128 = tuple((x, y + 128.0) for x, y in LANDMARKS)


@pytest.mark.parametrize(
    ("said", "top"),
    [
        ({"face_box": (16.0, 148.0, 48.0, 180.0)}, 132),
        ({"face_box": (16.0, 4.0, 48.0, 40.0)}, 0),  # as far as the picture reaches
        ({"landmarks_5": BELOW_BY_128}, 132),
        ({}, 2),  # where the detector finds a face
    ],
)
def test_a_picture_is_cut_around_its_face(model, tmp_path, said, top):
    triplet = tall_triplet(tmp_path, **said)
    networks = make_networks(model)
    batch = filled(tmp_path / "cache", [triplet], networks).batch([triplet])
    assert torch.equal(batch.source[0], latents_of(model, triplet.source.image, top))
    assert torch.equal(batch.targets[1], latents_of(model, triplet.b.image, top))
    if "landmarks_5" in said:
        torch.testing.assert_close(batch.landmarks[0], torch.tensor(LANDMARKS) - torch.tensor([0.0, 4.0]))


def test_another_box_is_another_picture(model, tmp_path):
    """Of the same file: each is computed, and a square one is the same whatever its box."""
    one, two = (tall_triplet(tmp_path, face_box=(16.0, y, 48.0, y + 30.0)) for y in (40.0, 140.0))
    cache = filled(tmp_path / "cache", [one, two], make_networks(model))
    assert not torch.equal(cache.batch([one]).source, cache.batch([two]).source)
    (square,) = make_triplets(tmp_path, 1)
    boxed = dataclasses.replace(
        square, source=dataclasses.replace(square.source, face_box=(1.0, 2.0, 9.0, 9.0))
    )
    assert cache.keys(square) == cache.keys(boxed)


def test_without_a_face_the_middle_is_taken_and_said(model, tmp_path, caplog):
    triplet = tall_triplet(tmp_path)
    write_picture(triplet.source.image, 1, TALL, black=True)
    write_picture(triplet.a.image, 2, TALL, black=True)
    cache = filled(tmp_path / "cache", [triplet], make_networks(model, identity_encoder=None))
    assert torch.equal(cache.batch([triplet]).source[0], latents_of(model, triplet.source.image, 96))
    assert "no face was found in 2 pictures that are not square, one is " in caplog.text
    with pytest.raises(
        InputError, match=r"nothing is said of the face in .* there is no detector"
    ) as refused:
        filled(tmp_path / "other", [triplet], make_networks(model, identity_encoder=None, detector=None))
    assert len(str(refused.value)) <= 300 + len(str(tmp_path))


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
