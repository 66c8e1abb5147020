"""What the commands of `pixelsmile triplets` show on stderr while they work."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(quiet: bool, what: str, noun: str) -> Iterator[Callable[[int, int], None]]:
    """Takes (done, of how many), and draws it where a person watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(noun))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def remark(options: argparse.Namespace, text: str) -> None:
    """A line on stderr, unless quiet."""
    if not options.quiet:
        print(f"pixelsmile: {text}", file=sys.stderr)
