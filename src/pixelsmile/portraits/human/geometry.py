"""Where everything in a drawn face is: named points and curves from an identity and its action units.

Coordinates are the face frame: a unit square, 0..1, y down, with the head upright in the middle and its turn
and nod (features sliding over it) already applied. `FaceGeometry.pose` maps the face frame into the
picture (shift, tilt, scale): a painter concatenates it to its canvas, `to_picture` applies it to points. The
body (neck, shoulders) takes only part of the pose: `body_pose`. Left and right are the viewer's.

Only brows, lids, nose, mouth, cheeks and chin follow the action units of the face; those of the head move all
of it, and nothing moves the body.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import skia

from pixelsmile.portraits.action_units import ActionUnits, saturate, soft_max, soft_min
from pixelsmile.portraits.brush import Curve, Point, lerp
from pixelsmile.portraits.identity import HeadPose, Identity

CENTRE_X = 0.5
REST_HALF_WIDTH = 0.223
REST_CHIN_Y = 0.808
_SLIDE = 0.026  # how far a feature on the surface moves at a turn or a nod of 1
_CHIN_DEPTH = 0.6
# Lids: share of the way from the inner to the outer corner, share of the height.
_UPPER_SHAPE = ((0.0, 0.0), (0.22, 0.74), (0.46, 1.0), (0.74, 0.80), (1.0, 0.0))
_LOWER_SHAPE = ((0.0, 0.0), (0.24, 0.62), (0.52, 1.0), (0.80, 0.74), (1.0, 0.0))
_MIDDLE = (-0.72, -0.36, 0.0, 0.36, 0.72)  # places across the mouth between its corners (-1 and 1)


@dataclass(frozen=True)
class HeadFrame:
    """Size, turn and nod of a head in the face frame (unit square, y down)."""

    half_width: float
    crown_y: float
    chin_y: float  # of the face at rest
    turn: float
    nod: float

    @staticmethod
    def of(identity: Identity, pose: HeadPose) -> "HeadFrame":
        """The frame of this person's head, held as in `pose`."""
        length = 0.017 * identity.face_length
        return HeadFrame(
            half_width=REST_HALF_WIDTH * (1 + 0.065 * identity.face_width),
            crown_y=0.195 - 0.5 * length,
            chin_y=REST_CHIN_Y + length,
            turn=pose.turn,
            nod=pose.nod,
        )

    def place(self, x: float, y: float, depth: float = 1.0) -> Point:
        """A feature `x` beside the middle line; `depth` 0 is the outline, 1 the skin, above 1 stands out."""
        wide = x * (self.half_width / REST_HALF_WIDTH) ** 0.6
        flat = max(0.0, 1.0 - (wide / 0.27) ** 2 * 0.75)
        return (CENTRE_X + wide + self.turn * _SLIDE * depth * flat, y + self.nodded(depth * flat))

    def nodded(self, depth: float) -> float:
        """How far down something at this depth moves with the nod."""
        return self.nod * _SLIDE * depth


@dataclass(frozen=True)
class Eye:
    """One eye: lid curves run from the inner to the outer corner; `side` is -1 left, +1 right."""

    side: int
    inner: Point
    outer: Point
    centre: Point
    upper: Curve
    lower: Curve
    crease: Curve
    bag: Curve  # the fold under the eye
    iris: Point
    iris_radius: float
    pupil_radius: float
    half_width: float
    openness: float  # 0 shut, about 1 at rest, up to about 1.5


@dataclass(frozen=True)
class Brow:
    """One brow: the centre line from the inner end outwards, with full widths at its points."""

    side: int
    line: Curve
    widths: tuple[float, ...]
    raised: float  # of the forehead above: 0..1.6
    lowered: float


def build_eye(identity: Identity, units: ActionUnits, frame: HeadFrame, side: int) -> Eye:
    """The eye of one side; lids meet but never cross."""
    half = 0.0555 * (1 + 0.13 * identity.eye_size)
    mid_x = side * (0.1045 + 0.007 * identity.eye_spacing)
    mid_y = 0.492
    slant = 0.006 * identity.eye_tilt + 0.003
    up, low, shut = _lid_heights(identity, units, half)
    corner = lambda x, y: frame.place(mid_x + side * x, y)  # noqa: E731
    inner, outer = corner(-half, mid_y + 0.003 + slant * 0.5), corner(half, mid_y + 0.001 - slant * 0.5)
    lower = _lid(inner, outer, _LOWER_SHAPE, low)
    opened = _lid(inner, outer, _UPPER_SHAPE, -up)
    upper = tuple(lerp(a, b, shut) for a, b in zip(opened, lower, strict=True))
    centre = corner(0.0, mid_y)
    rise = 0.011 + 0.004 * saturate(units.upper_lid_raise) - 0.003 * saturate(units.lid_tighten)
    crease = _lid(inner, outer, _UPPER_SHAPE, -(max(up * (1 - 0.45 * shut), 0.012) + rise))
    bag = _lid(lerp(inner, outer, 0.06), lerp(inner, outer, 0.96), _LOWER_SHAPE, max(low, 0.004) + 0.015)
    return Eye(
        side=side,
        inner=inner,
        outer=outer,
        centre=centre,
        upper=upper,
        lower=lower,
        crease=crease,
        bag=bag,
        iris=_gaze(units, centre, half),
        iris_radius=half * 0.50,
        pupil_radius=half * (0.205 - 0.03 * saturate(units.upper_lid_raise)),
        half_width=half,
        openness=(up + low) * (1 - shut) / (half * 0.84),
    )


def _lid_heights(identity: Identity, units: ActionUnits, half: float) -> tuple[float, float, float]:
    """Height of the upper lid, depth of the lower (negative: arched up), share by which the eye is shut."""
    raised = saturate(units.upper_lid_raise, 1.25)
    cheek, tight = saturate(units.cheek_raise), saturate(units.lid_tighten)
    lowered = saturate(units.brow_lower)
    up = half * (0.50 - 0.06 * identity.age + 0.23 * raised - 0.10 * tight - 0.06 * lowered - 0.05 * cheek)
    low = half * (0.34 + 0.08 * raised - 0.30 * cheek - 0.17 * tight)
    low = soft_max(low, -0.10 * half, 0.12 * half)
    shut = soft_min(max(units.eyes_closed, 0.0), 1.0, 0.06)
    up = soft_max(up, 0.12 * half - low, 0.1 * half)
    return up, low, max(0.0, min(1.0, shut))


def _lid(inner: Point, outer: Point, shape: tuple[Point, ...], height: float) -> Curve:
    """A lid from corner to corner, `height` down at its deepest (negative: up)."""
    return tuple((x, y + height * part) for share, part in shape for x, y in [lerp(inner, outer, share)])


def _gaze(units: ActionUnits, centre: Point, half: float) -> Point:
    """The iris, moved by the gaze inside the eye."""
    x = half * 0.36 * math.tanh(units.gaze_x)
    y = half * (0.24 * math.tanh(units.gaze_y) - 0.07)
    return (centre[0] + x, centre[1] + y)


def build_brow(identity: Identity, units: ActionUnits, frame: HeadFrame, side: int) -> Brow:
    """The brow of one side; raising bends, lowering pulls it down and inwards."""
    tilt = saturate(units.brow_tilt) * side
    raise_in = saturate(units.inner_brow_raise) + max(0.0, 0.7 * tilt)
    raise_out = saturate(units.outer_brow_raise) + max(0.0, 0.9 * tilt)
    lowered = saturate(units.brow_lower) + max(0.0, -0.75 * tilt)
    rest_y = 0.414 - 0.007 * identity.brow_height
    arch = 0.013 + 0.006 * identity.brow_arch
    both = min(raise_in, 1.2) * min(lowered, 1.2)  # AU1+4: inner ends up and together
    inner_y = rest_y + 0.004 - 0.038 * raise_in + 0.030 * lowered - 0.008 * both
    second_y = rest_y - 0.45 * arch - 0.030 * raise_in - 0.014 * raise_out + 0.020 * lowered
    peak_y = rest_y - arch - 0.010 * raise_in - 0.031 * raise_out + 0.008 * lowered
    outer_y = rest_y + 0.012 + 0.006 * raise_in - 0.019 * raise_out - 0.002 * lowered
    inward = 0.009 * lowered
    spread = 0.006 * identity.eye_spacing
    points = ((0.043 - inward, inner_y), (0.085 - 0.7 * inward, second_y), (0.132, peak_y), (0.173, outer_y))
    thick = 0.0205 * (1 + 0.38 * identity.brow_thickness)
    return Brow(
        side=side,
        line=tuple(frame.place(side * (x + spread), y) for x, y in points),
        widths=(thick * 0.82, thick, thick * 0.78, thick * 0.14),
        raised=min(1.6, 0.5 * raise_in + 0.5 * raise_out),
        lowered=lowered,
    )


@dataclass(frozen=True)
class Mouth:
    """Lip curves from the left to the right corner; the outer ones share the corners with the inner ones."""

    left: Point
    right: Point
    centre: Point
    upper_outer: Curve
    upper_inner: Curve
    lower_inner: Curve
    lower_outer: Curve
    gap: float  # between the inner curves at the middle
    upper_teeth: float  # how far the upper teeth come down from the inner curve
    lower_teeth: float  # how far the lower teeth stand up


def build_mouth(identity: Identity, units: ActionUnits, frame: HeadFrame) -> Mouth:
    """The mouth of `units`."""
    half, left_y, right_y = _corners(identity, units)
    mid_y = 0.704 + 0.62 * (frame.chin_y - REST_CHIN_Y)
    gap, upper_y, lower_y = _opening(units, mid_y)
    press = min(1.0, 0.55 * saturate(units.lip_press)) + 0.12 * saturate(units.lip_corner_pull)
    press = soft_min(press, 0.85, 0.08)
    full = (1 + 0.28 * identity.lip_fullness - 0.22 * identity.age) * (1 - press)
    full *= 1 + 0.30 * saturate(units.lip_pucker) + 0.12 * saturate(units.chin_raise)
    square = max(0.0, saturate(units.upper_lip_raise)) + 0.6 * max(0.0, saturate(units.lower_lip_depress))
    upper_lip, lower_lip = 0.0205 * full, 0.0285 * full
    skew = 0.006 * saturate(units.smirk)

    def corner_y(t: float) -> float:
        return (left_y * (1 - t) + right_y * (1 + t)) / 2 + mid_y

    def curve(middle_y: float, bow: tuple[float, ...], rim: float) -> Curve:
        points = []
        for t, part in zip(_MIDDLE, bow, strict=True):
            edge = corner_y(t)
            points.append(frame.place(t * half + skew, edge + (middle_y - edge) * part + rim * part, 1.15))
        return (corner_l, *points, corner_r)

    corner_l = frame.place(-half + skew, mid_y + left_y, 1.0)
    corner_r = frame.place(half + skew, mid_y + right_y, 1.0)
    round_ = 0.25 * max(0.0, saturate(units.jaw_drop)) + 0.09 * max(0.0, saturate(units.lip_corner_depress))
    flat = min(0.28, 0.10 * square + round_)
    soft = (0.47 + flat, 0.86 + flat * 0.4, 1.0, 0.86 + flat * 0.4, 0.47 + flat)
    upper_inner = curve(upper_y, soft, 0.0)
    grin = 0.15 * max(0.0, saturate(units.lip_corner_pull)) * min(1.0, max(0.0, units.lips_part))
    full_bow = (soft[0] + grin, soft[1] + 0.3 * grin, 1.0, soft[1] + 0.3 * grin, soft[0] + grin)
    lower_inner = curve(lower_y, full_bow, 0.0)
    dip = 0.0015 * min(1.0, full)
    bow = (0.0, dip, -dip, dip, 0.0)
    share = (0.60, 1.06, 0.92, 1.06, 0.60)
    upper_outer = _offset(upper_inner, share, -upper_lip, bow)
    lower_outer = _offset(lower_inner, (0.45, 0.88, 1.0, 0.88, 0.45), lower_lip, (0.0,) * 5)
    return Mouth(
        left=corner_l,
        right=corner_r,
        centre=upper_inner[3],
        upper_outer=upper_outer,
        upper_inner=upper_inner,
        lower_inner=lower_inner,
        lower_outer=lower_outer,
        gap=gap,
        upper_teeth=0.012
        + 0.009 * max(0.0, saturate(units.lip_corner_pull))
        + 0.010 * saturate(units.upper_lip_raise)
        + 0.005 * saturate(units.lip_stretch),
        lower_teeth=0.017 * max(0.0, min(1.2, saturate(units.lower_lip_depress) * 1.3 - 0.2)),
    )


def _corners(identity: Identity, units: ActionUnits) -> tuple[float, float, float]:
    """Half width of the mouth, and how far each corner is below the middle."""
    pull, smirk = saturate(units.lip_corner_pull), saturate(units.smirk)
    half = 0.086 * (1 + 0.13 * identity.mouth_width)
    stretch, jaw = saturate(units.lip_stretch), saturate(units.jaw_drop)
    wider = 0.24 * pull + 0.22 * stretch + 0.07 * abs(smirk) + 0.04 * saturate(units.dimple)
    tighter = 0.32 * saturate(units.lip_pucker) + 0.15 * jaw + 0.03 * saturate(units.chin_raise)
    half *= soft_max(1 + wider - tighter, 0.5, 0.1)
    both = -0.0055 - 0.033 * pull + 0.024 * saturate(units.lip_corner_depress) + 0.014 * stretch
    both += 0.008 * saturate(units.upper_lip_raise) + 0.010 * max(0.0, jaw)
    left = both - 0.030 * max(0.0, -smirk) + 0.006 * max(0.0, smirk)
    right = both - 0.030 * max(0.0, smirk) + 0.006 * max(0.0, -smirk)
    return half, left, right


def _opening(units: ActionUnits, mid_y: float) -> tuple[float, float, float]:
    """Gap between the lips and the height of both inner curves at the middle."""
    part, jaw = max(0.0, saturate(units.lips_part)), max(0.0, saturate(units.jaw_drop, 1.25))
    raised, pull = max(0.0, saturate(units.upper_lip_raise)), saturate(units.lip_corner_pull)
    shown = max(0.0, saturate(units.lower_lip_depress))
    smile = 0.016 * max(0.0, pull) * min(1.0, part)
    above = 0.003 * part + 0.013 * raised * min(1.0, part + jaw + 0.25) + 0.008 * jaw
    below = 0.013 * part + 0.076 * jaw + 0.014 * shown + smile
    pushed = 0.008 * max(0.0, saturate(units.chin_raise))
    arch = 0.010 * max(0.0, saturate(units.lip_corner_depress)) + 0.005 * raised + pushed
    upper_y = mid_y + 0.002 - above - arch + 0.006 * max(0.0, pull) * (1 - min(1.0, jaw))
    gap = soft_max(above + below - 0.5 * pushed, 0.0, 0.0012)
    return gap, upper_y, upper_y + gap


def _offset(inner: Curve, shares: tuple[float, ...], thickness: float, bow: tuple[float, ...]) -> Curve:
    """The outer edge of a lip: the inner one moved by `thickness` times the share at each place."""
    moved = [
        (x, y + thickness * share + dip) for (x, y), share, dip in zip(inner[1:-1], shares, bow, strict=True)
    ]
    return (inner[0], *moved, inner[-1])


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
    held = HeadPose.of(identity, units)
    frame = HeadFrame.of(identity, held)
    nose = _nose(identity, units, frame)
    jaw_drop = saturate(units.jaw_drop, 1.25)
    chin_y = frame.chin_y + 0.042 * jaw_drop - 0.006 * saturate(units.chin_raise)
    mouth = build_mouth(identity, units, frame)
    nodded = frame.nodded(_CHIN_DEPTH)
    chin_y = soft_max(chin_y, mouth.lower_outer[3][1] - nodded + 0.016, 0.006)  # lips never pass the chin
    cheek = saturate(units.cheek_raise)
    cheek_y = 0.592 - 0.014 * cheek
    ear_y = 0.525 - frame.nodded(0.35)  # behind the axis: they go the other way
    return FaceGeometry(
        frame=frame,
        outline=_outline(identity, frame, chin_y, jaw_drop),
        chin=(frame.place(0.0, chin_y, 0.5)[0], chin_y + nodded),
        crown=(CENTRE_X, frame.crown_y),
        left_ear=(CENTRE_X - frame.half_width - 0.006 - 0.010 * frame.turn, ear_y),
        right_ear=(CENTRE_X + frame.half_width + 0.006 - 0.010 * frame.turn, ear_y),
        ear_size=(0.034, 0.062),
        left_eye=build_eye(identity, units, frame, -1),
        right_eye=build_eye(identity, units, frame, 1),
        left_brow=build_brow(identity, units, frame, -1),
        right_brow=build_brow(identity, units, frame, 1),
        nose=nose,
        mouth=mouth,
        left_cheek=frame.place(-0.130, cheek_y),
        right_cheek=frame.place(0.130, cheek_y),
        pose=_pose(identity, held.tilt, 1.0),
        body_pose=_pose(identity, identity.tilt, 0.4),
    )


def _outline(identity: Identity, frame: HeadFrame, chin_y: float, jaw_drop: float) -> Curve:
    """The closed outline of the head; only its lower part follows the jaw."""
    w, top = frame.half_width, frame.crown_y
    drop = chin_y - frame.chin_y
    long = frame.chin_y - REST_CHIN_Y
    jaw, cheeks = identity.jaw, identity.cheeks
    rest = (
        (0.50 * w, top + 0.030),
        (0.90 * w, top + 0.124),
        (1.01 * w, 0.42),
        ((0.985 + 0.02 * cheeks) * w, 0.545),
        ((0.845 + 0.055 * jaw + 0.035 * cheeks - 0.012 * jaw_drop) * w, 0.675 + 0.5 * long + 0.25 * drop),
        ((0.515 + 0.085 * jaw - 0.02 * jaw_drop) * w, 0.768 + 0.9 * long + 0.8 * drop),
        ((0.205 + 0.05 * jaw) * w, chin_y - 0.004),
    )
    half = tuple((x, y + frame.nodded(_CHIN_DEPTH) * max(0.0, (y - 0.5) / 0.3)) for x, y in rest)
    slide = 0.012 * frame.turn
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


def _pose(identity: Identity, tilt: float, share: float) -> skia.Matrix:
    """Face frame to picture: scale about the middle, tilt about the chin, shift; `share` of each."""
    scale = 1 + (identity.scale - 1) * share
    matrix = skia.Matrix()
    matrix.setTranslate(0.5 + identity.shift_x * share, 0.53 + identity.shift_y * share)
    matrix.preScale(scale, scale)
    matrix.preRotate(tilt * share, 0.0, 0.20)
    matrix.preTranslate(-0.5, -0.53)
    return matrix
