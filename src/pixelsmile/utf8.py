"""Text that is written to files: UTF-8 whatever a file or folder is called.

A name on disk is bytes. Where they are no UTF-8, Python carries each as half of a surrogate pair, which no
JSON reader, browser or database takes. What is recorded has `\\xff` for such a byte.
"""

import re
from typing import Any

_HALVES = re.compile("[\ud800-\udfff]")
_BYTES = range(0xDC80, 0xDD00)  # PEP 383: byte 0x80 is U+DC80


def is_utf8(text: str) -> bool:
    """Whether `text` is text throughout, or the name of a file that is none."""
    return text.isascii() or _HALVES.search(text) is None


def escaped(text: str) -> str:
    """`text` with what UTF-8 cannot hold escaped."""
    return text if text.isascii() else _HALVES.sub(_escape, text)


def recordable(value: Any) -> Any:
    """A value of JSON with every text in it `escaped`; other values as they are."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {recordable(key): recordable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(recordable, value))
    return value


def utf8(text: str) -> bytes:
    """The bytes of a page or a table. JSON needs `recordable` before it is text."""
    return escaped(text).encode()


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if code in _BYTES else f"\\u{code:04x}"
