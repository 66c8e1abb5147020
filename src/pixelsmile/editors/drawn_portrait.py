"""Drawn portraits as the pictures of tasks, and what else could be drawn in their place."""

from dataclasses import dataclass, fields, replace
from typing import Any

from PIL import Image

from pixelsmile.editors.editor import Box
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL, Domain, check_strength
from pixelsmile.hashing import sha256_json
from pixelsmile.portraits import (
    ActionUnits,
    Identity,
    Portrait,
    action_units,
    anime,
    draw_portrait,
    human,
    sample_identity,
)
from pixelsmile.portraits.action_units import MAX_INTENSITY, SIGNED

PICTURE_PX = 256
OTHER_PEOPLE = 100_000  # as far from the seed of a person is that of the other one who takes their place

# What belongs to the scene and not to the person: it stays where another person takes the place.
_SCENE = (
    *("seed", "clothes", "clothes_color", "background", "background_colors"),
    *("shift_x", "shift_y", "turn", "tilt", "scale"),
)


@dataclass(frozen=True)
class DrawnPortrait:
    """A `Picture` that is drawn when asked for: a person by seed, and an expression.

    strength: 0..2; of neutral 0. picture_px: its side.
    """

    identity_seed: int
    domain: Domain
    expression: str
    strength: float
    variant: int
    picture_px: int = PICTURE_PX

    @property
    def identity(self) -> Identity:
        return sample_identity(self.identity_seed)

    @property
    def units(self) -> ActionUnits:
        return action_units(self.expression, self.strength, self.variant)

    def portrait(self) -> Portrait:
        """The picture, and the truth about it."""
        return draw_portrait(self.identity, self.units, self.domain, self.picture_px)

    def load(self) -> Image.Image:
        return self.portrait().image

    def sha256(self) -> str:
        """Of who is shown with which expression; the code's hash stands for the drawing."""
        return sha256_json({**self.as_json(), "picture_px": self.picture_px})

    def as_json(self) -> dict[str, Any]:
        """As benchmarks are hashed by it, under the names of their first version."""
        return {
            "identity_seed": self.identity_seed,
            "style": self.domain,
            "expression": self.expression,
            "strength": self.strength,
            "variant": self.variant,
        }

    def face_box(self) -> Box:
        """Where the face is drawn, in whole pixels."""
        painter = human if self.domain == "human" else anime
        _, outline = painter.anchors(self.identity, self.units)
        xs, ys = zip(*outline, strict=True)
        x0, y0, x1, y1 = (float(round(v * self.picture_px)) for v in (min(xs), min(ys), max(xs), max(ys)))
        return x0, y0, x1, y1

    def with_expression(self, expression: str, strength: float, variant: int = 0) -> Portrait:
        """The same person with any expression at any strength (0..2). StrengthError.

        What is shown now does not count: at strength 0 the face is at rest.
        """
        checked = check_strength(strength)
        return replace(self, expression=expression, strength=checked, variant=variant).portrait()

    def on_the_way_to(self, truth: "DrawnPortrait", share: float) -> Portrait:
        """The person on the way from here (0) to `truth` (1), or beyond it, up to 2.

        InputError for more than all of a neutral truth: there is no such face.
        """
        check_strength(share, "the share of the change")
        if share > 1 and truth.expression == NEUTRAL:
            raise InputError("the task asks for a neutral face: there is none beyond it")
        return self.moved_to(truth.units, share)

    def moved_to(self, units: ActionUnits, share: float) -> Portrait:
        """The person on the way from here (0) to a face of these units (1), or beyond it, up to 2.

        Action units move in proportion; beyond the end none turns into its opposite, so that what was shown
        is gone.
        """
        moved, here = {}, self.units
        for unit in fields(ActionUnits):
            start, end = getattr(here, unit.name), getattr(units, unit.name)
            least = -MAX_INTENSITY if unit.name in SIGNED else 0.0
            moved[unit.name] = min(max(start + share * (end - start), least), MAX_INTENSITY)
        return draw_portrait(self.identity, ActionUnits(**moved), self.domain, self.picture_px)

    def of_another_person(self) -> Portrait:
        """The same expression on another face, in the same place, clothes and pose."""
        scene = {name: getattr(self.identity, name) for name in _SCENE}
        other = replace(sample_identity(self.identity_seed + OTHER_PEOPLE), **scene)
        return draw_portrait(other, self.units, self.domain, self.picture_px)
