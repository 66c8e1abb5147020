"""What stops a run of judgements. A picture without a verdict is no error: that is a `NoVerdict`."""

from pixelsmile.errors import InputError, PixelSmileError


class JudgeError(InputError):
    """A judge that cannot be asked at all: a wrong key, model, address or request. The whole run stops."""


class QuestionRefusedError(JudgeError):
    """A question that the server would not take, where the question may be at fault and not the judge.

    Whoever asks many decides whether the run stops. detail: what the server said. is_certain: it said that
    the picture is the reason.
    """

    def __init__(self, message: object, detail: str, is_certain: bool) -> None:
        super().__init__(message)
        self.detail = detail
        self.is_certain = is_certain


class BudgetSpentError(PixelSmileError):
    """The next request could pass the budget. An ordinary end: what was judged is kept, the rest is left."""
