"""How steps take their rows: in batches, which any process may do, or one by one after all were seen.

The rows of one group (`Row.group`: a base and its edits) always come in one batch.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import OutputError

# What becomes of a row, by its number among all; what makes one has seen them all.
Decide = Callable[[int, Row], Row]

logger = logging.getLogger(__name__)


class BatchFunction(Protocol):
    """A step that looks at a batch of rows alone, and gives as many. Groups of rows come whole.

    in_process: it is to be called one batch after the other in this process, as it sees to its own
    concurrency. batch_rows: the least rows of a batch. keeps_batches: a batch is dear, and is kept on disk as
    soon as it is done; else a killed build does the shard under way again.
    """

    @property
    def in_process(self) -> bool: ...

    @property
    def batch_rows(self) -> int: ...

    @property
    def keeps_batches(self) -> bool: ...

    def record(self) -> JsonValue:
        """What results depend on besides rows and settings, as hashes of weights. ModelError, InputError."""

    def __call__(self, rows: Sequence[Row], /) -> list[Row]: ...


@runtime_checkable
class Dear(Protocol):
    """A step's function that may cost money, and holds something open between batches."""

    def spent(self) -> str:
        """What it has cost so far, in a few words; empty for nothing."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True)
class EachRow:
    """A step's function from one of a single row: what goes wrong with a row costs that row alone."""

    name: str
    change: Callable[[Row], Row]

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        return [self._changed(row) for row in rows]

    def _changed(self, row: Row) -> Row:
        try:
            return self.change(row)
        except OutputError:  # a full disk is no fault of a row
            raise
        except Exception as error:  # networks on strangers' pictures raise anything
            logger.debug("row %s", row.id, exc_info=True)
            return row.rejected(self.name, "failed", detail=f"{type(error).__name__}: {error}")


def lost_row(step: str) -> Callable[[Row], Row]:
    """What stands for a row that ends the process which looks at it."""
    return lambda row: row.rejected(step, "worker died")


def row_batches(
    previous: StepFolder, start: int, num: int, least: int, num_done: int = 0
) -> Iterator[tuple[int, bool, Sequence[Row]]]:
    """num_done: rows of the first shard that are left out."""
    for shard in range(start, num):
        rows = previous.rows(shard)[num_done if shard == start else 0 :]
        batches = list(grouped(rows, least)) or [()]
        for number, batch in enumerate(batches):
            yield shard, number + 1 == len(batches), batch


def grouped(rows: Sequence[Row], least: int) -> Iterator[Sequence[Row]]:
    """The rows cut into batches of `least` or more, each of whole groups (`Row.group`)."""
    begin = 0
    for number in range(1, len(rows)):
        if number - begin >= least and rows[number].group != rows[number - 1].group:
            yield rows[begin:number]
            begin = number
    if rows:
        yield rows[begin:]
