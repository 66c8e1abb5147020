"""The options of `pixelsmile edit`."""

from pathlib import Path

from pixelsmile.cli.editor_options import add_editor, add_server
from pixelsmile.cli.options import (
    add_acceleration,
    add_adapter,
    add_control,
    add_detector,
    add_device,
    add_force,
    add_marks,
    add_quiet,
    add_sampling,
    add_seed,
    add_size,
)
from pixelsmile.cli.parsing import (
    CommandParser,
    ExtendList,
    Run,
    listed,
    one_of,
    positive_number,
    share,
    whole_number,
)
from pixelsmile.editing.options import CONDITIONINGS, MAX_BATCH_SIZE
from pixelsmile.errors import StrengthError
from pixelsmile.expressions import DOMAINS, MAX_STRENGTH, parse_strength

DEFAULT_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
FORMATS = ("png", "jpeg", "webp")  # this and the next ones as `results` has them
ANIMATIONS = ("gif", "webp", "mp4")
DEFAULT_NUM_FRAMES = 13
MAX_NUM_FRAMES = 120
_EPILOG = """examples:
  pixelsmile edit face.png -e happy
  pixelsmile edit face.png -e happy,sad -s 0,0.5,1,1.5 --grid --animate webp
  pixelsmile edit face.png -e all --grid -o all
  pixelsmile edit face.png --blend happy=0.6,surprised=0.4
  pixelsmile edit anna.jpg ben.jpg -e happy -o smiles --format jpeg
  pixelsmile edit group.jpg -e happy --face largest
  pixelsmile edit group.jpg --face 1=happy --face 2=surprised
  pixelsmile edit group.jpg -e happy --face largest --editor nano-banana-pro
"""


def edit_parser(run: Run) -> CommandParser:
    """The parser; every value is checked as far as that goes without loading a model."""
    parser = CommandParser("edit", "Change the expression in portraits, weakly to strongly.", run, _EPILOG)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="the picture to edit, or several")
    _add_what(parser)
    _add_faces(parser)
    _add_model(parser)
    _add_machine(parser)
    _add_output(parser)
    add_server(parser, "--server-size")
    return parser


def _add_what(parser: CommandParser) -> None:
    group = parser.add_argument_group("what to change")
    group.add_argument(
        "-e",
        "--expression",
        action="append",
        default=[],
        metavar="NAME",
        help="an expression (`pixelsmile expressions` lists them), several like happy,sad, or `all`; may be "
        "given more than once",
    )
    group.add_argument(
        "--blend",
        action="append",
        default=[],
        metavar="NAME=WEIGHT,...",
        help="a mixture, like happy=0.6,surprised=0.4; may be given more than once",
    )
    group.add_argument(
        "--units",
        action="append",
        default=[],
        metavar="UNIT=INTENSITY,...",
        help="FACS action units, like jaw_drop=0.4,lip_corner_pull=1, for --model geometric; may be given "
        "more than once",
    )
    group.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="TEXT",
        help="in your own words, for models that understand them; may be given more than once",
    )
    group.add_argument(
        "-s",
        "--strengths",
        nargs="+",
        action=ExtendList,
        type=listed(_strength),
        default=DEFAULT_STRENGTHS,
        metavar="S",
        help=f"0 is neutral, 1 full, up to {MAX_STRENGTH:g}; 0,0.5,1 or 0 0.5 1 (default 0,0.25,0.5,0.75,1)",
    )
    group.add_argument(
        "--neutralise",
        type=share("neutralise"),
        metavar="X",
        help="how much of the expression that the photograph shows goes first, 0 to 1 (default 1), for "
        "--model geometric",
    )
    group.add_argument(
        "--domain",
        type=one_of("domain", DOMAINS),
        metavar="DOMAIN",
        help="human or anime (default human; drawn portraits know their own)",
    )


def _strength(text: str) -> float:
    """As `parse_strength`, with a word for those who name the photograph after the strengths."""
    if Path(text).is_file():
        raise StrengthError(f"{text!r} is a file, not a strength: name the photographs before -s")
    return parse_strength(text)


def _format(text: str) -> str:
    """A format of pictures; jpg is jpeg."""
    return one_of("format", FORMATS)("jpeg" if text.lower() == "jpg" else text.lower())


def _add_faces(parser: CommandParser) -> None:
    group = parser.add_argument_group("which face")
    group.add_argument(
        "--face",
        action="append",
        default=[],
        metavar="WHICH[=NAME]",
        help="largest, centre, all, a number of `pixelsmile faces`, or x,y,width,height; with =NAME the face "
        "gets its own expression or blend, and --face may be given again. Nothing outside of the face "
        "changes; a face that lies on its side is edited upright. `whole` edits the whole picture, at the "
        "model's size, and brings it back to its own (default: the only face; of a portrait that pixelsmile "
        "has drawn, the whole picture)",
    )
    add_detector(group)
    group.add_argument(
        "--context",
        type=positive_number("context"),
        metavar="X",
        help="side of the square that is edited, in faces, 1.25 to 8 (default: with hair and chin)",
    )
    group.add_argument(
        "--parser",
        metavar="FILE",
        help="paste the face back along its outline, as a face parser sees it, in place of an ellipse: "
        "BiSeNet in an ONNX file, or embedded (drawn portraits)",
    )
    group.add_argument(
        "--no-drift-guard",
        action="store_true",
        help="paste the face back as it comes, even if the editor shifted or zoomed the picture",
    )


def _add_model(parser: CommandParser) -> None:
    group = parser.add_argument_group("how to edit")
    add_editor(
        group,
        "one of `pixelsmile editors list`, such as flux-kontext-dev; command:LINE, your program; or a model "
        "behind an address (below); asked for full strength alone unless -s says otherwise or it takes a "
        "number (default: ours, with --model)",
    )
    group.add_argument(
        "--model",
        metavar="MODEL",
        help="`embedded`, `geometric` (photographs, no GPU), a folder, a hub id, or a single file of a "
        "transformer (GGUF, or safetensors of 8 or 16 bits) (default: what fits this machine)",
    )
    add_adapter(group)
    add_control(group)
    add_sampling(group)
    group.add_argument(
        "--negative-prompt",
        metavar="TEXT",
        help="what --guidance leads away from (default: a space, as the bases' cards have it)",
    )
    add_seed(group, "the same seed gives the same picture")
    add_size(group, "side to edit at", None)
    group.add_argument(
        "--conditioning",
        type=one_of("conditioning", CONDITIONINGS),
        default="auto",
        metavar="FORM",
        help="auto (default), all, span or velocity",
    )


def _add_machine(parser: CommandParser) -> None:
    group = parser.add_argument_group("where to run")
    add_device(group)
    add_acceleration(group)
    group.add_argument(
        "--batch-size",
        type=whole_number("batch size", 1, MAX_BATCH_SIZE),
        metavar="N",
        help="pictures made at a time",
    )


def _add_output(parser: CommandParser) -> None:
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="the folder; of several photographs each gets its own in it (default: PHOTO-EXPRESSION, here)",
    )
    group.add_argument("--grid", action="store_true", help="also one labelled sheet of all pictures")
    group.add_argument(
        "--format",
        type=_format,
        default="png",
        metavar="FORMAT",
        help="of the pictures: png (lossless, default), jpeg or webp",
    )
    group.add_argument(
        "--quality",
        type=whole_number("quality", 1, 100),
        metavar="N",
        help="of jpeg and webp, 1 to 100 (default 95)",
    )
    group.add_argument(
        "--animate",
        nargs=1,
        action=ExtendList,
        type=listed(one_of("animation", ANIMATIONS)),
        default=[],
        metavar="FORM",
        help="also an animation of every sweep: gif, webp (small, all colours) or mp4 (a film; needs "
        "the extra `video`), several like gif,mp4. From the lowest strength (0 if there is but one) to the "
        "highest; the strengths in between are edited too, which takes its time",
    )
    group.add_argument("--gif", action="store_true", help="the same as --animate gif")
    group.add_argument(
        "--frames",
        type=whole_number("frames", 2, MAX_NUM_FRAMES),
        metavar="N",
        help=f"of an animation, from its lowest to its highest strength (default {DEFAULT_NUM_FRAMES})",
    )
    add_marks(group)
    add_force(group)
    group.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a photograph, a line each, instead of the paths; an error is one too",
    )
    add_quiet(group)
