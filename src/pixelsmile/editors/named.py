"""An editor of the table, asked as its row says: strengths in words, and the expressions that it knows."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from PIL import Image
from pydantic import JsonValue

from pixelsmile.editors.editor import Capabilities, EditOutcome, Task, TaskEditor
from pixelsmile.editors.table import Degree, Row, read_table
from pixelsmile.expressions import neutral_prompt


class NamedEditor:
    """What is behind a row: a pipeline, a service or a command. `inner` makes its edits.

    Where strength is told in words, each strength is an edit of its own, in the words of the nearest degree;
    0 is the neutral expression, and 1 the task's prompt as it is. Strengths that are told alike are one edit.
    """

    def __init__(self, row: Row, inner: TaskEditor) -> None:
        self.row, self.inner = row, inner
        self.max_concurrency = inner.max_concurrency

    @property
    def capabilities(self) -> Capabilities:
        can = self.inner.capabilities
        by = self.row.strength.by
        return replace(can, continuous=by != "nothing", degrees=by == "words", words=self.row.has_wordings)

    def to_record(self) -> dict[str, JsonValue]:
        """As `inner` has it, and how strength was told."""
        words: JsonValue = None
        if self.row.strength.by == "words":
            words = [degree.model_dump(mode="json") for degree in read_table().words]
        return {**self.inner.to_record(), "editor": self.row.name, "words": words}

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        known = self.row.expressions
        if known is not None and task.target not in known:
            failure = f"{self.row.name} knows {', '.join(known)} alone"
            for strength in strengths:
                yield EditOutcome(strength, None, failure)
            return
        if self.row.strength.by == "number":
            async with aclosing(self.inner.edit(task, picture, strengths, seed)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
            return
        told: dict[str, list[float]] = {}
        for strength in strengths:
            told.setdefault(self._told(task, strength), []).append(strength)
        for words, alike in told.items():
            asked = replace(task, prompt=words)
            async with aclosing(self.inner.edit(asked, picture, (1.0,), seed)) as outcomes:
                async for outcome in outcomes:
                    for strength in alike:
                        yield replace(outcome, strength=strength)

    async def close(self) -> None:
        await self.inner.close()

    def _told(self, task: Task, strength: float) -> str:
        return told(task, strength) if self.row.strength.by == "words" else task.prompt


def told(task: Task, strength: float) -> str:
    """A task's prompt at a strength (0..2), in the words of the table.

    `a happy expression` becomes `a slightly happy expression`; other words get a sentence after them.
    """
    if strength == 0:
        return neutral_prompt(task.domain)
    degree = nearest_degree(strength)
    if not degree.word:
        return task.prompt
    name = re.compile(rf"\ban? (?={re.escape(task.target)} expression\b)")
    if name.search(task.prompt):
        article = "an" if degree.word[0] in "aeiou" else "a"
        return name.sub(f"{article} {degree.word} ", task.prompt, count=1)
    sentence = task.prompt.rstrip()
    return f"{sentence}{'' if sentence.endswith(('.', '!', '?')) else '.'} {degree.sentence}"


def nearest_degree(strength: float) -> Degree:
    """The degree of the table that is nearest to a strength, of two that are as near the weaker."""
    return min(read_table().words, key=lambda degree: (abs(degree.strength - strength), degree.strength))
