"""The whole objective: Eq. 9 by hand, every switch, one decode, and what reaches which gradient."""

import math
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from pixelsmile.errors import InputError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.faces.encoders.encoder import Preprocessing
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.features.encoder import unit_length
from pixelsmile.training.batch import TrainingBatch
from pixelsmile.training.config import ContrastiveSettings, IdentitySettings, ObjectiveSettings
from pixelsmile.training.objective import Objective

NUM, TOKENS, CHANNELS, SIDE = 3, 16, 4, 8  # triplets; a picture has 8 x 8 pixels of 4 x 4 tokens
ROWS = 2 * NUM
FACE = torch.tensor([[2.0, 3], [6, 3], [4, 4], [2.5, 6], [5.5, 6]], dtype=torch.float64)


class Decoder(nn.Module):
    """Tokens to pictures, smooth everywhere; counts its calls and rows."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.to_pixels = nn.Linear(CHANNELS, 3 * 4).double().requires_grad_(False)
        self.rows = []

    def forward(self, tokens, faces=None):
        self.rows.append(len(tokens))
        pixels = 0.5 * torch.tanh(self.to_pixels(tokens)).view(-1, 4, 4, 3, 2, 2)
        return pixels.permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, SIDE, SIDE)


class Encoder:
    """An image encoder in float64."""

    name, sha256 = "tiny", "0"

    def __init__(self):
        torch.manual_seed(2)
        self.network = nn.Linear(3 * SIDE * SIDE, 6).double().requires_grad_(False)

    def features(self, images):
        return unit_length(self.network(images.flatten(1)))


@pytest.fixture
def parts():
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 49, 5)).double()
    return {
        "decode": Decoder(),
        "image_encoder": Encoder(),
        "identity_encoder": TorchEncoder("tiny", Preprocessing(size_px=16), network, "cpu"),
    }


class Inputs(NamedTuple):
    """What `Objective.losses` takes."""

    batch: TrainingBatch
    velocities: torch.Tensor
    noise: torch.Tensor
    sigmas: torch.Tensor

    def with_batch(self, **changes):
        return self._replace(batch=replace(self.batch, **changes))


def weighted(flow=1.0, contrastive=1.0, identity=0.1, **changes):
    """Settings with these weights; changes: of the contrastive term."""
    return ObjectiveSettings(
        flow_weight=flow,
        contrastive=ContrastiveSettings(weight=contrastive, **changes),
        identity=IdentitySettings(weight=identity),
    )


ALL, ONLY_FLOW = weighted(), weighted(contrastive=0.0, identity=0.0)
FORMS = ("infonce", "hinge", "log_ratio")


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    nothing = torch.zeros(ROWS, 0, 0)
    batch = TrainingBatch(
        source=nothing,
        targets=normal(ROWS, TOKENS, CHANNELS),
        grid=(8, 8),
        neutral=nothing,
        prompts=nothing,
        mask=nothing,
        strengths=nothing,
        features=unit_length(normal(ROWS, 6)),
        identities=unit_length(normal(ROWS, 5)),
        landmarks=FACE.repeat(ROWS, 1, 1),
    )
    return Inputs(
        batch,
        velocities=normal(ROWS, TOKENS, CHANNELS),
        noise=normal(NUM, TOKENS, CHANNELS),
        sigmas=torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64),
    )


def distance_by_hand(parts, inputs, row, picture):
    if inputs.batch.landmarks[row].isnan().any():
        return 0.0
    crop = align_batch(picture / 2 + 0.5, inputs.batch.landmarks[row : row + 1].numpy(), 16)
    found = parts["identity_encoder"].embed(crop)[0]
    return 1 - functional.cosine_similarity(found, inputs.batch.identities[row], dim=0)


def by_hand(parts, inputs):
    """Every term, with two forwards' worth of arithmetic for each branch by itself."""
    flow, contrastive, identity = [], [], []
    for triplet in range(NUM):
        noise, sigma = inputs.noise[triplet], inputs.sigmas[triplet]
        rows = {"a": triplet, "b": NUM + triplet}
        features, distances = {}, {}
        for branch, row in rows.items():
            x, v = inputs.batch.targets[row], inputs.velocities[row]
            flow.append(((v - (noise - x)) ** 2).mean())
            clean = (1 - sigma) * x + sigma * noise - sigma * v
            picture = parts["decode"](clean[None])
            features[branch] = parts["image_encoder"].features(picture)[0]
            distances[branch] = distance_by_hand(parts, inputs, row, picture)
        for own, other in (("a", "b"), ("b", "a")):
            near, far = (features[own] @ inputs.batch.features[rows[branch]] for branch in (own, other))
            contrastive.append(-torch.log_softmax(torch.stack([near, far]) / 0.07, 0)[0])
        identity.append((sigma <= 0.6) * (distances["a"] + distances["b"]) / 2)
    return {name: torch.stack(values).mean() for name, values in
            (("flow", flow), ("contrastive", contrastive), ("identity", identity))}  # fmt: skip


def test_by_hand(parts, inputs):
    expected = by_hand(parts, inputs)
    found = Objective(ALL, **parts).losses(*inputs)
    assert list(found) == ["total", "flow", "contrastive", "identity"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-8)
    total = expected["flow"] + expected["contrastive"] + 0.1 * expected["identity"]
    torch.testing.assert_close(found["total"], total, rtol=1e-6, atol=1e-8)


def test_only_the_total_has_a_gradient(parts, inputs):
    velocities = inputs.velocities.requires_grad_()
    found = Objective(ALL, **parts).losses(*inputs)
    assert [name for name, value in found.items() if value.requires_grad] == ["total"]
    found["total"].backward()
    assert (velocities.grad.abs().sum((1, 2)) > 0).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_gradients(parts, inputs, form, symmetric):
    objective = Objective(weighted(form=form, symmetric=symmetric), **parts)

    def total(velocities):
        return objective.losses(*inputs._replace(velocities=velocities))["total"]

    assert torch.autograd.gradcheck(total, inputs.velocities.requires_grad_(), fast_mode=True)


def test_zero_where_all_is_as_it_should_be(parts, inputs):
    inputs = inputs._replace(velocities=inputs.noise.repeat(2, 1, 1) - inputs.batch.targets)
    pictures = parts["decode"](inputs.batch.targets)
    crops = align_batch(pictures / 2 + 0.5, inputs.batch.landmarks.numpy(), 16)
    inputs = inputs.with_batch(
        features=parts["image_encoder"].features(pictures), identities=parts["identity_encoder"].embed(crops)
    )
    found = Objective(weighted(form="hinge", margin=0.0), **parts).losses(*inputs)
    assert {name: round(value.item(), 9) for name, value in found.items()} == dict.fromkeys(found, 0.0)


@pytest.mark.parametrize("off", ["flow", "contrastive", "identity"])
def test_a_weight_of_zero_takes_a_term_out_of_the_total(parts, inputs, off):
    expected = by_hand(parts, inputs)
    weights = {"flow": 1.0, "contrastive": 1.0, "identity": 0.1} | {off: 0.0}
    found = Objective(weighted(**weights), **parts).losses(*inputs)
    assert set(found) == {"total", "flow", *(name for name, weight in weights.items() if weight)}
    total = sum(weights[name] * value for name, value in expected.items())
    torch.testing.assert_close(found["total"], total, rtol=1e-6, atol=1e-8)


def test_terms_that_are_off_need_no_networks_and_no_truths(inputs):
    bare = inputs.with_batch(features=None, identities=None, landmarks=None)
    found = Objective(ONLY_FLOW).losses(*bare)
    assert list(found) == ["total", "flow"]
    assert found["total"] == found["flow"]


@pytest.mark.parametrize(
    ("weights", "decoded"),
    [((1.0, 0.1), [ROWS]), ((1.0, 0.0), [ROWS]), ((0.0, 0.1), [4]), ((0.0, 0.0), [])],
    ids=["both", "contrastive", "identity", "neither"],
)
def test_there_is_one_decode_of_the_pictures_that_are_needed(parts, inputs, weights, decoded):
    Objective(weighted(1.0, *weights), **parts).losses(*inputs)
    assert parts["decode"].rows == decoded


def test_identity_counts_by_each_samples_own_timestep(parts, inputs):
    inputs = inputs._replace(velocities=inputs.velocities.requires_grad_())
    Objective(weighted(flow=0.0, contrastive=0.0), **parts).losses(*inputs)["total"].backward()
    moved = inputs.velocities.grad.abs().sum((1, 2)) > 0
    assert moved.tolist() == [True, True, False] * 2  # levels 0.3, 0.6 and 0.9 in both branches


def test_no_sample_counts_and_training_goes_on(parts, inputs):
    inputs = inputs._replace(sigmas=torch.full((NUM,), 0.9, dtype=torch.float64))
    velocities = inputs.velocities.requires_grad_()
    found = Objective(weighted(contrastive=0.0), **parts).losses(*inputs)
    assert found["identity"] == 0
    found["total"].backward()
    assert velocities.grad.abs().sum() > 0


def test_a_truth_without_a_face_has_no_identity_term(parts, inputs):
    landmarks = inputs.batch.landmarks.clone()
    landmarks[NUM, 2] = math.nan  # branch b of the first triplet
    expected = by_hand(parts, inputs.with_batch(landmarks=landmarks))
    found = Objective(ALL, **parts).losses(*inputs.with_batch(landmarks=landmarks))
    assert 0 < found["identity"] < Objective(ALL, **parts).losses(*inputs)["identity"]
    torch.testing.assert_close(found["identity"], expected["identity"], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found["contrastive"], expected["contrastive"], rtol=1e-6, atol=1e-8)


def test_truths_get_no_gradient(parts, inputs):
    inputs.batch.features.requires_grad_()
    inputs.batch.identities.requires_grad_()
    inputs.velocities.requires_grad_()
    Objective(ALL, **parts).losses(*inputs)["total"].backward()
    assert inputs.batch.features.grad is None
    assert inputs.batch.identities.grad is None


def test_two_halves_of_a_batch_average_to_the_whole(parts, inputs):
    """As on two processes: levels that count and levels that do not lie in different halves."""
    inputs = inputs._replace(sigmas=torch.tensor([0.3, 0.9, 0.9], dtype=torch.float64))
    objective = Objective(ALL, **parts)

    def part(triplets):
        rows = [*triplets, *(NUM + index for index in triplets)]
        truths = ("targets", "features", "identities", "landmarks")
        batch = replace(inputs.batch, **{name: getattr(inputs.batch, name)[rows] for name in truths})
        return Inputs(batch, inputs.velocities[rows], inputs.noise[triplets], inputs.sigmas[triplets])

    one, other, both = (objective.losses(*part(rows)) for rows in ([0], [1], [0, 1]))
    for name, value in both.items():
        torch.testing.assert_close(value, (one[name] + other[name]) / 2)


def test_pictures_are_cut_to_their_range(parts, inputs):
    def glaring(tokens, faces):
        return 100 * parts["decode"](tokens, faces)

    found = Objective(ALL, **{**parts, "decode": glaring}).losses(*inputs)
    assert all(torch.isfinite(value) for value in found.values())


def test_half_precision_gives_losses_in_float32(inputs):
    half = inputs.with_batch(targets=inputs.batch.targets.bfloat16())._replace(
        velocities=inputs.velocities.bfloat16(), noise=inputs.noise.bfloat16(), sigmas=inputs.sigmas.float()
    )
    found, full = (Objective(ONLY_FLOW).losses(*each) for each in (half, inputs))
    assert found["total"].dtype == torch.float32
    assert found["flow"].item() == pytest.approx(full["flow"].item(), rel=0.02)


@pytest.mark.parametrize("missing", ["decode", "image_encoder", "identity_encoder"])
def test_missing_networks_are_refused(parts, missing):
    with pytest.raises(InputError, match=r"term needs a decoder and an i.* encoder: give both or weight 0"):
        Objective(ALL, **{name: part for name, part in parts.items() if name != missing})


def test_an_encoder_without_a_gradient_is_refused(parts):
    parts["identity_encoder"].differentiable = False
    with pytest.raises(InputError, match="no gradient passes through tiny: load it with differentiable=True"):
        Objective(ALL, **parts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"velocities": torch.zeros(ROWS, TOKENS, 1)}, r"velocities \(6, 16, 1\) for latents \(6, 16, 4\)"),
        ({"noise": torch.zeros(ROWS, TOKENS, CHANNELS)}, r"noise \(6, 16, 4\) .* its branches share"),
        ({"sigmas": torch.zeros(ROWS)}, r"at levels \(6,\) .* its branches share"),
        ({"features": None}, "features is not there: give one for each of the 6 targets"),
        ({"identities": torch.zeros(NUM, 5)}, "identities is 3 rows: give one for each"),
        ({"landmarks": None}, "landmarks is not there: give one for each of the 6 targets"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(parts, inputs, changes, message):
    own = {name: value for name, value in changes.items() if name in Inputs._fields}
    rest = {name: value for name, value in changes.items() if name not in own}
    with pytest.raises(InputError, match=message):
        Objective(ALL, **parts).losses(*inputs._replace(**own).with_batch(**rest))
