"""`pixelsmile dataset`: build a data set from pictures of people, and look into one."""

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.options import add_force, add_json, add_quiet
from pixelsmile.cli.parsing import CommandParser, nearest, whole_number
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.dataset.build import Progress
    from pixelsmile.dataset.config import BuildConfig
    from pixelsmile.dataset.human_ratings import Agreement
    from pixelsmile.dataset.step_folder import StepFolder
    from pixelsmile.judges.agreement import Alpha

_BUILD_EPILOG = """examples:
  pixelsmile dataset build drawn -o people
  pixelsmile dataset build photographs --set collect.folders.photographs.path=PHOTOS -o faces
  pixelsmile dataset build mine.yaml -o faces --until faces --workers 8
  pixelsmile dataset build mine.yaml -o faces --set faces.min_px=128 --redo faces
  pixelsmile dataset build mine.yaml -o faces --decisions decisions.jsonl --redo duplicates

CONFIG is a YAML file, or one that comes with the program: drawn, photographs, ffe-miniature, fed-miniature.
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
_REVIEW_EPILOG = """examples:
  pixelsmile dataset review faces
  pixelsmile dataset review faces --start 500 -o page2.html
  pixelsmile dataset review faces --annotate -n 100

Open the page in a browser: K keeps, D drops. It can be closed and opened again; nothing is sent. What it
saves is for build --decisions.

--annotate asks instead what the faces of a sample show, and how strongly: the pages of several people with
the same --seed have the same pictures. What they save is for dataset agreement.
"""
_AGREEMENT_EPILOG = """examples:
  pixelsmile dataset agreement faces answers-anna.jsonl answers-ben.jsonl

Krippendorff's alpha: 1 is full agreement, 0 is chance. Its interval (95 %) draws people, with all their
pictures, again.
"""


def build_parser() -> CommandParser:
    """The options of `dataset build`."""
    summary = "Build a data set: collect pictures, find their faces, duplicates and people."
    parser = CommandParser("dataset build", summary, _build, _BUILD_EPILOG)
    parser.add_argument(
        "config", metavar="CONFIG", help="a YAML file, or drawn, photographs, ffe-miniature or fed-miniature"
    )
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


def review_parser() -> CommandParser:
    """The options of `dataset review`."""
    summary = "Write a page on which a person keeps or drops pictures."
    parser = CommandParser("dataset review", summary, _review, _REVIEW_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set whose faces were found")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page, .html (default: review.html in the folder)"
    )
    parser.add_argument(
        "--start",
        type=whole_number("start", 0),
        default=0,
        metavar="N",
        help="pictures to leave out (default 0)",
    )
    parser.add_argument(
        "--annotate", action="store_true", help="ask what the pictures of a sample show, and how strongly"
    )
    parser.add_argument(
        "--seed", type=whole_number("seed", 0), default=0, metavar="N", help="of that sample (default 0)"
    )
    parser.add_argument(
        "-n",
        "--num",
        type=whole_number("number of pictures", 1, 5000),
        metavar="N",
        help="pictures on the page (default 500, with --annotate 100)",
    )
    add_force(parser, "a page that exists")
    return parser


def agreement_parser() -> CommandParser:
    """The options of `dataset agreement`."""
    summary = "Say how far people agree on what pictures show, with one another and with the judge."
    parser = CommandParser("dataset agreement", summary, _agreement, _AGREEMENT_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set that was annotated")
    parser.add_argument(
        "answers", nargs="+", metavar="ANSWERS", help="what people saved on the page of review --annotate"
    )
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
    """`; 3 no face, 1 blurred`, the most frequent first."""
    total: dict[str, int] = {}
    for reasons in counts.values():
        for reason, number in reasons.items():
            if reason != "kept":
                total[reason] = total.get(reason, 0) + number
    words = ", ".join(
        f"{number:,} {reason}" for reason, number in sorted(total.items(), key=lambda one: -one[1])
    )
    return words and f"; {words}"


def _config(options: argparse.Namespace) -> "BuildConfig":
    from pixelsmile.dataset import PRESETS, preset_path
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
    from pixelsmile.dataset.explain import statistics
    from pixelsmile.dataset.stats import annotation_lines

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


def _review(options: argparse.Namespace) -> int:
    from pixelsmile.dataset.build import step_folders
    from pixelsmile.errors import OutputError
    from pixelsmile.store.publication import check_place, write_file

    folder = Path(options.folder)
    name = "annotate.html" if options.annotate else "review.html"
    page = Path(options.output) if options.output is not None else folder / name
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"the page {str(page)!r} must end in .html")
    finished = [step_folder for step_folder in step_folders(folder) if step_folder.manifest() is not None]
    if not finished:
        raise InputError(f"no step of {str(folder)!r} is finished: the same build command goes on")
    check_place(page.parent, [page.name], force=options.force)
    text, said = _rating(folder, options) if options.annotate else _deciding(folder, finished[-1], options)
    write_file(page, text.encode(), force=options.force)
    print(f"{page}: {said}")
    return 0


def _deciding(folder: Path, step_folder: "StepFolder", options: argparse.Namespace) -> tuple[str, str]:
    """The page on which pictures are kept or dropped, and what it has."""
    from pixelsmile.dataset.review import review_page

    text, num = review_page(folder, step_folder.all_rows(), start=options.start, num=options.num or 500)
    return text, f"{counted(num, 'picture')} that {step_folder.name} has kept"


def _rating(folder: Path, options: argparse.Namespace) -> tuple[str, str]:
    """The page on which a person says what a sample shows, and what it has."""
    from pixelsmile.dataset.human_ratings import rating_page, sample
    from pixelsmile.dataset.step_folder import StepFolder

    if options.start:
        raise InputError("--start is for the page of decisions: a sample is another one with another --seed")
    rows = sample(StepFolder(folder / "annotate").all_rows(), options.num or 100, options.seed)
    return rating_page(folder, rows), f"a sample of {counted(len(rows), 'picture')}, to be rated blind"


def _agreement(options: argparse.Namespace) -> int:
    from pixelsmile.dataset.human_ratings import agreement_of, read_answers
    from pixelsmile.dataset.step_folder import StepFolder

    answers = read_answers([Path(path) for path in dict.fromkeys(options.answers)])
    step_folder = StepFolder(Path(options.folder) / "annotate")
    rows = (row for rejected in (False, True) for row in step_folder.all_rows(rejected=rejected))
    found = agreement_of(answers, rows)
    if options.json:
        from dataclasses import asdict

        print_json(asdict(found))
        return 0
    print("\n".join(_agreement_lines(found)))
    return 0


def _agreement_lines(found: "Agreement") -> Iterator[str]:
    raters = ", ".join(f"{rater} {number:,}" for rater, number in found.raters.items())
    unclear = f", {found.num_unclear:,} cannot be told" if found.num_unclear else ""
    yield f"{counted(found.num_pictures, 'picture')}; rated by {raters}{unclear}"
    if found.num_unknown:
        yield f"{counted(found.num_unknown, 'answer')} about other pictures: left out"
    yield f"{'alpha of':<12}{'people':>24}{'people and judge':>24}"
    for name, people in found.people.items():
        yield f"{name:<12}{_alpha(people):>24}{_alpha(found.judge[name]):>24}"
    yield f"{'strongest':<12}{_alpha(found.people_dominant):>24}{_alpha(found.judge_dominant):>24}"
    if found.same is not None:
        yield f"the judge names the expression that people do on {100 * found.same:.0f} % of the pictures"


def _alpha(alpha: "Alpha") -> str:
    """`0.81 (0.72 to 0.88)`."""
    if alpha.value is None:
        return "–"
    ends = "" if alpha.low is None else f" ({alpha.low:.2f} to {alpha.high:.2f})"
    return f"{alpha.value:.2f}{ends}"
