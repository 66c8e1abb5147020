"""What the fields of a form ask for.

They are those of OpenAI's image edits and our own; a list or an object may be written as one text (`0,0.5,1`,
`happy=0.6,sad=0.4`), by repeating a field, or as the openai library has it (`strengths[]`, `blend[happy]`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pixelsmile.editing.face_edits import MASK_GROW, MAX_CONTEXT, PasteOptions
from pixelsmile.editing.options import (
    CONDITIONINGS,
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_SIZE_PX,
    MAX_STEPS,
    EditOptions,
)
from pixelsmile.editing.pictures import Source
from pixelsmile.editing.requests import FaceRequest, Request, parse_face_request
from pixelsmile.errors import InputError
from pixelsmile.expressions import MAX_STRENGTH, Domain, parse_blend, parse_expression
from pixelsmile.expressions.sentence import MAX_SENTENCE, Wish, read_sentence
from pixelsmile.faces.crops import DEFAULT_CONTEXT
from pixelsmile.limits import validated
from pixelsmile.portraits.action_units import parse_units
from pixelsmile.results import PictureFormat
from pixelsmile.web.answers import ApiError

MAX_PICTURES = 24  # of one request
MAX_PREVIEWS = 3  # of each picture, as OpenAI has it
SWEEP = (0.0, 0.25, 0.5, 0.75, 1.0)
MAX_PIXELS_OUT = 2**27  # of all pictures of a request, in memory at once: 400 MB
_MAX_FACES = 16


class WhichPicture(BaseModel):
    """Fields of all requests about a picture. face: largest, centre, all, a number, or x,y,width,height."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    face: list[str] = Field(
        default=[],
        max_length=_MAX_FACES,
        description="which face: largest, centre, all, a number of /v1/faces, x,y,width,height, or whole; "
        "with =EXPRESSION or =BLEND a face has its own, and the field may be given again (the only one)",
        examples=["largest"],
    )
    domain: Domain | None = Field(
        default=None, description="human or anime (a drawn portrait's own, else human)"
    )

    @field_validator("face", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def faces(self, strengths: Sequence[float] = (1.0,)) -> tuple[FaceRequest, ...]:
        """FaceError, ExpressionError."""
        return tuple(parse_face_request(text, strengths) for text in self.face)


class EditFields(WhichPicture):
    """What may be asked of an edit: OpenAI's fields that have a meaning here, and ours."""

    model: str | None = Field(
        default=None,
        max_length=200,
        description="one of /v1/models (by default the one for such pictures)",
        examples=["geometric"],
    )
    prompt: str = Field(
        default="",
        max_length=MAX_SENTENCE,
        description="a sentence that names one expression, and may say how strongly (Make her smile a "
        "little); for models that understand words, anything that names none",
        examples=["Make her smile a little"],
    )
    wording: Literal["expression", "instruction"] = Field(
        default="expression", description="instruction: the model is told the prompt as it is"
    )
    expression: list[str] = Field(
        default=[], max_length=13, description="an expression, or several: happy,sad", examples=["happy"]
    )
    blend: dict[str, float] | None = Field(
        default=None,
        description="a mixture, as happy=0.6,surprised=0.4",
        examples=["happy=0.6,surprised=0.4"],
    )
    units: dict[str, float] | None = Field(
        default=None, description="FACS action units, as jaw_drop=0.4, for the geometric model"
    )
    strength: float | None = Field(
        default=None, ge=0, le=MAX_STRENGTH, description="0 is neutral, 1 full, up to 2 (1)", examples=[0.8]
    )
    strengths: list[float] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PICTURES,
        description="several: one picture each, as 0,0.5,1",
    )
    n: int = Field(default=1, ge=1, le=10, description="pictures of that many seeds, from `seed` on")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="the same seed gives the same picture")
    steps: int | None = Field(
        default=None, ge=1, le=MAX_STEPS, description="of the sampler (the model's own)"
    )
    size: str = Field(
        default="auto",
        pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$",
        description="auto: as the picture came; or WIDTHxHEIGHT of the same shape",
    )
    conditioning: str = Field(default="auto", description=f"one of {', '.join(CONDITIONINGS)}")
    shift: float | None = Field(default=None, gt=0, description="of the noise levels, for few-step adapters")
    guidance: float | None = Field(
        default=None, ge=1, le=MAX_GUIDANCE, description="1: none (the model's own)"
    )
    neutralise: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="how much of what the face shows goes first (1), geometric model",
    )
    context: float = Field(
        default=DEFAULT_CONTEXT, ge=MASK_GROW, le=MAX_CONTEXT, description="side of the square, in faces"
    )
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int | None = Field(
        default=None, ge=0, le=100, description="of jpeg and webp: 100 is the best picture (95)"
    )
    response_format: Literal["b64_json"] = "b64_json"
    stream: bool = Field(default=False, description="server-sent events in OpenAI's form")
    partial_images: int = Field(default=0, ge=0, le=MAX_PREVIEWS, description="looks on the way, if streamed")

    @field_validator("expression", "strengths", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("blend", "units", mode="before")
    @classmethod
    def _mixed(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, str):
            return value
        return (parse_blend if info.field_name == "blend" else parse_units)(value)

    @model_validator(mode="after")
    def _one_way_each(self) -> Self:
        if self.strength is not None and self.strengths is not None:
            raise ValueError("give strength or strengths, not both")
        if sum(map(bool, (self.expression, self.blend, self.units))) > 1:
            raise ValueError("give one of expression, blend and units")
        return self


@dataclass(frozen=True)
class Order:
    """An edit as the worker makes it. notes: what a person should know of how the request was read.

    requests: none where faces have their own. seeds: the whole is made once with each. size: to scale to.
    """

    model: str | None
    requests: tuple[Request, ...]
    faces: tuple[FaceRequest, ...]
    strengths: tuple[float, ...]
    seeds: tuple[int, ...]
    paste: PasteOptions
    options: EditOptions
    form: PictureFormat
    size: tuple[int, int] | None
    previews: int
    stream: bool
    notes: tuple[str, ...]

    @property
    def num_pictures(self) -> int:
        return max(1, len(self.requests)) * len(self.strengths) * len(self.seeds)

    def check_picture(self, source: Source) -> None:
        """Refuse what cannot be made of this picture, before anything is. InputError, OutputError."""
        width, height = source.image.size
        self.form.check_mode(source.original.mode)
        if self.num_pictures > MAX_PICTURES or self.num_pictures * width * height > MAX_PIXELS_OUT:
            raise InputError(
                f"{self.num_pictures} pictures of {width} x {height} px are too many for one request, which "
                f"may have {MAX_PICTURES}, and {MAX_PIXELS_OUT:,} pixels together: ask for them in parts"
            )
        if self.size is not None:
            fitting = round(self.size[0] * height / width)
            if abs(fitting - self.size[1]) > 1 or max(self.size) > MAX_SIZE_PX:
                raise ApiError(
                    400,
                    f"size {self.size[0]}x{self.size[1]} does not fit a picture of {width} x {height} px: "
                    f"use auto, or {self.size[0]}x{fitting} ({MAX_SIZE_PX} px a side at most)",
                    "size_does_not_fit",
                    param="size",
                )
        domain = self.options.get("domain")
        if source.portrait is not None and domain not in (None, source.domain):
            raise InputError(
                f"the picture is a drawn {source.domain} portrait, not {domain}: leave domain out"
            )


# OpenAI's optional fields that are about who asks, or about what an edit of a face does not have.
_WITHOUT_MEANING = "without a meaning here, not used: {}"


def read_fields(kind: type[WhichPicture], fields: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """The fields that are known, checked, and the names of the others. ApiError."""
    known = {name: value for name, value in fields.items() if name in kind.model_fields}
    try:
        checked = validated(kind, known, "the form")
    except InputError as error:
        named = next((name for name in known if re.search(rf"\b{name}\b", str(error))), None)
        raise ApiError(400, str(error), "bad_field", param=named) from error
    return checked, tuple(name[:64] for name in fields if name not in known)


def read_order(fields: dict[str, Any], *, sweep: bool = False) -> Order:
    """What the fields of an edit ask for. ApiError, ExpressionError, StrengthError, FaceError, InputError.

    sweep: many strengths where none are given, and events in any case.
    """
    asked, others = read_fields(EditFields, fields)
    wish = None
    if not (asked.expression or asked.blend or asked.units) and asked.wording == "expression":
        wish = read_sentence(asked.prompt)
    strengths = _strengths(asked, wish.strength if wish else None, sweep)
    faces = asked.faces(strengths)
    _check_faces(faces, asked)
    own = any(face.request for face in faces)
    requests = () if own else tuple(_requests(asked, wish.expression if wish else None, strengths))
    width, _, height = asked.size.partition("x")
    options: EditOptions = {
        "steps": asked.steps,
        "domain": asked.domain,
        "conditioning": asked.conditioning,
        "shift": asked.shift,
        "guidance": asked.guidance,
        "neutralise": asked.neutralise,
    }
    quality = (
        asked.output_compression if asked.output_compression is None else max(1, asked.output_compression)
    )
    return Order(
        model=asked.model,
        requests=requests,
        faces=faces,
        strengths=strengths,
        seeds=tuple(range(asked.seed, asked.seed + asked.n)),
        paste=PasteOptions(context=asked.context),
        options=options,
        form=PictureFormat(asked.output_format, quality),
        size=None if asked.size == "auto" else (int(width), int(height)),
        previews=1 if sweep and "partial_images" not in fields else asked.partial_images,
        stream=sweep or asked.stream,
        notes=tuple(_notes(asked, others, None if own else wish, strengths)),
    )


def _notes(
    asked: EditFields, others: Sequence[str], wish: Wish | None, strengths: Sequence[float]
) -> Iterator[str]:
    if others:
        yield _WITHOUT_MEANING.format(", ".join(others))
    if asked.prompt.strip() and (asked.expression or asked.blend or asked.units):
        yield "the prompt was not used: other fields say what the face shall show"
    if wish is not None:
        at = f" at {strengths[0]:g}" if len(strengths) == 1 else ""
        yield f"the prompt was read as {wish.expression}{at}"


def _strengths(asked: EditFields, said: float | None, sweep: bool) -> tuple[float, ...]:
    if asked.strengths is not None:
        return tuple(Request("happy", strengths=asked.strengths).checked().strengths)
    if asked.strength is not None:
        return (asked.strength,)
    return SWEEP if sweep else (1.0 if said is None else said,)


def _requests(asked: EditFields, wished: str | None, strengths: tuple[float, ...]) -> list[Request]:
    if asked.blend:
        return [Request(blend=asked.blend, strengths=strengths).checked()]
    if asked.units:
        return [Request(units=asked.units, strengths=strengths).checked()]
    if names := asked.expression or ([wished] if wished else []):
        return [Request(name, strengths=strengths) for name in dict.fromkeys(map(parse_expression, names))]
    if not asked.prompt.strip():
        raise ApiError(
            400,
            "nothing to change: give a prompt that names an expression, or expression, blend or units",
            "nothing_to_change",
            param="prompt",
        )
    return [Request(prompt=asked.prompt, strengths=strengths).checked()]


def _check_faces(faces: Sequence[FaceRequest], asked: EditFields) -> None:
    """Either one face, or several with an expression each. InputError."""
    own = [face for face in faces if face.request]
    if len(own) not in (0, len(faces)) or (not own and len(faces) > 1):
        raise InputError(f"several faces need an expression each, as face={faces[0].text}=happy; or face=all")
    if own and (asked.expression or asked.blend or asked.units):
        raise InputError("the faces have expressions of their own: leave out expression, blend and units")
    if len(own) > 1 and any(face.choice.kind == "all" for face in own):
        raise InputError("face=all leaves no other face: give it alone")
    if any(face.choice.kind == "whole" for face in own):
        raise InputError("face=whole has no expression of its own: give it alone, and an expression")
