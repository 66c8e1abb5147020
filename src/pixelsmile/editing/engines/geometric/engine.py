"""The geometric engine: the face mesh of a photograph, moved by action units. No model, no noise, no GPU.

    mesh of the face -> head coordinates -> units move it -> back into the picture -> warp -> eyes, mouth,
    skin -> the head leans

Not the paper's method; every record of an edit says so.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image

from pixelsmile.editing.engine import EditJob, EngineInfo, EngineResult, Preview, Progress
from pixelsmile.editing.engines.geometric.eyes import are_hidden, paint_eyes
from pixelsmile.editing.engines.geometric.light import read_light
from pixelsmile.editing.engines.geometric.mouth import MIN_GAP, is_hidden, lip_gap, paint_mouth
from pixelsmile.editing.engines.geometric.scene import Face, Moved, mask_of, within_bars
from pixelsmile.editing.engines.geometric.shading import shade_skin
from pixelsmile.editing.engines.geometric.surface import RINGS, smoothstep, surface
from pixelsmile.editing.engines.geometric.units_on_mesh import Movement, in_reach, move, without
from pixelsmile.editing.engines.geometric.warp import (
    HELD_CM,
    held_at_edges,
    lip_texture,
    shut_texture,
    triangles_far_first,
    warp,
    with_mouth_shut,
    with_rings,
)
from pixelsmile.editing.folders import GEOMETRIC
from pixelsmile.errors import ExpressionError, FaceError
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.mesh.mesh import NUM_SURFACE, FaceMesh, Pose
from pixelsmile.faces.mesh.networks import MeshNetworks, load_mesh_networks
from pixelsmile.faces.mesh.units import source_units
from pixelsmile.portraits.action_units import HEAD_DEG, ActionUnits

NOTE = "a face mesh moved by action units: not the paper's method"
MAX_SIZE_PX = 1536
MAX_YAW = 50.0  # degrees; beyond it half of the face is not in the picture
MIN_FACE_PX = 32
# What a face at rest may show as well (narrow eyes, a small mouth, a look aside) is not taken away.
KEPT = ("gaze_x", "gaze_y", "lip_pucker", "lip_press", "lid_tighten", "brow_tilt", "dimple", "chin_raise")
_REMEMBERED = 4
NECK = np.array([0.0, -6.0, -4.0])  # canonical centimetres: what the head leans about
# Degrees at an intensity of 1: nodding down, turning to the viewer's right, and up with the viewer's right
# side. Small where nobody asked for it: what no face shows (hair, hat, collar, what is behind) is bent along.
LEANS: Mapping[str, tuple[float, float, float]] = {
    "brow_tilt": (0.0, 0.0, 3.5),
    "gaze_x": (0.0, 3.0, 0.0),
    "gaze_y": (3.5, 0.0, 0.0),
}
HEAD_LEANS: Mapping[str, tuple[float, float, float]] = {
    "head_nod": (HEAD_DEG["head_nod"], 0.0, 0.0),
    "head_turn": (0.0, HEAD_DEG["head_turn"], 0.0),
    "head_tilt": (0.0, 0.0, -HEAD_DEG["head_tilt"]),
}
_MOST_DEG, _LEAST_DEG = 5.0, 0.05
_FULL_DEG = np.abs(np.array(list(HEAD_LEANS.values()))).sum(0)
_MOST_HEAD = 1.15  # of full movements together; beyond it hair would fold over the face


class GeometricEngine:
    """An Engine that needs nothing but a photograph with a face. Make one with `load`."""

    multiple_px = 1

    def __init__(self, detector: MeshDetector, networks: MeshNetworks) -> None:
        self.info = EngineInfo(
            model=GEOMETRIC,
            device="cpu",
            dtype="float32",
            size=MAX_SIZE_PX,
            steps=1,
            domains=("human",),
            note=NOTE,
            moves_units=True,
        )
        self.detector, self._networks = detector, networks
        self._faces: OrderedDict[bytes, tuple[Face, tuple[int, int], ActionUnits]] = OrderedDict()

    @classmethod
    def load(cls) -> "GeometricEngine":
        """From the networks that ship. ModelError where the installation lacks them."""
        return cls(MeshDetector.load(), load_mesh_networks())

    def stream(self, job: EditJob) -> Iterator[Progress | EngineResult]:
        """Run a job. ExpressionError for a prompt; FaceError where there is no face that can be moved."""
        if any(len(target.units) != len(target.weights) for target in job.targets):
            raise ExpressionError(
                f"the {GEOMETRIC} model moves action units and understands no prompts: name expressions, a "
                "blend or units"
            )
        yield Progress("encode", 0, 1)
        face, corner, shown = self._face(job.image)
        yield Progress("encode", 1, 1)
        total = sum(len(target.units) for target in job.targets)
        images: list[list[Image.Image]] = []
        done = 0
        for place, target in enumerate(job.targets):
            row: list[Image.Image] = []
            for units in target.units:
                edited = edit_face(face, Movement(shown, in_reach(units), job.neutralise))
                row.append(_put_back(job.image, edited, corner))
                done += 1
                if job.previews:
                    yield Preview("decode", done, total, row[-1], place, len(row) - 1)
                else:
                    yield Progress("decode", done, total)
            images.append(row)
        yield EngineResult(
            images=images, conditionings=("units",) * len(job.targets), sigmas=(), batch_size=1
        )

    def _face(self, image: Image.Image) -> tuple[Face, tuple[int, int], ActionUnits]:
        """The face of a picture in a window, the window's corner, and what the face shows; the last few
        pictures are remembered.
        """
        key = repr(image.size).encode() + image.tobytes()
        if key in self._faces:
            self._faces.move_to_end(key)
            return self._faces[key]
        mesh = self.detector.only(image)
        if mesh is None:
            raise FaceError(
                f"the {GEOMETRIC} model sees no face there: it needs both eyes and the mouth of a human "
                "face: photographed, painted or modelled"
            )
        face, corner = place_face(np.asarray(image.convert("RGB")), mesh)
        shown = without(source_units(self._networks.blendshapes(mesh)), *KEPT)
        self._faces[key] = face, corner, shown
        if len(self._faces) > _REMEMBERED:
            self._faces.popitem(last=False)
        return self._faces[key]


def place_face(pixels: np.ndarray, mesh: FaceMesh) -> tuple[Face, tuple[int, int]]:
    """A face with the window of the picture (H, W, 3) that its edits can reach, and the window's corner.

    FaceError where it is turned too far, too small, or its mouth or both eyes are hidden.
    """
    pose = mesh.pose()
    if abs(pose.yaw) > MAX_YAW:
        raise FaceError(
            f"the face is turned by {abs(pose.yaw):.0f} degrees, the {GEOMETRIC} model moves faces up to "
            f"{MAX_YAW:.0f}: choose another picture"
        )
    x0, y0, x1, y1 = mesh.box
    if max(x1 - x0, y1 - y0) < MIN_FACE_PX:
        raise FaceError(
            f"the face has {max(x1 - x0, y1 - y0):.0f} px, the {GEOMETRIC} model moves faces from "
            f"{MIN_FACE_PX} px: enlarge the picture"
        )
    middle, reach = np.array([x0 + x1, y0 + y1]) / 2, RINGS[-1][0] / 2 * np.array([x1 - x0, y1 - y0])
    first, last = within_bars(pixels)
    low = np.maximum(first, np.floor(middle - 1.1 * reach)).astype(int)
    high = np.minimum(last, np.ceil(middle + 1.1 * reach)).astype(int)
    window = np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]])
    points = mesh.points - np.array([low[0], low[1], 0.0])
    pose = Pose(pose.rotation, pose.scale_px, pose.centre - np.array([low[0], low[1], 0.0]))
    source = surface().spread(points[:NUM_SURFACE])
    light, mask = read_light(window, points), mask_of(source, window.shape[:2])
    _refuse_hidden(window, points, light.skin)
    return Face(window, points, pose, source, pose.lift(source), light, mask), (int(low[0]), int(low[1]))


def _refuse_hidden(window: np.ndarray, points: np.ndarray, skin: np.ndarray) -> None:
    for part, it, hides in (("eyes are", "them", are_hidden), ("mouth is", "it", is_hidden)):
        if hides(window, points, skin):
            raise FaceError(
                f"no {part} to be seen in the face, something hides {it}: the {GEOMETRIC} model "
                "needs mouth and eyes; choose another picture"
            )


def edit_face(face: Face, movement: Movement) -> np.ndarray:
    """The window (H, W, 3) uint8 after a movement; outside of the face it is the photograph."""
    shape, soft = face.pixels.shape, HELD_CM * face.px_per_cm
    moved = face.pose.project(move(face.rest_cm, movement))
    moved = held_at_edges(face.source, moved, shape, soft)
    moved_cm = face.pose.lift(moved)
    scene = Moved(face, movement, moved, moved_cm)
    source, target = with_rings(face.source, moved)
    target[len(moved) :] = held_at_edges(source, target, shape, soft)[len(moved) :]
    gap, was_gap = lip_gap(moved_cm), lip_gap(face.rest_cm)
    texture = lip_texture(source, float(smoothstep(np.array(abs(gap - was_gap) / 0.3))) * 0.6)
    triangles = triangles_far_first(target)
    if gap <= MIN_GAP < was_gap:  # seen from aside it leaves cracks, where no teeth may show
        triangles = with_mouth_shut(triangles, len(target))
        texture, target = shut_texture(texture), np.concatenate([target, target])
    picture = warp(face.pixels, texture, target, triangles).astype(np.float32)
    picture = paint_mouth(picture, scene)
    picture = paint_eyes(picture, scene)
    shade_skin(picture, scene)
    return _composed(face, lean_head(picture, scene))


def lean_of(wanted: ActionUnits) -> np.ndarray:
    """(3,) degrees about the axes x, y and z of the head.

    A little with brows and gaze, and as is wanted of the head, up to what hair can follow.
    """
    total = np.clip(_leaning(wanted, LEANS), -_MOST_DEG, _MOST_DEG) + _leaning(wanted, HEAD_LEANS)
    size = float(np.linalg.norm(total / _FULL_DEG))
    return np.asarray(total if size <= _MOST_HEAD else total * (_MOST_HEAD / size))


def _leaning(wanted: ActionUnits, leans: Mapping[str, tuple[float, float, float]]) -> np.ndarray:
    return sum((getattr(wanted, name) * np.array(lean) for name, lean in leans.items()), np.zeros(3))


def lean_head(picture: np.ndarray, moved: Moved) -> np.ndarray:
    """`picture` (float32 (H, W, 3), the edited window) with its head leaning as the wanted units say."""
    if np.abs(lean_of(moved.movement.wanted)).max() < _LEAST_DEG:
        return picture
    before, after = lean_rows(moved)
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return warp(pixels, before, after, triangles_far_first(after)).astype(np.float32)


def lean_rows(moved: Moved) -> tuple[np.ndarray, np.ndarray]:
    """The surface with the rings around it, (N, 3) in the picture, before and after the head leans."""
    rotation = _rotation(lean_of(moved.movement.wanted))
    leaning = (moved.moved_cm - NECK) @ rotation.T + NECK
    before, after = with_rings(moved.moved, moved.face.pose.project(leaning))
    soft_px = HELD_CM * moved.face.px_per_cm
    return before, held_at_edges(before, after, moved.face.pixels.shape, soft_px)


def _rotation(degrees: np.ndarray) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.asarray(np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ about_y @ about_x)


def _composed(face: Face, picture: np.ndarray) -> np.ndarray:
    """Within the mask the edit, outside of it the photograph, bit for bit."""
    picture -= face.pixels
    picture *= face.mask[..., None]
    picture += face.pixels
    return np.clip(np.rint(picture, out=picture), 0, 255, out=picture).astype(np.uint8)


def _put_back(image: Image.Image, window: np.ndarray, corner: tuple[int, int]) -> Image.Image:
    edited = image.convert("RGB")
    edited = edited.copy() if edited is image else edited
    edited.paste(Image.fromarray(window), corner)
    return edited
