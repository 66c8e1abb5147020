"""The folder of one training: its configuration, states, statistics, pictures and adapter."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixelsmile.errors import InputError, OutputError
from pixelsmile.store.manifests import MANIFEST_NAME, FileRecord, make_manifest, read_manifest, record_file
from pixelsmile.store.publication import replace_file
from pixelsmile.training.checkpoint import Checkpoints
from pixelsmile.training.config import TrainingConfig, first_difference
from pixelsmile.training.config_file import CONFIG_NAME, read_config, save_config

if sys.platform != "win32":
    import fcntl

ADAPTER_NAME = "adapter.safetensors"
_LOCK_NAME = ".lock"


class RunFolder:
    """Names in the folder of a run. The same layout on every process; the main one alone writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / CONFIG_NAME
        self.stats = path / "stats.jsonl"
        self.checkpoints = path / "checkpoints"
        self.validation = path / "validation"
        self.validations = path / "validation.jsonl"
        self.adapter = path / ADAPTER_NAME

    def saved_config(self) -> TrainingConfig:
        """What the run was started with. InputError where this is no run."""
        if not self.config.is_file():
            raise InputError(f"{str(self.path)!r} is no run (it has no {CONFIG_NAME}): check the path")
        return read_config(self.config)

    def begin(self, config: TrainingConfig) -> None:
        """Write the configuration of a new run, or of one that goes on with changes that it may make.

        InputError, with the first difference, where it may not; OutputError where the folder holds something
        else. Until there is a checkpoint, there is nothing to go on from, and every change is fine.
        """
        if not self.config.exists():
            self._refuse_others()
        elif Checkpoints(self.checkpoints, 1).newest_step() is not None:
            difference = first_difference(self.saved_config(), config)
            if difference is not None:
                key, before, now = difference
                raise InputError(
                    f"the run in {str(self.path)!r} has {key} = {before!r}, not {now!r}: set it back "
                    "to go on, or start another run with -o"
                )
        if not self.config.exists() or self.saved_config() != config:
            save_config(config, self.config)

    def _refuse_others(self) -> None:
        others = sorted(
            item.name
            for item in self.path.iterdir()
            if not item.name.startswith((_LOCK_NAME, ".unfinished-"))
        )
        if others:
            raise OutputError(
                f"{str(self.path)!r} holds {others[0]!r} and no run: choose an empty folder or a new one "
                "with -o"
            )


@contextmanager
def claimed(path: Path) -> Iterator[RunFolder]:
    """The folder of a run, made if need be, for this process alone until the block ends, or the process does.

    OutputError where it cannot be written, or another process trains there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(path)!r} ({(error.strerror or str(error)).lower()}): "
            "choose a folder that you may write to with -o"
        ) from error
    try:
        _hold(lock, path)
        yield RunFolder(path)
    finally:
        os.close(lock)


def _hold(lock: int, path: Path) -> None:
    """Until the file is closed, which a kill does too."""
    if sys.platform == "win32":  # two trainings in one folder are the user's care there
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"another process is training in {str(path)!r}: wait for it, or choose another folder with -o"
        ) from error


# The manifest of a finished training, beside its adapter.


def write_manifest(folder: RunFolder, config: TrainingConfig) -> None:
    """Say what was trained, from which triplets, by which code, into which file. OutputError.

    A manifest of this very adapter is left alone: it knows the code that trained.
    """
    path = folder.path / MANIFEST_NAME
    adapter = record_file(folder.adapter).model_copy(update={"path": folder.adapter.name})
    if _outputs(path) == (adapter,):
        return
    manifest = make_manifest(
        "training",
        settings=config.model_dump(mode="json"),
        seeds=(config.run.seed,),
        inputs=(record_file(Path(config.data.triplets)),),
        outputs=(adapter,),
    )
    replace_file(path, manifest.to_json())


def _outputs(manifest: Path) -> tuple[FileRecord, ...]:
    """What a manifest speaks of; nothing where it is missing or damaged."""
    try:
        return read_manifest(manifest).outputs
    except InputError:
        return ()
