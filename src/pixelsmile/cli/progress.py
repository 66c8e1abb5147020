"""Progress on stderr, drawn only where a person watches."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from pixelsmile.editing.edit_files import EditResult
    from pixelsmile.editing.engine import Progress


class Display:
    """Draws nothing when quiet, or when stderr is not a terminal."""

    def __init__(self, quiet: bool) -> None:
        self.shown = not quiet and sys.stderr.isatty()

    def loading(self, model: str) -> AbstractContextManager[object]:
        """A spinner for as long as the block takes."""
        if not self.shown:
            return nullcontext()
        from rich.console import Console

        return Console(stderr=True).status(f"loading {model}")

    def results(self, events: Iterator["Progress | EditResult"]) -> list["EditResult"]:
        """Run `events` to their end, with a bar; the results among them, in order."""
        from pixelsmile.editing.edit_files import EditResult
        from pixelsmile.editing.engine import Progress

        if not self.shown:
            return [event for event in events if isinstance(event, EditResult)]
        results = []
        with _bar() as bar:
            task = bar.add_task("reading the picture", total=None)
            for event in events:
                if isinstance(event, EditResult):
                    results.append(event)
                elif isinstance(event, Progress) and event.stage == "denoise":
                    bar.update(task, description="editing", completed=event.done, total=event.total)
        return results


def silence_libraries() -> None:
    """Keep the remarks of the libraries off the terminal; TRANSFORMERS_VERBOSITY=info brings them back."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def _bar() -> "RichProgress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"))
    return RichProgress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
