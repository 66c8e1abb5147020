"""The report as plain text."""

from collections.abc import Mapping

from pixelsmile.benchmarks.metrics import METRICS, Bootstrap
from pixelsmile.benchmarks.published import TableName, published_table
from pixelsmile.benchmarks.report.text import format_interval, format_number, printable, table_lines
from pixelsmile.benchmarks.results import RunResults

PUBLISHED: tuple[TableName, ...] = ("ffe_general", "ffe_linear", "ffe_ablation")
WARNING = "another judge, other samples: not comparable directly"
_METHODS = {"bca": "BCa", "percentile": "percentile"}


def report_lines(runs: Mapping[str, RunResults]) -> list[str]:
    """The leaderboard of `runs` above the published rows, then each run with its intervals."""
    lines = _leaderboard_lines(runs)
    for label, run in runs.items():
        lines += [
            "",
            f"{label}: {run.summary.num_samples} samples, judged by {run.judge_id}",
            *_run_lines(run),
        ]
    return [printable(line) for line in lines]


def bootstrap_words(plan: Bootstrap) -> str:
    """How the intervals were made."""
    return (
        f"{100 * plan.level:g}% interval ({_METHODS[plan.method]} bootstrap over source pictures, "
        f"{plan.num_replicates} draws)"
    )


def _leaderboard_lines(runs: Mapping[str, RunResults]) -> list[str]:
    """Values alone, aligned over all tables: whose they are stands above the published ones."""
    blocks = [("", [(label, _values(run)) for label, run in runs.items()])]
    for name in PUBLISHED:
        table = published_table(name)
        heading = f"published: {table.source}, judged by {table.judge} ({WARNING})"
        blocks.append((heading, [(row.model, row.values) for row in table.rows]))
    header = ("", *(metric.label for metric in METRICS))
    rows = [
        (name, *(format_number(values.get(metric.name)) for metric in METRICS))
        for _, block in blocks
        for name, values in block
    ]
    head, *aligned = table_lines(header, rows)
    lines = [head]
    for heading, block in blocks:
        lines += (["", heading] if heading else []) + aligned[: len(block)]
        del aligned[: len(block)]
    return lines


def _values(run: RunResults) -> dict[str, float]:
    found = {name: figure.estimate.value for name, figure in run.summary.metrics.items()}
    return {name: value for name, value in found.items() if value is not None}


def _run_lines(run: RunResults) -> list[str]:
    """A row for each metric: value, interval, what it rests on, the domains; below, why a number lacks."""
    domains = run.by_domain if len(run.by_domain) > 1 else {}
    rows: list[tuple[str, ...]] = []
    notes: dict[str, list[str]] = {}
    for metric in METRICS:
        figure = run.summary.metrics[metric.name]
        found, coverage = figure.estimate, figure.coverage
        if found.note is not None:
            notes.setdefault(found.note, []).append(metric.label)
        parts = (summary.metrics[metric.name].estimate for summary in domains.values())
        rows.append(
            (
                metric.label,
                format_number(found.value),
                format_interval(found),
                f"{coverage.num_scored} {coverage.unit}",
                str(sum(coverage.unscored.values())),
                *(f"{format_number(part.value)} {format_interval(part)}" for part in parts),
            )
        )
    interval = f"{100 * run.summary.bootstrap.level:g}% interval"
    header = ("", "value", interval, "scored", "unscored", *domains)
    return table_lines(header, rows) + [f"{', '.join(labels)}: {note}" for note, labels in notes.items()]
