"""What a run says of itself: a line for many steps, alike on screen, on disk and in trackers.

Trackers (TensorBoard, Weights & Biases) run through Accelerate.
"""

import importlib.util
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pixelsmile.errors import InputError
from pixelsmile.limits import read_text
from pixelsmile.store.json_lines import LineWriter, Record, read_lines
from pixelsmile.store.publication import write_file
from pixelsmile.training.config import LogSettings, TrainingConfig, flattened

_ID_NAME = ".wandb-id"
_PLAIN = (bool, int, float, str)


class StatRecord(Record):
    """After `step` steps: means over the steps since the line before.

    losses: by term, `total` among them. grad_norm: before clipping. samples_per_s: triplets.
    memory_gb: the most that this process has held (on the GPU if it has one).
    """

    step: int
    epoch: float
    losses: dict[str, float]
    grad_norm: float
    learning_rate: float
    samples_per_s: float
    memory_gb: float


class ValidationRecord(Record):
    """What a validation after `step` steps found."""

    step: int
    numbers: dict[str, float]
    pictures: tuple[str, ...]


def mean_losses(steps: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each loss that the newest step has, to six digits."""
    known = {name: [values[name] for values in steps if name in values] for name in steps[-1]}
    return {name: rounded(sum(found) / len(found)) for name, found in known.items()}


def rounded(value: float) -> float:
    """To six significant digits."""
    return float(f"{value:.6g}")


def peak_memory_gb(device: torch.device) -> float:
    """The most memory that this process has held so far: of the GPU, or without one of the machine."""
    if device.type == "cuda":
        return rounded(torch.cuda.max_memory_allocated(device) / 1e9)
    if sys.platform == "win32":
        import psutil

        return rounded(psutil.Process().memory_info().peak_wset / 1e9)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return rounded(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9)


def status_line(record: StatRecord, num_steps: int, global_batch: int) -> str:
    """One line for a person: the step, the losses, the gradient, the speed, the time left."""
    losses = "  ".join(f"{name} {value:.4f}" for name, value in record.losses.items())
    left_s = (num_steps - record.step) * global_batch / record.samples_per_s
    speed = f"{record.samples_per_s:.3g} triplets/s"
    return (
        f"step {record.step}/{num_steps}  {losses}  gradient {record.grad_norm:.3g}  {speed}  "
        f"{duration(left_s)} left"
    )


def duration(seconds: float) -> str:
    """A time in its two largest units: 3 h 12 min, 4 min 5 s, 9 s."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def reopened(path: Path, kind: type[StatRecord] | type[ValidationRecord], step: int) -> LineWriter:
    """A writer behind the records up to `step`; those of steps that will be taken again are dropped."""
    records = read_lines(path, kind)
    kept = [record for record in records if record.step <= step]
    if len(kept) < len(records):
        write_file(path, b"".join(record.model_dump_json().encode() + b"\n" for record in kept), force=True)
    return LineWriter(path)


def check_trackers(settings: LogSettings) -> None:
    """InputError for a tracker whose package is not installed."""
    for name in settings.trackers:
        if importlib.util.find_spec(name) is None:
            raise InputError(f"log.trackers names {name}, which is not installed: pip install {name}")


@contextmanager
def tracking(accelerator: Any, config: TrainingConfig, step: int) -> Iterator[None]:
    """Start the accelerator's trackers for a run with `step` steps behind it, and end them with the block.

    A run that goes on shows as the one run that it is; in TensorBoard, steps that are taken again replace
    those before.
    """
    folder = Path(accelerator.project_dir or ".").absolute()
    values = {
        key: value if isinstance(value, _PLAIN) else str(value) for key, value in flattened(config).items()
    }
    options: dict[str, dict[str, Any]] = {"tensorboard": {"purge_step": step + 1}}
    if "wandb" in config.log.trackers and accelerator.is_main_process:
        named = {"dir": str(folder), "name": folder.name, "id": _run_id(folder)}
        options["wandb"] = {**named, "resume": "allow"}
    accelerator.init_trackers(config.log.project, config=values, init_kwargs=options)
    try:
        yield
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()


def _run_id(folder: Path) -> str:
    """What W&B knows the run by: runs in folders of one name are not one run."""
    file = folder / _ID_NAME
    if not file.is_file():
        write_file(file, secrets.token_hex(8).encode(), force=True)
    return read_text(file, max_bytes=100)
