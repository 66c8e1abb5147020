"""What a person asks for: an expression, a blend, a prompt or action units, at some strengths; of which face.

A request is what options, a page or Python give, and what an editor takes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from pixelsmile.editing.engine import Engine, EngineInfo, Target
from pixelsmile.errors import ExpressionError
from pixelsmile.expressions import (
    NEUTRAL,
    Domain,
    check_strength,
    check_strengths,
    format_blend,
    neutral_prompt,
    parse_blend,
    parse_expression,
    target_prompt,
)
from pixelsmile.faces.choice import FaceChoice, parse_choice
from pixelsmile.limits import shown
from pixelsmile.portraits.action_units import checked_units
from pixelsmile.portraits.prototypes import blend_units
from pixelsmile.results import file_slug
from pixelsmile.store.json_lines import is_utf8

DEFAULT_STRENGTHS = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Request:
    """Exactly one of an expression, a blend, a prompt and action units.

    expression: a name or synonym, such as "happy" or "smile". blend: expression -> weight 0..2, such as
    {"happy": 0.6, "surprised": 0.4}. prompt: in your own words, for models that understand them. units:
    action unit -> intensity, such as {"jaw_drop": 0.4} (see `portraits.ActionUnits`), for models that move
    them. strengths: a list, tuple or numpy array of numbers from 0 (neutral) through 1 (full) to 2; one
    picture each.
    """

    expression: str | None = None
    blend: Mapping[str, float] | None = None
    prompt: str | None = None
    strengths: Sequence[float] = DEFAULT_STRENGTHS
    units: Mapping[str, float] | None = None

    def checked(self) -> "Request":
        """The same with canonical names and checked numbers. ExpressionError, StrengthError."""
        if sum(given is not None for given in self._asked) != 1:
            raise ExpressionError(
                f"give exactly one of expression, blend and prompt (or units), not "
                f"expression={self.expression!r}, blend={self.blend!r}, prompt={self.prompt!r}, "
                f"units={self.units!r}"
            )
        strengths = check_strengths(self.strengths)
        if self.prompt is not None:
            return Request(prompt=_checked_prompt(self.prompt), strengths=strengths)
        if self.blend is not None:
            return Request(blend=_checked_blend(self.blend), strengths=strengths)
        if self.units is not None:
            checked_units(self.units)
            return Request(units=dict(self.units), strengths=strengths)
        return Request(expression=parse_expression(self.expression or ""), strengths=strengths)

    @property
    def _asked(self) -> tuple[object, ...]:
        return self.expression, self.blend, self.prompt, self.units

    @property
    def label(self) -> str:
        """What it is called in records, as options take it: `happy=0.6,surprised=0.4` of a blend or units."""
        mixed = self._mixed
        return self.expression or self.prompt or "" if mixed is None else format_blend(mixed)

    @property
    def title(self) -> str:
        """What it is called beside its pictures: `happy 0.6 + surprised 0.4`."""
        mixed = self._mixed
        return self.label if mixed is None else " + ".join(f"{name} {x:g}" for name, x in mixed.items())

    @property
    def _mixed(self) -> dict[str, float] | None:
        given = self.units if self.blend is None else self.blend
        return dict(given) if isinstance(given, Mapping) else None


@dataclass(frozen=True)
class FaceRequest:
    """A face to edit, and the request of its own that it may have. text: how it was named."""

    text: str
    choice: FaceChoice
    request: Request | None = None

    @property
    def title(self) -> str:
        """What its sweep is called beside those of other faces."""
        return self.text if self.request is None else f"{self.text} {self.request.label}"


def parse_face_request(text: str, strengths: Sequence[float] = DEFAULT_STRENGTHS) -> FaceRequest:
    """`largest`, `2=happy`, `10,20,80,80=happy=0.6,surprised=0.4`; FaceError, ExpressionError."""
    which, equals, wanted = text.partition("=")
    choice = parse_choice(which)
    request = None
    if equals:
        request = Request(strengths=strengths)
        if "=" in wanted:
            request = replace(request, blend=parse_blend(wanted))
        else:
            request = replace(request, expression=parse_expression(wanted))
    return FaceRequest(which.strip(), choice, request)


def sweep_titles(requests: Sequence[Request], faces: Sequence[FaceRequest] = ()) -> dict[str, str]:
    """What each sweep is called beside its pictures, by how the names of its files begin (no two alike).

    Faces with requests of their own share one sweep.
    """
    if any(face.request for face in faces):
        title = ", ".join(face.title for face in faces)
        return {file_slug(title): title}
    titles: dict[str, str] = {}
    for request in requests:
        beginning = slug = file_slug(request.label)
        number = 1
        while slug in titles or slug == "grid":  # which is the sheet's
            number += 1
            slug = f"{beginning}-{number}"
        titles[slug] = request.title
    return titles


def neutral_text(info: EngineInfo, domain: str) -> str:
    """The prompt at strength 0, for a domain that the model knows; none where it takes no prompts."""
    if info.moves_units:
        return ""
    return info.prompts.get(NEUTRAL, neutral_prompt(known_domain(info, domain)))


def target_of(request: Request, engine: Engine, domain: str) -> Target:
    """The prompts of a checked request, their weights at each of its strengths, and the same in action units.

    ExpressionError for words that the model does not know, where it knows only some, and for what it does not
    take at all: a prompt, or units.
    """
    if engine.info.moves_units:
        return _in_units(request, engine.info, domain)
    if request.units is not None:
        raise ExpressionError(
            f"the model {engine.info.model} takes no action units: name an expression, or use the "
            "model geometric"
        )
    if request.prompt is not None:
        require_known_words(request.prompt, engine.info)
        return Target((request.prompt,), tuple((strength,) for strength in request.strengths))
    blend = request.blend if request.blend is not None else {request.expression or NEUTRAL: 1.0}
    known = known_domain(engine.info, domain)
    prompts = tuple(engine.info.prompts.get(name, target_prompt(name, known)) for name in blend)
    return Target(prompts, blend_weights(blend, request.strengths), expressions=tuple(blend))


def blend_weights(blend: Mapping[str, float], strengths: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """At each strength the weight of each target of a blend, in the blend's order (section 5.6)."""
    return tuple(tuple(strength * share for share in blend.values()) for strength in strengths)


def _in_units(request: Request, info: EngineInfo, domain: str) -> Target:
    known_domain(info, domain)
    if request.prompt is not None:
        raise ExpressionError(
            f"the model {info.model} moves a face by action units and understands no prompt: name an "
            "expression, a blend or units"
        )
    if request.units is not None:
        full = checked_units(request.units)
        weights: tuple[tuple[float, ...], ...] = tuple((strength,) for strength in request.strengths)
    else:
        blend = request.blend if request.blend is not None else {request.expression or NEUTRAL: 1.0}
        full = blend_units(blend)
        weights = blend_weights(blend, request.strengths)
    return Target((), weights, tuple(full.scaled(strength) for strength in request.strengths))


def known_domain(info: EngineInfo, domain: str) -> Domain:
    """`domain`, if the model was made for it; ExpressionError otherwise."""
    for known in get_args(Domain):
        if domain == known and domain in info.domains:
            return known
    raise ExpressionError(f"unknown domain {domain!r}: this model knows {', '.join(info.domains)}")


def _checked_prompt(prompt: str) -> str:
    if not isinstance(prompt, str):
        raise ExpressionError(f"a prompt must be text, not {prompt!r}")
    if not prompt.strip():
        raise ExpressionError(f"the prompt {prompt!r} is empty: say what the face should show")
    if not is_utf8(prompt):
        raise ExpressionError(f"the prompt {shown(prompt)} is no UTF-8 text: type it again")
    return prompt.strip()


def _checked_blend(blend: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(blend, Mapping):
        raise ExpressionError(f"a blend must be a dict like {{'happy': 0.6, 'sad': 0.4}}, not {blend!r}")
    if not blend:
        raise ExpressionError(
            "the blend {} is empty: give at least one expression, for example {'happy': 0.6}"
        )
    weights: dict[str, float] = {}
    for name, weight in blend.items():
        expression = parse_expression(name)
        if expression == NEUTRAL or expression in weights:
            raise ExpressionError(f"blend {dict(blend)!r} names {name!r} twice, or neutral: leave it out")
        weights[expression] = check_strength(weight, f"weight of {expression}")
    if not any(weights.values()):
        raise ExpressionError(
            f"all weights of blend {dict(blend)!r} are 0, which is neutral: raise one of them"
        )
    return weights


def words_of(prompt: str) -> list[str]:
    """Its words, each once: what a model that knows a closed set of them must know."""
    return list(dict.fromkeys(re.findall(r"\w+", prompt)))


def require_known_words(prompt: str, info: EngineInfo) -> None:
    """ExpressionError where a model that knows a closed set of words does not know one of these."""
    if info.words is None:
        return
    unknown = [word for word in words_of(prompt) if word not in info.words]
    if unknown:
        raise ExpressionError(
            f"the model {info.model} does not know {', '.join(map(repr, unknown))} in the prompt: "
            f"name an expression, or stay within its words ({' '.join(info.words)})"
        )
