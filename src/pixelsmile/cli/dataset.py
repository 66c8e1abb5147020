"""`pixelsmile dataset`: build a data set from pictures of people, and look into one."""

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.options import add_json, add_quiet
from pixelsmile.cli.parsing import CommandParser, nearest, whole_number
from pixelsmile.dataset import PRESETS
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.dataset.build import Progress
    from pixelsmile.dataset.config import BuildConfig

_BUILD_EPILOG = """examples:
  pixelsmile dataset build drawn -o people
  pixelsmile dataset build photographs --set collect.folders.photographs.path=PHOTOS -o faces
  pixelsmile dataset build photograph-edits --set collect.folders.photographs.path=PHOTOS -o edits
  pixelsmile dataset build mine.yaml -o faces --until faces --workers 8
  pixelsmile dataset build mine.yaml -o faces --set faces.min_px=128 --redo faces
  pixelsmile dataset build mine.yaml -o faces --decisions decisions.jsonl --redo duplicates

CONFIG is a YAML file, or one that comes with the program: drawn, photographs, photograph-edits,
ffe-miniature, fed-miniature.
The steps are collect, faces, review (where there are decisions), duplicates and identities; then compose,
generate, annotate and screen, where the configuration has them. The same command again goes on where it was
interrupted, and does nothing that is done. A step that was done with other settings is not done over unless
--redo says so.
"""
_STATS_EPILOG = """examples:
  pixelsmile dataset stats faces
  pixelsmile dataset stats faces --json
"""
_EXPLAIN_EPILOG = """examples:
  pixelsmile dataset explain faces 3f09a1
  pixelsmile dataset explain faces anna.jpg
"""


def build_parser() -> CommandParser:
    """The options of `dataset build`."""
    summary = "Build a data set: collect pictures, find their faces, duplicates and people."
    parser = CommandParser("dataset build", summary, _build, _BUILD_EPILOG)
    parser.add_argument("config", metavar="CONFIG", help=f"a YAML file, or one of {', '.join(PRESETS)}")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where the data set goes")
    parser.add_argument("--until", metavar="STEP", help="stop after this step")
    parser.add_argument("--redo", metavar="STEP", help="take away what this step and all after it have done")
    parser.add_argument(
        "--decisions", metavar="FILE", help="what was saved on the review page: drops what a person dropped"
    )
    parser.add_argument(
        "--workers",
        type=whole_number("workers", 1, 1024),
        metavar="N",
        help="processes (default: one a core); the result is the same",
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="let Ray do the work: on the cluster at ADDRESS (auto: one that runs here), else with --workers",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the configuration"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and what it would cost; do nothing"
    )
    add_json(parser)
    add_quiet(parser)
    return parser


def stats_parser() -> CommandParser:
    """The options of `dataset stats`."""
    summary = "Say what a data set holds: counts of every reason, sizes, people."
    parser = CommandParser("dataset stats", summary, _stats, _STATS_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set")
    add_json(parser)
    return parser


def explain_parser() -> CommandParser:
    """The options of `dataset explain`."""
    summary = "Say why a row was kept or rejected: what every step measured."
    parser = CommandParser("dataset explain", summary, _explain, _EXPLAIN_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set")
    parser.add_argument("row", metavar="ROW", help="an id or its beginning, or the name of a picture")
    add_json(parser)
    return parser


def _build(options: argparse.Namespace) -> int:
    config, folder = _config(options), Path(options.output)
    if options.dry_run:
        from pixelsmile.dataset.dry_run import outlook

        for line in outlook(folder, config):
            print(line)
        return 0
    from pixelsmile.dataset.build import build

    num_workers = options.workers or os.cpu_count() or 1
    steps: list[Progress] = []
    with progress(options.quiet, "looking", "pictures") as show:
        try:
            for event in build(
                folder,
                config,
                until=options.until,
                num_workers=num_workers,
                redo=options.redo,
                ray=options.ray,
            ):
                if event.note and event.done == 0:
                    remark(f"{event.step}: {event.note}", options.quiet)
                unit = f"pictures, {event.note}" if event.note else "pictures"
                show(event.done, event.total, what=event.step, unit=unit)
                if event.manifest is not None:
                    steps.append(event)
        except KeyboardInterrupt:
            remark("the same command goes on from here", options.quiet)
            raise
    if options.json:
        print_json({"folder": str(folder), "steps": [_step_record(event) for event in steps]})
        return 0
    for event in steps:
        print(_step_line(event))
    place = shlex.quote(str(folder))
    print(f"next: pixelsmile dataset stats {place}; pixelsmile dataset review {place}")
    return 0


def _step_record(event: "Progress") -> dict[str, Any]:
    assert event.manifest is not None
    return {
        "step": event.step,
        "is_new": event.is_new,
        "num_kept": event.manifest.num_kept,
        "counts": event.manifest.counts,
    }


def _step_line(event: "Progress") -> str:
    assert event.manifest is not None
    reasons = _reasons(event.manifest.counts)
    before = "" if event.is_new else " (done before)"
    return f"{event.step}: {event.manifest.num_kept:,} of {event.total:,} kept{reasons}{before}"


def _reasons(counts: dict[str, dict[str, int]]) -> str:
    """`; no face (3), blurred (1)`, the most frequent first."""
    total: dict[str, int] = {}
    for reasons in counts.values():
        for reason, number in reasons.items():
            if reason != "kept":
                total[reason] = total.get(reason, 0) + number
    words = ", ".join(
        f"{reason} ({number:,})" for reason, number in sorted(total.items(), key=lambda one: -one[1])
    )
    return words and f"; {words}"


def _config(options: argparse.Namespace) -> "BuildConfig":
    from pixelsmile.dataset import preset_path
    from pixelsmile.dataset.config import BuildConfig
    from pixelsmile.store.configuration import read_configuration

    path = Path(options.config)
    if not path.is_file():
        if options.config not in PRESETS:
            if path.suffix or len(path.parts) > 1:
                raise InputError(f"there is no file {options.config!r}: check the path")
            raise InputError(
                f"no configuration {options.config!r}, and no such file: {nearest(options.config, PRESETS)}"
            )
        path = preset_path(options.config)
    config = read_configuration(path, BuildConfig, options.set)
    if options.decisions is not None:
        config = config.model_copy(
            update={"review": config.review.model_copy(update={"decisions": options.decisions})}
        )
    return config


def _stats(options: argparse.Namespace) -> int:
    from pixelsmile.dataset.stats import statistics

    found = statistics(Path(options.folder))
    if options.json:
        print_json(found)
        return 0
    for step in found["steps"]:
        print(step["step"] + ("" if step["finished"] else " (not finished)"))
        for domain, counts in step["counts"].items():
            kept = counts.get("kept", 0)
            print(f"  {domain:<6} {kept:,} of {sum(counts.values()):,} kept{_reasons({domain: counts})}")
    for domain, kept in found["kept"].items():
        print(f"{domain} after {found['last']}: {', '.join(_kept_words(kept))}")
    for domain, annotated in found.get("annotated", {}).items():
        print(f"{domain} as annotated")
        print("\n".join(f"  {line}" for line in annotation_lines(annotated)))
    return 0


def _kept_words(kept: dict[str, Any]) -> list[str]:
    words = [counted(kept["pictures"], "picture")]
    if kept["people"] is not None:
        words.append(
            f"{counted(kept['people'], 'person', 'people')}, at most {kept['most_pictures_of_a_person']} each"
        )
    words.append(f"shorter side {_range(kept['side_px'])} px")
    if kept["face_px"] is not None:
        words.append(f"face {_range(kept['face_px'])} px")
    words.append("licence " + ", ".join(f"{name} ({number:,})" for name, number in kept["licences"].items()))
    return words


def _range(quantiles: Sequence[float]) -> str:
    low, middle, high = (f"{number:.0f}" for number in quantiles)
    return f"{middle} (90 % from {low} to {high})"


def annotation_lines(found: dict[str, Any]) -> Iterator[str]:
    """One domain's numbers as text."""
    judges = ", ".join(f"{judge} ({number:,})" for judge, number in found["judges"].items())
    doubts = _counted(found["doubts"])
    yield f"judged by {judges}"
    yield f"{found['doubted']:,} of {found['pictures']:,} doubted" + (f": {doubts}" if doubts else "")
    if found["no_verdict"]:
        yield f"no verdict: {_counted(found['no_verdict'])}"
    yield f"{'label':<11}{'pictures':>9}{'judged':>8}{'asked':>7}{'score':>7}{'same':>6}"
    for name, label in found["labels"].items():
        numbers = "".join(
            f"{'–' if label[key] is None else format(label[key], '.2f'):>{width}}"
            for key, width in (("asked", 7), ("score", 7), ("same", 6))
        )
        yield f"{name:<11}{label['pictures']:>9,}{label['judged']:>8,}{numbers}"
    if found["panel"]:
        alpha = found["panel"]["all"]
        ends = "" if alpha["low"] is None else f" ({alpha['low']:.2f} to {alpha['high']:.2f})"
        value = "–" if alpha["value"] is None else f"{alpha['value']:.2f}{ends}"
        yield f"agreement of the judges (Krippendorff's alpha of all scores): {value}"
    for name, values in found["statistics"].items():
        total = sum(values.values())
        shares = ", ".join(f"{value} {100 * number / total:.0f} %" for value, number in values.items())
        yield f"{name}: {shares}"
    if found["no_statistics"]:
        yield f"no statistics: {_counted(found['no_statistics'])}"
    if found["people_that_differ"]:
        yield (
            f"{found['people_that_differ']:,} of {found['people_with_several']:,} people are not of one "
            "gender, age and skin in all their pictures"
        )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {words}" for words, number in counts.items())


def _explain(options: argparse.Namespace) -> int:
    from pixelsmile.dataset.explain import explain, explanation

    folder = Path(options.folder)
    found = list(explain(folder, options.row))
    last = found[-1][1]
    if options.json:
        steps = [{"step": step, "words": explanation(folder, step, row)} for step, row in found]
        print_json({"row": last.model_dump(exclude_none=True, exclude={"embedding"}), "steps": steps})
        return 0
    print(f"{last.id}: {'kept' if last.reason is None else f'rejected by {last.step}: {last.reason}'}")
    for step, row in found:
        print(f"{step}: {'; '.join(explanation(folder, step, row)) or 'kept'}")
    return 0
