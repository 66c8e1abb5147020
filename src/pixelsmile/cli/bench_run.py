"""`pixelsmile bench ffe run` and `fed run`: an editor makes the edits of a benchmark, to be judged."""

import argparse
import json
import logging
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.bench_run_options import fed_parser, ffe_parser
from pixelsmile.errors import DeviceError, InputError, one_line

if TYPE_CHECKING:
    from pixelsmile.benchmarks.editors.choosing import EditorChoice
    from pixelsmile.benchmarks.editors.editor import BenchmarkEditor
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.benchmarks.running import RunProgress, Setting
    from pixelsmile.benchmarks.tasks import Benchmark
    from pixelsmile.expressions import Domain

_MAX_REASONS = 5


@dataclass(frozen=True)
class Plan:
    """What one benchmark asks for. name: of its commands. strengths: of each task."""

    name: str
    benchmark: "Benchmark"
    setting: "Setting"
    strengths: tuple[float, ...]


def run(arguments: Sequence[str]) -> int:
    """FFE-Bench: make the edits that the folder lacks; exit code 1 where there is not one in the end."""
    options = ffe_parser().parse_args([*arguments])
    from pixelsmile.benchmarks.editors.drawn import SANITY_EDITORS

    strengths = _strengths(options)
    choice = _choice(options, SANITY_EDITORS)
    from pixelsmile.benchmarks.ffe.loading import load_benchmark

    benchmark = load_benchmark(options.benchmark, num_samples=options.samples, domains=_domains(options))
    return _run(options, choice, Plan("ffe", benchmark, options.setting, strengths))


def run_fed(arguments: Sequence[str]) -> int:
    """The same for FED-Bench: one edit for each instruction."""
    options = fed_parser().parse_args([*arguments])
    from pixelsmile.benchmarks.editors.drawn_fed import FED_SANITY_EDITORS

    choice = _choice(options, FED_SANITY_EDITORS)
    from pixelsmile.benchmarks.fed.loading import load_fed_benchmark
    from pixelsmile.benchmarks.fed.triplets import GRANULARITIES
    from pixelsmile.benchmarks.running import GENERAL_STRENGTHS

    benchmark = load_fed_benchmark(
        options.benchmark,
        sources=None if options.sources is None else Path(options.sources),
        num_samples=options.samples,
        domains=_domains(options),
        granularities=GRANULARITIES if options.instructions == "both" else (options.instructions,),
    )
    return _run(options, choice, Plan("fed", benchmark, "general", GENERAL_STRENGTHS))


def _run(options: argparse.Namespace, choice: "EditorChoice", plan: Plan) -> int:
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.benchmarks.running import run_edits

    with RunFolder.claimed(Path(options.output)) as folder, _memory_errors():
        started = time.monotonic()
        with closing(_open(options, choice, plan, folder)) as editor:
            events = run_edits(plan.benchmark, editor, folder, plan.setting, plan.strengths, options.seed)
            new = _work(events, options.quiet)
        return _report(options, plan.name, folder, new, time.monotonic() - started)


def _choice(options: argparse.Namespace, sanity: Sequence[str]) -> "EditorChoice":
    from pixelsmile.benchmarks.editors.choosing import parse_editor
    from pixelsmile.cli.model_choice import check_files

    if options.quiet:
        logging.getLogger("pixelsmile").setLevel(logging.ERROR)
    choice = parse_editor(options.editor, sanity)
    _check_options(options, choice)
    if choice.kind == "own":
        check_files(options)
    return choice


def _domains(options: argparse.Namespace) -> "tuple[Domain, ...] | None":
    return None if options.domain == "both" else (options.domain,)


def _strengths(options: argparse.Namespace) -> tuple[float, ...]:
    from pixelsmile.benchmarks.running import GENERAL_STRENGTHS, uniform_strengths

    uniform = {
        name: value
        for name, value in (("num_points", options.points), ("max_strength", options.max_strength))
        if value is not None
    }
    if options.setting == "general":
        if options.strengths or uniform:
            raise InputError(
                "--setting general makes one edit each, at strength 1: "
                "leave out -s, --points and --max-strength"
            )
        return GENERAL_STRENGTHS
    if not options.strengths:
        return uniform_strengths(**uniform)
    if uniform:
        raise InputError("-s names the strengths: leave out --points and --max-strength")
    return tuple(options.strengths)


_OWN_OPTIONS = (
    *("model", "adapter", "steps", "shift", "region", "device", "dtype", "offload", "quantization"),
    "tell",  # of FED-Bench alone
)


def _check_options(options: argparse.Namespace, choice: "EditorChoice") -> None:
    """Options that an editor has no use for are mistakes."""
    useless = [] if choice.kind == "own" else list(_OWN_OPTIONS)
    useless += [] if choice.kind == "command" else ["timeout"]
    for name in useless:
        if getattr(options, name, None) is not None:
            owner = "command:..." if name == "timeout" else "pixelsmile"
            raise InputError(f"--{name} is for --editor {owner}, not {options.editor!r}: leave it out")


def _open(
    options: argparse.Namespace, choice: "EditorChoice", plan: Plan, folder: "RunFolder"
) -> "BenchmarkEditor":
    from pixelsmile.benchmarks.editors.choosing import open_editor
    from pixelsmile.benchmarks.editors.own_settings import OwnSettings

    if choice.kind != "own":
        return open_editor(
            choice, plan.benchmark, OwnSettings(), folder.path, plan.strengths, options.timeout
        )
    from pixelsmile.cli.bench_judge import is_drawn_benchmark
    from pixelsmile.cli.model_choice import check_device, choose_model
    from pixelsmile.cli.progress import Display, silence_libraries
    from pixelsmile.editing.folders import GEOMETRIC, find_model

    with Display(options.quiet).loading("the libraries"):
        silence_libraries()
        check_device(options)
    model = choose_model(options.model, options.device, drawn=is_drawn_benchmark(plan.benchmark.to_record()))
    if model.reason is not None:
        _remark(options, model.reason)
    if model.model != GEOMETRIC:
        find_model(model.model)  # a download shows its own progress, and a bad folder is refused early
    settings = OwnSettings(
        model=model.model,
        adapters=None if options.adapter is None else tuple(options.adapter),
        device=options.device,
        dtype=options.dtype,
        offload=options.offload or "none",
        quantization=options.quantization,
        steps=options.steps,
        shift=options.shift,
        region=options.region or "auto",
        told=getattr(options, "tell", None) or "expression",
    )
    with Display(options.quiet).loading(model.model):
        editor = open_editor(choice, plan.benchmark, settings, folder.path, plan.strengths)
    _check_tasks(options, editor, plan.benchmark)
    return editor


def _check_tasks(options: argparse.Namespace, editor: "BenchmarkEditor", benchmark: "Benchmark") -> None:
    """Say before it edits what a model does not know: other pictures than drawn ones, a domain of the tasks.

    InputError where it does not know the domain of every task, and for instructions that it does not
    understand.
    """
    from pixelsmile.benchmarks.editors.own import OwnEditor

    if not isinstance(editor, OwnEditor):
        return
    unknown = sorted({task.domain for task in benchmark.tasks} - set(editor.domains))
    if unknown:
        raise InputError(
            f"the model knows {' and '.join(editor.domains)} pictures, and some tasks are {unknown[0]}: add "
            f"--domain {editor.domains[0]}, or name another --model"
        )
    if editor.moves_units and getattr(options, "tell", None) == "instruction":
        raise InputError("the model understands no instructions: leave out --tell, or name another --model")
    if editor.note and options.benchmark != "embedded":
        _remark(options, f"the model says: {editor.note}")


def _work(events: Iterator["RunProgress"], quiet: bool) -> int:
    """Run `events` to their end, with a bar where a person watches; how many edits are new."""
    if quiet or not sys.stderr.isatty():
        return sum(event.record is not None for event in events)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("editing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    num_new = num_failed = 0
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("edits", total=None)
        for event in events:
            num_new += event.record is not None
            num_failed += event.record is not None and event.record.file is None
            described = f"edits, {num_failed} failed" if num_failed else "edits"
            bar.update(task, completed=event.num_done, total=event.num_edits, description=described)
    return num_new


def _report(options: argparse.Namespace, name: str, folder: "RunFolder", num_new: int, seconds: float) -> int:
    spec, edits = folder.spec(), folder.edits()
    records = [edits[key] for key in spec.edit_keys()]
    failures = Counter(record.failure for record in records if record.file is None)
    num_made = len(records) - failures.total()
    if options.json:
        counts = {"edits": len(records), "made": num_made, "new": num_new, "failures": dict(failures)}
        print(json.dumps({"run": options.output, **counts, "seconds": round(seconds, 2)}))
    else:
        tasks = _counted(len(spec.tasks), "sample" if name == "ffe" else "instruction")
        print("\n".join(_summary(options.output, tasks, num_made, num_new, seconds, failures)))
        if spec.without_instruction:
            print(f"{_counted(len(spec.without_instruction), 'instruction')} missing: they are unscored")
        if num_made:
            print(f"next: pixelsmile bench {name} judge {shlex.quote(options.output)}")
    return 0 if num_made else 1


def _summary(
    run: str, tasks: str, num_made: int, num_new: int, seconds: float, failures: Counter[str | None]
) -> Iterator[str]:
    from pixelsmile.benchmarks.report.text import printable

    num_edits = num_made + failures.total()
    now = "" if num_new == num_edits else f"{num_new} of them now, "
    took = f"{now}in {seconds:.1f} s" if num_new else "finished before: nothing to do"
    yield f"{run}: {_counted(num_edits, 'edit')} of {tasks}, {took}"
    if failures:
        yield f"{failures.total()} failed; the same command tries them once more:"
        for reason, count in failures.most_common(_MAX_REASONS):
            yield f"  {count} x {printable(one_line(reason))}"
        if len(failures) > _MAX_REASONS:
            yield f"  and {len(failures) - _MAX_REASONS} other reasons: see edits.jsonl there"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
            "the GPU has too little free memory: add --offload model, or --quantization 4bit"
        ) from error


def _remark(options: argparse.Namespace, text: str) -> None:
    if not options.quiet:
        print(f"pixelsmile: {text}", file=sys.stderr)
