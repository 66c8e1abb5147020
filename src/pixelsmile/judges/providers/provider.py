"""The protocol of providers: one request, one reply, and no exception on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from pixelsmile.judges.question import Question
from pixelsmile.judges.rubrics import Rubric

Fault = Literal["malformed", "empty", "refused"]
Refused = Literal["picture", "request"]
"""What a server did not take: it names the picture as the reason, or it may be anything in the request."""


@dataclass(frozen=True)
class Reply:
    """The server answered. `text` is what the model wrote, unless `fault` says why that cannot be used.

    `transcript` is the answer as it came over the wire, without keys. `num_tokens` is the usage that the
    server reports, None where it reports none.
    """

    text: str
    transcript: str
    num_tokens: int | None
    fault: Fault | None = None
    detail: str = ""


@dataclass(frozen=True)
class Failure:
    """The server did not answer, or said no.

    `stops` says that no other request would fare better, `refused` that another question may, and `at_once`
    that the next request needs no wait. `advice` is what to do about the first two. `num_tokens` is 0 where
    nothing was generated, and None where nobody knows.
    """

    detail: str
    stops: bool = False
    refused: Refused | None = None
    at_once: bool = False
    advice: str = "check the judge"
    server_wait_s: float | None = None
    num_tokens: int | None = None


class Provider(Protocol):
    """A model behind an API. Making one reads the key; connections are opened by the first `ask`."""

    @property
    def name(self) -> str:
        """The kind of API."""

    @property
    def model(self) -> str:
        """The model's name there."""

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """What else decides about the answer, for the judge's identity."""

    def max_tokens(self, question: Question, rubric: Rubric) -> int:
        """An upper bound of the tokens that one request can use, input and output."""

    async def ask(self, question: Question, rubric: Rubric) -> Reply | Failure:
        """Send one request; there is no second one behind our back."""

    async def aclose(self) -> None:
        """Close what is open in this event loop."""
