"""Expression against identity (PixelSmile, figure 4): where an editor stands at each strength."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelsmile.benchmarks.metrics.bootstrap import Bootstrap, Estimate, estimate
from pixelsmile.benchmarks.metrics.harmonic import edit_coverage
from pixelsmile.benchmarks.metrics.identity import Identities
from pixelsmile.benchmarks.metrics.measure import Coverage, mean_measure
from pixelsmile.benchmarks.metrics.table import EditTable, FloatArray


@dataclass(frozen=True)
class TradeOffPoint:
    """The means over the edits of one strength that have both a verdict and an identity."""

    strength: float
    expression: Estimate
    identity: Estimate
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
        return {
            "strength": self.strength,
            "expression": self.expression.as_json(),
            "identity": self.identity.as_json(),
            **self.coverage.as_json(),
        }


def trade_off_curve(
    table: EditTable, found: Identities, plan: Bootstrap, weights_RS: FloatArray
) -> tuple[TradeOffPoint, ...]:
    """One point for each strength in `table`, rising: mean score for the target, mean S_ID."""
    score_E = table.target_scores()
    reasons = [edit.no_verdict or found.reasons[place] for place, edit in enumerate(table.edits)]
    points = []
    for strength in table.strengths():
        both_E = table.at(strength) & np.isfinite(score_E) & np.isfinite(found.similarity)
        coverage = edit_coverage(table, both_E, reasons, strength)
        means = [
            mean_measure(np.where(both_E, values_E, np.nan), table.sample, table.num_samples, coverage)
            for values_E in (score_E, found.similarity)
        ]
        expression, identity = (estimate(mean, plan, weights_RS) for mean in means)
        points.append(TradeOffPoint(strength, expression, identity, coverage))
    return tuple(points)
