"""What each expression does to a face, as prototypes in action units, and how strongly each shows.

Of an expression's variants 0 is the most typical; the others open or shut the mouth, move the brows or turn
the gaze, as the prompts of the paper's library do. Fear and surprised share most units, as do angry and
disgust; sad, shy and anxious overlap mildly, and so do confident, happy and contempt.
"""

from collections.abc import Mapping

import numpy as np

from pixelsmile.errors import ExpressionError
from pixelsmile.portraits.action_units import HEAD, UNITS, ActionUnits

NUM_VARIANTS = 3

_FEAR = {"inner_brow_raise": 1.0, "outer_brow_raise": 0.35, "brow_lower": 0.45, "upper_lid_raise": 1.0}
_SURPRISED = {"inner_brow_raise": 1.0, "outer_brow_raise": 1.0, "upper_lid_raise": 0.85, "jaw_drop": 1.0}
_ANGRY = {"brow_lower": 1.0, "lid_tighten": 0.55, "upper_lid_raise": 0.3, "nose_wrinkle": 0.55}
_DISGUST = {"nose_wrinkle": 1.0, "brow_lower": 0.75, "lid_tighten": 0.6, "upper_lip_raise": 0.95}
_SAD = {"inner_brow_raise": 1.0, "brow_lower": 0.35, "lip_corner_depress": 1.0, "eyes_closed": 0.2}
_SHY = {"blush": 1.0, "inner_brow_raise": 0.45, "lip_corner_pull": 0.35, "eyes_closed": 0.2}
_ANXIOUS = {"inner_brow_raise": 0.8, "brow_lower": 0.4, "sweat": 1.0, "lip_stretch": 0.45}

PROTOTYPES: Mapping[str, tuple[ActionUnits, ...]] = {
    "neutral": (ActionUnits(),) * NUM_VARIANTS,
    "angry": (
        ActionUnits(**_ANGRY, lip_press=0.8, lip_corner_depress=0.45, chin_raise=0.25, upper_lip_raise=0.3),
        ActionUnits(
            **_ANGRY,
            lips_part=0.9,
            lower_lip_depress=0.8,
            upper_lip_raise=0.45,
            lip_stretch=0.3,
            jaw_drop=0.3,
        ),
        ActionUnits(**_ANGRY, lip_press=0.5, lip_corner_depress=0.6, chin_raise=0.7, gaze_x=0.5),
    ),
    "confused": (
        ActionUnits(
            brow_tilt=1.0, brow_lower=0.3, lid_tighten=0.3, smirk=-0.35, lip_pucker=0.45, gaze_x=0.55
        ),
        ActionUnits(
            brow_tilt=1.0, brow_lower=0.25, lid_tighten=0.3, lips_part=0.8, jaw_drop=0.25, lip_pucker=0.25
        ),
        ActionUnits(brow_tilt=-1.0, brow_lower=0.3, lid_tighten=0.2, lip_press=0.6, gaze_x=-0.5, gaze_y=-0.6),
    ),
    "contempt": (
        ActionUnits(smirk=0.8, dimple=0.7, eyes_closed=0.32, gaze_x=-0.5, brow_tilt=-0.35, chin_raise=0.4),
        ActionUnits(smirk=0.9, dimple=0.6, eyes_closed=0.38, upper_lip_raise=0.4, gaze_y=0.4, chin_raise=0.3),
        ActionUnits(
            smirk=-0.8, dimple=0.7, eyes_closed=0.3, gaze_x=0.6, lip_corner_depress=0.3, lip_press=0.4
        ),
    ),
    "confident": (
        ActionUnits(lip_corner_pull=0.6, smirk=0.35, outer_brow_raise=0.4, brow_lower=0.15, lid_tighten=0.5),
        ActionUnits(
            lip_corner_pull=0.65,
            smirk=0.3,
            outer_brow_raise=0.4,
            brow_lower=0.15,
            lid_tighten=0.45,
            lips_part=0.5,
        ),
        ActionUnits(
            lip_corner_pull=0.55,
            smirk=-0.35,
            outer_brow_raise=0.4,
            brow_lower=0.15,
            lid_tighten=0.5,
            chin_raise=0.4,
        ),
    ),
    "disgust": (
        ActionUnits(**_DISGUST, lip_corner_depress=0.55, cheek_raise=0.3, lips_part=0.35),
        ActionUnits(**_DISGUST, lip_corner_depress=0.4, lips_part=0.5, jaw_drop=0.45, lower_lip_depress=0.35),
        ActionUnits(**_DISGUST, lip_corner_depress=0.7, chin_raise=0.7, cheek_raise=0.3, gaze_x=-0.7),
    ),
    "fear": (
        ActionUnits(**_FEAR, lip_stretch=0.9, lips_part=0.7, jaw_drop=0.35, lower_lip_depress=0.4),
        ActionUnits(**_FEAR, lip_stretch=0.7, lips_part=0.6, jaw_drop=0.75, lower_lip_depress=0.3),
        ActionUnits(**_FEAR, lip_stretch=0.8, lips_part=0.4, lower_lip_depress=0.5, gaze_x=0.7),
    ),
    "happy": (
        ActionUnits(lip_corner_pull=1.0, cheek_raise=0.75, lips_part=0.9, jaw_drop=0.22, blush=0.12),
        ActionUnits(
            lip_corner_pull=1.0,
            cheek_raise=1.0,
            lips_part=0.9,
            jaw_drop=0.65,
            inner_brow_raise=0.2,
            blush=0.15,
        ),
        ActionUnits(lip_corner_pull=1.0, cheek_raise=0.7, dimple=0.4, blush=0.15),
    ),
    "sad": (
        ActionUnits(**_SAD, chin_raise=0.5, gaze_y=0.35),
        ActionUnits(**_SAD, lips_part=0.5, lip_stretch=0.3, lower_lip_depress=0.3, lid_tighten=0.3),
        ActionUnits(**_SAD, chin_raise=0.6, gaze_y=0.8, gaze_x=-0.3, lip_press=0.3),
    ),
    "shy": (
        ActionUnits(**_SHY, gaze_y=0.75, gaze_x=-0.6, lip_press=0.35),
        ActionUnits(**_SHY, gaze_y=0.35, gaze_x=0.8, lips_part=0.35),
        ActionUnits(**_SHY, gaze_y=0.9, cheek_raise=0.3, lip_pucker=0.3),
    ),
    "sleepy": (
        ActionUnits(eyes_closed=0.70, outer_brow_raise=0.2, inner_brow_raise=0.2, lips_part=0.3, gaze_y=0.3),
        ActionUnits(eyes_closed=0.9, jaw_drop=1.0, lips_part=0.5, inner_brow_raise=0.4, brow_lower=0.2),
        ActionUnits(eyes_closed=0.88, outer_brow_raise=0.15, jaw_drop=0.15, lips_part=0.35),
    ),
    "surprised": (
        ActionUnits(**_SURPRISED, lips_part=0.6, lip_pucker=0.25),
        ActionUnits(**{**_SURPRISED, "jaw_drop": 0.6}, lips_part=0.6, lip_pucker=0.5),
        ActionUnits(**{**_SURPRISED, "jaw_drop": 0.75}, lips_part=0.8, lip_corner_pull=0.35),
    ),
    "anxious": (
        ActionUnits(**_ANXIOUS, lip_press=0.55, gaze_x=0.5, upper_lid_raise=0.25),
        ActionUnits(**_ANXIOUS, lips_part=0.6, lower_lip_depress=0.5, gaze_x=-0.6, upper_lid_raise=0.25),
        ActionUnits(**_ANXIOUS, lip_press=0.4, lip_corner_depress=0.4, gaze_y=0.5, gaze_x=0.4),
    ),
}


def action_units(expression: str, strength: float = 1.0, variant: int = 0) -> ActionUnits:
    """The units of an expression at `strength` (linear; 1 is full, up to 2 can be drawn) in one variant.

    Raises ExpressionError for an unknown expression or variant.
    """
    variants = PROTOTYPES.get(expression)
    if variants is None:
        raise ExpressionError(f"unknown expression {expression!r}; known: {', '.join(PROTOTYPES)}")
    if not 0 <= variant < NUM_VARIANTS:
        raise ExpressionError(f"variant {variant!r} does not exist; choose 0 to {NUM_VARIANTS - 1}")
    return variants[variant].scaled(strength)


def blend_units(weights: Mapping[str, float], variant: int = 0) -> ActionUnits:
    """The weighted sum of prototypes, as {"happy": 0.6, "surprised": 0.4} (paper, section 5.6)."""
    total = ActionUnits()
    for expression, weight in weights.items():
        total = total.plus(action_units(expression, weight, variant))
    return total


REST_COST = 0.36
_WEIGHT_OF = {  # what says little about a feeling counts less, what marks one counts more
    "gaze_x": 0.5,
    "gaze_y": 0.5,
    "lips_part": 0.7,
    "chin_raise": 0.7,
    "lid_tighten": 0.8,
    "outer_brow_raise": 0.9,
    "eyes_closed": 1.8,
    "lip_corner_depress": 1.3,
    "smirk": 1.6,
    "brow_tilt": 1.3,
    "sweat": 1.3,
    "nose_wrinkle": 1.2,
}
_OF_FACE = tuple(name for name in UNITS if name not in HEAD)
_WEIGHTS = np.array([_WEIGHT_OF.get(name, 1.0) for name in _OF_FACE])


def _of_face(units: ActionUnits) -> tuple[float, ...]:
    return tuple(getattr(units, name) for name in _OF_FACE)


_EXPRESSIONS = tuple(name for name in PROTOTYPES if name != "neutral")
_PROTOTYPES_EVU = _WEIGHTS * np.array([[_of_face(p) for p in PROTOTYPES[name]] for name in _EXPRESSIONS])
_NORMS_EV = np.linalg.norm(_PROTOTYPES_EVU, axis=-1)


def scores(units: ActionUnits) -> dict[str, float]:
    """How strongly each of the 12 expressions shows, 0..1: the scores of the paper's continuous annotation.

    With u the drawn units and p a prototype, both weighted by `_WEIGHT_OF`, the share of p in u is
        share = <u, p> / <p, p>                  (the least-squares strength of p)
        rest  = |u - share * p| / |p|            (movement that p does not explain)
        score(expression) = max over variants of clip(share - REST_COST * rest, 0, 1)
    How the head is held does not count. A face at rest scores 0 everywhere. An expression drawn at strength s
    up to 1 scores about s, its relatives in part, strangers about 0, and each part of a blend keeps most of
    its weight.
    """
    drawn_U = np.array(_of_face(units)) * _WEIGHTS
    share_EV = _PROTOTYPES_EVU @ drawn_U / _NORMS_EV**2
    rest_EVU = drawn_U - share_EV[..., None] * _PROTOTYPES_EVU
    rest_EV = np.linalg.norm(rest_EVU, axis=-1) / _NORMS_EV
    best_E = np.clip(share_EV - REST_COST * rest_EV, 0.0, 1.0).max(axis=1)
    return {name: float(score) for name, score in zip(_EXPRESSIONS, best_E, strict=True)}
