"""Teeth, gums and tongue, drawn on arches in the head: the upper row on the skull, the lower one on the jaw.

Lengths are canonical centimetres. Nothing here is of the person: `mouth.py` keeps what is.
"""

from dataclasses import dataclass

import numpy as np
import skia

from pixelsmile.editing.engines.geometric.scene import smooth_path
from pixelsmile.editing.engines.geometric.units_on_mesh import JAW_AXIS, JAW_DEGREES
from pixelsmile.faces.mesh.mesh import Pose
from pixelsmile.portraits.brush import Color, argb, fill, stroke

# From the middle to the side: widths, heights, and how far the edge lies above that of the middle teeth.
Row = tuple[tuple[float, float, float], ...]
_UPPER = (
    (0.86, 0.67, 0.76, 0.70, 0.68, 0.95),
    (1.04, 0.92, 1.02, 0.88, 0.82, 0.75),
    (0.00, 0.08, 0.02, 0.12, 0.18, 0.24),
)
_LOWER = (
    (0.53, 0.58, 0.68, 0.70, 0.70, 1.00),
    (0.86, 0.86, 0.92, 0.82, 0.76, 0.70),
    (0.00, 0.00, -0.04, 0.05, 0.10, 0.15),
)
UPPER_ROW, LOWER_ROW = (tuple(zip(*row, strict=True)) for row in (_UPPER, _LOWER))
_UPPER_EDGE, _LOWER_EDGE = -0.26, -0.24  # below the line of the closed lips
_ARCH = 0.26  # z falls by that times the square of x
_GUMS = 3.4  # how far they reach to the side
_SQUARENESS = 0.33  # of a tooth: 1 is an ellipse, 0 a box
# Colours, as shares of white in this light.
_DARK = np.array([0.20, 0.075, 0.07])
_GUM = np.array([0.62, 0.30, 0.29])
_TONGUE, _GROOVE = np.array([0.66, 0.33, 0.32]), np.array([0.35, 0.13, 0.13])
_ENAMEL, _NECK = np.array([1.0, 0.985, 0.95]), np.array([0.94, 0.90, 0.84])
_BETWEEN = np.array([0.62, 0.50, 0.44])
_LOWER_SHADE = np.array([0.90, 0.875, 0.84])
_SHADOW: Color = (30, 8, 8)


@dataclass(frozen=True, eq=False)
class Jaws:
    """Where the rows stand. middle: (3,), behind the line of the closed lips. angle: of the jaw's turn, in
    radians. half_width: of the mouth, beyond which teeth are in the dark. white: the colour of teeth in full
    light.
    """

    pose: Pose
    middle: np.ndarray
    angle: float
    half_width: float
    white: np.ndarray

    @property
    def opened(self) -> float:
        """The jaw's turn in intensities of jaw_drop."""
        return float(-self.angle / np.radians(JAW_DEGREES))

    def seen(self, points_cm: np.ndarray, *, of_jaw: bool) -> np.ndarray:
        """Points (N, 3) of the skull, or of the jaw at rest, in the picture: (N, 2)."""
        return self.pose.project(self._turned(points_cm) if of_jaw else points_cm)[:, :2]

    def _turned(self, points_cm: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        y, z = (points_cm[:, 1:] - JAW_AXIS[1:]).T
        turned = [points_cm[:, 0], cos * y + sin * z + JAW_AXIS[1], -sin * y + cos * z + JAW_AXIS[2]]
        return np.stack(turned, axis=1)


def draw_inside(canvas: skia.Canvas, jaws: Jaws, upper: np.ndarray, lower: np.ndarray) -> None:
    """All of it from far to near. upper, lower: the edges of the lips, (N, 2), which shade what is behind."""
    canvas.clear(argb(_color(jaws.white * _DARK)))
    _draw_tongue(canvas, jaws)
    _draw_row(canvas, jaws, LOWER_ROW, of_jaw=True)
    _draw_row(canvas, jaws, UPPER_ROW, of_jaw=False)
    scale = jaws.pose.scale_px
    for edge, width, alpha in ((upper, 0.5, 0.55), (lower, 0.26, 0.35)):
        canvas.drawPath(smooth_path(edge, closed=False), stroke(_SHADOW, width * scale, alpha, 0.13 * scale))
    for end in (0, -1):
        canvas.drawCircle(*_point(upper[end]), 0.35 * scale, fill(_SHADOW, 0.6, 0.3 * scale))


def _draw_tongue(canvas: skia.Canvas, jaws: Jaws) -> None:
    if jaws.opened < 0.15:
        return
    scale, shown = jaws.pose.scale_px, min(1.0, jaws.opened)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    place = jaws.middle + np.array([0.0, -0.72, -0.6])
    shape = place + np.stack([1.75 * np.cos(angles), 0.75 * np.sin(angles), np.zeros(24)], axis=1)
    tongue = fill(_color(jaws.white * _TONGUE), min(1.0, 1.6 * jaws.opened), 0.16 * scale)
    canvas.drawPath(smooth_path(jaws.seen(shape, of_jaw=True)), tongue)
    ends = jaws.seen(place + np.array([[0.0, 0.55, 0.2], [0.0, -0.4, 0.2]]), of_jaw=True)
    groove = stroke(_color(jaws.white * _GROOVE), 0.14 * scale, 0.35 * shown, 0.1 * scale)
    canvas.drawLine(skia.Point(*_point(ends[0])), skia.Point(*_point(ends[1])), groove)


def _draw_row(canvas: skia.Canvas, jaws: Jaws, row: Row, *, of_jaw: bool) -> None:
    """Gums, then each tooth from the side to the middle, darker the deeper it stands in the mouth."""
    up = -1.0 if of_jaw else 1.0
    middle = jaws.middle + np.array([0.0, _LOWER_EDGE if of_jaw else _UPPER_EDGE, 0.0])
    along = np.linspace(-_GUMS, _GUMS, 24)
    gum = [
        _on_arch(middle, along, np.full(24, 0.72 * up)),
        _on_arch(middle, along[::-1], np.full(24, 2.2 * up)),
    ]
    color = _color(jaws.white * _GUM)
    canvas.drawPath(_polygon(jaws.seen(np.concatenate(gum), of_jaw=of_jaw)), fill(color))
    starts = np.cumsum([0.0, *(width for width, _, _ in row[:-1])])
    for start, (width, height, rise) in reversed(list(zip(starts, row, strict=True))):
        depth = min(1.0, (start + width / 2) / max(1.05 * jaws.half_width, 1.0))
        white = jaws.white * _ENAMEL * (_LOWER_SHADE if of_jaw else 1.0) * (1 - 0.62 * depth**2.2)
        outline = _tooth(width, height)
        axis = rise + height * np.array([0.0, 1.0])
        for side in (-1, 1):
            shape = _on_arch(middle, side * (start + outline[:, 0]), up * (rise + outline[:, 1]))
            ends = _on_arch(middle, np.full(2, side * (start + width / 2)), up * axis)
            place, axis_px = (jaws.seen(one, of_jaw=of_jaw) for one in (shape, ends))
            _draw_tooth(canvas, jaws, place, axis_px, white)


def _draw_tooth(
    canvas: skia.Canvas, jaws: Jaws, shape: np.ndarray, ends: np.ndarray, white: np.ndarray
) -> None:
    """ends: of its axis, the edge first: it is brightest a third of the way up."""
    shader = skia.GradientShader.MakeLinear(
        [skia.Point(*_point(end)) for end in ends],
        [argb(_color(one)) for one in (0.90 * white, white, white * _NECK)],
        [0.0, 0.35, 1.0],
    )
    path = _polygon(shape)
    canvas.drawPath(path, skia.Paint(AntiAlias=True, Shader=shader))
    canvas.drawPath(path, stroke(_color(white * _BETWEEN), max(0.5, 0.03 * jaws.pose.scale_px), 0.24))


def _tooth(width: float, height: float) -> np.ndarray:
    """An outline (N, 2): from 0 to `width`, the edge at 0, the neck, which is narrower, at `height`."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    x, y = (np.sign(one) * np.abs(one) ** _SQUARENESS for one in (np.cos(angles), np.sin(angles)))
    return np.stack([width * (0.5 + 0.495 * x * (1 - 0.05 * (y + 1))), height * (y + 1) / 2], axis=1)


def _on_arch(middle: np.ndarray, along: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Points at a length along the arch from the middle, and above its edge: (N, 3)."""
    x = along * (1 - 0.022 * along**2)  # the arch bends back: less and less of its length is seen
    return np.asarray(middle + np.stack([x, height, -_ARCH * x * x], axis=1))


def _polygon(points: np.ndarray) -> skia.Path:
    path = skia.Path()
    path.addPoly([skia.Point(x, y) for x, y in points.tolist()], True)
    return path


def _point(point: np.ndarray) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _color(color: np.ndarray) -> Color:
    red, green, blue = (int(value) for value in np.clip(np.round(color), 0, 255))
    return red, green, blue
