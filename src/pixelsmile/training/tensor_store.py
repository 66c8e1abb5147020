"""Tensors on disk by content key, in shards that are found damaged and shared between runs.

    FOLDER/5f0c...e1.safetensors        a shard; its name is the SHA-256 of its bytes

The headers of the shards are the index: there is no second file that could disagree with them. A shard
appears whole or not at all, so a kill costs what was not flushed and nothing else. Several processes may
write into one folder; what two of them made is there twice, and either is right.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.store.publication import write_file
from pixelsmile.store.weight_hashes import remembered_sha256

SHARD_BYTES = 64 * 2**20

_SUFFIX = ".safetensors"
_log = logging.getLogger(__name__)


class TensorStore:
    """The tensors in a folder. InputError where the folder cannot be read.

    Opening reads every shard that is new to this machine: one whose bytes are not what its name says is
    logged and taken away; what it held is then absent, to be made again.
    shard_bytes: what is added is written by `flush_full` once it takes that much. verify: False takes shards
    for whole without reading them, where another process of the same run has just read or written them.

    Shards are mapped: a tensor that is read lies in the page cache of the machine, once for all processes,
    and goes from there when memory is short.
    """

    def __init__(self, folder: Path, shard_bytes: int = SHARD_BYTES, *, verify: bool = True) -> None:
        self.folder, self._verify = folder, verify
        self._shard_bytes = shard_bytes
        self._waiting: dict[str, Tensor] = {}
        self._shards: dict[str, Any] = {}  # open files by name
        self._shard_of: dict[str, str] = {}  # by key
        self._scan()

    def __contains__(self, key: str) -> bool:
        return key in self._waiting or key in self._shard_of

    def __len__(self) -> int:
        return len(self._waiting.keys() | self._shard_of.keys())

    def read(self, key: str) -> Tensor:
        """The tensor of that key, on the CPU. KeyError where there is none. Not to be written into."""
        if key in self._waiting:
            return self._waiting[key]
        return self._shards[self._shard_of[key]].get_tensor(key)

    def add(self, key: str, tensor: Tensor) -> None:
        """Hold a tensor until the next flush. Keys are made of content, so a key that is there stays."""
        if key not in self:
            self._waiting[key] = tensor.detach().cpu().contiguous().clone()

    def flush_full(self) -> None:
        """Write what waits, if it is enough for a shard."""
        if sum(tensor.nbytes for tensor in self._waiting.values()) >= self._shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what waits: it is on disk when this returns. OutputError where the disk refuses."""
        if not self._waiting:
            return
        data = safetensors.torch.save(self._waiting)
        name = sha256_bytes(data) + _SUFFIX
        write_file(self.folder / name, data, force=True)
        self._open(name)
        self._waiting = {}

    def _scan(self) -> None:
        if not self.folder.is_dir():
            return
        try:
            for name in sorted(os.listdir(self.folder)):
                if name.endswith(_SUFFIX) and name not in self._shards:
                    self._take_in(name)
        except OSError as error:
            raise InputError(
                f"cannot use the cache {str(self.folder)!r} ({error.strerror}): choose another folder"
            ) from error

    def _take_in(self, name: str) -> None:
        path = self.folder / name
        with suppress(FileNotFoundError):  # another process was first to find it damaged
            if not self._verify or remembered_sha256(path) == name.removesuffix(_SUFFIX):
                with suppress(SafetensorError):
                    self._open(name)
                    return
            _log.warning("%s is damaged: taken away, what it held will be made again", path)
            path.unlink()

    def _open(self, name: str) -> None:
        self._shards[name] = safe_open(self.folder / name, framework="pt")
        self._shard_of.update(dict.fromkeys(self._shards[name].keys(), name))
