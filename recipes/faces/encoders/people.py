"""Who is drawn for the identity encoders: people, their look-alikes, and the same person in other scenes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.faces.alignment import similarity, template, warp
from pixelsmile.portraits import NUM_VARIANTS, Identity, action_units, draw_portrait, sample_identity

# How far a value must lie from another for the difference to be seen in a crop of 112 px.
_VISIBLE_LEVELS = 48  # of a colour's most different channel
_VISIBLE_STEP = 0.5  # of proportions (-1..1) and shares (0..1)


@dataclass(frozen=True)
class Trait:
    """Something that tells two people apart: fields of `Identity` that are exchanged together.

    telling: those that must differ; the others may not show by themselves (the colour of absent glasses).
    """

    name: str
    telling: tuple[str, ...]
    following: tuple[str, ...] = ()


TRAITS = (
    Trait("skin", ("skin",), ("lip_color",)),
    Trait("age", ("age",)),
    Trait("face", ("face_width", "face_length", "jaw", "cheeks")),
    Trait("hair", ("hair_style",), ("hair_volume", "fringe")),
    Trait("hair colour", ("hair_color",), ("brow_color",)),
    Trait("eye colour", ("eye_color",)),
    Trait("eyes", ("eye_size", "eye_spacing", "eye_tilt")),
    Trait("brows", ("brow_thickness", "brow_height", "brow_arch")),
    Trait("nose", ("nose_width", "nose_length")),
    Trait("mouth", ("mouth_width", "lip_fullness")),
    Trait("freckles", ("freckles",)),
    Trait("beard", ("beard",)),
    Trait("glasses", ("glasses",), ("glasses_color",)),
)

# What is not the person. Beside traits and scene there is the seed: it places freckles and strands of hair.
SCENE = (
    "clothes", "clothes_color", "background", "background_colors",
    "shift_x", "shift_y", "turn", "tilt", "scale",
)  # fmt: skip


def lookalike(identity: Identity, num_traits: int, donors: range, rng: np.random.Generator) -> Identity:
    """Another person, who differs visibly in that many traits and in nothing else.

    donors: seeds of the people whom the traits are taken from.
    """
    changes: dict[str, Any] = {}
    for index in rng.choice(len(TRAITS), num_traits, replace=False):
        trait = TRAITS[index]
        donor = _donor(donors, rng)
        while not differs(trait, identity, donor):
            donor = _donor(donors, rng)
        changes |= {name: getattr(donor, name) for name in (*trait.telling, *trait.following)}
    return replace(identity, **changes)


def in_another_scene(identity: Identity, donors: range, rng: np.random.Generator) -> Identity:
    """The same person in another's clothes, before another's background, turned and placed as the other."""
    donor = _donor(donors, rng)
    return replace(identity, **{name: getattr(donor, name) for name in SCENE})


def differs(trait: Trait, a: Identity, b: Identity) -> bool:
    """Whether it can be seen that two people differ in a trait."""
    return any(_is_visible(getattr(a, name), getattr(b, name)) for name in trait.telling)


def _is_visible(a: Any, b: Any) -> bool:
    match a:
        case str():
            return bool(a != b)
        case tuple():
            return max(abs(x - y) for x, y in zip(a, b, strict=True)) >= _VISIBLE_LEVELS
    return abs(a - b) >= _VISIBLE_STEP


def _donor(donors: range, rng: np.random.Generator) -> Identity:
    return sample_identity(int(rng.integers(donors.start, donors.stop)))


@dataclass(frozen=True)
class FacePicture:
    """A picture to be drawn: who it shows, how and with which expression."""

    identity: Identity
    domain: Domain
    expression: str
    strength: float
    variant: int
    size_px: int


def random_picture(
    identity: Identity,
    domain: Domain,
    expression: str,
    strengths: tuple[float, float],
    size_px: int,
    rng: np.random.Generator,
) -> FacePicture:
    """With the expression at a strength and in a variant by chance."""
    strength = float(rng.uniform(*strengths))
    return FacePicture(identity, domain, expression, strength, int(rng.integers(NUM_VARIANTS)), size_px)


def different_expressions(num: int, rng: np.random.Generator, *, neutral_first: bool) -> list[str]:
    """That many expressions, no two alike; the neutral one may be among them, or is the first."""
    if neutral_first:
        return [NEUTRAL, *(EXPRESSIONS[i] for i in rng.choice(len(EXPRESSIONS), num - 1, replace=False))]
    names = (NEUTRAL, *EXPRESSIONS)
    return [names[i] for i in rng.choice(len(names), num, replace=False)]


def draw(picture: FacePicture) -> tuple[np.ndarray, np.ndarray]:
    """The picture (uint8, H x W x 3), and the five landmarks (5, 2) in its pixels."""
    units = action_units(picture.expression, picture.strength, picture.variant)
    portrait = draw_portrait(picture.identity, units, picture.domain, picture.size_px)
    return np.asarray(portrait.image), portrait.truth.landmarks_5


def draw_crop(picture: FacePicture, template_px: int, margin_px: int) -> np.ndarray:
    """The face, uint8, aligned to the template of `template_px` with a margin on every side."""
    pixels_HWC, landmarks_52 = draw(picture)
    matrix_23 = similarity(landmarks_52, template(template_px) + margin_px)
    side = template_px + 2 * margin_px
    return warp(pixels_HWC, matrix_23, (side, side)).round().astype(np.uint8)
