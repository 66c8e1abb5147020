"""`pixelsmile bench ...`: measure editors of expressions, and compare what was measured."""

import importlib
from collections.abc import Callable

from pixelsmile.cli.parsing import nearest
from pixelsmile.errors import InputError

# What is typed: the module with its `run(arguments) -> exit code`, and what it does.
COMMANDS = {
    "ffe run": ("bench_run", "let an editor do the edits of FFE-Bench"),
    "ffe judge": ("bench_judge", "have the edits judged, and measure their likeness to the source"),
    "ffe report": ("bench_report", "the numbers of one or several runs, as a table, JSON and a page"),
    "fed run": ("bench_fed_run", "let an editor do the edits of FED-Bench"),
    "fed judge": ("bench_fed_judge", "have the edits marked, and measure the other components"),
    "fed report": ("bench_fed_report", "components, dimensions and FED-Score of one or several runs"),
    "fed bias": ("bench_fed_bias", "do FED-Score and single metrics rank edits whose order is known?"),
    "compare": ("bench_compare", "two runs of FFE-Bench, paired: what is better, and how sure that is"),
    "study page": ("bench_study_page", "a page on which a person ranks sweeps, blind"),
    "study rank": ("bench_study_rank", "mean ranks and agreement from the pages' CSVs"),
}

HELP = f"""usage: pixelsmile bench COMMAND ...

Measure any editor of expressions: run, judge, report.

commands:
{chr(10).join(f"  {name:<12} {summary}" for name, (_, summary) in COMMANDS.items())}

  pixelsmile bench COMMAND --help   what a command takes

try it:
  pixelsmile bench ffe run --samples 12 -o runs/first
  pixelsmile bench ffe judge runs/first
  pixelsmile bench ffe report runs/first

The same with fed for FED-Bench.
"""


def run(arguments: list[str]) -> int:
    """Find the command, and run it."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP, end="")
        raise SystemExit(0)  # as argparse does for every other command
    for length in (2, 1):
        name = " ".join(arguments[:length])
        if name in COMMANDS:
            module, _ = COMMANDS[name]
            command: Callable[[list[str]], int] = importlib.import_module(f"pixelsmile.cli.{module}").run
            return command(arguments[length:])
    seen = " ".join(word for word in arguments[:2] if not word.startswith("-"))
    raise InputError(f"unknown command 'bench {seen}': {nearest(seen, COMMANDS)} (pixelsmile bench --help)")
