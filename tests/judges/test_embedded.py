"""The embedded judge: what it looks at, how it tells drawn faces from others, and what it says."""

import asyncio
import json
import math

import numpy as np
import pytest
import torch
from model_examples import JudgingRun
from PIL import Image, ImageDraw
from scipy.spatial.distance import mahalanobis

from pixelsmile import embedded
from pixelsmile.errors import InputError, ModelError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL
from pixelsmile.judges import (
    NoVerdict,
    Question,
    Sample,
    Verdict,
    outcome_from_json,
)
from pixelsmile.judges.embedded.judge import TEMPLATE_3, EmbeddedJudge, face_crop
from pixelsmile.networks.expression_judge import (
    DrawnRegion,
    EmbeddedJudgeConfig,
    EmbeddedJudgeNetwork,
    to_tensor,
)
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

TINY = EmbeddedJudgeConfig(
    crop_px=32, widths=(4, 4, 8, 8), num_blocks=(1, 1, 1), flat_width=2, num_features=4, neutral_below=0.25
)
LANDMARKS = np.array([(60.0, 70.0), (100.0, 66.0), (83.0, 90.0), (70.0, 105.0), (99.0, 103.0)])


def saved(folder, *, scores=None, limit=1e9, least_drawn=-1e9):
    """A judge in a folder; it gives every face these scores, if they are given."""
    torch.manual_seed(0)
    network = EmbeddedJudgeNetwork(TINY)
    with torch.no_grad():
        network.region.limit.fill_(limit)
        network.region.least_drawn.fill_(least_drawn)
        if scores is not None:
            network.to_scores.weight.zero_()
            network.to_scores.bias.copy_(torch.tensor([scores.get(name, 0.0) for name in EXPRESSIONS]))
    network.save(folder)
    return folder


def portrait(seed=7_500_900, expression="happy", domain="human", size=256):
    return draw_portrait(sample_identity(seed), action_units(expression), domain, size)


# What it looks at


def dots(size, landmarks):
    """Black, with a dot of its own colour on each of the first three landmarks."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    radius = np.linalg.norm(landmarks[0] - landmarks[1]) / 10
    for channel, (x, y) in enumerate(landmarks[:3]):
        colour = tuple(255 * (channel == index) for index in range(3))
        draw.ellipse((x - 0.5 - radius, y - 0.5 - radius, x - 0.5 + radius, y - 0.5 + radius), fill=colour)
    return image


@pytest.mark.parametrize("scale", [0.5, 1.0, 5.0])
def test_eyes_and_nose_lie_on_the_template(scale):
    landmarks = LANDMARKS * scale
    crop = face_crop(dots((round(160 * scale),) * 2, landmarks), landmarks, 96, 8)
    assert crop.shape == (112, 112, 3)
    rows, columns = np.indices((112, 112)) + 0.5
    for channel in range(3):
        weight = crop[..., channel] / crop[..., channel].sum(dtype=np.float64)
        x, y = (columns * weight).sum(), (rows * weight).sum()
        # a similarity is fitted to three points that have not quite the template's shape
        assert np.hypot(*((x, y) - (96 * TEMPLATE_3[channel] + 8))) < 3.0


def test_the_mouth_does_not_move_the_crop():
    image = portrait().image
    other = LANDMARKS + np.array([[0, 0]] * 3 + [[5, 9]] * 2)
    assert (face_crop(image, LANDMARKS, 48) == face_crop(image, other, 48)).all()


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_face_looks_the_same_from_pictures_of_any_size(domain):
    crops = []
    for size in (192, 256, 768):
        drawn = portrait(domain=domain, size=size)
        crops.append(face_crop(drawn.image, drawn.truth.landmarks_5, 96).astype(float))
    assert np.abs(crops[0] - crops[1]).mean() < 5
    assert np.abs(crops[2] - crops[1]).mean() < 5


def test_landmarks_on_one_spot_are_no_face():
    with pytest.raises(InputError, match="are no face"):
        face_crop(Image.new("RGB", (64, 64)), np.full((5, 2), 20.0), 96)


# The network


def test_shapes_and_the_size_of_the_real_one():
    network = EmbeddedJudgeNetwork(EmbeddedJudgeConfig())
    seen = network(torch.zeros(2, 3, 96, 96))
    assert seen.scores.shape == (2, 12)
    assert seen.drawn.shape == (2,)
    assert seen.looks.shape == (2, network.region.means.shape[1])
    assert network.region.distances(seen.looks).shape == (2,)
    num_bytes = 2 * sum(weight.numel() for weight in network.parameters())
    num_bytes += 4 * sum(value.numel() for value in network.region.buffers())
    assert num_bytes < 3_500_000


def test_bytes_become_minus_one_to_one():
    crops = np.zeros((1, 2, 2, 3), np.uint8)
    crops[0, 0, 1] = (0, 255, 127)
    tensor = to_tensor(crops)
    assert tensor[0, :, 0, 1].tolist() == pytest.approx([-1, 1, 127 / 127.5 - 1])


def test_a_saved_network_comes_back(tmp_path):
    network = EmbeddedJudgeNetwork(TINY)
    network.region.limit.fill_(1.2345678)
    network.save(tmp_path)
    again = EmbeddedJudgeNetwork.load(tmp_path)
    assert again.region.limit.item() == network.region.limit.item()  # not in half precision
    faces = torch.rand(3, 3, 32, 32)
    assert torch.allclose(again(faces).scores, network(faces).scores, atol=5e-3)
    assert not any(weight.requires_grad for weight in again.parameters())


@pytest.mark.parametrize(
    "change", ["no config", "not json", "other expressions", "no weights", "other shape"]
)
def test_a_damaged_folder_is_an_error_of_one_line(tmp_path, change):
    saved(tmp_path)
    config = tmp_path / "config.json"
    record = json.loads(config.read_text())
    match change:
        case "no config":
            config.unlink()
        case "not json":
            config.write_text("{")
        case "other expressions":
            config.write_text(json.dumps(record | {"expressions": ["happy"]}))
        case "no weights":
            (tmp_path / "model.safetensors").write_bytes(b"")
        case "other shape":
            config.write_text(json.dumps(record | {"num_features": 8}))
    with pytest.raises(ModelError, match=r"there is no judge|is damaged") as error:
        EmbeddedJudgeNetwork.load(tmp_path)
    assert "\n" not in str(error.value)


# Where drawn faces end


def test_distances_are_mahalanobis_from_the_nearer_style():
    generator = torch.Generator().manual_seed(0)
    shape = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [0.0, 0.1, 2.0]])
    domains = torch.arange(4000) % 2
    looks = torch.randn(4000, 3, generator=generator) @ shape.T + 10.0 * domains[:, None]
    region = DrawnRegion(3)
    region.fit(looks, domains)
    data = looks.double().numpy()
    means = [data[domains == domain].mean(0) for domain in (0, 1)]
    centred = data - np.stack(means)[domains]
    precision = np.linalg.inv(centred.T @ centred / len(data))
    points = np.array([[0.0, 0, 0], [9.0, 11, 12], [5, 5, 5], [30, -4, 2]])
    wanted = [min(mahalanobis(p, mean, precision) for mean in means) / math.sqrt(3) for p in points]
    assert region.distances(torch.tensor(points, dtype=torch.float32)).tolist() == pytest.approx(
        wanted, rel=1e-3
    )
    assert region.distances(looks).square().mean().sqrt().item() == pytest.approx(1, abs=0.01)


def test_a_dimension_that_never_changes_does_not_break_the_region():
    looks = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    looks[:, 2] = 3.0
    region = DrawnRegion(4)
    region.fit(looks, torch.arange(200) % 2)
    assert torch.isfinite(region.distances(looks)).all()
    away = looks.clone()
    away[:, 2] = 4.0
    assert region.distances(away).min() > 2 * region.distances(looks).max()


# What it says


def test_scores_are_cut_and_the_highest_dominates(tmp_path):
    judge = EmbeddedJudge(saved(tmp_path, scores={"fear": 1.3, "surprised": 1.1, "sad": -0.2, "shy": 0.3}))
    verdict = judge.judge_pictures([portrait().image])[0]
    assert isinstance(verdict, Verdict)
    assert verdict.judge == judge.identity.id
    assert (verdict.scores["fear"], verdict.scores["surprised"], verdict.scores["sad"]) == (1, 1, 0)
    assert verdict.scores["shy"] == pytest.approx(0.3, abs=1e-3)
    assert verdict.dominant == "fear"  # before the cut
    seen = json.loads(verdict.transcript[0])
    assert seen["raw_scores"]["fear"] == pytest.approx(1.3, abs=1e-3)
    assert outcome_from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(("score", "dominant"), [(0.24, NEUTRAL), (0.26, "sleepy")])
def test_below_the_limit_a_face_is_neutral(tmp_path, score, dominant):
    judge = EmbeddedJudge(saved(tmp_path, scores={"sleepy": score}))
    assert judge.judge_pictures([portrait().image])[0].dominant == dominant


def test_what_is_not_drawn_gets_no_verdict(tmp_path):
    judge = EmbeddedJudge(saved(tmp_path, limit=0.0))
    nothing, tiny, other = judge.judge_pictures(
        [Image.new("RGB", (200, 100), "white"), portrait(size=32).image, portrait().image]
    )
    assert (nothing.reason, nothing.transcript) == ("unsuited", ())
    assert "no face" in nothing.detail
    assert tiny.reason == "unsuited"
    assert other.reason == "unsuited"
    assert "does not look drawn by pixelsmile (distance" in other.detail
    assert "at most 0.00" in other.detail
    assert json.loads(other.transcript[0])["distance"] > 0


def test_what_does_not_look_drawn_gets_no_verdict_wherever_it_lies(tmp_path):
    outcome = EmbeddedJudge(saved(tmp_path, least_drawn=100.0)).judge_pictures([portrait().image])[0]
    assert outcome.reason == "unsuited"
    assert "at least 100.00" in outcome.detail


def test_all_ways_to_ask_say_the_same(tmp_path):
    judge = EmbeddedJudge(saved(tmp_path))
    images = [
        portrait(expression=name, domain=domain).image for name in ("sad", "fear") for domain in DOMAINS
    ]
    at_once = judge.judge_pictures(images)
    assert at_once == [judge.judge_pictures([image])[0] for image in images]
    samples = [Sample(str(index), image, "human") for index, image in enumerate(images)]
    run = {one.key: one.outcome for one in JudgingRun(judge, samples, max_concurrency=4)}
    assert [run[str(index)] for index in range(len(images))] == at_once
    assert (
        asyncio.run(judge.judge(Question.read(images[0], "anime"))) == at_once[0]
    )  # the domain says nothing


def test_who_judges_depends_on_the_weights(tmp_path):
    one = EmbeddedJudge(saved(tmp_path / "one", limit=1.0)).identity
    again = EmbeddedJudge(saved(tmp_path / "again", limit=1.0)).identity
    other = EmbeddedJudge(saved(tmp_path / "other", limit=1.1)).identity
    assert one == again
    assert one.sha256 == again.sha256 != other.sha256
    assert one.id.startswith("embedded:drawn-portraits:")
    assert one.rubric == "drawn-scores-1"


def test_a_folder_without_a_judge(tmp_path):
    with pytest.raises(ModelError, match="there is no judge in"):
        EmbeddedJudge(tmp_path)


# The one that ships

try:
    SHIPPED = embedded.judge_path()
except ModelError:
    SHIPPED = None
HAS_JUDGE = pytest.mark.skipif(SHIPPED is None, reason="the judge is not here yet")


@pytest.fixture(scope="module")
def shipped():
    return EmbeddedJudge()


@HAS_JUDGE
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_shipped_judge_knows_expressions_of_people_it_never_met(shipped, domain):
    outcomes = shipped.judge_pictures(
        [portrait(7_500_910 + index, name, domain).image for index, name in enumerate(EXPRESSIONS)]
    )
    verdicts = [outcome for outcome in outcomes if isinstance(outcome, Verdict)]
    assert len(verdicts) >= 11
    right = sum(
        isinstance(outcome, Verdict) and outcome.dominant == name
        for name, outcome in zip(EXPRESSIONS, outcomes, strict=True)
    )
    assert right >= 10


@HAS_JUDGE
def test_the_shipped_judge_refuses_photographs_it_never_met(shipped):
    data = pytest.importorskip("skimage.data")
    photographs = [Image.fromarray(pixels) for pixels in (data.astronaut(), data.stereo_motorcycle()[0])]
    outcomes = shipped.judge_pictures(photographs)
    assert all(isinstance(outcome, NoVerdict) and outcome.reason == "unsuited" for outcome in outcomes)


@HAS_JUDGE
def test_the_shipped_judge_is_small():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10_000_000
