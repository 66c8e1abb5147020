"""Files that appear whole or not at all: written beside their place, flushed, then moved there."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pixelsmile.errors import OutputError


@dataclass(frozen=True)
class Stage:
    """Where files wait until all of them are complete."""

    folder: Path  # where they will go
    waiting: Path  # where they are until then
    names: tuple[str, ...]
    written: list[str] = field(default_factory=list)

    def write(self, name: str, data: bytes) -> None:
        """Put one of the announced files on disk, flushed; OutputError when the disk is full or fails."""
        if name not in self.names:
            raise ValueError(f"{name!r} was not announced: the files are {self.names}")
        with _output_errors(self.folder), (self.waiting / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self.written.append(name)


@contextmanager
def staged(folder: Path, names: Iterable[str], *, force: bool = False) -> Iterator[Stage]:
    """A Stage for the files `names`: what was written to it moves into `folder` when the block ends well.

    Refused on entry, before any work, with an OutputError: a target that exists (unless `force`), a place
    that is no folder or cannot be written. If the block raises or a move fails, `folder` is as it was
    before; files that had been replaced are put back.
    """
    names = tuple(names)
    _check_targets(folder, names, force)
    with _output_errors(folder):
        scratch = Path(tempfile.mkdtemp(prefix=".pixelsmile-", dir=_nearest_folder(folder)))
    try:
        stage = Stage(folder, scratch / "new", names)
        with _output_errors(folder):
            stage.waiting.mkdir()
        yield stage
        _check_targets(folder, stage.written, force)  # the work may have taken minutes
        with _output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _move_all(stage.waiting, scratch, folder, stage.written)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_place(folder: Path, names: Iterable[str], *, force: bool = False) -> None:
    """Refuse, long before any work, what `staged` refuses on entry. OutputError."""
    _check_targets(folder, tuple(names), force)
    with _output_errors(folder):
        tempfile.TemporaryFile(prefix=".pixelsmile-", dir=_nearest_folder(folder)).close()


def write_file(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write `data` to `path` in one step; a reader sees the old file or the new one, never half of one.

    OutputError where `path` exists (unless `force`) or cannot be written; nothing is left behind then.
    """
    with staged(path.parent, [path.name], force=force) as stage:
        stage.write(path.name, data)


def _check_targets(folder: Path, names: Iterable[str], force: bool) -> None:
    with _output_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{str(folder)!r} is a file, not a folder: choose another place with -o")
        present = [name for name in names if os.path.lexists(folder / name)]
        folders = [name for name in present if (folder / name).is_dir()]
    if folders:
        raise OutputError(f"{str(folder / folders[0])!r} is a folder: choose another place with -o")
    if present and not force:
        others = f" and {len(present) - 1} more" if len(present) > 1 else ""
        raise OutputError(
            f"{str(folder / present[0])!r}{others} already there: "
            "replace with --force, or choose another place with -o"
        )


def _nearest_folder(folder: Path) -> Path:
    """`folder`, or the first of its parents that exists: the same disk, so that moving is one step."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _move_all(waiting: Path, scratch: Path, folder: Path, names: list[str]) -> None:
    """Move the files; where one fails, take the moved ones out and put the replaced ones back."""
    old = scratch / "old"
    old.mkdir()
    moved: list[str] = []
    try:
        for name in names:
            if os.path.lexists(folder / name):
                os.replace(folder / name, old / name)
            moved.append(name)
            os.replace(waiting / name, folder / name)
    except BaseException:
        for name in moved:
            (folder / name).unlink(missing_ok=True)
            if os.path.lexists(old / name):
                os.replace(old / name, folder / name)
        raise


@contextmanager
def _output_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line that says what to do."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some space, or choose another disk with -o",
            errno.EDQUOT: "free some space, or choose another disk with -o",
            errno.ENAMETOOLONG: "choose a shorter name with -o",
        }.get(error.errno or 0, "choose a folder that you may write to with -o")
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot write to {str(folder)!r} ({reason}): {advice}") from error
