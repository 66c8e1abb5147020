"""Rubrics: what a judge is asked, in which form it answers, and how the answer is read."""

from pixelsmile.judges.rubrics.expression_scores import EXPRESSION_SCORES, Answer
from pixelsmile.judges.rubrics.fed_consistency import FED_CONSISTENCY
from pixelsmile.judges.rubrics.fed_quality import FED_QUALITY
from pixelsmile.judges.rubrics.fed_truth_alignment import FED_TRUTH_ALIGNMENT
from pixelsmile.judges.rubrics.marked_answer import MarkedAnswer
from pixelsmile.judges.rubrics.reading import MalformedAnswerError
from pixelsmile.judges.rubrics.rubric import Rubric

__all__ = [
    "EXPRESSION_SCORES",
    "FED_CONSISTENCY",
    "FED_QUALITY",
    "FED_TRUTH_ALIGNMENT",
    "Answer",
    "MalformedAnswerError",
    "MarkedAnswer",
    "Rubric",
]
