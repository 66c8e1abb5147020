"""The surface that the engine moves: the canonical mesh with every triangle cut in four, and what lies
where on it.

Vertices are canonical centimetres (x to the viewer's right, y up, z to the camera), rows are vertices: 468 of
the mesh, one on every edge, then rings around the oval, which fade what moves on the face out into the
picture.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from pixelsmile.faces.mesh.mesh import (
    LOWER_INNER,
    LOWER_OUTER,
    NUM_SURFACE,
    OVAL,
    UPPER_INNER,
    UPPER_OUTER,
    canonical_mesh,
)

# Rings around the oval: how far out (1 is the oval, seen from the middle of the face), and the share of the
# oval's movement that is left there.
RINGS = ((1.07, 0.88), (1.16, 0.66), (1.27, 0.40), (1.40, 0.17), (1.55, 0.03), (1.70, 0.0))

# The lips as rings, each from the left corner to the right one, from the outside to the inside.
UPPER_LIP = (
    UPPER_OUTER,
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    UPPER_INNER,
)
LOWER_LIP = (
    LOWER_OUTER,
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    LOWER_INNER,
)
CORNERS = tuple(ring[end] for ring in UPPER_LIP for end in (0, -1))


@dataclass(frozen=True, eq=False)
class Surface:
    """parents: (M, 2), the vertices of the mesh that each row lies between (twice the same for its own).
    border: the rows of the oval in order. triangles: of the face; ring_triangles: around it, rows beyond M
    being the rings, each in the border's order. lower: (M,) 1 below the mouth's line, 0 above, soft in the
    cheeks. mirror: (M,) the row on the other side.
    """

    vertices_cm: np.ndarray
    parents: np.ndarray
    triangles: np.ndarray
    ring_triangles: np.ndarray
    border: np.ndarray
    lower: np.ndarray
    mirror: np.ndarray
    in_mouth: np.ndarray  # (T,) which of the triangles lie between the lips

    def spread(self, values: np.ndarray) -> np.ndarray:
        """What is known at the 468 vertices (468, ...) at all rows (M, ...)."""
        return values[self.parents].mean(1)


@cache
def surface() -> Surface:
    """Built once."""
    mesh = canonical_mesh()
    parents, triangles, middle_of = _subdivided(mesh.triangles.astype(np.int64))
    vertices = mesh.vertices_cm[parents].mean(1)
    border = []
    for here, after in zip(OVAL, (*OVAL[1:], OVAL[0]), strict=True):
        border += [here, middle_of[min(here, after), max(here, after)]]
    lower = _lower(mesh.vertices_cm)[parents].mean(1)
    return Surface(
        vertices,
        parents,
        triangles,
        _ring_triangles(len(parents), np.array(border)),
        np.array(border),
        lower,
        _mirror(mesh.vertices_cm, parents),
        np.asarray(np.isin(parents[triangles], [*UPPER_INNER, *LOWER_INNER]).all((1, 2))),
    )


def _subdivided(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[tuple[int, int], int]]:
    """Parents of all rows, four triangles for each, and the row of each edge's middle."""
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    middles = (NUM_SURFACE + inverse).reshape(-1, 3)
    a, b, c = triangles.T
    ab, bc, ca = middles.T
    small = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    own = np.repeat(np.arange(NUM_SURFACE)[:, None], 2, axis=1)
    rows = {(int(low), int(high)): NUM_SURFACE + row for row, (low, high) in enumerate(unique)}
    return np.concatenate([own, unique]), np.concatenate([np.stack(one, 1) for one in small]), rows


def _mirror(vertices_cm: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """The row on the other side: that of the mirrored parents."""
    mirrored = vertices_cm * np.array([-1.0, 1.0, 1.0])
    other = np.array([np.square(vertices_cm - place).sum(1).argmin() for place in mirrored])
    rows = {tuple(pair): row for row, pair in enumerate(np.sort(parents, axis=1).tolist())}
    pairs = np.sort(other[parents], axis=1).tolist()
    return np.array([rows.get(tuple(pair), other[pair[0]]) for pair in pairs])


def _ring_triangles(start: int, border: np.ndarray) -> np.ndarray:
    count = len(border)
    rings = [border, *(start + count * ring + np.arange(count) for ring in range(len(RINGS)))]
    triangles = []
    for inner, outer in pairwise(rings):
        after_inner, after_outer = np.roll(inner, -1), np.roll(outer, -1)
        triangles += [
            np.stack([inner, after_inner, outer], 1),
            np.stack([after_inner, after_outer, outer], 1),
        ]
    return np.concatenate(triangles)


def _lower(vertices_cm: np.ndarray) -> np.ndarray:
    """1 below the line of the mouth, 0 above it; soft beyond the corners, the softer the farther out."""
    corner = vertices_cm[UPPER_OUTER[-1]]
    beyond = np.maximum(0.0, np.abs(vertices_cm[:, 0]) - 0.9 * corner[0])
    lower = smoothstep(0.5 + (corner[1] - vertices_cm[:, 1]) / (0.3 + 1.6 * beyond))
    lower[[row for ring in UPPER_LIP for row in ring]] = 0.0
    lower[[row for ring in LOWER_LIP for row in ring]] = 1.0
    lower[list(CORNERS)] = 0.5
    return lower


def smoothstep(values: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, and smooth in between."""
    limited = np.clip(values, 0.0, 1.0)
    return limited * limited * (3 - 2 * limited)
