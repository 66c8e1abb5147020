"""Who a drawn portrait shows: everything that an expression must not change."""

from dataclasses import dataclass
from typing import Literal

Color = tuple[int, int, int]  # sRGB, 0..255
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
