"""`pixelsmile triplets mead`: triplets from MEAD, as in the paper's ablation (PixelSmile, Appendix C)."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from pixelsmile.cli.parsing import CommandParser, whole_number
from pixelsmile.cli.triplets_display import counting, remark
from pixelsmile.cli.triplets_pairing import (
    add_output_options,
    add_pairing_options,
    check_output,
    pair_pictures,
    write_pairing,
)
from pixelsmile.errors import InputError

_EPILOG = """examples:
  pixelsmile triplets mead MEAD -o mead.jsonl
  pixelsmile triplets mead MEAD --frames /data/mead-frames --frames-per-clip 3 -o mead.jsonl

MEAD is the folder that holds its people, as its archives unpack:
  MEAD/M003/video/front/angry/level_3/001.mp4        a clip; frames are taken from it (OpenCV), or
  MEAD/M003/video/front/angry/level_3/001/0057.png   a frame of it that you have extracted
Only the frontal view counts. The levels 1, 2 and 3 become the strengths 0.5, 0.75 and 1; the other eleven
scores are 0. Taking frames goes on where it was interrupted.
"""


def run(arguments: Sequence[str]) -> int:
    """Take frames from the clips if need be, pair them, write the triplets and print what became of them."""
    options = _parser().parse_args(arguments)
    if options.quiet:
        logging.getLogger("pixelsmile").setLevel(logging.ERROR)
    check_output(options)
    from pixelsmile.triplets.mead import mead_pictures

    root = Path(options.mead)
    frames, num_unreadable = _frames(options, root)
    pairing = pair_pictures(options, mead_pictures(frames, options.frames_per_clip))
    settings = {
        "mead": str(root),
        "frames": str(frames),
        "frames_per_clip": options.frames_per_clip,
        "unreadable_clips": num_unreadable,
    }
    write_pairing(options, pairing, kind="triplets of MEAD", settings=settings)
    return 0


def _frames(options: argparse.Namespace, root: Path) -> tuple[Path, int]:
    """The folder with the frames, taken from the clips if need be, and how many clips gave none."""
    from pixelsmile.triplets.mead import CLIP_SUFFIXES, PICTURE_SUFFIXES, find_mead

    has_clips = next(find_mead(root, CLIP_SUFFIXES), None) is not None
    if options.frames is None and next(find_mead(root, PICTURE_SUFFIXES), None) is not None:
        if has_clips:
            remark(
                options,
                f"{str(root)!r} holds frames and clips: the frames are used; to take frames from the clips, "
                "say where they go with --frames FOLDER",
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
    with counting(options.quiet, "taking frames", "clips") as show:
        for event in extract_frames(root, folder, options.frames_per_clip):
            num_unreadable = event.unreadable
            show(event.done, event.num_clips)
    if num_unreadable:
        remark(options, f"{num_unreadable} of {event.num_clips} clips gave no frames: they are left out")
    return num_unreadable


def _parser() -> CommandParser:
    parser = CommandParser("triplets mead", "Pair frames of MEAD, its three levels as strengths.", _EPILOG)
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
    add_output_options(parser)
    add_pairing_options(parser)
    return parser
