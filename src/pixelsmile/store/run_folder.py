"""The folder of work that may be killed and goes on: one process at a time, one plan, a manifest at the end.

RUN/.lock            held by the process that works there
RUN/PLAN             what decides the results, written first: spec.json, config.yaml, plan.json
RUN/manifest.json    what came of it, written last
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import JsonValue

from pixelsmile.errors import InputError, OutputError
from pixelsmile.limits import shown
from pixelsmile.store.manifests import MANIFEST_NAME, FileRecord, make_manifest, read_manifest, record_file
from pixelsmile.store.publication import SCRATCH_PREFIX, LockHeld, try_lock, write_file

_LOCK_NAME = ".lock"
_MAX_ITEMS = 6  # of a list, in a message
_LEFT_BY_KILLS = (f"{SCRATCH_PREFIX}*", ".unfinished-*")  # the latter by earlier versions


class WorkFolder:
    """A folder of one kind of work, by the file that holds its plan.

    WORK: what a process does in it, as the message says to the next one: "training in".
    """

    PLAN: ClassVar[str]
    WORK: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def claimed(cls, path: Path) -> Iterator[Self]:
        """The folder, made if need be, for this process alone until the block ends, or the process does.

        OutputError where it cannot be written, another process has it, or it holds something else. One that
        was made for this, and got no plan, goes again.
        """
        is_new = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            _refuse_others(path, cls.PLAN)
            lock = try_lock(path / _LOCK_NAME)
        except LockHeld as error:
            raise OutputError(
                f"another process is {cls.WORK} {str(path)!r}: wait for it, or choose another folder"
            ) from error
        except OSError as error:
            raise OutputError(
                f"cannot write to {str(path)!r} ({(error.strerror or str(error)).lower()}): "
                "choose a folder that you may write to with -o"
            ) from error
        try:
            for pattern in _LEFT_BY_KILLS:
                for scratch in list(path.rglob(pattern)):
                    shutil.rmtree(scratch, ignore_errors=True)
            yield cls(path)
        finally:
            if lock is not None:
                with lock:
                    pass
            if is_new and not (path / cls.PLAN).exists():
                with suppress(OSError):
                    (path / _LOCK_NAME).unlink()
                    path.rmdir()

    def finish(
        self,
        kind: str,
        outputs: Sequence[str],
        *,
        settings: Mapping[str, JsonValue],
        seeds: Sequence[int],
        inputs: Sequence[FileRecord] = (),
    ) -> None:
        """Write the manifest of these files of the folder; one of the very same files is left alone.

        That one knows the code that made them. OutputError where it cannot be written.
        """
        path = self.path / MANIFEST_NAME
        records = tuple(record_file(self.path / name).model_copy(update={"path": name}) for name in outputs)
        with suppress(InputError):  # there is none, or a damaged one
            if read_manifest(path).outputs == records:
                return
        manifest = make_manifest(kind, settings=settings, seeds=seeds, inputs=inputs, outputs=records)
        write_file(path, manifest.to_json(), force=True)


def require_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any], advice: str) -> None:
    """InputError with the first key, dotted where objects are in one another, that is not what it was."""
    for key, was, wanted in differences(before, now):
        raise InputError(
            f"{str(folder)!r} was begun with {key} = {_items(was)}, not {_items(wanted)}: {advice}"
        )


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Every key, dotted, whose value differs, with the value before and now; None where there is no key."""
    for key in {**before, **now}:
        was, wanted = before.get(key), now.get(key)
        if isinstance(was, Mapping) and isinstance(wanted, Mapping):
            yield from differences(was, wanted, f"{prefix}{key}.")
        elif was != wanted:
            yield f"{prefix}{key}", was, wanted


def _items(value: Any) -> str:
    """As `shown`, with what is in a short list."""
    if isinstance(value, list | tuple) and len(value) <= _MAX_ITEMS:
        return f"[{', '.join(map(shown, value))}]"
    return shown(value)


def _refuse_others(path: Path, plan: str) -> None:
    if (path / plan).exists():
        return
    others = sorted(item.name for item in path.iterdir() if not item.name.startswith("."))
    if others:
        raise OutputError(
            f"{str(path)!r} holds {others[0]!r} and no run: choose an empty folder or a new one"
        )
