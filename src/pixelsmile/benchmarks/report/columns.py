"""The numbers of both benchmarks as columns of tables, and what the parts of FED-Score are made of."""

from pixelsmile.benchmarks.metrics import METRICS, FedNormalisation
from pixelsmile.benchmarks.metrics.fed_score import gain_factor
from pixelsmile.benchmarks.report.tables import Column

FFE_COLUMNS: tuple[Column, ...] = tuple(
    Column(
        metric.name,
        metric.label,
        better=metric.better,
        low=-1.0 if metric.name.startswith("cls") else 0.0,
        published=metric.name,
        published_digits=4,
    )
    for metric in METRICS
)

COMPONENTS: tuple[Column, ...] = (
    Column("identity", "ID", "cosine of source and edit", digits=2, published="id", published_digits=2),
    Column(
        *("background", "BG", "RMSE outside the face", "lower"),
        high=100.0,
        digits=1,
        published="bg",
        published_digits=1,
    ),
    *(
        Column(name, label, meaning, high=10.0, digits=2, published=label.lower(), published_digits=1)
        for name, label, meaning in (
            ("quality", "PQ", "quality of the picture, judged"),
            ("consistency", "SC", "instruction followed, judged"),
            ("truth_alignment", "GTA", "ground truth met, judged"),
        )
    ),
    Column(
        *("gain", "REG", "change over the expected", None),
        high=2.0,
        digits=2,
        best=1.0,
        published="reg",
        published_digits=2,
    ),
)
DIMENSIONS: tuple[Column, ...] = (
    Column("fidelity", "Fidelity", "of ID, BG and PQ"),
    Column("alignment", "Alignment", "of SC and GTA"),
    Column("gain_factor", "Gain", "the Gaussian of REG"),
)
SCORE = Column("fed_score", "FED-Score", "the product, by sample", published="fed_score")
FED_COLUMNS: tuple[Column, ...] = (*COMPONENTS, *DIMENSIONS, SCORE)


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


def formula_lines(constants: FedNormalisation) -> list[str]:
    """The formula of FED-Score with its numbers, a line for each dimension, as the constants have it."""
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
