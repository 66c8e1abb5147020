"""Locks between processes: a file that one of them holds until it lets go, ends or is killed."""

import errno
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["LockHeld", "try_lock"]

LockHeld = Timeout
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # on some shared disks


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
