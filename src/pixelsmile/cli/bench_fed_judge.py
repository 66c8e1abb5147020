"""`pixelsmile bench fed judge`: marks on the edits of a run, and what of its components is measured."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli import bench_judge_options
from pixelsmile.cli.bench_judge import (
    encoder_names,
    is_drawn,
    judge_names,
    measure_identity,
    num_edits_made,
)
from pixelsmile.cli.display import print_json, progress
from pixelsmile.cli.judge_options import judge_options
from pixelsmile.cli.parsing import CommandParser

if TYPE_CHECKING:
    from pixelsmile.benchmarks.fed.background import OtherSizes
    from pixelsmile.benchmarks.fed.changes_of_scores import JudgedScores
    from pixelsmile.benchmarks.fed.marking import MarkerSet
    from pixelsmile.benchmarks.fed.representations import ExpressionRepresentation
    from pixelsmile.benchmarks.judging import EditJudging
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.cli.bench_fed_judge_summary import Asking, FedJudgeSummary
    from pixelsmile.expressions import Domain
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.judges.judge import Judge
    from pixelsmile.judges.run import VerdictCache

_SCORES = "scores"
_NONE = "none"


def parser() -> CommandParser:
    """`bench fed judge`."""
    return bench_judge_options.fed_parser(run)


def run(options: argparse.Namespace) -> int:
    """Mark and measure what is not yet; exit code 1 where a budget left something over, or
    no edit at all has a mark.
    """
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.faces.likeness import open_meter
    from pixelsmile.judges.run import VerdictCache

    spec = RunFolder(Path(options.run)).spec_of("fed")
    with RunFolder.claimed(Path(options.run)) as folder:
        num_edits_made(folder, "fed")
        drawn = is_drawn(spec)
        markers = _markers(options, judge_names(options, spec))
        meter = open_meter(encoder_names(options, spec), options.detector, drawn=drawn, device=options.device)
        measured = _representation(options, meter, drawn, spec.tasks[0].domain)
        _measure(options, folder, meter, measured)
        with VerdictCache(options.cache or folder.path / "verdicts.sqlite") as cache:
            summaries = [_judge(options, folder, one, scorer, measured, cache) for one, scorer in markers]
    if options.json:
        print_json({"run": options.run, "judges": [summary.as_json() for summary in summaries]})
    else:
        print("\n".join(line for summary in summaries for line in summary.lines()))
    stopped = any(summary.stopped for summary in summaries)
    return 1 if stopped or all(summary.is_fruitless for summary in summaries) else 0


def _markers(options: argparse.Namespace, names: list[str]) -> "list[tuple[MarkerSet, Judge | None]]":
    """Of each name the three markers, and who gives scores where REG is measured by these."""
    from pixelsmile.benchmarks.fed.marking import MarkerSet
    from pixelsmile.judges.choosing import parse_judge, parse_markers

    settings = judge_options(options, names)
    by_scores = options.representation == _SCORES
    return [
        (MarkerSet(parse_markers(name, settings)), parse_judge(name, settings) if by_scores else None)
        for name in names
    ]


def _representation(
    options: argparse.Namespace, meter: "LikenessMeter", drawn: bool, domain: "Domain"
) -> "ExpressionRepresentation | None":
    """What changes are measured by, where that is no judge."""
    kind, _, source = options.representation.partition("=")
    if kind in (_SCORES, _NONE):
        return None
    from pixelsmile.benchmarks.fed.representations import EmbeddingRepresentation, LandmarkRepresentation

    if kind == "landmarks":
        return LandmarkRepresentation(meter.detector, meter.detector_sha256)
    if drawn and not source:
        from pixelsmile.embedded import features_path
        from pixelsmile.features.drawn import DrawnEncoder

        return EmbeddingRepresentation(DrawnEncoder.from_folder(features_path()))
    from pixelsmile.features.clip import PUBLISHED, ClipEncoder

    published = PUBLISHED[domain]
    where = (source, None) if source else (published.source, published.revision)
    encoder = ClipEncoder.from_pretrained(*where, device=options.device)
    return EmbeddingRepresentation(encoder, meter.detector, meter.detector_sha256)


def _measure(
    options: argparse.Namespace,
    folder: "RunFolder",
    meter: "LikenessMeter",
    representation: "ExpressionRepresentation | None",
) -> None:
    """What needs no judge."""
    from pixelsmile.benchmarks.fed.background import BackgroundMeter, measure_background
    from pixelsmile.benchmarks.fed.changes import measure_changes

    if meter.encoders:
        measure_identity(options, folder, meter)
    sizes: OtherSizes = "resized" if options.resize else "unscored"
    backgrounds = BackgroundMeter(meter.detector, meter.detector_sha256, sizes)
    _show(options, "comparing backgrounds", measure_background(folder, backgrounds, force=options.force))
    if representation is not None:
        _show(options, "measuring changes", measure_changes(folder, representation))


def _judge(
    options: argparse.Namespace,
    folder: "RunFolder",
    markers: "MarkerSet",
    scorer: "Judge | None",
    measured: "ExpressionRepresentation | None",
    cache: "VerdictCache",
) -> "FedJudgeSummary":
    from pixelsmile.benchmarks.fed.changes import measure_changes
    from pixelsmile.benchmarks.fed.changes_of_scores import JudgedScores
    from pixelsmile.benchmarks.fed.marking import MARKED, keep_markers, marking
    from pixelsmile.cli.bench_fed_judge_summary import FedJudgeSummary

    asked: dict[str, Asking] = {}
    scores = None
    how = {
        "max_concurrency": options.max_concurrency,
        "ask_refused_again": options.ask_again,
        "max_refusals": options.max_refusals,
    }
    if scorer is not None:
        scores = JudgedScores(folder, scorer, cache, **how)
        measured = scores
    record = markers.record(None if measured is None else measured.settings.id)
    keep_markers(folder, record)
    for component in MARKED:
        judging = marking(folder, component, markers.judge(component), cache, **how)
        asked[component] = _ask(options, component.replace("_", " "), judging, judging.num_edits)
    if scores is not None:
        asked[_SCORES] = _ask(options, _SCORES, scores, scores.num_pictures)
        _show(options, "measuring changes", measure_changes(folder, scores))
    return FedJudgeSummary.of(folder, record, asked)


def _ask(
    options: argparse.Namespace, what: str, judging: "EditJudging | JudgedScores", num_asked: int
) -> "Asking":
    """Run a pass to its end; what came of it."""
    from pixelsmile.benchmarks.opinions import examples_of
    from pixelsmile.cli.bench_fed_judge_summary import Asking

    num_done = num_reused = 0
    with progress(options.quiet, f"judging: {what}") as show:
        for num_done, judgement in enumerate(judging, 1):
            num_reused += judgement.source in ("cache", "twin")
            show(num_done, num_asked)
    return Asking(num_done, num_reused, judging.num_left, judging.stopped, examples_of(judging.outcomes))


def _show(options: argparse.Namespace, what: str, events: Iterator[tuple[int, int]]) -> None:
    with progress(options.quiet, what) as show:
        for num_done, num_edits in events:
            show(num_done, num_edits)
