"""`pixelsmile bench ...`: measure editors of expressions, and compare what was measured."""

from collections.abc import Sequence

from pixelsmile.cli.commands import Command, CommandGroup

COMMANDS = {
    "ffe run": Command("bench_run", "let an editor do the edits of FFE-Bench"),
    "ffe judge": Command("bench_judge", "have the edits judged, and measure their likeness to the source"),
    "ffe report": Command("bench_report", "the numbers of one or several runs, as a table, JSON and a page"),
    "fed run": Command("bench_fed_run", "let an editor do the edits of FED-Bench"),
    "fed judge": Command("bench_fed_judge", "have the edits marked, and measure the other components"),
    "fed report": Command("bench_fed_report", "components, dimensions and FED-Score of one or several runs"),
    "fed bias": Command("bench_fed_bias", "do FED-Score and single metrics rank edits whose order is known?"),
    "compare": Command(
        "bench_compare", "two runs of FFE-Bench, paired: what is better, and how sure that is"
    ),
    "study page": Command("bench_study_page", "a page on which a person ranks sweeps, blind"),
    "study rank": Command("bench_study_rank", "mean ranks and agreement from the pages' CSVs"),
}
_GROUP = CommandGroup(
    "bench",
    "Measure any editor of expressions: run, judge, report.",
    COMMANDS,
    (
        "pixelsmile bench ffe run --samples 12 -o runs/first",
        "pixelsmile bench ffe judge runs/first",
        "pixelsmile bench ffe report runs/first",
        "pixelsmile bench fed run --samples 12 -o runs/second",
        "pixelsmile bench fed judge runs/second",
        "pixelsmile bench fed report runs/second",
        "pixelsmile bench compare runs/first runs/theirs",
        "pixelsmile bench study page runs/first runs/theirs -o study.html",
    ),
)


def run(arguments: Sequence[str]) -> int:
    """Find the command, and run it."""
    return _GROUP.run(arguments)
