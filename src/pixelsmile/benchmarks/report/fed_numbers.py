"""The numbers of FED-Bench as a report shows them: names, directions, scales, and how they are published."""

from dataclasses import dataclass
from typing import Literal

from pixelsmile.benchmarks.metrics import FedNormalisation
from pixelsmile.benchmarks.metrics.fed_score import gain_factor


@dataclass(frozen=True)
class FedNumber:
    """A number of a FedSummary. low, high: the ends of its scale. published: its column and digits there."""

    name: str
    label: str
    meaning: str
    better: Literal["higher", "lower"] | None = "higher"
    low: float = 0.0
    high: float = 1.0
    digits: int = 3
    published: str | None = None
    published_digits: int = 1


COMPONENT_NUMBERS: tuple[FedNumber, ...] = (
    FedNumber("identity", "ID", "cosine of source and edit", digits=2, published="id", published_digits=2),
    FedNumber("background", "BG", "RMSE outside the face", "lower", high=100.0, digits=1, published="bg"),
    FedNumber("quality", "PQ", "quality of the picture, judged", high=10.0, digits=2, published="pq"),
    FedNumber("consistency", "SC", "instruction followed, judged", high=10.0, digits=2, published="sc"),
    FedNumber("truth_alignment", "GTA", "ground truth met, judged", high=10.0, digits=2, published="gta"),
    FedNumber(
        "gain",
        "REG",
        "change over the expected",
        None,
        high=2.0,
        digits=2,
        published="reg",
        published_digits=2,
    ),
)
DIMENSION_NUMBERS: tuple[FedNumber, ...] = (
    FedNumber("fidelity", "Fidelity", "of ID, BG and PQ"),
    FedNumber("alignment", "Alignment", "of SC and GTA"),
    FedNumber("gain_factor", "Gain", "the Gaussian of REG"),
)
SCORE_NUMBER = FedNumber(
    "fed_score", "FED-Score", "the product, by sample", published="fed_score", published_digits=3
)
ALL_NUMBERS: tuple[FedNumber, ...] = (*COMPONENT_NUMBERS, *DIMENSION_NUMBERS, SCORE_NUMBER)


def goodness(name: str, value: float, constants: FedNormalisation) -> float:
    """How full the bar of a component is, 0..1: full is best, whichever way the component runs."""
    match name:
        case "identity":
            share = value
        case "background":
            share = 1 - value / constants.background_scale
        case "gain":
            share = float(gain_factor(value, constants))
        case _:
            share = value / constants.judge_scale
    return min(max(share, 0.0), 1.0)


def constants_words(constants: FedNormalisation) -> list[str]:
    """The formula with its numbers, a line for each dimension, as the constants have it."""
    kept = f"ID, 1 − BG / {constants.background_scale:g} and PQ / {constants.judge_scale:g}"
    met = f"SC / {constants.judge_scale:g} and GTA / {constants.judge_scale:g}"
    least_changes = {"scores": constants.min_expected_change, **constants.min_expected_changes}
    width, centre = constants.gain_width, constants.gain_centre
    return [
        "FED-Score = mean over edits of Fidelity × Alignment × Gain",
        f"Fidelity = {constants.fidelity_mean} mean of {kept}; a cosine below {constants.identity_floor:g} "
        "counts as that, and a background beyond the scale as 0",
        f"Alignment = {constants.alignment_mean} mean of {met}",
        f"Gain = exp(−(REG − {centre:g})² / (2 · {width:g}²))",
        "REG is undefined, and the edit unscored, where source and ground truth differ by less than "
        + ", ".join(f"{least:g} ({kind})" for kind, least in least_changes.items()),
    ]
