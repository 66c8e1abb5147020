"""The protocol of all judges: who judges, and how one is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from pydantic import JsonValue

from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.hashing import sha256_json
from pixelsmile.judges.question import Question
from pixelsmile.judges.verdict import Outcome


@dataclass(frozen=True)
class JudgeIdentity:
    """Everything that an outcome depends on beside the question. Judges with equal identities are the same.

    `parameters` has what was set for the model (server, temperature, largest side of a picture, ...), and
    never a key; `categories` among them are all that it judges, where it does not judge every expression.
    `remark` is what readers of its scores must know, as how often it is right; no outcome depends on it.
    """

    provider: str
    model: str
    rubric: str
    rubric_sha256: str
    parameters: Mapping[str, JsonValue]
    remark: str = field(default="", compare=False)

    @cached_property
    def sha256(self) -> str:
        """The hash by which caches know this judge."""
        return sha256_json(self._settings())

    @property
    def id(self) -> str:
        """A short name that is still unique: provider, model, and the start of the hash."""
        return f"{self.provider}:{self.model}:{self.sha256[:12]}"

    @property
    def is_partial(self) -> bool:
        """Whether there are expressions that it does not judge: it is then told which one an edit is for."""
        return "categories" in self.parameters

    def to_record(self) -> dict[str, JsonValue]:
        """The identity as JSON values, for manifests."""
        return {**self._settings(), **({"remark": self.remark} if self.remark else {})}

    def _settings(self) -> dict[str, JsonValue]:
        return {
            "provider": self.provider,
            "model": self.model,
            "rubric": self.rubric,
            "rubric_sha256": self.rubric_sha256,
            "parameters": dict(self.parameters),
        }


class Judge(Protocol):
    """Answers questions, one a call; many calls may be in flight in one event loop."""

    @property
    def identity(self) -> JudgeIdentity:
        """Who judges. Constant over the judge's life."""

    async def judge(self, question: Question) -> Outcome:
        """A verdict or a mark, whichever this judge gives, or why there is none.

        JudgeError where no question could be answered: the run stops. QuestionRefusedError (also one) where
        another might be. BudgetSpentError before a limit is passed.
        """

    async def aclose(self) -> None:
        """Close what is open in this event loop. The judge may be asked again afterwards."""


# What stops a run of judgements. A picture without a verdict is no error: that is a `NoVerdict`.


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
