"""What the features are trained on. Shape suffixes: B windows, D numbers of a feature, E expressions."""

import torch
from torch import Tensor
from torch.nn import functional

from recipes.features.plan import LossPlan


def feature_losses(
    features_BD: Tensor, scores_BE: Tensor, truths_BE: Tensor, plan: LossPlan
) -> dict[str, Tensor]:
    """`loss`, and its two parts. features_BD: of unit length; scores_BE: read from them by a linear layer."""
    contrast = score_contrast(features_BD, truths_BE, plan.temperature, plan.width)
    fit = functional.huber_loss(scores_BE, truths_BE, delta=plan.huber) / plan.huber
    return {"loss": contrast + plan.fit * fit, "contrast": contrast.detach(), "fit": fit.detach()}


def score_contrast(features_BD: Tensor, truths_BE: Tensor, temperature: float, width: float) -> Tensor:
    """The supervised contrastive loss (Khosla et al. 2020) with near scores in the place of equal labels.

        p_ij ~ exp(-|s_i - s_j|^2 / (2 width^2)),   q_ij ~ exp(z_i z_j / temperature),   j != i
        L = mean over i of sum over j of p_ij log(p_ij / q_ij)

    At least 0; then the features of a batch lie as near to one another as their scores do.
    """
    itself = torch.eye(len(features_BD), dtype=torch.bool, device=features_BD.device)
    apart_BB = (truths_BE[:, None] - truths_BE).square().sum(-1)
    wanted_BB = (-apart_BB / (2 * width**2)).masked_fill(itself, -torch.inf).log_softmax(1)
    found_BB = (features_BD @ features_BD.T / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    terms_BB = wanted_BB.exp() * (wanted_BB - found_BB).masked_fill(itself, 0.0)
    return terms_BB.sum(1).mean()
