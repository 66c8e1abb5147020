"""The options of `pixelsmile train`, and the configuration that they come to."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.parsing import CommandParser, nearest
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.training.config import TrainingConfig

RUNS = Path("runs")
_EPILOG = """examples:
  pixelsmile train embedded --set data.triplets=triplets.jsonl -o runs/first
  pixelsmile train my.yaml --set optimiser.learning_rate=2e-4 --dry-run
  pixelsmile train --resume runs/first
  accelerate launch --num_processes 4 -m pixelsmile train human --set data.triplets=triplets.jsonl

The same command again goes on where a run was interrupted. How many steps there are may grow, and files may
move; other changes of what decides the weights are refused.
"""


def train_parser() -> CommandParser:
    """The parser."""
    parser = CommandParser("train", "Train an adapter on triplets of a source and two targets.", _EPILOG)
    parser.add_argument(
        "config",
        nargs="?",
        metavar="CONFIG",
        help="a YAML file, or a recipe: human, anime (as in the paper), embedded (small, drawn portraits)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one setting, like optimiser.learning_rate=2e-4; may be given more than once",
    )
    parser.add_argument(
        "-o", "--output", metavar="RUN", help="the folder of the run (default: runs/ and the config's name)"
    )
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with a run, by the configuration in its folder"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what it would take in memory and time, and train nothing"
    )
    parser.add_argument("--smoke", action="store_true", help="two steps of everything, and keep nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object in the end")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no remarks")
    return parser


def read_order(options: argparse.Namespace) -> tuple["TrainingConfig", Path]:
    """What to train, and the folder of the run. InputError for what does not go together, or is not there."""
    from pixelsmile.training.config_file import CONFIG_NAME, read_config

    if options.dry_run and options.smoke:
        raise InputError("--dry-run trains nothing, --smoke two steps: give one of them")
    if options.resume is not None:
        if options.config is not None or options.output is not None:
            raise InputError("--resume takes the configuration and the folder of the run: give it alone")
        folder = Path(options.resume)
        path = folder / CONFIG_NAME
        if not path.is_file():
            raise InputError(f"{options.resume!r} is no run (it has no {CONFIG_NAME}): check the path")
        return read_config(path, options.set), folder
    if options.config is None:
        raise InputError("nothing to train: name a YAML file or a recipe (pixelsmile train --help explains)")
    path = _config_path(options.config)
    folder = Path(options.output) if options.output is not None else RUNS / path.stem
    return read_config(path, options.set), folder


def _config_path(text: str) -> Path:
    """A file, or else the recipe of that name."""
    from pixelsmile.training.presets import RECIPES, recipe_path

    path = Path(text)
    if path.is_file():
        return path
    if text in RECIPES:
        return recipe_path(text)
    if path.suffix or len(path.parts) > 1:
        raise InputError(f"there is no file {text!r}: check the path")
    raise InputError(f"no recipe {text!r}, and no such file: {nearest(text, RECIPES)}")
