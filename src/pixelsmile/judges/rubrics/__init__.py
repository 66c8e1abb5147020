"""Rubrics: what a judge is asked, in which form it answers, and how the answer is read."""

from pixelsmile.judges.rubrics.answer import Answer, MalformedAnswerError
from pixelsmile.judges.rubrics.expression_scores import EXPRESSION_SCORES
from pixelsmile.judges.rubrics.rubric import Rubric

__all__ = ["EXPRESSION_SCORES", "Answer", "MalformedAnswerError", "Rubric"]
