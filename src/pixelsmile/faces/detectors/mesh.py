"""BlazeFace (Bazarevsky et al. 2019) in two ranges, tiled, each find confirmed twice.

The full-range network looks at the whole picture turned by quarters, and at tiles of it upright; the
short-range one, made for selfies, at the whole picture. Where that gives no face, small tiles are looked at
too. A find is a face where the landmark network sees one and the full-range network, shown it upright in two
sizes, still does: the first takes dogs for faces, and the second is sure of them in some sizes only. Boxes
and landmarks are those of the mesh.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.embedded import photo_path
from pixelsmile.errors import FaceError
from pixelsmile.faces.detectors.candidates import intersection_over_union, keep_best
from pixelsmile.faces.face import Face
from pixelsmile.faces.mesh.mesh import FaceMesh
from pixelsmile.faces.mesh.networks import (
    CONTEXT,
    MeshNetworks,
    Picture,
    load_mesh_networks,
    open_network,
)

_MIN_TILE_PX = 320  # a face of 30 px is a tenth of it
_SMALL_TILE_PX = 160
_COARSE = 8  # tiles below that part of the picture are only looked at where nothing else was found
_TILE_OVERLAP = 0.25
_VIEWS = (2.0, 3.0)  # sides of the squares in which a find is confirmed, over its longer side
_NEAR = 0.3  # of the longer side: that far apart two finds may be the same
_ANY_SCORE = 0.02
_MIN_CONFIRMED = 0.6  # their mean score: on portraits .72 and more, on dogs and monkeys .5 and less
_RIGHT_EYE, _LEFT_EYE = 0, 1  # of the six points, by the person's side: the viewer's left comes first


@dataclass(frozen=True, eq=False)
class Find:
    """Something that may be a face: middle, side of its box and angle of its eyes, in the picture."""

    box: np.ndarray  # (4,)
    score: float
    angle: float


class BlazeFace:
    """One of the two networks."""

    def __init__(self, path: Path, size_px: int, grids: tuple[tuple[int, int], ...]) -> None:
        """grids: of each, cells a side and anchors a cell."""
        self._session = open_network(path)
        self._size_px = size_px
        self._anchors = np.concatenate([_anchors(cells, per_cell) for cells, per_cell in grids])

    def find(
        self, picture: Picture, middle: tuple[float, float], side: float, angle: float, threshold: float
    ) -> list[Find]:
        """What is seen in a square of the picture, turned by `angle`."""
        seen = picture.square(middle, side, angle, self._size_px).astype(np.float32)[None] / 127.5 - 1
        boxes, logits = self._session.run(["boxes", "logits"], {"image": seen})
        scores = 1 / (1 + np.exp(-np.clip(logits.ravel(), -80, 80)))
        rows = np.flatnonzero(scores >= threshold)
        places = boxes[0][rows] / self._size_px
        centres = places[:, :2] + self._anchors[rows]
        points = places[:, 4:].reshape(-1, 6, 2) + self._anchors[rows][:, None]
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        centres = (centres - 0.5) @ turn * side + middle
        eyes = (points[:, _LEFT_EYE] - points[:, _RIGHT_EYE]) @ turn
        half = places[:, 2:4].max(1, keepdims=True) * side / 2
        found = np.concatenate([centres - half, centres + half], axis=1)
        angles = np.arctan2(eyes[:, 1], eyes[:, 0])
        return [Find(*entry) for entry in zip(found, scores[rows].tolist(), angles.tolist(), strict=True)]


class MeshDetector:
    """Faces of photographs: any size from about 20 px, any angle, several at once."""

    name = "mesh"

    def __init__(
        self,
        short: BlazeFace,
        full: BlazeFace,
        networks: MeshNetworks,
        *,
        threshold: float = 0.5,
        overlap: float = 0.3,
    ) -> None:
        """threshold: of the finders' score. overlap: from which boxes are the same face."""
        self._short, self._full, self._networks = short, full, networks
        self._threshold, self._overlap = threshold, overlap

    @classmethod
    def load(cls) -> "MeshDetector":
        """From the networks that ship. ModelError where the installation lacks them."""
        folder = photo_path()
        return cls(
            BlazeFace(folder / "detector-short.onnx", 128, ((16, 2), (8, 6))),
            BlazeFace(folder / "detector-full.onnx", 192, ((48, 1),)),
            load_mesh_networks(),
        )

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB picture, the surest first."""
        return [mesh.face(score, self.name) for mesh, score in self.meshes(image)]

    def meshes(self, image: Image.Image) -> list[tuple[FaceMesh, float]]:
        """The mesh of every face, with the finders' score, the surest first."""
        picture = Picture(image)
        longer = max(picture.size)
        coarse = max(_MIN_TILE_PX, longer / _COARSE)
        found = self._confirmed(picture, [*self._whole(picture), *self._tiled(picture, longer / 2, coarse)])
        if found:
            return found
        return self._confirmed(picture, list(self._tiled(picture, coarse, _SMALL_TILE_PX)))

    def only(self, image: Image.Image) -> FaceMesh | None:
        """The mesh of the face that a crop was made around, else of the only one; None for no face.

        FaceError for several, of which nobody has chosen one.

        A face that fills the picture is looked for in its middle first, which takes a tenth of the time.
        """
        picture = Picture(image)
        width, height = picture.size
        middle, longer = (width / 2, height / 2), float(max(width, height))
        mesh = self._networks.look(picture, middle, longer, 0.0)
        if mesh is not None:
            x0, y0, x1, y1 = mesh.box
            is_there = (
                abs((x0 + x1) / 2 - middle[0]) < 0.2 * longer
                and abs((y0 + y1) / 2 - middle[1]) < 0.2 * longer
            )
            if (
                is_there
                and max(x1 - x0, y1 - y0) > 0.4 * longer
                and self._seen_again(picture, mesh) >= _MIN_CONFIRMED
            ):
                return mesh
        found = [mesh for mesh, _ in self.meshes(image)]
        if len(found) > 1:
            raise FaceError(
                f"{len(found)} faces in the picture: cut it around one, or use `pixelsmile edit --face` or "
                "pixelsmile.editing.face_edits.stream_faces, which choose among them"
            )
        return found[0] if found else None

    def _confirmed(self, picture: Picture, finds: list[Find]) -> list[tuple[FaceMesh, float]]:
        """The faces among the finds, each once."""
        if not finds:
            return []
        boxes, scores = np.stack([find.box for find in finds]), np.array([find.score for find in finds])
        faces: list[tuple[FaceMesh, float]] = []
        for row in keep_best(boxes, scores, self._overlap):
            mesh = self._confirm(picture, finds[row])
            if mesh is not None and not _is_known(mesh, faces, self._overlap):
                faces.append((mesh, float(scores[row])))
        return faces

    def _confirm(self, picture: Picture, find: Find) -> FaceMesh | None:
        x0, y0, x1, y1 = find.box
        middle, side = ((x0 + x1) / 2, (y0 + y1) / 2), x1 - x0
        mesh = self._networks.look(picture, middle, CONTEXT * side, find.angle)
        if mesh is None or self._seen_again(picture, mesh) < _MIN_CONFIRMED:
            return None
        return mesh

    def _seen_again(self, picture: Picture, mesh: FaceMesh) -> float:
        """How sure the full-range network is of a face at the place of a mesh: the mean over _VIEWS."""
        x0, y0, x1, y1 = mesh.box
        middle, longer = np.array([x0 + x1, y0 + y1]) / 2, max(x1 - x0, y1 - y0)
        scores = []
        for view in _VIEWS:
            finds = self._full.find(picture, tuple(middle), view * longer, mesh.angle, _ANY_SCORE)
            near = [
                find.score
                for find in finds
                if np.abs(find.box.reshape(2, 2).mean(0) - middle).max() < _NEAR * longer
            ]
            scores.append(max(near, default=0.0))
        return float(np.mean(scores))

    def _whole(self, picture: Picture) -> Iterator[Find]:
        width, height = picture.size
        middle, side = (width / 2, height / 2), float(max(width, height))
        yield from self._short.find(picture, middle, side, 0.0, self._threshold)
        for quarter in range(4):
            yield from self._full.find(picture, middle, side, quarter * np.pi / 2, self._threshold)

    def _tiled(self, picture: Picture, largest: float, smallest: float) -> Iterator[Find]:
        """Of overlapping squares with sides from `largest`, halved until they would be below `smallest`."""
        side = largest
        while side >= smallest:
            columns, rows = (_places(length, side) for length in picture.size)
            for y in rows:
                for x in columns:
                    yield from self._full.find(picture, (x, y), side, 0.0, self._threshold)
            side /= 2


def _places(length: int, side: float) -> list[float]:
    """Middles of squares along a side, from edge to edge."""
    if length <= side:
        return [length / 2]
    number = int(np.ceil((length - side) / (side * (1 - _TILE_OVERLAP)))) + 1
    return [float(place) for place in np.linspace(side / 2, length - side / 2, number)]


def _anchors(cells: int, per_cell: int) -> np.ndarray:
    """The middles of a grid's cells, row by row, as shares of the picture: (cells * cells * per_cell, 2)."""
    places = (np.arange(cells) + 0.5) / cells
    rows, columns = np.meshgrid(places, places, indexing="ij")
    return np.repeat(np.stack([columns.ravel(), rows.ravel()], axis=1), per_cell, axis=0)


def _is_known(mesh: FaceMesh, confirmed: list[tuple[FaceMesh, float]], overlap: float) -> bool:
    if not confirmed:
        return False
    boxes = np.array([other.box for other, _ in confirmed])
    return bool((intersection_over_union(np.asarray(mesh.box), boxes) > overlap).any())
