"""What one request may cost and how long it may take."""

import json
from dataclasses import dataclass

from pixelsmile.judges.question import Question
from pixelsmile.judges.rubrics import Rubric


@dataclass(frozen=True)
class Limits:
    """Bounds of one request, whatever the provider.

    `max_output_tokens` includes the tokens of a model that thinks. `max_picture_tokens` is what a picture of
    `max_side_px` costs at most: it is only used to reserve, and real use is settled afterwards.
    """

    timeout_s: float = 120.0
    max_output_tokens: int = 8192
    max_side_px: int = 1024
    max_picture_tokens: int = 4096

    def max_tokens(self, question: Question, rubric: Rubric) -> int:
        """An upper bound for one request: a token of text stands for at least one byte."""
        schema = json.dumps(dict(rubric.answer_schema))  # schemas are part of the input
        text = "".join((*question.pictures, rubric.prompt(question.words), schema))
        pictures = len(question.pictures) * self.max_picture_tokens
        return len(text.encode()) + pictures + self.max_output_tokens
