"""What the page asks for: which face shows what, how strongly; as an edit, and as the command that makes it.

The page counts faces as `pixelsmile faces` does, and calls one by its number, by a box, or `all`; a picture's
only face, and a drawn portrait as a whole, by an empty text.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.editing.edit_files import OutputFormat
from pixelsmile.editing.folders import GEOMETRIC
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editing.options import MAX_SEED, MAX_STEPS, EditOptions
from pixelsmile.editing.requests import FaceRequest, Request, parse_face_request
from pixelsmile.editing.session import Edit
from pixelsmile.errors import ExpressionError, InputError, StrengthError
from pixelsmile.expressions import MAX_STRENGTH, NEUTRAL, format_blend
from pixelsmile.faces.choice import parse_choice
from pixelsmile.portraits.action_units import MAX_INTENSITY, SIGNED, ActionUnits, checked_units
from pixelsmile.portraits.prototypes import blend_units
from pixelsmile.results import frame_strengths

MAX_SWEEP = 25  # pictures of a sweep
_MAX_FACES, _MAX_NAMES = 32, 64
_NUM_DIGITS = 4
_MAX_SHIFT = 10.0  # of a unit: more than all expressions together move one
Shifts = dict[str, Annotated[float, Field(ge=-_MAX_SHIFT, le=_MAX_SHIFT)]]
_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Mix(BaseModel):
    """What one face shows. weights: expression -> 0..2. units: action unit -> what is added to that which
    those expressions move. neutral: a face at rest is wanted where both are empty.
    """

    model_config = _STRICT

    weights: dict[str, float] = Field(default={}, max_length=_MAX_NAMES)
    units: Shifts = Field(default={}, max_length=_MAX_NAMES)
    neutral: bool = False

    @property
    def is_set(self) -> bool:
        """Whether anything is asked for."""
        return self.neutral or any(self.weights.values()) or any(self.units.values())

    def request(self, strengths: Sequence[float] = (1.0,)) -> Request:
        """The same as a request. ExpressionError, StrengthError for names and numbers that are none.

        Units make it one of action units: the expressions' with these on top, cut to what a unit can be.
        """
        weights = {name: weight for name, weight in self.weights.items() if weight}
        blend = Request(blend=weights, strengths=strengths).checked() if weights else None
        if units := {name: value for name, value in self.units.items() if value}:
            checked_units(dict.fromkeys(units, 0.0))  # their names
            total = blend_units(weights).plus(ActionUnits(**units))
            if moved := _within_reach(total):
                return Request(units=moved, strengths=strengths).checked()
        if blend is None:
            return Request(NEUTRAL, strengths=strengths)
        if list(weights.values()) == [1.0]:
            return Request(next(iter(weights)), strengths=strengths)
        return blend

    def action_units(self, strength: float) -> ActionUnits:
        """The same as what a drawn face does. ExpressionError, StrengthError as `request`."""
        request = self.request()
        if request.units is not None:
            return ActionUnits(**request.units).scaled(strength)
        return blend_units(request.blend or {request.expression or NEUTRAL: 1.0}).scaled(strength)


def _within_reach(units: ActionUnits) -> dict[str, float]:
    """The units that move, each cut to its range."""
    moved = {}
    for field in fields(units):
        least = -MAX_INTENSITY if field.name in SIGNED else 0.0
        value = round(min(max(getattr(units, field.name), least), MAX_INTENSITY), _NUM_DIGITS)
        if value:
            moved[field.name] = value
    return moved


class Preset(BaseModel):
    """A mix that is kept: what the page writes to a file, and reads from one."""

    model_config = _STRICT

    pixelsmile_preset: int = Field(default=1, ge=1, le=1)  # the version of this form
    name: str = Field(default="", max_length=80)
    weights: dict[str, float] = Field(default={}, max_length=_MAX_NAMES)
    units: Shifts = Field(default={}, max_length=_MAX_NAMES)
    strength: float = Field(default=1.0, ge=0, le=MAX_STRENGTH)
    neutralise: float = Field(default=1.0, ge=0, le=1)

    def checked(self) -> "Preset":
        """The same. ExpressionError, StrengthError for names and numbers that are none."""
        Mix(weights=self.weights, units=self.units).request()
        return self


class Asked(BaseModel):
    """All that the page says. mixes: by face. face: the one that the sliders are about.

    neutralise: how much of what the photograph shows goes first, for the geometric model. model: by its name
    here (None: what suits the picture). seed, steps: of models that draw noise.
    """

    model_config = _STRICT

    visit: str = Field(max_length=64)
    face: str = Field(default="", max_length=64)
    mixes: dict[str, Mix] = Field(default={}, max_length=_MAX_FACES)
    strength: float = Field(default=1.0, ge=0, le=MAX_STRENGTH)
    neutralise: float = Field(default=1.0, ge=0, le=1)
    model: str | None = Field(default=None, max_length=500)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    steps: int | None = Field(default=None, ge=1, le=MAX_STEPS)

    @property
    def mix(self) -> Mix:
        """Of the face that the sliders are about."""
        return self.mixes.get(self.face, Mix())

    def edit(self, *, moves_units: bool, num: int = 1, form: OutputFormat | None = None) -> Edit:
        """What is to be made: one picture at the strength, or `num` from 0 up to it.

        moves_units: whether the model does (`EngineInfo`). An animation of `form` shows all of them.
        InputError where nothing is asked for, ExpressionError, StrengthError, FaceError.
        """
        mixes = {face: mix for face, mix in self.mixes.items() if mix.is_set}
        if not mixes:
            raise InputError("nothing to change yet: move a slider, or ask for the neutral face")
        strengths = self._strengths(num)
        form = form or OutputFormat()
        if form.animations:
            if len(strengths) < 2:
                raise InputError("one picture does not move: render a sweep for an animation")
            form = OutputFormat(form.picture, form.grid, form.animations, strengths, form.mark, form.signer)
        requests, faces = _for_faces(mixes, strengths)
        return Edit(requests, strengths, faces, form, options=self._options(moves_units))

    def _strengths(self, num: int) -> tuple[float, ...]:
        if not 1 <= num <= MAX_SWEEP:
            raise StrengthError(f"a sweep of {num} pictures: make it 1 to {MAX_SWEEP}")
        if num == 1:
            return (self.strength,)
        if not self.strength:
            raise StrengthError("a sweep goes from 0 to the strength, and that is 0: raise it")
        return tuple(frame_strengths([self.strength], num))

    def _options(self, moves_units: bool) -> EditOptions:
        if moves_units:
            return {"neutralise": self.neutralise}
        return {"seed": self.seed, "steps": self.steps}


def _for_faces(
    mixes: Mapping[str, Mix], strengths: Sequence[float]
) -> tuple[list[Request], list[FaceRequest]]:
    """One face with a request, or several with one each. FaceError."""
    if len(mixes) == 1:
        ((face, mix),) = mixes.items()
        return [mix.request(strengths)], [parse_face_request(face)] if face else []
    if "all" in mixes:
        raise InputError("all faces and one of them were changed: reset one of the two")
    own = [FaceRequest(face, parse_choice(face), mix.request(strengths)) for face, mix in mixes.items()]
    if any(face.request is not None and face.request.units for face in own):
        raise InputError(
            "action units move one face at a time: reset the other faces, or put their units back"
        )
    return [], own


def command_line(photo: str, edit: Edit, choice: ModelChoice) -> str:
    """The command that makes the same edit. photo: the name of its file. choice: the model's, as it runs.

    ExpressionError for action units, where the model moves none.
    """
    if choice.model != GEOMETRIC and any(request.units for request in edit.requests):
        raise ExpressionError("only the geometric model moves action units: choose it, or reset them")
    photo = f"./{photo}" if photo.startswith("-") else photo  # else it would be read as an option
    return shlex.join(["pixelsmile", "edit", photo, *_what(edit), *_how(edit, choice), *_files(edit.form)])


def _what(edit: Edit) -> Iterator[str]:
    for request in edit.requests:
        if request.blend is not None:
            yield from ("--blend", format_blend(dict(request.blend)))
        elif request.units is not None:
            yield from ("--units", format_blend(dict(request.units)))
        else:
            yield from ("-e", request.expression or NEUTRAL)
    for face in edit.faces:
        if face.request is None:
            yield from ("--face", face.text)
        else:
            wanted = face.request.expression or format_blend(dict(face.request.blend or {}))
            yield from ("--face", f"{face.text}={wanted}")
    yield from ("-s", ",".join(f"{strength:g}" for strength in edit.strengths))


def _how(edit: Edit, choice: ModelChoice) -> Iterator[str]:
    yield from ("--model", choice.model or "")
    for adapter in choice.adapter or ():
        yield from ("--adapter", adapter)
    named = {
        "--device": choice.device,
        "--dtype": choice.dtype,
        "--offload": None if choice.offload == "none" else choice.offload,
        "--quantization": choice.quantization,
        "--control": choice.control,
    }
    options = edit.options
    if options.get("neutralise") not in (None, 1.0):
        named["--neutralise"] = f"{options['neutralise']:g}"
    if options.get("seed"):
        named["--seed"] = str(options["seed"])
    if options.get("steps") is not None:
        named["--steps"] = str(options["steps"])
    for option, value in named.items():
        if value is not None:
            yield from (option, value)


def _files(form: OutputFormat) -> Iterator[str]:
    if form.picture.format != "png":
        yield from ("--format", form.picture.format)
        if form.picture.quality is not None:
            yield from ("--quality", str(form.picture.quality))
    if form.grid:
        yield "--grid"
    if form.animations:
        yield from ("--animate", ",".join(form.animations), "--frames", str(len(form.frames)))
    if not form.mark:
        yield "--no-mark"
    if form.signer is not None:
        yield from ("--sign", "CERTIFICATE", "KEY")
