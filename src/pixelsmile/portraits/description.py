"""What a drawn person is and wears, in the words in which data sets are described.

Only what the painter was told: a drawn person has an age, a skin, hair, glasses, clothes and a background,
but no gender, and its deeds end at how the head is held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.brush import Color
from pixelsmile.portraits.identity import (
    SKINS,
    Background,
    Beard,
    Clothes,
    Glasses,
    HairStyle,
    HeadPose,
    Identity,
)

AgeGroup = Literal["young_adult", "adult", "middle_aged", "senior"]
SkinTone = Literal["very_light", "light", "medium", "dark", "very_dark"]

# Below each age (0 young adult .. 1 old): wrinkles show from the second on, grey hair mostly in the last two.
_AGES: tuple[tuple[float, AgeGroup], ...] = ((0.2, "young_adult"), (0.4, "adult"), (0.7, "middle_aged"))
# Of SKINS, lightest to darkest, up to each place.
_TONES: tuple[tuple[int, SkinTone], ...] = ((2, "very_light"), (5, "light"), (8, "medium"), (10, "dark"))
_HAIR: Mapping[HairStyle, str] = {
    "short": "short hair",
    "side_part": "hair parted at the side",
    "bob": "a bob",
    "long": "long hair",
    "curly": "curly hair",
    "ponytail": "a ponytail",
    "bun": "hair in a bun",
    "buzz": "a buzz cut",
    "bald": "a bald head",
    "spiky": "spiky hair",
}
_BEARDS: Mapping[Beard, str] = {
    "none": "",
    "stubble": " and stubble",
    "moustache": " and a moustache",
    "goatee": " and a goatee",
    "full": " and a full beard",
}
_GLASSES: Mapping[Glasses, str] = {
    "none": "no glasses",
    "round": "round glasses",
    "square": "square glasses",
    "thin": "glasses with a thin frame",
}
_CLOTHES: Mapping[Clothes, str] = {
    "t_shirt": "a T-shirt",
    "collar": "a shirt with a collar",
    "hoodie": "a hoodie",
    "turtleneck": "a turtleneck",
    "blazer": "a blazer",
}
_BACKGROUNDS: Mapping[Background, str] = {
    "plain": "The background behind the person is plain, of one colour.",
    "gradient": "The background behind the person fades from one colour into another.",
    "bokeh": "The background behind the person has blurred spots of light.",
    "stripes": "The background behind the person has slanted stripes.",
    "window": "The background behind the person is a room with a window.",
    "wall": "The background behind the person is a wall of bricks.",
}
_TURNED, _TILTED_DEG, _NODDED = 0.5, 3.0, 0.3  # from here on a viewer sees it
_REST = ActionUnits()


@dataclass(frozen=True)
class Description:
    """Categories, and a sentence each on appearance, pose and background."""

    age_group: AgeGroup
    skin_tone: SkinTone
    appearance: str
    action: str
    background: str


def describe(person: Identity, units: ActionUnits = _REST) -> Description:
    """The description of a drawn person who does this, the same in both domains."""
    held = HeadPose.of(person, units)
    hair = f"{_HAIR[person.hair_style]}{_BEARDS[person.beard]}"
    turned = "turned a little to one side" if abs(held.turn) >= _TURNED else "turned to the viewer"
    tilted = "tilted" if abs(held.tilt) >= _TILTED_DEG else "upright"
    nodded = "" if abs(held.nod) < _NODDED else ", bowed" if held.nod > 0 else ", raised"
    return Description(
        age_group=next((group for below, group in _AGES if person.age < below), "senior"),
        skin_tone=skin_tone(person.skin),
        appearance=(f"A person with {hair} wears {_CLOTHES[person.clothes]} and {_GLASSES[person.glasses]}."),
        action=f"The head and shoulders are shown, with the head {tilted}{nodded} and {turned}.",
        background=_BACKGROUNDS[person.background],
    )


def skin_tone(skin: Color) -> SkinTone:
    """By the colour of the palette that it is nearest to."""
    distances = [sum((a - b) ** 2 for a, b in zip(skin, known, strict=True)) for known in SKINS]
    place = distances.index(min(distances))
    return next((tone for below, tone in _TONES if place < below), "very_dark")
