"""`pixelsmile bench compare`: two runs, paired sample by sample."""

import argparse
import json
import sys
from pathlib import Path

from pixelsmile.cli.bench_choices import add_choice_options, read_choices
from pixelsmile.cli.parsing import CommandParser

_EPILOG = """examples:
  pixelsmile bench compare runs/ours runs/theirs
  pixelsmile bench compare runs/new runs/old --judge gemini --json

A difference is A minus B on the edits that both have, with its interval over samples drawn together for both:
much narrower than the two intervals of a report. One that leaves out 0 is no accident of the samples.
"""


def run(options: argparse.Namespace) -> int:
    """Print the differences."""
    from pixelsmile.benchmarks.report.comparison import compare_runs, comparison_lines
    from pixelsmile.benchmarks.report.remarks import run_labels
    from pixelsmile.benchmarks.report.tables import printable
    from pixelsmile.benchmarks.results import load_results
    from pixelsmile.benchmarks.run_folder import RunFolder

    choices = read_choices(options)
    folders = [RunFolder(Path(path)) for path in (options.a, options.b)]
    labels = run_labels(folders)
    a, b = (load_results(folder, options.judge, choices) for folder in folders)
    found = compare_runs(a, b, choices)
    if options.json:
        record = {"a": labels[0], "b": labels[1], "judge": a.judge_id, "remarks": list(found.remarks)}
        print(json.dumps({**record, **found.comparison.as_json()}, allow_nan=False))
        return 0
    print(f"A {printable(labels[0])}, B {printable(labels[1])}; judged by {printable(a.judge_id)}")
    print(f"{found.comparison.num_samples} samples in both; difference is A - B")
    print("\n".join(comparison_lines(found.comparison)))
    for sentence in found.remarks:
        print(f"pixelsmile: {printable(sentence)}", file=sys.stderr)
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("bench compare", "Compare two runs, paired sample by sample.", run, _EPILOG)
    parser.add_argument("a", metavar="RUN_A", help="the folder of a judged run")
    parser.add_argument("b", metavar="RUN_B", help="the one it is compared with")
    add_choice_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
