"""Every method of control on a tiny model: its loss by hand, where its gradient goes, its file again."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import (
    PROMPTS,
    SIZE,
    filled,
    load_tiny_model,
    make_networks,
    make_triplets,
    save_tiny_model,
)

from pixelsmile.editing.controls.files import RECORD_NAME, WEIGHTS_NAME
from pixelsmile.editing.controls.saedit import SAEdit
from pixelsmile.editing.controls.settings import METHODS
from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.flow import add_noise
from pixelsmile.editing.folders import ModelOptions
from pixelsmile.errors import InputError
from pixelsmile.store.configuration import parse_configuration
from pixelsmile.training import preset_path
from pixelsmile.training.config import TrainingConfig, check_training, config_hash
from pixelsmile.training.control_job import control_job, record_of
from pixelsmile.training.control_step import ControlStep, Lesson, finished
from pixelsmile.training.loop import Job
from pixelsmile.training.order import SeededTriplet
from pixelsmile.training.step import predicted
from pixelsmile.triplets.triplet import triplets_bytes

DRAWS = [SeededTriplet(0, 11), SeededTriplet(1, 12)]
SMALL = {
    "concept-slider": ["control.rank=2"],
    "attribute-control": [],
    "saedit": [
        "control.num_latents=24",
        "control.num_active=4",
        "control.num_groups=2",
        "control.kept_share=0.1",
    ],
    "k-slider": ["control.rank=2", "control.num_layers=2"],
    "slideredit": ["control.rank=2"],
}
HASH_BEFORE = "3ae481768954ebf83c7984da2b14c45f8963476acb7bfa00fec78be17809a2ee"
BASE_AT = {
    "concept-slider": 0.0,
    "attribute-control": 0.0,
    "saedit": 0.0,
    "slideredit": 1.0,
}  # the base itself
CLOSE = ("attribute-control", "slideredit")  # whose teacher is close to the base


@dataclasses.dataclass
class World:
    """A tiny model on disk, and two triplets of fear 0.75 and surprised 0.5."""

    model: Path
    cache: Path
    triplets: list[Any]

    def job(self, method: str, *changes: str) -> Job:
        """The job of a method, on a transformer of its own."""
        config = config_of(method, *changes)
        assert config.control is not None
        networks = make_networks(
            load_tiny_model(self.model), image_encoder=None, identity_encoder=None, detector=None
        )
        networks = dataclasses.replace(networks, folder=self.model)
        cache = filled(self.cache, self.triplets, networks)
        record = record_of(config, config.control, networks, self.triplets, self.triplets, 3)
        return control_job(config, record, networks, cache, self.triplets, self.triplets, "d")


def config_of(method: str, *changes: str) -> TrainingConfig:
    common = ["data.triplets=t.jsonl", f"data.size_px={SIZE}", "model.precision=float32", "run.num_steps=12"]
    text = preset_path(method).read_text()
    return parse_configuration(text, method, TrainingConfig, [*common, *SMALL[method], *changes])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("controls")
    model = save_tiny_model(folder / "model")
    prompts = ", ".join(f'"{name}": "{text}"' for name, text in PROMPTS.items())
    (model / "pixelsmile.json").write_text(
        f'{{"size": 64, "condition_size": 64, "steps": 2, "prompts": {{{prompts}}}}}'
    )
    return World(model, folder / "cache", make_triplets(folder, 2))


def step_of(job: Job) -> ControlStep:
    assert isinstance(job.module, ControlStep)
    return job.module


def of_base(step: ControlStep, lesson: Lesson, noisy: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    step.control.steer(None)
    with torch.no_grad():
        conditions = (embeddings, None)
        return predicted(step.transformer, lesson.batch, noisy, lesson.sigmas, conditions, torch.float32)


def test_losses_of_untrained_controls_by_hand(world: World) -> None:
    """Untrained, each is the base: what is left is how far the base is from the method's teacher."""
    for method, changes in (
        ("concept-slider", ()),
        ("concept-slider", ("control.pairs=prompts", "control.guidance=2.0")),
        ("k-slider", ()),
        ("slideredit", ()),
        ("attribute-control", ()),
    ):
        step = step_of(world.job(method, *changes))
        lesson = step.lesson(DRAWS)
        batch, noise = lesson.batch, lesson.noise
        found = step(DRAWS)["total"].item()
        noisy = add_noise(batch.targets, noise, lesson.sigmas)
        if method == "concept-slider" and not changes:
            gap = of_base(step, lesson, noisy, batch.neutral) - (noise - batch.targets)
        elif method == "k-slider":
            gap = of_base(step, lesson, noisy, batch.prompts) - (noise - batch.targets)
        else:
            start = batch.source if method == "slideredit" else lesson.either_end()
            noisy = add_noise(start, noise, lesson.sigmas)
            gap = of_base(step, lesson, noisy, batch.prompts) - of_base(step, lesson, noisy, batch.neutral)
        wanted = gap.square()
        if changes:
            wanted = 4 * wanted
        if method == "attribute-control":  # scales in -1.5..1.5, the same for both branches
            ratio = found / wanted.mean().item()
            assert 0 < ratio < 1.5**2
        else:
            assert found == pytest.approx(wanted.mean().item(), rel=1e-4), method


def test_either_end_is_the_source_or_the_targets_by_the_seed(world: World) -> None:
    step = step_of(world.job("attribute-control"))
    seen = set()
    for seed in range(12):
        lesson = step.lesson([SeededTriplet(0, seed)])
        ends = lesson.either_end()
        is_source, is_target = (
            torch.equal(ends, each) for each in (lesson.batch.source, lesson.batch.targets)
        )
        assert is_source != is_target
        seen.add(is_source)
    assert seen == {True, False}


def trained(job: Job, num_steps: int = 3, rate: float = 0.05) -> list[float]:
    """A few steps of AdamW; the losses."""
    parameters = [parameter for parameter in job.module.parameters() if parameter.requires_grad]
    optimiser, losses = torch.optim.AdamW(parameters, lr=rate), []
    for _ in range(num_steps):
        loss = job.module(DRAWS)["total"]
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    return losses


def saved(job: Job, folder: Path) -> Path:
    """The control's folder, as a training leaves it."""
    tensors = {name: value for name, value in job.module.named_parameters() if value.requires_grad}
    folder.mkdir()
    (folder / WEIGHTS_NAME).write_bytes(job.export(tensors))
    (folder / RECORD_NAME).write_bytes(job.beside[RECORD_NAME])
    return folder


def edits(editor: Editor, strengths: Sequence[float], name: str = "fear", batch: int = 4) -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    portrait = Image.fromarray(pixels)
    result = editor.edit(portrait, name, strengths=strengths, steps=2, batch_size=batch, restore=False)
    return np.stack([np.asarray(image, dtype=int) for image in result.images])


@pytest.mark.parametrize("method", METHODS)
def test_a_trained_control_edits_the_same_from_its_file(world: World, tmp_path: Path, method: str) -> None:
    job = world.job(method)
    step = step_of(job)
    before = {name: value.detach().clone() for name, value in step.named_parameters()}
    losses = trained(job, rate=1e-4 if method in CLOSE else 0.05)
    assert losses[-1] < losses[0]
    for name, value in step.named_parameters():  # the base stays as it is
        assert value.requires_grad == name.startswith("control.")
        assert value.requires_grad or (value.grad is None and torch.equal(value, before[name]))
    changed = {name for name, value in step.named_parameters() if not torch.equal(value, before[name])}
    assert changed
    assert changed <= {name for name in before if name.startswith("control.")}

    with torch.no_grad():  # so that it shows in pictures
        for value in step.control.parameters():
            value += 0.3 * torch.randn(value.shape, generator=torch.Generator().manual_seed(8))
    folder = saved(job, tmp_path / "control")
    loaded = Editor.from_pretrained(world.model, control=folder, device="cpu")
    strengths = (0.0, 0.5, 1.0)
    found = edits(loaded, strengths)
    assert np.array_equal(found, edits(in_memory(step, loaded), strengths))
    assert np.abs(found - edits(loaded, strengths, batch=1)).max() <= 1  # up to rounding
    assert not np.array_equal(found[0], found[2])
    if method in BASE_AT:
        base = Editor.from_pretrained(world.model, adapter="none", device="cpu")
        at = strengths.index(BASE_AT[method])  # in a batch as large: another may round otherwise
        assert np.abs(found[at] - edits(base, strengths)[at]).max() <= (method == "saedit")
    assert loaded.engine.info.control is not None
    assert loaded.engine.info.control["settings"]["method"] == method


def in_memory(step: ControlStep, loaded: Editor) -> Editor:
    """An editor with the very module that was trained, and the parts of a loaded one."""
    engine, control = loaded.engine, step.control
    assert isinstance(engine, QwenEngine)
    if isinstance(control, SAEdit):
        control.directions.copy_(engine._control.directions)  # they are made when it is saved
    parts = dataclasses.replace(engine.parts, transformer=step.transformer.eval())
    options = ModelOptions(size=SIZE, condition_size=SIZE, prompts=PROMPTS)
    return Editor(QwenEngine("in memory", parts, place("cpu"), options, control=control))


def test_saedits_directions_lead_from_neutral_prompts_to_those_of_each_expression(world: World) -> None:
    job = world.job("saedit")
    trained(job, 1)
    step = step_of(job)
    tensors = {name: value for name, value in step.named_parameters() if value.requires_grad}
    asked = []

    def pairs_of(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(name)
        batch = step.batch_of([0])
        return batch.neutral[:1], batch.prompts[[0 if name == "fear" else 1]]

    found = finished(step.control, tensors, pairs_of)
    assert asked == ["fear", "surprised"] == list(step.control.record.expressions)
    assert found["directions"].shape == (2, 24)
    assert (found["directions"] != 0).sum(1).tolist() == [2, 2]  # a tenth of 24 latents


def test_settings_that_do_not_go_together_are_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"control k-slider has a loss of its own: set objective\.contrastive"
    ):
        config_of("k-slider", "objective.contrastive.weight=1.0")
    with pytest.raises(InputError, match=r"validation\.every is for adapters, and control is k-slider"):
        config_of("k-slider", "validation.every=3")
    with pytest.raises(InputError, match=r"control\.rank is 0: input should be greater"):
        config_of("k-slider", "control.rank=0")
    with pytest.raises(InputError, match="'slider'"):
        config_of("k-slider", "control.method=slider")
    lines = tmp_path / "t.jsonl"
    lines.write_bytes(triplets_bytes(world.triplets, tmp_path))
    where = (f"data.triplets={lines}", f"model.name={world.model}")
    with pytest.raises(InputError, match=r"neutral and full faces, and a target has 0\.5"):
        check_training(config_of("concept-slider", *where), 1)
    check_training(config_of("concept-slider", "control.pairs=prompts", *where), 1)
    check_training(config_of("k-slider", *where), 1)
    beyond = [
        dataclasses.replace(
            triplet,
            a=dataclasses.replace(triplet.a, scores={"fear": 1.0}),
            b=dataclasses.replace(triplet.b, scores={"surprised": 1.4}),
        )
        for triplet in world.triplets
    ]
    lines.write_bytes(triplets_bytes(beyond, tmp_path))
    with pytest.raises(InputError, match=r"neutral and full faces, and a target has 1\.4"):
        check_training(config_of("concept-slider", *where), 1)
    with pytest.raises(InputError, match=r"k-slider knows strengths from 0 to 1, and a target has 1\.4"):
        check_training(config_of("k-slider", *where), 1)


def test_what_a_run_without_control_hashes_to_has_not_changed() -> None:
    """Checkpoints of before go on: the hash is that of the version before controls came."""
    text = preset_path("embedded").read_text()
    config = parse_configuration(text, "embedded", TrainingConfig, ["data.triplets=t.jsonl"])
    assert config_hash(config) == HASH_BEFORE
    assert config_hash(config_of("k-slider")) != config_hash(config_of("slideredit"))


def train_command(world: World, method: str, *settings: str) -> list[str]:
    """`pixelsmile train` on t.jsonl, into out."""
    shared = ("model.device=cpu", "model.precision=float32", "optimiser.num_warmup_steps=1")
    shared = (*shared, "data.triplets=t.jsonl", f"data.size_px={SIZE}", f"model.name={world.model}")
    changes = (word for each in (*shared, *SMALL[method], *settings) for word in ("--set", each))
    return ["train", method, *changes, "-o", "out"]


def reset_accelerate() -> None:
    from accelerate.state import AcceleratorState, GradientState, PartialState

    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


def test_too_few_steps_for_saedits_directions_are_refused_before_a_picture_is_encoded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pixelsmile.cli import main

    monkeypatch.chdir(tmp_path)
    first, second = world.triplets
    second = dataclasses.replace(
        second, b=dataclasses.replace(second.b, expression="happy", scores={"happy": 1})
    )
    Path("t.jsonl").write_bytes(triplets_bytes([first, second], tmp_path))
    settings = ("run.num_steps=1", "run.batch_size=1", "optimiser.num_warmup_steps=0", "data.cache=cache")
    reset_accelerate()
    assert main(train_command(world, "saedit", *settings)) == 2
    assert "no triplet that will be trained on shows" in capsys.readouterr().err
    assert not list(Path().rglob("cache/**/*.safetensors"))


def test_the_command_trains_goes_on_and_edits(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pixelsmile.cli import main

    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_bytes(triplets_bytes(world.triplets, tmp_path))
    settings = ("run.num_steps=4", "run.batch_size=2", "checkpoints.every=2")
    command = train_command(world, "k-slider", f"data.cache={world.cache}", *settings)
    reset_accelerate()
    assert main(command) == 0
    assert capsys.readouterr().out == "out\n"
    weights = Path("out", WEIGHTS_NAME).read_bytes()
    shutil.rmtree("out/checkpoints/step-00000004")
    Path("out", WEIGHTS_NAME).unlink()
    reset_accelerate()
    assert main(command) == 0  # from step 2
    assert Path("out", WEIGHTS_NAME).read_bytes() == weights
    assert sorted(
        path.name for path in Path("out").iterdir() if path.suffix in (".json", ".safetensors")
    ) == [
        *("control.json", "control.safetensors", "manifest.json"),
    ]
    capsys.readouterr()

    Image.new("RGB", (SIZE, SIZE), "teal").save("face.png")
    edit = ["edit", "face.png", "-e", "fear", "-s", "0,1", "--face", "whole", "--model", str(world.model)]
    assert main([*edit, "--control", "out", "--device", "cpu", "-o", "edits", "-q"]) == 0
    manifest = Path("edits/manifest.json").read_text()
    assert '"method": "k-slider"' in manifest
    assert '"conditioning": "k-slider"' in manifest
    assert main([*edit, "--control", "gone", "-o", "more"]) == 2
    assert "no control folder 'gone'" in capsys.readouterr().err
