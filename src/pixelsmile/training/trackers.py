"""TensorBoard and Weights & Biases, through Accelerate: they see the numbers of the statistics."""

import importlib.util
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixelsmile.errors import InputError
from pixelsmile.limits import read_text
from pixelsmile.store.publication import write_file
from pixelsmile.training.config import LogSettings, TrainingConfig, flattened

_ID_NAME = ".wandb-id"
_PLAIN = (bool, int, float, str)


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
