"""The protocol of all judges: who judges, and how one is asked; and any judge, asked about one face."""

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue

from pixelsmile.errors import FaceError
from pixelsmile.hashing import sha256_json
from pixelsmile.judges.question import Question
from pixelsmile.judges.verdict import NoVerdict, Outcome
from pixelsmile.remote.picture import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from pixelsmile.faces.choice import FaceChoice
    from pixelsmile.faces.face import Detector


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

        Errors of `remote` where the run is to stop: RemoteError where no question could be answered,
        RequestRefusedError (also one) where another might be, BudgetSpentError before a limit is passed.
        """

    async def aclose(self) -> None:
        """Close what is open in this event loop. The judge may be asked again afterwards."""


@dataclass(frozen=True)
class Markers:
    """Who marks FED-Bench's judged components: PQ, SC and GTA. What they are asked: judges.question."""

    quality: Judge
    consistency: Judge
    truth_alignment: Judge


class OfFace:
    """Shows `judge` the square around the chosen face; `unsuited` where there is no such face.

    words: how the choice was put, by which caches know it.
    """

    def __init__(self, judge: Judge, detector: "Detector", choice: "FaceChoice", words: str) -> None:
        self._judge, self._detector, self._choice = judge, detector, choice
        asked = judge.identity
        parameters = {**asked.parameters, "face": words, "detector": detector.name}
        self.identity = dataclasses.replace(asked, parameters=parameters)

    async def judge(self, question: Question) -> Outcome:
        """What the judge says of the face, under this judge's name."""
        try:
            faces = {
                caption: await asyncio.to_thread(self._cut, picture.image)
                for caption, picture in question.pictures.items()
            }
        except FaceError as error:
            return NoVerdict(self.identity.id, "unsuited", str(error))
        outcome = await self._judge.judge(dataclasses.replace(question, pictures=faces))
        return dataclasses.replace(outcome, judge=self.identity.id)

    async def aclose(self) -> None:
        """Close what the judge has open."""
        await self._judge.aclose()

    def _cut(self, image: "Image") -> Picture:
        from pixelsmile.faces.choice import choose  # who asks nobody about a face needs no detectors
        from pixelsmile.faces.crops import crop_to_edit

        found = [] if self._choice.kind == "box" else self._detector.detect(image)
        (face,) = choose(self._choice, found, image.size)
        return Picture.read(crop_to_edit(face, image.size).cut(image))
