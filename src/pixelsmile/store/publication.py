"""Files and folders that appear whole or not at all: written beside their place, flushed, then moved there.

    PLACE/.pixelsmile-1a2b3c4d/lock          held by the process that works there; the name of its machine
    PLACE/.pixelsmile-1a2b3c4d/new, old      what waits; what has been replaced, until all is moved
    PLACE/.pixelsmile-1a2b3c4d/moves.json    which files are being moved, once that has begun

A process that is killed leaves such a folder. The next one that writes beside it puts back what was replaced,
if the move had not come to its end, and takes the folder away. The lock of it, and of folders of work, is a
file that one process holds until it lets go, ends or is killed.
"""

import errno
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pixelsmile.errors import InputError, OutputError
from pixelsmile.limits import path_within, read_bytes, read_record

LockHeld = Timeout
SCRATCH_PREFIX = ".pixelsmile-"
_LOCK, _JOURNAL, _NEW, _OLD = "lock", "moves.json", "new", "old"
# A lock says nothing about other machines on a shared disk, and a folder without one may be about to get it.
_MAX_AGE_S = 7 * 24 * 3600.0
_MAX_HOST_BYTES = 1000
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # on some shared disks

_log = logging.getLogger(__name__)


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
        with _output_errors(self.folder):
            _write_flushed(self.waiting / name, data)
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
    with ExitStack() as stack:
        with _output_errors(folder):
            scratch = stack.enter_context(scratch_folder(_nearest_folder(folder)))
            stage = Stage(folder, scratch / _NEW, names)
            stage.waiting.mkdir()
        yield stage
        _check_targets(folder, stage.written, force)  # the work may have taken minutes
        with _output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _move_all(scratch, folder, stage.written)


def check_place(folder: Path, names: Iterable[str], *, force: bool = False) -> None:
    """Refuse, long before any work, what `staged` refuses on entry. OutputError."""
    _check_targets(folder, tuple(names), force)
    with _output_errors(folder):
        tempfile.TemporaryFile(prefix=SCRATCH_PREFIX, dir=_nearest_folder(folder)).close()


def write_file(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write `data` to `path` in one step; a reader sees the old file or the new one, never half of one.

    OutputError where `path` exists (unless `force`) or cannot be written; nothing is left behind then.
    """
    with staged(path.parent, [path.name], force=force) as stage:
        stage.write(path.name, data)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder to fill: flushed, it takes the place of `target` when the block ends well.

    If the block raises or the disk fails (OSError), `target` is as it was before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(target.parent) as scratch:
        waiting = scratch / _NEW / target.name
        waiting.mkdir(parents=True)
        yield waiting
        for path in (*waiting.rglob("*"), waiting):
            _flush(path)
        _move_all(scratch, target.parent, [target.name])
        _flush(target.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder in one step: a kill leaves it whole or leaves none. OSError where the disk refuses."""
    with suppress(FileNotFoundError), scratch_folder(path.parent) as scratch:
        os.rename(path, scratch / path.name)


def try_lock(path: Path) -> AbstractContextManager[object] | None:
    """The lock in the file `path`, held from now until the block that it opens ends; nobody is waited for.

    None on a disk without locks. LockHeld (an OSError) where another process has it; OSError where the file
    cannot be made.
    """
    try:
        return FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False).acquire()
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """A new folder in `place` for this block alone; what killed processes have left beside it goes first.

    OSError where the system refuses.
    """
    _clear_stale(place.absolute())
    with ExitStack() as held:
        while True:
            scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=place))
            held.callback(shutil.rmtree, scratch, ignore_errors=True)
            with suppress(LockHeld):  # somebody is looking whether it is a stale one
                lock = try_lock(scratch / _LOCK)
                break
        if lock is not None:
            held.enter_context(lock)
            with suppress(OSError):  # a full disk: what comes next says so
                (scratch / _LOCK).write_text(platform.node())
        yield scratch


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
            "replace with --force, or choose another place"
        )


def _nearest_folder(folder: Path) -> Path:
    """`folder`, or the first of its parents that exists: the same disk, so that moving is one step."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _write_flushed(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush(path: Path) -> None:
    """Onto the disk, a file or a folder's list of names."""
    if path.is_dir() and os.name == "nt":  # which opens no folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# Moving, and taking a move back.

_Digits = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class _Moves(BaseModel):
    """moves.json. folder: relative to the place; inodes: of each that is new, by its name.

    Names are written as the hexadecimal digits of their bytes: not every one is text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: _Digits
    inodes: dict[_Digits, int]

    @field_validator("inodes")
    @classmethod
    def _in_one_folder(cls, inodes: dict[str, int]) -> dict[str, int]:
        if any(_name(digits) != os.path.basename(_name(digits)) for digits in inodes):
            raise ValueError("a name leads to another folder")
        return inodes


def _hex(name: str) -> str:
    return os.fsencode(name).hex()


def _name(digits: str) -> str:
    return os.fsdecode(bytes.fromhex(digits))


def _move_all(scratch: Path, folder: Path, names: Sequence[str]) -> None:
    """Move files or folders; where one fails, take the moved ones out and put the replaced ones back."""
    new, old = scratch / _NEW, scratch / _OLD
    if len(names) == 1 and not (folder / names[0]).is_dir():  # one step: a reader sees the one or the other
        os.replace(new / names[0], folder / names[0])
        return
    moves = _Moves(
        folder=_hex(os.path.relpath(folder, scratch.parent)),
        inodes={_hex(name): (new / name).stat().st_ino for name in names},
    )
    _write_flushed(scratch / _JOURNAL, moves.model_dump_json().encode())
    old.mkdir()
    try:
        for name in names:
            if os.path.lexists(folder / name):
                os.replace(folder / name, old / name)
            os.replace(new / name, folder / name)
    except BaseException:
        if any(new.iterdir()):
            _undo(scratch)
        raise


def _undo(scratch: Path) -> bool:
    """Bring a place to where it was before an unfinished move; whether nothing is left that it needs.

    A file that has come into the place since, from somebody else, stays; and so does then what it replaced.
    """
    old, kept = scratch / _OLD, False
    try:
        moves = read_record(scratch / _JOURNAL, _Moves)
    except InputError:  # nothing had been moved, unless somebody has been here
        return not (old.is_dir() and any(old.iterdir()))
    folder = path_within(scratch.parent, _name(moves.folder))
    for digits, inode in moves.inodes.items():
        name = _name(digits)
        place = folder / name
        is_there = os.path.lexists(place)
        is_ours = is_there and place.lstat().st_ino == inode
        if os.path.lexists(old / name) and (is_ours or not is_there):
            os.replace(old / name, place)
        elif is_ours:
            place.unlink()
        kept = kept or os.path.lexists(old / name)
    return not kept


# What killed processes have left.


@lru_cache(maxsize=1024)  # once a process and place: a run writes thousands of files
def _clear_stale(place: Path) -> None:
    """Take away what killed processes have left in `place`; what cannot be taken away stays."""
    for scratch in place.glob(f"{SCRATCH_PREFIX}*"):
        with suppress(OSError, InputError):
            if not scratch.is_symlink() and scratch.is_dir():
                _clear(scratch)


def _clear(scratch: Path) -> None:
    """Take away a folder, unless its process may be alive, or it keeps what is nowhere else."""
    lock, host = scratch / _LOCK, b""
    with ExitStack() as held:
        if os.path.lexists(lock):
            host = read_bytes(lock, max_bytes=_MAX_HOST_BYTES)
            if (ours := try_lock(lock)) is None:
                host = b""
            else:
                held.enter_context(ours)
        age_s = time.time() - max(path.stat().st_mtime for path in (scratch, *scratch.glob(_NEW)))
        if host != platform.node().encode() and age_s < _MAX_AGE_S:
            return
        all_moved = (scratch / _JOURNAL).exists() and not any((scratch / _NEW).iterdir())
        if not all_moved and not _undo(scratch):
            _log.warning("%s has files that a killed process was replacing: look at them", scratch / _OLD)
            return
        shutil.rmtree(scratch, ignore_errors=True)


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
