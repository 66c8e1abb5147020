"""Keys of providers: read from the environment, sent to the provider, and shown to nobody."""

import base64
import os
import re
from collections.abc import Iterator, Sequence

from pixelsmile.judges.judge import JudgeError

_MIN_SECRET_LENGTH = 8  # what is shorter (a local server's "none") is no secret, and would black out words
_BLACK = "[key]"


class ApiKey:
    """A key that does not show itself: not in a repr, not in an f-string, not in what `redact` went over."""

    __slots__ = ("_encodings", "_pattern", "_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source
        self._pattern = re.compile("".join(map(_letter, value)), re.IGNORECASE)
        self._encodings = tuple(_encodings(value))

    def __repr__(self) -> str:
        return f"ApiKey(from {self.source})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere: read it from the environment again")

    def reveal(self) -> str:
        """The key itself, for the request's header alone."""
        return self._value

    def redact(self, text: str) -> str:
        """`text` with the key blacked out, also as JSON, URLs, HTML, base64 or hexadecimal digits write it.

        Servers repeat it in their errors. Takes time in proportion to the text.
        """
        if len(self._value) < _MIN_SECRET_LENGTH:
            return text
        for encoding in self._encodings:
            text = text.replace(encoding, _BLACK)
        return self._pattern.sub(_BLACK, text)


def read_key(names: Sequence[str]) -> ApiKey:
    """The key in the first of these environment variables that is set; JudgeError where none is."""
    for name in names:
        value = os.environ.get(name, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise JudgeError(f"the key in {name} has characters that no key has: set it again")
        return ApiKey(value, name)
    raise JudgeError(f"there is no key: set the environment variable {' or '.join(names)}")


def _encodings(value: str) -> Iterator[str]:
    """A key as hexadecimal digits, and what base64 makes of it whatever stands before and after."""
    data = value.encode()
    yield from (data.hex(), data.hex().upper())
    for offset in range(3):  # a text is encoded in threes: the key begins at one of three places
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        # The first and the last letters hold bits of what stands beside the key.
        whole = encoded[(0, 2, 3)[offset] : (offset + len(data)) * 8 // 6]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))


def _letter(letter: str) -> str:
    """As it is or after backslashes, as \\u0073 or \\x73, as %73, as &#115; or &#x73;.

    All parts are bounded: no place is looked at again and again.
    """
    code = ord(letter)
    plain = rf"(?:(?<!\\)\\{{1,8}})?(?:{re.escape(letter)}|(?:u00|x){code:02x})"
    return rf"(?:{plain}|%(?:25)?{code:02x}|&\#(?:0{{0,4}}{code}|x0{{0,4}}{code:x});)"
