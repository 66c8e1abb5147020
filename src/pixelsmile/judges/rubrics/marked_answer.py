"""An answer with a mark: the reason first, so that the mark follows from it, then a number from 0 to 10."""

from dataclasses import dataclass

from pydantic import JsonValue

from pixelsmile.judges.rubrics.reading import (
    MalformedAnswerError,
    read_object,
    require_number,
    require_object,
)
from pixelsmile.judges.verdict import MAX_MARK, Mark
from pixelsmile.limits import shown

MARK_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "mark": {"type": "number", "minimum": 0, "maximum": MAX_MARK},
    },
    "required": ["reason", "mark"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class MarkedAnswer:
    """What was read: a mark in [0, 10], and why."""

    mark: float
    reason: str

    def outcome(self, judge: str, transcript: tuple[str, ...]) -> Mark:
        """The mark of that judge."""
        return Mark(judge, self.mark, self.reason, transcript)


def read_marked_answer(text: str) -> MarkedAnswer:
    """The answer in `text`; MalformedAnswerError where it is not exactly that."""
    record = require_object(read_object(text), "the answer", {"reason", "mark"})
    reason = record["reason"]
    if not isinstance(reason, str) or not reason.strip():
        raise MalformedAnswerError(f"the reason is no sentence, but {shown(reason)}")
    return MarkedAnswer(require_number(record["mark"], "the mark", MAX_MARK), reason.strip())
