"""The photographs of one `pixelsmile edit`: each read and checked, each with a folder for its edits."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pixelsmile.cli.edit_orders import Order, default_folder
from pixelsmile.editing.edit_files import Source, read_source
from pixelsmile.errors import ImageError, PixelSmileError
from pixelsmile.results import PictureForm, check_domain


@dataclass(frozen=True)
class Photograph:
    """A picture to edit. One alone is kept as it was read; several are read again, each at its turn."""

    path: Path
    folder: Path  # of its edits
    sha256: str
    is_drawn: bool
    kept: Source | None

    def source(self) -> Source:
        """The picture; ImageError where it is no longer the one that was checked."""
        if self.kept is not None:
            return self.kept
        source = read_source(self.path)
        if source.record is None or source.record.sha256 != self.sha256:
            raise ImageError(f"{str(self.path)!r} has changed since this command began: start it again")
        return source


def open_photographs(
    options: argparse.Namespace, orders: Sequence[Order], form: PictureForm
) -> list[Photograph]:
    """Every photograph once, all readable, and their edits writable in `form`; else ImageError, OutputError.

    The edits of one alone go into the output folder itself, those of several into a folder each inside of it,
    called as the file is (`face`, and `face-2` for another face.jpg).
    """
    named_once: dict[Path, Path] = {}
    for path in map(Path, options.photos):
        named_once.setdefault(path.absolute(), path)
    paths = list(named_once.values())
    several = len(paths) > 1
    if options.output is None:
        folders = _distinct([default_folder(path, orders) for path in paths])
    elif several:
        folders = _distinct([Path(options.output, path.stem) for path in paths])
    else:
        folders = [Path(options.output)]
    photographs = []
    refusals = Refusals(several)
    for path, folder in zip(paths, folders, strict=True):
        with refusals.of(path):
            source = read_source(path)
            form.check_mode(source.mode)
            check_domain(path, source.portrait, options.domain or source.domain)
            assert source.record is not None  # it was read from a file
            kept = None if several else source
            photographs.append(Photograph(path, folder, source.record.sha256, source.is_drawn, kept))
    refusals.end()
    return photographs


@dataclass(frozen=True)
class Refusals:
    """What is wrong with photographs, gathered, so that nobody mends them one try after the other."""

    several: bool  # whether a message must say which photograph it means
    errors: list[tuple[Path, PixelSmileError]] = field(default_factory=list)

    @contextmanager
    def of(self, path: Path) -> Iterator[None]:
        """Note the refusal of a photograph, and go on."""
        try:
            yield
        except PixelSmileError as error:
            self.errors.append((path, error))

    def end(self) -> None:
        """Raise the first refusal, and name the other photographs that were refused."""
        if not self.errors:
            return
        (path, first), *others = self.errors
        if not self.several:
            raise first
        also = f" (and {len(others)} more: {', '.join(other.name for other, _ in others)})" if others else ""
        raise type(first)(f"{named(path, first)}{also}") from first


def named(path: Path, error: PixelSmileError) -> str:
    """The message of `error`, which says that it is about `path`."""
    return str(error) if repr(str(path)) in str(error) else f"{str(path)!r}: {error}"


def _distinct(folders: Sequence[Path]) -> list[Path]:
    """The folders with a number where two would be the same, on any disk: some do not tell A from a."""
    taken: set[str] = set()
    distinct = []
    for folder in folders:
        name, number = folder.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{folder.name}-{number}"
        taken.add(name.casefold())
        distinct.append(folder.with_name(name))
    return distinct
