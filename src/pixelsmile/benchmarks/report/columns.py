"""The numbers of both benchmarks as columns of tables, and how good a component is."""

from pixelsmile.benchmarks.metrics import METRICS, FedNormalisation
from pixelsmile.benchmarks.metrics.fed_score import gain_factor
from pixelsmile.benchmarks.report.tables import Column

FFE_COLUMNS: tuple[Column, ...] = tuple(
    Column(
        metric.name,
        metric.label,
        better=metric.better,
        low=-1.0 if metric.name.startswith("cls") else 0.0,
        published_digits=4,
    )
    for metric in METRICS
)

COMPONENTS: tuple[Column, ...] = (
    Column("identity", "ID", "cosine of source and edit", digits=2, published_digits=2),
    Column("background", "BG", "RMSE outside the face", "lower", high=100.0, digits=1, published_digits=1),
    Column("quality", "PQ", "quality of the picture, judged", high=10.0, digits=2, published_digits=1),
    Column("consistency", "SC", "instruction followed, judged", high=10.0, digits=2, published_digits=1),
    Column("truth_alignment", "GTA", "ground truth met, judged", high=10.0, digits=2, published_digits=1),
    Column("gain", "REG", "change over the expected", None, high=2.0, digits=2, best=1.0, published_digits=2),
)
DIMENSIONS: tuple[Column, ...] = (
    Column("fidelity", "Fidelity", "of ID, BG and PQ"),
    Column("alignment", "Alignment", "of SC and GTA"),
    Column("gain_factor", "Gain", "the Gaussian of REG"),
)
SCORE = Column("fed_score", "FED-Score", "the product, by sample")
FED_COLUMNS: tuple[Column, ...] = (*COMPONENTS, *DIMENSIONS, SCORE)


def goodness(name: str, value: float | None, constants: FedNormalisation) -> float:
    """How full the bar of a component is, 0..1: full is best, whichever way the component runs."""
    if value is None:
        return 0.0
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
