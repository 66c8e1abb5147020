"""Where everything in a drawn face is: named points and curves from an identity and its action units.

Coordinates are the face frame: a unit square, 0..1, y down, with the head upright in the middle and the turn
of the head (features sliding over it) already applied. `FaceGeometry.pose` maps the face frame into the
picture (shift, tilt, scale): a painter concatenates it to its canvas, `to_picture` applies it to points. The
body (neck, shoulders) takes only part of the pose: `body_pose`. Left and right are the viewer's.

Only brows, lids, nose, mouth, cheeks and chin follow the action units; ears, skull and body never do.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import skia

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.curves import Curve, saturate, soft_max
from pixelsmile.portraits.geometry_eyes import Brow, Eye, build_brow, build_eye
from pixelsmile.portraits.geometry_mouth import Mouth, build_mouth
from pixelsmile.portraits.head_frame import CENTRE_X, REST_CHIN_Y, HeadFrame
from pixelsmile.portraits.identity import Identity


@dataclass(frozen=True)
class Nose:
    """The nose: `lift` 0..1.6 is how wrinkled (AU9) it is."""

    root: Point  # between the eyes
    tip: Point
    base: Point  # under the tip, where it meets the lip
    left_wing: Point
    right_wing: Point
    half_width: float
    lift: float


@dataclass(frozen=True)
class FaceGeometry:
    """All points of one drawn face, in the face frame."""

    frame: HeadFrame
    outline: Curve  # closed: the head from the crown round by the right, chin and left
    chin: Point
    crown: Point
    left_ear: Point  # centres
    right_ear: Point
    ear_size: tuple[float, float]  # half width, half height
    left_eye: Eye
    right_eye: Eye
    left_brow: Brow
    right_brow: Brow
    nose: Nose
    mouth: Mouth
    left_cheek: Point
    right_cheek: Point
    pose: skia.Matrix
    body_pose: skia.Matrix

    def to_picture(self, points: Iterable[Point]) -> tuple[Point, ...]:
        """Points of the face frame, in the unit coordinates of the picture."""
        mapped = self.pose.mapPoints([skia.Point(x, y) for x, y in points])
        return tuple((p.fX, p.fY) for p in mapped)


def face_geometry(identity: Identity, units: ActionUnits) -> FaceGeometry:
    """The geometry of `identity` making the face of `units`; valid for intensities up to 2."""
    frame = HeadFrame.of(identity)
    nose = _nose(identity, units, frame)
    jaw_drop = saturate(units.jaw_drop, 1.25)
    chin_y = frame.chin_y + 0.042 * jaw_drop - 0.006 * saturate(units.chin_raise)
    mouth = build_mouth(identity, units, frame)
    chin_y = soft_max(chin_y, mouth.lower_outer[3][1] + 0.016, 0.006)  # lips never pass the chin
    cheek = saturate(units.cheek_raise)
    cheek_y = 0.592 - 0.014 * cheek
    return FaceGeometry(
        frame=frame,
        outline=_outline(identity, frame, chin_y, jaw_drop),
        chin=frame.place(0.0, chin_y, 0.5),
        crown=(CENTRE_X, frame.crown_y),
        left_ear=(CENTRE_X - frame.half_width - 0.006 - 0.010 * identity.turn, 0.525),
        right_ear=(CENTRE_X + frame.half_width + 0.006 - 0.010 * identity.turn, 0.525),
        ear_size=(0.034, 0.062),
        left_eye=build_eye(identity, units, frame, -1),
        right_eye=build_eye(identity, units, frame, 1),
        left_brow=build_brow(identity, units, frame, -1),
        right_brow=build_brow(identity, units, frame, 1),
        nose=nose,
        mouth=mouth,
        left_cheek=frame.place(-0.130, cheek_y),
        right_cheek=frame.place(0.130, cheek_y),
        pose=_pose(identity, 1.0),
        body_pose=_pose(identity, 0.4),
    )


def _outline(identity: Identity, frame: HeadFrame, chin_y: float, jaw_drop: float) -> Curve:
    """The closed outline of the head; only its lower part follows the jaw."""
    w, top = frame.half_width, frame.crown_y
    drop = chin_y - frame.chin_y
    long = frame.chin_y - REST_CHIN_Y
    jaw, cheeks = identity.jaw, identity.cheeks
    half = (
        (0.50 * w, top + 0.030),
        (0.90 * w, top + 0.124),
        (1.01 * w, 0.42),
        ((0.985 + 0.02 * cheeks) * w, 0.545),
        ((0.845 + 0.055 * jaw + 0.035 * cheeks - 0.012 * jaw_drop) * w, 0.675 + 0.5 * long + 0.25 * drop),
        ((0.515 + 0.085 * jaw - 0.02 * jaw_drop) * w, 0.768 + 0.9 * long + 0.8 * drop),
        ((0.205 + 0.05 * jaw) * w, chin_y - 0.004),
    )
    slide = 0.012 * identity.turn
    right = [(CENTRE_X + x + slide * max(0.0, (y - 0.5) / 0.3), y) for x, y in half]
    left = [(CENTRE_X - x + slide * max(0.0, (y - 0.5) / 0.3), y) for x, y in reversed(half)]
    return ((CENTRE_X, top), *right, *left)


def _nose(identity: Identity, units: ActionUnits, frame: HeadFrame) -> Nose:
    lift = saturate(units.nose_wrinkle)
    half = (
        0.0445 * (1 + 0.20 * identity.nose_width) * (1 + 0.12 * lift + 0.05 * saturate(units.lip_corner_pull))
    )
    tip_y = 0.608 + 0.016 * identity.nose_length + 0.3 * (frame.chin_y - REST_CHIN_Y) - 0.010 * lift
    wing_y = tip_y + 0.010 - 0.008 * lift
    return Nose(
        root=frame.place(0.0, 0.474, 1.2),
        tip=frame.place(0.0, tip_y, 1.75),
        base=frame.place(0.0, tip_y + 0.026, 1.4),
        left_wing=frame.place(-half, wing_y, 1.3),
        right_wing=frame.place(half, wing_y, 1.3),
        half_width=half,
        lift=lift,
    )


def _pose(identity: Identity, share: float) -> skia.Matrix:
    """Face frame to picture: scale about the middle, tilt about the chin, shift; `share` of each."""
    scale = 1 + (identity.scale - 1) * share
    matrix = skia.Matrix()
    matrix.setTranslate(0.5 + identity.shift_x * share, 0.53 + identity.shift_y * share)
    matrix.preScale(scale, scale)
    matrix.preRotate(identity.tilt * share, 0.0, 0.20)
    matrix.preTranslate(-0.5, -0.53)
    return matrix
