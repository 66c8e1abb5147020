"""The rows of table 3, each as what it changes in the full recipe, and what the paper says of it."""

from dataclasses import dataclass
from typing import Literal

from recipes.commands import ON_FACES

Sign = Literal["higher", "lower"]

FULL = "full"
UNTRAINED = "untrained"  # interpolation alone
DISCRETE = "discrete"

SHARED_SETTINGS = (ON_FACES, "run.num_steps=300")  # of all rows: the steps are equal, and few


@dataclass(frozen=True)
class Variant:
    """settings: `pixelsmile train --set` beyond the full recipe. published: the row's name in table 3."""

    name: str
    published: str
    settings: tuple[str, ...] = ()


VARIANTS: tuple[Variant, ...] = (
    Variant(FULL, "full setting (InfoNCE)"),
    Variant("no-contrastive", "w/o contrastive loss", ("objective.contrastive.weight=0",)),
    Variant("no-identity", "w/o ID loss", ("objective.identity.weight=0",)),
    Variant("asymmetric", "w/o symmetric framework", ("objective.contrastive.symmetric=false",)),
    Variant("log-ratio", "log-ratio constraint", ("objective.contrastive.form=log_ratio",)),
    Variant("hinge", "hinge constraint", ("objective.contrastive.form=hinge",)),
    Variant(DISCRETE, "MEAD data"),  # trained on triplets whose strengths are MEAD's three levels
)

PUBLISHED_NAMES = {UNTRAINED: "w/o training", **{variant.name: variant.published for variant in VARIANTS}}


@dataclass(frozen=True)
class Claim:
    """A sentence of section 5.4 as an inequality: the variant's metric is higher (lower) than the full's."""

    words: str
    variant: str
    metric: str
    sign: Sign


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
