"""Training dynamics (PixelSmile, figure 9): loss and confusion along the checkpoints of a training."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.metrics.summary import Figure, summarise
from pixelsmile.benchmarks.metrics.table import JudgedEdit
from pixelsmile.errors import InputError

FIGURE_9 = ("mscr", "acc_6", "acc_12")


@dataclass(frozen=True)
class DynamicsPoint:
    """One checkpoint: the mean loss since the one before it (None: none was logged), and its metrics."""

    step: int
    loss: float | None
    num_losses: int
    metrics: Mapping[str, Figure]

    def as_json(self) -> dict[str, Any]:
        metrics = {name: figure.as_json() for name, figure in self.metrics.items()}
        return {"step": self.step, "loss": self.loss, "n_losses": self.num_losses, "metrics": metrics}


def training_dynamics(
    judged_by_step: Mapping[int, Iterable[JudgedEdit]],
    losses: Mapping[int, float],
    choices: MetricChoices | None = None,
    bootstrap: Bootstrap | None = None,
    names: tuple[str, ...] = FIGURE_9,
) -> tuple[DynamicsPoint, ...]:
    """A point for each judged checkpoint, by rising step. `losses` are by step, as training logged them.

    InputError where checkpoints were judged on different edits, or a loss is not finite.
    """
    edits_by_step = {step: tuple(edits) for step, edits in sorted(judged_by_step.items())}
    _check(edits_by_step, losses)
    points, before = [], -1
    for step, edits in edits_by_step.items():
        since = [loss for at, loss in losses.items() if before < at <= step]
        summary = summarise(edits, choices, bootstrap)
        metrics = {name: summary.metrics[name] for name in names}
        mean_loss = math.fsum(since) / len(since) if since else None
        points.append(DynamicsPoint(step, mean_loss, len(since), metrics))
        before = step
    return tuple(points)


def _check(edits_by_step: Mapping[int, tuple[JudgedEdit, ...]], losses: Mapping[int, float]) -> None:
    keys = {step: {edit.key for edit in edits} for step, edits in edits_by_step.items()}
    for step, found in keys.items():
        first = next(iter(keys))
        if found != keys[first]:
            raise InputError(f"steps {first} and {step} were judged on different edits: judge the same ones")
    for step, loss in losses.items():
        if not math.isfinite(loss):
            raise InputError(f"the loss at step {step} is {loss!r}: leave it out, or find out why")
