"""One training step: its loss by hand, where its gradient goes, what it runs, and what decides its noise."""

import dataclasses
from collections import Counter

import pytest
import torch
from tiny_training import (
    CROP,
    SIZE,
    TinyImageEncoder,
    load_tiny_model,
    make_parts,
    make_triplets,
    save_tiny_model,
    tiny_identity_encoder,
)
from torch.nn import functional

from pixelsmile.editing.autoencoder import denormalise
from pixelsmile.editing.conditioning import interpolate
from pixelsmile.editing.flow import FlowSchedule, unpack
from pixelsmile.errors import ExpressionError, InputError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.training.adapter import adapter_parameters, add_adapter
from pixelsmile.training.batch import collate
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.config import AdapterSettings
from pixelsmile.training.decoding import LatentDecoder
from pixelsmile.training.losses.objective import Objective, ObjectiveSettings
from pixelsmile.training.order import Draw
from pixelsmile.training.step import TrainingStep, condition_batch, draw_noise

SEEDS = (11, 12)
GRID = (SIZE // 8, SIZE // 8)
ALL = ObjectiveSettings(identity_max_sigma=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("step")


@pytest.fixture(scope="module")
def model(folder):
    """The tiny model with an adapter that does something."""
    found = load_tiny_model(save_tiny_model(folder / "tiny"))
    add_adapter(found.transformer, AdapterSettings(rank=2, lora_alpha=4.0), 0)
    generator = torch.Generator().manual_seed(1)
    for parameter in adapter_parameters(found.transformer).values():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return found


@pytest.fixture(scope="module")
def triplets(folder, model):
    """Two triplets, as they are cached."""
    made, parts = make_triplets(folder, 2), make_parts(model)
    cache = TripletCache(folder / "cache", SIZE, parts.hashes)
    list(cache.fill(made, parts))
    return [cache.read(triplet) for triplet in made]


@pytest.fixture
def make_step(model, triplets):
    def make(settings=ALL, **options):
        objective = Objective(
            settings, LatentDecoder(model.vae, GRID), TinyImageEncoder(), tiny_identity_encoder()
        )
        objective = dataclasses.replace(objective, **options.pop("objective", {}))
        return TrainingStep(
            model.transformer,
            objective,
            lambda chosen: collate([triplets[index] for index in chosen]),
            **options,
        )

    yield make
    model.transformer.zero_grad()


def branch_by_hand(model, cached, target, seed):
    """The flow loss and the predicted picture of one branch: one forward, the stock autoencoder."""
    generator = torch.Generator().manual_seed(seed)
    sigma = torch.rand((), generator=generator)
    noise = torch.randn(cached.source.shape, generator=generator)
    noisy = (1 - sigma) * target.latents + sigma * noise
    embedding = cached.neutral + target.strength * (target.prompt - cached.neutral)
    velocity = model.transformer(
        hidden_states=torch.cat([noisy, cached.source])[None],
        encoder_hidden_states=embedding[None],
        timestep=sigma[None],
        img_shapes=[[(1, 4, 4), (1, 4, 4)]],
        return_dict=False,
    )[0][0, : len(noisy)]
    clean = noisy - sigma * velocity
    latents = denormalise(model.vae, unpack(clean[None], *GRID))
    picture = model.vae.decode(latents[:, :, None]).sample[:, :, 0].clamp(-1, 1)
    return (velocity - (noise - target.latents)).square().mean(), picture


def losses_by_hand(model, triplets):
    encoder, identity = TinyImageEncoder(), tiny_identity_encoder()
    sums = Counter()
    for cached, seed in zip(triplets, SEEDS, strict=True):
        for own, other in ((cached.a, cached.b), (cached.b, cached.a)):
            flow, picture = branch_by_hand(model, cached, own, seed)
            feature = encoder.features(picture)[0]
            logits = torch.stack([feature @ own.feature, feature @ other.feature]) / 0.07
            crop = align_batch(picture / 2 + 0.5, own.landmarks[None].numpy(), CROP)
            cosine = functional.cosine_similarity(identity.embed(crop)[0], own.identities["tiny"], dim=0)
            for name, value in (
                ("flow", flow),
                ("contrastive", -torch.log_softmax(logits, 0)[0]),
                ("identity", 1 - cosine),
            ):
                sums[name] += value.item() / 4
    return {**sums, "total": sums["flow"] + sums["contrastive"] + 0.1 * sums["identity"]}


def test_the_losses_equal_those_by_hand(make_step, model, triplets):
    """Two triplets in one forward and one decode, against four of each, in float32: 1e-4 of each."""
    found = make_step()([Draw(0, SEEDS[0]), Draw(1, SEEDS[1])])
    with torch.no_grad():
        wanted = losses_by_hand(model, triplets)
    assert set(found) == set(wanted)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(wanted, rel=1e-4)
    assert all(value > 0.01 for value in wanted.values())


def test_the_gradient_reaches_the_adapter_alone(make_step, model):
    make_step()([Draw(0, 1)])["total"].backward()
    adapter = adapter_parameters(model.transformer)
    reached = {
        name for name, parameter in adapter.items() if parameter.grad is not None and parameter.grad.any()
    }
    last = "transformer.transformer_blocks.1."
    unused = {  # what the last block does to the text goes nowhere
        f"{last}{module}.lora_{factor}.weight"
        for module in ("attn.add_q_proj", "attn.to_add_out", "txt_mlp.net.2")
        for factor in "AB"
    }
    assert reached == adapter.keys() - unused
    ours = {id(parameter) for parameter in adapter.values()}
    for module in (model.transformer, model.vae, model.text_encoder):
        assert all(parameter.grad is None for parameter in module.parameters() if id(parameter) not in ours)


@pytest.mark.parametrize(
    ("settings", "names", "num_decoded"),
    [
        (ALL, {"flow", "contrastive", "identity"}, 4),
        (ObjectiveSettings(contrastive_weight=0, identity_weight=0), {"flow"}, 0),
        (ObjectiveSettings(identity_weight=0), {"flow", "contrastive"}, 4),
        (ObjectiveSettings(contrastive_weight=0), {"flow", "identity"}, 2),
        (ObjectiveSettings(flow_weight=0), {"flow", "contrastive", "identity"}, 4),
    ],
)
def test_a_step_with_each_term_off(make_step, model, settings, names, num_decoded):
    """One forward, and one decode of the pictures that a term looks at: identity at noise up to 0.6 alone."""
    decoded, forwards = [], []
    decoder = LatentDecoder(model.vae, GRID)

    def decode(tokens):
        decoded.append(len(tokens))
        return decoder(tokens)

    step = make_step(settings, objective={"decode": decode})
    hook = model.transformer.register_forward_hook(lambda *_: forwards.append(1))
    seeds = [seed_of(lambda sigma: sigma > 0.6), seed_of(lambda sigma: sigma < 0.6)]
    found = step([Draw(index, seed) for index, seed in enumerate(seeds)])
    hook.remove()
    assert found.keys() == names | {"total"}
    assert (len(forwards), sum(decoded), len(decoded)) == (1, num_decoded, min(1, num_decoded))
    found["total"].backward()
    assert any(parameter.grad is not None for parameter in model.transformer.parameters())


def seed_of(wanted):
    return next(
        seed for seed in range(100) if wanted(torch.rand((), generator=torch.Generator().manual_seed(seed)))
    )


def test_terms_that_are_off_need_nothing_cached(make_step, triplets):
    bare = [
        dataclasses.replace(
            triplet,
            a=dataclasses.replace(triplet.a, feature=None, identities={}, landmarks=None),
            b=dataclasses.replace(triplet.b, feature=None, identities={}, landmarks=None),
        )
        for triplet in triplets
    ]
    only_flow = ObjectiveSettings(contrastive_weight=0, identity_weight=0)
    none = {"image_encoder": None, "identity_encoder": None, "decode": None}
    assert make_step(only_flow, objective=none).losses(collate(bare), SEEDS)["total"] > 0
    with pytest.raises(InputError, match="truth_features is not there"):
        make_step().losses(collate(bare), SEEDS)


def test_a_triplet_without_a_face_has_no_identity_loss(make_step, triplets):
    nan = torch.full((5, 2), torch.nan)
    faceless = [
        dataclasses.replace(
            triplet,
            a=dataclasses.replace(triplet.a, landmarks=nan),
            b=dataclasses.replace(triplet.b, landmarks=nan),
        )
        for triplet in triplets
    ]
    found = make_step().losses(collate(faceless), SEEDS)
    assert found["identity"] == 0
    assert found["total"].isfinite()


def test_noise_follows_from_the_seed_alone(make_step):
    """The mean over a batch is the mean of its triplets by themselves, each with its own noise."""
    step = make_step()
    with torch.no_grad():
        both = step([Draw(0, 21), Draw(1, 22)])["total"].item()
        alone = [step([draw])["total"].item() for draw in (Draw(1, 22), Draw(0, 21))]
        other = step([Draw(0, 23)])["total"].item()
    assert both == pytest.approx(sum(alone) / 2, rel=1e-4)
    assert abs(other - alone[1]) > 1e-3
    uniform, noise = draw_noise(range(400), (4, 8), torch.device("cpu"))
    assert abs(uniform.mean() - 0.5) < 0.05
    assert abs(noise.std() - 1) < 0.02
    again, _ = draw_noise([7], (4, 8), torch.device("cpu"))
    assert again[0] == uniform[7]


def test_the_schedule_shifts_the_noise_levels(make_step):
    seen = []

    class Noted(Objective):
        def losses(self, inputs):
            seen.append(inputs.sigmas)
            return super().losses(inputs)

    settings = ObjectiveSettings(contrastive_weight=0, identity_weight=0)
    for schedule in (None, FlowSchedule(shift=3.0)):
        step = make_step(settings, schedule=schedule)
        step.objective = Noted(settings)
        step([Draw(0, 5)])
    torch.testing.assert_close(seen[1], 3 * seen[0] / (1 + 2 * seen[0]))


def test_conditions_are_those_of_the_editor(triplets):
    batch = collate(triplets)
    mixed, mask = condition_batch(batch)
    assert mask is None
    for row, strength in enumerate(batch.strengths.tolist()):
        wanted = interpolate(batch.neutral[row], [batch.prompts[row]], [strength])
        torch.testing.assert_close(mixed[row], wanted, rtol=0, atol=1e-6)
    ends = dataclasses.replace(batch, strengths=torch.tensor([0.0, 1.0, 0.0, 1.0]))
    mixed, _ = condition_batch(ends)
    assert torch.equal(mixed[0], batch.neutral[0])
    assert torch.equal(mixed[1], batch.prompts[1])


def shortened(triplet, num):
    """The triplet with prompts that are `num` tokens shorter."""
    return dataclasses.replace(
        triplet,
        neutral=triplet.neutral[:-num],
        a=dataclasses.replace(triplet.a, prompt=triplet.a.prompt[:-num]),
        b=dataclasses.replace(triplet.b, prompt=triplet.b.prompt[:-num]),
    )


def test_a_shorter_prompt_in_a_batch_is_as_if_alone(make_step, triplets):
    step, mixed = make_step(), [triplets[0], shortened(triplets[1], 3)]
    with torch.no_grad():
        both = step.losses(collate(mixed), SEEDS)["total"].item()
        alone = [step.losses(collate([part]), [seed])["total"].item() for part, seed in
                 zip(mixed, SEEDS, strict=True)]  # fmt: skip
    assert both == pytest.approx(sum(alone) / 2, rel=1e-4)


def test_prompts_of_unequal_length_are_an_error(make_step, triplets):
    unlike = dataclasses.replace(triplets[0], neutral=triplets[0].neutral[:-1])
    num = len(triplets[0].neutral)
    with pytest.raises(ExpressionError, match=f"of {num - 1} tokens and a target prompt of {num}"):
        make_step().losses(collate([unlike]), [1])


def gradients(model, step):
    model.transformer.zero_grad()
    step([Draw(0, 3)])["total"].backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in adapter_parameters(model.transformer).items()
        if parameter.grad is not None
    }


def test_checkpointing_changes_no_gradient(make_step, model):
    wanted = gradients(model, make_step())
    model.transformer.enable_gradient_checkpointing()
    found = gradients(
        model, make_step(objective={"decode": LatentDecoder(model.vae, GRID, checkpointing=True)})
    )
    model.transformer.disable_gradient_checkpointing()
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


def test_under_bfloat16_the_losses_are_near(make_step):
    with torch.no_grad():
        wanted = make_step()([Draw(0, 4)])
        found = make_step(precision=torch.bfloat16)([Draw(0, 4)])
    assert found["total"].dtype == torch.float32
    assert found["total"] != wanted["total"]
    assert found["total"].item() == pytest.approx(wanted["total"].item(), rel=0.05)


def test_steps_make_the_loss_smaller(make_step, model):
    step = make_step()
    optimiser = torch.optim.Adam(adapter_parameters(model.transformer).values(), lr=0.02)
    losses = []
    for _ in range(12):
        loss = step([Draw(0, 2), Draw(1, 3)])["total"]
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]
