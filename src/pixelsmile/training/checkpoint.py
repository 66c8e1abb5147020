"""States of a run on disk: whole or not there, the last few kept, the newest found by looking.

A checkpoint is a folder `step-00000500` of safetensors files and `facts.json`, which has their hashes. It is
written under another name, flushed, then renamed: a kill, a full disk or a power cut leaves the one before.
The random numbers, the learning rate and the place in the data are functions of the step (see `order` and
`optimiser`), so the step is all there is to keep of them.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pixelsmile.errors import InputError, OutputError, one_line
from pixelsmile.hashing import sha256_file
from pixelsmile.limits import MAX_FILE_BYTES, path_within, read_record, shown
from pixelsmile.store.publication import remove_folder, whole_folder

_log = logging.getLogger(__name__)
_NAME = re.compile(r"step-(\d{8})")
_FACTS = "facts.json"
_UNREADABLE = (SafetensorError, ValueError, LookupError, TypeError, RuntimeError)  # what load_file can raise

Tensors = Mapping[str, Tensor]


class Facts(BaseModel):
    """What a state is of.

    step: optimiser steps taken. config: hash of what decides the weights. data: hash of model, triplets and
    encoders. global_batch: triplets a step. numbers: of the optimiser's state, where they are no tensors.
    window: losses since the last line of statistics.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    step: int = Field(ge=0)
    config: str
    data: str
    global_batch: int = Field(ge=1)
    numbers: dict[str, int | float] = {}
    window: tuple[dict[str, float], ...] = ()

    def check(self, wanted: "Facts", num_steps: int, where: str) -> None:
        """InputError where a run of `num_steps` that wants other facts cannot go on from these."""
        if self.config != wanted.config:
            raise InputError(f"{where} was made with another configuration: start another run with -o")
        if self.data != wanted.data:
            raise InputError(
                f"{where} was trained on other triplets, or with another model or encoders: give it the "
                "same ones, or start another run with -o"
            )
        if self.global_batch != wanted.global_batch:
            raise InputError(
                f"{where} takes {self.global_batch} triplets a step, not {wanted.global_batch}: change "
                "run.batch_size or run.accumulation to fit the number of processes"
            )
        if self.step > num_steps:
            raise InputError(f"{where} has {self.step} steps behind it, more than {num_steps}: train longer")


class _Written(BaseModel):
    """facts.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    facts: Facts
    files: dict[str, str]  # SHA-256 by name


@dataclass(frozen=True)
class State:
    """All that a run needs to go on: tensors by file (`weights`, `average`, `optimiser`) and name."""

    facts: Facts
    tensors: Mapping[str, Tensors]


class Checkpoints:
    """The checkpoints in a folder. One process writes at a time."""

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def save(self, state: State) -> Path:
        """Write a state, then drop all but the last `keep`; its folder.

        OutputError where the disk is full or fails: everything saved before is still there.
        """
        target = self._folder / f"step-{state.facts.step:08d}"
        with self._errors(state.facts.step), whole_folder(target) as waiting:
            _write(waiting, state)
        self._prune(target)
        return target

    def latest(self) -> State | None:
        """The newest state that is whole, None without one. Damaged ones are logged and passed over."""
        for path in reversed(self._all()):
            try:
                return _read(path)
            except (OSError, InputError, *_UNREADABLE) as error:
                reason = one_line(error, 200)
                _log.warning("checkpoint %s is damaged (%s): taking the one before", path, reason)
        return None

    def newest_step(self) -> int | None:
        """The step of the newest checkpoint, by its name alone."""
        return max((int(path.name.removeprefix("step-")) for path in self._all()), default=None)

    def _all(self) -> list[Path]:
        """Every checkpoint, oldest first."""
        return sorted(path for path in self._folder.glob("step-*") if _NAME.fullmatch(path.name))

    def _prune(self, newest: Path) -> None:
        """Drop what is too old; and what is newer: it was damaged, or the run would have gone on from it."""
        others = [path for path in self._all() if path != newest]
        older = [path for path in others if path < newest]
        kept = older[len(older) - (self._keep - 1) :] if self._keep - 1 < len(older) else older
        for path in set(others) - set(kept):
            remove_folder(path)

    @contextmanager
    def _errors(self, step: int) -> Iterator[None]:
        try:
            yield
        except (OSError, SafetensorError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            last = self.newest_step()
            kept = "nothing was saved before" if last is None else f"step {last} is kept"
            raise OutputError(
                f"cannot save step {step} in {str(self._folder)!r} ({reason.lower()}): {kept}; free some "
                "space, then the same command goes on from there"
            ) from error


def _write(folder: Path, state: State) -> None:
    files = {}
    for name, tensors in state.tensors.items():
        path = folder / f"{name}.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
        files[path.name] = sha256_file(path)
    facts = folder / _FACTS
    facts.write_text(_Written(facts=state.facts, files=files).model_dump_json(indent=2) + "\n")


def _read(folder: Path) -> State:
    """InputError, OSError or one of _UNREADABLE where a file is not the one that was written."""
    written = read_record(folder / _FACTS, _Written, max_bytes=MAX_FILE_BYTES)
    if folder.name != f"step-{written.facts.step:08d}":
        raise InputError(f"it says that it is of step {written.facts.step}")
    tensors = {}
    for name, sha256 in written.files.items():
        path = path_within(folder, name)
        if sha256_file(path) != sha256:
            raise InputError(f"{shown(name)} has changed")
        tensors[path.stem] = load_file(path)
    return State(written.facts, tensors)
