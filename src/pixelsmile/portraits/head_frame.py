"""The head that features are placed on: its size, and how a turn slides them over it."""

from dataclasses import dataclass

from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.identity import Identity

CENTRE_X = 0.5
REST_HALF_WIDTH = 0.223
REST_CHIN_Y = 0.808
_SLIDE = 0.026  # how far a feature on the surface moves at a turn of 1


@dataclass(frozen=True)
class HeadFrame:
    """Size and turn of a head in the face frame (unit square, y down)."""

    half_width: float
    crown_y: float
    chin_y: float  # of the face at rest
    turn: float

    @staticmethod
    def of(identity: Identity) -> "HeadFrame":
        """The frame of this person's head."""
        length = 0.017 * identity.face_length
        return HeadFrame(
            half_width=REST_HALF_WIDTH * (1 + 0.065 * identity.face_width),
            crown_y=0.195 - 0.5 * length,
            chin_y=REST_CHIN_Y + length,
            turn=identity.turn,
        )

    def place(self, x: float, y: float, depth: float = 1.0) -> Point:
        """A feature `x` beside the middle line; `depth` 0 is the outline, 1 the skin, above 1 stands out."""
        wide = x * (self.half_width / REST_HALF_WIDTH) ** 0.6
        flat = max(0.0, 1.0 - (wide / 0.27) ** 2 * 0.75)
        return (CENTRE_X + wide + self.turn * _SLIDE * depth * flat, y)
