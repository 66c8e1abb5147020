"""A kind of input: valid files of it, where they belong, and what reads them."""

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

Read = Callable[[Path], str | None]  # gives back what was printed to stderr, where it is a command


@dataclass(frozen=True)
class Kind:
    """valid: files of this kind. place: puts one where `read` finds it."""

    valid: list[bytes]
    place: Callable[[bytes, Path], Path]
    read: Read


def command(*arguments: str) -> str | None:
    """Run a command line in this process; what it says on stderr. SystemExit and refusals are ordinary."""
    from pixelsmile.cli import main

    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = main(list(arguments))
    return said.getvalue() if code else None


def quiet(read: Callable[[Path], object]) -> Read:
    def call(path: Path) -> None:
        read(path)

    return call


def file_named(name: str) -> Callable[[bytes, Path], Path]:
    def place(data: bytes, folder: Path) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return place
