"""The mouth: lip curves at any intensity, in an order that never inverts."""

from dataclasses import dataclass

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import Point
from pixelsmile.portraits.curves import Curve, saturate, soft_max, soft_min
from pixelsmile.portraits.head_frame import REST_CHIN_Y, HeadFrame
from pixelsmile.portraits.identity import Identity

_MIDDLE = (-0.72, -0.36, 0.0, 0.36, 0.72)  # places across the mouth between its corners (-1 and 1)


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
    wider = (
        0.24 * pull + 0.22 * saturate(units.lip_stretch) + 0.07 * abs(smirk) + 0.04 * saturate(units.dimple)
    )
    tighter = (
        0.32 * saturate(units.lip_pucker)
        + 0.15 * saturate(units.jaw_drop)
        + 0.03 * saturate(units.chin_raise)
    )
    half *= soft_max(1 + wider - tighter, 0.5, 0.1)
    both = (
        -0.0055
        - 0.033 * pull
        + 0.024 * saturate(units.lip_corner_depress)
        + 0.014 * saturate(units.lip_stretch)
    )
    both += 0.008 * saturate(units.upper_lip_raise) + 0.010 * max(0.0, saturate(units.jaw_drop))
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
