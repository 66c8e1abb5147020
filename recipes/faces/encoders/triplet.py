"""FaceNet's loss: the same person nearer than another, by a margin (Schroff et al. 2015, Eq. 3).

    L = sum [ |a - p|^2 - |a - n|^2 + margin ]_+       a, p: one person; n: another; all of length 1

Every pair (a, p) of a batch makes one triplet, as in section 3.2 of the paper. Its n is semi-hard (Eq. 4):
the nearest of those that are further from a than p is; where there is none, the furthest of all. The sum is
divided by the number of its terms that are not zero: triplets that are learned would hush the others.

Shape suffixes: B embeddings, D numbers of an embedding; in (B, B) and (B, B, B) the order is a, p, n.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.embedded.loop import Losses
from recipes.faces.encoders.plan import TripletPlan


class Triplet(nn.Module):
    """The loss; it learns nothing itself."""

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
