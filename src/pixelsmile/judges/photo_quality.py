"""How often the judge of photographs is right, which it says on every report; `recipes/photo/quality.py`."""

from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.embedded import photo_path
from pixelsmile.errors import ModelError
from pixelsmile.limits import read_json_object, validated

FILE = "judge_quality.json"


class Quality(BaseModel):
    """fitted_sha256: of what the judge had then. on: which faces. confusion: by label, what was seen.

    Accuracies are shares of the faces that got a verdict, balanced: the mean over the classes. pearson: of
    scores and steps along sweeps whose strengths are known by their order alone. ms_per_face: on one core.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fitted_sha256: str
    on: str
    num_faces: int = Field(ge=1)
    num_without: int = Field(ge=0)
    accuracy: float = Field(ge=0, le=1)
    balanced_accuracy: float = Field(ge=0, le=1)
    by_class: dict[str, float]
    confusion: dict[str, dict[str, int]]
    pearson: dict[str, float]
    ms_per_face: float

    def remark(self, fitted_sha256: str) -> str:
        """One sentence for a reader of the judge's scores."""
        if fitted_sha256 != self.fitted_sha256:
            return "how often it is right was measured before it was fitted anew: measure it again"
        weak = [f"{name} {share:.2f}" for name, share in self.by_class.items() if share < _WEAK]
        worst = f"; rarely right on {', '.join(weak)}" if weak else ""
        return (
            f"right on {self.accuracy:.2f} of {self.num_faces} {self.on} (mean of the classes "
            f"{self.balanced_accuracy:.2f}{worst}); it judges no other expression"
        )


_WEAK = 0.3


@cache
def read_quality() -> Quality:
    """What ships. ModelError where it is absent or damaged."""

    def damaged(reason: str) -> ModelError:
        return ModelError(
            f"{FILE} of the judge of photographs is damaged ({reason}): install pixelsmile again"
        )

    return validated(Quality, read_json_object(photo_path() / FILE, error=damaged), "it", error=damaged)
