"""`pixelsmile bench plan`: what a comparison will cost, before it runs."""

import argparse
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json
from pixelsmile.cli.options import add_instructions, add_json
from pixelsmile.cli.parsing import CommandParser, ExtendList, dollars, listed, one_of, whole_number
from pixelsmile.errors import InputError
from pixelsmile.expressions import parse_strength

if TYPE_CHECKING:
    from pixelsmile.benchmarks.benchmark import Benchmark
    from pixelsmile.benchmarks.plan import Question, Span, Work
    from pixelsmile.benchmarks.run_folder import BenchmarkKind

_BRIEF_H = 0.01
_KINDS = ("ffe", "fed", "both")
_EPILOG = """examples:
  pixelsmile bench plan --editors nano-banana-pro seedream-4.5 --judge gemini:gemini-3.1-pro-preview
  pixelsmile bench plan --editors flux-2-pro --ffe FFE-Bench --fed FED-Bench --sources SFEW
  pixelsmile bench plan --editors bfl:flux-2-pro --price bfl:flux-2-pro=0.045 --earlier runs/*

Nothing is asked, opened or paid for. What earlier runs have made, and had judged, of the same samples is not
counted: the same commands go on there. Dollars run from each call answered once to each asked as often as is
paid for before it is given up; hours from the 10th to the 90th percentile of what edits took in earlier runs.
"""


def parser() -> CommandParser:
    """The options of `bench plan`."""
    made = CommandParser("bench plan", "Say what a comparison will cost, before it runs.", _run, _EPILOG)
    made.add_argument(
        "--editors",
        nargs="+",
        required=True,
        metavar="EDITOR",
        help="as --editor of `bench ffe run`",
    )
    what = made.add_argument_group("what is asked")
    what.add_argument(
        "--benchmark",
        type=one_of("benchmark", _KINDS),
        default="both",
        metavar="WHICH",
        help="ffe, fed or both (default)",
    )
    for kind in ("ffe", "fed"):
        what.add_argument(
            f"--{kind}",
            default="embedded",
            metavar="WHERE",
            help=f"{kind.upper()}-Bench: as --benchmark of its run (default embedded)",
        )
    what.add_argument("--sources", metavar="FOLDER", help="of FED-Bench: your copy of SFEW 2.0")
    what.add_argument("--samples", type=whole_number("samples", 1), metavar="N", help="only so many of each")
    what.add_argument(
        "-s",
        "--strengths",
        nargs="+",
        action=ExtendList,
        type=listed(parse_strength),
        metavar="S",
        help="of sweeps, for editors that take strengths (default 0,0.25,0.5,0.75,1)",
    )
    add_instructions(what)
    money = made.add_argument_group("what is known")
    money.add_argument(
        "--judge",
        default="embedded",
        metavar="JUDGE",
        help="as --judge of `bench ffe judge` (default embedded)",
    )
    money.add_argument(
        "--price",
        nargs="+",
        default=[],
        metavar="EDITOR=DOLLARS",
        help="the most that an edit costs (default: the table's)",
    )
    money.add_argument(
        "--judge-price",
        type=dollars("judge-price"),
        metavar="DOLLARS",
        help="the most that an answer of the judge costs",
    )
    money.add_argument(
        "--max-concurrency",
        type=whole_number("max-concurrency", 1, 1000),
        metavar="N",
        help="edits at once, of a server (default 8)",
    )
    money.add_argument(
        "--processes",
        type=whole_number("processes", 1, 1024),
        default=1,
        metavar="N",
        help="of editors that compute here",
    )
    money.add_argument(
        "--earlier",
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs made before: what is done, and how long edits take",
    )
    add_json(made)
    return made


def _run(options: argparse.Namespace) -> int:
    from pixelsmile.benchmarks.plan import plan, total

    work = list(plan(_question(options)))
    dollars_, num_priceless, hours, num_timeless = total(work)
    if options.json:
        print_json(
            {
                "work": [each.as_json() for each in work],
                "dollars": {**dollars_.as_json(), "n_unknown": num_priceless},
                "hours": {**hours.as_json(), "n_unknown": num_timeless},
            }
        )
        return 0
    from pixelsmile.benchmarks.report.tables import table_lines

    header = ("", "benchmark", "needed", "done", "calls", "dollars", "hours")
    lines = table_lines(header, [_row(each) for each in work])
    width = max(map(len, lines))
    print(lines[0])
    for line, each in zip(lines[1:], work, strict=True):
        print(f"{line.ljust(width)}  {', '.join(each.notes)}".rstrip())
    num = sum(each.num > each.num_done for each in work)
    print(f"in all: {_all(_dollars(dollars_), 'dollars', num_priceless, num, 'without a known price')}")
    print(f"        {_all(_hours(hours), 'hours in a row', num_timeless, num, 'that nobody has timed')}")
    return 0


def _question(options: argparse.Namespace) -> "Question":
    from pixelsmile.benchmarks.plan import Earlier, Question
    from pixelsmile.benchmarks.run_folder import RunFolder
    from pixelsmile.benchmarks.runner import uniform_strengths
    from pixelsmile.editors.choice import parse_editor
    from pixelsmile.editors.sanity import FED_SANITY_EDITORS, SANITY_EDITORS
    from pixelsmile.judges.names import FORMS, is_judge

    if not is_judge(options.judge):
        raise InputError(f"judge {options.judge!r} is not understood: use {FORMS}")
    known = {"ffe": SANITY_EDITORS, "fed": FED_SANITY_EDITORS}
    both = [name for name in known["ffe"] if name in known["fed"]]
    sanity = known.get(options.benchmark, both)
    editors = {name: parse_editor(name, sanity, is_here=False) for name in options.editors}
    return Question(
        editors=editors,
        benchmarks=_benchmarks(options),
        strengths=tuple(options.strengths or uniform_strengths()),
        judge=options.judge,
        prices=_prices(options.price, editors),
        judge_price=options.judge_price,
        max_concurrency=options.max_concurrency,
        processes=options.processes,
        earlier=[Earlier.of(RunFolder(Path(run))) for run in options.earlier],
    )


def _benchmarks(options: argparse.Namespace) -> "Mapping[BenchmarkKind, Benchmark]":
    from pixelsmile.benchmarks.catalogue import load_fed_benchmark, load_ffe_benchmark
    from pixelsmile.editors.editor import GRANULARITIES

    found: dict[BenchmarkKind, Benchmark] = {}
    if options.benchmark != "fed":
        found["ffe"] = load_ffe_benchmark(options.ffe, num_samples=options.samples)
    if options.benchmark != "ffe":
        found["fed"] = load_fed_benchmark(
            options.fed,
            sources=None if options.sources is None else Path(options.sources),
            num_samples=options.samples,
            granularities=GRANULARITIES if options.instructions == "both" else (options.instructions,),
        )
    return found


def _prices(texts: list[str], editors: Mapping[str, object]) -> dict[str, Decimal]:
    prices = {}
    for text in texts:
        name, sign, price = text.rpartition("=")
        if not sign or name not in editors:
            raise InputError(f"--price {text!r}: write EDITOR=DOLLARS, of one of {', '.join(editors)}")
        prices[name] = dollars("price")(price)
    return prices


def _row(each: "Work") -> tuple[str, ...]:
    return (
        each.who,
        each.benchmark,
        f"{each.num:,} {'edits' if each.task == 'edit' else 'answers'}",
        f"{each.num_done:,}",
        f"{each.num_calls:,}",
        "unknown" if each.dollars is None else _dollars(each.dollars),
        "unknown" if each.hours is None else _hours(each.hours),
    )


def _dollars(span: "Span") -> str:
    return "0" if not span.high else f"{span.low:,.2f} to {span.high:,.2f}"


def _hours(span: "Span") -> str:
    if not span.high:
        return "0"
    if span.high < _BRIEF_H:
        return f"less than {_BRIEF_H}"
    digits = 1 if span.high >= 10 else 2 if span.high >= 0.1 else 3
    return f"{span.low:,.{digits}f} to {span.high:,.{digits}f}"


def _all(known: str, unit: str, num_unknown: int, num: int, why: str) -> str:
    """A sum, and how many of the lines with work left are not in it; no sum where that is all of them."""
    if num_unknown and num_unknown == num:
        return f"unknown {unit}, for there are only lines {why}"
    return f"{known} {unit}" + (f", not counting lines {why}: {num_unknown}" if num_unknown else "")
