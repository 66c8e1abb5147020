"""One training step: its loss by hand, where its gradient goes, what it runs, and what decides its noise."""

import dataclasses
from collections import Counter

import pytest
import torch
from tiny_training import (
    CROP,
    SIZE,
    TinyImageEncoder,
    filled,
    load_tiny_model,
    make_networks,
    make_told,
    make_triplets,
    save_tiny_model,
    tiny_identity_encoder,
)
from torch.nn import functional

from pixelsmile.editing.autoencoder import decode_frames, denormalise
from pixelsmile.editing.conditioning import interpolate
from pixelsmile.editing.flow import unpack
from pixelsmile.errors import InputError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.training import step as step_file
from pixelsmile.training.adapter import adapter_parameters, add_adapter
from pixelsmile.training.batch import draw_noise
from pixelsmile.training.config import (
    AdapterSettings,
    ContrastiveSettings,
    IdentitySettings,
    ObjectiveSettings,
)
from pixelsmile.training.objective import Objective
from pixelsmile.training.order import SeededTriplet
from pixelsmile.training.step import WHOLE, LatentDecoder, TrainingStep, checkpoint_blocks

SEEDS = (11, 12)
GRID = (SIZE // 8, SIZE // 8)
ALL = ObjectiveSettings(identity=IdentitySettings(max_sigma=1.0))
NO_CONTRASTIVE = {"contrastive": ContrastiveSettings(weight=0.0)}
NO_IDENTITY = {"identity": IdentitySettings(weight=0.0)}


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
def batch_of(folder, model):
    """Two triplets, as they are cached, by their numbers."""
    triplets = make_triplets(folder, 2)
    cache = filled(folder / "cache", triplets, make_networks(model))
    return lambda chosen: cache.batch([triplets[index] for index in chosen])


@pytest.fixture
def make_step(model, batch_of):
    def make(settings=ALL, **options):
        objective = Objective(
            settings, LatentDecoder(model.vae, GRID), TinyImageEncoder(), tiny_identity_encoder()
        )
        objective = dataclasses.replace(objective, **options.pop("objective", {}))
        return TrainingStep(model.transformer, objective, batch_of, **options)

    yield make
    model.transformer.zero_grad()


def branch_by_hand(model, batch, row, seed):
    """The flow loss and the predicted picture of one branch: one forward, the stock autoencoder."""
    generator = torch.Generator().manual_seed(seed)
    sigma = torch.rand((), generator=generator)
    source, target = batch.source[row], batch.targets[row]
    noise = torch.randn(source.shape, generator=generator)
    noisy = (1 - sigma) * target + sigma * noise
    embedding = batch.neutral[row] + batch.strengths[row] * (batch.prompts[row] - batch.neutral[row])
    velocity = model.transformer(
        hidden_states=torch.cat([noisy, source])[None],
        encoder_hidden_states=embedding[None],
        timestep=sigma[None],
        img_shapes=[[(1, 4, 4), (1, 4, 4)]],
        return_dict=False,
    )[0][0, : len(noisy)]
    clean = noisy - sigma * velocity
    latents = denormalise(model.vae, unpack(clean[None], *GRID))
    picture = model.vae.decode(latents[:, :, None]).sample[:, :, 0].clamp(-1, 1)
    return (velocity - (noise - target)).square().mean(), picture


def losses_by_hand(model, batch_of):
    encoder, identity = TinyImageEncoder(), tiny_identity_encoder()
    sums = Counter()
    for number, seed in enumerate(SEEDS):
        batch = batch_of([number])
        for own in range(2):
            flow, picture = branch_by_hand(model, batch, own, seed)
            feature, (mine, other) = encoder.features(picture)[0], batch.features[[own, 1 - own]]
            logits = torch.stack([feature @ mine, feature @ other]) / 0.07
            crop = align_batch(picture / 2 + 0.5, batch.landmarks[own : own + 1].numpy(), CROP)
            cosine = functional.cosine_similarity(identity.embed(crop)[0], batch.identities[own], dim=0)
            for name, value in (
                ("flow", flow),
                ("contrastive", -torch.log_softmax(logits, 0)[0]),
                ("identity", 1 - cosine),
            ):
                sums[name] += value.item() / 4
    return {**sums, "total": sums["flow"] + sums["contrastive"] + 0.1 * sums["identity"]}


def test_the_losses_equal_those_by_hand(make_step, model, batch_of):
    """Two triplets in one forward and one decode, against four of each, in float32: 1e-4 of each."""
    found = make_step()([SeededTriplet(0, SEEDS[0]), SeededTriplet(1, SEEDS[1])])
    with torch.no_grad():
        wanted = losses_by_hand(model, batch_of)
    assert set(found) == set(wanted)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(wanted, rel=1e-4)
    assert all(value > 0.01 for value in wanted.values())


def test_the_gradient_reaches_the_adapter_alone(make_step, model):
    make_step()([SeededTriplet(0, 1)])["total"].backward()
    adapter = adapter_parameters(model.transformer)
    reached = {
        name for name, parameter in adapter.items() if parameter.grad is not None and parameter.grad.any()
    }
    last = "transformer.transformer_blocks.1."
    unused = {  # what the last block does to the text goes nowhere
        f"{last}{module}.lora_{factor}.weight"
        for module in ("attn.add_q_proj", "attn.to_add_out", "txt_mlp.net.0.proj", "txt_mlp.net.2")
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
        (ObjectiveSettings(**NO_CONTRASTIVE, **NO_IDENTITY), {"flow"}, 0),
        (ObjectiveSettings(**NO_IDENTITY), {"flow", "contrastive"}, 4),
        (ObjectiveSettings(**NO_CONTRASTIVE), {"flow", "identity"}, 2),
        (ObjectiveSettings(flow_weight=0.0), {"flow", "contrastive", "identity"}, 4),
    ],
)
def test_a_step_with_each_term_off(make_step, model, settings, names, num_decoded):
    """One forward, and one decode of the pictures that a term looks at: identity at noise up to 0.6 alone."""
    decoded, forwards = [], []
    decoder = LatentDecoder(model.vae, GRID)

    def decode(tokens, faces):
        decoded.append(len(tokens))
        return decoder(tokens, faces)

    step = make_step(settings, objective={"decode": decode})
    hook = model.transformer.register_forward_hook(lambda *_: forwards.append(1))
    seeds = [seed_of(lambda sigma: sigma > 0.6), seed_of(lambda sigma: sigma < 0.6)]
    found = step([SeededTriplet(index, seed) for index, seed in enumerate(seeds)])
    hook.remove()
    assert found.keys() == names | {"total"}
    assert (len(forwards), sum(decoded), len(decoded)) == (1, num_decoded, min(1, num_decoded))
    found["total"].backward()
    assert any(parameter.grad is not None for parameter in model.transformer.parameters())


def seed_of(wanted):
    return next(
        seed for seed in range(100) if wanted(torch.rand((), generator=torch.Generator().manual_seed(seed)))
    )


def test_terms_that_are_off_need_nothing_cached(make_step, batch_of):
    bare = dataclasses.replace(batch_of([0, 1]), features=None, identities=None, landmarks=None)
    only_flow = ObjectiveSettings(**NO_CONTRASTIVE, **NO_IDENTITY)
    none = {"image_encoder": None, "identity_encoder": None, "decode": None}
    assert make_step(only_flow, objective=none).losses(bare, SEEDS)["total"] > 0
    with pytest.raises(InputError, match="features is not there"):
        make_step().losses(bare, SEEDS)


def test_a_triplet_without_a_face_has_no_identity_loss(make_step, batch_of):
    faceless = dataclasses.replace(batch_of([0, 1]), landmarks=torch.full((4, 5, 2), torch.nan))
    found = make_step().losses(faceless, SEEDS)
    assert found["identity"] == 0
    assert found["total"].isfinite()


def test_noise_follows_from_the_seed_alone(make_step):
    """The mean over a batch is the mean of its triplets by themselves, each with its own noise."""
    step = make_step()
    with torch.no_grad():
        both = step([SeededTriplet(0, 21), SeededTriplet(1, 22)])["total"].item()
        alone = [step([draw])["total"].item() for draw in (SeededTriplet(1, 22), SeededTriplet(0, 21))]
        other = step([SeededTriplet(0, 23)])["total"].item()
    assert both == pytest.approx(sum(alone) / 2, rel=1e-4)
    assert abs(other - alone[1]) > 1e-3
    uniform, noise = draw_noise(range(400), (4, 8), torch.device("cpu"))
    assert abs(uniform.mean() - 0.5) < 0.05
    assert abs(noise.std() - 1) < 0.02
    again, _ = draw_noise([7], (4, 8), torch.device("cpu"))
    assert again[0] == uniform[7]


def test_conditions_are_those_of_the_editor(batch_of):
    batch = batch_of([0, 1])
    mixed, mask = batch.conditions()
    assert mask is None
    for row, strength in enumerate(batch.strengths.tolist()):
        wanted = interpolate(batch.neutral[row], [batch.prompts[row]], [strength])
        torch.testing.assert_close(mixed[row], wanted, rtol=0, atol=1e-6)
    mixed, _ = dataclasses.replace(batch, strengths=torch.tensor([0.0, 1.0, 0.0, 1.0])).conditions()
    assert torch.equal(mixed[0], batch.neutral[0])
    assert torch.equal(mixed[1], batch.prompts[1])


def test_a_shorter_prompt_in_a_batch_is_as_if_alone(make_step, batch_of):
    """The second triplet has prompts that are 3 tokens shorter."""
    both, first, second = (batch_of(chosen) for chosen in ([0, 1], [0], [1]))
    short = {name: getattr(second, name)[:, :-3] for name in ("neutral", "prompts", "mask")}
    masked = {name: getattr(both, name).clone() for name in ("neutral", "prompts", "mask")}
    for embedding in masked.values():
        embedding[[1, 3], -3:] = 0
    step = make_step()
    with torch.no_grad():
        together = step.losses(dataclasses.replace(both, **masked), SEEDS)["total"].item()
        alone = [
            step.losses(batch, [seed])["total"].item()
            for batch, seed in zip((first, dataclasses.replace(second, **short)), SEEDS, strict=True)
        ]
    assert together == pytest.approx(sum(alone) / 2, rel=1e-4)


def test_triplets_with_instructions_have_a_branch_each(make_step, model, tmp_path):
    """The losses by hand, each under its own words, of which one is shorter; and no contrastive term."""
    told = make_told(tmp_path, "let the face rest", "show fear")
    cache = filled(tmp_path / "cache", told, make_networks(model))
    settings = ObjectiveSettings(**NO_CONTRASTIVE, identity=IdentitySettings(max_sigma=1.0))
    step = make_step(settings)
    identity, wanted = tiny_identity_encoder(), Counter()
    with torch.no_grad():
        found = step.losses(cache.batch(told), SEEDS)
        for triplet, seed in zip(told, SEEDS, strict=True):
            batch = cache.batch([triplet])
            flow, picture = branch_by_hand(model, batch, 0, seed)
            crop = align_batch(picture / 2 + 0.5, batch.landmarks.numpy(), CROP)
            cosine = functional.cosine_similarity(identity.embed(crop)[0], batch.identities[0], dim=0)
            wanted.update({"flow": flow.item() / 2, "identity": (1 - cosine.item()) / 2})
    wanted["total"] = wanted["flow"] + 0.1 * wanted["identity"]
    assert {name: value.item() for name, value in found.items()} == pytest.approx(wanted, rel=1e-4)
    widths = []
    hook = model.transformer.txt_in.register_forward_hook(lambda _, seen, __: widths.append(seen[0].shape[1]))
    step.losses(cache.batch(told), SEEDS)
    hook.remove()
    assert widths == sorted(widths)  # the shorter half without the padding of the longer one
    assert widths[0] < widths[1]
    with pytest.raises(InputError, match="compares two targets, and there is one"):
        make_step().losses(cache.batch(told), SEEDS)


def gradients(model, step):
    model.transformer.zero_grad()
    step([SeededTriplet(0, 3)])["total"].backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in adapter_parameters(model.transformer).items()
        if parameter.grad is not None
    }


@pytest.mark.parametrize(("blocks", "num_runs"), [(True, 2), (1, 1)], ids=["all", "the first"])
def test_checkpointing_changes_no_gradient(blocks, num_runs, make_step, model):
    """And computes no more blocks again than were named."""
    wanted = gradients(model, make_step())
    counts = Counter()
    hooks = [
        block.register_forward_pre_hook(lambda *_, number=number: counts.update([number]))
        for number, block in enumerate(model.transformer.transformer_blocks)
    ]
    checkpoint_blocks(model.transformer, blocks)
    found = gradients(
        model, make_step(objective={"decode": LatentDecoder(model.vae, GRID, checkpointing=True)})
    )
    model.transformer.disable_gradient_checkpointing()
    for hook in hooks:
        hook.remove()
    assert [counts[0], counts[1]] == [2, num_runs]
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


def test_where_nobody_looks_nothing_is_decoded(make_step, model, batch_of, monkeypatch):
    """The identity term alone sees the box around its faces; loss and gradient are those of the whole."""
    batch = batch_of([0, 1])
    small = dataclasses.replace(batch, landmarks=0.4 * batch.landmarks + 4)
    settings = ALL.model_copy(update=NO_CONTRASTIVE)
    parts = []

    def decoded(*arguments, part=None, **options):
        parts.append(part)
        return decode_frames(*arguments, part=part, **options)

    monkeypatch.setattr(step_file, "decode_frames", decoded)
    found = []
    for looked_at in (WHOLE, None):
        model.transformer.zero_grad()
        decoder = LatentDecoder(model.vae, GRID, looked_at=looked_at)
        losses = make_step(settings, objective={"decode": decoder}).losses(small, SEEDS)
        losses["total"].backward()
        weights = adapter_parameters(model.transformer).values()
        found.append(
            (losses["identity"], [weight.grad.clone() for weight in weights if weight.grad is not None])
        )
    assert parts == [None, (0, 0, 4, 4)]
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-7)


def test_no_more_blocks_are_checkpointed_than_there_are(model):
    with pytest.raises(InputError, match="gradient_checkpointing is 9, and the transformer has 2 blocks"):
        checkpoint_blocks(model.transformer, 9)
    checkpoint_blocks(model.transformer, False)
    assert not model.transformer.gradient_checkpointing


def test_under_bfloat16_the_losses_are_near(make_step):
    with torch.no_grad():
        wanted = make_step()([SeededTriplet(0, 4)])
        found = make_step(precision=torch.bfloat16)([SeededTriplet(0, 4)])
    assert found["total"].dtype == torch.float32
    assert found["total"] != wanted["total"]
    assert found["total"].item() == pytest.approx(wanted["total"].item(), rel=0.05)


def test_steps_make_the_loss_smaller(make_step, model):
    step = make_step()
    optimiser = torch.optim.Adam(adapter_parameters(model.transformer).values(), lr=0.02)
    losses = []
    for _ in range(12):
        loss = step([SeededTriplet(0, 2), SeededTriplet(1, 3)])["total"]
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]
