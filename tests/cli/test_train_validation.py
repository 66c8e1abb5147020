"""FFE-Bench looks on at a training: what it leaves, what it takes over, what it never mixes up."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from training.small_job import start
from training.tiny_training import PROMPTS, save_tiny_model, write_picture

from pixelsmile.benchmarks.ffe.validation import FfeValidation
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import judges_of
from pixelsmile.cli.train import make_measure
from pixelsmile.editing.editor import Editor
from pixelsmile.errors import InputError
from pixelsmile.judges.judge import JudgeIdentity
from pixelsmile.remote import RemoteError
from pixelsmile.store.configuration import parse_configuration
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.estimate import shortened

CONFIG = """
model: {device: cpu, precision: float32}
data: {triplets: none.jsonl, size_px: 64}
validation:
  every: 1
  strengths: [0.0, 1.0, 1.0]
  num_sampling_steps: 2
  benchmark: embedded
  num_samples: 2
  encoders: []
"""
OURS, OTHERS = "a" * 64, "b" * 64  # hashes of adapters
NAME = "step-00000007-ffe"


class Counted(Editor):
    """Keeps count of its sweeps."""

    num_sweeps = 0

    def stream(self, *given, **options):
        self.num_sweeps += 1
        return super().stream(*given, **options)


class Unreachable:
    """A judge whose key is wrong."""

    identity = JudgeIdentity("nobody", "none", "r", "0", {})

    async def judge(self, *asked):
        raise RemoteError("the key was refused: check it")

    async def aclose(self):
        """Nothing is open."""


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    options = {"size": 64, "condition_size": 64, "steps": 4, "prompts": PROMPTS}
    (folder / "pixelsmile.json").write_text(json.dumps(options))
    return folder


@pytest.fixture
def editor(tiny_model) -> Counted:
    return Counted(Editor.from_pretrained(tiny_model, device="cpu").engine)


@pytest.fixture(scope="module")
def measure(tmp_path_factory) -> FfeValidation:
    return made(tmp_path_factory.mktemp("accelerator"))


def made(folder: Path, *changes: str) -> FfeValidation:
    measure = make_measure(parse_configuration(CONFIG, "my.yaml", TrainingConfig, changes), start(folder))
    assert measure is not None
    return measure


def test_a_look_is_a_run_of_the_benchmark(measure, editor, tmp_path):
    """Two people at two strengths. The judge knows no noise, which is what a random model makes."""
    assert measure(editor, 7, OURS, tmp_path) == {"unscored": 4}
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "verdicts.sqlite"]
    run = RunFolder(tmp_path / NAME)
    spec = run.spec()
    assert spec.editor["name"] == "tiny + step 7"
    assert spec.editor["adapters"] == [{"source": "step 7", "scale": 1.0, "sha256": OURS}]
    assert (spec.editor["size"], spec.editor["steps"], spec.strengths) == (64, 2, (0.0, 1.0))
    assert {task.domain for task in spec.tasks} == {"human"}
    assert len(run.edits()) == 4
    assert len(judges_of(run)) == 1


def test_the_same_weights_go_on_where_they_were(measure, editor, tmp_path):
    numbers = measure(editor, 7, OURS, tmp_path)
    run = RunFolder(tmp_path / NAME)
    lines = run.edits_file.read_bytes().splitlines(keepends=True)
    assert (len(lines), editor.num_sweeps) == (4, 2)
    assert measure(editor, 7, OURS, tmp_path) == numbers
    assert editor.num_sweeps == 2
    run.edits_file.write_bytes(b"".join(lines[:2]) + lines[2][:9])  # as a kill leaves it
    assert measure(editor, 7, OURS, tmp_path) == numbers
    assert editor.num_sweeps == 3
    assert run.edits_file.read_bytes().splitlines(keepends=True)[:2] == lines[:2]
    assert len(run.edits()) == 4


@pytest.mark.parametrize("other", ["weights", "damaged", "no run"])
def test_what_others_left_is_not_taken_for_ours(measure, editor, tmp_path, other):
    measure(editor, 7, OTHERS if other == "weights" else OURS, tmp_path)
    run = RunFolder(tmp_path / NAME)
    spec = run.path / "spec.json"
    match other:
        case "damaged":
            spec.write_text("{")
        case "no run":
            spec.unlink()
    (run.path / "mark").write_text("of the attempt before")
    measure(editor, 7, OURS, tmp_path)
    assert editor.num_sweeps == 4
    assert run.spec().editor["adapters"] == [{"source": "step 7", "scale": 1.0, "sha256": OURS}]
    assert not (run.path / "mark").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "verdicts.sqlite"]


def test_processes_that_share_a_model_make_the_same_edits(measure, editor, tmp_path, monkeypatch):
    """Of a model that is spread over processes no forward may be left out on one of them."""
    main = replace(measure, in_step=True)
    helper = replace(main, judge=None)
    for num_looks in (1, 2):
        main(editor, 7, OURS, tmp_path / "main")
        assert editor.num_sweeps == 2 * num_looks
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert helper(editor, 7, OURS, None) == {}
    assert editor.num_sweeps == 6
    assert [path.name for path in tmp_path.iterdir()] == ["main"]


def test_a_judge_that_is_out_of_reach_stops_no_training(measure, editor, tmp_path, caplog):
    alone = replace(measure, judge=Unreachable())
    with caplog.at_level(logging.WARNING, "pixelsmile"):
        assert alone(editor, 7, OURS, tmp_path) == {"unscored": 4}
    assert "4 edits in" in caplog.text
    assert "the training goes on (the key was refused: check it)" in caplog.text
    assert measure(editor, 7, OURS, tmp_path) == {"unscored": 4}  # another judge, the same edits
    assert editor.num_sweeps == 2


def test_a_rehearsal_looks_at_two_samples():
    config = parse_configuration(
        CONFIG, "my.yaml", TrainingConfig, ["validation.num_samples=", "validation.num_sampling_steps="]
    )
    validation = shortened(config).validation
    assert (validation.every, validation.num_samples, validation.num_sampling_steps) == (2, 2, 2)


@pytest.mark.parametrize("change", ["validation.every=", "validation.benchmark="])
def test_nobody_wants_to_look(change, tmp_path):
    assert (
        make_measure(parse_configuration(CONFIG, "my.yaml", TrainingConfig, [change]), start(tmp_path))
        is None
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["benchmark=nowhere", "judge=scripted:s"], "there is no benchmark 'nowhere'"),
        (
            ["benchmark=photos.jsonl", "num_samples=2", "judge=scripted:s", "encoders=[]"],
            "2 human tasks of a benchmark that has 1 human",
        ),
        (["judge=embeded"], "judge 'embeded' is not understood"),
        (["encoders=[arcfase]"], "unknown identity encoder 'arcfase'"),
        (["benchmark=photos.jsonl"], "know drawn portraits only, and validation.benchmark is 'photos.jsonl'"),
        (["benchmark=photos.jsonl", "judge=scripted:s", "encoders=[embedded]"], "to leave identity out"),
    ],
)
def test_slips_are_named_before_the_training(changes, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_picture(Path("a.png"), 1)
    Path("photos.jsonl").write_text('{"image": "a.png", "category": "happy"}\n')
    changes = [f"validation.{change}" for change in ("num_samples=1", *changes)]
    with pytest.raises(InputError, match=message) as refused:
        made(tmp_path, *changes)
    assert "\n" not in str(refused.value)
