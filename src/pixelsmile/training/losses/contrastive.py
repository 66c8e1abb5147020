"""The symmetric contrastive loss (PixelSmile, Eq. 7) and its three forms (Eq. 10 to 12).

    L_SC = 1/2 [T(G_a, P_a, P_b) + T(G_b, P_b, P_a)]

    hinge      T(G, P, N) = max(0, d(G, P) - d(G, N) + margin)
    log-ratio  T(G, P, N) = log((d(G, P) + epsilon) / (d(G, N) + epsilon))
    InfoNCE    T(G, P, N) = -log(exp(s(G, P) / tau) / (exp(s(G, P) / tau) + exp(s(G, N) / tau)))

s is the cosine of the features, d = 1 - s. G is generated, P the truth of its own expression and N that of
the confusing one, of the same person. Gradients reach G alone.

Doubts:
- The asymmetric variant of Table 3 is described in words ("only one branch"). Here it is T(G_a, P_a, P_b) at
  full weight, as in the reference: halved, it would also test a weaker weight.
- Log-ratio goes down to log(epsilon / (2 + epsilon)) = -14.5, so a total may be negative, and close to P its
  slope (by the angle) rises to 1 / sqrt(2 epsilon) = 707: clip gradients.
- InfoNCE sees two candidates alone, P and N; the others of the batch are no negatives.
- Where P and N are alike (low strengths), InfoNCE stays at log 2 and the hinge at its margin, with next to
  no gradient: the paper weights no pair by how far its truths are apart, and neither is it done here.

Shape suffixes: B samples, R = 2 B rows (all of branch a, then all of branch b), D numbers of a feature.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from pixelsmile.errors import InputError
from pixelsmile.training.losses.cosines import cosine_distance
from pixelsmile.training.losses.values import Reduction, reduced

Form = Literal["infonce", "hinge", "log_ratio"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class ContrastiveSettings:
    """Which form, with the paper's numbers (Appendix A.2), and whether both branches count.

    InputError for an unknown form or a number that is not above 0 (the margin may be 0).
    """

    form: Form = "infonce"
    symmetric: bool = True
    temperature: float = 0.07
    margin: float = 0.2
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InputError(f"unknown contrastive form {self.form!r}: choose from {', '.join(FORMS)}")
        for name, value in (("temperature", self.temperature), ("epsilon", self.epsilon)):
            if not 0 < value < float("inf"):
                raise InputError(f"the contrastive {name} must be a number above 0, not {value!r}")
        if not 0 <= self.margin < float("inf"):
            raise InputError(f"the contrastive margin must be a number from 0 on, not {self.margin!r}")


def symmetric_contrastive(
    generated_RD: Tensor, truth_RD: Tensor, settings: ContrastiveSettings, reduction: Reduction = "none"
) -> Tensor:
    """L_SC of each triplet, (B,), or reduced; without `settings.symmetric` that of branch a alone.

    generated_RD, truth_RD: features of both branches. Truths get no gradient.
    InputError where the rows are not two branches of one shape.
    """
    if generated_RD.shape != truth_RD.shape or len(truth_RD) % 2:
        raise InputError(
            f"generated features {tuple(generated_RD.shape)} and truths {tuple(truth_RD.shape)}: give both "
            "branches of each, a first, then b"
        )
    generated_a, generated_b = generated_RD.chunk(2)
    truth_a, truth_b = truth_RD.detach().chunk(2)
    values_B = triplet(generated_a, truth_a, truth_b, settings)
    if settings.symmetric:
        values_B = (values_B + triplet(generated_b, truth_b, truth_a, settings)) / 2
    return reduced(values_B, reduction)


def triplet(
    generated_BD: Tensor, positive_BD: Tensor, negative_BD: Tensor, settings: ContrastiveSettings
) -> Tensor:
    """T(G, P, N) of each sample in the form that `settings` names: (B,)."""
    near_B = cosine_distance(generated_BD, positive_BD)
    far_B = cosine_distance(generated_BD, negative_BD)
    match settings.form:
        case "infonce":
            return info_nce(near_B, far_B, settings.temperature)
        case "hinge":
            return hinge(near_B, far_B, settings.margin)
        case "log_ratio":
            return log_ratio(near_B, far_B, settings.epsilon)


def hinge(near_B: Tensor, far_B: Tensor, margin: float) -> Tensor:
    """Eq. 10 of the distances d(G, P) and d(G, N): (B,), at least 0."""
    return (near_B - far_B + margin).clamp(min=0)


def log_ratio(near_B: Tensor, far_B: Tensor, epsilon: float) -> Tensor:
    """Eq. 11 of the distances d(G, P) and d(G, N): (B,), negative where G is nearer to P."""
    return torch.log((near_B + epsilon) / (far_B + epsilon))


def info_nce(near_B: Tensor, far_B: Tensor, temperature: float) -> Tensor:
    """Eq. 12 of the distances d(G, P) and d(G, N): (B,), above 0; s = 1 - d, and the 1 cancels."""
    logits_B2 = -torch.stack([near_B, far_B], dim=1) / temperature
    return -torch.log_softmax(logits_B2, dim=1)[:, 0]
