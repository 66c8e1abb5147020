"""What the judge is trained on. Shape suffixes: B faces, E expressions."""

import torch
from torch import Tensor

from recipes.judge.plan import LossPlan


def score_losses(scores_BE: Tensor, truths_BE: Tensor, plan: LossPlan) -> dict[str, Tensor]:
    """`loss`, and its two parts: the error of each score, and of the distances to the highest one.

    Scores are cut to 0..1 afterwards: where the truth is an end of the scale, what lies beyond it is right.
    Where the truth's highest score stands above another by some distance, a smaller distance is an error,
    which is 0 wherever the scores themselves are right.
    """
    errors_BE = scores_BE - truths_BE
    errors_BE = torch.where(truths_BE <= 0, errors_BE.clamp(min=0), errors_BE)
    errors_BE = torch.where(truths_BE >= 1, errors_BE.clamp(max=0), errors_BE)
    fit = _size(errors_BE, plan)
    highest_B1 = truths_BE.argmax(1, keepdim=True)
    wanted_BE = truths_BE.gather(1, highest_B1) - truths_BE
    missing_BE = (wanted_BE - (scores_BE.gather(1, highest_B1) - scores_BE)).clamp(min=0)
    ranking = _size(missing_BE * (wanted_BE > 0), plan)  # at rest none is the highest
    return {"loss": fit + plan.ranking * ranking, "fit": fit.detach(), "ranking": ranking.detach()}


def _size(errors_BE: Tensor, plan: LossPlan) -> Tensor:
    """Huber's loss, with a slope of 1 far out."""
    nothing_BE = torch.zeros_like(errors_BE)
    return torch.nn.functional.huber_loss(errors_BE, nothing_BE, delta=plan.huber) / plan.huber
