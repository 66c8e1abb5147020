"""The folder that a recipe works in: one process at a time, by one plan; what is left in it is whole."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixelsmile.errors import OutputError
from pixelsmile.hashing import sha256_file
from pixelsmile.limits import read_json_object
from pixelsmile.store import publication
from pixelsmile.store.run_folder import require_same

LOG_FILE = "training.jsonl"
_LOCK_FILE = ".lock"
_FINISHED = {"config.json", "model_index.json"}  # of a network, of a whole model


def require_same_plan(folder: Path, plan: Mapping[str, Any], name: str = "plan") -> None:
    """Keep the plan of a folder in it, as `NAME.json`; InputError where it was begun with another."""
    file, now = folder / f"{name}.json", json.loads(json.dumps(plan))
    if not file.is_file():
        publication.write_file(file, (json.dumps(now, indent=2) + "\n").encode())
        return
    advice = f"give the same {name} or another --work, or delete the folder"
    require_same(folder, read_json_object(file), now, advice)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made if need be, for this process alone while the block lasts.

    OutputError where another process has it, or it cannot be written. What was made for nothing goes again.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = publication.try_lock(folder / _LOCK_FILE)
    except publication.LockHeld as error:
        raise OutputError(
            f"another process is at work in {str(folder)!r}: wait for it, or give another --work"
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(folder)!r} ({(error.strerror or str(error)).lower()}): give another --work"
        ) from error
    try:
        yield
    finally:
        if lock is not None:
            with lock:
                pass
        if is_new and {path.name for path in folder.iterdir()} <= {_LOCK_FILE}:
            shutil.rmtree(folder, ignore_errors=True)


def require_replaceable(target: Path) -> None:
    """OutputError where something else than a finished network, which may be replaced, has its place."""
    if not os.path.lexists(target):
        return
    if target.is_dir():
        names = {path.name for path in target.iterdir()}
        if not names or names & _FINISHED:
            return
    raise OutputError(f"{str(target)!r} is something else than a finished network: give another --out")


def publish(trained: Path, target: Path) -> None:
    """Write the folder of a network (`trained/model`) with the log of its training to `target`."""
    with whole_folder(target) as partial:
        shutil.copytree(trained / "model", partial, dirs_exist_ok=True)
        shutil.copy(trained / "stats.jsonl", partial / LOG_FILE)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `target` when the block ends well.

    Where `target` has the same weights already, its files stay, with the reports that lie beside them.
    """
    with publication.whole_folder(target) as partial:
        yield partial
        weights = _weights(partial)
        if weights and weights.items() <= _weights(target).items():
            shutil.copytree(target, partial, dirs_exist_ok=True)


def _weights(folder: Path) -> dict[Path, str]:
    return {file.relative_to(folder): sha256_file(file) for file in sorted(folder.rglob("*.safetensors"))}
