"""What a command shows: results on stdout; remarks and, where a person watches, progress on stderr."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Self

_CLEAR = "\r\x1b[K"

Show = Callable[..., None]


def print_json(record: Mapping[str, Any]) -> None:
    """One object on a line of its own, at once. ValueError for a number that is not finite."""
    print(json.dumps(record, allow_nan=False), flush=True)


def remark(text: str, quiet: bool = False) -> None:
    """A line on stderr."""
    if not quiet:
        print(f"pixelsmile: {text}", file=sys.stderr)


def counted(number: int, noun: str, several: str = "") -> str:
    """`1 edit`, `1,200 edits`, `2 people`."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


@contextmanager
def progress(quiet: bool, what: str, unit: str = "edits") -> Iterator[Show]:
    """Gives `show(done, total)`, which draws a bar where a person watches; `what` and `unit` may change."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, **_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, unit=unit)

        def show(done: int, total: int, *, what: str = what, unit: str = unit) -> None:
            bar.update(task, completed=done, total=total, description=what, unit=unit)

        yield show


def loading(what: str, quiet: bool) -> AbstractContextManager[object]:
    """A spinner for as long as the block takes, where a person watches."""
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(f"loading {what}")


class StatusLine:
    """A line on stderr that is written over; where it cannot be, a line each time. To be used in `with`."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self.overwrites = sys.stderr.isatty()
        self._is_open = False

    def status(self, text: str) -> None:
        """How it stands."""
        if self._quiet:
            return
        if self.overwrites:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be written over
            sys.stderr.write(_CLEAR + text[:width])
            sys.stderr.flush()
            self._is_open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def remark(self, text: str) -> None:
        """A line that stays."""
        if self._is_open:
            sys.stderr.write(_CLEAR)
            self._is_open = False
        remark(text, self._quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open:
            sys.stderr.write("\n")  # the last status stays
            self._is_open = False


def silence_libraries() -> None:
    """Keep the remarks of the libraries off the terminal; TRANSFORMERS_VERBOSITY=info brings them back."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
