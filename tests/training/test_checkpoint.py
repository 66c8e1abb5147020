"""States of a run: whole or not there; killed at any moment, a run goes on as if it never was."""

import json
import logging
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_job import SmallModule, small_config, small_job, train

from pixelsmile.errors import InputError, OutputError, PixelSmileError
from pixelsmile.hashing import sha256_file
from pixelsmile.training.checkpoint import Checkpoints, Facts, State
from pixelsmile.training.run_folder import RunFolder
from pixelsmile.training.statistics import StatRecord

HERE = Path(__file__).parent
UNTIMED = ("samples_per_s", "memory_gb")


def state(step: int) -> State:
    tensors = {
        name: {"w": torch.full((100,), float(step)), "b": torch.tensor(1.5)}
        for name in ("weights", "average")
    }
    facts = Facts(
        step=step, config="c", data="d", global_batch=4, numbers={"w/step": 3}, window=({"total": 0.1},)
    )
    return State(facts, tensors)


def steps_in(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))


def stats_of(run: Path) -> list[dict[str, object]]:
    records = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key not in UNTIMED} for record in records]


def test_what_is_saved_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.latest() is None
    assert checkpoints.newest_step() is None
    saved = state(7)
    assert checkpoints.save(saved) == tmp_path / "step-00000007"
    found = Checkpoints(tmp_path, keep=2).latest()
    assert found is not None
    assert found.facts == saved.facts
    assert isinstance(found.facts.numbers["w/step"], int)
    for name, tensors in saved.tensors.items():
        assert all(torch.equal(found.tensors[name][key], tensor) for key, tensor in tensors.items())


def test_the_last_few_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (5, 10, 15, 20, 25):
        checkpoints.save(state(step))
    assert steps_in(tmp_path) == [15, 20, 25]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-000000{step}" for step in (15, 20, 25)]


FACTS = {"facts": {"step": 10, "config": "c", "data": "d", "global_batch": 4}, "files": {}}


@pytest.mark.parametrize(
    "damage", ["cut", "changed", "no file", "no facts", "bad facts", "bad name", "elsewhere", "step", "depth"]
)
def test_a_damaged_one_is_passed_over_and_said(tmp_path, damage, caplog):
    checkpoints = Checkpoints(tmp_path, keep=1)
    Checkpoints(tmp_path, keep=2).save(state(5))
    newest = Checkpoints(tmp_path, keep=2).save(state(10))
    weights, facts = newest / "weights.safetensors", newest / "facts.json"
    match damage:
        case "cut":
            weights.write_bytes(weights.read_bytes()[:-3])
        case "changed":
            weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
        case "no file":
            weights.unlink()
        case "no facts":
            facts.unlink()
        case "bad facts":
            facts.write_text("{}")
        case "bad name":
            facts.write_text(json.dumps({**FACTS, "files": {"a\0b": "x"}}))
        case "elsewhere":
            other = tmp_path / "other.safetensors"
            weights.rename(other)
            facts.write_text(json.dumps({**FACTS, "files": {"../other.safetensors": sha256_file(other)}}))
        case "step":
            facts.write_text(json.dumps({**FACTS, "facts": {**FACTS["facts"], "step": 7}}))
        case "depth":
            facts.write_text("[" * 100_000)
    with caplog.at_level(logging.WARNING, "pixelsmile"):
        found = checkpoints.latest()
    assert found is not None
    assert found.facts.step == 5
    assert "step-00000010 is damaged" in caplog.text
    assert "taking the one before" in caplog.text
    checkpoints.save(state(6))  # with keep=1 the damaged one must not push it out
    assert steps_in(tmp_path) == [6]


def test_what_a_kill_left_is_no_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(state(5))
    for left in (".unfinished-step-00000010", ".pixelsmile-1"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "weights.safetensors").write_bytes(b"half")
    assert checkpoints.newest_step() == 5
    checkpoints.save(state(10))
    (tmp_path / RunFolder.PLAN).touch()
    with RunFolder.claimed(tmp_path):
        names = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert names == {"step-00000005", "step-00000010"}


@pytest.fixture
def small_files():
    """The system refuses files of more than 40 kB, as a full disk refuses them: in the middle of writing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_disk_that_refuses_loses_nothing(tmp_path, small_files):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(state(5))
    large = State(
        state(10).facts, {"weights": {"w": torch.zeros(100)}, "average": {"w": torch.zeros(50_000)}}
    )
    with pytest.raises(
        OutputError, match=r"cannot save step 10 in .*step 5 is kept; free some space"
    ) as refused:
        checkpoints.save(large)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]
    found = checkpoints.latest()
    assert found is not None
    assert found.facts.step == 5


def test_a_full_disk_in_a_run(tmp_path, monkeypatch):
    """The run stops with one line; with space again, the same command ends as if nothing had been."""
    save, full = Checkpoints.save, {20}

    def refusing(self: Checkpoints, found: State) -> Path:
        if found.facts.step not in full:
            return save(self, found)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
        try:
            return save(self, found)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(Checkpoints, "save", refusing)
    with pytest.raises(OutputError, match=r"cannot save step 20 .*: step 15 is kept"):
        train(tmp_path / "run")
    full.clear()
    train(tmp_path / "run")
    train(tmp_path / "whole")
    assert (tmp_path / "run/adapter.safetensors").read_bytes() == (
        tmp_path / "whole/adapter.safetensors"
    ).read_bytes()
    assert stats_of(tmp_path / "run") == stats_of(tmp_path / "whole")


def test_a_finished_run_has_nothing_to_do(tmp_path):
    train(tmp_path / "run")
    adapter = (tmp_path / "run/adapter.safetensors").read_bytes()
    module = SmallModule()
    assert train(tmp_path / "run", job=small_job(module)) == []
    assert module.calls == 0
    assert (tmp_path / "run/adapter.safetensors").read_bytes() == adapter


def test_a_changed_configuration_is_refused_with_the_first_difference(tmp_path):
    train(tmp_path / "run", "run.num_steps=10")
    with pytest.raises(InputError, match=r"begun with optimiser.ema_decay = 0.9, not 0.8: set it back"):
        train(tmp_path / "run", "run.num_steps=10", "optimiser.ema_decay=0.8")
    with pytest.raises(InputError, match="num_steps = 10, not 9"):
        train(tmp_path / "run", "run.num_steps=9")
    with pytest.raises(InputError, match="takes 4 triplets a step, not 8: change run"):
        train(tmp_path / "run", "run.num_steps=10", "run.batch_size=8")
    with pytest.raises(InputError, match="trained on other triplets, or with another model"):
        train(tmp_path / "run", "run.num_steps=10", job=small_job(data="other"))


def test_a_run_that_has_left_its_course_goes_on_more_slowly(tmp_path):
    with pytest.raises(PixelSmileError, match=r"step 8: .*go on with the same command and a lower optim"):
        train(tmp_path / "run", job=small_job(SmallModule(poison_after=7)))
    slower = ("optimiser.learning_rate=0.001", "optimiser.max_grad_norm=0.5")
    records = [event for event in train(tmp_path / "run", *slower) if isinstance(event, StatRecord)]
    assert (records[0].step, records[-1].step) == (8, 40)
    assert records[0].learning_rate <= 0.001


def test_a_run_may_grow_and_its_files_move(tmp_path):
    train(tmp_path / "run", "run.num_steps=10")
    events = train(tmp_path / "run", "run.num_steps=20", "data.triplets=moved.jsonl", "checkpoints.every=10")
    assert events
    assert RunFolder(tmp_path / "run").saved_config() == small_config(
        "run.num_steps=20", "data.triplets=moved.jsonl", "checkpoints.every=10"
    )
    assert [record["step"] for record in stats_of(tmp_path / "run")] == [4, 8, 10, 12, 16, 20]


def test_before_the_first_checkpoint_everything_may_change(tmp_path):
    with RunFolder.claimed(tmp_path / "run") as run:
        run.begin(small_config())
        run.begin(small_config("adapter.rank=3"))
    assert RunFolder(tmp_path / "run").saved_config().adapter.rank == 3


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"holds 'letter.txt' and no run"):
        train(tmp_path)
    with pytest.raises(InputError, match="is no run"):
        RunFolder(tmp_path).saved_config()


def test_one_training_at_a_time(tmp_path):
    with (
        RunFolder.claimed(tmp_path / "run"),
        pytest.raises(OutputError, match="another process is training"),
        RunFolder.claimed(tmp_path / "run"),
    ):
        pass


def run_under_kills(run: Path, num_kills: int, longest_s: float, *changes: str) -> list[list[str]]:
    """The words of each line that the program prints."""
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "training_under_kills.py"),
            str(run),
            str(num_kills),
            str(longest_s),
            *changes,
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return [line.split() for line in done.stdout.splitlines() if re.match(r"\d+ \S+ \d+$", line)]


@pytest.mark.skipif(sys.platform != "linux", reason="kills by the processor time of another process")
def test_killed_over_and_over_the_weights_are_the_same_bit_for_bit(tmp_path):
    kills = run_under_kills(tmp_path / "killed", 12, 0.1, "checkpoints.every=2")
    train(tmp_path / "whole", "checkpoints.every=2")
    assert len(kills) == 12
    assert sum(signal == "9" for signal, _, _ in kills) >= 5
    assert any(signal == "9" and int(half) for signal, _, half in kills), "none in the middle of a checkpoint"
    for file in ("adapter.safetensors", "checkpoints/step-00000040/optimiser.safetensors"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert stats_of(tmp_path / "killed") == stats_of(tmp_path / "whole")
