"""Eyes and brows: where lids, irises and brow lines are at any intensity."""

import math
from dataclasses import dataclass

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.curves import Curve, lerp, saturate, soft_max, soft_min
from pixelsmile.portraits.head_frame import HeadFrame
from pixelsmile.portraits.identity import Identity

_UPPER_SHAPE = (
    (0.0, 0.0),
    (0.22, 0.74),
    (0.46, 1.0),
    (0.74, 0.80),
    (1.0, 0.0),
)  # share inner->outer, of height
_LOWER_SHAPE = ((0.0, 0.0), (0.24, 0.62), (0.52, 1.0), (0.80, 0.74), (1.0, 0.0))


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
