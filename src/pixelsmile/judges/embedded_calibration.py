"""What the embedded markers' errors are worth in marks: a small file beside the judge's weights.

`pixelsmile.recipes.judge.marks` makes it from drawn truth, and says how.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pixelsmile.errors import ModelError
from pixelsmile.judges.verdict import MAX_MARK
from pixelsmile.limits import read_json_object, validated

CALIBRATION_FILE = "marks.json"


class Scale(BaseModel):
    """Errors up to `full_at` earn full marks, from `none_at` on none; in between marks fall evenly."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    full_at: float = Field(ge=0, allow_inf_nan=False)
    none_at: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _rises(self) -> "Scale":
        if not self.full_at < self.none_at:
            raise ValueError(f"full marks at {self.full_at}, none at {self.none_at}: errors cost marks")
        return self

    def mark(self, error: float) -> float:
        """The mark (0..10) for an error."""
        return float(np.interp(error, (self.full_at, self.none_at), (MAX_MARK, 0.0)))


class Calibration(BaseModel):
    """A scale for each error. weights_sha256: of the judge that it was made for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    weights_sha256: str
    softness: Scale
    grain: Scale
    blocks: Scale
    consistency: Scale
    truth_alignment: Scale


def load_calibration(folder: Path, weights_sha256: str) -> Calibration:
    """The calibration in the judge's folder; ModelError where it is absent, damaged, or another judge's."""
    file = folder / CALIBRATION_FILE
    if not file.exists():
        raise ModelError(f"{str(folder)!r} has no {CALIBRATION_FILE}: make it with the recipe")

    def damaged(reason: str) -> ModelError:
        return ModelError(f"{CALIBRATION_FILE} in {str(folder)!r} is damaged ({reason}): make it again")

    calibration = validated(Calibration, read_json_object(file, error=damaged), "it", error=damaged)
    if calibration.weights_sha256 != weights_sha256:
        raise ModelError(
            f"{CALIBRATION_FILE} in {str(folder)!r} is for other weights than the judge's: make it again"
        )
    return calibration
