"""Everything the program can refuse, in one small tree.

A message is one line of at most MAX_MESSAGE characters: what was wrong, what was seen, what to do next.
"""

MAX_MESSAGE = 300
_MAX_ESCAPED = 4 * MAX_MESSAGE  # of a long text that much is looked at, at its beginning and at its end


def one_line(text: object, limit: int = MAX_MESSAGE) -> str:
    """`text` as one printable line of at most `limit` characters; a longer one loses its middle.

    Runs of blanks and line ends become one blank; control characters, and what no console can write (halves
    of surrogate pairs), are escaped.
    """
    whole = str(text)
    if len(whole) > 2 * _MAX_ESCAPED:
        whole = f"{whole[:_MAX_ESCAPED]} ... {whole[-_MAX_ESCAPED:]}"
    line = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in " ".join(whole.split())
    )
    if len(line) <= limit:
        return line
    tail = (limit - 5) // 2
    return f"{line[: limit - 5 - tail]} ... {line[-tail:]}"


def install(extra: str) -> str:
    """The command that installs an extra, for messages: from the checkout, since no index has pixelsmile."""
    return f'pip install -c constraints.txt -e ".[{extra}]"'


class PixelSmileError(Exception):
    """Any error that this project raises on purpose. `exit_code` is what the command line returns.

    The message is kept as `one_line`.
    """

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(message))


class InputError(PixelSmileError):
    """What the caller gave cannot be used as it is."""

    exit_code = 2


class ExpressionError(InputError):
    """An expression, a blend or a prompt that is not understood."""


class StrengthError(InputError):
    """A strength that is not a finite number in the allowed range."""


class ImageError(InputError):
    """A picture that cannot be read, or that no editor could use."""


class FaceError(InputError):
    """A face that cannot be found, or several where one must be chosen."""


class ModelError(InputError):
    """A model that is missing, incomplete, or not of a kind that is known."""


class AdapterError(InputError):
    """An adapter that does not fit the model it is loaded into."""


class OutputError(InputError):
    """A place where results cannot be written."""


class DeviceError(InputError):
    """A device or number format that this machine does not have."""
