"""The recipe of the image encoder: who is drawn, losses by hand, what happens to windows, a tiny run."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pixelsmile.embedded import model_path
from pixelsmile.errors import InputError, ModelError
from pixelsmile.expressions import CONFUSING_PAIRS, DOMAINS, EXPRESSIONS
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.networks.expression_features import DrawnFeaturesConfig, look_through
from pixelsmile.portraits import ActionUnits
from recipes.features import windows as window_files
from recipes.features.__main__ import augmented, feature_losses, inner, score_contrast, stages
from recipes.features.plan import AugmentationPlan, LossPlan, PicturePlan, Plan
from recipes.features.quality import measure_folder, right_triplets
from recipes.features.windows import sample_of, with_margin
from recipes.optimisation import Optimisation
from recipes.pictures import to_tensor
from recipes.random_faces import Sample

TINY = Plan(
    pictures=PicturePlan(num_drawn=12, num_reconstructed=4, held_every=4, sizes_px=(64, 80), editor_px=64),
    network=DrawnFeaturesConfig(window_px=48, widths=(4, 4, 8, 8), num_blocks=(1, 1, 1), num_features=8),
    batch_size=6,
    optimisation=Optimisation(2, 1e-3, 1, 0.9, checkpoint_every=1, log_every=1),
)
CPU = torch.device("cpu")


def run(folder, plan=TINY):
    """All records of a run, by stage."""
    found = {}
    for name, progress in stages(plan, folder, folder / "finished", 1, CPU):
        found[name] = list(progress)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    return folder, run(folder)


# The whole


def test_the_recipe_ends_in_a_folder_that_loads(finished):
    folder, records = finished
    encoder = DrawnEncoder.from_folder(folder / "finished")
    features = encoder.features(to_tensor(sample_of(TINY, 0).picture()[None]))
    assert features.shape == (1, 8)
    last = records["training"][-1]
    assert last["size_bytes"] == (folder / "finished" / "model.safetensors").stat().st_size
    assert last["held"] == 4
    assert 0 <= last["held_absolute_error"] <= 1
    lines = (folder / "finished" / "training.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_windows_are_kept_and_some_reconstructed(finished):
    folder, records = finished
    found = window_files.load(TINY, model_path() / "vae", folder / "windows")
    assert found.parts[0].shape == (12, 64, 64, 3)
    assert found.parts[1].shape == (4, 64, 64, 3)
    assert found.rows(held=True).tolist() == [0, 4, 8, 12]
    assert len(found.rows(held=False)) == 12
    rows = np.array([3, 13])
    assert (found.pixels(rows) == np.stack([found.parts[0][3], found.parts[1][1]])).all()
    assert (found.parts[0][3] == with_margin(TINY, sample_of(TINY, 3).picture())).all()
    assert records["drawing"][-1]["done"] == 12
    for row in range(4):
        source = with_margin(TINY, sample_of(TINY, 12 + row).picture()).astype(float)
        assert 1 < np.abs(source - found.parts[1][row]).mean() < 25


def test_what_is_finished_is_not_done_again(finished):
    folder, _ = finished
    before = (folder / "finished" / "model.safetensors").read_bytes()
    assert all(records == [] for records in run(folder).values())
    assert (folder / "finished" / "model.safetensors").read_bytes() == before


def test_training_goes_on_where_it_was_killed(finished, tmp_path):
    folder, _ = finished
    (tmp_path / "windows").symlink_to(folder / "windows")
    progress = dict(stages_until_training(tmp_path))["training"]
    assert next(progress)["step"] == 1  # killed before the second
    progress.close()
    run(tmp_path)
    name = "finished/model.safetensors"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def stages_until_training(folder):
    for name, progress in stages(TINY, folder, folder / "finished", 1, CPU):
        yield name, progress
        if name == "training":
            return
        list(progress)


def test_another_plan_does_not_use_these_windows(finished):
    with pytest.raises(InputError, match="was begun with"):
        run(finished[0], replace(TINY, pictures=replace(TINY.pictures, margin_px=4)))


def test_quality_is_written_beside_the_encoder(finished):
    folder = finished[0] / "finished"
    assert list(measure_folder(folder, TINY, 2, 1))[-1] == {"done": 4, "of": 4}
    results = json.loads((folder / "quality.json").read_text())["results"]
    assert set(results) == {"encoder", "pixels"}
    for domains in results.values():
        assert set(domains) == set(DOMAINS)
        for numbers in domains.values():
            assert numbers["people"] == 2
            for kind in ("drawn", "reconstructed"):
                assert -1 <= numbers[f"{kind}_rise"] <= 1
                for whose in ("same_person", "strangers"):
                    shares = numbers[f"{kind}_{whose}"]
                    assert set(shares) == {"confusing", "any"}
                    assert all(
                        0 <= min(found.values()) <= max(found.values()) <= 1 for found in shares.values()
                    )
    assert results["pixels"]["human"]["drawn_same_person"]["any"]["1"] > 0.5  # a picture tells something


def test_quality_says_where_encoders_come_from(tmp_path):
    with pytest.raises(ModelError, match="there is no image encoder in"):
        list(measure_folder(tmp_path, TINY, 1, 1))


def test_right_triplets_by_hand():
    generated = np.zeros((3, 1, 2))
    generated[:, 0] = [[1, 0], [0, 1], [0.6, 0.8]]
    truths = np.zeros((3, 1, 2))
    truths[:, 0] = [[0.8, 0.6], [0.6, 0.8], [0, 1]]
    # cosines: (.8, .6, 0), (.6, .8, 1), (.96, 1, .8)
    expected = [[False, True, True], [True, False, False], [False, False, False]]
    assert right_triplets(generated, truths)[:, :, 0].tolist() == expected


# Who is drawn


def test_no_one_is_met_twice():
    plan = PicturePlan()
    num = plan.num_drawn + plan.num_reconstructed
    assert plan.first_training_seed == 9_000_000
    assert plan.first_training_seed + num <= plan.first_test_seed == 9_500_000
    seeds = [sample_of(Plan(), index).identity_seed for index in range(40)]
    assert seeds == list(range(9_000_000, 9_000_040))


def test_shots_are_settled_by_their_number_and_vary():
    plan = Plan()
    shots = [sample_of(plan, index) for index in range(600)]
    assert shots == [sample_of(plan, index) for index in range(600)]
    assert {shot.domain for shot in shots} == set(DOMAINS)
    assert {shot.size_px for shot in shots} == set(plan.pictures.sizes_px)
    assert all(shot.noise == 0 for shot in shots)
    truths = np.stack([shot.truth() for shot in shots])
    highest = np.bincount(truths[truths.max(1) > 0.3].argmax(1), minlength=12)
    assert highest.min() > 10
    in_pairs = [EXPRESSIONS.index(name) for pair in CONFUSING_PAIRS for name in pair]
    assert highest[in_pairs].mean() > 1.3 * np.delete(highest, in_pairs).mean()
    assert 0.02 < np.mean([shot.units == ActionUnits() for shot in shots]) < 0.1


def test_some_reconstructions_are_noisy():
    plan = Plan()
    shots = [sample_of(plan, plan.pictures.num_drawn + index) for index in range(200)]
    noises = np.array([shot.noise for shot in shots])
    assert {shot.size_px for shot in shots} == {256}
    assert 0.3 < (noises > 0).mean() < 0.7
    assert noises.max() <= plan.pictures.max_noise


# Losses


def test_contrast_by_hand():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
    truths = torch.tensor([[0.0], [1.0], [0.5]], dtype=torch.float64)
    temperature, width = 0.5, 0.4
    total = 0.0
    for i in range(3):
        others = [j for j in range(3) if j != i]
        near = [math.exp(-((truths[i] - truths[j]).item() ** 2) / (2 * width**2)) for j in others]
        alike = [math.exp((features[i] @ features[j]).item() / temperature) for j in others]
        for p, q in zip(near, alike, strict=True):
            p, q = p / sum(near), q / sum(alike)
            total += p * math.log(p / q) / 3
    found = score_contrast(features, truths, temperature, width)
    assert found.item() == pytest.approx(total, rel=1e-12)


def test_contrast_is_zero_where_features_lie_as_scores_do():
    angles = torch.tensor([0.0, 0.3, 1.0, 1.4], dtype=torch.float64)
    features = torch.stack([angles.cos(), angles.sin()], dim=1)
    # |z_i - z_j|^2 = 2 - 2 cos: the bell over features themselves is the softmax over their cosines
    assert score_contrast(features, features, 0.3, math.sqrt(0.3)).item() == pytest.approx(0, abs=1e-12)
    assert score_contrast(features.flip(0), features[[1, 0, 2, 3]], 0.3, math.sqrt(0.3)) > 0.1


def test_gradients_of_the_losses():
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(
        torch.randn(5, 4, generator=generator, dtype=torch.float64), dim=1
    ).requires_grad_()
    scores = torch.rand(5, 12, generator=generator, dtype=torch.float64).requires_grad_()
    truths = torch.rand(5, 12, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda f, s: feature_losses(f, s, truths, LossPlan())["loss"], (features, scores)
    )


def test_the_loss_is_the_weighted_sum_of_its_parts():
    features = torch.nn.functional.normalize(torch.ones(3, 2, dtype=torch.float64), dim=1)
    truths = torch.zeros(3, 12, dtype=torch.float64)
    scores = truths.clone()
    scores[0, 0], scores[1, 1] = 0.05, 0.3  # within and beyond the bend at 0.1
    plan = LossPlan(fit=3.0, huber=0.1)
    found = feature_losses(features, scores, truths, plan)
    assert found["contrast"].item() == pytest.approx(0, abs=1e-12)  # all alike, and all scores too
    fit = (0.5 * 0.05**2 + 0.1 * (0.3 - 0.05)) / 36 / 0.1
    assert found["fit"].item() == pytest.approx(fit)
    assert found["loss"].item() == pytest.approx(3 * fit)


# Windows


def test_a_window_is_what_the_encoder_sees():
    plan = Plan()
    pixels = Sample(9_600_001, "human", ActionUnits(), 256).picture()
    config = plan.network
    seen = look_through(config.window, to_tensor(pixels[None]), config.window_px)
    kept = inner(with_margin(plan, pixels)[None], plan.pictures.margin_px)
    assert kept.shape == seen.shape
    assert (kept - seen).abs().mean() < 0.02  # borders are rounded to whole pixels


STILL = AugmentationPlan(
    max_shift_px=0, max_turn_deg=0, max_zoom=0, brightness=0, contrast=0, channel_gain=0, soft_share=0,
    noise_share=0,
)  # fmt: skip


def smooth_windows(num=6):
    y, x = np.mgrid[:64, :64] / 64
    pixels = np.stack([np.sin(5 * x), np.cos(4 * y), np.sin(3 * (x + y))], axis=2) * 80 + 127
    return np.repeat(pixels.round().astype(np.uint8)[None], num, axis=0)


def test_without_changes_a_window_stays_as_it_was():
    crops = smooth_windows()
    found = augmented(crops, 8, STILL, np.random.default_rng(0))
    torch.testing.assert_close(found, inner(crops, 8), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"max_shift_px": 4.0}, {"max_turn_deg": 4.0}, {"max_zoom": 0.05}, {"brightness": 0.05},
        {"contrast": 0.1}, {"channel_gain": 0.03}, {"soft_share": 1.0}, {"noise_share": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_change_changes_a_little_and_repeats(change):
    crops = smooth_windows()
    plan = replace(STILL, **change)
    first, again = (augmented(crops, 8, plan, np.random.default_rng(2)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (6, 3, 48, 48)
    assert -1 <= first.min() <= first.max() <= 1
    assert 1e-5 < (first - inner(crops, 8)).abs().mean() < 0.25


def test_shifts_turns_and_zooms_stay_within_the_margin():
    """Black from outside must not show in the middle of a side, whatever is drawn by chance."""
    plan = replace(STILL, max_shift_px=4.0, max_turn_deg=4.0, max_zoom=0.05)
    white = np.full((200, 112, 112, 3), 255, np.uint8)
    found = augmented(white, 8, plan, np.random.default_rng(0))
    assert (found[:, :, 8:-8, 8:-8] > 0.99).all()
