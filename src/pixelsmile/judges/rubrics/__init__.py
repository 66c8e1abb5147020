"""Rubrics: what a model is asked as a judge, in which form it answers, and how the answer is read."""

from pixelsmile.judges.rubrics.combination import COMBINATION
from pixelsmile.judges.rubrics.expression_scores import EXPRESSION_SCORES
from pixelsmile.judges.rubrics.fed import FED_CONSISTENCY, FED_QUALITY, FED_TRUTH_ALIGNMENT
from pixelsmile.judges.rubrics.rubric import Rubric
from pixelsmile.judges.rubrics.statistics import STATISTICS
from pixelsmile.judges.rubrics.table_6 import TABLE_6

__all__ = [
    "COMBINATION",
    "EXPRESSION_SCORES",
    "FED_CONSISTENCY",
    "FED_QUALITY",
    "FED_TRUTH_ALIGNMENT",
    "STATISTICS",
    "TABLE_6",
    "Rubric",
]
