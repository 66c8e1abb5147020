"""The loop on a small real module: order, rate, average, statistics, and stopping before harm is done."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from accelerate.tracking import GeneralTracker
from safetensors.torch import load_file
from small_job import NUM_TRIPLETS, SmallModule, small_config, small_job, start, train

from pixelsmile.errors import DeviceError, InputError, PixelSmileError
from pixelsmile.store.json_lines import read_lines
from pixelsmile.training.checkpoint import Checkpoints
from pixelsmile.training.config import OptimiserSettings
from pixelsmile.training.loop import Saved, Trainer
from pixelsmile.training.optimiser import Average, learning_rate, make_optimiser
from pixelsmile.training.order import Layout, Order, derived_seed
from pixelsmile.training.run_folder import RunFolder
from pixelsmile.training.statistics import (
    StatRecord,
    ValidationRecord,
    check_trackers,
    duration,
    status_line,
    tracking,
)


def test_the_rate_by_hand():
    settings = OptimiserSettings(learning_rate=8.0, num_warmup_steps=4)
    rates = [learning_rate(settings, step, num_steps=12) for step in range(12)]
    assert rates[:4] == [2, 4, 6, 8]
    assert rates[4] == 8
    assert rates[8] == pytest.approx(4)  # half of the cosine
    assert rates[6] == pytest.approx(8 * (1 + math.sqrt(0.5)) / 2)
    assert 0 < rates[11] < rates[10]
    assert learning_rate(OptimiserSettings(learning_rate=8.0, num_warmup_steps=0), 0, 5) == 8


def test_every_epoch_is_all_triplets_in_a_new_order():
    order = Order(NUM_TRIPLETS, seed=3)
    epochs = [[draw.triplet for draw in order.draws(range(first, first + 10))] for first in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert order.draws([13]) == Order(NUM_TRIPLETS, seed=3).draws(range(20))[13:14]
    assert Order(NUM_TRIPLETS, seed=4).draws(range(10)) != order.draws(range(10))
    assert len({draw.seed for draw in order.draws(range(1000))}) == 1000
    assert all(0 <= draw.seed < 2**63 for draw in order.draws(range(1000)))


def test_a_short_run_sees_some_of_the_triplets():
    order = Order(NUM_TRIPLETS, seed=3)
    assert list(order.triplets(4)) == sorted(draw.triplet for draw in order.draws(range(4)))
    assert list(order.triplets(10)) == list(order.triplets(25)) == list(range(10))


def test_no_triplets():
    with pytest.raises(InputError, match="no triplet"):
        Order(0, seed=0)


@pytest.mark.parametrize(
    ("size", "parts", "processes"), [(12, 1, 1), (3, 4, 1), (3, 1, 4), (3, 2, 2), (1, 3, 4)]
)
def test_layouts_of_one_global_batch_take_the_same_triplets(size, parts, processes):
    layouts = [Layout(size, parts, processes, process) for process in range(processes)]
    assert layouts[0].global_batch == 12
    positions = [
        position for layout in layouts for part in range(parts) for position in layout.positions(5, part)
    ]
    assert sorted(positions) == list(range(60, 72))


def test_seeds_for_different_uses_differ():
    assert derived_seed(1, "a", 2) == derived_seed(1, "a", 2)
    assert len({derived_seed(seed, use, 0) for seed in range(50) for use in "ab"}) == 100


def test_the_average_by_hand():
    weight = torch.tensor([1.0])
    average = Average({"w": weight}, decay=0.3)
    weight.fill_(2.0)
    average.update(0)  # decay 1 / 10
    assert average.values["w"].item() == pytest.approx(0.1 * 1 + 0.9 * 2)
    weight.fill_(3.0)
    average.update(1000)  # decay 0.3
    assert average.values["w"].item() == pytest.approx(0.3 * 1.9 + 0.7 * 3)
    with average.applied():
        assert weight.item() == average.values["w"].item()
    assert weight.item() == 3.0


def test_a_run_learns_and_says_so(tmp_path):
    events = train(tmp_path / "run")
    records = [event for event in events if isinstance(event, StatRecord)]
    assert [record.step for record in records] == list(range(4, 41, 4))
    assert records[-1].losses["total"] < 0.5 * records[0].losses["total"]
    assert set(records[0].losses) == {"total", "error", "size"}
    assert records[-1].epoch == 40 * 4 / NUM_TRIPLETS
    assert all(record.samples_per_s > 0 and record.memory_gb > 0 for record in records)
    assert records[0].learning_rate == 0.03
    assert [event.step for event in events if isinstance(event, Saved)] == list(range(5, 41, 5))
    assert read_lines(tmp_path / "run" / "stats.jsonl", StatRecord) == tuple(records)
    line = status_line(records[0], num_steps=40, global_batch=4)
    assert line.startswith("step 4/40  total ")
    assert line.endswith(" left")


def test_the_means_are_those_of_the_steps(tmp_path):
    every = [event for event in train(tmp_path / "a", "log.every=1") if isinstance(event, StatRecord)]
    fourth = [event for event in train(tmp_path / "b", "log.every=4") if isinstance(event, StatRecord)]
    for index, record in enumerate(fourth):
        window = every[4 * index : 4 * index + 4]
        assert record.grad_norm == pytest.approx(sum(one.grad_norm for one in window) / 4, rel=1e-4)
        assert record.losses["total"] == pytest.approx(sum(o.losses["total"] for o in window) / 4, rel=1e-4)
        assert record.learning_rate == window[-1].learning_rate


def test_the_adapter_is_the_average(tmp_path):
    train(tmp_path / "run")
    state = Checkpoints(tmp_path / "run" / "checkpoints", 1).latest()
    assert state is not None
    adapter = load_file(tmp_path / "run" / "adapter.safetensors")
    assert set(adapter) == {"trained.0.weight", "trained.0.bias", "trained.3.weight", "trained.3.bias"}
    for name, tensor in adapter.items():
        assert torch.equal(tensor, state.tensors["average"][name])
        assert not torch.equal(tensor, state.tensors["weights"][name])


def test_accumulated_parts_are_one_batch(tmp_path):
    train(tmp_path / "whole", "run.batch_size=4")
    train(tmp_path / "parts", "run.batch_size=1", "run.accumulation=4")
    whole, parts = (load_file(tmp_path / name / "adapter.safetensors") for name in ("whole", "parts"))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-4, atol=1e-5)


def test_dropout_is_the_same_in_every_run(tmp_path):
    for name in ("a", "b"):
        train(tmp_path / name, "run.num_steps=8", job=small_job(SmallModule(dropout=0.5)))
    assert (tmp_path / "a/adapter.safetensors").read_bytes() == (
        tmp_path / "b/adapter.safetensors"
    ).read_bytes()


def test_clipping_bounds_the_first_step(tmp_path):
    free = train(tmp_path / "free", "optimiser.max_grad_norm=", "run.num_steps=5")
    bound = train(tmp_path / "bound", "optimiser.max_grad_norm=1e-9", "run.num_steps=5")
    norms = [next(e.grad_norm for e in events if isinstance(e, StatRecord)) for events in (free, bound)]
    assert norms[0] > 0.1  # the norm before clipping
    first, last = (load_file(tmp_path / name / "adapter.safetensors") for name in ("free", "bound"))
    untrained = dict(SmallModule().named_parameters())
    # Adam's steps do not shrink with the gradient until it nears epsilon (1e-8): then they do.
    moved = [(tensors["trained.0.bias"] - untrained["trained.0.bias"]).norm() for tensors in (first, last)]
    assert moved[1] < 0.2 * moved[0]


@pytest.mark.parametrize(("poisoned", "named"), [("size", "size is nan"), ("gradient", "gradient norm is")])
def test_what_is_not_finite_stops_before_the_update(tmp_path, poisoned, named):
    job = small_job(SmallModule(poison_after=7, poisoned=poisoned))
    with pytest.raises(PixelSmileError, match=f"step 8: .*{named}.*before the update") as stopped:
        train(tmp_path / "run", job=job)
    assert "\n" not in str(stopped.value)
    state = Checkpoints(tmp_path / "run" / "checkpoints", 9).latest()
    assert state is not None
    assert state.facts.step == 7
    healthy = train(tmp_path / "healthy", "checkpoints.every=7")
    assert healthy
    same = Checkpoints(tmp_path / "healthy" / "checkpoints", 9)
    assert same.newest_step() == 40
    assert all(tensor.isfinite().all() for tensors in state.tensors.values() for tensor in tensors.values())
    resumed = train(tmp_path / "run", job=small_job())  # with the fault mended
    assert resumed
    for name in ("run", "healthy"):
        assert (tmp_path / name / "adapter.safetensors").is_file()
    assert (tmp_path / "run/adapter.safetensors").read_bytes() == (
        tmp_path / "healthy/adapter.safetensors"
    ).read_bytes()


def test_validation_sees_the_average_and_leaves_no_trace(tmp_path):
    module, seen = SmallModule(), []

    def look(step: int) -> ValidationRecord:
        torch.rand(step)  # random numbers may be drawn
        seen.append({name: value.clone() for name, value in module.trained.state_dict().items()})
        return ValidationRecord(step=step, numbers={"score": step / 2}, pictures=("a.png",))

    events = train(tmp_path / "looked", "validation.every=15", job=small_job(module, validate=look))
    train(tmp_path / "blind")
    records = tuple(event for event in events if isinstance(event, ValidationRecord))
    assert [(record.step, record.numbers["score"]) for record in records] == [(15, 7.5), (30, 15), (40, 20)]
    assert read_lines(tmp_path / "looked" / "validation.jsonl", ValidationRecord) == records
    adapters = [(tmp_path / name / "adapter.safetensors").read_bytes() for name in ("looked", "blind")]
    assert adapters[0] == adapters[1]
    for name, tensor in load_file(tmp_path / "looked/adapter.safetensors").items():
        assert torch.equal(seen[-1][name.removeprefix("trained.")], tensor)


class _Listener(GeneralTracker):
    name = "listener"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.heard, self.settings, self.ended = [], {}, False

    @property
    def tracker(self):
        return None

    def store_init_configuration(self, values):
        self.settings = values

    def log(self, values, step, **kwargs):
        self.heard.append((step, values))

    def finish(self):
        self.ended = True


def test_trackers_hear_what_the_file_says(tmp_path):
    listener, config = _Listener(), small_config("run.num_steps=8")
    with RunFolder.claimed(tmp_path / "run") as folder:
        folder.begin(config)
        accelerator = start(tmp_path / "run", trackers=(listener,))
        records = [
            e for e in Trainer(small_job(), config, folder, accelerator).run() if isinstance(e, StatRecord)
        ]
    assert [step for step, _ in listener.heard] == [4, 8]
    assert listener.heard[0][1]["loss/total"] == records[0].losses["total"]
    assert listener.heard[1][1]["learning_rate"] == records[1].learning_rate
    assert listener.settings["optimiser.learning_rate"] == 0.03
    assert listener.ended


def test_a_tracker_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="wandb, which is not installed: pip install wandb"):
        check_trackers(small_config("log.trackers=[wandb]").log)


def test_runs_in_folders_of_one_name_are_different_ones_for_wandb(tmp_path):
    config = small_config("log.trackers=[wandb]")

    def run_id(folder):
        heard = {}
        accelerator = SimpleNamespace(
            project_dir=str(folder),
            is_main_process=True,
            trackers=(),
            init_trackers=lambda project, config, init_kwargs: heard.update(init_kwargs["wandb"]),
        )
        folder.mkdir(parents=True, exist_ok=True)
        with tracking(accelerator, config, 0):
            return heard["id"]

    first, again, other = (run_id(tmp_path / place / "run") for place in ("a", "a", "b"))
    assert first == again != other


def test_an_optimiser_that_needs_a_gpu():
    settings = OptimiserSettings(kind="adamw8bit")
    with pytest.raises(DeviceError, match="needs a GPU"):
        make_optimiser({"w": torch.zeros(3)}, settings, torch.device("cpu"))


def test_nothing_to_train(tmp_path):
    module = SmallModule().requires_grad_(False)
    with pytest.raises(InputError, match="nothing is left to train"):
        train(tmp_path / "run", job=small_job(module))


def test_lines_of_statistics_are_json(tmp_path):
    train(tmp_path / "run", "run.num_steps=5")
    lines = (tmp_path / "run/stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 5]


def test_durations():
    assert [duration(seconds) for seconds in (9.4, 65, 3600 * 3 + 12 * 60 + 40)] == [
        "9 s",
        "1 min 5 s",
        "3 h 12 min",
    ]
