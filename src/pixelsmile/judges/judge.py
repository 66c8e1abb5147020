"""The protocol of all judges: what one is asked, what it says, who it is; and any judge of one face.

A question is pictures, the words that belong to them, and what those stand for. The outcome is twelve scores
and the dominant expression, or a mark, or why there is neither; it is declared once, as it is made and as it
is read back from JSON.
"""

import asyncio
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import pydantic
from pydantic import ConfigDict, Field, JsonValue, TypeAdapter

from pixelsmile.errors import FaceError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain, check_strength
from pixelsmile.hashing import sha256_json
from pixelsmile.remote.picture import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from pixelsmile.faces.choice import FaceChoice
    from pixelsmile.faces.face import Detector
    from pixelsmile.images import ImageSource


UNCAPTIONED = ""


@dataclass(frozen=True)
class Target:
    """What the words ask an edit for: an expression (or neutral), at a strength (0..2) if they imply one.

    For judges that read no words. ValueError for no such expression, StrengthError for no such strength.
    """

    expression: str
    strength: float | None = None

    def __post_init__(self) -> None:
        if self.expression not in (*EXPRESSIONS, NEUTRAL):
            raise ValueError(f"{self.expression!r} is no expression that could be asked for")
        if self.strength is not None:
            object.__setattr__(self, "strength", check_strength(self.strength))


@dataclass(frozen=True, eq=False)
class Question:
    """Pictures by their captions, in the order in which they are shown; the words; their meaning.

    What is to be found out is the rubric's matter. A lone picture may have no caption (UNCAPTIONED).
    """

    pictures: Mapping[str, Picture]
    domain: Domain
    words: str = ""
    target: Target | None = None

    def __post_init__(self) -> None:
        if not self.pictures and not self.words:
            raise ValueError("a question shows at least one picture, or says something")
        if UNCAPTIONED in self.pictures and len(self.pictures) > 1:
            raise ValueError("several pictures have a caption each")

    @classmethod
    def read(
        cls,
        images: "ImageSource | Mapping[str, ImageSource]",
        domain: Domain,
        *,
        words: str = "",
        target: Target | None = None,
    ) -> "Question":
        """The question about one picture, or about several by their captions.

        A picture is a path, the bytes of a file or a PIL image; ImageError where one cannot be read.
        """
        captioned = images if isinstance(images, Mapping) else {UNCAPTIONED: images}
        pictures = {caption: Picture.read(source) for caption, source in captioned.items()}
        return cls(pictures, domain, words, target)

    @cached_property
    def sha256(self) -> str:
        """The hash of what is shown and said; the domain is no part of it.

        A picture alone is known by its own hash: so were all questions when there was nothing else to ask.
        """
        if set(self.pictures) == {UNCAPTIONED} and not self.words and self.target is None:
            return self.pictures[UNCAPTIONED].sha256
        shown = [[caption, picture.sha256] for caption, picture in self.pictures.items()]
        target = self.target and [self.target.expression, self.target.strength]
        return sha256_json({"pictures": shown, "words": self.words, "target": target})


@dataclass(frozen=True)
class Sample:
    """What to ask about, before its pictures are read (see Question.read), and the caller's name for it.

    `images` is one picture, or several by their captions, in the order in which they are shown.
    """

    key: str
    images: "ImageSource | Mapping[str, ImageSource]"
    domain: Domain
    words: str = ""
    target: Target | None = None

    def question(self) -> "Question":
        """The question, with its pictures; ImageError where one cannot be read."""
        return Question.read(self.images, self.domain, words=self.words, target=self.target)


# What the judges of FED-Bench's three judged components are shown: each for the rubric of the same name
# (rubrics/fed.py), and for its embedded counterparts.
# Captions, as models read them. They are part of a question's hash.
SOURCE, EDIT, TRUTH = "Source", "Edit", "Reference"


def quality_sample(key: str, edit: "ImageSource", domain: Domain = "human") -> Sample:
    """PQ: the edit alone. Why the source is not beside it stands with its rubric."""
    return Sample(key, {EDIT: edit}, domain)


def consistency_sample(
    key: str,
    source: "ImageSource",
    edit: "ImageSource",
    instruction: str,
    domain: Domain = "human",
    target: Target | None = None,
) -> Sample:
    """SC: source, edit and instruction. target: what it asks for; the embedded counterpart reads no words.

    ValueError for an instruction of no words: there is nothing to be consistent with.
    """
    if not instruction.strip():
        raise ValueError(f"{key!r} has no instruction")
    return Sample(key, {SOURCE: source, EDIT: edit}, domain, instruction, target)


def truth_alignment_sample(
    key: str, truth: "ImageSource", edit: "ImageSource", domain: Domain = "human"
) -> Sample:
    """GTA: ground truth and edit."""
    return Sample(key, {TRUTH: truth, EDIT: edit}, domain)


Reason = Literal["malformed", "empty", "refused", "unreachable", "unreadable", "unsuited", "failed"]
"""Why there is no verdict: the answer was not in the agreed form; there was none; the judge or its server
declined; the server could not be reached or failed; a picture cannot be read; the judge does not know such
questions, or broke down over this one."""

MAX_MARK = 10.0
MAX_SENTENCE = 300  # letters of one that describes a picture

# The categories of PixelSmile's table 4; styles as its figure 13 has them.
Gender = Literal["male", "female", "androgynous", "unknown"]
AgeGroup = Literal["child", "teen", "young_adult", "adult", "middle_aged", "senior", "unknown"]
SkinTone = Literal["very_light", "light", "medium", "dark", "very_dark", "unknown"]
SeenExpression = Literal[
    "neutral", "happy", "sad", "angry", "surprised", "fear", "disgust", "other", "unknown"
]
Style = Literal["2d_anime", "cg", "chibi", "manga", "sketch", "other", "unknown"]
_CONFIG = ConfigDict(extra="forbid")


@pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)
class _Outcome:
    """`transcript` holds every answer of the judge as it came, in order; what counts is from the last one."""

    judge: str

    def to_json(self) -> str:
        """One line of JSON, for `outcome_from_json`."""
        record = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return json.dumps({"kind": record.pop("kind"), **record}, ensure_ascii=False, allow_nan=False)


@pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)
class Verdict(_Outcome):
    """One judge's opinion of one picture.

    `scores` has every name of EXPRESSIONS, in that order, with a strength in [0, 1]. `dominant` is one of
    those names or "neutral", as the judge said it: it need not be the name with the highest score.
    """

    scores: Mapping[str, float]
    dominant: str
    transcript: tuple[str, ...] = ()
    kind: Literal["verdict"] = "verdict"

    def __post_init__(self) -> None:
        if set(self.scores) != set(EXPRESSIONS):
            raise ValueError(f"a verdict scores the twelve expressions, not {sorted(self.scores)}")
        for name, score in self.scores.items():
            if not (math.isfinite(score) and 0 <= score <= 1):
                raise ValueError(f"the score of {name} is {score!r}: it lies in 0 to 1")
        if self.dominant not in (*EXPRESSIONS, NEUTRAL):
            raise ValueError(f"{self.dominant!r} is no expression that could be dominant")
        object.__setattr__(self, "scores", {name: float(self.scores[name]) for name in EXPRESSIONS})


@pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)
class Mark(_Outcome):
    """One judge's mark, 0 (worst) to 10 (best), for what the rubric asks about, and the reason it gives."""

    mark: float
    reason: str
    transcript: tuple[str, ...] = ()
    kind: Literal["mark"] = "mark"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mark) and 0 <= self.mark <= MAX_MARK):
            raise ValueError(f"the mark is {self.mark!r}: it lies in 0 to {MAX_MARK:g}")
        if not self.reason.strip():
            raise ValueError("a mark has a reason")


@pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)
class Statistics(_Outcome):
    """What one judge sees in a picture besides the strength of its expression.

    None where it was not asked (skin tone of anime, style of people), or cannot know. appearance, action,
    background: a sentence each.
    """

    gender: Gender | None = None
    age_group: AgeGroup | None = None
    skin_tone: SkinTone | None = None
    style: Style | None = None
    expression: SeenExpression | None = None
    appearance: str | None = None
    action: str | None = None
    background: str | None = None
    transcript: tuple[str, ...] = ()
    kind: Literal["statistics"] = "statistics"

    def __post_init__(self) -> None:
        for sentence in (self.appearance, self.action, self.background):
            if sentence is not None and not (0 < len(sentence) <= MAX_SENTENCE and sentence.isprintable()):
                raise ValueError(f"a sentence is one line of at most {MAX_SENTENCE} letters")


@pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)
class NoVerdict(_Outcome):
    """Why one judge has no opinion in answer to one question. It counts as unscored, never as zero."""

    reason: Reason
    detail: str
    transcript: tuple[str, ...] = ()
    kind: Literal["none"] = "none"


Outcome = Verdict | Mark | Statistics | NoVerdict
_OUTCOMES: TypeAdapter[Outcome] = TypeAdapter(Annotated[Outcome, Field(discriminator="kind")])


def is_final(outcome: Outcome, *, ask_refused_again: bool = False) -> bool:
    """Whether another run need not ask again: a verdict, a mark, or a refusal unless that is asked for."""
    if not isinstance(outcome, NoVerdict):
        return True
    return outcome.reason == "refused" and not ask_refused_again


def outcome_from_json(text: str | bytes) -> Outcome:
    """What `to_json` wrote; ValueError for anything else."""
    return _OUTCOMES.validate_json(text, strict=True)


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
    """Who marks FED-Bench's judged components: PQ, SC and GTA. What they are asked: the samples above."""

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
