"""`pixelsmile triplets build` and `mead`: triplets from pictures in which the same people come again."""

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.options import add_force, add_json, add_quiet, add_seed
from pixelsmile.cli.parsing import CommandParser, share, whole_number
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.store.publication import staged

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pixelsmile.store.manifests import FileRecord
    from pixelsmile.triplets.annotated import AnnotatedPicture
    from pixelsmile.triplets.pairing import Pairing

_BUILD_EPILOG = """examples:
  pixelsmile triplets build mine.jsonl -o triplets.jsonl
  pixelsmile triplets build mine.jsonl --root faces --min-score 0.4 --min-margin 0.1 -o clear.jsonl

A line of the input is one picture, with the scores of all twelve expressions (`pixelsmile expressions`):
  {"image": "p7/3.png", "identity": "p7", "category": "fear", "scores": {"fear": 0.8, ...}}
category may be neutral. "domain": "anime", "boxes": [x1, y1, x2, y2] and "landmarks" (five [x, y]: eyes,
nose, corners of the mouth) may be added; domain is human where left out.

Pairs that are often confused come first (fear and surprised, angry and disgust), then those whose scores
overlap.
"""
_MEAD_EPILOG = """examples:
  pixelsmile triplets mead MEAD -o mead.jsonl
  pixelsmile triplets mead MEAD --frames /data/mead-frames --frames-per-clip 3 -o mead.jsonl

MEAD is the folder that holds its people, as its archives unpack:
  MEAD/M003/video/front/angry/level_3/001.mp4        a clip; frames are taken from it (OpenCV), or
  MEAD/M003/video/front/angry/level_3/001/0057.png   a frame of it that you have extracted
Only the frontal view counts. The levels 1, 2 and 3 become the strengths 0.5, 0.75 and 1; the other eleven
scores are 0. Taking frames goes on where it was interrupted.
"""


def build_parser() -> CommandParser:
    """`triplets build`."""
    summary = "Pair the annotated pictures of each person."
    parser = CommandParser("triplets build", summary, run_build, _BUILD_EPILOG)
    parser.add_argument(
        "annotated", metavar="ANNOTATED", help="JSON lines: a picture and what it shows in each"
    )
    parser.add_argument(
        "--root", metavar="FOLDER", help="what the paths in it are relative to (default: its own folder)"
    )
    _add_pairing(parser)
    return parser


def mead_parser() -> CommandParser:
    """`triplets mead`."""
    summary = "Pair frames of MEAD, its three levels as strengths."
    parser = CommandParser("triplets mead", summary, run_mead, _MEAD_EPILOG)
    parser.add_argument("mead", metavar="MEAD", help="the folder that holds MEAD's people (M003, W009, ...)")
    parser.add_argument(
        "--frames-per-clip",
        type=whole_number("frames-per-clip", 1),
        default=1,
        metavar="N",
        help="frames of each clip, spread evenly over it (default 1)",
    )
    parser.add_argument(
        "--frames",
        metavar="FOLDER",
        help="where frames of the clips go (default: beside the output, such as mead-frames)",
    )
    _add_pairing(parser)
    return parser


def _add_pairing(parser: CommandParser) -> None:
    """What is written, and what makes a picture a target or a source: defaults as in `PairingSettings`."""
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the JSON lines to write, such as triplets.jsonl",
    )
    add_force(parser)
    add_json(parser)
    add_quiet(parser)
    group = parser.add_argument_group("which pictures are paired")
    for option, what, default in (
        ("--min-score", "a target scores at least this for its own expression", 0.2),
        ("--min-margin", "and this much more than for any other", 0),
        ("--max-source-score", "a source scores at most this for every expression", 0.2),
        ("--min-overlap", "expressions that score this for each other on average are paired early", 0.1),
    ):
        help_ = f"{what} (0..1, default {default})"
        group.add_argument(option, type=share(option[2:]), metavar="X", help=help_)
    group.add_argument(
        "--uses-per-picture",
        type=whole_number("uses-per-picture", 1),
        metavar="N",
        help="in how many triplets one target may be (default 2)",
    )
    add_seed(group, "of what is left to chance")


def run_build(options: argparse.Namespace) -> int:
    """Pair the pictures, write the triplets and print what became of every picture."""
    path = Path(options.annotated)
    _check_output(options, path)
    from pixelsmile.store.manifests import record_file
    from pixelsmile.triplets.annotated import read_annotated

    pictures = read_annotated(path, root=None if options.root is None else Path(options.root))
    if partial := [picture for picture in pictures if picture.unscored]:
        names = ", ".join(partial[0].unscored)
        said = f"{len(partial)} pictures have no score for what their judge does not judge ({names})"
        remark(said, options.quiet)
    _pair(options, pictures, "paired triplets", {"root": options.root}, [record_file(path)])
    return 0


def run_mead(options: argparse.Namespace) -> int:
    """Take frames from the clips if need be, pair them, write the triplets and print what became of them."""
    _check_output(options)
    from pixelsmile.triplets.mead import mead_pictures

    root = Path(options.mead)
    frames, num_unreadable = _frames(options, root)
    settings: dict[str, JsonValue] = {
        "mead": str(root),
        "frames": str(frames),
        "frames_per_clip": options.frames_per_clip,
        "unreadable_clips": num_unreadable,
    }
    _pair(options, mead_pictures(frames, options.frames_per_clip), "triplets of MEAD", settings)
    return 0


def _frames(options: argparse.Namespace, root: Path) -> tuple[Path, int]:
    """The folder with the frames, taken from the clips if need be, and how many clips gave none."""
    from pixelsmile.triplets.mead import CLIP_SUFFIXES, PICTURE_SUFFIXES, find_mead

    has_clips = next(find_mead(root, CLIP_SUFFIXES), None) is not None
    if options.frames is None and next(find_mead(root, PICTURE_SUFFIXES), None) is not None:
        if has_clips:
            remark(
                f"{str(root)!r} holds frames and clips: the frames are used; to take frames from the clips, "
                "say where they go with --frames FOLDER",
                options.quiet,
            )
        return root, 0
    if not has_clips:
        raise InputError(
            f"no clips like M003/video/front/angry/level_1/001.mp4 below {str(root)!r}, and no frames like "
            "001/0001.png in place of them: give the folder that holds MEAD's people"
        )
    output = Path(options.output)
    folder = output.with_name(f"{output.stem}-frames") if options.frames is None else Path(options.frames)
    return folder, _extract(options, root, folder)


def _extract(options: argparse.Namespace, root: Path, folder: Path) -> int:
    """Take what frames are missing; how many clips gave none."""
    from pixelsmile.triplets.mead import extract_frames

    num_unreadable = 0
    with progress(options.quiet, "taking frames", "clips") as show:
        for event in extract_frames(root, folder, options.frames_per_clip):
            num_unreadable = event.unreadable
            show(event.done, event.num_clips)
    if num_unreadable:
        said = f"{num_unreadable} of {event.num_clips} clips gave no frames: they are left out"
        remark(said, options.quiet)
    return num_unreadable


def _check_output(options: argparse.Namespace, *inputs: Path) -> None:
    """Refuse, before any work, a file that exists (unless --force) or that is one of the inputs."""
    path = Path(options.output)
    if any(path.resolve() == taken.resolve() for taken in inputs):
        raise InputError(f"-o {options.output!r} is the file that is read: choose another name")
    with staged(path.parent, _names(path), force=options.force):
        pass  # nothing is written: entering it is the check


def _names(path: Path) -> tuple[str, str]:
    """The lines, and the manifest beside them."""
    return path.name, f"{path.stem}.manifest.json"


def _pair(
    options: argparse.Namespace,
    pictures: "Sequence[AnnotatedPicture]",
    kind: str,
    settings: "Mapping[str, JsonValue]",
    inputs: "Sequence[FileRecord]" = (),
) -> None:
    """Write the triplets of these pictures and a manifest, both or none, and print what became of them.

    PixelSmileError, after the report, where there is no triplet.
    """
    from pixelsmile.store.manifests import make_manifest, record_bytes
    from pixelsmile.triplets.pairing import PairingSettings, build_triplets
    from pixelsmile.triplets.triplet import triplets_bytes

    given = {field.name: getattr(options, field.name) for field in fields(PairingSettings)}
    choices = PairingSettings(**{name: value for name, value in given.items() if value is not None})
    pairing = build_triplets(pictures, choices, seed=options.seed)
    if pairing.triplets:
        path = Path(options.output)
        with staged(path.parent, _names(path), force=options.force) as stage:
            lines = triplets_bytes(pairing.triplets, path.parent)
            manifest = make_manifest(
                kind,
                settings={
                    **settings,
                    "choices": asdict(choices),
                    "seed": options.seed,
                    "report": pairing.to_record(),
                },
                seeds=[options.seed],
                inputs=inputs,
                outputs=[record_bytes(path.name, lines)],
            )
            for name, data in zip(_names(path), (lines, manifest.to_json()), strict=True):
                stage.write(name, data)
        if options.json:
            print_json({"triplets": str(Path(options.output)), **settings, **pairing.to_record()})
    if not options.json:
        print("\n".join(report_lines(pairing)))
    if not pairing.triplets:
        raise PixelSmileError(
            "no triplets came of these pictures, so nothing is written: a person needs a source that shows "
            "next to nothing, and clear pictures of two expressions"
        )
    if not options.json:
        print(f"next: pixelsmile triplets check {shlex.quote(str(Path(options.output)))}")


def report_lines(pairing: "Pairing") -> Iterator[str]:
    """What became of the pictures, as short lines of text."""
    people = counted(pairing.num_people, "person", "people")
    yield (
        f"{counted(len(pairing.triplets), 'triplet')} from {counted(pairing.num_pictures, 'picture')} of "
        f"{people}; {counted(len(pairing.left_out), 'picture')} left out"
    )
    for reason, count in pairing.reasons.most_common():
        first = next(image for image, why in pairing.left_out.items() if why == reason)
        which = "it" if count == 1 else "each"
        yield f"  {count:,} left out: {which} {reason} (the first is {str(first)!r})"
    if pairing.triplets:
        expressions, pairs = pairing.expressions, pairing.pairs.most_common()
        yield "targets: " + ", ".join(f"{name} {expressions[name]:,}" for name in EXPRESSIONS)
        yield "pairs: " + ", ".join(f"{a}-{b} {count:,}" for (a, b), count in pairs)
