"""`pixelsmile bench ffe run` and `fed run`: an editor makes the edits of a benchmark, to be judged."""

import argparse
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.bench_editor import open_run_editor
from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.editor_options import (
    add_editor,
    add_server,
    check_options,
)
from pixelsmile.cli.options import (
    ACCELERATIONS,
    add_acceleration,
    add_adapter,
    add_control,
    add_device,
    add_domain,
    add_instructions,
    add_json,
    add_quiet,
    add_sampling,
    add_seed,
    asked_model,
    memory_errors,
)
from pixelsmile.cli.parsing import (
    CommandParser,
    ExtendList,
    listed,
    one_of,
    whole_number,
)
from pixelsmile.editing.folders import FULL_MODEL, GEOMETRIC, PUBLISHED_ADAPTER
from pixelsmile.editors import REGIONS, WORDINGS
from pixelsmile.errors import InputError, one_line
from pixelsmile.expressions import MAX_STRENGTH, parse_strength

if TYPE_CHECKING:
    from pixelsmile.benchmarks.benchmark import Benchmark
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.benchmarks.runner import EditingStatus, RunProgress, Setting
    from pixelsmile.editors.choice import EditorChoice
    from pixelsmile.expressions import Domain

_MAX_REASONS = 5  # of failures that are printed
_ADVICE = "add --offload model, or --quantization 4bit"
_OWN_OPTIONS = (
    *(
        "model",
        "adapter",
        "control",
        "steps",
        "shift",
        "guidance",
        "region",
        "device",
        "dtype",
        "offload",
        "quantization",
        *ACCELERATIONS,
    ),
    "tell",  # of FED-Bench alone
)
_FFE_EPILOG = """examples:
  pixelsmile bench ffe run --samples 12 -o runs/first
  pixelsmile bench ffe run --adapter PixelSmile/PixelSmile --model Qwen/Qwen-Image-Edit-2511 \\
      --benchmark FFE-Bench --paper -o runs/ours
  pixelsmile bench ffe run --editor folder:edits --benchmark FFE-Bench \\
      --setting general -o runs/theirs
  pixelsmile bench ffe run --editor command:"python my_editor.py" -o runs/mine
  pixelsmile bench ffe run --editor nano-banana-pro --max-cost 20 -o runs/banana
  pixelsmile bench ffe run --editor flux-kontext-dev --offload model -o runs/kontext

The same command again goes on where a run was interrupted, and tries once more what failed.
"""
_FED_EPILOG = """examples:
  pixelsmile bench fed run --samples 12 -o runs/first
  pixelsmile bench fed run --benchmark FED-Bench --sources SFEW \\
      --adapter PixelSmile.safetensors -o runs/ours
  pixelsmile bench fed run --editor folder:edits --benchmark mine.jsonl \\
      --instructions dense -o runs/theirs
  pixelsmile bench fed run --editor truth --samples 12 -o runs/truth

The same command again goes on where a run was interrupted, and tries once more what failed.
"""


def ffe_parser() -> CommandParser:
    """`bench ffe run`; every value is checked as far as that goes without a benchmark or a model."""
    parser = CommandParser("bench ffe run", "Let an editor do the edits of FFE-Bench.", run_ffe, _FFE_EPILOG)
    _add_sweep(_add_benchmark(parser, "FFE-Bench"))
    _add_editor(parser, "truth, copy, exaggerated, partner, random-strength, saturating, jumping")
    _add_model(parser).add_argument(
        "--paper",
        action="store_true",
        help="as the paper and its authors' code have it: the whole picture at 512 px, 50 steps, no "
        "guidance, seed 42 for all samples; the report lists what differs all the same",
    )
    add_server(parser)
    _add_output(parser)
    return parser


def fed_parser() -> CommandParser:
    """`bench fed run`."""
    parser = CommandParser("bench fed run", "Let an editor do the edits of FED-Bench.", run_fed, _FED_EPILOG)
    group = _add_benchmark(parser, "FED-Bench")
    group.add_argument(
        "--sources", metavar="FOLDER", help="your copy of SFEW 2.0, whose stills FED-Bench's sources are"
    )
    add_instructions(group)
    _add_editor(parser, "truth, copy, half, 1.5x, 2x, wrong-expression, other-person, shifted, blurred")
    _add_model(parser).add_argument(
        "--tell",
        type=one_of("tell", WORDINGS),
        metavar="WHAT",
        help="expression (default): the model's own prompt for the class; instruction: the task's words",
    )
    add_server(parser)
    _add_output(parser)
    return parser


def _add_benchmark(parser: CommandParser, name: str) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("what is asked")
    which = f"embedded (drawn portraits, default), {name} in a folder, or a JSON-lines file"
    group.add_argument("--benchmark", default="embedded", metavar="WHICH", help=which)
    group.add_argument(
        "--samples", type=whole_number("samples", 1), metavar="N", help="only so many (default: all)"
    )
    add_domain(group, both=True)
    add_seed(group, "of the run; each sample has its own from it")
    return group


def _add_sweep(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--setting",
        type=one_of("setting", ("general", "linear")),
        metavar="HOW",
        help="linear: a sweep of strengths for each sample (default, where the editor takes strengths); "
        "general: one edit, at strength 1",
    )
    group.add_argument(
        "-s",
        "--strengths",
        nargs="+",
        action=ExtendList,
        type=listed(parse_strength),
        metavar="S",
        help=f"of the sweep: 0 is neutral, 1 full, up to {MAX_STRENGTH:g} (default 0,0.25,0.5,0.75,1)",
    )
    group.add_argument(
        "--points",
        type=whole_number("points", 2, 1000),
        metavar="N",
        help="instead: that many strengths, evenly spaced from 0 (default 5)",
    )
    group.add_argument(
        "--max-strength",
        type=parse_strength,
        metavar="X",
        help="the largest of evenly spaced strengths (default 1)",
    )


def _add_editor(parser: CommandParser, sanity: str) -> None:
    group = parser.add_argument_group("who edits")
    add_editor(
        group,
        "pixelsmile (default); one of `pixelsmile editors list`, such as seedream-4.5; folder:PATH, pictures "
        "made elsewhere; command:LINE, your program; a model behind an address (below); or, to check the "
        f"measures: {sanity}",
        default="pixelsmile",
    )
    group.add_argument(
        "--max-concurrency",
        type=whole_number("max-concurrency", 1, 1000),
        metavar="N",
        help="how many samples a command (default 1) or a server (default 8) is given at once",
    )
    group.add_argument(
        "--processes",
        type=whole_number("processes", 1, 1024),
        metavar="N",
        help="edit in so many processes, each with one of the GPUs; the edits are the same",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="edit on the Ray cluster at ADDRESS (auto: one that runs here), else on this machine by Ray; "
        "--processes says in how many (default: one a GPU, or a processor)",
    )


def _add_model(parser: CommandParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("for --editor pixelsmile, and for pipelines of the table")
    group.add_argument(
        "--model",
        metavar="MODEL",
        help="`embedded`, a folder, or a hub id (default: what fits this machine, or what the table says)",
    )
    add_adapter(group)
    add_control(group)
    add_sampling(group)
    group.add_argument(
        "--region",
        type=one_of("region", REGIONS),
        metavar="WHAT",
        help="face: edit around the sample's face box and paste back; whole: the whole picture; "
        "auto (default): the face where it is small or the picture not square",
    )
    add_device(group)
    add_acceleration(group)
    return group


def _add_output(parser: CommandParser) -> None:
    group = parser.add_argument_group("what to write")
    group.add_argument("-o", "--output", metavar="RUN", required=True, help="the folder of the run")
    add_json(group, "the summary")
    add_quiet(group)


def run_ffe(options: argparse.Namespace) -> int:
    """FFE-Bench: make the edits that the folder lacks; exit code 1 where there is not one in the end."""
    from pixelsmile.editors.sanity import SANITY_EDITORS

    choice = _choice(options, SANITY_EDITORS)
    _check_paper(options, choice)
    setting = _setting(options, choice)
    strengths = _strengths(options, setting)
    from pixelsmile.benchmarks.catalogue import load_ffe_benchmark

    benchmark = load_ffe_benchmark(options.benchmark, num_samples=options.samples, domains=_domains(options))
    return _run(options, choice, benchmark, setting, strengths)


def run_fed(options: argparse.Namespace) -> int:
    """The same for FED-Bench: one edit for each instruction."""
    from pixelsmile.editors.sanity import FED_SANITY_EDITORS

    choice = _choice(options, FED_SANITY_EDITORS)
    from pixelsmile.benchmarks.catalogue import load_fed_benchmark
    from pixelsmile.benchmarks.runner import GENERAL_STRENGTHS
    from pixelsmile.editors.editor import GRANULARITIES

    benchmark = load_fed_benchmark(
        options.benchmark,
        sources=None if options.sources is None else Path(options.sources),
        num_samples=options.samples,
        domains=_domains(options),
        granularities=GRANULARITIES if options.instructions == "both" else (options.instructions,),
    )
    return _run(options, choice, benchmark, "general", GENERAL_STRENGTHS)


def _run(
    options: argparse.Namespace,
    choice: "EditorChoice",
    benchmark: "Benchmark",
    setting: "Setting",
    strengths: tuple[float, ...],
) -> int:
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.benchmarks.runner import run_edits

    with RunFolder.claimed(Path(options.output)) as folder, memory_errors(_ADVICE):
        started = time.monotonic()
        editor = open_run_editor(options, choice, benchmark, strengths, folder)
        new = _work(run_edits(benchmark, editor, folder, setting, strengths, options.seed), options.quiet)
        return _report(options, folder, new, time.monotonic() - started)


def _choice(options: argparse.Namespace, sanity: Sequence[str]) -> "EditorChoice":
    from pixelsmile.editors.choice import own_model, parse_editor

    choice = parse_editor(options.editor, sanity)
    check_options(options, choice, _OWN_OPTIONS)
    if choice.kind == "own":
        own_model(choice, asked_model(options)).check_files()
    return choice


def _check_paper(options: argparse.Namespace, choice: "EditorChoice") -> None:
    """InputError for --paper with no model that takes prompts, or beside an option that it decides."""
    if not options.paper:
        return
    if choice.kind != "own":
        raise InputError(f"--paper is for --editor pixelsmile, not {options.editor!r}: leave it out")
    if options.model in (None, GEOMETRIC):
        raise InputError(
            f"--paper is for a model that is prompted: add --model {FULL_MODEL} --adapter {PUBLISHED_ADAPTER}"
        )
    names = ("steps", "shift", "guidance", "region", "preset", "step_cache")
    if given := [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None]:
        raise InputError(f"--paper decides {', '.join(given)}: leave one of the two out")


def _domains(options: argparse.Namespace) -> "tuple[Domain, ...] | None":
    return None if options.domain == "both" else (options.domain,)


def _setting(options: argparse.Namespace, choice: "EditorChoice") -> "Setting":
    """As it was asked for; else linear, where the editor takes strengths."""
    if options.setting is not None:
        return "general" if options.setting == "general" else "linear"
    if choice.takes_strength or options.strengths or options.points or options.max_strength:
        return "linear"
    remark(
        f"{options.editor} takes no strength: it is asked for full edits alone, and measured without CLS",
        options.quiet,
    )
    return "general"


def _strengths(options: argparse.Namespace, setting: "Setting") -> tuple[float, ...]:
    from pixelsmile.benchmarks.runner import GENERAL_STRENGTHS, uniform_strengths

    uniform = {
        name: value
        for name, value in (("num_points", options.points), ("max_strength", options.max_strength))
        if value is not None
    }
    if setting == "general":
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


def _work(events: Iterator["RunProgress"], quiet: bool) -> int:
    """Run `events` to their end; how many edits are new."""
    num_new = num_failed = 0
    with progress(quiet, "editing") as show:
        for event in events:
            num_new += event.record is not None
            num_failed += event.record is not None and event.record.file is None
            unit = f"edits, {num_failed} failed" if num_failed else "edits"
            show(event.num_done, event.num_edits, unit=unit)
    return num_new


def _report(options: argparse.Namespace, folder: "RunFolder", num_new: int, seconds: float) -> int:
    from pixelsmile.benchmarks.runner import EditingStatus

    status, benchmark = EditingStatus.of(options.output, folder), folder.spec().tasks[0].benchmark
    exit_code = 0 if status.num_made else 1
    if options.json:
        print_json({**status.as_json(), "new": num_new, "seconds": round(seconds, 2)})
        return exit_code
    print("\n".join(_lines(status, "sample" if benchmark == "ffe" else "instruction", num_new, seconds)))
    if status.num_made:
        print(f"next: pixelsmile bench {benchmark} judge {shlex.quote(options.output)}")
    return exit_code


def _lines(status: "EditingStatus", task: str, num_new: int, seconds: float) -> Iterator[str]:
    """task: what one is called. num_new: edits of this call, which took so many seconds."""
    now = "" if num_new == status.num_edits else f"{num_new} of them now, "
    took = f"{now}in {seconds:.1f} s" if num_new else "finished before: nothing to do"
    yield f"{status.run}: {counted(status.num_edits, 'edit')} of {counted(status.num_tasks, task)}, {took}"
    if status.failures:
        yield f"{sum(status.failures.values())} failed; the same command tries them once more:"
    for reason, count in Counter(status.failures).most_common(_MAX_REASONS):
        yield f"  {count} x {one_line(reason)}"
    if len(status.failures) > _MAX_REASONS:
        yield f"  and {counted(len(status.failures) - _MAX_REASONS, 'other reason')}: see edits.jsonl there"
    if status.num_missing:
        yield f"{counted(status.num_missing, task)} missing: they are unscored"
