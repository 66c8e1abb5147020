"""The one bounded reader: whatever a stranger can hand in comes through here, as values or as one line.

A file must be regular and small enough, its text UTF-8, its JSON finite and not too deep. What is then
expected of the values is said by pydantic models (`validated`) or by the reader of the format.
"""

import difflib
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pixelsmile.errors import InputError, PixelSmileError, one_line

MAX_FILE_BYTES = 256 * 2**20  # of a text file: a benchmark's or a training's lines
MAX_CONFIG_BYTES = 2**20  # of what a person writes or a library keeps beside weights
MAX_DEPTH = 32
_MAX_SHOWN = 60  # characters of a wrong value
_NAMED = "NAME"  # in a known key: any name

Refusal = Callable[[str], PixelSmileError]
M = TypeVar("M", bound=BaseModel)


@contextmanager
def regular_file(path: str | PathLike[str], *, error: Refusal = InputError) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file, open for reading, and its size in bytes.

    `error` (its message names the file) where there is none, for a folder, a pipe or a device, and where the
    system refuses, also inside of the block.
    """
    name = repr(os.fspath(path))
    try:
        # A pipe without a writer would wait for ever, a device never end: look before reading.
        with open(path, "rb", opener=lambda file, flags: os.open(file, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise error(f"{name} is not a regular file: save it to a file first")
            yield file, status.st_size
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise error(f"there is no file {name}: check the path") from missing
    except IsADirectoryError as folder:
        raise error(f"{name} is a folder, not a file: name the file in it") from folder
    except (OSError, ValueError) as refused:  # ValueError: a name with a null character
        raise error(f"cannot read {name} ({_reason(refused)}): check the path") from refused


def read_bytes(
    path: str | PathLike[str], *, max_bytes: int = MAX_FILE_BYTES, error: Refusal = InputError
) -> bytes:
    """The bytes of a regular file of at most `max_bytes`; `error` as `regular_file`, and for a longer one."""
    with regular_file(path, error=error) as (file, size):
        data = file.read(max_bytes + 1) if size <= max_bytes else b""
        if max(size, len(data)) > max_bytes:
            name = repr(os.fspath(path))
            raise error(f"{name} is longer than {max_bytes:,} bytes: give the right file, or split it")
        return data


def read_text(
    path: str | PathLike[str], *, max_bytes: int = MAX_FILE_BYTES, error: Refusal = InputError
) -> str:
    """The text of a UTF-8 file, without its byte order mark; `error` as `read_bytes`, and for other bytes."""
    return decoded(read_bytes(path, max_bytes=max_bytes, error=error), repr(os.fspath(path)), error=error)


def decoded(data: bytes, what: str, *, error: Refusal = InputError) -> str:
    """UTF-8 as text, without its byte order mark; `error`, which calls it `what`, for other bytes."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        where = f"byte {bad.start:,} is {data[bad.start]:#04x}"
        raise error(f"{what} is no UTF-8 text ({where}): save it as UTF-8") from bad


def read_json(
    path: str | PathLike[str], *, max_bytes: int = MAX_CONFIG_BYTES, error: Refusal = InputError
) -> Any:
    """The value in a JSON file; `error` as `read_text` and `parse_json`."""
    text = read_text(path, max_bytes=max_bytes, error=error)
    return parse_json(text, repr(os.fspath(path)), error=error)


def read_json_object(
    path: str | PathLike[str], *, max_bytes: int = MAX_CONFIG_BYTES, error: Refusal = InputError
) -> dict[str, Any]:
    """The object in a JSON file; `error` as `read_json`, and where it holds something else."""
    value = read_json(path, max_bytes=max_bytes, error=error)
    if not isinstance(value, dict):
        raise error(f"{os.fspath(path)!r} holds {shown(value)}, where a JSON object is needed: make it again")
    return value


def parse_json(
    text: str | bytes, what: str, *, max_depth: int = MAX_DEPTH, error: Refusal = InputError
) -> Any:
    """The value in a JSON text, which `what` names.

    `error` for what is no JSON, for NaN, infinities and numbers that no float holds, for more than
    `max_depth` lists and objects in one another, and for half of a surrogate pair in a string.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as bad:  # ValueError: bad syntax, bad UTF-8, 5,000 digits
        raise error(f"{what} is no valid JSON ({_reason(bad)}): mend it or make it again") from bad
    for problem in _problems(value, max_depth):
        raise error(f"{what} is no usable JSON ({problem}): mend it or make it again")
    return value


def validated(kind: type[M], value: Any, what: str = "", *, error: Refusal = InputError) -> M:
    """`value` (what JSON or YAML gave, or JSON text as bytes or str) as a record of that kind.

    `error`, which calls it `what`, names the place, the value that was seen and what is wrong with it; a text
    is refused as by `parse_json` first.
    """
    try:
        if isinstance(value, bytes | str):
            parse_json(value, what or "it", error=error)  # pydantic takes NaN, and depths that hurt later
            return kind.model_validate_json(value)
        return kind.model_validate(value)
    except (ValidationError, RecursionError) as bad:
        problem = described(first_problem(bad), kind) if isinstance(bad, ValidationError) else _reason(bad)
        raise error(f"{what}: {problem}" if what else problem) from bad


def read_record(
    path: str | PathLike[str],
    kind: type[M],
    *,
    max_bytes: int = MAX_CONFIG_BYTES,
    error: Refusal = InputError,
) -> M:
    """The record of that kind in a JSON file; `error` as `read_text` and `validated`."""
    text = read_text(path, max_bytes=max_bytes, error=error)
    return validated(kind, text, repr(os.fspath(path)), error=error)


def first_problem(error: ValidationError) -> ErrorDetails:
    """An unknown key before all others: it is often the one that is missing, misspelt."""
    return min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")


def described(problem: ErrorDetails, kind: type[BaseModel] | None = None) -> str:
    """One sentence: where, what was seen, why it is wrong, what to do.

    kind: of the record, for the key that an unknown one was meant to be, and for what a section lacks.
    """
    key, value = ".".join(map(str, problem["loc"])), problem["input"]
    reason = f"{problem['msg'][:1].lower()}{problem['msg'][1:]}"
    match problem["type"]:
        case "missing" if isinstance(problem["loc"][-1], str):
            needed = (name for name in _needed_keys(kind) if name.startswith(f"{key}."))
            return f"{one_line(next(needed, key), _MAX_SHOWN)} is missing: add it"
        case "missing":  # in a list
            return f"{one_line(key.rpartition('.')[0], _MAX_SHOWN)} is {shown(value)}: it needs more values"
        case "extra_forbidden":
            while isinstance(value, dict) and len(value) == 1:  # {a: {b: 1}} is about a.b
                (below, value), *_ = value.items()
                key = f"{key}.{below}"
            return f"unknown key {one_line(key, _MAX_SHOWN)}: {key_advice(key, kind)}"
        case "string_pattern_mismatch" if (
            kind and (field := kind.model_fields.get(key)) and field.description
        ):
            reason = f"use {field.description}"  # nobody reads a pattern
        case "value_error":  # a check of ours, which says what it has seen
            reason = problem["msg"].removeprefix("Value error, ")
            return f"{one_line(key, _MAX_SHOWN)}: {reason}" if key else reason
    return f"{one_line(key, _MAX_SHOWN) or 'it'} is {shown(value)}: {reason}"


def key_advice(key: str, kind: type[BaseModel] | None) -> str:
    """What to write for an unknown key: the nearest one by its whole name, or by its last part."""
    known = [] if kind is None else [_beside(one, key) for one in known_keys(kind)]
    section, _, name = re.sub(r"\.\d+(?=\.)", "", key)[-_MAX_SHOWN:].rpartition(".")
    last = {one.rpartition(".")[2]: one for one in known}
    near = difflib.get_close_matches(f"{section}.{name}".lstrip("."), known, n=1, cutoff=0.7)
    near = near or [last[one] for one in difflib.get_close_matches(name, last, n=1)]
    if near:
        return f"did you mean {near[0]!r}?"
    beside = [one for one in known if one.rpartition(".")[0] == section]
    beside = beside or [one for one in known if "." not in one]
    return f"known here are {', '.join(beside)}" if beside else "take it out"


def _beside(known: str, key: str) -> str:
    """A known key with the names that `key` gives, where anything may be named."""
    given = key.split(".")
    parts = known.split(".")
    return ".".join(
        given[place] if part == _NAMED and place < len(given) else part for place, part in enumerate(parts)
    )


def known_keys(kind: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a record in its dotted form, those of the records in it too; NAME for any name."""
    for name, field in kind.model_fields.items():
        key = prefix + (field.alias or name)
        yield key
        named = f".{_NAMED}" if get_origin(field.annotation) is dict else ""
        for part in _records_in(field.annotation):
            yield from known_keys(part, f"{key}{named}.")


def _needed_keys(kind: type[BaseModel] | None, prefix: str = "") -> Iterator[str]:
    """Those without a default."""
    for name, field in ({} if kind is None else kind.model_fields).items():
        key, parts = prefix + (field.alias or name), list(_records_in(field.annotation))
        for part in parts:
            yield from _needed_keys(part, f"{key}.")
        if field.is_required() and not parts:
            yield key


def _records_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _records_in(part)


def shown(value: object) -> str:
    """A wrong value, short enough for a message; never built in full where it is large or deep."""
    if (
        isinstance(value, list | tuple)
        and 2 <= len(value) <= 4
        and all(isinstance(x, int | float) for x in value)
    ):
        return f"[{', '.join(map(shown, value))}]"  # a box, a point
    if isinstance(value, list | tuple | dict | set):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, str | bytes):
        value = value[: _MAX_SHOWN + 1]
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def path_within(
    folder: Path, name: object, *, through_links: bool = False, error: Refusal = InputError
) -> Path:
    """The path of a file that a file in `folder` names, relative to it.

    `error` for what is no name, for an absolute one and for one that leads out of the folder, by `..` or by
    a link. through_links: links may lead out, as all do in the hub's cache.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise error(f"{str(folder)!r} names {shown(name)} as a file of it: make it again")
    path = folder / name
    # Path.resolve would raise where links lead in a circle.
    plain = os.path.normpath if through_links else os.path.realpath
    if not Path(plain(path)).is_relative_to(plain(folder)):
        raise error(f"{str(folder)!r} names {shown(name)}, which lies outside of it: make it again")
    return path


def _problems(value: Any, max_depth: int) -> Iterator[str]:
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict | list):
            if depth > max_depth:
                yield f"more than {max_depth} lists and objects in one another"
                return
            parts = [*item, *item.values()] if isinstance(item, dict) else item
            waiting.extend((part, depth + 1) for part in parts)
        elif (
            isinstance(item, str)
            and not item.isascii()
            and any("\ud800" <= sign <= "\udfff" for sign in item)
        ):
            yield "half of a surrogate pair in a text"


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is beyond every float")
    return number


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too many lists and objects in one another"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
