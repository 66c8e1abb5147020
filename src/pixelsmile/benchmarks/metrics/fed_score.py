"""FED-Score: fidelity x alignment x gain, per sample, then averaged (FED-Bench).

The paper gives components, dimensions, product and the Gaussian at 1; how components make a dimension,
and every constant, is reconstructed (fed_normalisation.py). Arrays are of one number a sample, or of any
shape; NaN is a component without value, and makes the score NaN: unscored, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.benchmarks.metrics.measure import ratio
from pixelsmile.benchmarks.metrics.table import BoolArray, FloatArray
from pixelsmile.errors import InputError

# The constants of FED-Score, frozen: a version never changes, so that scores stay comparable.


CURRENT_VERSION = "2"
MeanRule = Literal["arithmetic", "geometric"]


class FedNormalisation(BaseModel):
    """What turns six components into a score. The authors published the form, not these numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    status: Literal["reconstructed", "published"]
    fidelity_mean: MeanRule
    alignment_mean: MeanRule
    background_scale: float = Field(gt=0)  # the RMSE (0-255) at which nothing of the background is left
    judge_scale: float = Field(gt=0)  # the highest mark of PQ, SC and GTA
    identity_floor: float  # a cosine below it counts as it
    gain_centre: float = Field(gt=0)
    gain_width: float = Field(gt=0)
    # Source to truth, in the twelve scores of a judge; below it REG is undefined.
    min_expected_change: float = Field(gt=0)
    # The same in other representations, by their kind: another space has other lengths. Since version 2.
    min_expected_changes: Mapping[str, float] = Field(default_factory=dict)
    source: str

    def of_representation(self, kind: str) -> "FedNormalisation | None":
        """The same with `min_expected_change` for REG by `kind`; None where it has no number for that."""
        if kind == "scores":
            return self
        if kind not in self.min_expected_changes:
            return None
        return self.model_copy(update={"min_expected_change": self.min_expected_changes[kind]})


def load_normalisation(version: str = CURRENT_VERSION) -> FedNormalisation:
    """The constants of `version`; InputError where this installation has no such version."""
    path = resources.files("pixelsmile.benchmarks.metrics") / f"fed_normalisation_{version}.json"
    if not version.isalnum() or not path.is_file():
        known = " or ".join(repr(str(number)) for number in range(1, int(CURRENT_VERSION) + 1))
        raise InputError(f"FED-Score normalisation {version!r} is unknown: use {known}")
    return FedNormalisation.model_validate_json(path.read_bytes())


Values = npt.ArrayLike


@dataclass(frozen=True)
class FedComponents:
    """The six, in their published units. InputError for values outside them."""

    identity: FloatArray  # ID: cosine of source and edit, -1..1
    background: FloatArray  # BG: RMSE of pixels outside the face, 0..255, lower is better
    quality: FloatArray  # PQ: judged, 0..10
    consistency: FloatArray  # SC: judged against the instruction, 0..10
    truth_alignment: FloatArray  # GTA: judged against the ground truth, 0..10
    gain: FloatArray  # REG: the change over the expected change, from 0, best at 1

    def __post_init__(self) -> None:
        lows = {"identity": -1.0}
        highs = {"identity": 1.0, "background": 255.0, "gain": np.inf}
        for part in fields(self):
            values = np.asarray(getattr(self, part.name), dtype=np.float64)
            object.__setattr__(self, part.name, values)
            low, high = lows.get(part.name, 0.0), highs.get(part.name, 10.0)
            wrong = values[(values < low - 1e-5) | (values > high + 1e-5) | np.isinf(values)]
            if wrong.size:
                raise InputError(
                    f"{part.name} {float(wrong.flat[0])!r} is out of range: use {low:g} to {high:g}"
                )


@dataclass(frozen=True)
class FedScores:
    """The three dimensions and their product, 0..1, one a sample; NaN where a component is missing."""

    fidelity: FloatArray
    alignment: FloatArray
    gain: FloatArray
    score: FloatArray


def fed_scores(components: FedComponents, constants: FedNormalisation) -> FedScores:
    """Dimensions and score of each sample (reconstructed). The benchmark's number is the scores' mean."""
    kept = fidelity(components.identity, components.background, components.quality, constants)
    met = alignment(components.consistency, components.truth_alignment, constants)
    gained = gain_factor(components.gain, constants)
    return FedScores(kept, met, gained, kept * met * gained)


def fidelity(
    identity: Values, background: Values, quality: Values, constants: FedNormalisation
) -> FloatArray:
    """The mean of ID, 1 - BG / scale (0 at least) and PQ / 10: what should have stayed did, 0..1."""
    parts = (
        np.maximum(np.asarray(identity, dtype=np.float64), constants.identity_floor),
        np.maximum(1 - np.asarray(background, dtype=np.float64) / constants.background_scale, 0.0),
        np.asarray(quality, dtype=np.float64) / constants.judge_scale,
    )
    return _mean(parts, constants.fidelity_mean)


def alignment(consistency: Values, truth_alignment: Values, constants: FedNormalisation) -> FloatArray:
    """The mean of SC and GTA over 10: what was asked for is there, 0..1."""
    parts = tuple(
        np.asarray(mark, dtype=np.float64) / constants.judge_scale for mark in (consistency, truth_alignment)
    )
    return _mean(parts, constants.alignment_mean)


def gain_factor(gain: Values, constants: FedNormalisation) -> FloatArray:
    """exp(-(REG - 1)^2 / (2 width^2)): 1 for the expected change, less for lazy and for overfit edits."""
    away = (np.asarray(gain, dtype=np.float64) - constants.gain_centre) / constants.gain_width
    return np.asarray(np.exp(-0.5 * away**2))


def relative_gain(change: Values, expected: Values, constants: FedNormalisation) -> FloatArray:
    """REG: the change that was made over the one from source to ground truth.

    NaN, undefined, where the expected change is below `min_expected_change`: source and truth hardly
    differ, and any edit would count as infinitely too much. InputError for a negative change.
    """
    made, wanted = np.asarray(change, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if (made < 0).any() or (wanted < 0).any():
        raise InputError("a change of expression is a distance, and one is negative: give its length")
    defined = gain_defined(wanted, constants)
    return np.where(defined, ratio(made, np.where(defined, wanted, np.nan)), np.nan)


def gain_defined(expected: Values, constants: FedNormalisation) -> BoolArray:
    """Where source and ground truth differ enough for REG."""
    return np.asarray(np.asarray(expected, dtype=np.float64) >= constants.min_expected_change)


def _mean(parts: tuple[FloatArray, ...], rule: str) -> FloatArray:
    stacked = np.stack(np.broadcast_arrays(*parts))
    if rule == "geometric":
        return np.asarray(np.prod(stacked, axis=0) ** (1 / len(parts)))
    return np.asarray(np.mean(stacked, axis=0))
