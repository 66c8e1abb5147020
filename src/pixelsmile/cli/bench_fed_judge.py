"""`pixelsmile bench fed judge`: marks on the edits of a run, and what of its components is measured."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli import bench_judge_options
from pixelsmile.cli.bench_judge import (
    asker_of,
    encoder_names,
    is_drawn,
    judge_names,
    num_edits_made,
    run_scorer,
)
from pixelsmile.cli.display import print_json
from pixelsmile.cli.judge_options import judge_options
from pixelsmile.cli.parsing import CommandParser

if TYPE_CHECKING:
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.benchmarks.scorers.background import OtherSizes
    from pixelsmile.benchmarks.scorers.representations import ExpressionRepresentation
    from pixelsmile.benchmarks.scorers.scorer import Scorer
    from pixelsmile.cli.bench_fed_judge_summary import Asking, FedJudgeSummary
    from pixelsmile.expressions import Domain
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.judges.judge import Judge, Markers
    from pixelsmile.judges.run import Asker, VerdictCache

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


def _markers(options: argparse.Namespace, names: list[str]) -> "list[tuple[Markers, Judge | None]]":
    """Of each name the three markers, and who gives scores where REG is measured by these."""
    from pixelsmile.judges.names import parse_judge, parse_markers

    settings = judge_options(options, names)
    by_scores = options.representation == _SCORES
    return [
        (parse_markers(name, settings), parse_judge(name, settings) if by_scores else None) for name in names
    ]


def _representation(
    options: argparse.Namespace, meter: "LikenessMeter", drawn: bool, domain: "Domain"
) -> "ExpressionRepresentation | None":
    """What changes are measured by, where that is no judge."""
    kind, _, source = options.representation.partition("=")
    if kind in (_SCORES, _NONE):
        return None
    from pixelsmile.benchmarks.scorers.representations import EmbeddingRepresentation, LandmarkRepresentation

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
    from pixelsmile.benchmarks.scorers.background import BackgroundScorer
    from pixelsmile.benchmarks.scorers.change import ChangeScorer
    from pixelsmile.benchmarks.scorers.identity import IdentityScorer

    if meter.encoders:
        run_scorer(options, folder, IdentityScorer(meter), "comparing faces")
    sizes: OtherSizes = "resized" if options.resize else "unscored"
    background = BackgroundScorer(meter.detector, meter.detector_sha256, sizes)
    run_scorer(options, folder, background, "comparing backgrounds")
    if representation is not None:
        run_scorer(options, folder, ChangeScorer(representation), "measuring changes")


def _judge(
    options: argparse.Namespace,
    folder: "RunFolder",
    markers: "Markers",
    judge: "Judge | None",
    measured: "ExpressionRepresentation | None",
    cache: "VerdictCache",
) -> "FedJudgeSummary":
    from pixelsmile.benchmarks.scorers.change import ChangeScorer
    from pixelsmile.benchmarks.scorers.judged import (
        MarkersRecord,
        MarkScorer,
        judges_by_component,
        keep_markers,
    )
    from pixelsmile.benchmarks.scorers.representations import ScoreRepresentation
    from pixelsmile.cli.bench_fed_judge_summary import FedJudgeSummary

    scorers: list[tuple[Scorer, Asker]] = []
    for component, marker in judges_by_component(markers).items():
        asker = asker_of(options, marker, cache)
        scorers.append((MarkScorer(component, asker, options.max_concurrency), asker))
    if judge is not None:
        asker = asker_of(options, judge, cache)
        measured = ScoreRepresentation(asker)
        scorers.append((ChangeScorer(measured, options.max_concurrency), asker))
    record = MarkersRecord.of(markers, None if measured is None else measured.settings.id)
    keep_markers(folder, record)
    asked = {scorer.name: _ask(options, folder, scorer, asker) for scorer, asker in scorers}
    return FedJudgeSummary.of(folder, record, asked)


def _ask(options: argparse.Namespace, folder: "RunFolder", scorer: "Scorer", asker: "Asker") -> "Asking":
    """Run a pass to its end; what came of it."""
    from pixelsmile.benchmarks.scorers.outcomes import examples_of
    from pixelsmile.benchmarks.scorers.scorer import score_records
    from pixelsmile.cli.bench_fed_judge_summary import Asking

    scoring = run_scorer(options, folder, scorer, f"judging: {scorer.name.replace('_', ' ')}")
    examples = examples_of(record.score for record in score_records(folder, scorer.place).values())
    return Asking(asker.num_asked, asker.num_reused, scoring.num_left, scoring.stopped, examples)
