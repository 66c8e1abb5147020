"""What a person sees of a training: a status line that is written over, or elsewhere a line each time."""

import shutil
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pixelsmile.training.cache import CacheProgress
    from pixelsmile.training.loop import Event, Trainer

_CLEAR = "\r\x1b[K"


class TrainDisplay:
    """Writes to stderr, unless quiet; on the main process alone."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._overwrites = sys.stderr.isatty()
        self._is_open = False

    def loading(self, model: str) -> None:
        """The networks are on their way."""
        if self._overwrites:
            self._status(f"loading {model}")

    def caching(self, progress: "CacheProgress") -> None:
        """One more picture is in the cache."""
        tenth = max(1, progress.total // 10)
        if progress.total and (
            self._overwrites or progress.done % tenth == 0 or progress.done == progress.total
        ):
            self._status(f"caching pictures: {progress.done} of {progress.total}")

    def event(self, event: "Event", trainer: "Trainer") -> None:
        """What the training has yielded."""
        from pixelsmile.training.statistics import StatRecord, ValidationRecord, status_line

        if isinstance(event, StatRecord):
            self._status(status_line(event, trainer.num_steps, trainer.layout.global_batch))
        elif isinstance(event, ValidationRecord):
            numbers = "".join(f"  {name} {value:g}" for name, value in event.numbers.items())
            self.remark(f"validated after {event.step} steps: {len(event.pictures)} sheets{numbers}")

    def remark(self, text: str) -> None:
        """A line that stays."""
        if not self._quiet:
            self._end()
            print(f"pixelsmile: {text}", file=sys.stderr)

    def _status(self, text: str) -> None:
        if self._quiet:
            return
        if self._overwrites:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be written over
            sys.stderr.write(_CLEAR + text[:width])
            sys.stderr.flush()
            self._is_open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def _end(self) -> None:
        if self._is_open:
            sys.stderr.write(_CLEAR)
            self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open:
            sys.stderr.write("\n")  # the last status stays
            self._is_open = False
