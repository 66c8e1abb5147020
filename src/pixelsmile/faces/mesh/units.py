"""From the blendshapes of a photographed face to the action units that the project draws and edits with.

Blendshapes are named by the person's own left and right, action units by the viewer's. Where a face at rest
and a full movement lie on each scale was read off portraits at rest, and off meshes whose units were set by
hand; the network hardly sees cheeks, nose and dimples, and colour not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from pixelsmile.portraits.action_units import HEAD, ActionUnits

MAX_INTENSITY = 2.0  # as the painter and the engines have it


@dataclass(frozen=True)
class _Reading:
    """A unit is the mean of `names`, 0 at `rest` and 1 at `full`, after `less` times the mean of `of` is
    taken off: a smile lifts the upper lip, too, and no other muscle did.
    """

    names: tuple[str, ...]
    rest: float
    full: float
    less: float = 0.0
    of: tuple[str, ...] = ()


def _both(name: str) -> tuple[str, ...]:
    return f"{name}Left", f"{name}Right"


_SMILE = _both("mouthSmile")
_READINGS: Mapping[str, _Reading] = {
    "inner_brow_raise": _Reading(("browInnerUp",), 0.08, 0.85),
    "outer_brow_raise": _Reading(_both("browOuterUp"), 0.12, 0.80),
    "brow_lower": _Reading(_both("browDown"), 0.18, 0.55),
    "upper_lid_raise": _Reading(_both("eyeWide"), 0.08, 0.45),
    "cheek_raise": _Reading(_both("cheekSquint"), 0.05, 0.5),
    "lid_tighten": _Reading(_both("eyeSquint"), 0.35, 0.75),
    "nose_wrinkle": _Reading(_both("noseSneer"), 0.05, 0.5),
    "upper_lip_raise": _Reading((*_both("mouthUpperUp"), "mouthShrugUpper"), 0.03, 0.28, 0.6, _SMILE),
    "lip_corner_pull": _Reading(_SMILE, 0.05, 0.9),
    "dimple": _Reading(_both("mouthDimple"), 0.10, 0.50),
    "lip_corner_depress": _Reading(_both("mouthFrown"), 0.05, 0.40),
    "lower_lip_depress": _Reading(_both("mouthLowerDown"), 0.1, 0.7, 0.4, _SMILE),
    "chin_raise": _Reading(("mouthShrugLower",), 0.20, 0.75),
    "lip_pucker": _Reading(("mouthPucker",), 0.40, 1.0),
    "lip_stretch": _Reading(_both("mouthStretch"), 0.08, 0.55),
    "lip_press": _Reading((*_both("mouthPress"), "mouthRollLower", "mouthRollUpper"), 0.08, 0.35),
    "jaw_drop": _Reading(("jawOpen",), 0.05, 0.60),
    "eyes_closed": _Reading(_both("eyeBlink"), 0.15, 0.85),
}
# Signed units: what turns them to the viewer's right or down, what the other way, what is no more than noise,
# and the difference that is a full movement.
_SIGNED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], float, float]] = {
    "brow_tilt": (("browOuterUpLeft", "browDownRight"), ("browOuterUpRight", "browDownLeft"), 0.12, 0.65),
    "smirk": (
        ("mouthSmileLeft", "mouthPressLeft", "mouthDimpleLeft"),
        ("mouthSmileRight", "mouthPressRight", "mouthDimpleRight"),
        0.06,
        0.30,
    ),
    "gaze_x": (("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight"), 0.1, 0.9),
    "gaze_y": (_both("eyeLookDown"), _both("eyeLookUp"), 0.1, 0.9),
}
UNSEEN = ("blush", "sweat", *HEAD)  # colour and drops are no shapes, and how a head is held is its pose


def source_units(blendshapes: Mapping[str, float]) -> ActionUnits:
    """What a face shows, in action units, from its 52 blendshapes (see `MeshNetworks.blendshapes`).

    0 is a face at rest, 1 a full movement, at most MAX_INTENSITY; UNSEEN are 0. Gaze is that of the eyes in
    the head.
    """
    values = {name: _read(reading, blendshapes) for name, reading in _READINGS.items()}
    for name, (towards, away, noise, full) in _SIGNED.items():
        difference = _mean(towards, blendshapes) - _mean(away, blendshapes)
        size = max(0.0, abs(difference) - noise) / (full - noise)
        values[name] = min(size, MAX_INTENSITY) * (1 if difference > 0 else -1)
    values["lips_part"] = _lips_part(blendshapes)
    return ActionUnits(**values)


def as_vector(units: ActionUnits, without: tuple[str, ...] = UNSEEN) -> tuple[float, ...]:
    """The intensities that a mesh can show, in the order of the fields."""
    return tuple(getattr(units, field.name) for field in fields(units) if field.name not in without)


def _read(reading: _Reading, blendshapes: Mapping[str, float]) -> float:
    seen = _mean(reading.names, blendshapes)
    if reading.of:
        seen -= reading.less * _mean(reading.of, blendshapes)
    return min(max(0.0, (seen - reading.rest) / (reading.full - reading.rest)), MAX_INTENSITY)


def _lips_part(blendshapes: Mapping[str, float]) -> float:
    """Lips part where any of them moves away from the other: a smile that shows teeth, a jaw that drops."""
    lifted, lowered = _mean(_both("mouthUpperUp"), blendshapes), _mean(_both("mouthLowerDown"), blendshapes)
    opened = blendshapes["jawOpen"] - blendshapes["mouthClose"]
    return min(max(0.0, lifted + lowered + 1.5 * opened - 0.15), 1.0)


def _mean(names: tuple[str, ...], blendshapes: Mapping[str, float]) -> float:
    return sum(blendshapes[name] for name in names) / len(names)
