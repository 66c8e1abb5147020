"""What a safetensors file says about itself, read without its tensors; and what a file is that is none.

A file is the header's length in 8 bytes, little-endian, the header in JSON, then the tensors without gaps
(huggingface/safetensors, README: Format). Neither torch nor the library of the format is needed here.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from os import PathLike
from typing import Any, BinaryIO

from pixelsmile.errors import InputError
from pixelsmile.limits import Refusal, parse_json, regular_file, shown

MAX_HEADER_BYTES = 16 * 2**20  # 60 times that of a transformer of 20 billion weights in one file
_LENGTH_BYTES = _ALIGNMENT = 8
_METADATA = "__metadata__"
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}
_MAX_DIMENSIONS, _MAX_SIDE = 16, 2**40
_SNIFFED_BYTES = 2**16

BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ", "F8_E8M0"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}

# The first bytes of what people give by mistake.
_BEGINNINGS = (
    (b"GGUF", "a GGUF file"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
)


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a file: its format as the file spells it (a key of BITS), its shape, where it lies.

    offsets: of its first byte and of the one after its last, counted from the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    offsets: tuple[int, int]


@dataclass(frozen=True)
class Header:
    """The tensors of a file by name, and its metadata."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]


def read_header(path: str | PathLike[str], *, error: Refusal = InputError) -> Header:
    """The header of a whole safetensors file; no tensor is read.

    `error` where there is no regular file, where it is of another kind (which the message names), and where
    it is cut short, too long, or its header is damaged.
    """
    name = repr(os.fspath(path))
    with regular_file(path, error=error) as (file, size):
        text = _header_text(file, size)
        if text is None:
            file.seek(0)
            kind = kind_of(file.read(_SNIFFED_BYTES))
            if "pickle" in kind:
                raise error(f"{name} is {kind}, which is never loaded: convert it to safetensors")
            raise error(f"{name} is {kind}, no whole safetensors file: give one, or fetch it again")
        if len(text) > MAX_HEADER_BYTES:
            raise error(f"the header of {name} is longer than {MAX_HEADER_BYTES:,} bytes: save it again")
        num_bytes = size - _LENGTH_BYTES - len(text)
    raw = parse_json(text, f"the header of {name}", error=error)
    try:
        return _checked(raw, num_bytes)
    except ValueError as bad:
        raise error(f"{name} is no whole safetensors file ({bad}): fetch or save it again") from bad


def canonical(data: bytes) -> bytes:
    """The same file with its header in one order: the library writes the metadata in a new one each time.

    A header is padded with spaces so that the tensors begin at a multiple of 8, and `data_offsets` count from
    its end.
    """
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    header = json.loads(data[_LENGTH_BYTES:end])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + data[end:]


def kind_of(beginning: bytes) -> str:
    """What a file is, said by its first bytes: `a GGUF file`, `an HTML page`, `an empty file`, ..."""
    if not beginning:
        return "an empty file"
    for start, kind in _BEGINNINGS:
        if beginning.startswith(start):
            return kind
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "a picture (WebP)"
    if beginning.startswith(b"PK"):
        return "a pickle (of torch.save)" if b"data.pkl" in beginning else "a zip archive"
    text = beginning[:512].lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page (of a download that failed?)"
    if text.startswith((b"{", b"[")):
        return "a JSON text"
    if b"onnx" in beginning or (beginning[:1] == b"\x08" and b"\x12" in beginning[:8]):
        return "an ONNX model"
    if _looks_cut(beginning):
        return "cut short or damaged"
    try:
        beginning[:512].decode()
    except UnicodeDecodeError:
        return "of an unknown kind"
    return "a text" if b"\0" not in beginning[:512] else "of an unknown kind"


def _looks_cut(beginning: bytes) -> bool:
    """Whether it begins like a safetensors file whose header goes on after the end of the file."""
    return beginning[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" or not any(beginning)


def _header_text(file: BinaryIO, size: int) -> bytes | None:
    """The header, one byte more than allowed of a longer one; None where the file cannot hold one."""
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if size < _LENGTH_BYTES + 2 or not 2 <= length <= size - _LENGTH_BYTES:
        return None
    text = file.read(min(length, MAX_HEADER_BYTES + 1))
    return text if text.startswith(b"{") else None


def _checked(raw: Any, num_bytes: int) -> Header:
    """The header as values; ValueError says what is wrong with it."""
    if not isinstance(raw, dict):
        raise ValueError("its header is no object")
    metadata = raw.pop(_METADATA, None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are no texts by name")
    tensors = {name: _entry(name, value) for name, value in raw.items()}
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: item[1].offsets):
        if entry.offsets[0] != end:
            raise ValueError(f"tensor {shown(name)} begins at byte {entry.offsets[0]:,}, not {end:,}")
        end = entry.offsets[1]
    if end != num_bytes:
        raise ValueError(f"it should hold {end:,} bytes of tensors and holds {num_bytes:,}")
    return Header(tensors, metadata)


def _entry(name: str, value: Any) -> TensorEntry:
    if not isinstance(value, dict) or value.keys() != _ENTRY_KEYS:
        raise ValueError(f"tensor {shown(name)} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise ValueError(f"tensor {shown(name)} is of the unknown format {shown(dtype)}")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"tensor {shown(name)} has the shape {shown(shape)}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {shown(name)} has the offsets {shown(offsets)}")
    if 8 * (offsets[1] - offsets[0]) != prod(shape) * BITS[dtype]:
        raise ValueError(f"tensor {shown(name)} does not fill its place")
    return TensorEntry(dtype, tuple(shape), (offsets[0], offsets[1]))


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < _MAX_SIDE for value in values)
