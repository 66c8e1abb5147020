"""A number of a row and the limit that it is held against: what faces, annotate and screen decide by."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pixelsmile.dataset.rows import Reason, Row

Fault = TypeVar("Fault", bound=str)  # a Reason, or a Doubt

_ANGLES = ("yaw", "pitch", "roll")  # limits hold for both directions


@dataclass(frozen=True)
class Check(Generic[Fault]):
    """what: a field of the row, or words. measured: None where it could not be. fault: if it is not met.

    is_least: the limit is the least that will do; else the most.
    """

    what: str
    fault: Fault
    measured: float | None
    limit: float
    is_least: bool
    is_met: bool
    detail: str | None = None

    @property
    def words(self) -> str:
        """`yaw 40 (turned away: at most 35)`."""
        number = "not measured" if self.measured is None else f"{self.measured:g}"
        limit = f"at {'least' if self.is_least else 'most'} {self.limit:g}"
        return f"{self.what} {number} ({'' if self.is_met else f'{self.fault}: '}{limit})"


def compared(
    what: str, fault: Fault, measured: float, limit: float, *, is_least: bool = False
) -> Check[Fault]:
    """A number and its limit."""
    number = abs(measured) if what in _ANGLES else measured
    return Check(what, fault, measured, limit, is_least, number >= limit if is_least else number <= limit)


def checks_of(row: Row, *limits: tuple[str, Reason, float | None, bool]) -> Iterator[Check[Reason]]:
    """Of each (field, reason, limit, is_least) that was measured and has a limit."""
    for field, reason, limit, is_least in limits:
        measured = getattr(row, field)
        if limit is not None and measured is not None:
            yield compared(field, reason, measured, limit, is_least=is_least)
