"""`pixelsmile train` from end to end on a tiny model, as a person uses it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import training
import yaml
from accelerate.state import AcceleratorState, GradientState, PartialState
from PIL import Image
from safetensors.torch import load_file
from training.tiny_training import PROMPTS, make_told, make_triplets, save_tiny_model
from training.two_processes import run_on_two
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

from pixelsmile.cli import main
from pixelsmile.editing.adapters.choice import is_pixelsmiles
from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.requests import Request
from pixelsmile.embedded import encoder_paths
from pixelsmile.errors import ExpressionError
from pixelsmile.store.manifests import Manifest, read_manifest
from pixelsmile.training.distribution import start_accelerator
from pixelsmile.triplets.triplet import triplets_bytes

CONFIG = {
    "model": {"device": "cpu", "precision": "float32"},
    "adapter": {"rank": 2, "lora_alpha": 4.0},
    "data": {"triplets": "data/triplets.jsonl", "size_px": 64},
    "objective": {"contrastive": {}, "identity": {"max_sigma": 1.0}},
    "optimiser": {"learning_rate": 0.01, "num_warmup_steps": 1},
    "run": {"num_steps": 4, "batch_size": 2},
    "checkpoints": {"every": 2},
    "log": {"every": 1},
    "validation": {"every": 4, "expressions": ["fear"], "strengths": [0.0, 1.0], "num_sampling_steps": 2},
}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    options = {"size": 64, "condition_size": 64, "steps": 4, "prompts": PROMPTS}
    (folder / "pixelsmile.json").write_text(json.dumps(options))
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    config = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    CLIPVisionModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=16).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(tiny_model: Path, tiny_clip: Path) -> Path:
    """my.yaml and its triplets in the current folder."""
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()
    Path("data").mkdir()
    triplets = make_triplets(Path("data").absolute(), 5)
    Path("data/triplets.jsonl").write_bytes(triplets_bytes(triplets, Path("data")))
    config = json.loads(json.dumps(CONFIG))
    config["model"]["name"] = str(tiny_model)
    config["objective"]["contrastive"]["encoder"] = str(tiny_clip)
    config["objective"]["identity"]["encoder"] = str(encoder_paths()[0])
    Path("my.yaml").write_text(yaml.safe_dump(config))
    return Path("my.yaml")


def test_a_whole_training(tiny, tiny_model, capsys):
    assert main(["train", "my.yaml", "-o", "out"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "out/adapter.safetensors\n"
    lines = captured.err.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("step")] == [
        f"step {n}/4" for n in range(1, 5)
    ]
    assert all(
        f"  {term} " in line for line in lines if line.startswith("step") for term in ("flow", "identity")
    )
    assert sorted(path.name for path in Path("out").iterdir() if not path.name.startswith(".")) == [
        "adapter.safetensors",
        "checkpoints",
        "config.yaml",
        "manifest.json",
        "stats.jsonl",
        "validation",
        "validation.jsonl",
    ]
    with Image.open("out/validation/step-00000004-0s.png") as sheet:
        assert sheet.width > 3 * 64
    manifest = read_manifest("out/manifest.json")
    assert manifest.settings["optimiser"]["learning_rate"] == 0.01
    assert manifest.inputs[0].path == "data/triplets.jsonl"
    editor = Editor.from_pretrained(tiny_model, adapter="out/adapter.safetensors", device="cpu")
    source = Path("data/0s.png")
    plain = Editor.from_pretrained(tiny_model, device="cpu").edit(source, "fear", strengths=(1,), size=64)
    assert (
        editor.edit(source, "fear", strengths=(1,), size=64).images[0].tobytes() != plain.images[0].tobytes()
    )

    assert main(["train", "--resume", "out", "--set", "run.num_steps=6", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["steps"] == 6
    assert "step 5/6" in captured.err
    assert "step 4/6" not in captured.err

    assert main(["train", "my.yaml", "-o", "out", "--set", "adapter.rank=3"]) == 2
    assert "was begun with adapter.rank = 2, not 3: set it back to go on" in capsys.readouterr().err

    with Image.open("data/0a.png") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("data/0a.png")
    assert main(["train", "--resume", "out", "--set", "run.num_steps=8"]) == 2
    assert "was trained on other triplets" in capsys.readouterr().err


def test_instructions_are_learnt_and_their_words_known(tiny, tiny_model, capsys):
    """The model knows a closed set of words; its adapter brings those that it was taught."""
    shutil.copytree(tiny_model, "model")
    options = json.loads(Path("model/pixelsmile.json").read_text())
    words = ["person", "show", "expression", *map(str, range(4))]
    Path("model/pixelsmile.json").write_text(json.dumps({**options, "words": words}))
    told = make_told(Path("data").absolute(), "let the whole face rest", "show fear")
    Path("data/told.jsonl").write_bytes(triplets_bytes(told, Path("data")))
    train = ["train", "my.yaml", "-q", "--set", "data.triplets=data/told.jsonl", "--set", "model.name=model"]
    assert main(train) == 2
    assert "set objective.contrastive.weight to 0, as the recipe fed does" in capsys.readouterr().err
    train += ["--set", "objective.contrastive.weight=0.0", "-o", "out"]
    assert main([*train, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 triplets (3 pictures), 4 steps of 2 on 1 process: each triplet is seen 4 times")
    assert "   2 rows of " in said
    assert main([*train, "--set", "validation.expressions=[]"]) == 0
    request = Request(prompt="let the whole face rest", strengths=(1.0,))
    assert is_pixelsmiles(AdapterSpec("out/adapter.safetensors"))  # its header says so
    picture = Path("data/told.png")
    before, after = (
        Editor.from_pretrained("model", adapter=adapter, device="cpu")
        for adapter in ("none", "out/adapter.safetensors")
    )
    with pytest.raises(ExpressionError, match="does not know 'let', 'the', 'whole', 'face', 'rest'"):
        before.edit_many(picture, [request], size=64)
    (result,) = after.edit_many(picture, [request], size=64)
    assert len(result.images) == 1
    with pytest.raises(ExpressionError, match="does not know 'joy'"):
        after.edit_many(picture, [Request(prompt="show joy")], size=64)


def test_a_finished_training_is_left_alone(tiny, capsys):
    assert main(["train", "my.yaml", "-o", "out", "-q"]) == 0
    files = [Path("out/adapter.safetensors"), Path("out/manifest.json")]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    capsys.readouterr()
    assert main(["train", "my.yaml", "-o", "out"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "out/adapter.safetensors\n"
    line = "pixelsmile: all 4 steps were done before, and the adapter is whole: nothing to do"
    assert captured.err.splitlines()[-1] == line
    assert "step" not in captured.err.removesuffix(f"{line}\n")
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before

    files[0].write_bytes(before[0][0][:-1])  # what is not whole is written again, to the last byte
    assert main(["train", "my.yaml", "-o", "out"]) == 0
    assert "pixelsmile: 4 steps done" in capsys.readouterr().err
    assert files[0].read_bytes() == before[0][0]
    assert files[1].read_bytes() == before[1][0]
    files[1].write_text("{")
    assert main(["train", "my.yaml", "-o", "out", "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert read_manifest(files[1]).outputs == Manifest.model_validate_json(before[1][0]).outputs


def test_a_run_in_a_folder_whose_name_is_no_text(tiny, capsys):
    run = os.fsdecode(b"run \xff")
    short = ("--set", "run.num_steps=2", "--set", "validation.every=null")
    assert main(["train", "my.yaml", *short, "-o", run, "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["adapter"] == f"{run}/adapter.safetensors"
    read_manifest(Path(run, "manifest.json"))
    assert main(["train", "--resume", run, "--set", "run.num_steps=3", "-q"]) == 0
    assert main(["train", "my.yaml", "--set", f"data.triplets={run}", "-q"]) == 2


def test_smoke_keeps_nothing_but_the_cache(tiny, capsys):
    assert main(["train", "my.yaml", "--smoke", "-q"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("two steps of everything work: total ")
    assert "contrastive" in out
    assert out.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "data", "my.yaml"]


def test_smoke_asks_no_tracker_and_needs_no_sheets(tiny, capsys, monkeypatch):
    started = []

    def start(device, trackers, folder):
        started.append(tuple(trackers))
        return start_accelerator(device, trackers, folder)

    monkeypatch.setattr("pixelsmile.training.distribution.start_accelerator", start)
    monkeypatch.setattr("pixelsmile.training.statistics.check_trackers", lambda settings: None)
    changes = ("--set", "log.trackers=[tensorboard]", "--set", "validation.expressions=[]")
    assert main(["train", "my.yaml", "--smoke", "-q", *changes]) == 0
    assert started == [()]


def test_a_dry_run_estimates_and_measures(tiny, capsys):
    assert main(["train", "my.yaml", "--dry-run", "-q"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].startswith(
        "5 triplets (15 pictures), 4 steps of 2 on 1 process: each triplet is seen 1.6 "
    )
    assert lines[1].startswith("writes runs/my: an adapter of ")
    assert lines[2] == "validates every 4 steps and at the end, 1 times in all: 4 edits each"
    assert lines[3].startswith("caches about ")
    assert lines[4] == "memory of a process, estimated:"
    assert "  its moments " in out
    assert "measured in two steps: " in out
    assert "arithmetic of a step, estimated: " in out
    assert main(["train", "my.yaml", "--dry-run", "--json", "-q"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["triplets"], record["steps"], record["global_batch"]) == (5, 4, 2)
    memory = record["memory_gb"]
    assert memory["text encoder"] > 0
    assert memory["its moments"] == pytest.approx(2 * memory["adapter"], abs=1e-4)
    assert record["measured"]["step_s"] > 0
    assert set(record["step_tflop"]) == {"transformer, forward", "transformer, backward", "decoding"}
    assert record["cache_gb"] > 0
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "nothing to train: name a YAML file or a recipe"),
        (["humen"], "no recipe 'humen', and no such file: did you mean human?"),
        (["none.yaml"], "there is no file 'none.yaml': check the path"),
        (["human"], "data.triplets is missing: add it, or give it with --set data.triplets="),
        (["my.yaml", "--set", "optimiser.learning_rat=1"], "did you mean 'optimiser.learning_rate'?"),
        (["my.yaml", "--set", "data.triplets=none.jsonl"], "none.jsonl"),
        (["my.yaml", "--set", "model.name=nowhere"], "no model folder 'nowhere'"),
        (["my.yaml", "--set", "model.device=cuda:7"], "input should be 'cpu' or 'cuda'"),
        (["my.yaml", "--set", "optimiser.kind=adamw8bit"], "needs a GPU: use 'adamw'"),
        (["my.yaml", "--set", "model.quantization=4bit"], "needs a GPU"),
        (["my.yaml", "--set", "optimiser.num_warmup_steps=4"], "num_warmup_steps is 4 in a run of 4 steps"),
        (["my.yaml", "--dry-run", "--set", "optimiser.num_warmup_steps=4"], "is 4 in a run of 4 steps"),
        (["my.yaml", "--set", "objective.identity.max_sigma=0.0"], "the term never counts"),
        (["my.yaml", "--set", "validation.strengths=[0.0, 3.0]"], "validation.strengths: strength 3"),
        (
            ["my.yaml", "--set", "objective.identity.encoder=arcfase"],
            "objective.identity.encoder is 'arcfase'",
        ),
        (["my.yaml", "--set", "validation.portraits=[none.png]"], "none.png"),
        (["my.yaml", "--set", "validation.expressions=[joyfull]"], "joyfull"),
        (["my.yaml", "--set", "validation.benchmark=embeded"], "there is no benchmark 'embeded'"),
        (["my.yaml", "--set", "data.size_px=60"], "size_px is 60"),
        (["my.yaml", "--smoke", "--set", "validation.benchmark=embeded"], "there is no benchmark 'embeded'"),
        (["my.yaml", "--dry-run", "--smoke"], "give one of them"),
        (["--resume", "nowhere"], "'nowhere' is no run (it has no config.yaml)"),
        (["my.yaml", "--resume", "out"], "give it alone"),
        (["my.yaml", "--resum", "out"], "did you mean --resume?"),
    ],
)
def test_refusals_are_one_line(tiny, arguments, line, capsys):
    assert main(["train", "-q", *arguments]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_a_slip_is_refused_before_torch_is_loaded(tiny):
    for change in ("data.triplets=none.jsonl", "model.name=nowhere", "optimiser.num_warmup_steps=4"):
        words = ["train", "my.yaml", "--set", change]
        program = (
            f"import sys; from pixelsmile.cli import main; code = main({words!r}); "
            "assert 'torch' not in sys.modules; sys.exit(code)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def test_two_processes_train_as_one_with_twice_the_batch(tiny):
    """The last block has adapted layers whose output nobody uses: DDP must not wait for their gradients."""
    change_config(model={"gradient_checkpointing": True})
    assert main(["train", "my.yaml", "-q", "-o", "one"]) == 0
    change_config(run={"batch_size": 1})
    run_on_two("-m", "pixelsmile", "train", "my.yaml", "-q", "-o", "two")
    assert_same_training("two", "one")


def test_weights_spread_over_two_processes_give_the_same_training(tiny):
    """Its validation, after every second step, calls a part of the module that is spread."""
    change_config(validation={"every": 2})
    assert main(["train", "my.yaml", "-q", "-o", "one"]) == 0
    change_config(run={"batch_size": 1})
    script = str(Path(training.__path__[0], "sharded_training.py"))
    run_on_two(script, "my.yaml", "spread")
    assert_same_training("spread", "one")
    assert sorted(path.name for path in Path("spread/validation").iterdir()) == sorted(
        path.name for path in Path("one/validation").iterdir()
    )


def change_config(**changes: dict[str, object]) -> None:
    config = yaml.safe_load(Path("my.yaml").read_text())
    for section, values in changes.items():
        config[section] |= values
    Path("my.yaml").write_text(yaml.safe_dump(config))


def assert_same_training(run: str, other: str) -> None:
    ours, theirs = (load_file(f"{name}/adapter.safetensors") for name in (run, other))
    for (
        name,
        tensor,
    ) in theirs.items():  # Adam makes large steps of small rounding errors
        torch.testing.assert_close(ours[name], tensor, rtol=1e-2, atol=5e-4)
    losses = [
        [json.loads(line)["losses"]["total"] for line in Path(name, "stats.jsonl").read_text().splitlines()]
        for name in (run, other)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_killed_and_started_again_it_ends_the_same(tiny):
    command = python("pixelsmile", "train", "my.yaml", "-q", "--set", "run.num_steps=30")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "-o", "whole"], check=True, env=environment)
    moments, num_killed = random.Random(1), 0
    for _ in range(6):
        process = subprocess.Popen([*command, "-o", "killed"], env=environment)
        steps = _lines("killed/stats.jsonl")
        while process.poll() is None and _lines("killed/stats.jsonl") < steps + 2:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        num_killed += process.wait() == -signal.SIGKILL
    assert num_killed >= 3
    subprocess.run([*command, "-o", "killed"], check=True, env=environment)
    for file in ("adapter.safetensors", "checkpoints/step-00000030/optimiser.safetensors"):
        assert (Path("killed") / file).read_bytes() == (Path("whole") / file).read_bytes()


def _lines(path: str) -> int:
    return Path(path).read_bytes().count(b"\n") if Path(path).exists() else 0


def test_a_window_and_a_start(tiny, capsys):
    """A face's window first, then the whole picture from the adapter that came of it."""
    window = ["--set", "data.window=[0.25, 0.25, 0.75, 0.75]"]
    assert main(["train", "my.yaml", *window, "-o", "first"]) == 0
    start = ["--set", "adapter.start=first/adapter.safetensors", "--set", "run.num_steps=2"]
    assert main(["train", "my.yaml", *start, "-o", "second"]) == 0
    stats = Path("second/stats.jsonl").read_text().splitlines()
    assert len(stats) == 2
    assert Path("first/adapter.safetensors").read_bytes() != Path("second/adapter.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "adapter.start=gone.safetensors",
            "adapter.start: no adapter file, folder or hub id 'gone.safetensors'",
        ),
        ("data.window=[0.5, 0, 0.5, 1]", "is empty"),
        ("data.window=[0, 0, 2, 1]", "data.window"),
    ],
)
def test_a_start_or_window_that_cannot_be_is_refused(tiny, capsys, change, words):
    assert main(["train", "my.yaml", "--set", change, "-o", "out"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
