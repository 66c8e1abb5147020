"""Who a drawn portrait shows, everything that an expression must not change, and people sampled by seed.

People are diverse in skin, age, hair and clothes, plausible in how these combine.
"""

import random
from dataclasses import dataclass
from typing import Literal, get_args

from pixelsmile.portraits.action_units import HEAD_DEG, ActionUnits, saturate
from pixelsmile.portraits.brush import Color, mix

HairStyle = Literal["short", "side_part", "bob", "long", "curly", "ponytail", "bun", "buzz", "bald", "spiky"]
Beard = Literal["none", "stubble", "moustache", "goatee", "full"]
Glasses = Literal["none", "round", "square", "thin"]
Clothes = Literal["t_shirt", "collar", "hoodie", "turtleneck", "blazer"]
Background = Literal["plain", "gradient", "bokeh", "stripes", "window", "wall"]


@dataclass(frozen=True)
class Identity:
    """A drawn person. Lengths are relative to the painter's average face; -1..1 unless said otherwise."""

    seed: int  # places the freckles, strands and background details
    skin: Color
    age: float  # 0 young adult .. 1 old: wrinkles, grey hair, thinner lips
    face_width: float
    face_length: float
    jaw: float  # -1 pointed .. 1 square
    cheeks: float
    hair_style: HairStyle
    hair_color: Color
    hair_volume: float
    fringe: float  # 0 none .. 1 down to the brows
    eye_color: Color
    eye_size: float
    eye_spacing: float
    eye_tilt: float
    brow_color: Color
    brow_thickness: float
    brow_height: float
    brow_arch: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_fullness: float
    lip_color: Color
    freckles: float  # 0 none .. 1 many
    beard: Beard
    glasses: Glasses
    glasses_color: Color
    clothes: Clothes
    clothes_color: Color
    background: Background
    background_colors: tuple[Color, Color]
    shift_x: float  # of the head, in fractions of the picture's side: -0.03..0.03
    shift_y: float
    turn: float  # yaw, -1..1 (about 12 degrees at 1): features slide sideways over the head
    tilt: float  # roll, in degrees: -8..8
    scale: float  # 0.92..1.08


@dataclass(frozen=True)
class HeadPose:
    """How a head is held: as the person holds it at rest, and what action units add to that."""

    turn: float  # yaw, +1 (about 12 degrees) to the viewer's right
    nod: float  # pitch, +1 (about 10 degrees) down
    tilt: float  # roll, in degrees, clockwise

    @staticmethod
    def of(identity: Identity, units: ActionUnits) -> "HeadPose":
        """Of this person with these units; the shoulders stay as they are."""
        return HeadPose(
            turn=identity.turn + saturate(units.head_turn),
            nod=saturate(units.head_nod),
            tilt=identity.tilt + HEAD_DEG["head_tilt"] * saturate(units.head_tilt),
        )


def _colors(text: str) -> tuple[Color, ...]:
    """Colours written as hexadecimal RGB."""
    return tuple((c[0], c[1], c[2]) for c in map(bytes.fromhex, text.split()))


SKINS = _colors(  # lightest to darkest
    "fcdac4 f8d2b8 f4caac eebe9a e4b08a d8a078 c88e66 b47a54 9e6644 865438 6e442e 623e2d "
)
_DARK_HAIR = _colors("201a1a 2e221e 3e2a20 28242c")
_LIGHT_HAIR = _colors("5c3c26 7a4e2c 966032 c49654 e2be78 ac4e2a 783222")
_DYED_HAIR = _colors("c45878 486ea0 6e5096 3c827c")
_GREYS = _colors("969494 bcbab8 dedcd8")
_DARK_EYES = _colors("4e301c 603e22 3c261a")
_LIGHT_EYES = _colors("4678a8 5c8c96 568454 7c7446 6e7c88")
_FABRICS = _colors("3a5480 a03e3e 427460 e8e2d6 343640 cc963e 7a568c 5484a0 b26c5a 707a52 e2a8a0 28424a")
_FRAMES = _colors("222024 5c3a24 962c30 283c60 787a80")
_BACKDROPS = tuple(  # light and dark
    zip(
        _colors("d6e2ec f0e2ce d0e0ce e8d6e2 5c687c f6d2b2 bad6d6 e2e2e4 78605c faeabc 587874 cec4e8"),
        _colors("a4bcd2 d4b898 96b69e c0a0ba 343c4e e29678 6ea0a6 b8bac0 48383a ecc878 304c4e 968ac4"),
        strict=True,
    )
)
_SHORT: tuple[HairStyle, ...] = ("short", "side_part", "curly", "buzz", "spiky", "bald")
_LONG: tuple[HairStyle, ...] = ("bob", "long", "curly", "ponytail", "bun", "side_part")


def sample_identity(seed: int) -> Identity:
    """The person of this seed: the same seed always gives the same person."""
    rng = random.Random(f"identity {seed}")
    skin_depth = rng.random() ** 1.35
    age = rng.random() ** 1.5
    short = rng.random() < 0.52
    beard = _beard(rng, short)
    hair = _hair_color(rng, skin_depth, age, short)
    skin = _jitter(rng, _skin(skin_depth), 5)
    style = _hair_style(rng, short, age)
    return Identity(
        seed=seed,
        skin=skin,
        age=age,
        **_face_shape(rng, short),
        hair_style=style,
        hair_color=hair,
        hair_volume=rng.uniform(-1, 1),
        fringe=0.0 if style in ("bald", "buzz") else rng.choice((0.0, 0.0, rng.random(), rng.random())),
        eye_color=_jitter(rng, _eye_color(rng, skin_depth), 8),
        brow_color=_brow_color(hair, skin),
        lip_color=_lip_color(rng, skin, short),
        freckles=max(0.0, rng.uniform(-1.4, 1)) if skin_depth < 0.55 else 0.0,
        beard=beard,
        glasses=rng.choice(get_args(Glasses)[1:]) if rng.random() < 0.2 + 0.15 * age else "none",
        glasses_color=rng.choice(_FRAMES),
        clothes=rng.choice(get_args(Clothes)),
        clothes_color=_jitter(rng, _fabric(rng, skin), 12),
        background=rng.choice(get_args(Background)),
        background_colors=_backdrop(rng),
        shift_x=rng.uniform(-0.03, 0.03),
        shift_y=rng.uniform(-0.02, 0.02),
        turn=rng.uniform(-1, 1),
        tilt=rng.uniform(-8, 8) * rng.random(),
        scale=rng.uniform(0.92, 1.08),
    )


def _face_shape(rng: random.Random, short: bool) -> dict[str, float]:
    """The proportions, each from a bell that rarely touches its ends."""
    names = (
        "face_width",
        "face_length",
        "jaw",
        "cheeks",
        "eye_size",
        "eye_spacing",
        "eye_tilt",
        "brow_thickness",
        "brow_height",
        "brow_arch",
        "nose_width",
        "nose_length",
        "mouth_width",
        "lip_fullness",
    )
    shape = {name: rng.triangular(-1, 1, 0) for name in names}
    lean = {"jaw": 0.35, "brow_thickness": 0.4, "eye_size": -0.15, "lip_fullness": -0.3, "brow_arch": -0.25}
    sign = 1.0 if short else -1.0
    return {name: max(-1.0, min(1.0, value + sign * lean.get(name, 0.0))) for name, value in shape.items()}


def _hair_style(rng: random.Random, short: bool, age: float) -> HairStyle:
    styles = _SHORT if short else _LONG
    weights = [1.0 if style != "bald" else 0.35 + 0.9 * age for style in styles]
    return rng.choices(styles, weights)[0]


def _beard(rng: random.Random, short: bool) -> Beard:
    kinds = get_args(Beard)
    return rng.choices(kinds, (0.45, 0.16, 0.1, 0.12, 0.17))[0] if short else "none"


def _skin(depth: float) -> Color:
    """The skin colour at `depth` (0 lightest .. 1 darkest) along the palette."""
    place = depth * (len(SKINS) - 1)
    index = min(int(place), len(SKINS) - 2)
    return mix(SKINS[index], SKINS[index + 1], place - index)


def _hair_color(rng: random.Random, depth: float, age: float, short: bool) -> Color:
    palette = _LIGHT_HAIR if rng.random() < 0.85 - 1.5 * depth else _DARK_HAIR
    if rng.random() < 0.08 and age < 0.4 and not short:
        palette = _DYED_HAIR
    color = _jitter(rng, rng.choice(palette), 4)
    grey = max(0.0, min(1.0, (age - 0.4) * 2.2 + rng.uniform(-0.35, 0.35))) if age > 0.35 else 0.0
    return mix(color, rng.choice(_GREYS), grey)


def _eye_color(rng: random.Random, depth: float) -> Color:
    return rng.choice(_LIGHT_EYES if rng.random() < 0.75 - 1.3 * depth else _DARK_EYES)


def _brow_color(hair: Color, skin: Color) -> Color:
    """Near the hair, darker, and never lost on the skin."""
    dyed = hair[2] > hair[0] + 12 or hair[2] > hair[1] + 24
    brow = (58, 42, 36) if dyed else mix(hair, (40, 28, 24), 0.35)
    darkest = tuple(int(c * 0.55) for c in skin)
    return (min(brow[0], darkest[0]), min(brow[1], darkest[1]), min(brow[2], darkest[2]))


def _lip_color(rng: random.Random, skin: Color, short: bool) -> Color:
    """The skin, redder and darker; sometimes with lipstick."""
    r, g, b = skin
    natural = (int(r * 0.86), int(g * 0.62), int(b * 0.64))
    if not short and rng.random() < 0.45:
        return mix(natural, rng.choice(((176, 40, 58), (196, 74, 92), (150, 50, 66), (206, 92, 84))), 0.6)
    return natural


def _backdrop(rng: random.Random) -> tuple[Color, Color]:
    light, dark = rng.choice(_BACKDROPS)
    return (_jitter(rng, light, 8), _jitter(rng, dark, 8))


def _fabric(rng: random.Random, skin: Color) -> Color:
    """A fabric that is not mistaken for skin."""
    distinct = [c for c in _FABRICS if sum(abs(a - b) for a, b in zip(c, skin, strict=True)) > 130]
    return rng.choice(distinct)


def _jitter(rng: random.Random, color: Color, spread: int) -> Color:
    r, g, b = (max(0, min(255, c + rng.randint(-spread, spread))) for c in color)
    return (r, g, b)
