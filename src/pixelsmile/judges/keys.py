"""Keys of providers: read from the environment, sent to the provider, and shown to nobody."""

import os
from collections.abc import Sequence

from pixelsmile.judges.errors import JudgeError

_MIN_SECRET_LENGTH = 8  # what is shorter (a local server's "none") is no secret, and would black out words


class ApiKey:
    """A key that does not show itself: not in a repr, not in an f-string, not in what `redact` went over."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source

    def __repr__(self) -> str:
        return f"ApiKey(from {self.source})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere: read it from the environment again")

    def reveal(self) -> str:
        """The key itself, for the SDK's client alone."""
        return self._value

    def redact(self, text: str) -> str:
        """`text` with the key blacked out: servers repeat it in their errors."""
        return text.replace(self._value, "[key]") if len(self._value) >= _MIN_SECRET_LENGTH else text


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
