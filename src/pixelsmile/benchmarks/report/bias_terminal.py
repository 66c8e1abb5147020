"""The bias test as plain text."""

from collections.abc import Sequence

from pixelsmile.benchmarks.fed.bias import BiasResults
from pixelsmile.benchmarks.fed.bias_checks import CHECKS, METRICS_CHECKED
from pixelsmile.benchmarks.report.terminal import bootstrap_words
from pixelsmile.benchmarks.report.text import format_interval, format_number, printable, table_lines

# The columns of the first table, in their order: everything that is checked, and REG.
SHOWN: tuple[tuple[str, str, int], ...] = (
    *((metric.name, metric.label.removesuffix(" alone"), metric.digits) for metric in METRICS_CHECKED[:4]),
    ("identity", "ID", 3),
    ("background", "BG", 1),
    ("quality", "PQ", 2),
    ("consistency", "SC", 2),
    ("truth_alignment", "GTA", 2),
    ("gain", "REG", 2),
    ("clip_truth", "CLIP~ truth", 3),
    ("clip_source", "CLIP~ source", 3),
    ("ssim_truth", "SSIM truth", 3),
    ("ssim_source", "SSIM source", 3),
    ("psnr_truth", "PSNR truth", 1),
    ("expression", "expression", 3),
)
_SYMBOLS = {"yes": "yes", "no": "NO", "not told apart": "?"}


def bias_lines(found: BiasResults) -> list[str]:
    """Every editor's numbers, what each metric ranks right, and the differences where one is wrong."""
    truth = next(iter(found.runs.values()))
    lines = [
        f"triplets: {truth.summary.num_samples}, edits of each editor: {truth.summary.num_edits}, judged by "
        f"{truth.judge_id}",
        "",
        *_editor_lines(found),
        "",
        "does it rank them as it should? yes, NO (the other way round), ? (not told apart)",
        *_check_lines(found),
    ]
    if wrong := _wrong_lines(found):
        lines += ["", "where it does not: the mean of the better editor minus that of the worse", *wrong]
    constants = truth.summary.constants
    lines += [
        "",
        f"FED-Score by normalisation {constants.version}, {constants.status}",
        f"Intervals: {bootstrap_words(found.bootstrap)}, of the same triplets for both editors",
    ]
    return [printable(line) for line in lines]


def _editor_lines(found: BiasResults) -> Sequence[str]:
    half = SHOWN[:10], SHOWN[10:]
    lines: list[str] = []
    for columns in half:
        rows = [
            (editor, *(format_number(figures[name].estimate.value, digits) for name, _, digits in columns))
            for editor, figures in found.figures.items()
        ]
        lines += ["", *table_lines(("", *(label for _, label, _ in columns)), rows)]
    rows = [
        (
            editor,
            format_number(figures["fed_score"].estimate.value),
            format_interval(figures["fed_score"].estimate),
            str(figures["fed_score"].coverage.num_scored),
            str(sum(figures["fed_score"].coverage.unscored.values())),
        )
        for editor, figures in found.figures.items()
    ]
    header = ("", "FED-Score", f"{100 * found.bootstrap.level:g}% interval", "scored", "unscored")
    return [*table_lines(header, rows), *lines]


def _check_lines(found: BiasResults) -> list[str]:
    rows = [
        (metric.label, *(_SYMBOLS[found.checks[metric.name][check.name].answer] for check in CHECKS))
        for metric in METRICS_CHECKED
    ]
    orders = [f"  {check.name}: {' > '.join(check.order)}" for check in CHECKS]
    return [*table_lines(("", *(check.name for check in CHECKS)), rows), *orders]


def _wrong_lines(found: BiasResults) -> list[str]:
    rows = []
    for metric in METRICS_CHECKED:
        for check in found.checks[metric.name].values():
            for pair in check.pairs:
                if pair.answer == "yes":
                    continue
                gap = pair.difference
                value = "–" if gap.value is None else f"{gap.value:+.{metric.digits}f}"
                names = f"{metric.label}: {pair.better} > {pair.worse}"
                rows.append((names, value, format_interval(gap, metric.digits), _SYMBOLS[pair.answer]))
    level = f"{100 * found.bootstrap.level:g}% interval"
    return table_lines(("", "difference", level, ""), rows) if rows else []
