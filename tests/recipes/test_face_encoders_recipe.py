"""The recipe of the identity encoders: who is drawn, what becomes of crops, a tiny run of all."""

import itertools
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelsmile.embedded import model_path
from pixelsmile.errors import InputError, ModelError
from pixelsmile.expressions import DOMAINS, NEUTRAL
from pixelsmile.faces.encoders.inception_resnet import InceptionResnetConfig
from pixelsmile.faces.encoders.insightface import IResNetConfig, MobileFaceNetConfig
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.portraits import Identity, sample_identity
from recipes.augmentation import landmark_noise
from recipes.embedded.plan import PicturePlan as EditorPictures
from recipes.faces.encoders import crops as crop_files
from recipes.faces.encoders import verification
from recipes.faces.encoders.__main__ import augmented, batch, stages
from recipes.faces.encoders.crops import Crops, person, pictures_of
from recipes.faces.encoders.people import SCENE, TRAITS, differs, in_another_scene, lookalike
from recipes.faces.encoders.plan import (
    ENCODERS,
    AdaptiveMarginPlan,
    AngularMarginPlan,
    AugmentationPlan,
    EncoderPlan,
    PeoplePlan,
    PicturePlan,
    Plan,
    TripletPlan,
    VerificationPlan,
)
from recipes.faces.encoders.quality import measure_folder
from recipes.optimisation import Optimisation
from recipes.pictures import fill_one

SHORT = Optimisation(2, 1e-3, 1, 0.9, checkpoint_every=1, log_every=1)
TINY = Plan(
    people=PeoplePlan(num_families=2),
    pictures=PicturePlan(sizes_px=(96, 128), pictures_per_person=3, reconstructed_per_person=1),
    encoders=(
        EncoderPlan(
            "arcface", IResNetConfig(layers=(1, 1, 1, 1), widths=(4, 4, 8, 8), stem_width=4, num_features=8),
            AngularMarginPlan(), 2, 1, SHORT,
        ),
        EncoderPlan(
            "adaface", MobileFaceNetConfig(num_blocks=(1, 1, 1), width=8, last_width=16, num_features=8),
            AdaptiveMarginPlan(), 2, 1, SHORT,
        ),
        EncoderPlan(
            "facenet", InceptionResnetConfig(num_blocks=(0, 0, 0), width=0.0625, num_features=8),
            TripletPlan(), 1, 2, SHORT,
        ),
    ),
    verification=VerificationPlan(num_people=3, size_px=128, changed_traits=(4, 1), num_resamples=20),
)  # fmt: skip
DONORS = range(6_200_000, 6_201_000)
CPU = torch.device("cpu")


def run(folder, plan=TINY, only=("arcface", "adaface", "facenet")):
    """All records of a run, by stage."""
    found = {}
    for name, progress in stages(plan, folder, folder / "model", 1, CPU, only=only):
        found[name] = list(progress)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    return folder, run(folder)


def test_the_recipe_ends_in_folders_that_load_as_any_other(finished):
    folder, records = finished
    sizes = {"arcface": 112, "adaface": 112, "facenet": 160}
    orders = {"arcface": "RGB", "adaface": "BGR", "facenet": "RGB"}
    for kind, size_px in sizes.items():
        encoder = load_encoder(folder / "model" / kind, device="cpu")
        assert (encoder.name, encoder.size_px) == (f"embedded-{kind}", size_px)
        assert encoder.preprocessing.channel_order == orders[kind]
        last = records[kind][-1]
        assert last["encoder"] == encoder.name
        assert last["size_bytes"] == (folder / "model" / kind / "model.safetensors").stat().st_size
        assert last["lowest_cosine_to_unrounded"] > 0.999
        lines = (folder / "model" / kind / "training.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_crops_are_kept_and_some_reconstructed(finished):
    folder, records = finished
    crops = crop_files.load(folder / "crops", model_path() / "vae")
    assert crops.drawn.shape == (8, 3, 176, 176, 3)
    assert crops.reconstructed.shape == (8, 1, 176, 176, 3)
    assert (crops.num_classes, crops.num_per_class) == (8, 4)
    source, again = crops.crop(5, 2).astype(float), crops.crop(5, 3).astype(float)
    assert 1 < np.abs(source - again).mean() < 12
    assert records["drawing"][-1] == records["reconstructing"][-1] == {"done": 8, "of": 8}


def test_what_is_finished_is_not_done_again(finished):
    folder, _ = finished
    before = (folder / "model" / "facenet" / "model.safetensors").read_bytes()
    assert all(records == [] for records in run(folder).values())
    assert (folder / "model" / "facenet" / "model.safetensors").read_bytes() == before


def test_another_plan_does_not_use_these_crops(finished):
    with pytest.raises(InputError, match="was begun with"):
        run(finished[0], replace(TINY, people=PeoplePlan(num_families=3)))


def test_only_one_encoder_goes_on_where_it_was_killed(finished, tmp_path):
    folder, _ = finished
    (tmp_path / "crops").symlink_to(folder / "crops")
    progress = dict(stages(TINY, tmp_path, tmp_path / "model", 1, CPU, only=("adaface",)))["adaface"]
    assert next(progress)["step"] == 1  # killed before the second
    progress.close()
    assert list(run(tmp_path, only=("adaface",))) == ["drawing", "reconstructing", "adaface"]
    name = "model/adaface/model.safetensors"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert not (tmp_path / "model" / "arcface").exists()


def test_quality_is_written_beside_the_encoders(finished):
    folder = finished[0] / "model"
    assert list(measure_folder(TINY, folder, 1))[-1] == {"domain": "anime", "done": 3, "of": 3}
    report = json.loads((folder / "quality.json").read_text())
    assert set(report["weights_sha256"]) == {"arcface", "adaface", "facenet"}
    names = {"embedded-arcface", "embedded-adaface", "embedded-facenet", "pixels", "mean"}
    assert set(report["results"]) == names
    for levels in report["results"].values():
        assert list(levels) == ["strangers", "lookalike_4", "lookalike_1", "reconstructed"]
        for domains in levels.values():
            assert [domains[name]["num_pairs_each"] for name in ("human", "anime", "both")] == [3, 3, 6]
            for numbers in domains.values():
                assert {"auc", "auc_95", "tar_at_far_0.01", "tar_at_far_0.001_95"} < set(numbers)
                assert 0 <= numbers["auc_95"][0] <= numbers["auc"] <= numbers["auc_95"][1] <= 1
    assert levels["strangers"]["human"]["mean_same"] == levels["lookalike_1"]["human"]["mean_same"]


def test_quality_says_where_encoders_come_from(tmp_path):
    with pytest.raises(ModelError, match="has no encoder: run python -m"):
        list(measure_folder(TINY, tmp_path, 1))


# Who is drawn


def changed_fields(a, b):
    return {f.name for f in fields(Identity) if getattr(a, f.name) != getattr(b, f.name)}


@pytest.mark.parametrize("num_traits", [1, 2, 4])
def test_a_lookalike_differs_visibly_in_some_traits_and_in_nothing_else(num_traits):
    for seed in range(40):
        identity = sample_identity(seed)
        other = lookalike(identity, num_traits, DONORS, np.random.default_rng(seed))
        different = [trait for trait in TRAITS if differs(trait, identity, other)]
        assert len(different) == num_traits
        allowed = {name for trait in different for name in (*trait.telling, *trait.following)}
        assert changed_fields(identity, other) <= allowed


def test_another_scene_is_the_same_person():
    identity = sample_identity(7)
    there = in_another_scene(identity, DONORS, np.random.default_rng(0))
    assert changed_fields(identity, there) <= set(SCENE)
    assert there.turn != identity.turn


def test_every_field_is_the_person_the_scene_or_the_seed():
    of_person = {name for trait in TRAITS for name in (*trait.telling, *trait.following)}
    assert of_person | set(SCENE) | {"seed"} == {f.name for f in fields(Identity)}
    assert not of_person & set(SCENE)


def test_no_one_is_met_twice():
    people, editor = PeoplePlan(), EditorPictures()
    num_test = VerificationPlan().num_people
    ranges = [
        range(editor.first_training_seed, 2 * editor.num_identities),
        range(editor.first_test_seed, editor.first_test_seed + 100_000),
        range(people.first_training_seed, people.first_training_seed + people.num_families),
        range(people.first_training_donor, people.first_training_donor + people.num_donors),
        range(people.first_test_seed, people.first_test_seed + num_test),
        range(people.first_test_donor, people.first_test_donor + people.num_donors),
    ]
    ends = sorted((r.start, r.stop) for r in ranges)
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(ends))
    own = [r for r in ranges if r.start >= 6_000_000]
    assert len(own) == 4
    assert max(r.stop for r in own) <= 7_000_000


def test_classes_are_families_in_each_style():
    people = PeoplePlan()
    found = [person(people, 0, index) for index in range(8)]
    assert [domain for _, domain in found] == [s for _ in range(2) for s in DOMAINS for _ in range(2)]
    assert [identity.seed - people.first_training_seed for identity, _ in found] == [0] * 4 + [1] * 4
    assert found[0][0] == found[2][0] == sample_identity(people.first_training_seed)
    assert found[1][0] == found[3][0] != found[0][0]


def test_pictures_of_a_class_change_all_but_the_person():
    plan = PicturePlan()
    pictures = pictures_of(PeoplePlan(), plan, 0, 5)
    assert len(pictures) == plan.pictures_per_person == len({s.expression for s in pictures})
    assert pictures[0].expression == NEUTRAL
    assert len({s.identity.turn for s in pictures}) == plan.pictures_per_person
    assert all(changed_fields(s.identity, pictures[0].identity) <= set(SCENE) for s in pictures)
    assert pictures_of(PeoplePlan(), plan, 0, 5) == pictures


def test_roles_of_a_test():
    roles = verification.pictures_of(Plan(), "anime", 3)
    assert list(roles) == ["anchor", "same", "lookalike_4", "lookalike_2", "lookalike_1"]
    assert len({picture.expression for picture in roles.values()}) == 5
    anchor = roles["anchor"].identity
    assert changed_fields(anchor, roles["same"].identity) <= set(SCENE)
    for num_traits in (4, 2, 1):
        other = roles[f"lookalike_{num_traits}"].identity
        assert sum(differs(trait, anchor, other) for trait in TRAITS) == num_traits


# Batches and what happens to the crops


def test_a_batch_is_whole_families_and_no_crop_twice():
    plan = replace(TINY, people=PeoplePlan(num_families=5))
    marks = np.arange(20 * 6, dtype=np.uint8).reshape(20, 6, 1, 1, 1)
    crops = Crops(marks[:, :4], marks[:, 4:])
    encoder = replace(TINY.encoders[2], families_per_batch=7, pictures_per_person=3)
    labels, pixels = batch(plan, encoder, crops, np.random.default_rng(0))
    assert len(labels) == 7 * 2 * 3
    assert len(np.unique(labels)) == 14
    assert len(np.unique(labels // 2)) == 7
    assert (pixels.ravel() // 6 == labels).all()
    assert len(np.unique(pixels)) == len(labels)
    assert pixels.max() % 6 >= 4 or (pixels % 6 >= 4).any()


STILL = AugmentationPlan(
    landmark_noise=0, brightness=0, contrast=0, channel_gain=0, jpeg_share=0, blur_share=0, noise_share=0
)


def ramp(num=3):
    """Crops of 176 px whose red rises with x and whose green rises with y."""
    steps = np.arange(176, dtype=np.uint8)
    crop = np.stack([*np.broadcast_arrays(steps[None], steps[:, None]), np.full((176, 176), 90, np.uint8)], 2)
    return np.repeat(crop[None], num, axis=0)


def test_without_changes_a_crop_is_aligned_as_it_was():
    plan, rng = PicturePlan(), np.random.default_rng(0)
    inside = augmented(ramp(), plan, STILL, plan.template_px, rng, CPU)
    cut = torch.from_numpy(ramp()[:, 8:-8, 8:-8]).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(inside, cut, atol=1e-5, rtol=0)
    small = augmented(ramp(), plan, STILL, 112, rng, CPU)
    expected = ((np.arange(112) + 0.5) * 160 / 112 + 8 - 0.5) / 255
    torch.testing.assert_close(small[0, 0, 50], torch.from_numpy(expected).float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"landmark_noise": 0.06},
        {"brightness": 0.06},
        {"contrast": 0.1},
        {"channel_gain": 0.03},
        {"jpeg_share": 1.0},
        {"blur_share": 1.0},
        {"noise_share": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_change_changes_a_little_and_repeats(change):
    plan = PicturePlan()
    crops = np.random.default_rng(1).integers(60, 200, (3, 176, 176, 3)).astype(np.uint8)
    still = augmented(crops, plan, STILL, 112, np.random.default_rng(2), CPU)
    first, again = (
        augmented(crops, plan, replace(STILL, **change), 112, np.random.default_rng(2), CPU) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert first.shape == (3, 3, 112, 112)
    assert 0 <= first.min() <= first.max() <= 1
    assert 1e-4 < (first - still).abs().mean() < 0.25


def test_a_blur_keeps_what_is_even():
    plan = replace(STILL, blur_share=1.0)
    grey = np.full((2, 176, 176, 3), 77, np.uint8)
    found = augmented(grey, PicturePlan(), plan, 160, np.random.default_rng(0), CPU)
    torch.testing.assert_close(found, torch.full_like(found, 77 / 255), atol=1e-5, rtol=0)


def test_landmarks_are_loosened_in_eye_distances():
    landmarks = np.tile([[0.0, 0], [50, 0], [25, 30], [5, 60], [45, 60]], (4000, 1, 1))
    rng = np.random.default_rng(0)
    moved = np.stack([landmark_noise(points, 0.03, rng) for points in landmarks])
    assert moved.std() == pytest.approx(1.5, rel=0.02)


def test_an_array_goes_on_where_it_was_stopped(tmp_path):
    made = []

    def rows(numbers):
        made.extend(numbers)
        return [np.full(2, number) for number in numbers]

    target = tmp_path / "rows.npy"
    assert next(fill_one(target, (5, 2), rows, 2)) == {"done": 2, "of": 5}
    assert not target.exists()
    assert list(fill_one(target, (5, 2), rows, 2)) == [{"done": 4, "of": 5}, {"done": 5, "of": 5}]
    assert made == [0, 1, 2, 3, 4]
    assert np.load(target).tolist() == [[i, i] for i in range(5)]
    assert list(fill_one(target, (5, 2), rows, 2)) == []
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


def test_an_array_survives_a_kill_while_its_count_is_written(tmp_path, monkeypatch):
    target = tmp_path / "rows.npy"
    assert next(fill_one(target, (4, 2), lambda rows: np.zeros((len(rows), 2)), 2)) == {"done": 2, "of": 4}

    def killed(path, text):
        path.write_bytes(b"")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            list(fill_one(target, (4, 2), lambda rows: np.ones((len(rows), 2)), 2))
    list(fill_one(target, (4, 2), lambda rows: np.ones((len(rows), 2)), 2))
    assert np.load(target).tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]


# The plan itself


def test_three_encoders_differ_in_network_loss_and_input():
    assert [encoder.kind for encoder in ENCODERS] == ["arcface", "adaface", "facenet"]
    assert len({type(encoder.architecture) for encoder in ENCODERS}) == 3
    assert len({type(encoder.loss) for encoder in ENCODERS}) == 3


def test_every_crop_fits_the_autoencoder():
    ratio = 8
    assert PicturePlan().crop_px % ratio == VerificationPlan().size_px % ratio == 0
    assert json.loads((model_path() / "vae" / "config.json").read_text())["dim_mult"] == [1, 2, 4, 8]
