"""Everything the program can refuse, in one small tree.

A message is one line: what was wrong, what was seen, what to do next.
"""


class PixelSmileError(Exception):
    """Any error that this project raises on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


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
