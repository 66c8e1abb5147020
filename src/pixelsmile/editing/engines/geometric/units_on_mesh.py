"""What each action unit does to the surface, in one table, and the sum of them on a person's own face.

Displacements are centimetres of the canonical mesh at an intensity of 1, drawn for its right half (the
viewer's) and mirrored. Lids and lips also know one another: what slides over the eyeball, what touches.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from pixelsmile.editing.engines.geometric.surface import (
    CORNERS,
    LOWER_LIP,
    UPPER_LIP,
    Surface,
    smoothstep,
    surface,
)
from pixelsmile.faces.mesh.mesh import (
    LEFT_CREASE,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_INNER,
    NUM_SURFACE,
    RIGHT_CREASE,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
    UPPER_INNER,
    canonical_mesh,
)
from pixelsmile.portraits.action_units import ActionUnits

# Skin around `anchors` (vertices of the right half or the middle) moves by x, y, z centimetres, less and less
# over `radius`; where: all, upper (above the mouth's line), lower, brow and brow_down (above the lids). Of
# `a+b`: what two units do together beyond their sum, as strong as the weaker of them (brows knit; a sneer is
# square).
_PULLS = """
unit                          anchors              x      y      z  radius where
inner_brow_raise              336,285,296      -0.12   0.66      0     1  brow
inner_brow_raise              9,151                0    0.2      0   1.2  brow
outer_brow_raise              334,293,300,283   0.05    0.7      0   1.2  brow
brow_lower                    285,336          -0.36   -0.5   0.15  0.85  brow_down
brow_lower                    295,296,282       -0.1  -0.26   0.05  0.85  brow_down
brow_lower                    334,283,293          0  -0.12      0   0.9  brow_down
brow_lower                    168                  0   -0.2    0.1   0.7  all
brow_tilt                     334,293,296,300      0    0.7      0  1.15  brow
brow_tilt                     105,52,65,107     0.15  -0.42      0  1.05  brow_down
cheek_raise                   330,347,280       0.05   0.42   0.12  1.25  all
cheek_raise                   446,265          -0.12      0      0   0.8  all
nose_wrinkle                  278,358,279        0.1    0.3      0  0.75  all
nose_wrinkle                  437,399              0   0.22   0.05   0.8  all
nose_wrinkle                  391,393           0.05    0.2      0   0.8  upper
nose_wrinkle                  1,2,94               0   0.24   0.05   0.6  upper
nose_wrinkle                  285,417           -0.1  -0.16   0.05   0.7  brow_down
upper_lip_raise               269,270,267       0.08    0.5   0.05  0.85  upper
upper_lip_raise               0                    0   0.34   0.05  0.55  upper
upper_lip_raise               426,423           0.08   0.28   0.08   0.9  all
lip_corner_pull               291                0.7    0.7   -0.5  1.15  all
lip_corner_pull               425,436           0.22   0.34   0.16  1.25  all
lip_corner_pull               0,267                0    0.1  -0.15   0.7  upper
lip_corner_pull               17,314               0   0.14  -0.15   0.9  lower
smirk                         291               0.46   0.52  -0.35     1  all
smirk                         425,436           0.14   0.24   0.12   1.1  all
dimple                        291               0.34   0.06   -0.4   0.8  all
lip_corner_depress            291               0.14   -0.7   -0.1  0.95  all
lip_corner_depress            0                    0  -0.06      0   0.8  upper
lip_corner_depress            17,14                0    0.1    0.1   0.7  lower
lip_corner_depress            432,422           0.05   -0.3   0.05     1  all
lower_lip_depress             405,314,321       0.12   -0.4      0  0.85  lower
lower_lip_depress             17                   0  -0.16      0   0.7  lower
lower_lip_depress             321,375            0.1   -0.2      0  0.55  lower
lower_lip_depress             200,313           0.04  -0.18      0   0.9  lower
chin_raise                    17,14,314            0   0.34   0.18   0.9  lower
chin_raise                    199,175,200          0   0.34   0.05   1.3  lower
chin_raise                    0,13,267             0   0.16   0.12   0.9  upper
lip_pucker                    291              -0.72      0   0.55     1  all
lip_pucker                    0,267                0   0.14   0.65   0.9  upper
lip_pucker                    17,314               0   -0.1   0.65   0.9  lower
lip_stretch                   291               0.66  -0.26  -0.45   1.1  all
lip_stretch                   432               0.25  -0.16   -0.1   1.2  all
lips_part                     13,312,311           0   0.16      0  0.75  upper
lips_part                     14,317,402           0   -0.3      0  0.75  lower
jaw_drop                      291              -0.28   -0.2      0     1  all
jaw_drop                      436,432          -0.18  -0.12   -0.1   1.2  all
inner_brow_raise+brow_lower   285,336          -0.26   0.42    0.1   0.8  brow
inner_brow_raise+brow_lower   300,293,283          0   -0.3      0   0.9  brow_down
nose_wrinkle+upper_lip_raise  270,409           0.16   0.26      0  0.55  upper
"""
ONE_SIDED = ("smirk", "brow_tilt")  # drawn as they are; at intensities below 0 mirrored

_CANONICAL = canonical_mesh().vertices_cm
JAW_AXIS = np.array([0.0, -1.2, -2.5])  # through the joints, before the ears
JAW_DEGREES = 12.5
_LIP_PRESS = 0.42  # share of a lip's thickness that is rolled in
_STRETCHED_THIN, _LIFTED_THIN = 0.45, 0.6  # how much of a pressed lip's thinness they have
_SLIT, _ROUND = 0.25, 0.75  # height of an opening over its width
_UPPER_CLOSES = 0.35  # share of the way that the upper lip makes where the lips close
_LID_RAISE, _LID_TIGHTEN, _CHEEK_LIFTS_LID, _BROW_ON_LID = 0.42, 0.20, 0.13, 0.09  # cm
_LIP_ALONE = 0.5  # share of a lifted upper lip's way on which the lower one does not follow
_LID_FOLLOWS_GAZE = 0.22  # how far a look down shuts the eyes
_MIN_GAP = 0.02  # cm between lids that are shut

Rows = tuple[tuple[int, ...], ...]
EyeRows = tuple[Rows, Rows, tuple[int, int]]
# Rows of the eyes, from the outer corner to the inner one: upper lid, its crease, the skin above; lower lid,
# below.
EYES: tuple[EyeRows, ...] = (
    (
        (LEFT_UPPER_LID, LEFT_CREASE, (113, 225, 224, 223, 222, 221, 189)),
        (LEFT_LOWER_LID, (25, 110, 24, 23, 22, 26, 112), (31, 228, 229, 230, 231, 232, 233)),
        (33, 133),
    ),
    (
        (RIGHT_UPPER_LID, RIGHT_CREASE, (342, 445, 444, 443, 442, 441, 413)),
        (RIGHT_LOWER_LID, (255, 339, 254, 253, 252, 256, 341), (261, 448, 449, 450, 451, 452, 453)),
        (263, 362),
    ),
)
_BEYOND = 0.6  # the most that an intensity above 1 adds
_FOLLOW_UPPER = (1.0, 0.5, 0.15)  # how much of a lid's way its crease and the skin above go
_FOLLOW_LOWER = (1.0, 0.6, 0.3)


@dataclass(frozen=True)
class Movement:
    """What is to happen to a face.

    shown: the units that it shows in the picture. wanted: those it shall show. neutralise: 0..1, how much of
    `shown` goes. What no unit names (the shape of the closed mouth) stays.
    """

    shown: ActionUnits
    wanted: ActionUnits
    neutralise: float = 1.0

    @property
    def net(self) -> ActionUnits:
        """What is to be added to what the picture shows."""
        return self.wanted.plus(self.shown.scaled(-self.neutralise))


def in_reach(units: ActionUnits) -> ActionUnits:
    """The same up to an intensity of 1, beyond it less and less more: skin does not stretch at will."""
    return ActionUnits(*(math.copysign(_reachable(abs(value)), value) for value in units.as_tuple()))


def _reachable(intensity: float) -> float:
    return intensity if intensity <= 1 else 1 + _BEYOND * (1 - math.exp((1 - intensity) / _BEYOND))


def move(rest: np.ndarray, movement: Movement) -> np.ndarray:
    """The surface of a face, (M, 3) canonical centimetres, after a movement.

    rest: its own surface as it is in the picture, in the same coordinates.
    """
    face, net = surface(), movement.net
    moved = rest + _pulled(net)
    moved += _jaw(rest, net.jaw_drop)
    parts = replace(movement.wanted, upper_lip_raise=_LIP_ALONE * movement.wanted.upper_lip_raise)
    wanted = _pulled(parts) + _jaw(rest, movement.wanted.jaw_drop)
    base = np.zeros((NUM_SURFACE, 3))
    _close_lips(base, rest, moved, wanted, movement)
    _press_lips(base, moved, net)
    _round_lips(base, moved)
    for rows in EYES:
        _slide_lids(base, rest, moved, rows, movement)
    return moved + face.spread(base)


@cache
def unit_fields() -> Mapping[str, np.ndarray]:
    """For each unit, and for some pairs (`a+b`), the displacement (M, 3) at an intensity of 1."""
    face = surface()
    fields: dict[str, np.ndarray] = {}
    for row in _PULLS.strip().splitlines()[1:]:
        unit, anchors, x, y, z, radius, where = row.split()
        vertices = [int(anchor) for anchor in anchors.split(",")]
        field = _reach(face, vertices, float(radius))[:, None] * np.array([float(x), float(y), float(z)])
        if unit not in ONE_SIDED and any(face.vertices_cm[vertex, 0] > 0.01 for vertex in vertices):
            field = field + _mirrored(face, field)
        fields[unit] = fields.get(unit, 0.0) + field * _where(face, where)[:, None]
    return fields


def _mirrored(face: Surface, field: np.ndarray) -> np.ndarray:
    return np.asarray(field[face.mirror] * np.array([-1.0, 1.0, 1.0]))


def _pulled(units: ActionUnits) -> np.ndarray:
    face = surface()
    total = np.zeros_like(face.vertices_cm)
    for names, field in unit_fields().items():
        intensity = min(getattr(units, name) for name in names.split("+"))
        if intensity < 0 and names in ONE_SIDED:
            total += -intensity * _mirrored(face, field)
        elif intensity > 0 or "+" not in names:
            total += intensity * field
    return total


def _reach(face: Surface, anchors: Sequence[int], radius: float) -> np.ndarray:
    """1 at the anchors, falling as a Gaussian around all of them together."""
    left = np.ones(len(face.vertices_cm))
    for anchor in anchors:
        apart = face.vertices_cm - face.vertices_cm[anchor]
        squares = np.einsum("nd,nd->n", apart, apart)
        left *= 1 - np.exp(-squares / (2 * radius**2))
    return 1 - left


def _where(face: Surface, where: str) -> np.ndarray:
    if where == "upper":
        return 1 - face.lower
    if where == "lower":
        return face.lower
    y = face.vertices_cm[:, 1]
    if where == "brow":  # a brow rises as a whole: what stretches is the skin between it and the lid
        return smoothstep((y - 2.9) / 0.8)
    if where == "brow_down":  # and sinks onto skin that must have a place to go
        return smoothstep((y - 2.85) / 1.3)
    return np.ones(len(face.vertices_cm))


def _jaw(rest: np.ndarray, intensity: float) -> np.ndarray:
    """The jaw turns about the joints, and takes along the lower lip, the chin and the lower cheeks."""
    if not intensity:
        return np.zeros_like(rest)
    face = surface()
    angle = -np.radians(JAW_DEGREES * intensity) * _jaw_weights(face)
    y, z = rest[:, 1] - JAW_AXIS[1], rest[:, 2] - JAW_AXIS[2]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.zeros_like(y), cos * y + sin * z - y, -sin * y + cos * z - z], axis=1)


@cache
def _jaw_weights(face: Surface) -> np.ndarray:
    y = face.vertices_cm[:, 1]
    skin = smoothstep((-3.2 - y) / 2.6)
    weights = face.lower * np.maximum(skin, 0.4 * smoothstep((-2.0 - y) / 4.0))
    base, is_lip = weights[:NUM_SURFACE].copy(), np.zeros(NUM_SURFACE)
    for ring, least in zip(LOWER_LIP, (0.45, 0.42, 0.38, 0.34), strict=True):
        shares = np.linspace(-1, 1, len(ring))
        base[list(ring)] = least + (1 - least) * np.sqrt(np.maximum(0.0, 1 - shares**2))
        is_lip[list(ring)] = 1.0
    for ring in UPPER_LIP:
        base[list(ring)] = 0.34 * np.abs(np.linspace(-1, 1, len(ring))) ** 3
        is_lip[list(ring)] = 1.0
    return np.where(face.spread(is_lip) > 0, face.spread(base), weights)


def _close_lips(
    base: np.ndarray, rest: np.ndarray, moved: np.ndarray, wanted: np.ndarray, movement: Movement
) -> None:
    """Lips are as far apart as they were (less what is neutralised) and as the wanted units part them; they
    touch, and never cross. Pressed lips do not part.
    """
    was = rest[list(UPPER_INNER), 1] - rest[list(LOWER_INNER), 1]
    opens = wanted[list(UPPER_INNER), 1] - wanted[list(LOWER_INNER), 1]
    opens[1:-1] = (opens[:-2] + 2 * opens[1:-1] + opens[2:]) / 4  # rounder than the pulls alone make it
    opens = opens * (1 - 0.85 * min(1.0, movement.wanted.lip_press))
    gap = np.maximum(0.0, np.maximum(was, 0.0) * (1 - movement.neutralise) + opens)
    error = gap - (moved[list(UPPER_INNER), 1] - moved[list(LOWER_INNER), 1])
    error[[0, -1]] = 0.0
    lips = _CANONICAL[list(UPPER_INNER)]
    for rings, way in ((UPPER_LIP, _UPPER_CLOSES), (LOWER_LIP, _UPPER_CLOSES - 1)):
        base[:, 1] += way * _around_lips(rings) * np.interp(_CANONICAL[:, 0], lips[:, 0], error)
        base[list(rings[-1]), 1] = way * error
    touching = 0.5 * (gap < 1e-3)[:, None]
    apart = moved[list(UPPER_INNER)] - moved[list(LOWER_INNER)]
    aside = touching * apart * np.array([1.0, 0.0, 1.0])  # lips that touch do so along one line
    base[list(UPPER_INNER)] -= aside
    base[list(LOWER_INNER)] += aside


@cache
def _around_lips(rings: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """How much of the way of a lip's inner edge each vertex of the mesh (468,) goes along."""
    upper = rings is UPPER_LIP
    outer = _CANONICAL[list(rings[0])]
    beyond = _CANONICAL[:, 1] - np.interp(_CANONICAL[:, 0], outer[:, 0], outer[:, 1])
    beyond = np.maximum(0.0, beyond if upper else -beyond)
    lower = surface().lower[:NUM_SURFACE]
    weights = 0.82 * np.exp(-np.square(beyond / (1.1 if upper else 1.8))) * ((1 - lower) if upper else lower)
    for ring, share in zip(rings, (0.82, 0.90, 0.96, 1.0), strict=True):
        weights[list(ring)] = share
    weights[list(CORNERS)] = 0.0
    return weights


def _press_lips(base: np.ndarray, moved: np.ndarray, net: ActionUnits) -> None:
    """The outer rings go towards the inner one: the lips roll in, where they are stretched or lifted a
    little.
    """
    both = net.lip_press + _STRETCHED_THIN * max(0.0, net.lip_stretch)
    upper = both + _LIFTED_THIN * max(0.0, net.upper_lip_raise)
    for rings, intensity in ((UPPER_LIP, upper), (LOWER_LIP, both)):
        if intensity <= 0:
            continue
        roll = 1 - 1 / (1 + _LIP_PRESS * intensity / (1 - _LIP_PRESS))
        inner = moved[list(rings[-1])]
        for ring in rings[:-1]:
            way = inner - moved[list(ring)]
            base[list(ring[1:-1]), 1:] += roll * way[1:-1, 1:]


def _round_lips(base: np.ndarray, moved: np.ndarray) -> None:
    """A mouth wide open is an oval: beside the corners its edges go out to it, and the lips with them."""
    edges = [(moved[:NUM_SURFACE] + base)[list(rings[-1]), :2] for rings in (UPPER_LIP, LOWER_LIP)]
    share = roundness(*edges)
    if share <= 0:
        return
    for rings, edge in zip((UPPER_LIP, LOWER_LIP), edges, strict=True):
        (left, low), (right, high) = edge[0], edge[-1]
        across = 2 * (edge[:, 0] - left) / max(right - left, 1e-6) - 1
        along = np.abs(edge[:, 1] - low - (across + 1) / 2 * (high - low))
        oval = np.sqrt(1 - np.square(along / max(float(along.max()), 1e-6)))
        aside = share * np.sign(across) * np.maximum(0.0, oval - np.abs(across)) * (right - left) / 2
        aside[[0, -1]] = 0.0
        for ring, follows in zip(rings, (0.7, 0.8, 0.9, 1.0), strict=True):
            base[list(ring), 0] += follows * aside


def roundness(upper: np.ndarray, lower: np.ndarray) -> float:
    """0 for a slit, 1 for an opening (its edges, (N, 2)) that is nearly as high as wide."""
    height = np.linalg.norm(upper - lower, axis=1).max()
    width = np.linalg.norm(upper[0] - upper[-1])
    return float(smoothstep(np.array((height / max(float(width), 1e-6) - _SLIT) / (_ROUND - _SLIT))))


def _slide_lids(
    base: np.ndarray, rest: np.ndarray, moved: np.ndarray, rows: EyeRows, movement: Movement
) -> None:
    """The upper lid slides over the eyeball, the lower one hardly; corners stay."""
    (upper, *above), (lower, *below), _ = rows
    gap = moved[list(upper), 1] - moved[list(lower), 1]
    profile = np.sin(np.pi * np.arange(1, 8) / 8)
    net = movement.net
    factor = lid_factor(movement)
    raised = profile * (
        _LID_RAISE * net.upper_lid_raise - 0.05 * net.lid_tighten - _BROW_ON_LID * net.brow_lower
    )
    lifted = profile * (_LID_TIGHTEN * net.lid_tighten + _CHEEK_LIFTS_LID * net.cheek_raise)
    closing = (1 - factor) * gap
    down = 0.9 * closing - raised * min(1.0, factor)
    up = 0.1 * closing + lifted
    over = np.maximum(0.0, down + up - (gap - _MIN_GAP * profile))
    up = up - np.minimum(up, over)
    down = np.minimum(down, gap - _MIN_GAP * profile - up)
    for row, share in zip((upper, *above), _FOLLOW_UPPER, strict=True):
        base[list(row), 1] -= share * down
    for row, share in zip((lower, *below), _FOLLOW_LOWER, strict=True):
        base[list(row), 1] += share * up


def lid_factor(movement: Movement) -> float:
    """By how much the eyes' opening is multiplied: 0 shuts them."""
    shown = min(movement.shown.eyes_closed * movement.neutralise, 0.75)
    closed = movement.wanted.eyes_closed + _LID_FOLLOWS_GAZE * movement.wanted.gaze_y
    return float(np.clip((1 - closed) / (1 - shown), 0.0, 1.6))


def without(units: ActionUnits, *names: str) -> ActionUnits:
    """The same units, the named ones 0."""
    return replace(units, **dict.fromkeys(names, 0.0))
