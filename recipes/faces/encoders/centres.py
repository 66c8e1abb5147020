"""The centres of people, which a softmax over people compares embeddings with.

Shape suffixes: B embeddings, K people, D numbers of an embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_NEAREST = 1e-6  # to -1 and 1, where an angle has no finite slope


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
