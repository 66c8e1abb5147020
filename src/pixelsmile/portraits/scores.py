"""The 12 scores of the paper's continuous annotation, computed from what was drawn.

With u the drawn units and p a prototype (both weighted, see `_WEIGHT_OF`), the share of p in u is
    share = <u, p> / <p, p>                  (the least-squares strength of p)
    rest  = |u - share * p| / |p|            (movement that p does not explain)
    score(expression) = max over variants of clip(share - REST_COST * rest, 0, 1)
An expression drawn at strength s up to 1 explains itself fully and scores about s (a variant may
pass another's full movement a little earlier); relatives score in part, strangers about 0, and each part of a
blend keeps most of its weight.
"""

import numpy as np

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.prototypes import PROTOTYPES

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
_NAMES = tuple(ActionUnits.__dataclass_fields__)
_WEIGHTS = np.array([_WEIGHT_OF.get(name, 1.0) for name in _NAMES])
_EXPRESSIONS = tuple(name for name in PROTOTYPES if name != "neutral")
_PROTOTYPES_EVU = np.array([[p.as_tuple() for p in PROTOTYPES[name]] for name in _EXPRESSIONS]) * _WEIGHTS
_NORMS_EV = np.linalg.norm(_PROTOTYPES_EVU, axis=-1)


def scores(units: ActionUnits) -> dict[str, float]:
    """How strongly each of the 12 expressions shows, 0..1; all 0 for a face at rest."""
    drawn_U = np.array(units.as_tuple()) * _WEIGHTS
    share_EV = _PROTOTYPES_EVU @ drawn_U / _NORMS_EV**2
    rest_EVU = drawn_U - share_EV[..., None] * _PROTOTYPES_EVU
    rest_EV = np.linalg.norm(rest_EVU, axis=-1) / _NORMS_EV
    best_E = np.clip(share_EV - REST_COST * rest_EV, 0.0, 1.0).max(axis=1)
    return {name: float(score) for name, score in zip(_EXPRESSIONS, best_E, strict=True)}
