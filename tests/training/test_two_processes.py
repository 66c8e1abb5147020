"""Two processes (gloo) train as one with twice the batch, up to rounding; what one meets, both hear."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_job import train
from two_processes import run_on_two

from pixelsmile.store.json_lines import read_lines
from pixelsmile.training.checkpoint import Checkpoints
from pixelsmile.training.statistics import StatRecord

HERE = Path(__file__).parent
# The gradients of both halves are summed in another order: relative errors of 1e-7 in each of 40 steps.
TOLERANCE = {"rtol": 1e-4, "atol": 2e-6}
TRAININGS = ("plain", "poisoned", "full", "sharded", "sharded-resumed", "sharded-bfloat16")


def train_on_two(folder: Path, *trainings: str) -> list[str]:
    """What each of the two has printed."""
    return run_on_two(str(HERE / "training_of_two.py"), str(folder), *trainings)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    train(folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return folder, train_on_two(folder, *TRAININGS)


def assert_same_weights(run: Path, other: Path) -> None:
    for name, tensor in load_file(other / "adapter.safetensors").items():
        torch.testing.assert_close(load_file(run / "adapter.safetensors")[name], tensor, **TOLERANCE)


def test_two_are_one_with_twice_the_batch(one, two):
    folder, _ = two
    assert_same_weights(folder / "plain", one)
    ours, theirs = (read_lines(run / "stats.jsonl", StatRecord) for run in (folder / "plain", one))
    assert [record.step for record in ours] == [record.step for record in theirs]
    for record, other in zip(ours, theirs, strict=True):
        assert record.losses == pytest.approx(other.losses, rel=1e-4)
        assert record.grad_norm == pytest.approx(other.grad_norm, rel=1e-4)
        assert (record.learning_rate, record.epoch) == (other.learning_rate, other.epoch)


def test_one_process_goes_on_where_two_stopped(one, two, tmp_path):
    """The global batch is what counts: one checkpoint serves any number of processes."""
    folder, _ = two
    state = Checkpoints(folder / "plain" / "checkpoints", 1).latest()
    assert state is not None
    assert state.facts.global_batch == 4
    assert train(folder / "plain", "run.batch_size=4") == []


def test_a_loss_that_is_no_number_on_one_stops_both(two):
    folder, printed = two
    assert all("poisoned: step 8: size is nan; stopped before the update" in text for text in printed)
    assert Checkpoints(folder / "poisoned" / "checkpoints", 1).newest_step() == 7


def test_a_full_disk_of_the_main_process_stops_both(two):
    _, printed = two
    assert all("full: no space left" in text for text in printed)


def test_sharded_over_two(one, two, tmp_path):
    """FSDP 2 spreads weights, moments and average over both; the files are whole, and any number goes on."""
    folder, _ = two
    assert_same_weights(folder / "sharded", one)
    train(tmp_path / "one", "run.num_steps=20")
    train(tmp_path / "one")
    assert_same_weights(folder / "sharded-resumed", tmp_path / "one")
    in_16_bits = load_file(folder / "sharded-bfloat16" / "adapter.safetensors")
    assert all(tensor.isfinite().all() for tensor in in_16_bits.values())
    assert train(folder / "sharded", "run.batch_size=4") == []
