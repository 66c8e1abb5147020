"""Drawn portraits: people who do not exist, with every expression, and the truth about each picture."""

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.identity import Identity, sample_identity
from pixelsmile.portraits.portrait import GroundTruth, Portrait, draw_portrait, render
from pixelsmile.portraits.prototypes import NUM_VARIANTS, action_units, blend_units, scores

__all__ = [
    "NUM_VARIANTS",
    "ActionUnits",
    "GroundTruth",
    "Identity",
    "Portrait",
    "action_units",
    "blend_units",
    "draw_portrait",
    "render",
    "sample_identity",
    "scores",
]
