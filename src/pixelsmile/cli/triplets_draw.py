"""`pixelsmile triplets draw`: drawn portraits as training data, as many as wanted."""

import argparse
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.options import add_domain, add_json, add_quiet, add_seed, add_size
from pixelsmile.cli.parsing import CommandParser, ExtendList, listed, share, whole_number
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, parse_strength

if TYPE_CHECKING:
    from pixelsmile.triplets.drawn import DrawingSettings

_EPILOG = """examples:
  pixelsmile triplets draw -n 200 -o drawn
  pixelsmile triplets draw -n 1000 -o drawn     # more of the same: draws the 800 that are missing
  pixelsmile triplets draw --domain anime --size 512 -n 5000 --workers 8 -o anime
  pixelsmile triplets draw --strengths 0,1.5 -n 500 -o far    # also beyond the full expression
  pixelsmile triplets draw --levels -o levels   # labels like MEAD's: 0.5, 0.75 and 1, one-hot

FOLDER gets triplets.jsonl, pictures/, plan.json and manifest.json. The same command again goes on where it
was interrupted. Nothing that was drawn is drawn over or taken away: other settings need another folder.
"""


def parser() -> CommandParser:
    """The options; the defaults of what is drawn are those of `DrawingSettings`."""
    summary = "Draw portraits to train on, with the truth about each."
    parser = CommandParser("triplets draw", summary, run, _EPILOG)
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where they go")
    parser.add_argument(
        "-n",
        "--num",
        type=whole_number("number of triplets", 1),
        default=1000,
        metavar="N",
        help="how many triplets the folder is to hold, three pictures each (default 1000)",
    )
    parser.add_argument(
        "--workers",
        type=whole_number("workers", 1),
        metavar="N",
        help="processes that draw (default: one a core); the result is the same",
    )
    group = parser.add_argument_group("what is drawn")
    add_domain(group, both=True)
    add_size(group, "side of the pictures", 256)
    add_seed(group, "of everything that is left to chance")
    group.add_argument(
        "--levels",
        action="store_true",
        help="label targets with MEAD's three levels, from which the pictures stray a little",
    )
    group.add_argument(
        "--strengths",
        nargs="+",
        action=ExtendList,
        type=listed(parse_strength),
        metavar="LOW,HIGH",
        help="of the targets, evenly spread between these two, up to 2 (default 0.1 1)",
    )
    group.add_argument(
        "--variants",
        type=whole_number("number of variants", 1),
        metavar="N",
        help="of an expression, drawings that targets choose from; the first, the canonical one, is what a "
        "prompt without attributes stands for (default 1)",
    )
    group.add_argument(
        "--identities",
        type=whole_number("number of identities", 1),
        metavar="N",
        help="people to draw, each in as many triplets as chance will have it (default 1000000)",
    )
    group.add_argument(
        "--confusing-share",
        type=share("share"),
        metavar="X",
        help="of the triplets, those with a pair that is often confused (default 0.4)",
    )
    group.add_argument(
        "--neutral-share",
        type=share("share"),
        metavar="X",
        help="of the sources, those that are neutral; others show a third expression a little (default 0.8)",
    )
    add_json(parser)
    add_quiet(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Draw what the folder lacks."""
    plan = _plan(options)
    from pixelsmile.triplets.drawn import LINES_NAME, write_drawn

    folder, started = Path(options.output), time.monotonic()
    num_new = _draw(options, write_drawn(folder, options.num, plan, num_processes=options.workers))
    lines, seconds = folder / LINES_NAME, time.monotonic() - started
    if options.json:
        counts = {"num_triplets": options.num, "num_new": num_new, "seconds": round(seconds, 2)}
        print_json({"triplets": str(lines), **counts})
        return 0
    took = f"{num_new:,} of them now, in {seconds:.1f} s" if num_new else "drawn before: nothing to do"
    print(f"{lines}: {counted(options.num, 'triplet')}, {took}")
    print(f"next: pixelsmile triplets check {shlex.quote(str(lines))}")
    return 0


def _draw(options: argparse.Namespace, events: Iterator[int]) -> int:
    """Run `events` to their end; how many triplets are new."""
    num_before = num_done = 0
    with progress(options.quiet, "drawing", "triplets") as show:
        try:
            num_before = num_done = next(events)
            show(num_done, options.num)
            for num_done in events:
                show(num_done, options.num)
        except KeyboardInterrupt:
            said = f"the same command goes on after {num_done:,} of {options.num:,} triplets"
            remark(said, options.quiet)
            raise
    return num_done - num_before


def _plan(options: argparse.Namespace) -> "DrawingSettings":
    if options.levels and options.strengths is not None:
        raise InputError("--levels are the strengths of MEAD: leave out --strengths")
    if options.strengths is not None and len(options.strengths) != 2:
        raise InputError(f"--strengths wants LOW and HIGH, not {len(options.strengths)} numbers: try 0.1 1")
    from pixelsmile.triplets.drawn import MEAD_LEVELS, DrawingSettings

    given = {
        "num_identities": options.identities,
        "confusing_share": options.confusing_share,
        "neutral_share": options.neutral_share,
        "num_variants": options.variants,
        "strengths": None if options.strengths is None else tuple(options.strengths),
        "levels": MEAD_LEVELS if options.levels else None,
    }
    return DrawingSettings(
        seed=options.seed,
        domains=DOMAINS if options.domain == "both" else (options.domain,),
        size_px=options.size,
        **{name: value for name, value in given.items() if value is not None},
    )
