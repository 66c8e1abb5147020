"""`pixelsmile bench compare`: two runs, paired sample by sample."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.bench_choices import add_choice_options, read_choices
from pixelsmile.cli.parsing import CommandParser

if TYPE_CHECKING:
    from pixelsmile.benchmarks.metrics import Comparison, Metric

_EPILOG = """examples:
  pixelsmile bench compare runs/ours runs/theirs
  pixelsmile bench compare runs/new runs/old --judge gemini --json

A difference is A minus B on the edits that both have, with its interval over samples drawn together for both:
much narrower than the two intervals of a report. One that leaves out 0 is no accident of the samples.
"""


def run(options: argparse.Namespace) -> int:
    """Print the differences."""
    from pixelsmile.benchmarks.report.labels import run_labels
    from pixelsmile.benchmarks.report.paired import compare_runs
    from pixelsmile.benchmarks.report.text import printable
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
    print("\n".join(_lines(found.comparison)))
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


def _lines(found: "Comparison") -> list[str]:
    from pixelsmile.benchmarks.metrics import METRICS
    from pixelsmile.benchmarks.report.text import format_interval, format_number, table_lines

    rows, notes = [], []
    for metric in METRICS:
        each = found.differences[metric.name]
        gap, num_out = each.difference, sum(each.coverage.unscored.values())
        if gap.note is not None:
            notes.append(f"{metric.label}: {gap.note}")
        rows.append(
            (
                metric.label,
                format_number(each.a),
                format_number(each.b),
                "–" if gap.value is None else f"{gap.value:+.3f}",
                format_interval(gap),
                f"{each.coverage.num_scored} {each.coverage.unit}",
                str(num_out),
                _verdict(metric, gap.low, gap.high),
            )
        )
    interval = f"{100 * found.bootstrap.level:g}% interval"
    header = ("", "A", "B", "A - B", interval, "scored", "unscored", "better")
    return table_lines(header, rows) + notes


def _verdict(metric: "Metric", low: float | None, high: float | None) -> str:
    """Who is better, where the interval leaves out 0 and the metric has a better end."""
    if low is None or high is None or low <= 0 <= high or metric.better is None:
        return ""
    return "A" if (low > 0) == (metric.better == "higher") else "B"
