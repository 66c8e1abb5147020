"""Training an adapter of the second family, Qwen-Image-2.1, by the same step, on a tiny model."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_qwen21
import torch
import yaml
from accelerate.state import AcceleratorState, GradientState, PartialState
from PIL import Image
from safetensors import safe_open
from tiny_training import (
    PROMPTS,
    SIZE,
    TinyImageEncoder,
    filled,
    load_tiny_model,
    make_networks,
    make_told,
    make_triplets,
    save_tiny_model,
    tiny_identity_encoder,
    write_picture,
)

from pixelsmile.cli import main
from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import EditJob, Target
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.folders import read_options
from pixelsmile.errors import AdapterError, InputError
from pixelsmile.store.configuration import parse_configuration
from pixelsmile.store.publication import write_file
from pixelsmile.training.adapter import adapter_bytes, adapter_parameters, add_adapter, started
from pixelsmile.training.config import (
    TARGETS,
    AdapterSettings,
    ContrastiveSettings,
    IdentitySettings,
    ObjectiveSettings,
    TrainingConfig,
)
from pixelsmile.training.estimate import estimate
from pixelsmile.training.networks import load_networks
from pixelsmile.training.objective import Objective
from pixelsmile.training.order import SeededTriplet
from pixelsmile.training.step import LatentDecoder, TrainingStep
from pixelsmile.triplets.triplet import triplets_bytes

GRID = (SIZE // 16, SIZE // 16)
DRAWS = [SeededTriplet(0, 11), SeededTriplet(1, 12)]
ALL = ObjectiveSettings(identity=IdentitySettings(max_sigma=1.0))
FLOW = ObjectiveSettings(contrastive=ContrastiveSettings(weight=0), identity=IdentitySettings(weight=0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tiny_qwen21.save_model(tmp_path_factory.mktemp("models") / "tiny21")
    (found / "pixelsmile.json").write_text(json.dumps({"size": SIZE, "steps": 3, "prompts": PROMPTS}))
    return found


@pytest.fixture
def model(folder):
    return load_tiny_model(folder)


@pytest.fixture
def settings(model):
    return started(model.transformer, AdapterSettings(rank=2, lora_alpha=4.0))


@pytest.fixture
def make_step(model, settings, tmp_path):
    """Of the triplets that are given, or two with two targets each."""
    add_adapter(model.transformer, settings, 0)
    networks = make_networks(model)

    def make(objective=ALL, triplets=None):
        chosen = triplets or make_triplets(tmp_path, 2)
        cache = filled(tmp_path / "cache", chosen, networks)
        terms = Objective(
            objective, LatentDecoder(model.vae, GRID), TinyImageEncoder(), tiny_identity_encoder()
        )
        return TrainingStep(
            model.transformer,
            terms,
            lambda numbers: cache.batch([chosen[number] for number in numbers]),
            backbone=networks.backbone,
        )

    return make


def test_the_adapter_changes_every_layer_of_a_block(model, settings):
    assert settings.targets == TARGETS["qwen-image-2.1"]
    block = model.transformer.transformer_blocks[0]
    linear = {name for name, layer in block.named_modules() if isinstance(layer, torch.nn.Linear)}
    assert set(settings.targets) == linear


def test_the_flow_loss_equals_that_by_hand(make_step, model):
    """The transformer called as its pipeline calls it: text with the source in its slots, then the target."""
    step = make_step(FLOW)
    found = step(DRAWS[:1])["flow"].item()
    batch, wanted = step.batch_of([0]), []
    for row in range(2):
        generator = torch.Generator().manual_seed(DRAWS[0].seed)
        sigma = torch.rand((), generator=generator)
        source, target = batch.source[row], batch.targets[row]
        noise = torch.randn(source.shape, generator=generator)
        embedding = batch.neutral[row] + batch.strengths[row] * (batch.prompts[row] - batch.neutral[row])
        start, num_slots = step.backbone.picture_start, 4
        slots = torch.zeros(1, len(embedding) + num_slots, dtype=torch.bool)
        slots[0, start : start + num_slots] = slots[0, len(embedding) :] = True
        with torch.no_grad():
            output = model.transformer(
                hidden_states=torch.cat([source, (1 - sigma) * target + sigma * noise])[None],
                encoder_hidden_states=embedding[None],
                timestep=sigma[None],
                img_shapes=[[(1, 4, 4), (1, 4, 4)]],
                img_mask=slots,
                return_dict=False,
            )[0][0, -16:]
        wanted.append((output - (noise - target)).square().mean().item())
    assert found == pytest.approx(sum(wanted) / 2, rel=1e-4)


def test_training_lowers_the_loss_and_moves_the_adapter_alone(make_step, model):
    step = make_step()
    adapter = adapter_parameters(model.transformer)
    ours = {id(parameter) for parameter in adapter.values()}
    frozen = {
        (part, name): parameter.detach().clone()
        for part in ("transformer", "vae", "text_encoder")
        for name, parameter in getattr(model, part).named_parameters()
        if id(parameter) not in ours
    }
    before = {name: parameter.detach().clone() for name, parameter in adapter.items()}
    optimiser, losses = torch.optim.AdamW(adapter.values(), lr=0.02), []
    for _ in range(12):
        found = step(DRAWS)
        assert set(found) == {"total", "flow", "contrastive", "identity"}
        found["total"].backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append({name: value.item() for name, value in found.items()})
    assert losses[-1]["total"] < 0.9 * losses[0]["total"]
    assert losses[-1]["flow"] < losses[0]["flow"]
    assert all(not torch.equal(before[name], parameter) for name, parameter in adapter.items())
    for (part, name), values in frozen.items():
        assert torch.equal(dict(getattr(model, part).named_parameters())[name], values), (part, name)


@pytest.mark.parametrize("term", ["contrastive", "identity"])
def test_each_term_has_a_gradient_through_the_autoencoder(make_step, model, term):
    weights = {"contrastive": {"weight": 0.0}, "identity": {"weight": 0.0, "max_sigma": 1.0}}
    weights[term]["weight"] = 1.0
    objective = ObjectiveSettings(
        flow_weight=0.0,
        contrastive=ContrastiveSettings(**weights["contrastive"]),
        identity=IdentitySettings(**weights["identity"]),
    )
    make_step(objective)(DRAWS)["total"].backward()
    assert any(parameter.grad.abs().max() > 0 for parameter in adapter_parameters(model.transformer).values())


def test_instructions_of_unequal_length_are_not_filled_up(make_step, tmp_path):
    """Together each has the loss that it has alone: padding would move the target away from the text."""
    told = make_told(tmp_path, "make the person look sad", "happy", "show angry")
    step = make_step(FLOW, told)
    seeds = [3, 4, 5]
    with torch.no_grad():
        together = step([SeededTriplet(number, seed) for number, seed in enumerate(seeds)])["flow"].item()
        alone = [step([SeededTriplet(number, seed)])["flow"].item() for number, seed in enumerate(seeds)]
    assert together == pytest.approx(sum(alone) / 3, rel=1e-5)


def test_an_adapter_saved_and_loaded_gives_the_same_picture(make_step, model, settings, folder, tmp_path):
    step = make_step()
    optimiser = torch.optim.AdamW(adapter_parameters(model.transformer).values(), lr=0.05)
    for _ in range(3):
        step(DRAWS)["total"].backward()
        optimiser.step()
        optimiser.zero_grad()
    model.transformer.eval()
    in_memory = QwenEngine(str(folder), model, place("cpu"), read_options(folder), adapted=True)
    file = tmp_path / "adapter.safetensors"
    write_file(file, adapter_bytes(adapter_parameters(model.transformer), settings))
    loaded = QwenEngine.load(str(folder), [AdapterSpec(str(file))], place("cpu"))
    bare = QwenEngine.load(str(folder), [], place("cpu"))
    picture = Image.open(write_picture(tmp_path / "p.png", 3))
    ours, theirs, plain = (made(engine, picture) for engine in (in_memory, loaded, bare))
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - plain).max() > 5
    (record,) = loaded.info.adapters
    assert record["modules"] == 2 * len(TARGETS["qwen-image-2.1"])
    with safe_open(file, framework="pt") as stream:
        assert "transformer.transformer_blocks.0.img_mlp.gate_layer.lora_A.weight" in stream.keys()  # noqa: SIM118


def made(engine, picture):
    job = EditJob(picture, PROMPTS["neutral"], (Target((PROMPTS["fear"],), ((1.0,),)),), seed=5, num_steps=3)
    return np.asarray(list(engine.stream(job))[-1].images[0][0], int)


@pytest.mark.parametrize("direction", ["edit on 2.1", "2.1 on edit"])
def test_an_adapter_of_the_other_family_is_named(direction, folder, tmp_path, editing_model):
    """Before any weight is changed: whose it is, and what to do."""
    trained_on, used_on = (editing_model, folder) if direction == "edit on 2.1" else (folder, editing_model)
    transformer = load_tiny_model(trained_on).transformer
    settings = started(transformer, AdapterSettings(rank=2, lora_alpha=4.0))
    add_adapter(transformer, settings, 0)
    file = tmp_path / "adapter.safetensors"
    write_file(file, adapter_bytes(adapter_parameters(transformer), settings))
    whose = "Qwen-Image-Edit" if direction == "edit on 2.1" else "Qwen-Image-2.1"
    with pytest.raises(
        AdapterError, match=rf"'adapter.safetensors' is for {whose}, another model: .* of its"
    ):
        QwenEngine.load(str(used_on), [AdapterSpec(str(file))], place("cpu"))


@pytest.fixture(scope="module")
def editing_model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def config(folder: Path, *changes: str) -> TrainingConfig:
    text = "{model: {name: %s, device: cpu, precision: float32}, data: {triplets: none.jsonl, size_px: 64}}"
    return parse_configuration(text % json.dumps(str(folder)), "tiny.yaml", TrainingConfig, changes)


@pytest.mark.parametrize(
    ("key", "value"), [("data.window", "[0.1, 0.1, 0.9, 0.9]"), ("control", "{method: k-slider}")]
)
def test_what_is_trained_on_the_first_family_alone_is_refused(folder, key, value):
    alone = ("objective.contrastive.weight=0", "objective.identity.weight=0") if key == "control" else ()
    with pytest.raises(
        InputError, match=rf"^{key} is for Qwen-Image-Edit, .* is Qwen-Image-2.1: leave it out"
    ):
        load_networks(config(folder, f"{key}={value}", *alone), [], torch.device("cpu"))


def test_a_whole_training_by_the_command_line(folder, tmp_path, monkeypatch, caplog):
    """Cache, steps, validation, the adapter's file; the licence is said; and an edit with what came out."""
    monkeypatch.chdir(tmp_path)
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()
    (tmp_path / "triplets.jsonl").write_bytes(triplets_bytes(make_triplets(tmp_path, 2), tmp_path))
    settings = {
        "model": {"name": str(folder), "device": "cpu", "precision": "float32"},
        "adapter": {"rank": 2, "lora_alpha": 4.0},
        "data": {"triplets": "triplets.jsonl", "size_px": SIZE},
        "objective": {"contrastive": {"encoder": "embedded"}, "identity": {"encoder": "embedded"}},
        "optimiser": {"learning_rate": 0.05, "num_warmup_steps": 1},
        "run": {"num_steps": 2, "batch_size": 2},
        "checkpoints": {"every": 2},
        "log": {"every": 1},
        "validation": {"every": 2, "expressions": ["fear"], "strengths": [0, 1], "num_sampling_steps": 2},
    }
    Path("my.yaml").write_text(yaml.safe_dump(settings))
    assert main(["train", "my.yaml", "-o", "out"]) == 0
    assert "Qwen-Image-2.1: Qwen Research License, for research and evaluation alone" in caplog.text
    lines = [json.loads(line) for line in Path("out/stats.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert len(list(Path("out/validation").iterdir())) == 2
    source = tmp_path / "0s.png"
    edited, bare = (
        Editor.from_pretrained(folder, adapter, device="cpu").edit(source, "fear", strengths=(1,)).images[0]
        for adapter in ("out/adapter.safetensors", "none")
    )
    assert np.abs(np.asarray(edited, int) - np.asarray(bare, int)).max() > 0


def test_what_a_training_takes_is_estimated_on_its_shapes(folder):
    found = estimate(config(folder, "adapter.rank=2"), on_gpu=False)
    parts = {part.name: part for part in found.memory}
    # Two blocks of 7 layers: 4 of 32 to 32, 2 of 32 to 64, 1 of 64 to 32; two factors of rank 2 each.
    num_trained = 2 * 2 * (4 * (32 + 32) + 3 * (32 + 64))
    assert found.adapter_bytes == 4 * num_trained
    assert parts["activations of it"].reason.startswith("8 rows of ")
    assert found.latents_bytes == 4 * tiny_qwen21.CHANNELS * 4 * 4
