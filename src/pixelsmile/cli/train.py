"""`pixelsmile train`: triplets in, an adapter out; stopped at any moment, the same command goes on."""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import StatusLine, print_json, silence_libraries
from pixelsmile.cli.options import add_json, add_quiet, memory_errors
from pixelsmile.cli.parsing import CommandParser, nearest
from pixelsmile.cli.train_plan import dry_run, show_cache, smoke
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.benchmark import Benchmark
    from pixelsmile.benchmarks.ffe.validation import FfeValidation
    from pixelsmile.training.config import TrainingConfig
    from pixelsmile.training.loop import Event, Trainer
    from pixelsmile.training.run_folder import RunFolder

_ADVICE = (
    "lower run.batch_size (and raise run.accumulation), set model.gradient_checkpointing=true, "
    "model.quantization=4bit or optimiser.kind=adamw8bit"
)
_RUNS = Path("runs")
_EPILOG = """examples:
  pixelsmile train embedded --set data.triplets=triplets.jsonl -o runs/first
  pixelsmile train my.yaml --set optimiser.learning_rate=2e-4 --dry-run
  pixelsmile train --resume runs/first
  accelerate launch --num_processes 4 -m pixelsmile train human --set data.triplets=triplets.jsonl

The same command again goes on where a run was interrupted. How many steps there are may grow, and files may
move; other changes of what decides the weights are refused.
"""


def parser() -> CommandParser:
    """The options."""
    summary = "Train an adapter on triplets: of a source and two targets, or an instruction and one."
    parser = CommandParser("train", summary, run, _EPILOG)
    parser.add_argument(
        "config",
        nargs="?",
        metavar="CONFIG",
        help="a YAML file, or a recipe: human, anime (as in the paper), embedded (small, drawn portraits), "
        "fed (the same, on instructions); or another way to control the embedded model: concept-slider, "
        "attribute-control, saedit, k-slider, slideredit",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one setting, like optimiser.learning_rate=2e-4; may be given more than once",
    )
    parser.add_argument(
        "-o", "--output", metavar="RUN", help="the folder of the run (default: runs/ and the config's name)"
    )
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with a run, by the configuration in its folder"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what it would take in memory and time, and train nothing"
    )
    parser.add_argument("--smoke", action="store_true", help="two steps of everything, and keep nothing")
    add_json(parser)
    add_quiet(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Train, or say what it would take. Settings that cannot be are refused before anything is loaded."""
    config, folder = _read_config(options)
    benchmark = _checked(config)
    from pixelsmile.training.distribution import leave, settled, start_accelerator
    from pixelsmile.training.statistics import check_trackers

    check_trackers(config.log)
    silence_libraries()
    trackers = () if options.dry_run or options.smoke else config.log.trackers
    accelerator = start_accelerator(config.model.device, trackers, str(folder))
    config = settled(config, accelerator.device)
    is_main = accelerator.is_main_process
    with StatusLine(options.quiet or not is_main) as display, memory_errors(_ADVICE):
        if options.dry_run:
            dry_run(options, config, folder, benchmark, accelerator, display)
        elif options.smoke:
            from pixelsmile.training.estimate import shortened

            smoke(options, config, make_measure(shortened(config), accelerator), accelerator, display)
        else:
            _train(options, config, folder, accelerator, display)
    leave(accelerator)
    return 0


def _read_config(options: argparse.Namespace) -> tuple["TrainingConfig", Path]:
    """What to train, and the folder of the run. InputError for what does not go together, or is not there."""
    from pixelsmile.store.configuration import read_configuration
    from pixelsmile.training.config import CONFIG_NAME, TrainingConfig

    if options.dry_run and options.smoke:
        raise InputError("--dry-run trains nothing, --smoke two steps: give one of them")
    if options.resume is not None:
        if options.config is not None or options.output is not None:
            raise InputError("--resume takes the configuration and the folder of the run: give it alone")
        folder = Path(options.resume)
        path = folder / CONFIG_NAME
        if not path.is_file():
            raise InputError(f"{options.resume!r} is no run (it has no {CONFIG_NAME}): check the path")
        return read_configuration(path, TrainingConfig, options.set), folder
    if options.config is None:
        raise InputError("nothing to train: name a YAML file or a recipe (pixelsmile train --help explains)")
    path = _config_path(options.config)
    folder = Path(options.output) if options.output is not None else _RUNS / path.stem
    return read_configuration(path, TrainingConfig, options.set), folder


def _config_path(text: str) -> Path:
    """A file, or else the recipe of that name."""
    from pixelsmile.training import PRESETS, preset_path

    path = Path(text)
    if path.is_file():
        return path
    if text in PRESETS:
        return preset_path(text)
    if path.suffix or len(path.parts) > 1:
        raise InputError(f"there is no file {text!r}: check the path")
    raise InputError(f"no recipe {text!r}, and no such file: {nearest(text, PRESETS)}")


def _checked(config: "TrainingConfig") -> "Benchmark | None":
    """The benchmark that it is validated with, if any; all that it names is looked at before torch loads."""
    from pixelsmile.training.config import check_training

    check_training(config, num_processes=int(os.environ.get("WORLD_SIZE", "1")))  # of `accelerate launch`
    return _benchmark(config)


def _benchmark(config: "TrainingConfig") -> "Benchmark | None":
    from pixelsmile.benchmarks.catalogue import load_ffe_benchmark

    settings, domains = config.validation, (config.data.domain,)
    if settings.every is None or settings.benchmark is None:
        return None
    benchmark = load_ffe_benchmark(settings.benchmark, num_samples=settings.num_samples, domains=domains)
    settings.check_judges()
    return benchmark


def make_measure(config: "TrainingConfig", accelerator: Any) -> "FfeValidation | None":
    """The benchmark that the configuration names, ready to look on; None where it names none.

    Judge and encoders are loaded on the main process alone, which is the one that judges; what is wrong with
    them is raised on all.
    """
    from pixelsmile.benchmarks.catalogue import EMBEDDED
    from pixelsmile.benchmarks.ffe.validation import FfeValidation
    from pixelsmile.editors.own import OwnSettings
    from pixelsmile.faces.likeness import open_meter
    from pixelsmile.judges.names import parse_judge
    from pixelsmile.training.distribution import on_main

    settings, model, data = config.validation, config.model, config.data
    if (benchmark := _benchmark(config)) is None:
        return None
    is_drawn = settings.benchmark == EMBEDDED
    meter = None
    if settings.encoders:
        meter = on_main(
            accelerator,
            lambda: open_meter(settings.encoders, data.detector, drawn=is_drawn, device=model.device),
        )
    return FfeValidation(
        benchmark,
        OwnSettings(steps=settings.num_sampling_steps, size=data.size_px),
        tuple(dict.fromkeys(settings.strengths)),
        settings.seed,
        on_main(accelerator, lambda: parse_judge(settings.judge)),
        meter,
        in_step=accelerator.is_fsdp2,
    )


def _train(
    options: argparse.Namespace, config: "TrainingConfig", path: Path, accelerator: Any, display: StatusLine
) -> None:
    from pixelsmile.training.assembly import assemble
    from pixelsmile.training.loop import Trainer

    started = time.monotonic()
    with _claimed(path, config, accelerator) as folder, _interruptions(display, path):
        if display.overwrites:
            display.status(f"loading {config.model.name}")
        measure = make_measure(config, accelerator)
        job = assemble(config, folder, accelerator, measure=measure, on_progress=partial(show_cache, display))
        trainer = Trainer(job, config, folder, accelerator)
        for event in trainer.run():
            _show_event(display, event, trainer)
        if accelerator.is_main_process:
            folder.write_manifest(config, job.networks)
            _report(options, config, folder, trainer, time.monotonic() - started, display)


def _show_event(display: StatusLine, event: "Event", trainer: "Trainer") -> None:
    from pixelsmile.training.statistics import StatRecord, ValidationRecord, status_line

    if isinstance(event, StatRecord):
        display.status(status_line(event, trainer.num_steps, trainer.layout.global_batch))
    elif isinstance(event, ValidationRecord):
        numbers = "".join(f"  {name} {value:g}" for name, value in event.numbers.items())
        display.remark(f"validated after {event.step} steps: {len(event.pictures)} sheets{numbers}")


@contextmanager
def _interruptions(display: StatusLine, path: Path) -> Iterator[None]:
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
    config: "TrainingConfig",
    folder: "RunFolder",
    trainer: "Trainer",
    seconds: float,
    display: StatusLine,
) -> None:
    """What came of it: the adapter's file, or the folder of the control."""
    from pixelsmile.training.statistics import duration

    num_steps = trainer.num_steps
    kind, product = ("adapter", folder.adapter) if config.control is None else ("control", folder.path)
    if options.json:
        record = {"run": str(folder.path), "steps": num_steps, kind: str(product)}
        print_json({**record, "seconds": round(seconds, 2)})
        return
    print(product)
    if trainer.has_written:
        display.remark(f"{num_steps} steps done, {duration(seconds)} since this command began")
    else:
        display.remark(f"all {num_steps} steps were done before, and the {kind} is whole: nothing to do")
