"""One run at a time in a folder, and no run in a folder of something else."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixelsmile.benchmarks.run_folder import SPEC_NAME, RunFolder
from pixelsmile.errors import OutputError
from pixelsmile.store.publication import SCRATCH_PREFIX

if sys.platform != "win32":
    import fcntl

_LOCK_NAME = ".lock"


@contextmanager
def claimed(path: Path) -> Iterator[RunFolder]:
    """The folder of a run, made if need be, for this process alone until the block ends, or the process does.

    OutputError where it cannot be written, where another process has it, or where it holds something else.
    """
    is_new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        _refuse_others(path)
        lock = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(path)!r} ({(error.strerror or str(error)).lower()}): "
            "choose a folder that you may write to with -o"
        ) from error
    try:
        _hold(lock, path)
        for scratch in list(path.rglob(f"{SCRATCH_PREFIX}*")):
            shutil.rmtree(scratch, ignore_errors=True)
        yield RunFolder(path)
    finally:
        os.close(lock)
        if is_new and not (path / SPEC_NAME).exists():  # refused before there was a run
            with suppress(OSError):
                (path / _LOCK_NAME).unlink()
                path.rmdir()


def _hold(lock: int, path: Path) -> None:
    """Until the file is closed, which a kill does too."""
    if sys.platform == "win32":  # two runs in one folder are the user's care there
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"another process is at work on the run in {str(path)!r}: wait for it, or choose another folder"
        ) from error


def _refuse_others(path: Path) -> None:
    if (path / SPEC_NAME).exists():
        return
    others = sorted(
        item.name for item in path.iterdir() if not item.name.startswith((_LOCK_NAME, SCRATCH_PREFIX))
    )
    if others:
        raise OutputError(
            f"{str(path)!r} holds {others[0]!r} and no run: choose an empty folder or a new one"
        )
