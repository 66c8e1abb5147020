"""The library of expressions: what a face does for each of them, part by part (PixelSmile, section 3.1).

An attribute says what one region of the face does, in words for a prompt and in intensities of facial action
units. A combination has one attribute of each region for one expression. Candidates are all that
`library.yaml` allows; the rules here take out those that no face can show; a judge takes out those that read
as something else.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pixelsmile.expressions.taxonomy import EXPRESSIONS, Domain, target_prompt
from pixelsmile.store.configuration import read_configuration

SHIPPED = Path(__file__).with_name("library.yaml")
MAX_SUM = 1.2  # of one unit over the attributes of a combination
# Units that pull one part two ways: a face shows the one or the other.
ANTAGONISTS = (
    ("lip_press", "lips_part"),
    ("lip_press", "jaw_drop"),
    ("lip_corner_pull", "lip_corner_depress"),
    ("lip_pucker", "lip_stretch"),
    ("eyes_closed", "upper_lid_raise"),
    ("eyes_closed", "lid_tighten"),
)
# Head and eyes go the same way, or only a little apart.
TOGETHER = (("head_turn", "gaze_x"), ("head_nod", "gaze_y"))
# The region that comes first, and is not named where it is at rest: names and order of the others stay.
HEAD = "head"
# How strongly, in words, below each strength.
INTENSITIES = (
    (0.3, "barely noticeable"),
    (0.55, "slight"),
    (0.8, "clear"),
    (1.1, "strong"),
    (2.01, "extreme"),
)

Intensity = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]


class Attribute(BaseModel):
    """What one region does: in words for a prompt, and as action units at full strength, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: Annotated[str, Field(min_length=1, max_length=200)]
    units: dict[str, Intensity]


@dataclass(frozen=True)
class Combination:
    """One look of an expression: an attribute for each region that is not at rest.

    attributes: region -> (name, attribute), in the order of the library's regions.
    """

    expression: str
    attributes: Mapping[str, tuple[str, Attribute]]

    @property
    def name(self) -> str:
        """`happy:raised+ahead+rosy+laughing`: the same in every run, and of one library only this."""
        return f"{self.expression}:{'+'.join(name for name, _ in self.attributes.values())}"

    @property
    def moves_head(self) -> bool:
        """Whether the head turns, nods or tilts, and hair and outline with it."""
        return HEAD in self.attributes

    @property
    def units(self) -> dict[str, float]:
        """Intensities of the action units at full strength: the sum over its attributes."""
        return _summed(attribute.units for _, attribute in self.attributes.values())

    def words(self) -> str:
        """Its attributes in words, in one line: what the local part of a prompt says."""
        return _listed([a.words for _, a in self.attributes.values() if a.units])

    def prompt(self, strength: float = 1.0, domain: Domain = "human") -> str:
        """The dual prompt of section 3.1: the category and its intensity, then what the face does."""
        how = next(word for below, word in INTENSITIES if strength < below)
        return f"{target_prompt(self.expression, domain)}, {how}: {self.words()}"


class Library(BaseModel):
    """Attributes by region, those that exclude one another, and what each expression may be made of.

    The first attribute of a region is the region at rest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[int, Field(ge=1)]
    attributes: dict[str, dict[str, Attribute]]
    conflicts: tuple[tuple[str, ...], ...] = ()
    expressions: dict[str, dict[str, tuple[str, ...]]]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = {name for region in self.attributes.values() for name in region}
        for expression, regions in self.expressions.items():
            if expression not in EXPRESSIONS:
                raise ValueError(f"unknown expression {expression!r}: use {', '.join(EXPRESSIONS)}")
            for region, wanted in regions.items():
                if region not in self.attributes:
                    raise ValueError(
                        f"{expression}: unknown region {region!r}: use {', '.join(self.attributes)}"
                    )
                if unknown := sorted(set(wanted) - set(self.attributes[region])):
                    raise ValueError(f"{expression}: {region} has no attribute {unknown[0]!r}")
        if unknown := sorted({name for conflict in self.conflicts for name in conflict} - names):
            raise ValueError(f"conflicts: no attribute is called {unknown[0]!r}")
        return self

    def candidates(self, expression: str) -> Iterator[Combination]:
        """Every combination that the library allows, in a fixed order, whether or not a face can show it."""
        regions = self.expressions[expression]
        wanted = [region for region in self.attributes if region in regions]
        for names in itertools.product(*(regions[region] for region in wanted)):
            chosen = {
                region: (name, self.attributes[region][name])
                for region, name in zip(wanted, names, strict=True)
            }
            if HEAD in chosen and not chosen[HEAD][1].units:
                del chosen[HEAD]
            yield Combination(expression, chosen)

    def combinations(self, expression: str) -> tuple[Combination, ...]:
        """The candidates that a face can show."""
        return tuple(one for one in self.candidates(expression) if self.refusal(one) is None)

    def refusal(self, combination: Combination) -> str | None:
        """Why no face shows this, in a few words; None where nothing speaks against it."""
        names = {name for name, _ in combination.attributes.values()}
        for conflict in self.conflicts:
            if set(conflict) <= names:
                return f"{' and '.join(conflict)} exclude one another"
        units = combination.units
        for one, other in ANTAGONISTS:
            if units.get(one, 0) and units.get(other, 0) and abs(units[one]) + abs(units[other]) > 1:
                return f"{one} {units[one]:g} against {other} {units[other]:g}"
        for head, gaze in TOGETHER:
            turned, looks = units.get(head, 0), units.get(gaze, 0)
            if turned * looks < 0 and abs(turned) + abs(looks) > 1:
                return f"{head} {turned:g} against {gaze} {looks:g}"
        for unit, intensity in units.items():
            if abs(intensity) > MAX_SUM:
                return f"{unit} adds up to {intensity:g}"
        return None


@cache
def read_library(path: Path = SHIPPED) -> Library:
    """The library in a YAML file; by default the one that ships. InputError names the first slip."""
    return read_configuration(path, Library)


def _summed(parts: Iterator[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for units in parts:
        for unit, intensity in units.items():
            total[unit] = round(total.get(unit, 0.0) + intensity, 6)
    return total


def _listed(phrases: list[str]) -> str:
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last
