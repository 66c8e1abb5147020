"""`pixelsmile bench ffe judge`: verdicts on the edits of a run, and their likeness to the source."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli import bench_judge_options
from pixelsmile.cli.display import print_json, progress
from pixelsmile.cli.judge_options import judge_options
from pixelsmile.cli.options import NONE
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pixelsmile.benchmarks.run_folder import RunFolder, Spec
    from pixelsmile.cli.bench_judge_summary import JudgeStanding, JudgeSummary
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.judges.judge import Judge

EMBEDDED, PHOTO_ENCODER = "embedded", "dlib"
_DRAWN = ("drawn-ffe", "drawn-fed")  # how the names of the embedded benchmarks begin


def ffe_parser() -> CommandParser:
    """`bench ffe judge`."""
    return bench_judge_options.ffe_parser(run)


def run(options: argparse.Namespace) -> int:
    """Judge and measure what is not yet; exit code 1 where a budget left something over, or no
    edit at all has a verdict.
    """
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.judges.choosing import parse_judge

    spec = RunFolder(Path(options.run)).spec_of("ffe")
    with RunFolder.claimed(Path(options.run)) as folder:
        num_made = num_edits_made(folder, "ffe")
        names = judge_names(options, spec)
        settings = judge_options(options, names)
        judges, meter = [parse_judge(name, settings) for name in names], _meter(options, spec)
        if meter is not None:
            measure_identity(options, folder, meter)
        standings = [_judge(options, folder, judge) for judge in judges]
        summary = _summary(options, folder, num_made, standings)
    if options.json:
        print_json(summary.as_json())
    else:
        print("\n".join(summary.lines()))
    return 1 if summary.is_stopped or summary.is_fruitless else 0


def num_edits_made(folder: "RunFolder", benchmark: str) -> int:
    """How many there are to judge; InputError for none."""
    num_made = sum(edit.sha256 is not None for edit in folder.edits().values())
    if not num_made:
        raise InputError(
            f"{str(folder.path)!r} has no edits: let `pixelsmile bench {benchmark} run` make some first"
        )
    return num_made


def judge_names(options: argparse.Namespace, spec: "Spec") -> list[str]:
    """Who is to judge; where nobody is named, who knows such pictures. InputError for people that are drawn
    by others.
    """
    from pixelsmile.judges.choosing import FORMS, PHOTO

    if options.judge:
        return list(dict.fromkeys(options.judge))
    if is_drawn(spec):
        return [EMBEDDED]
    if any(task.domain == "human" for task in spec.tasks):
        return [PHOTO]
    raise InputError(
        f"say who judges these pictures, with --judge {FORMS}; the key of gemini is read from "
        "GEMINI_API_KEY, that of openai from OPENAI_API_KEY"
    )


def encoder_names(options: argparse.Namespace, spec: "Spec") -> list[str]:
    """Who compares the faces; none where likeness is not measured. InputError for `none` among others."""
    encoders: list[str] = options.encoders or [EMBEDDED if is_drawn(spec) else PHOTO_ENCODER]
    if encoders == [NONE]:
        return []
    if NONE in encoders:
        raise InputError(f"--encoders {NONE} stands alone: leave out the others")
    return encoders


def _meter(options: argparse.Namespace, spec: "Spec") -> "LikenessMeter | None":
    """What measures likeness; None where it is not to be measured."""
    encoders = encoder_names(options, spec)
    if not encoders:
        return None
    from pixelsmile.faces.likeness import open_meter

    return open_meter(encoders, options.detector, drawn=is_drawn(spec), device=options.device)


def is_drawn(spec: "Spec") -> bool:
    """Whether the sources are the drawn portraits that the embedded parts know."""
    return is_drawn_benchmark(spec.benchmark)


def is_drawn_benchmark(record: "Mapping[str, JsonValue]") -> bool:
    """The same of a benchmark, by its record."""
    return str(record.get("name", "")).startswith(_DRAWN)


def measure_identity(options: argparse.Namespace, folder: "RunFolder", meter: "LikenessMeter") -> None:
    """The likenesses that are not measured yet."""
    from pixelsmile.benchmarks.likeness import measure_likeness

    with progress(options.quiet, "comparing faces") as show:
        for num_done, num_edits in measure_likeness(folder, meter, force=options.force):
            show(num_done, num_edits)


def _judge(options: argparse.Namespace, folder: "RunFolder", judge: "Judge") -> "JudgeStanding":
    from pixelsmile.benchmarks.judging import EditJudging
    from pixelsmile.cli.bench_judge_summary import judge_standing
    from pixelsmile.judges.run import VerdictCache

    num_done = num_reused = 0
    with (
        VerdictCache(options.cache or folder.path / "verdicts.sqlite") as cache,
        progress(options.quiet, f"judging: {judge.identity.provider}") as show,
    ):
        judging = EditJudging(
            folder,
            judge,
            cache,
            max_concurrency=options.max_concurrency,
            ask_refused_again=options.ask_again,
            max_refusals=options.max_refusals,
        )
        for num_done, judgement in enumerate(judging, 1):
            num_reused += judgement.source in ("cache", "twin")
            show(num_done, judging.num_edits)
    return judge_standing(folder, judge.identity, judging, num_done, num_reused)


def _summary(
    options: argparse.Namespace, folder: "RunFolder", num_made: int, standings: "Sequence[JudgeStanding]"
) -> "JudgeSummary":
    from pixelsmile.cli.bench_judge_summary import JudgeSummary, likeness_standing

    num_edits = len(folder.spec().edit_keys())
    return JudgeSummary(options.run, num_edits, num_made, likeness_standing(folder), standings)
