"""The head leans a little with brows and gaze, as heads do: the finished edit, turned about the neck.

What no face shows (hair, hat, collar, the picture behind) is bent along and less and less, so leaning is
small.
"""

from collections.abc import Mapping

import numpy as np

from pixelsmile.editing.engines.geometric.scene import Moved
from pixelsmile.editing.engines.geometric.warp import (
    HELD_CM,
    held_at_edges,
    triangles_far_first,
    warp,
    with_rings,
)
from pixelsmile.portraits.action_units import ActionUnits

NECK = np.array([0.0, -6.0, -4.0])  # canonical centimetres: what the head leans about
# Degrees at an intensity of 1: nodding down, turning to the viewer's right, and up with the viewer's right
# side.
LEANS: Mapping[str, tuple[float, float, float]] = {
    "brow_tilt": (0.0, 0.0, 3.5),
    "gaze_x": (0.0, 3.0, 0.0),
    "gaze_y": (3.5, 0.0, 0.0),
}
_MOST, _LEAST = 5.0, 0.05  # degrees


def lean_of(wanted: ActionUnits) -> np.ndarray:
    """(3,) degrees about the axes x, y and z of the head."""
    total = sum((getattr(wanted, name) * np.array(lean) for name, lean in LEANS.items()), np.zeros(3))
    return np.asarray(np.clip(total, -_MOST, _MOST))


def lean_head(picture: np.ndarray, moved: Moved) -> np.ndarray:
    """`picture` (float32 (H, W, 3), the edited window) with its head leaning as the wanted units say."""
    lean = lean_of(moved.movement.wanted)
    if np.abs(lean).max() < _LEAST:
        return picture
    leaning = (moved.moved_cm - NECK) @ _rotation(lean).T + NECK
    before, after = with_rings(moved.moved, moved.face.pose.project(leaning))
    after = held_at_edges(before, after, picture.shape, HELD_CM * moved.face.px_per_cm)
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return warp(pixels, before, after, triangles_far_first(after)).astype(np.float32)


def _rotation(degrees: np.ndarray) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.asarray(np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ about_y @ about_x)
