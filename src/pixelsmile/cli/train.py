"""`pixelsmile train`: triplets in, an adapter out; stopped at any moment, the same command goes on."""

import argparse
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.train_display import TrainDisplay
from pixelsmile.cli.train_options import read_order, train_parser
from pixelsmile.errors import DeviceError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.tasks import Benchmark
    from pixelsmile.training.config import TrainingConfig
    from pixelsmile.training.loop import Trainer
    from pixelsmile.training.run_folder import RunFolder


def run(arguments: Sequence[str]) -> int:
    """Train, or say what it would take. Settings that cannot be are refused before anything is loaded."""
    options = train_parser().parse_args(arguments)
    if options.quiet:
        logging.getLogger("pixelsmile").setLevel(logging.ERROR)
    config, folder = read_order(options)
    benchmark = _checked(config)
    from pixelsmile.cli.progress import silence_libraries
    from pixelsmile.training.distribution import leave, settled, start_accelerator
    from pixelsmile.training.trackers import check_trackers

    check_trackers(config.log)
    silence_libraries()
    trackers = () if options.dry_run or options.smoke else config.log.trackers
    accelerator = start_accelerator(config.model.device, trackers, str(folder))
    config = settled(config, accelerator.device)
    is_main = accelerator.is_main_process
    with TrainDisplay(options.quiet or not is_main) as display, _memory_errors():
        if options.dry_run:
            from pixelsmile.cli.train_rehearsal import dry_run

            code = dry_run(options, config, folder, benchmark, accelerator, display)
        elif options.smoke:
            from pixelsmile.cli.train_rehearsal import smoke

            code = smoke(options, config, accelerator, display)
        else:
            code = _train(options, config, folder, accelerator, display)
    leave(accelerator)
    return code


def _checked(config: "TrainingConfig") -> "Benchmark | None":
    """The benchmark that it is validated with, if any; all that it names is looked at before torch loads."""
    from pixelsmile.benchmarks.ffe.loading import load_benchmark
    from pixelsmile.training.checks import check_training

    check_training(config, num_processes=int(os.environ.get("WORLD_SIZE", "1")))  # of `accelerate launch`
    settings = config.validation
    if settings.every is None or settings.benchmark is None:
        return None
    domains = (config.data.domain,)
    benchmark = load_benchmark(settings.benchmark, num_samples=settings.num_samples, domains=domains)
    settings.check_judges()
    return benchmark


def _train(
    options: argparse.Namespace,
    config: "TrainingConfig",
    path: Path,
    accelerator: Any,
    display: TrainDisplay,
) -> int:
    from pixelsmile.cli.train_measuring import make_measure
    from pixelsmile.training.assembly import assemble
    from pixelsmile.training.loop import Trainer

    started = time.monotonic()
    with _claimed(path, config, accelerator) as folder, _interruptions(display, path):
        display.loading(config.model.name)
        measure = make_measure(config, accelerator)
        job = assemble(config, folder, accelerator, measure=measure, on_progress=display.caching)
        trainer = Trainer(job, config, folder, accelerator)
        for event in trainer.run():
            display.event(event, trainer)
        if accelerator.is_main_process:
            folder.write_manifest(config)
            _report(options, folder, trainer, time.monotonic() - started, display)
    return 0


@contextmanager
def _interruptions(display: TrainDisplay, path: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        from pixelsmile.training.checkpoint import Checkpoints
        from pixelsmile.training.run_folder import RunFolder

        step = Checkpoints(RunFolder(path).checkpoints, 1).newest_step()
        display.remark(f"the same command goes on from step {step}" if step else "no step was saved yet")
        raise


@contextmanager
def _claimed(path: Path, config: "TrainingConfig", accelerator: Any) -> Iterator["RunFolder"]:
    """The folder of the run, for these processes alone, with the configuration in it."""
    from pixelsmile.training.distribution import on_main
    from pixelsmile.training.run_folder import RunFolder

    with ExitStack() as held:
        on_main(accelerator, lambda: held.enter_context(RunFolder.claimed(path)).begin(config))
        yield RunFolder(path)


def _report(
    options: argparse.Namespace,
    folder: "RunFolder",
    trainer: "Trainer",
    seconds: float,
    display: TrainDisplay,
) -> None:
    from pixelsmile.training.statistics import duration

    num_steps = trainer.num_steps
    if options.json:
        record = {"run": str(folder.path), "steps": num_steps, "adapter": str(folder.adapter)}
        print(json.dumps({**record, "seconds": round(seconds, 2)}))
        return
    print(folder.adapter)
    if trainer.has_written:
        display.remark(f"{num_steps} steps done, {duration(seconds)} since this command began")
    else:
        display.remark(f"all {num_steps} steps were done before, and the adapter is whole: nothing to do")


@contextmanager
def _memory_errors() -> Iterator[None]:
    """One line where a GPU is too small, in place of the allocator's page."""
    try:
        yield
    except RuntimeError as error:
        import torch

        if not isinstance(error, torch.OutOfMemoryError):
            raise
        raise DeviceError(
            "the GPU has too little free memory: lower run.batch_size (and raise run.accumulation), set "
            "model.gradient_checkpointing=true, model.quantise=4bit or optimiser.kind=adamw8bit"
        ) from error
