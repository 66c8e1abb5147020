"""Drawn people, sampled by seed: diverse in skin, age, hair and clothes, plausible in how these combine."""

import random
from typing import get_args

from pixelsmile.portraits.brush import mix
from pixelsmile.portraits.identity import Background, Beard, Clothes, Color, Glasses, HairStyle, Identity

_SKINS: tuple[Color, ...] = (
    (252, 218, 196),
    (248, 210, 184),
    (244, 202, 172),
    (238, 190, 154),
    (228, 176, 138),
    (216, 160, 120),
    (200, 142, 102),
    (180, 122, 84),
    (158, 102, 68),
    (134, 84, 56),
    (110, 68, 46),
    (98, 62, 45),
)
_DARK_HAIR: tuple[Color, ...] = ((32, 26, 26), (46, 34, 30), (62, 42, 32), (40, 36, 44))
_LIGHT_HAIR: tuple[Color, ...] = (
    (92, 60, 38),
    (122, 78, 44),
    (150, 96, 50),
    (196, 150, 84),
    (226, 190, 120),
    (172, 78, 42),
    (120, 50, 34),
)
_DYED_HAIR: tuple[Color, ...] = ((196, 88, 120), (72, 110, 160), (110, 80, 150), (60, 130, 124))
_GREYS: tuple[Color, ...] = ((150, 148, 148), (188, 186, 184), (222, 220, 216))
_DARK_EYES: tuple[Color, ...] = ((78, 48, 28), (96, 62, 34), (60, 38, 26))
_LIGHT_EYES: tuple[Color, ...] = (
    (70, 120, 168),
    (92, 140, 150),
    (86, 132, 84),
    (124, 116, 70),
    (110, 124, 136),
)
_FABRICS: tuple[Color, ...] = (
    (58, 84, 128),
    (160, 62, 62),
    (66, 116, 96),
    (232, 226, 214),
    (52, 54, 64),
    (204, 150, 62),
    (122, 86, 140),
    (84, 132, 160),
    (178, 108, 90),
    (112, 122, 82),
    (226, 168, 160),
    (40, 66, 74),
)
_BACKDROPS: tuple[tuple[Color, Color], ...] = (
    ((214, 226, 236), (164, 188, 210)),
    ((240, 226, 206), (212, 184, 152)),
    ((208, 224, 206), (150, 182, 158)),
    ((232, 214, 226), (192, 160, 186)),
    ((92, 104, 124), (52, 60, 78)),
    ((246, 210, 178), (226, 150, 120)),
    ((186, 214, 214), (110, 160, 166)),
    ((226, 226, 228), (184, 186, 192)),
    ((120, 96, 92), (72, 56, 58)),
    ((250, 234, 188), (236, 200, 120)),
    ((88, 120, 116), (48, 76, 78)),
    ((206, 196, 232), (150, 138, 196)),
)
_FRAMES: tuple[Color, ...] = ((34, 32, 36), (92, 58, 36), (150, 44, 48), (40, 60, 96), (120, 122, 128))
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
    place = depth * (len(_SKINS) - 1)
    index = min(int(place), len(_SKINS) - 2)
    return mix(_SKINS[index], _SKINS[index + 1], place - index)


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
