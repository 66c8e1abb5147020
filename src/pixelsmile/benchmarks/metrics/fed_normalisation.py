"""The constants of FED-Score, frozen: a version never changes, so that scores stay comparable."""

from collections.abc import Mapping
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import InputError

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
