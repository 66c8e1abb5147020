"""Facial action units (FACS, Ekman & Friesen): how a drawn face moves, and how its head is held.

An intensity of 0 is a face at rest, 1 the full movement that the painter was designed for; intensities up to
2 are drawn too (extrapolated strengths): the soft limits at the end keep every shape valid. Left and right
are the viewer's.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from pixelsmile.errors import ExpressionError

MAX_INTENSITY = 2.0
HEAD = ("head_turn", "head_nod", "head_tilt")  # they move the whole head, and express nothing by themselves
SIGNED = ("brow_tilt", "smirk", "gaze_x", "gaze_y", *HEAD)
HEAD_DEG = {"head_turn": 12.0, "head_nod": 10.0, "head_tilt": 10.0}  # at an intensity of 1


@dataclass(frozen=True)
class ActionUnits:
    """Intensities of the action units that the painter draws; every field is 0 in a face at rest."""

    inner_brow_raise: float = 0.0  # AU1
    outer_brow_raise: float = 0.0  # AU2
    brow_lower: float = 0.0  # AU4: down and together, with the frown line
    brow_tilt: float = 0.0  # one brow up (AU2, right), the other down (AU4, left); signed, -1 mirrors
    upper_lid_raise: float = 0.0  # AU5
    cheek_raise: float = 0.0  # AU6: cheeks push the lower lids up, crow's feet
    lid_tighten: float = 0.0  # AU7
    nose_wrinkle: float = 0.0  # AU9
    upper_lip_raise: float = 0.0  # AU10
    lip_corner_pull: float = 0.0  # AU12: the smile
    smirk: float = 0.0  # AU12+14 on one side only; signed, +1 the right corner, -1 the left
    dimple: float = 0.0  # AU14
    lip_corner_depress: float = 0.0  # AU15
    lower_lip_depress: float = 0.0  # AU16: shows the lower teeth
    chin_raise: float = 0.0  # AU17: pushes the lower lip up, dimpled chin
    lip_pucker: float = 0.0  # AU18
    lip_stretch: float = 0.0  # AU20: wide and flat
    lip_press: float = 0.0  # AU23+24: thin, pressed lips
    lips_part: float = 0.0  # AU25
    jaw_drop: float = 0.0  # AU26 and 27: open mouth, lower chin
    eyes_closed: float = 0.0  # AU43: 0.5 is heavy-lidded, 1 shut
    gaze_x: float = 0.0  # AU61, 62: signed, +1 to the viewer's right
    gaze_y: float = 0.0  # AU63, 64: signed, +1 down
    blush: float = 0.0  # reddened cheeks
    sweat: float = 0.0  # drops on the temple and brow
    # The head, from how the person holds it.
    head_turn: float = 0.0  # AU51, 52: signed, +1 to the viewer's right, 12 degrees
    head_nod: float = 0.0  # AU53, 54: signed, +1 down, 10 degrees
    head_tilt: float = 0.0  # AU55, 56: signed, +1 to the viewer's right (clockwise), 10 degrees

    def scaled(self, factor: float) -> "ActionUnits":
        """All intensities times `factor`: the linear strength that defines the drawn truth."""
        return ActionUnits(**{f.name: getattr(self, f.name) * factor for f in fields(self)})

    def plus(self, other: "ActionUnits") -> "ActionUnits":
        """The sum, unit by unit: how blended expressions are drawn."""
        return ActionUnits(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def as_tuple(self) -> tuple[float, ...]:
        """The intensities in the order of the fields."""
        return tuple(getattr(self, f.name) for f in fields(self))


UNITS = tuple(field.name for field in fields(ActionUnits))


def checked_units(intensities: Mapping[str, float]) -> ActionUnits:
    """Units by name. ExpressionError for an unknown name (it gets the nearest), or a number out of range."""
    if not isinstance(intensities, Mapping) or not intensities:
        raise ExpressionError(f"units must be like {{'jaw_drop': 0.4}}, not {intensities!r}")
    for name, value in intensities.items():
        if name not in UNITS:
            nearest = difflib.get_close_matches(name, UNITS, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"choose from {', '.join(UNITS)}"
            raise ExpressionError(f"unknown action unit {name!r}: {hint}")
        least = -MAX_INTENSITY if name in SIGNED else 0.0
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not least <= value <= MAX_INTENSITY:
            raise ExpressionError(
                f"unit {name} must be a number from {least:g} to {MAX_INTENSITY:g}, not {value!r}"
            )
    return ActionUnits(**{name: float(value) for name, value in intensities.items()})


def parse_units(text: str) -> dict[str, float]:
    """`jaw_drop=0.4,smirk=-0.5` as checked intensities, in the order written. ExpressionError."""
    intensities: dict[str, float] = {}
    for part in text.split(","):
        name, has_value, value = (piece.strip() for piece in part.partition("="))
        if not name or name in intensities:
            raise ExpressionError(f"units {text!r}: write each once, like jaw_drop=0.4,lip_corner_pull=1")
        try:
            intensities[name] = float(value) if has_value else 1.0
        except ValueError:
            raise ExpressionError(f"unit {name}: {value!r} is not a number") from None
    checked_units(intensities)
    if not any(intensities.values()):
        raise ExpressionError(f"all of units {text!r} are 0, which is neutral: raise one of them")
    return intensities


def saturate(value: float, ceiling: float = 1.6) -> float:
    """`value` up to 1 in size, then bent smoothly towards +-`ceiling`: linear as designed, bounded beyond."""
    size = abs(value)
    if size <= 1.0:
        return value
    room = ceiling - 1.0
    return math.copysign(1.0 + room * math.tanh((size - 1.0) / room), value)


def soft_min(value: float, ceiling: float, width: float = 0.15) -> float:
    """The smaller of the two with a rounded corner of about `width`."""
    return ceiling - soft_max(ceiling - value, 0.0, width)


def soft_max(value: float, floor: float, width: float = 0.15) -> float:
    """The larger of the two with a rounded corner of about `width`."""
    gap = value - floor
    return floor + 0.5 * (gap + math.sqrt(gap * gap + width * width))


def bounded(value: float, limit: float = 1.0) -> float:
    """`value` up to four fifths of `limit`, then bent smoothly so that it never passes it (below 0: 0)."""
    knee, room = 0.8 * limit, 0.2 * limit
    return max(0.0, value) if value <= knee else knee + room * math.tanh((value - knee) / room)
