"""The geometric engine: milliseconds by part; on a folder of portraits, whether edits show what was asked.

    python perf/geometric.py
    python perf/geometric.py --portraits FOLDER [--sheet FILE.png]

Closed loop: each face of a picture that is large enough is edited to all expressions at five strengths; the
mesh is found again in every edit, and its units, its identity and the verdict of the small expression network
(which the engine knows nothing of) are read.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from counts import picture_file
from PIL import Image

from pixelsmile.editing.engines.geometric.engine import KEPT, GeometricEngine, edit_face, place_face
from pixelsmile.editing.engines.geometric.eyes import paint_eyes
from pixelsmile.editing.engines.geometric.light import read_light
from pixelsmile.editing.engines.geometric.mouth import paint_mouth
from pixelsmile.editing.engines.geometric.scene import Face, Moved
from pixelsmile.editing.engines.geometric.shading import shade_skin
from pixelsmile.editing.engines.geometric.units_on_mesh import Movement, in_reach, move, without
from pixelsmile.editing.engines.geometric.warp import triangles_far_first, warp, with_rings
from pixelsmile.embedded import photo_path
from pixelsmile.errors import FaceError, ImageError
from pixelsmile.expressions import BASIC_SIX, EXPRESSIONS
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.encoders.onnx_encoder import photo_encoder
from pixelsmile.faces.mesh import FaceMesh, load_mesh_networks
from pixelsmile.faces.mesh.networks import Picture, open_network
from pixelsmile.faces.mesh.units import as_vector, source_units
from pixelsmile.images import load_image
from pixelsmile.portraits.action_units import HEAD, ActionUnits
from pixelsmile.portraits.prototypes import action_units

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
FACE_PX, PREVIEW_PX = 512, 192
ROUNDS = 5
MIN_FACE_PX = 75
DLIB_LENGTH = 1.4  # of its embeddings: what distances are counted in
NOT_MEASURED = ("gaze_x", "gaze_y", "blush", "sweat", *HEAD)
CLASSES = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprised")  # of the expression network


@dataclass
class Reading:
    """What the edits of one face to one expression show, at each of STRENGTHS."""

    expression: str
    units: list[ActionUnits]
    distances: list[float]
    verdicts: list[np.ndarray] = field(default_factory=list)


class Meter:
    """Reads pictures of faces with the networks that ship."""

    def __init__(self) -> None:
        self.detector, self.networks = MeshDetector.load(), load_mesh_networks()
        self.encoder = photo_encoder()
        self.expressions = open_network(photo_path() / "expressions.onnx")

    def mesh(self, picture: Picture, like: FaceMesh) -> FaceMesh | None:
        return self.networks.fit(picture, like.face(1.0, "mesh"))

    def identity(self, pixels: np.ndarray, mesh: FaceMesh) -> np.ndarray:
        crop_HWC = self.encoder.alignment.crop(pixels, mesh.landmarks_5) / 255
        found = self.encoder.embed(crop_HWC.transpose(2, 0, 1)[None].astype(np.float32))[0]
        return np.asarray(found / np.linalg.norm(found))

    def verdict(self, picture: Picture, mesh: FaceMesh) -> np.ndarray:
        """Probabilities of CLASSES. The crop is that of face-api.js: by eyes and mouth."""
        left, right, _, *corners = mesh.landmarks_5
        mouth = np.mean(corners, axis=0)
        side = (np.linalg.norm(left - mouth) + np.linalg.norm(right - mouth)) / 2 / 0.45
        middle = (left + right + mouth) / 3 + np.array([0.0, 0.07]) * side
        seen = picture.square((float(middle[0]), float(middle[1])), float(side), 0.0, 112)
        batch = seen.astype(np.float32).transpose(2, 0, 1)[None]
        return np.asarray(self.expressions.run(None, {"image": batch})[0][0])


def milliseconds(call: Callable[[], object]) -> float:
    """The median of a few calls."""
    call()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def measure_speed() -> None:
    """On the astronaut of scikit-image, enlarged to FACE_PX; and the parts of an edit to `surprised`."""
    from skimage import data

    astronaut = Image.fromarray(data.astronaut()).crop((100, 0, 356, 256))
    engine = GeometricEngine.load()
    mesh = MeshDetector.load().only(astronaut)
    assert mesh is not None
    longer = max(mesh.box[2] - mesh.box[0], mesh.box[3] - mesh.box[1])
    for face_px in (FACE_PX, PREVIEW_PX):
        side = round(astronaut.width * face_px / longer)
        picture = astronaut.resize((side, side), Image.Resampling.LANCZOS)
        face, shown, seconds = placed(engine, picture)
        movements = [Movement(shown, action_units(name)) for name in EXPRESSIONS]
        whole = [milliseconds(partial(edit_face, face, movement)) for movement in movements]
        print(
            f"face of {face_px} px: {statistics.mean(whole):6.1f} ms an edit (mean of 12; longest "
            f"{max(whole):.1f}), once a picture {1000 * seconds:.0f} ms"
        )
        if face_px == FACE_PX:
            print_parts(face, Movement(shown, action_units("surprised")))


def placed(engine: GeometricEngine, picture: Image.Image) -> tuple[Face, ActionUnits, float]:
    """The face of a picture, what it shows, and how long finding out takes (the second time)."""
    networks = load_mesh_networks()
    for _ in range(2):
        started = time.perf_counter()
        mesh = engine.detector.only(picture)
        assert mesh is not None
        face, _ = place_face(np.asarray(picture), mesh)
        shown = without(source_units(networks.blendshapes(mesh)), *KEPT)
        seconds = time.perf_counter() - started
    return face, shown, seconds


def print_parts(face: Face, movement: Movement) -> None:
    moved_cm = move(face.rest_cm, movement)
    scene = Moved(face, movement, face.pose.project(moved_cm), moved_cm)
    source, target = with_rings(face.source, scene.moved)
    triangles = triangles_far_first(target)
    warped = warp(face.pixels, source, target, triangles).astype(np.float32)
    parts: dict[str, Callable[[], object]] = {
        "units to mesh": lambda: move(face.rest_cm, movement),
        "warp": lambda: warp(face.pixels, source, target, triangles).astype(np.float32),
        "mouth": lambda: paint_mouth(warped, scene),
        "eyes": lambda: paint_eyes(warped, scene),
        "skin": lambda: shade_skin(warped.copy(), scene),
        "light (once)": lambda: read_light(face.pixels, face.points),
    }
    for name, call in parts.items():
        print(f"    {name:14s}{milliseconds(call):7.1f} ms")


def faces_of(folder: Path, meter: Meter) -> Iterator[tuple[str, Image.Image, FaceMesh]]:
    """Every face that the engine would take."""
    for path in sorted(folder.iterdir()):
        try:
            image = load_image(path)
        except ImageError:
            continue
        for number, (mesh, _) in enumerate(meter.detector.meshes(image)):
            try:
                place_face(np.asarray(image), mesh)
            except FaceError:
                continue
            if max(mesh.box[2] - mesh.box[0], mesh.box[3] - mesh.box[1]) >= MIN_FACE_PX:
                yield f"{path.stem}-{number}", image, mesh


def read_face(meter: Meter, image: Image.Image, mesh: FaceMesh) -> tuple[list[Reading], int]:
    """The readings of all expressions, and how many pixels changed outside of the mask."""
    pixels = np.asarray(image)
    face, (left, top) = place_face(pixels, mesh)
    shown = without(source_units(meter.networks.blendshapes(mesh)), *KEPT)
    own = meter.identity(pixels, mesh)
    readings, changed = [], 0
    for expression in EXPRESSIONS:
        reading = Reading(expression, [], [])
        for strength in STRENGTHS:
            window = edit_face(face, Movement(shown, in_reach(action_units(expression, strength))))
            changed += int(((window != face.pixels).any(-1) & (face.mask == 0)).sum())
            edited = pixels.copy()
            edited[top : top + window.shape[0], left : left + window.shape[1]] = window
            picture = Picture(Image.fromarray(edited))
            found = meter.mesh(picture, mesh) or mesh
            reading.units.append(source_units(meter.networks.blendshapes(found)))
            cosine = float(meter.identity(edited, found) @ own)
            reading.distances.append(DLIB_LENGTH * float(np.sqrt(max(0.0, 2 - 2 * cosine))))
            reading.verdicts.append(meter.verdict(picture, found))
        readings.append(reading)
    return readings, changed


def vector(units: ActionUnits) -> np.ndarray:
    return np.array(as_vector(units, NOT_MEASURED))


def along(reading: Reading) -> np.ndarray:
    """How far each edit went from the first one towards the units that were asked for: 1 is all the way."""
    asked = vector(action_units(reading.expression))
    seen = np.stack([vector(units) for units in reading.units])
    return np.asarray((seen - seen[0]) @ asked / (asked @ asked))


def nearest(units: ActionUnits) -> str:
    """The expression whose prototype has the most similar units (cosine)."""
    seen = vector(units)
    prototypes = {name: vector(action_units(name)) for name in EXPRESSIONS}
    scores = {
        name: float(seen @ one) / max(1e-6, float(np.linalg.norm(seen) * np.linalg.norm(one)))
        for name, one in prototypes.items()
    }
    return max(scores, key=lambda name: scores[name])


def evenness(places: np.ndarray) -> float:
    """1 where all steps are of one size, 0 where all of the way is made in one of them (or back again)."""
    steps = np.maximum(np.diff(places), 0)
    if steps.sum() <= 0:
        return 0.0
    shares = steps / steps.sum()
    return float(1 - np.abs(shares - 1 / len(shares)).sum() / (2 - 2 / len(shares)))


def print_readings(readings: list[Reading]) -> None:
    print(f"{'':12s}{'way':>7s}{'Pearson':>9s}{'even':>7s}{'nearest':>9s}{'distance':>10s}{'judge':>8s}")
    for expression in EXPRESSIONS:
        print_line(expression, [one for one in readings if one.expression == expression])
    print_line("all", readings)


def print_line(name: str, readings: list[Reading]) -> None:
    ways = [along(one) for one in readings]
    pearson = [float(np.corrcoef(STRENGTHS, way)[0, 1]) if np.ptp(way) > 1e-6 else 0.0 for way in ways]
    right = [nearest(one.units[-1]) == one.expression for one in readings]
    judged = [one for one in readings if one.expression in BASIC_SIX]
    hits = [CLASSES[int(one.verdicts[-1].argmax())] == one.expression for one in judged]
    print(
        f"{name:12s}{np.median([way[-1] for way in ways]):7.2f}{np.median(pearson):9.3f}"
        f"{np.median([evenness(way) for way in ways]):7.2f}{np.mean(right):9.2f}"
        f"{np.median([one.distances[-1] for one in readings]):10.3f}"
        + (f"{np.mean(hits):8.2f}" if judged else f"{'-':>8s}")
    )


def print_verdicts(readings: list[Reading]) -> None:
    print("the expression network's probability of what was asked for, by strength (basic six):")
    for expression in BASIC_SIX:
        index = CLASSES.index(expression)
        rows = [[v[index] for v in one.verdicts] for one in readings if one.expression == expression]
        means = "".join(f"{value:7.2f}" for value in np.mean(rows, axis=0))
        print(f"{expression:12s}{means}")


def draw_sheet(path: Path, meter: Meter, folder: Path, side: int = 200) -> None:
    """All expressions at .5 and 1, a row each for every face."""
    rows = []
    for _, image, mesh in faces_of(folder, meter):
        face, (left, top) = place_face(np.asarray(image), mesh)
        shown = without(source_units(meter.networks.blendshapes(mesh)), *KEPT)
        x0, y0, x1, y1 = mesh.box
        half = 0.6 * max(x1 - x0, y1 - y0)
        middle = np.array([x0 + x1, y0 + y1]) / 2 - (left, top)
        left, top, right, bottom = (int(value) for value in (*(middle - half), *(middle + half)))
        box = left, top, right, bottom
        for strength in (0.5, 1.0):
            windows = [face.pixels]
            for name in EXPRESSIONS:
                windows.append(edit_face(face, Movement(shown, action_units(name, strength))))
            tiles = [Image.fromarray(one).crop(box).resize((side, side)) for one in windows]
            rows.append(np.concatenate([np.asarray(tile) for tile in tiles], axis=1))
    Image.fromarray(np.concatenate(rows)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path, help="a folder of pictures with faces")
    parser.add_argument("--sheet", type=picture_file, help="also a sheet of all edits")
    options = parser.parse_args()
    measure_speed()
    if options.portraits is None:
        return
    meter, readings, changed, number = Meter(), [], 0, 0
    for _, image, mesh in faces_of(options.portraits, meter):
        found, outside = read_face(meter, image, mesh)
        readings += found
        changed += outside
        number += 1
    print(f"{number} faces, {len(EXPRESSIONS)} expressions, strengths {STRENGTHS}; medians:")
    print_readings(readings)
    print_verdicts(readings)
    print(f"changed pixels outside of the mask: {changed}")
    if options.sheet is not None:
        draw_sheet(options.sheet, meter, options.portraits)


if __name__ == "__main__":
    main()
