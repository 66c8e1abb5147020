"""What a GGUF file says about itself, read without its tensors: names, shapes, formats; is it whole?

A file is the magic, a version, two counts, keys with values, a line for each tensor, and the tensors at
multiples of an alignment (ggml-org/ggml, docs/gguf.md). Neither torch nor the format's library is needed.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from os import PathLike, fspath
from typing import BinaryIO

from pixelsmile.errors import InputError
from pixelsmile.limits import Refusal, regular_file, shown
from pixelsmile.store.safetensors_header import kind_of

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_HEADER_BYTES = 64 * 2**20
_MAX_TENSORS, _MAX_KEYS, _MAX_TEXT_BYTES, _MAX_DIMENSIONS = 2**17, 2**14, 2**20, 4
_DEFAULT_ALIGNMENT, _MAX_ALIGNMENT = 32, 2**16
_TEXT, _ARRAY = 8, 9  # of the kinds of values; the others are numbers
_NUMBER_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32 = 4

# Number: name, weights of a block, bytes of a block. Those that diffusers turns back into numbers.
FORMATS = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
}


@dataclass(frozen=True)
class GgufTensor:
    """One tensor: its format's name (of FORMATS), its shape as torch has it, how many bytes it takes."""

    format: str
    shape: tuple[int, ...]
    num_bytes: int


@dataclass(frozen=True)
class GgufHeader:
    """The tensors of a file by name. architecture: of the network, as the file names it; may be empty."""

    tensors: Mapping[str, GgufTensor]
    architecture: str


def read_gguf_header(path: str | PathLike[str], *, error: Refusal = InputError) -> GgufHeader:
    """The header of a whole GGUF file; no tensor is read.

    `error` where there is no regular file, where it is of another kind, of a format that cannot be turned
    back into numbers, damaged, or cut short.
    """
    name = repr(fspath(path))
    with regular_file(path, error=error) as (file, size):
        beginning = file.read(len(MAGIC))
        if beginning != MAGIC:
            raise error(f"{name} is {kind_of(beginning + file.read(2**12))}, no GGUF file: give one")
        try:
            return _header(_Reader(file), size)
        except (ValueError, struct.error) as bad:
            raise error(f"{name} is no whole GGUF file ({bad}): fetch it again") from bad


class _Reader:
    """Numbers and texts off a file, little-endian, no further than a header may be long. ValueError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.position = file, len(MAGIC)

    def bytes(self, count: int) -> bytes:
        self.position += count
        if self.position > _MAX_HEADER_BYTES:
            raise ValueError(f"its header is longer than {_MAX_HEADER_BYTES:,} bytes")
        found = self._file.read(count)
        if len(found) < count:
            raise ValueError("it ends within its header")
        return found

    def number(self, form: str) -> int:
        return int(struct.unpack(f"<{form}", self.bytes(struct.calcsize(f"<{form}")))[0])

    def text(self) -> str:
        length = self.number("Q")
        if length > _MAX_TEXT_BYTES:
            raise ValueError(f"it holds a text of {length:,} bytes")
        return self.bytes(length).decode("utf-8", errors="replace")

    def skip(self, kind: int, depth: int = 0) -> None:
        """Read over a value."""
        if kind == _TEXT:
            self.text()
        elif kind == _ARRAY and depth == 0:
            inner, count = self.number("I"), self.number("Q")
            if inner in _NUMBER_BYTES:
                self.bytes(_NUMBER_BYTES[inner] * min(count, _MAX_HEADER_BYTES))
            else:
                for _ in range(min(count, _MAX_HEADER_BYTES)):
                    self.skip(inner, depth + 1)
        elif kind in _NUMBER_BYTES:
            self.bytes(_NUMBER_BYTES[kind])
        else:
            raise ValueError(f"it has a value of the unknown kind {kind}")


def _header(reader: _Reader, size: int) -> GgufHeader:
    version, num_tensors, num_keys = reader.number("I"), reader.number("Q"), reader.number("Q")
    if version not in _VERSIONS:
        raise ValueError(f"it is of version {version}, known are {' and '.join(map(str, _VERSIONS))}")
    if num_tensors > _MAX_TENSORS or num_keys > _MAX_KEYS:
        raise ValueError(f"it says that it has {num_tensors:,} tensors and {num_keys:,} keys")
    architecture, alignment = "", _DEFAULT_ALIGNMENT
    for _ in range(num_keys):
        key, kind = reader.text(), reader.number("I")
        if key == "general.alignment" and kind == _UINT32:
            alignment = reader.number("I")
        elif key == "general.architecture" and kind == _TEXT:
            architecture = reader.text()
        else:
            reader.skip(kind)
    if not 1 <= alignment <= _MAX_ALIGNMENT:
        raise ValueError(f"its alignment is {alignment}")
    tensors, end = {}, 0
    for _ in range(num_tensors):
        name, tensor, offset = _tensor(reader)
        if name in tensors:
            raise ValueError(f"it has two tensors {shown(name)}")
        tensors[name], end = tensor, max(end, offset + tensor.num_bytes)
    start = -(-reader.position // alignment) * alignment
    if size < start + end:
        raise ValueError(f"it should have {start + end:,} bytes and has {size:,}: half of a download?")
    return GgufHeader(tensors, architecture)


def _tensor(reader: _Reader) -> tuple[str, GgufTensor, int]:
    name, num_dimensions = reader.text(), reader.number("I")
    if num_dimensions > _MAX_DIMENSIONS:
        raise ValueError(f"tensor {shown(name)} has {num_dimensions} dimensions")
    shape = tuple(reader.number("Q") for _ in range(num_dimensions))[::-1]  # written innermost first
    number, offset = reader.number("I"), reader.number("Q")
    if number not in FORMATS:
        known = ", ".join(found[0] for found in FORMATS.values())
        raise ValueError(f"tensor {shown(name)} is of format {number}; read are {known}")
    form, block, block_bytes = FORMATS[number]
    if shape and shape[-1] % block:
        raise ValueError(f"tensor {shown(name)} of shape {shape} does not divide into blocks of {block}")
    return name, GgufTensor(form, shape, prod(shape) // block * block_bytes), offset
