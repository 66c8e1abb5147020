"""Rubrics: what a model is asked as a judge, in which form it answers, and how the answer is read."""

from pixelsmile.judges.rubrics.expression_scores import EXPRESSION_SCORES
from pixelsmile.judges.rubrics.fed import FED_CONSISTENCY, FED_QUALITY, FED_TRUTH_ALIGNMENT
from pixelsmile.judges.rubrics.rubric import Rubric

__all__ = [
    "EXPRESSION_SCORES",
    "FED_CONSISTENCY",
    "FED_QUALITY",
    "FED_TRUTH_ALIGNMENT",
    "Rubric",
]
