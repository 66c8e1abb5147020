"""`pixelsmile portrait`: draw a person who does not exist, with any expression."""

import argparse
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json
from pixelsmile.cli.options import add_domain, add_force, add_json, add_seed, add_size
from pixelsmile.cli.parsing import CommandParser, whole_number
from pixelsmile.errors import OutputError
from pixelsmile.expressions import NEUTRAL, format_blend, parse_blend, parse_expression

if TYPE_CHECKING:
    from pixelsmile.portraits import GroundTruth

_EPILOG = """examples:
  pixelsmile portrait --seed 7 -o face.png
  pixelsmile portrait --seed 7 --domain anime --expression happy=0.8 --size 1024
  pixelsmile portrait --seed 7 --expression happy=0.6,surprised=0.4 --truth truth.json
"""


def run(options: argparse.Namespace) -> int:
    """Draw one portrait into a PNG, and its ground truth into a JSON file if asked."""
    blend = _blend(options.expression)
    path = Path(options.output or f"portrait-{options.seed}.png")
    _check_name(path, ".png")
    if options.truth is not None:
        _check_name(Path(options.truth), ".json")
    _draw(options, blend, path)
    if options.json:
        print_json({"portrait": str(path), "truth": options.truth, "settings": _settings(options, blend)})
    else:
        print(path)
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("portrait", "Draw a portrait of a person who does not exist.", run, _EPILOG)
    add_seed(parser, "who is drawn")
    add_domain(parser, both=False)
    parser.add_argument(
        "--expression",
        "-e",
        default=NEUTRAL,
        metavar="NAME[=STRENGTH][,...]",
        help="one expression, or a blend, each with a strength 0..2 (default neutral)",
    )
    parser.add_argument(
        "--variant",
        type=whole_number("variant", 0),
        default=0,
        metavar="N",
        help="which way of showing the expression: 0 (default), 1, ...",
    )
    add_size(parser, "side of the picture", 512)
    parser.add_argument("-o", "--output", metavar="FILE", help="the PNG to write (default portrait-SEED.png)")
    parser.add_argument(
        "--truth", metavar="FILE", help="write face box, landmarks, action units and scores as JSON"
    )
    add_force(parser)
    add_json(parser, "the path")
    return parser


def _draw(options: argparse.Namespace, blend: Mapping[str, float], path: Path) -> None:
    from pixelsmile.portraits import blend_units, draw_portrait, sample_identity
    from pixelsmile.results import portrait_png
    from pixelsmile.store.publication import staged

    units = blend_units(blend, options.variant)
    with ExitStack() as stack:
        stage = stack.enter_context(staged(path.parent, [path.name], force=options.force))
        portrait = draw_portrait(sample_identity(options.seed), units, options.domain, options.size)
        if options.truth is not None:
            truth = Path(options.truth)
            beside = stack.enter_context(staged(truth.parent, [truth.name], force=options.force))
            beside.write(truth.name, _truth_json(portrait.truth))
        stage.write(path.name, portrait_png(portrait.image, _settings(options, blend)))


def _truth_json(truth: "GroundTruth") -> bytes:
    """The truth without its mask, which is a picture; Python gives that too."""
    record = {
        "face_box": truth.face_box,
        "landmarks_5": truth.landmarks_5.tolist(),
        "action_units": asdict(truth.action_units),
        "scores": truth.scores,
    }
    return (json.dumps(record, indent=2) + "\n").encode()


def _settings(options: argparse.Namespace, blend: Mapping[str, float]) -> dict[str, object]:
    return {
        "seed": options.seed,
        "style": options.domain,
        "expression": format_blend(dict(blend)) or NEUTRAL,
        "variant": options.variant,
        "size_px": options.size,
    }


def _blend(text: str) -> dict[str, float]:
    """The weights that `text` asks for; none for neutral."""
    if "," not in text and "=" not in text and parse_expression(text) == NEUTRAL:
        return {}
    return parse_blend(text)


def _check_name(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise OutputError(f"cannot write {str(path)!r}: use a name that ends in {suffix}")
