"""`pixelsmile bench ffe judge` and `fed judge`: the edits of a run are judged and measured."""

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.options import (
    JUDGES,
    NONE,
    add_json,
    add_quiet,
    add_refusals,
    add_server,
    judge_options,
)
from pixelsmile.cli.parsing import CommandParser, one_of
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.fed.judging import FedStatus
    from pixelsmile.benchmarks.ffe.judging import FfeStatus
    from pixelsmile.benchmarks.run_folder import BenchmarkKind, RunFolder, Spec
    from pixelsmile.benchmarks.scorers.background import OtherSizes
    from pixelsmile.benchmarks.scorers.judged import JudgePass
    from pixelsmile.benchmarks.scorers.representations import ExpressionRepresentation
    from pixelsmile.benchmarks.scorers.scorer import Scorer, Scoring
    from pixelsmile.editors.drawn_portrait import DrawnPortrait
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.features.encoder import ImageEncoder
    from pixelsmile.judges.judge import Judge
    from pixelsmile.judges.run import Asker, VerdictCache

EMBEDDED, PHOTO_ENCODER = "embedded", "dlib"
_SCORES = "scores"
_REPRESENTATIONS = (_SCORES, "landmarks", "embedding", NONE)
_WHO = (
    JUDGES.format(
        photo="photographs", embedded="drawn portraits, on this machine (default for the embedded benchmark)"
    )
    + """  scripted:FILE             JSON lines: {"picture": SHA-256 of its pixels, "answer": ...}

encoders:
  embedded                  three of them, for drawn portraits (for the embedded benchmark: default)
  dlib                      for photographs (other benchmarks: default); a scale of its own
  arcface adaface facenet   published weights (pixelsmile models list); auraface for commercial use
  KIND=PATH or PATH         a file, or a folder that says its kind
  none                      identity is not measured
"""
)
_FFE_EPILOG = """
examples:
  pixelsmile bench ffe judge runs/first
  pixelsmile bench ffe judge runs/ours --judge gemini:gemini-3.1-pro-preview \\
      --max-requests 500 --encoders none
  pixelsmile bench ffe judge runs/ours --judge openai:qwen2.5vl:7b@http://localhost:11434/v1 \\
      --encoders arcface adaface facenet

The same command again does what is left, and asks once more about edits without a verdict,
but for those that the judge refused (--ask-again).
"""
_FED_EPILOG = """
marks from a script:
  {"question": SHA-256 (Question.sha256), "answer": {"reason": "...", "mark": 7.5}}

what the change of an expression is measured by:
  scores                    twelve scores, by the judge (default): it sees three more pictures
  landmarks                 five points of the face, where the detector finds them
  embedding[=CLIP]          an image encoder: the embedded one for drawn portraits, else CLIP
                            from the hub or a folder
  none                      REG is not measured, and nothing has a score

examples:
  pixelsmile bench fed judge runs/first
  pixelsmile bench fed judge runs/ours --judge gemini:gemini-3.1-pro-preview \\
      --encoders arcface --max-concurrency 32
  pixelsmile bench fed judge runs/ours --judge openai:my-model@http://localhost:8000/v1 \\
      --encoders arcface --representation landmarks

The same command again does what is left, and asks once more about edits without a mark,
but for those that the judge refused (--ask-again).
"""


def ffe_parser() -> CommandParser:
    """`bench ffe judge`; every value is checked as far as that goes without a judge or an encoder."""
    summary = "Have the edits of a run judged, and measure their likeness to the source."
    parser = CommandParser("bench ffe judge", summary, run_ffe, _WHO + _FFE_EPILOG)
    _add_all(parser, "who judges; given more than once: one after the other, and reports can take their mean")
    group = parser.add_argument_group("drawn portraits (the embedded benchmark)")
    group.add_argument(
        "--no-truth", action="store_true", help="do not compare with the drawn truth at the same strength"
    )
    group.add_argument(
        "--damage",
        action="store_true",
        help="look for damage: how far an edit is from any drawing of the person; half a second each",
    )
    return parser


def fed_parser() -> CommandParser:
    """`bench fed judge`."""
    summary = "Have the edits of a run marked, and measure likeness, background and change of expression."
    parser = CommandParser("bench fed judge", summary, run_fed, _WHO + _FED_EPILOG)
    _add_all(parser, "who marks; given more than once: one after the other")
    group = parser.add_argument_group("what else is measured")
    group.add_argument(
        "--representation",
        type=_representation_name,
        default="scores",
        metavar="WHAT",
        help="of an expression, for its change: scores (default), landmarks, embedding or none",
    )
    group.add_argument(
        "--resize",
        action="store_true",
        help="bring edits of another size to the source's to compare backgrounds (default: unscored)",
    )
    group.add_argument(
        "--no-damage",
        action="store_true",
        help="leave PQ to the embedded judge alone, where it also looks for damage of drawn portraits",
    )
    return parser


def _representation_name(text: str) -> str:
    kind, equals, source = text.partition("=")
    checked = one_of("representation", _REPRESENTATIONS)(kind)
    if equals and (checked != "embedding" or not source):
        raise InputError(f"--representation {text!r}: only embedding takes a model, as in embedding=FOLDER")
    return text


def _add_all(parser: CommandParser, who: str) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of the run")
    parser.add_argument(
        "--judge",
        action="append",
        metavar="JUDGE",
        help=who,
    )
    parser.add_argument(
        "--cache", metavar="FILE", help="share verdicts between runs (default: one of the run)"
    )
    add_json(parser, "the summary")
    add_quiet(parser)
    _add_likeness(parser)
    add_server(parser)
    add_refusals(parser)


def _add_likeness(parser: CommandParser) -> None:
    group = parser.add_argument_group("likeness")
    group.add_argument("--encoders", nargs="+", metavar="ENCODER", help="who compares the faces")
    group.add_argument(
        "--detector",
        default="auto",
        metavar="NAME",
        help="who finds them: auto (default), scrfd, yunet, embedded (drawn portraits), or an ONNX file",
    )
    group.add_argument("--device", metavar="DEVICE", help="of the encoders (default: a GPU if there is one)")
    group.add_argument(
        "--force", action="store_true", help="measure all again where other encoders or detectors did before"
    )


def run_ffe(options: argparse.Namespace) -> int:
    """Judge and measure what is not yet; exit code 1 where a budget left something over, or no edit at all
    has a verdict.
    """
    from pixelsmile.benchmarks.ffe.judging import FfeStatus, JudgeStatus, ffe_measures, ffe_verdicts
    from pixelsmile.judges.names import parse_judge

    with _claimed(options, "ffe") as (folder, spec):
        names = _judge_names(options, spec)
        settings, encoders = judge_options(options, names), _encoder_names(options, spec)
        judges = [parse_judge(name, settings) for name in names]
        for what, scorer in ffe_measures(
            _meter(options, spec, encoders) if encoders else None,
            _portraits(options, folder, spec, needed=options.damage)
            if options.damage or not options.no_truth
            else None,
            None if options.no_truth else _drawn_encoder(spec),
            damage=options.damage,
        ).items():
            _score(options, folder, scorer, what)
        with _cache(options, folder) as cache:
            found = [
                JudgeStatus.of(
                    folder, scorer.settings, _ask(options, folder, scorer, asker, scorer.settings.provider)
                )
                for scorer, asker in ffe_verdicts(judges, _asker(options, cache), options.max_concurrency)
            ]
        status = FfeStatus.of(options.run, folder, found)
    if options.json:
        print_json(status.as_json())
    else:
        print("\n".join(_ffe_lines(status)))
    return 1 if status.is_stopped or status.is_fruitless else 0


def run_fed(options: argparse.Namespace) -> int:
    """Mark and measure what is not yet; exit code 1 where a budget left something over, or no edit at all
    has a mark.
    """
    from pixelsmile.benchmarks.fed.judging import FedStatus, fed_marks, fed_measures
    from pixelsmile.benchmarks.scorers.judged import keep_markers
    from pixelsmile.judges.names import parse_judge, parse_markers

    with _claimed(options, "fed") as (folder, spec):
        names = _judge_names(options, spec)
        settings, by_scores = judge_options(options, names), options.representation == _SCORES
        judges = [
            (parse_markers(name, settings), parse_judge(name, settings) if by_scores else None)
            for name in names
        ]
        meter = _meter(options, spec, _encoder_names(options, spec))
        measured = _representation(options, meter, spec)
        sizes: OtherSizes = "resized" if options.resize else "unscored"
        if EMBEDDED in names and options.no_damage:
            _require_no_damage(folder)
        by_damage = EMBEDDED in names and not options.no_damage
        damaged = _portraits(options, folder, spec) if by_damage else None
        for what, scorer in fed_measures(meter, sizes, measured, damaged).items():
            _score(options, folder, scorer, what)
        found = []
        with _cache(options, folder) as cache:
            asker = _asker(options, cache)
            for markers, judge in judges:
                record, passes = fed_marks(markers, judge, asker, options.max_concurrency, measured)
                keep_markers(folder, record)
                asked = {
                    name: _ask(options, folder, *each, name.replace("_", " "))
                    for name, each in passes.items()
                }
                found.append(FedStatus.of(folder, record, asked))
    if options.json:
        print_json({"run": options.run, "judges": [status.as_json() for status in found]})
    else:
        print("\n".join(line for status in found for line in _fed_lines(status)))
    is_stopped = any(status.stopped for status in found)
    return 1 if is_stopped or all(status.is_fruitless for status in found) else 0


def _require_no_damage(folder: "RunFolder") -> None:
    """InputError where damage was looked for before: it stays a part of PQ."""
    from pixelsmile.benchmarks.scorers.drawn import DamageSettings
    from pixelsmile.benchmarks.scorers.scorer import settings_at
    from pixelsmile.benchmarks.scores import DAMAGE

    if settings_at(folder, f"scores/{DAMAGE}", DamageSettings) is not None:
        raise InputError(
            f"damage was looked for in {str(folder.path)!r} before, and stays a part of its PQ: leave out "
            "--no-damage, or judge another run"
        )


@contextmanager
def _claimed(options: argparse.Namespace, benchmark: "BenchmarkKind") -> "Iterator[tuple[RunFolder, Spec]]":
    """The run, for this process alone; InputError for another benchmark's, and for one without edits."""
    from pixelsmile.benchmarks.run_folder import RunFolder

    spec = RunFolder(Path(options.run)).spec_of(benchmark)
    with RunFolder.claimed(Path(options.run)) as folder:
        if not any(edit.sha256 is not None for edit in folder.edits().values()):
            raise InputError(
                f"{str(folder.path)!r} has no edits: let `pixelsmile bench {benchmark} run` make some first"
            )
        yield folder, spec


def _cache(options: argparse.Namespace, folder: "RunFolder") -> "VerdictCache":
    from pixelsmile.judges.run import VerdictCache

    return VerdictCache(options.cache or folder.path / "verdicts.sqlite")


def _is_drawn(spec: "Spec") -> bool:
    from pixelsmile.benchmarks.benchmark import is_drawn

    return is_drawn(str(spec.benchmark.get("name", "")))


def _judge_names(options: argparse.Namespace, spec: "Spec") -> list[str]:
    """Who is to judge; where nobody is named, who knows such pictures. InputError for people that are drawn
    by others.
    """
    from pixelsmile.judges.names import FORMS, PHOTO

    if options.judge:
        return list(dict.fromkeys(options.judge))
    if _is_drawn(spec):
        return [EMBEDDED]
    if any(task.domain == "human" for task in spec.tasks):
        return [PHOTO]
    raise InputError(
        f"say who judges these pictures, with --judge {FORMS}; the key of gemini is read from "
        "GEMINI_API_KEY, that of openai from OPENAI_API_KEY"
    )


def _encoder_names(options: argparse.Namespace, spec: "Spec") -> list[str]:
    """Who compares the faces; none where identity is not measured. InputError for `none` among others."""
    encoders: list[str] = options.encoders or [EMBEDDED if _is_drawn(spec) else PHOTO_ENCODER]
    if encoders == [NONE]:
        return []
    if NONE in encoders:
        raise InputError(f"--encoders {NONE} stands alone: leave out the others")
    return encoders


def _meter(options: argparse.Namespace, spec: "Spec", encoders: list[str]) -> "LikenessMeter":
    from pixelsmile.faces.likeness import open_meter

    return open_meter(encoders, options.detector, drawn=_is_drawn(spec), device=options.device)


def _portraits(
    options: argparse.Namespace, folder: "RunFolder", spec: "Spec", *, needed: bool = False
) -> "dict[str, DrawnPortrait]":
    """The drawn sources of the run, where they are drawn as they were; InputError where needed and none.

    An older run may be of another painter: what is told by drawing again is left out, and that is said.
    """
    from pixelsmile.benchmarks.catalogue import drawn_portraits
    from pixelsmile.benchmarks.scorers.drawn import drawn_otherwise

    found = drawn_portraits(spec)
    if needed and not found:
        raise InputError("--damage is told of drawn portraits alone, and this run has none: leave it out")
    if (other := drawn_otherwise(folder, found)) is None:
        return found
    why = f"source {other!r} is drawn otherwise today: truth and damage cannot be told of this run"
    if needed:
        raise InputError(f"{why}; make it again")
    remark(why, options.quiet)
    return {}


def _drawn_encoder(spec: "Spec") -> "ImageEncoder | None":
    """Who sees how alike drawn portraits are; None for other benchmarks."""
    if not _is_drawn(spec):
        return None
    from pixelsmile.embedded import features_path
    from pixelsmile.features.drawn import DrawnEncoder

    return DrawnEncoder.from_folder(features_path())


def _representation(
    options: argparse.Namespace, meter: "LikenessMeter", spec: "Spec"
) -> "ExpressionRepresentation | None":
    """What changes are measured by, where that is no judge."""
    kind, _, source = options.representation.partition("=")
    if kind in (_SCORES, NONE):
        return None
    from pixelsmile.benchmarks.scorers.representations import EmbeddingRepresentation, LandmarkRepresentation

    if kind == "landmarks":
        return LandmarkRepresentation(meter.detector, meter.detector_sha256)
    if (drawn := _drawn_encoder(spec)) is not None and not source:
        return EmbeddingRepresentation(drawn)
    from pixelsmile.features.clip import PUBLISHED, ClipEncoder

    published = PUBLISHED[spec.tasks[0].domain]
    where = (source, None) if source else (published.repository, published.revision)
    encoder = ClipEncoder.from_pretrained(*where, device=options.device)
    return EmbeddingRepresentation(encoder, meter.detector, meter.detector_sha256)


def _asker(options: argparse.Namespace, cache: "VerdictCache") -> "Callable[[Judge], Asker]":
    from pixelsmile.judges.run import Asker

    return partial(Asker, cache=cache, ask_refused_again=options.ask_again, max_refusals=options.max_refusals)


def _ask(
    options: argparse.Namespace, folder: "RunFolder", scorer: "Scorer", asker: "Asker", what: str
) -> "JudgePass":
    from pixelsmile.benchmarks.scorers.judged import JudgePass

    return JudgePass.of(folder, _score(options, folder, scorer, f"judging: {what}"), asker)


def _score(options: argparse.Namespace, folder: "RunFolder", scorer: "Scorer", what: str) -> "Scoring":
    """Have the edits scored that are not; the pass, at its end."""
    from pixelsmile.benchmarks.scorers.scorer import Scoring

    scoring = Scoring(folder, scorer, force=options.force)
    with progress(options.quiet, what) as show:
        for num_done, _ in enumerate(scoring, 1):
            show(num_done, scoring.num_edits)
    return scoring


def _ffe_lines(status: "FfeStatus") -> Iterator[str]:
    num_unmade = status.num_edits - status.num_made
    without = f", {num_unmade} of them not made" if num_unmade else ""
    yield f"{status.run}: {counted(status.num_edits, 'edit')}{without}"
    if (likeness := status.likeness) is None:
        yield "likeness: not measured"
    else:
        encoders = ", ".join(likeness.encoders)
        yield f"likeness: {likeness.num_measured} measured ({encoders}; faces found by {likeness.detector})"
        yield from _reasons(likeness.unmeasured)
    for judge in status.judges:
        reused = f", {judge.num_reused} of those without asking" if judge.num_reused else ""
        yield f"{judge.judge}: {judge.num_judged} judged ({judge.num_new} now{reused})"
        if judge.remark:
            yield f"  {judge.remark}"
        yield from _reasons(judge.unscored, judge.examples)
        if judge.stopped:
            yield f"  stopped with {counted(judge.num_left, 'edit')} left: {judge.stopped}"
    yield _next("ffe", "verdict", status.run, status.is_stopped, status.is_fruitless)


def _fed_lines(status: "FedStatus") -> Iterator[str]:
    from pixelsmile.benchmarks.report.tables import COMPONENTS

    num_unmade = status.num_tasks - status.num_made
    without = f", {num_unmade} of them without an edit" if num_unmade else ""
    yield f"{status.run}: {counted(status.num_tasks, 'task')}{without}"
    num_new, num_reused, num_left = (
        sum(getattr(asked, name) for asked in status.asked.values())
        for name in ("num_new", "num_reused", "num_left")
    )
    reused, measured = (
        f", {num_reused} of them without asking" if num_reused else "",
        status.representation or "nothing",
    )
    yield f"{status.judge}: {counted(num_new, 'answer')} now{reused}; REG by {measured}"
    if status.remark:
        yield f"  {status.remark}"
    for column in COMPONENTS:
        component = status.components[column.name]
        yield f"  {column.label:<3}  {component.num_scored} scored"
        yield from _reasons(component.unscored, status.examples_of(column.name), indent=7)
    yield f"  all six: {status.num_scored} of {status.num_tasks}"
    if status.stopped:
        yield f"  stopped with {counted(num_left, 'question')} left: {status.stopped}"
    yield _next("fed", "mark", status.run, status.stopped is not None, status.is_fruitless)


def _reasons(
    counts: Mapping[str, int], examples: Mapping[str, str] | None = None, indent: int = 2
) -> Iterator[str]:
    for reason, count in counts.items():
        example = (examples or {}).get(reason)
        yield f"{'':{indent}}{count} without: {reason}{f' (as {example})' if example else ''}"


def _next(benchmark: str, score: str, run: str, is_stopped: bool, is_fruitless: bool) -> str:
    if is_fruitless and not is_stopped:
        return f"no edit has a {score}: mend what is said above, then give the same command again"
    rest = "the same command with a larger budget for the rest, or " if is_stopped else ""
    return f"next: {rest}pixelsmile bench {benchmark} report {shlex.quote(run)}"
