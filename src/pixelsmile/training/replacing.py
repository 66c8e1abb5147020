"""A file that is replaced in one step: a kill leaves the old one or the new one, and always one of them."""

import os
from pathlib import Path

from pixelsmile.errors import OutputError

_WAITING = ".unfinished-"


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whatever was there, flushed before it takes its place. OutputError."""
    waiting = path.with_name(_WAITING + path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with waiting.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(waiting, path)
    except OSError as error:
        waiting.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {str(path)!r} ({(error.strerror or str(error)).lower()}): free some space, then "
            "the same command goes on"
        ) from error
