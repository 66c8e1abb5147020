"""Valid files made hostile: wrong values, wrong shapes, wrong bytes."""

import json
import math
import random
from typing import Any


def mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with a wrong value, a wrong shape or wrong bytes in it."""
    try:
        value = json.loads(data)
    except ValueError:
        lines = data.split(b"\n")
        row = rng.randrange(len(lines))
        if data[:1] == b"{" and lines[row].strip() and rng.random() < 0.8:
            return b"\n".join([*lines[:row], mutated(lines[row], rng), *lines[row + 1 :]])
        return damaged(data, rng)
    if rng.random() < 0.15:
        return damaged(data, rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        value = replaced(value, rng)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def replaced(value: Any, rng: random.Random) -> Any:
    """A JSON value with one part of it exchanged, at any depth."""
    if isinstance(value, dict | list) and value and rng.random() < 0.8:
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(value, dict) and rng.random() < 0.15:
            renamed = {
                rng.choice(("", "\0", "a\nb", f"{name}x", "x" * 5000)) if name == key else name: part
                for name, part in value.items()
            }
            return renamed
        copy = dict(value) if isinstance(value, dict) else list(value)
        if rng.random() < 0.1:
            del copy[key]
        else:
            copy[key] = replaced(copy[key], rng)
        return copy
    return special(rng)


def special(rng: random.Random) -> Any:
    """A value that nobody expects."""
    return rng.choice(
        (
            None,
            True,
            -1,
            0,
            1e300,
            10**30,
            10**5000 if rng.random() < 0.2 else 10**18,
            -(10**18),
            math.nan,
            math.inf,
            -0.0,
            1e-320,
            "",
            "x",
            "\0",
            "a\nb",
            "A" * 5000,
            "../../etc/passwd",
            "/etc/passwd",
            "\ud800",
            "\u202e\x1b[31m",
            "NaN",
            "1e5",
            "%s%s%n",
            "${x}",
            "(a+)+$",
            "(?P<",
            [],
            {},
            [[]],
            {"a": {}},
            [None] * 3,
            deep(rng.choice((50, 900))),
            ["x"] * 2000,
            {"": ""},
        )
    )


def deep(depth: int) -> Any:
    """Lists in one another."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, doubled, put in or taken out."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if not changed:
            break
        at, length = rng.randrange(len(changed)), rng.choice((1, 1, 4, 64))
        match rng.randrange(6):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + length] = bytes(rng.randrange(256) for _ in range(length))
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length] * rng.choice((1, 1, 300))
            case 4:
                changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"))
            case 5 if rng.random() < 0.3:
                del changed[at:]
    whole = rng.random()
    if whole < 0.02:
        return b""
    if whole < 0.04:
        return rng.choice(
            (b"[" * 100_000, b'{"a":' * 50_000, b"\0" * 5000, b"\xff" * 5000, b"x" * 400_000, b"- " * 20_000)
        )
    return bytes(changed)
