"""`pixelsmile triplets ...`: make the data that `pixelsmile train` learns from, and look at it."""

from collections.abc import Sequence

from pixelsmile.cli.commands import Command, CommandGroup

COMMANDS = {
    "draw": Command("triplets_draw", "draw portraits, as many as wanted, with the truth about each"),
    "build": Command("triplets_build", "pair the annotated pictures of each person"),
    "mead": Command("triplets_mead", "pair frames of the MEAD data set, three levels as strengths"),
    "check": Command("triplets_check", "say what files of triplets hold, and what is wrong with them"),
}
_GROUP = CommandGroup(
    "triplets",
    "Make triplets for `pixelsmile train`: a source and two targets of the same person, as JSON lines.",
    COMMANDS,
    (
        "pixelsmile triplets draw -n 200 -o drawn",
        "pixelsmile triplets check drawn/triplets.jsonl",
        "pixelsmile train embedded --set data.triplets=drawn/triplets.jsonl --smoke",
    ),
)


def run(arguments: Sequence[str]) -> int:
    """Find the command, and run it."""
    return _GROUP.run(arguments)
