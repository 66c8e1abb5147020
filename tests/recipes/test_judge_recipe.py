"""The recipe of the embedded judge: which faces are drawn, what becomes of crops, a tiny run of all."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import pearsonr

from pixelsmile.embedded import model_path
from pixelsmile.errors import InputError, ModelError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, confusing_partner
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.judge import (
    NoVerdict,
    Verdict,
)
from pixelsmile.networks.expression_judge import EmbeddedJudgeConfig, EmbeddedJudgeNetwork
from pixelsmile.portraits import ActionUnits, action_units, scores
from recipes.judge import crops as crop_files
from recipes.judge.__main__ import augmented, inner, score_losses, stages
from recipes.judge.crops import sample_of, sample_units
from recipes.judge.fakes import fakes, load_photographs, noise
from recipes.judge.plan import (
    AugmentationPlan,
    EditPlan,
    FakePlan,
    JudgedFacePlan,
    LossPlan,
    PicturePlan,
    Plan,
    RegionPlan,
)
from recipes.judge.quality import (
    RECONSTRUCTED,
    Judged,
    JudgeTest,
    judge_photographs,
    measure,
    refusals,
    summary,
)
from recipes.optimisation import Optimisation

TINY = Plan(
    pictures=PicturePlan(
        num_drawn=12,
        num_reconstructed=4,
        held_every=4,
        sizes_px=(64, 96),
        faded_share=0.5,
    ),
    edits=EditPlan(num_people=2, edits_per_person=2),
    region=RegionPlan(num_fitted=12, too_far=0.0, not_drawn=0.0),
    network=EmbeddedJudgeConfig(
        crop_px=32, widths=(4, 4, 8, 8), num_blocks=(1, 1, 1), flat_width=2, num_features=4
    ),
    fakes=FakePlan(num=3, photographs=("coffee", "moon")),
    batch_size=4,
    edited_share=0.25,
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
    folder = tmp_path_factory.mktemp("judge")
    return folder, run(folder)


def test_the_recipe_ends_in_a_folder_that_loads(finished):
    folder, records = finished
    assert records["drawing"][-1] == {"done": 12, "of": 12}
    assert records["reconstructing"][-1] == {"done": 4, "of": 4}
    last = records["training"][-1]
    network = EmbeddedJudgeNetwork.load(folder / "finished")
    assert last["size_bytes"] == (folder / "finished" / "model.safetensors").stat().st_size
    assert records["editing"][-1] == {"done": 2, "of": 2}
    assert last["held"] == 5
    assert float(network.region.limit) == pytest.approx(last["limit"], abs=1e-4)
    assert last["largest_distance"] >= last["usual_distance"] > 0
    lines = (folder / "finished" / "training.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert {"loss", "fit", "ranking", "drawn"} < set(json.loads(lines[0]))


def test_the_limit_lets_held_pictures_pass(finished):
    folder, _ = finished
    network = EmbeddedJudgeNetwork.load(folder / "finished")
    crops = crop_files.load(TINY, model_path(), folder / "crops")
    seen = network(inner(crops.pixels(crops.rows(held=True)), TINY.pictures.margin_px))
    assert (network.region.distances(seen.looks) <= network.region.limit + 1e-5).all()
    assert (seen.drawn >= network.region.least_drawn - 1e-5).all()


def test_what_is_finished_is_not_done_again(finished):
    folder, _ = finished
    before = (folder / "finished" / "model.safetensors").read_bytes()
    assert all(records == [] for records in run(folder).values())
    assert (folder / "finished" / "model.safetensors").read_bytes() == before


def test_a_killed_training_goes_on(finished, tmp_path):
    folder, _ = finished
    (tmp_path / "crops").symlink_to(folder / "crops")
    for name, progress in stages(TINY, tmp_path, tmp_path / "finished", 1, CPU):
        if name == "training":
            assert next(progress)["step"] == 1  # killed before the second
            progress.close()
            break
    run(tmp_path)
    name = "finished/model.safetensors"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_what_training_needs_is_missed_before_the_drawing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(
        ModelError, match=r'needs scikit-image: pip install -c constraints\.txt -e "\.\[faces'
    ):
        run(tmp_path)
    assert not (tmp_path / "crops").exists()


def test_another_plan_does_not_use_these_crops(finished):
    with pytest.raises(InputError, match="was begun with"):
        run(finished[0], replace(TINY, faces=JudgedFacePlan(max_strength=1.0)))


def test_reconstructions_are_the_faces_of_their_samples(finished):
    folder, _ = finished
    crops = crop_files.load(TINY, model_path(), folder / "crops")
    rows = [row for row in range(12, 16) if sample_of(TINY, row).fade == 1]
    assert 0 < len(rows) < 4
    for row in rows:
        drawn = crop_files.DrawCrop(TINY)(row).astype(float)
        difference = np.abs(crops.pixels(np.array([row]))[0] - drawn)
        assert 0.5 < difference[8:-8, 8:-8].mean() < 12  # the margins of such small crops are wide


# Which faces


@pytest.mark.parametrize("index", [0, 23_999, 24_000, 29_999])
def test_a_sample_is_settled_by_its_number(index):
    plan = Plan()
    sample = sample_of(plan, index)
    assert sample == sample_of(plan, index)
    assert sample.identity_seed == 7_000_000 + index
    if index >= plan.pictures.num_drawn:
        assert sample.size_px == 256
    else:
        assert sample.fade == 1
    wanted = scores(sample.units.scaled(sample.fade))
    assert sample.truth().tolist() == pytest.approx([wanted[name] for name in EXPRESSIONS])


def test_identities_meet_nobody_elses():
    plan = PicturePlan()
    num = plan.num_drawn + plan.num_reconstructed
    assert plan.first_training_seed >= 7_000_000
    assert plan.first_training_seed + num <= plan.first_test_seed == 7_500_000


def test_faces_are_shared_out_as_planned():
    plan, rng = JudgedFacePlan(), np.random.default_rng(0)
    faces = [sample_units(plan, rng) for _ in range(1500)]
    neutral = sum(face == ActionUnits() for face in faces) / len(faces)
    assert neutral == pytest.approx(plan.neutral_share, abs=0.03)
    truths = np.array([[scores(face)[name] for name in EXPRESSIONS] for face in faces])
    assert (truths.max(0) == 1).all()  # each expression is met in full
    dominant = np.bincount(truths[truths.max(1) > 0.4].argmax(1), minlength=12)
    paired = [bool(confusing_partner(name)) for name in EXPRESSIONS]
    assert dominant[paired].mean() > 1.5 * dominant[np.logical_not(paired)].mean()
    assert dominant.min() > 20


def test_single_faces_are_prototypes_and_their_strengths_are_uniform():
    plan = JudgedFacePlan(neutral_share=0, mixed_share=0, blend_share=0)
    faces = [sample_units(plan, np.random.default_rng(index)) for index in range(600)]
    strengths = []
    for face in faces:
        found = [
            max(face.as_tuple(), key=abs) / max(unit.as_tuple(), key=abs)
            for unit in (action_units(name, 1.0, v) for name in EXPRESSIONS for v in range(3))
            if np.allclose(
                np.array(unit.as_tuple()) * max(face.as_tuple(), key=abs),
                np.array(face.as_tuple()) * max(unit.as_tuple(), key=abs),
            )
        ]
        assert found
        strengths.append(found[0])
    assert np.quantile(strengths, (0.1, 0.5, 0.9)) == pytest.approx((0.15, 0.75, 1.35), abs=0.09)


# What happens to crops

STILL = AugmentationPlan(
    landmark_noise=0, brightness=0, contrast=0, channel_gain=0, jpeg_share=0, blur_share=0, noise_share=0
)


def ramp(num=3, side=48):
    """Red rises with x, green with y."""
    steps = np.arange(side, dtype=np.uint8) * 5
    flat = np.full((side, side), 90, np.uint8)
    crop = np.stack([*np.broadcast_arrays(steps[None], steps[:, None]), flat], 2)
    return np.repeat(crop[None], num, axis=0)


def test_without_changes_the_crop_loses_its_margin():
    assert torch.allclose(augmented(ramp(), 8, STILL, np.random.default_rng(0)), inner(ramp(), 8), atol=1e-4)
    assert inner(ramp(), 8).shape == (3, 3, 32, 32)


@pytest.mark.parametrize(
    "change",
    [
        {"landmark_noise": 0.05},
        {"brightness": 0.1},
        {"contrast": 0.2},
        {"channel_gain": 0.1},
        {"jpeg_share": 1, "jpeg_quality": (20, 21)},
        {"blur_share": 1, "max_blur_px": 3.0},
        {"noise_share": 1, "max_noise": 0.1},
    ],
)
def test_each_change_changes_and_repeats(change):
    plan, crops = replace(STILL, **change), ramp()
    crops[:, 20:24, 20:24] = 255
    one, again = (augmented(crops, 8, plan, np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(one, again)
    difference = (one - inner(crops, 8)).abs()
    assert 1e-3 < difference.mean() < 0.2
    assert one.abs().max() <= 1


# Fakes


def flat_faces(num=4):
    """As the network takes them: a brighter square on one colour."""
    faces = torch.full((num, 3, 32, 32), -0.2)
    faces[:, :, 8:24, 8:24] = 0.3
    return faces


def test_fakes_are_other_pictures_and_repeat():
    photographs = load_photographs(("coffee", "moon"))
    one, again = (
        fakes(flat_faces(), photographs, FakePlan(num=24), np.random.default_rng(3)) for _ in range(2)
    )
    assert torch.equal(one, again)
    assert one.shape == (24, 3, 32, 32)
    assert one.abs().max() <= 1
    assert (one - flat_faces(1)).abs().mean((1, 2, 3)).min() > 0.02


def test_noise_has_deviation_one_and_grows_finer():
    rng = np.random.default_rng(0)
    steps = []
    for decay in (0.3, 1.2):
        field = noise(96, decay, rng)
        assert field.std().item() == pytest.approx(1, abs=1e-5)
        steps.append(field.diff(dim=2).abs().mean())
    assert steps[1] > 2 * steps[0]


def test_the_tested_photograph_is_never_trained_on():
    assert "astronaut" not in FakePlan().photographs


# Losses


def test_right_scores_cost_nothing_and_beyond_the_ends_neither():
    truths = torch.tensor([[0.0, 0.3, 1.0], [0.0, 0.0, 0.6], [0.0, 0.0, 0.0]])
    right = torch.tensor([[-0.4, 0.3, 1.5], [0.0, -1.0, 0.6], [-0.5, -0.1, 0.0]])
    losses = score_losses(right, truths, LossPlan())
    assert [value.item() for value in losses.values()] == pytest.approx([0, 0, 0], abs=1e-7)


def test_losses_by_hand():
    truths = torch.tensor([[0.2, 0.5]], dtype=torch.float64)
    scored = torch.tensor([[0.25, 0.2]], dtype=torch.float64)
    losses = score_losses(scored, truths, LossPlan(huber=0.1, ranking=0.5))
    # errors 0.05 (square) and -0.3 (linear); the second should stand 0.3 above, stands 0.05 below
    fit = (0.5 * 0.05**2 + 0.1 * (0.3 - 0.05)) / 2 / 0.1
    ranking = 0.1 * (0.35 - 0.05) / 2 / 0.1
    assert losses["fit"].item() == pytest.approx(fit)
    assert losses["ranking"].item() == pytest.approx(ranking)
    assert losses["loss"].item() == pytest.approx(fit + 0.5 * ranking)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_gradient_leads_to_the_truth(seed):
    generator = torch.Generator().manual_seed(seed)
    truths = torch.rand(2, 12, generator=generator, dtype=torch.float64)
    scored = torch.rand(2, 12, generator=generator, dtype=torch.float64).requires_grad_()
    loss = score_losses(scored, truths, LossPlan())["loss"]
    loss.backward()
    towards = ((truths - scored) * scored.grad).sum()
    assert towards.item() < 0
    assert torch.autograd.gradcheck(lambda s: score_losses(s, truths, LossPlan())["loss"], scored)


# Reports


def judged(expression, strength, truth, said=None, dominant=None):
    truth = np.array([truth.get(name, 0.0) for name in EXPRESSIONS])
    if said is None:
        outcome = NoVerdict("judge", "unsuited", "why", () if dominant is None else (dominant,))
    else:
        outcome = Verdict("judge", {name: said.get(name, 0.0) for name in EXPRESSIONS}, dominant)
    return Judged(expression, strength, truth, outcome)


EXAMPLES = [
    judged("fear", 1.0, {"fear": 1.0, "surprised": 0.5}, {"fear": 0.9, "surprised": 0.6}, "fear"),
    judged("fear", 1.0, {"fear": 1.0, "surprised": 0.5}, {"fear": 0.4, "surprised": 0.8}, "surprised"),
    judged("happy", 1.0, {"happy": 1.0}, {"happy": 1.0}, "happy"),
    judged("happy", 0.5, {"happy": 0.5}, {"happy": 0.2}, NEUTRAL),
    judged(NEUTRAL, 0.0, {}, {"shy": 0.1}, NEUTRAL),
    judged("sad", 1.0, {"sad": 1.0}, None, "seen"),
    judged("sad", 1.0, {"sad": 1.0}, None, None),
]


def test_a_report_by_hand():
    report = summary(EXAMPLES)
    assert report["pictures"] == 7
    assert (report["refused"], report["refused_share"]) == (2, 0.2857)
    assert report["refused_for"] == {"not drawn": 1, "no face": 1}
    assert report["accuracy_12"] == pytest.approx(2 / 3, abs=1e-4)
    assert report["accuracy_in_pairs"] == 0.5
    assert report["pairs"]["fear"] == {"fear": 0.5, "surprised": 0.5}
    assert report["pairs"]["disgust"] == {"disgust": None, "angry": None}
    assert report["accuracy_by_expression"]["sad"] is None
    assert report["neutral_seen_as_neutral"] == 1
    assert report["mean_absolute_error"] == pytest.approx(
        (0.1 + 0.1 + 0.6 + 0.3 + 0.3 + 0.1) / (5 * 12), abs=1e-4
    )
    fear = pearsonr([1, 1, 0, 0, 0], [0.9, 0.4, 0, 0, 0]).statistic
    assert report["pearson"]["fear"] == pytest.approx(fear, abs=1e-4)
    assert report["pearson"]["sad"] is None
    assert report["curve"] == [
        {"strength": 0.0, "true": 0.0, "judged": 0.1},
        {"strength": 0.5, "true": 0.5, "judged": 0.2},
        {"strength": 1.0, "true": 1.0, "judged": pytest.approx((0.9 + 0.4 + 1.0) / 3, abs=1e-4)},
    ]
    assert json.loads(json.dumps(report)) == report


def test_a_report_of_nothing_but_refusals():
    report = summary(EXAMPLES[-2:])
    assert report["accuracy_12"] is report["mean_absolute_error"] is None
    assert report["curve"] == []
    assert refusals([])["refused_share"] is None


def test_quality_of_an_unfinished_judge(finished):
    folder = finished[0] / "finished"
    *progress, report = measure(folder, JudgeTest(0, 1, 0, strengths=(1.0,)), 1)
    assert progress[-1] == {"people": 2, "of": 2}
    assert json.loads(json.dumps(report)) == report
    kinds = [(part["kind"], part["domain"]) for part in report["results"]]
    assert kinds == [(RECONSTRUCTED, domain) for domain in DOMAINS]
    assert [part["pictures"] for part in report["results"]] == [13] * 2
    assert report["pictures"] == 26
    assert report["edits"] == []


def test_photographs_are_counted(finished, tmp_path):
    judge = EmbeddedJudge(finished[0] / "finished")
    with pytest.raises(InputError, match="there is no picture in"):
        judge_photographs(judge, [tmp_path])
    (tmp_path / "index.json").write_text("{}")
    Image.new("RGB", (64, 64), "navy").save(tmp_path / "sea.png")
    report = judge_photographs(judge, [tmp_path])
    assert report == {
        "pictures": 1, "refused": 1, "refused_for": {"no face": 1, "not drawn": 0}, "accepted": []
    }  # fmt: skip
