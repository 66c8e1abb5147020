"""`pixelsmile triplets ...`: make the data that `pixelsmile train` learns from, and look at it."""

import importlib
from collections.abc import Callable

from pixelsmile.cli.parsing import nearest
from pixelsmile.errors import InputError

# What is typed: the module with its `run(arguments) -> exit code`, and what it does.
COMMANDS = {
    "draw": ("triplets_draw", "draw portraits, as many as wanted, with the truth about each"),
    "build": ("triplets_build", "pair the annotated pictures of each person"),
    "mead": ("triplets_mead", "pair frames of the MEAD data set, three levels as strengths"),
    "check": ("triplets_check", "say what files of triplets hold, and what is wrong with them"),
}

HELP = f"""usage: pixelsmile triplets COMMAND ...

Make triplets for `pixelsmile train`: a source and two targets of the same person, as JSON lines.

commands:
{chr(10).join(f"  {name:<7} {summary}" for name, (_, summary) in COMMANDS.items())}

  pixelsmile triplets COMMAND --help   what a command takes

try it:
  pixelsmile triplets draw -n 200 -o drawn
  pixelsmile triplets check drawn/triplets.jsonl
  pixelsmile train embedded --set data.triplets=drawn/triplets.jsonl --smoke
"""


def run(arguments: list[str]) -> int:
    """Find the command, and run it."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP, end="")
        raise SystemExit(0)  # as argparse does for every other command
    name, *rest = arguments
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise InputError(
            f"unknown {kind} {name!r}: {nearest(name, COMMANDS)} (pixelsmile triplets --help lists them)"
        )
    module, _ = COMMANDS[name]
    command: Callable[[list[str]], int] = importlib.import_module(f"pixelsmile.cli.{module}").run
    return command(rest)
