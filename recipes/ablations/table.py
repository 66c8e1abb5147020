"""What the variants came to: means over seeds, differences from the full recipe, and what becomes of claims.

A difference is of the metric on the edits of all seeds together. Its interval (percentile, 95 %) draws source
pictures and seeds again, both at once: a picture counts in all variants and seeds alike. Three seeds say
little about the spread between trainings; the smallest and largest of them stand beside the mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import Bootstrap, Measure, difference, percentile_interval
from pixelsmile.benchmarks.metrics.summary import METRICS, measures
from pixelsmile.benchmarks.metrics.table import FloatArray, tabulate
from pixelsmile.benchmarks.scorers.drawn import TRUTH
from pixelsmile.benchmarks.scores import ScoredEdit
from recipes.ablations.jobs import DISCRETE, FULL, PUBLISHED_NAMES

Edits = Mapping[str, Mapping[int, Sequence[ScoredEdit]]]  # by variant and seed

_TAIL = 0.025
_SEED_MARK = "#"
_PSNR = "psnr_db"  # one of the numbers of the scorer TRUTH


@dataclass(frozen=True)
class Claim:
    """A sentence of section 5.4 as an inequality: the variant's metric is higher (lower) than the full's."""

    words: str
    variant: str
    metric: str
    sign: Literal["higher", "lower"]


CLAIMS: tuple[Claim, ...] = (
    Claim("without the contrastive loss expressions are confused", "no-contrastive", "mscr", "higher"),
    Claim("without the contrastive loss fewer edits are right", "no-contrastive", "acc_12", "lower"),
    Claim("without the identity loss the person drifts", "no-identity", "id_sim", "lower"),
    Claim("without the identity loss editing improves", "no-identity", "acc_12", "higher"),
    Claim("without symmetry expressions are confused", "asymmetric", "mscr", "higher"),
    Claim("without symmetry fewer edits are right", "asymmetric", "acc_12", "lower"),
    Claim("log-ratio keeps more of the person", "log-ratio", "id_sim", "higher"),
    Claim("log-ratio weakens editing", "log-ratio", "acc_12", "lower"),
    Claim("hinge edits more strongly", "hinge", "expression", "higher"),
    Claim("hinge costs identity", "hinge", "id_sim", "lower"),
    Claim("discrete strengths control worse", DISCRETE, "cls_12", "lower"),
    Claim("discrete strengths confuse more", DISCRETE, "mscr", "higher"),
    Claim("discrete strengths balance worse", DISCRETE, "hes", "lower"),
)


@dataclass(frozen=True)
class Cell:
    """A metric of a variant: the mean over seeds, lowest and highest seed; and against the full recipe.

    None where it is undefined, as linearity without a sweep.
    """

    mean: float | None
    lowest: float | None
    highest: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Finding:
    """A claim of the paper, and whether it holds here: yes, no (the opposite does), or not told apart."""

    claim: Claim
    verdict: str
    cell: Cell


def ablation_table(edits: Edits, num_replicates: int = 2000) -> dict[str, dict[str, Cell]]:
    """Every variant's cells by metric. The full recipe must be among the variants, all with the same seeds.

    A variant with one seed (the untrained model) has its differences from the full recipe too: its edits
    stand in for every seed.
    """
    seeds = sorted(edits[FULL])
    full = pooled_measures(edits[FULL], seeds)
    samples = sorted({edit.sample for edit in edits[FULL][seeds[0]]})
    weights_RS = drawn_weights(len(samples), len(seeds), num_replicates)
    return {name: _cells(by_seed, full, seeds, weights_RS) for name, by_seed in edits.items()}


def findings(table: Mapping[str, Mapping[str, Cell]]) -> list[Finding]:
    """What becomes of each claim."""
    return [
        Finding(
            claim, _verdict(claim, table[claim.variant][claim.metric]), table[claim.variant][claim.metric]
        )
        for claim in CLAIMS
        if claim.variant in table
    ]


def as_json(table: Mapping[str, Mapping[str, Cell]]) -> dict[str, Any]:
    """Cells and findings, for a file."""
    return {
        "table": {
            name: {metric: asdict(cell) for metric, cell in cells.items()} for name, cells in table.items()
        },
        "claims": [
            {**asdict(found.claim), "holds": found.verdict, **asdict(found.cell)} for found in findings(table)
        ],
    }


def as_markdown(table: Mapping[str, Mapping[str, Cell]]) -> str:
    """Two tables: the metrics of each variant, with the name of its row in the paper, and the claims."""
    names = [metric.name for metric in METRICS if metric.name != "cls_2"]
    labels = [metric.label for metric in METRICS if metric.name != "cls_2"]
    lines = [f"| | in the paper | {' | '.join(labels)} |", "|---" * (len(labels) + 2) + "|"]
    for name, cells in table.items():
        lines.append(
            f"| {name} | {PUBLISHED_NAMES[name]} | {' | '.join(_shown(cells[metric]) for metric in names)} |"
        )
    lines += ["", "| the paper says | metric | difference from full | holds |", "|---|---|---|---|"]
    for found in findings(table):
        cell, claim = found.cell, found.claim
        apart = "–"
        if cell.difference is not None:
            apart = f"{cell.difference:+.3f} ({cell.low:+.3f} to {cell.high:+.3f})"
        lines.append(f"| {claim.words} | {claim.metric} {claim.sign} | {apart} | {found.verdict} |")
    return "\n".join(lines)


def by_strength(edits: Edits) -> str:
    """A table by strength: score of what was asked for, PSNR to the drawn truth; means of all seeds."""
    pooled = {name: [edit for found in by_seed.values() for edit in found] for name, by_seed in edits.items()}
    strengths = sorted({edit.strength for found in pooled.values() for edit in found})
    heads = [f"{word} at {strength:g}" for word in ("score", "PSNR, dB,") for strength in strengths]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, found in pooled.items():
        at = [[edit for edit in found if edit.strength == strength] for strength in strengths]
        scores = [_mean([edit.verdict.values.get(edit.target) for edit in some], 2) for some in at]
        psnr = [_mean([edit.score(TRUTH).values.get(_PSNR) for edit in some], 1) for some in at]
        lines.append(f"| {name} | {' | '.join((*scores, *psnr))} |")
    return "\n".join(lines)


def _mean(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.{digits}f}" if known else "–"


def pooled_measures(
    by_seed: Mapping[int, Sequence[ScoredEdit]], seeds: Sequence[int]
) -> Mapping[str, Measure]:
    """Of the edits of all seeds together; rows are (sample, seed), a sample's seeds side by side."""
    renamed = [
        replace(edit, task=edit.task.model_copy(update={"source": f"{edit.sample}{_SEED_MARK}{place:04}"}))
        for place, seed in enumerate(seeds)
        for edit in by_seed.get(seed, by_seed[min(by_seed)])
    ]
    return measures(tabulate(renamed), MetricChoices())


def drawn_weights(num_samples: int, num_seeds: int, num_replicates: int) -> FloatArray:
    """Weights (R, samples x seeds): samples and seeds drawn again, independently."""
    samples_RS = Bootstrap(num_replicates=num_replicates).draw(num_samples)
    seeds_RK = Bootstrap(num_replicates=num_replicates, seed=1).draw(num_seeds)
    return np.asarray((samples_RS[:, :, None] * seeds_RK[:, None, :]).reshape(num_replicates, -1))


def _cells(
    by_seed: Mapping[int, Sequence[ScoredEdit]],
    full: Mapping[str, Measure],
    seeds: Sequence[int],
    weights_RS: FloatArray,
) -> dict[str, Cell]:
    own = pooled_measures(by_seed, seeds)
    each = [measures(tabulate(edits), MetricChoices()) for edits in by_seed.values()]
    return {
        name: _cell([one[name].value() for one in each], difference(measure, full[name]), weights_RS)
        for name, measure in own.items()
    }


def _cell(values: Sequence[float], gap: Measure, weights_RS: FloatArray) -> Cell:
    drawn_R = gap.resampled(weights_RS)
    if not np.isfinite([*values, gap.value()]).all() or not np.isfinite(drawn_R).any():
        return Cell(None, None, None)
    low, high = percentile_interval(drawn_R[np.isfinite(drawn_R)], _TAIL)
    return Cell(float(np.mean(values)), min(values), max(values), gap.value(), float(low), float(high))


def _verdict(claim: Claim, cell: Cell) -> str:
    if cell.low is None or cell.high is None:
        return "undefined"
    if cell.low <= 0 <= cell.high:
        return "not told apart"
    return "yes" if (cell.low > 0) == (claim.sign == "higher") else "no, the opposite"


def _shown(cell: Cell) -> str:
    if cell.mean is None:
        return "–"
    spread = "" if cell.lowest == cell.highest else f" ({cell.lowest:.3f}-{cell.highest:.3f})"
    return f"{cell.mean:.3f}{spread}"
