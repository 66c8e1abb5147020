"""AdaFace's loss: a margin that depends on the length of the embedding (Kim et al. 2022, section 3.3).

    L = -mean log( e^{s f(theta_y)} / (e^{s f(theta_y)} + sum_{j != y} e^{s cos theta_j}) )
    f(theta_y) = cos(theta_y + g_angle) - g_add,    g_angle = -m z,    g_add = m z + m
    z = clip((|e| - mean) / (deviation / h), -1, 1)

The length |e| stands for the quality of the picture: a long embedding (z = 1) is pulled in harder the further
it is away, for a short one (z = -1, ArcFace's margin) this is the other way round. No gradient passes through
z. Mean and deviation are moving averages over batches. The order of scale and margins is that of the
authors' code (mk-minchul/AdaFace, head.py).

Shape suffixes: B embeddings, K people, D numbers of an embedding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.embedded.loop import Losses
from recipes.faces.encoders.centres import Centres, own_cosines, replaced
from recipes.faces.encoders.plan import AdaptiveMarginPlan

# All of the authors' code: where the averages start, and what keeps angles and quotients finite.
_FIRST_MEAN, _FIRST_DEVIATION = 20.0, 100.0
_SMALLEST = 1e-3


class AdaptiveMargin(nn.Module):
    """The loss, with the centres of all people of the training and the statistics of lengths."""

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
