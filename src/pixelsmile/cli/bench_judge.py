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
    from pixelsmile.benchmarks.scorers.scorer import Scorer, Scoring
    from pixelsmile.cli.bench_judge_summary import JudgeStanding, JudgeSummary
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.judges.judge import Judge
    from pixelsmile.judges.run import Asker, VerdictCache

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
    from pixelsmile.benchmarks.scorers.identity import IdentityScorer
    from pixelsmile.judges.names import parse_judge

    spec = RunFolder(Path(options.run)).spec_of("ffe")
    with RunFolder.claimed(Path(options.run)) as folder:
        num_made = num_edits_made(folder, "ffe")
        names = judge_names(options, spec)
        settings = judge_options(options, names)
        judges, meter = [parse_judge(name, settings) for name in names], _meter(options, spec)
        if meter is not None:
            run_scorer(options, folder, IdentityScorer(meter), "comparing faces")
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
    from pixelsmile.judges.names import FORMS, PHOTO

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


def asker_of(options: argparse.Namespace, judge: "Judge", cache: "VerdictCache") -> "Asker":
    """The judge, asked as the options say."""
    from pixelsmile.judges.run import Asker

    return Asker(judge, cache, ask_refused_again=options.ask_again, max_refusals=options.max_refusals)


def run_scorer(options: argparse.Namespace, folder: "RunFolder", scorer: "Scorer", what: str) -> "Scoring":
    """Have the edits scored that are not; the pass, at its end."""
    from pixelsmile.benchmarks.scorers.scorer import Scoring

    scoring = Scoring(folder, scorer, force=options.force)
    with progress(options.quiet, what) as show:
        for num_done, _ in enumerate(scoring, 1):
            show(num_done, scoring.num_edits)
    return scoring


def _judge(options: argparse.Namespace, folder: "RunFolder", judge: "Judge") -> "JudgeStanding":
    from pixelsmile.benchmarks.scorers.judged import VerdictScorer
    from pixelsmile.cli.bench_judge_summary import judge_standing
    from pixelsmile.judges.run import VerdictCache

    with VerdictCache(options.cache or folder.path / "verdicts.sqlite") as cache:
        asker = asker_of(options, judge, cache)
        scorer = VerdictScorer(asker, options.max_concurrency)
        scoring = run_scorer(options, folder, scorer, f"judging: {judge.identity.provider}")
    return judge_standing(folder, scorer, scoring, asker.num_reused)


def _summary(
    options: argparse.Namespace, folder: "RunFolder", num_made: int, standings: "Sequence[JudgeStanding]"
) -> "JudgeSummary":
    from pixelsmile.cli.bench_judge_summary import JudgeSummary, likeness_standing

    num_edits = len(folder.spec().edit_keys())
    return JudgeSummary(options.run, num_edits, num_made, likeness_standing(folder), standings)
