"""The head in the anime domain: its size, its outline, where features sit on it, and its pose in the picture.

Coordinates are the face frame: a unit square, y down, the head upright in the middle. `pose` maps it into the
picture (shift, tilt, scale). Left and right are the viewer's; `side` is -1 left, +1 right.
"""

from dataclasses import dataclass

import skia

from pixelsmile.portraits.action_units import ActionUnits, saturate
from pixelsmile.portraits.brush import Curve, Point
from pixelsmile.portraits.identity import HeadPose, Identity

CENTRE_X = 0.5
CROWN_Y = 0.185  # of the skull; the hair rises above it
EYE_Y = 0.575
_SLIDE = 0.024  # how far a feature on the surface moves at a turn or a nod of 1
CHIN_DEPTH = 0.8
_FAR_SIDE = 0.07  # how much narrower the side that turns away becomes


@dataclass(frozen=True)
class AnimeFrame:
    """Proportions of one head at rest, and how it is held."""

    half_width: float
    chin_y: float
    jaw: float
    cheeks: float
    turn: float
    nod: float
    far_side: int  # in the shade, at rest; a turn to and fro does not move the light

    @staticmethod
    def of(identity: Identity, units: ActionUnits) -> "AnimeFrame":
        """The frame of this person's head, held as these units say."""
        held = HeadPose.of(identity, units)
        return AnimeFrame(
            half_width=0.220 * (1 + 0.05 * identity.face_width),
            chin_y=0.815 + 0.016 * identity.face_length + 0.006 * identity.age,
            jaw=identity.jaw,
            cheeks=identity.cheeks,
            turn=held.turn,
            nod=held.nod,
            far_side=1 if identity.turn <= 0 else -1,
        )

    def place(self, x: float, y: float, depth: float = 1.0) -> Point:
        """A feature `x` beside the middle line; `depth` 0 is the outline, 1 the skin, above 1 stands out."""
        side = 1.0 if x > 0 else -1.0
        near = x * (self.half_width / 0.220) ** 0.6 * (1 - _FAR_SIDE * self.turn * side)
        return (CENTRE_X + near + self.turn * _SLIDE * depth, y + self.nodded(depth))

    def nodded(self, depth: float) -> float:
        """How far down something at this depth moves with the nod."""
        return self.nod * _SLIDE * depth

    def lower(self, y: float) -> float:
        """A height given for the average face, moved with the length of this one (all of it at the chin)."""
        return y + (self.chin_y - 0.815) * max(0.0, (y - 0.5) / 0.315)


def chin_drop(units: ActionUnits) -> float:
    """How far the chin moves down from rest, in unit coordinates (up is negative)."""
    return 0.024 * saturate(units.jaw_drop) - 0.007 * saturate(units.chin_raise)


def face_outline(frame: AnimeFrame, units: ActionUnits) -> Curve:
    """The closed outline of the face from the crown round by the right, chin and left; only the jaw moves."""
    w, drop = frame.half_width, chin_drop(units)
    open_jaw = saturate(units.jaw_drop)
    puff = 0.004 * saturate(units.lip_corner_pull)
    jaw, cheeks = frame.jaw, frame.cheeks
    rest = (
        (0.62 * w, CROWN_Y + 0.045), (0.93 * w, CROWN_Y + 0.14), (1.00 * w, 0.435), (0.995 * w, 0.545),
        ((0.955 + 0.012 * cheeks) * w, frame.lower(0.625)),
        (
            (0.815 + 0.04 * jaw + 0.035 * cheeks - 0.01 * open_jaw) * w + puff,
            frame.lower(0.704) + 0.25 * drop,
        ),
        ((0.535 + 0.075 * jaw + 0.015 * cheeks - 0.02 * open_jaw) * w, frame.lower(0.768) + 0.7 * drop),
        ((0.205 + 0.065 * jaw) * w, frame.chin_y - 0.008 + drop),
    )  # fmt: skip
    nodded = frame.nodded(CHIN_DEPTH)
    half = tuple((x, y + nodded * max(0.0, (y - 0.5) / 0.315)) for x, y in rest)
    lean = 0.020 * frame.turn
    right = [(CENTRE_X + x + lean * max(0.0, (y - 0.45) / 0.35), y) for x, y in half]
    left = [(CENTRE_X - x + lean * max(0.0, (y - 0.45) / 0.35), y) for x, y in reversed(half)]
    chin = (CENTRE_X + 1.05 * lean, frame.chin_y + drop + nodded)
    return ((CENTRE_X, CROWN_Y), *right, chin, *left)


def pose(identity: Identity, units: ActionUnits) -> skia.Matrix:
    """Face frame to picture: scale, tilt about the neck, shift."""
    return _placed(identity, HeadPose.of(identity, units).tilt, 1.0)


def body_pose(identity: Identity) -> skia.Matrix:
    """The same for the body, which takes a part of how the head is held at rest."""
    return _placed(identity, identity.tilt, 0.4)


def _placed(identity: Identity, tilt: float, share: float) -> skia.Matrix:
    scale = 1 + (identity.scale - 1) * share
    matrix = skia.Matrix()
    matrix.setTranslate(0.5 + identity.shift_x * share, 0.55 + identity.shift_y * share)
    matrix.preScale(scale, scale)
    matrix.preRotate(tilt * share, 0.0, 0.22)
    matrix.preTranslate(-0.5, -0.55)
    return matrix
