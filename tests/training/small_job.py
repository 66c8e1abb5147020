"""A small real training: a frozen layer, a trained one, noise from each triplet's own seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from safetensors.torch import save
from torch import Tensor, nn

from pixelsmile.store.configuration import parse_configuration
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.distribution import start_accelerator
from pixelsmile.training.loop import Event, Job, Trainer
from pixelsmile.training.order import SeededTriplet
from pixelsmile.training.run_folder import RunFolder

WIDTH, NUM_TRIPLETS = 6, 10
CONFIG = """
model: {device: cpu, precision: float32}
data: {triplets: none.jsonl}
optimiser: {learning_rate: 0.03, num_warmup_steps: 4, ema_decay: 0.9}
run: {num_steps: 40, batch_size: 4, seed: 3}
checkpoints: {every: 5, keep: 2}
log: {every: 4}
"""


class SmallModule(nn.Module):
    """Learns to undo a frozen layer. Each triplet has a fixed input; its noise follows from its seed."""

    def __init__(self, dropout: float = 0.0, poison_after: int | None = None, poisoned: str = "size") -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.frozen = nn.Linear(WIDTH, WIDTH).requires_grad_(False)
        self.trained = nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, WIDTH))
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.4
        self.register_buffer("inputs", torch.randn(NUM_TRIPLETS, WIDTH, generator=generator))
        self.calls = 0
        self._poison_after, self._poisoned = poison_after, poisoned

    def forward(self, draws: Sequence[SeededTriplet]) -> dict[str, Tensor]:
        inputs = self.inputs[[draw.triplet for draw in draws]]
        noise = torch.stack(
            [torch.randn(WIDTH, generator=torch.Generator().manual_seed(draw.seed)) for draw in draws]
        )
        noisy = (inputs + 0.1 * noise).to(self.frozen.weight.dtype)
        outputs = self.trained(self.frozen(noisy).float())
        error = (outputs - inputs).square().mean()
        size = outputs.square().mean()
        self.calls += 1
        total = error + 0.01 * size
        if self._poison_after is not None and self.calls > self._poison_after:
            if self._poisoned == "size":
                size = size * float("nan")
            else:  # sqrt has no finite slope at 0
                total = total + (outputs * 0).square().sum().sqrt()
        return {"total": total, "error": error.detach(), "size": size.detach()}


def small_config(*changes: str) -> TrainingConfig:
    return parse_configuration(CONFIG, "small.yaml", TrainingConfig, changes)


def small_job(module: nn.Module | None = None, data: str = "d", **more: Any) -> Job:
    return Job(module or SmallModule(), NUM_TRIPLETS, data, export, **more)


def export(tensors: Mapping[str, Tensor]) -> bytes:
    return save(dict(tensors))


def train(folder: Path, *changes: str, job: Job | None = None) -> list[Event]:
    """Train in `folder` as the command line does, on one process; all that happened."""
    config = small_config(*changes)
    with RunFolder.claimed(folder) as run:
        run.begin(config)
        return list(Trainer(job or small_job(), config, run, start(folder)).run())


def start(folder: Path, trackers: Sequence[Any] = ()) -> Any:
    """An accelerator, as in a process of its own."""
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()
    return start_accelerator("cpu", trackers, str(folder))
