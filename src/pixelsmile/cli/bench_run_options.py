"""The options of `pixelsmile bench ffe run` and `fed run`."""

import argparse

from pixelsmile.cli.options import add_adapter, add_device, add_json, add_quiet, add_sampling, add_seed
from pixelsmile.cli.parsing import (
    CommandParser,
    ExtendList,
    Run,
    listed,
    one_of,
    positive_number,
    whole_number,
)
from pixelsmile.editors.own import REGIONS, TOLD
from pixelsmile.expressions import DOMAINS, MAX_STRENGTH, parse_strength

GRANULARITIES = ("dense", "simple")
SETTINGS = ("general", "linear")
DEFAULT_EDITOR = "pixelsmile"
_FFE_EPILOG = """examples:
  pixelsmile bench ffe run --samples 12 -o runs/first
  pixelsmile bench ffe run --adapter PixelSmile.safetensors --benchmark FFE-Bench -o runs/ours
  pixelsmile bench ffe run --editor folder:edits --benchmark FFE-Bench \\
      --setting general -o runs/theirs
  pixelsmile bench ffe run --editor command:"python my_editor.py" -o runs/mine

The same command again goes on where a run was interrupted, and tries once more what failed.
"""
_FED_EPILOG = """examples:
  pixelsmile bench fed run --samples 12 -o runs/first
  pixelsmile bench fed run --benchmark FED-Bench --sources SFEW \\
      --adapter PixelSmile.safetensors -o runs/ours
  pixelsmile bench fed run --editor folder:edits --benchmark mine.jsonl \\
      --instructions dense -o runs/theirs
  pixelsmile bench fed run --editor truth --samples 12 -o runs/truth

The same command again goes on where a run was interrupted, and tries once more what failed.
"""


def ffe_parser(run: Run) -> CommandParser:
    """The parser; every value is checked as far as that goes without loading a benchmark or a model."""
    parser = CommandParser("bench ffe run", "Let an editor do the edits of FFE-Bench.", run, _FFE_EPILOG)
    group = parser.add_argument_group("what is asked")
    _add_benchmark(group, "embedded (drawn portraits, default), FFE-Bench in a folder, or a JSON-lines file")
    _add_sweep(group)
    add_seed(group, "of the run; each sample has its own from it")
    _add_editor(parser, "truth, copy, exaggerated, partner, random-strength")
    _add_model(parser)
    _add_output(parser)
    return parser


def fed_parser(run: Run) -> CommandParser:
    """The same for FED-Bench."""
    parser = CommandParser("bench fed run", "Let an editor do the edits of FED-Bench.", run, _FED_EPILOG)
    group = parser.add_argument_group("what is asked")
    _add_benchmark(group, "embedded (drawn portraits, default), FED-Bench in a folder, or a JSON-lines file")
    group.add_argument(
        "--sources", metavar="FOLDER", help="your copy of SFEW 2.0, whose stills FED-Bench's sources are"
    )
    group.add_argument(
        "--instructions",
        type=one_of("instructions", (*GRANULARITIES, "both")),
        default="both",
        metavar="WHICH",
        help="dense, simple or both (default)",
    )
    add_seed(group, "of the run; each sample has its own from it")
    _add_editor(parser, "truth, copy, half, 1.5x, 2x, wrong-expression, other-person, shifted, blurred")
    _add_model(parser).add_argument(
        "--tell",
        type=one_of("tell", TOLD),
        metavar="WHAT",
        help="expression (default): the model's own prompt for the class; instruction: the task's words",
    )
    _add_output(parser)
    return parser


def _add_benchmark(group: argparse._ArgumentGroup, which: str) -> None:
    group.add_argument("--benchmark", default="embedded", metavar="WHICH", help=which)
    group.add_argument(
        "--samples", type=whole_number("samples", 1), metavar="N", help="only so many (default: all)"
    )
    group.add_argument(
        "--domain",
        type=one_of("domain", (*DOMAINS, "both")),
        default="both",
        metavar="DOMAIN",
        help="human, anime or both (default)",
    )


def _add_sweep(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--setting",
        type=one_of("setting", SETTINGS),
        default="linear",
        metavar="HOW",
        help="linear (default): a sweep of strengths for each sample; general: one edit, at strength 1",
    )
    group.add_argument(
        "-s",
        "--strengths",
        nargs="+",
        action=ExtendList,
        type=listed(parse_strength),
        metavar="S",
        help=f"of the sweep: 0 is neutral, 1 full, up to {MAX_STRENGTH:g} (default 0,0.25,0.5,0.75,1)",
    )
    group.add_argument(
        "--points",
        type=whole_number("points", 2, 1000),
        metavar="N",
        help="instead: that many strengths, evenly spaced from 0 (default 5)",
    )
    group.add_argument(
        "--max-strength",
        type=parse_strength,
        metavar="X",
        help="the largest of evenly spaced strengths (default 1)",
    )


def _add_editor(parser: CommandParser, sanity: str) -> None:
    group = parser.add_argument_group("who edits")
    group.add_argument(
        "--editor",
        default=DEFAULT_EDITOR,
        metavar="EDITOR",
        help="pixelsmile (default); folder:PATH, pictures made elsewhere; command:LINE, your program; or, "
        f"to check the measures: {sanity}",
    )
    group.add_argument(
        "--timeout",
        type=positive_number("timeout"),
        metavar="SECONDS",
        help="how long a command may be silent (default 600)",
    )
    group.add_argument(
        "--max-concurrency",
        type=whole_number("max-concurrency", 1, 1000),
        metavar="N",
        help="how many samples a command is given at once (default 1)",
    )


def _add_model(parser: CommandParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("for --editor pixelsmile")
    group.add_argument(
        "--model", metavar="MODEL", help="`embedded`, a folder, or a hub id (default: what fits this machine)"
    )
    add_adapter(group)
    add_sampling(group)
    group.add_argument(
        "--region",
        type=one_of("region", REGIONS),
        metavar="WHAT",
        help="face: edit around the sample's face box and paste back; whole: the whole picture; "
        "auto (default): the face where it is small or the picture not square",
    )
    add_device(group)
    return group


def _add_output(parser: CommandParser) -> None:
    group = parser.add_argument_group("what to write")
    group.add_argument("-o", "--output", metavar="RUN", required=True, help="the folder of the run")
    add_json(group, "the summary")
    add_quiet(group)
