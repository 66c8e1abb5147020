"""What goes over the wire for a question, in the order in which a model meets it."""

import asyncio

from pixelsmile.judges.question import Question
from pixelsmile.judges.rubrics import Rubric

Part = str | bytes
"""A text, or a picture as a PNG file."""


async def parts_of(question: Question, rubric: Rubric, max_side_px: int) -> list[Part]:
    """Each picture after its caption, if it has one; at the end the rubric with the question's words."""
    parts: list[Part] = []
    for caption, picture in question.pictures.items():
        if caption:
            parts.append(f"{caption}:")
        parts.append(await asyncio.to_thread(picture.png, max_side_px))
    return [*parts, rubric.prompt(question.words)]
