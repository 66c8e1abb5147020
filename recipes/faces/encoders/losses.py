"""What the identity encoders are trained on: the losses of ArcFace, AdaFace and FaceNet.

theta_j is the angle between an embedding and the centre of person j.
Shape suffixes: B embeddings, K people, D numbers of an embedding; in (B, B) and (B, B, B) the order is
anchor, positive, negative.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.faces.encoders.plan import AdaptiveMarginPlan, AngularMarginPlan, TripletPlan
from recipes.optimisation import Losses

_NEAREST = 1e-6  # to -1 and 1, where an angle has no finite slope
# AdaFace's, all of the authors' code: where the averages start, and what keeps angles and quotients finite.
_FIRST_MEAN, _FIRST_DEVIATION = 20.0, 100.0
_SMALLEST = 1e-3


class Centres(nn.Module):
    """A direction for each person, learned."""

    def __init__(self, num_classes: int, num_features: int) -> None:
        super().__init__()
        self.weight_KD = nn.Parameter(torch.randn(num_classes, num_features))

    def forward(self, embeddings_BD: Tensor) -> Tensor:
        """Cosines (B, K) of the angles to all centres, a little within -1..1."""
        cosines_BK = functional.linear(
            functional.normalize(embeddings_BD), functional.normalize(self.weight_KD)
        )
        return cosines_BK.clamp(_NEAREST - 1, 1 - _NEAREST)


def own_cosines(cosines_BK: Tensor, labels_B: Tensor) -> Tensor:
    """Each embedding's cosine to its own centre (B,)."""
    return cosines_BK.gather(1, labels_B[:, None])[:, 0]


def replaced(cosines_BK: Tensor, labels_B: Tensor, own_B: Tensor) -> Tensor:
    """The same cosines, but for those to the own centres."""
    return cosines_BK.scatter(1, labels_B[:, None], own_B[:, None])


class AngularMargin(nn.Module):
    """ArcFace's loss: softmax over people, with a margin added to the angle (Deng et al. 2019, Eq. 3).

    L = -mean log( e^{s cos(theta_y + m)} / (e^{s cos(theta_y + m)} + sum_{j != y} e^{s cos theta_j}) )
    """

    def __init__(self, plan: AngularMarginPlan, num_classes: int, num_features: int) -> None:
        super().__init__()
        self.plan = plan
        self.centres = Centres(num_classes, num_features)

    def forward(self, embeddings_BD: Tensor, labels_B: Tensor) -> Losses:
        """The loss, and how near embeddings lie to their own centres; embeddings of any length."""
        cosines_BK = self.centres(embeddings_BD)
        logits_BK = angular_margin_logits(cosines_BK, labels_B, self.plan.scale, self.plan.margin)
        return {
            "loss": functional.cross_entropy(logits_BK, labels_B),
            "own_cosine": own_cosines(cosines_BK, labels_B).detach().mean(),
        }


def angular_margin_logits(cosines_BK: Tensor, labels_B: Tensor, scale: float, margin: float) -> Tensor:
    """s cos(theta_y + m) for each one's own person, s cos theta_j for the others.

    Beyond theta_y = pi - m, where the cosine would rise again, it goes on with the slope of cos theta_y.
    """
    own_B = own_cosines(cosines_BK, labels_B)
    sines_B = (1 - own_B.square()).sqrt()
    within_B = own_B * math.cos(margin) - sines_B * math.sin(margin)
    beyond_B = own_B + math.cos(margin) - 1
    with_margin_B = torch.where(own_B > -math.cos(margin), within_B, beyond_B)
    return scale * replaced(cosines_BK, labels_B, with_margin_B)


class AdaptiveMargin(nn.Module):
    """AdaFace's loss: a margin that depends on the length of the embedding (Kim et al. 2022, section 3.3).

        L = -mean log( e^{s f(theta_y)} / (e^{s f(theta_y)} + sum_{j != y} e^{s cos theta_j}) )
        f(theta_y) = cos(theta_y + g_angle) - g_add,    g_angle = -m z,    g_add = m z + m
        z = clip((|e| - mean) / (deviation / h), -1, 1)

    The length |e| stands for the quality of the picture: a long embedding (z = 1) is pulled in harder the
    further it is away, for a short one (z = -1, ArcFace's margin) this is the other way round. No gradient
    passes through z. Mean and deviation are moving averages over batches. The order of scale and margins is
    that of the authors' code (mk-minchul/AdaFace, head.py).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, plan: AdaptiveMarginPlan, num_classes: int, num_features: int) -> None:
        super().__init__()
        self.plan = plan
        self.centres = Centres(num_classes, num_features)
        self.register_buffer("mean", torch.tensor(_FIRST_MEAN))
        self.register_buffer("deviation", torch.tensor(_FIRST_DEVIATION))

    def forward(self, embeddings_BD: Tensor, labels_B: Tensor) -> Losses:
        """The loss, and how near embeddings lie to their own centres. Counts the lengths in."""
        plan, cosines_BK = self.plan, self.centres(embeddings_BD)
        lengths_B = embeddings_BD.detach().norm(dim=1)
        self._count(lengths_B)
        quality_B = qualities(lengths_B, self.mean, self.deviation, plan.concentration)
        logits_BK = adaptive_margin_logits(cosines_BK, labels_B, quality_B, plan.scale, plan.margin)
        return {
            "loss": functional.cross_entropy(logits_BK, labels_B),
            "own_cosine": own_cosines(cosines_BK, labels_B).detach().mean(),
            "length": self.mean.clone(),
        }

    @torch.no_grad()
    def _count(self, lengths_B: Tensor) -> None:
        self.mean.lerp_(lengths_B.mean(), self.plan.momentum)
        self.deviation.lerp_(lengths_B.std(), self.plan.momentum)


def qualities(lengths_B: Tensor, mean: Tensor, deviation: Tensor, concentration: float) -> Tensor:
    """z of the equation above, -1..1."""
    return ((lengths_B - mean) / (deviation + _SMALLEST) * concentration).clamp(-1, 1)


def adaptive_margin_logits(
    cosines_BK: Tensor, labels_B: Tensor, quality_B: Tensor, scale: float, margin: float
) -> Tensor:
    """s f(theta_y) for each one's own person, s cos theta_j for the others."""
    angles_B = own_cosines(cosines_BK, labels_B).acos() - margin * quality_B
    own_B = angles_B.clamp(_SMALLEST, math.pi - _SMALLEST).cos() - (margin * quality_B + margin)
    return scale * replaced(cosines_BK, labels_B, own_B)


class Triplet(nn.Module):
    """FaceNet's loss: the same person nearer than another, by a margin (Schroff et al. 2015, Eq. 3).

        L = sum [ |a - p|^2 - |a - n|^2 + margin ]_+       a, p: one person; n: another; all of length 1

    Every pair (a, p) of a batch makes one triplet, as in section 3.2 of the paper. Its n is semi-hard (Eq.
    4): the nearest of those that are further from a than p is; where there is none, the furthest of all. The
    sum is divided by the number of its terms that are not zero: triplets that are learned would hush the
    others. It learns nothing itself.
    """

    def __init__(self, plan: TripletPlan) -> None:
        super().__init__()
        self.plan = plan

    def forward(self, embeddings_BD: Tensor, labels_B: Tensor) -> Losses:
        """The loss, and the share of triplets that are not learned; embeddings of any length."""
        terms = triplet_terms(functional.normalize(embeddings_BD), labels_B, self.plan.margin)
        num_wrong = (terms > 0).sum()
        return {
            "loss": terms.sum() / num_wrong.clamp(min=1),
            "wrong_share": num_wrong / max(1, len(terms)),
        }


def triplet_terms(unit_BD: Tensor, labels_B: Tensor, margin: float) -> Tensor:
    """[ |a - p|^2 - |a - n|^2 + margin ]_+ for every pair of one person, with its semi-hard n."""
    squares_BB = 2 - 2 * unit_BD @ unit_BD.T
    same_BB = labels_B[:, None] == labels_B[None]
    others_B1B = ~same_BB[:, None]
    further_BBB = others_B1B & (squares_BB[:, None] > squares_BB[:, :, None])
    nearest_BB = _masked(squares_BB[:, None], further_BBB, torch.inf).amin(2)
    furthest_B1 = _masked(squares_BB, ~same_BB, -torch.inf).amax(1, keepdim=True)
    negatives_BB = torch.where(further_BBB.any(2), nearest_BB, furthest_B1)
    pairs_BB = same_BB & ~torch.eye(len(labels_B), dtype=torch.bool, device=labels_B.device)
    return (squares_BB - negatives_BB + margin)[pairs_BB].relu()


def _masked(values: Tensor, kept: Tensor, rest: float) -> Tensor:
    return torch.where(kept, values, values.new_tensor(rest))
