"""Two steps of everything, in a folder that goes away: does it run, how long is a step, how much memory."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelsmile.training.assembly import OnProgress, assemble
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.distribution import on_main, shared
from pixelsmile.training.loop import Job, Trainer
from pixelsmile.training.run_folder import RunFolder
from pixelsmile.training.statistics import StatRecord, ValidationRecord
from pixelsmile.training.validation import Measure

_NUM_STEPS = 2


@dataclass(frozen=True)
class Rehearsal:
    """What two steps showed.

    step_s: of the second, the first is slower. last: its statistics. num_pictures: sheets of the validation.
    """

    step_s: float
    last: StatRecord
    num_pictures: int
    adapter_bytes: int


def rehearse(
    config: TrainingConfig,
    accelerator: Any,
    *,
    measure: Measure | None = None,
    on_progress: OnProgress | None = None,
    num_batches: int = _NUM_STEPS,
) -> Rehearsal:
    """Cache the first triplets, take two steps, save after each, validate if the configuration does, export.

    measure: of the `shortened` configuration. num_batches: 1 takes both steps with the same triplets.
    The cache stays, since a training will use it; everything else is deleted. Raises what a training would.
    """
    path = Path(shared(accelerator, on_main(accelerator, lambda: tempfile.mkdtemp(prefix="pixelsmile-"))))
    try:
        small = shortened(config)
        limit = num_batches * small.run.batch_size * small.run.accumulation * accelerator.num_processes
        job = assemble(
            small, RunFolder(path), accelerator, measure=measure, on_progress=on_progress, limit=limit
        )
        return _rehearse(small, accelerator, RunFolder(path), job)
    finally:
        if accelerator.is_main_process:
            shutil.rmtree(path, ignore_errors=True)


def _rehearse(config: TrainingConfig, accelerator: Any, folder: RunFolder, job: Job) -> Rehearsal:
    trainer = Trainer(job, config, folder, accelerator)
    events = list(trainer.run())
    records = [event for event in events if isinstance(event, StatRecord)]
    validations = [event for event in events if isinstance(event, ValidationRecord)]
    size = on_main(accelerator, lambda: folder.adapter.stat().st_size)
    return Rehearsal(
        step_s=trainer.layout.global_batch / records[-1].samples_per_s,
        last=records[-1],
        num_pictures=sum(len(record.pictures) for record in validations),
        adapter_bytes=size or 0,
    )


def shortened(config: TrainingConfig) -> TrainingConfig:
    """The same training, of two steps, and a benchmark of two samples."""
    validation = config.validation
    if validation.every is not None:
        validation = validation.model_copy(
            update={"every": _NUM_STEPS, "num_sampling_steps": 2, "num_samples": 2}
        )
    return config.model_copy(
        update={
            "run": config.run.model_copy(update={"num_steps": _NUM_STEPS}),
            "optimiser": config.optimiser.model_copy(update={"num_warmup_steps": 1}),
            "checkpoints": config.checkpoints.model_copy(update={"every": 1}),
            "log": config.log.model_copy(update={"every": 1, "trackers": ()}),
            "validation": validation,
        }
    )
