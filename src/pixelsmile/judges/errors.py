"""What stops a run of judgements. A picture without a verdict is no error: that is a `NoVerdict`."""

from pixelsmile.errors import InputError, PixelSmileError


class JudgeError(InputError):
    """A judge that cannot be asked at all: a wrong key, model, address or request. The whole run stops."""


class BudgetSpentError(PixelSmileError):
    """The next request could pass the budget. An ordinary end: what was judged is kept, the rest is left."""
