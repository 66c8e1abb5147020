"""ArcFace's loss: softmax over people, with a margin added to the angle (Deng et al. 2019, Eq. 3).

    L = -mean log( e^{s cos(theta_y + m)} / (e^{s cos(theta_y + m)} + sum_{j != y} e^{s cos theta_j}) )

theta_j is the angle between an embedding and the centre of person j. Shape suffixes: B embeddings, K people,
D numbers of an embedding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.embedded.loop import Losses
from recipes.faces.encoders.centres import Centres, own_cosines, replaced
from recipes.faces.encoders.plan import AngularMarginPlan


class AngularMargin(nn.Module):
    """The loss, with the centres of all people of the training."""

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
