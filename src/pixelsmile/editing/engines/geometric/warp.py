"""The photograph on a moved mesh: each triangle takes along what it shows (skia, Catmull-Rom sampling)."""

import numpy as np
import skia

from pixelsmile.editing.engines.geometric.surface import LOWER_LIP, RINGS, UPPER_LIP, smoothstep, surface
from pixelsmile.faces.mesh.mesh import NUM_SURFACE

HELD_CM = 1.5  # from how far inside of the edges of a picture, see `held_at_edges`
_FAR = 1e4  # depth of the rings: behind the face


def held_at_edges(
    source: np.ndarray, moved: np.ndarray, shape: tuple[int, ...], soft_px: float
) -> np.ndarray:
    """`moved` (N, 3) with less and less of what moves inward from the edges of a picture (H, W, ...), and
    nothing beyond them: no photograph is there to follow. soft_px: from how far inside.
    """
    way = moved[:, :2] - source[:, :2]
    to_far = np.array(shape[1::-1]) - source[:, :2]
    from_near, from_far = (smoothstep(distance / soft_px) for distance in (source[:, :2], to_far))
    held = moved.copy()
    held[:, :2] = source[:, :2] + from_near * np.maximum(way, 0) + from_far * np.minimum(way, 0)
    return held


def with_rings(source: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both surfaces (M, 3) in the picture, with rings around that move less and less."""
    border = surface().border
    middle = source[border, :2].mean(0)
    rim, way = source[border], moved[border] - source[border]
    before, after = [source], [moved]
    for out, share in RINGS:
        ring = np.concatenate([middle + out * (rim[:, :2] - middle), np.full((len(rim), 1), _FAR)], axis=1)
        before.append(ring)
        after.append(ring + share * way * np.array([1.0, 1.0, 0.0]))
    return np.concatenate(before), np.concatenate(after)


def lip_texture(source: np.ndarray, share: float) -> np.ndarray:
    """`source` with the inner edges of the lips `share` of the way to the next ring: a mouth that opens or
    closes takes lip along, neither the dark between the lips nor teeth.
    """
    pulled = source.copy()
    face = surface()
    base = source[:NUM_SURFACE].copy()
    for rings in (UPPER_LIP, LOWER_LIP):
        inner, within = list(rings[3][1:-1]), list(rings[2][1:-1])
        base[inner] += share * (base[within] - base[inner])
    pulled[:NUM_SURFACE] = base
    between = face.spread(base)
    pulled[: len(between)] = between
    return pulled


def shut_texture(texture: np.ndarray) -> np.ndarray:
    """`texture` and its rows once more, with nothing between the lips but the edge of the upper one."""
    shut = texture.copy()
    shut[list(LOWER_LIP[3])] = shut[list(UPPER_LIP[3])]
    face = surface()
    between = np.unique(face.triangles[face.in_mouth])
    shut[between] = shut[face.parents[between]].mean(1)
    return np.concatenate([texture, shut])


def triangles_far_first(moved: np.ndarray) -> np.ndarray:
    """All triangles, the farthest first: what is nearer is drawn over it. What lies between the lips comes
    below them.
    """
    face = surface()
    skin, mouth = face.triangles[~face.in_mouth], face.triangles[face.in_mouth]
    order = np.argsort(-moved[skin, 2].mean(1), kind="stable")
    return np.concatenate([face.ring_triangles[::-1], mouth, skin[order]])


def with_mouth_shut(triangles: np.ndarray, rows: int) -> np.ndarray:
    """`triangles` with those between the lips moved on to the second half of `shut_texture`."""
    face = surface()
    first = len(face.ring_triangles)
    shut = triangles.copy()
    shut[first : first + int(face.in_mouth.sum())] += rows
    return shut


def as_skia(pixels: np.ndarray) -> skia.Image:
    """(H, W, 4) uint8 as a picture of skia."""
    return skia.Image.fromarray(pixels, colorType=skia.kRGBA_8888_ColorType)


def opaque(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 as (H, W, 4)."""
    out = np.empty((*pixels.shape[:2], 4), np.uint8)
    out[..., :3], out[..., 3] = pixels, 255
    return out


def warp(pixels: np.ndarray, source: np.ndarray, moved: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """`pixels` (H, W, 3) with every triangle moved from its place in `source` to that in `moved`."""
    drawn = opaque(pixels)
    canvas = skia.Surface(drawn).getCanvas()
    sampling = skia.SamplingOptions(skia.CubicResampler.CatmullRom())
    shader = as_skia(drawn.copy()).makeShader(skia.TileMode.kClamp, skia.TileMode.kClamp, sampling)
    vertices = skia.Vertices(
        skia.Vertices.kTriangles_VertexMode,
        [skia.Point(x, y) for x, y in moved[:, :2].tolist()],
        [skia.Point(x, y) for x, y in source[:, :2].tolist()],
        None,
        triangles.ravel().tolist(),
    )
    canvas.drawVertices(vertices, skia.Paint(Shader=shader), skia.BlendMode.kSrc)
    return drawn[..., :3]
