"""Which detector: by name, by file, or the best that is here; and faces that lie on their side."""

import importlib.util
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.embedded import detector_path, photo_path
from pixelsmile.errors import ModelError, install
from pixelsmile.faces.alignment import landmarks_of_box
from pixelsmile.faces.detectors.cascade import CascadeDetector
from pixelsmile.faces.detectors.onnx_boxes import OnnxBoxesDetector
from pixelsmile.faces.detectors.scrfd import ScrfdDetector, is_scrfd
from pixelsmile.faces.detectors.yunet import YunetDetector
from pixelsmile.faces.face import Detector, Face
from pixelsmile.faces.onnx import OnnxFile
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.hashing import sha256_json
from pixelsmile.store.weight_hashes import remembered_sha256, sha256_weights

AUTO, MESH = "auto", "mesh"
_CASCADE = "it finds frontal faces only and may miss others: `pixelsmile faces` shows what it sees"
MESH_FILES = ("detector-short.onnx", "detector-full.onnx", "landmarks.onnx", "mesh.safetensors")
_ONLY_DRAWN = "detector {}: knows portraits that pixelsmile draws only; on other pictures it says little"
SURE = 0.6  # below it the cascade sees faces in cats, too, and in photographs that lie on their side
_FIND_THEM = ("mesh", "embedded")  # any angle; portraits that are drawn upright
_TURNS = {  # degrees, clockwise, by which a picture lies: what puts it upright
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kind:
    """module: what must be installed. weights: its file in the catalogue, if it needs one.

    only_drawn: it knows drawn portraits and nothing else.
    """

    load: Callable[[], Detector]
    module: str
    weights: str | None
    strength: str  # why it is taken
    only_drawn: bool = False

    @property
    def has_weights(self) -> bool:
        """Whether they lie where they should, or none are needed."""
        return self.weights is None or WEIGHTS[self.weights].is_there


def _embedded() -> Detector:
    from pixelsmile.faces.detectors.drawn import DrawnDetector  # torch takes seconds to load

    return DrawnDetector.from_folder(detector_path())


def _mesh() -> Detector:
    from pixelsmile.faces.detectors.mesh import MeshDetector

    return MeshDetector.load()


# The best first: `auto` takes the first that can run here, and one for drawings only where it is a drawing.
DETECTORS = {
    "embedded": _Kind(_embedded, "torch", None, "trained on drawn portraits, which this is", only_drawn=True),
    "mesh": _Kind(_mesh, "onnxruntime", None, "for photographs; ships"),
    "scrfd": _Kind(
        lambda: ScrfdDetector(WEIGHTS["scrfd"].require()), "onnxruntime", "scrfd", "the most accurate"
    ),
    "yunet": _Kind(
        lambda: YunetDetector.from_file(WEIGHTS["yunet"].require()), "cv2", "yunet", "accurate and fast"
    ),
    "cascade": _Kind(CascadeDetector, "skimage", None, _CASCADE),
}


@dataclass(frozen=True)
class DetectorChoice:
    """The name of a detector, or a file.

    reason: one line for the person, where they left the choice open or it can do less than they may think.
    """

    name: str
    reason: str | None = None


def choose_detector(name: str = AUTO, *, drawn: bool = False) -> DetectorChoice:
    """What `auto` comes to on this machine; anything else stands as it is.

    drawn: whether the picture is known to be one of our drawn portraits. Of any other, `auto` never asks a
    detector that knows drawings only, and one that is asked by name comes with a warning.
    ModelError where nothing can run. Weights that are damaged are an error, never passed over.
    """
    if name != AUTO:
        if name == "cascade":
            return DetectorChoice(name, f"detector {name}: {_CASCADE}")
        alien = name in DETECTORS and DETECTORS[name].only_drawn and not drawn
        return DetectorChoice(name, _ONLY_DRAWN.format(name) if alien else None)
    missing: list[str] = []
    for candidate, kind in DETECTORS.items():
        if kind.only_drawn and not drawn:
            continue
        if importlib.util.find_spec(kind.module) is None:
            missing.append(f"{candidate} is not installed")
        elif not kind.has_weights:
            missing.append(f"{candidate} has no weights")
        else:
            if candidate == MESH:  # what is always there needs no word
                return DetectorChoice(candidate)
            why = "".join(f"; {reason}" for reason in missing)
            hint = " (pixelsmile models list)" if missing else ""
            return DetectorChoice(candidate, f"detector {candidate}: {kind.strength}{why}{hint}")
    raise ModelError(
        f"no face detector can run here ({', '.join(missing)}): {install('faces')}, or say where the face "
        "is with --face x,y,width,height"
    )


def detector_sha256(name: str = AUTO, *, drawn: bool = False) -> str | None:
    """The SHA-256 of what `load_detector` reads for that name; None for the cascade, which has none."""
    choice = choose_detector(name, drawn=drawn).name
    kind = DETECTORS.get(choice)
    if kind is None:
        return remembered_sha256(Path(os.path.expanduser(choice)))
    if kind.only_drawn:
        return sha256_weights(detector_path())
    if choice == MESH:
        return sha256_json({file: remembered_sha256(photo_path() / file) for file in MESH_FILES})
    return None if kind.weights is None else remembered_sha256(WEIGHTS[kind.weights].path)


def load_detector(name: str = AUTO, *, drawn: bool = False) -> Detector:
    """The detector called `name`: auto, one of DETECTORS, or the path of an ONNX file.

    drawn: see `choose_detector`.
    A file may be an SCRFD, or any detector with the interface that `onnx_boxes` states.
    ModelError, saying which file to put where or what to install, where it cannot run.
    """
    choice = choose_detector(name, drawn=drawn)
    if choice.reason is not None:
        logger.info("%s", choice.reason)
    if choice.name in DETECTORS:
        return DETECTORS[choice.name].load()
    if not choice.name.lower().endswith(".onnx"):
        raise ModelError(
            f"unknown detector {name!r}: use {AUTO}, {', '.join(DETECTORS)}, or the path of an .onnx file"
        )
    file = OnnxFile(Path(os.path.expanduser(choice.name)))
    return ScrfdDetector(file) if is_scrfd(file) else OnnxBoxesDetector(file)


def any_way_up(detector: Detector) -> "AnyWayUp":
    """That detector, made to find turned faces too, where it does not by itself."""
    return AnyWayUp(detector, turns={} if detector.name in _FIND_THEM else _TURNS)


class AnyWayUp:
    """A detector that, where it is SURE of no face, looks at the picture turned by 90, 180 and 270 degrees.

    Where it is sure there, those are the faces, and they have landmarks, which tell which way up they are:
    for a detector that has none, those of an upright face in the box.
    """

    def __init__(self, detector: Detector, turns: Mapping[int, Image.Transpose] = _TURNS) -> None:
        self._detector = detector
        self._turns = turns

    @property
    def name(self) -> str:
        return self._detector.name

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of a picture, the surest first."""
        return self.look(image)[0]

    def look(self, image: Image.Image) -> tuple[list[Face], int]:
        """The faces, and by how many degrees, clockwise, the picture seems to lie: 0, 90, 180 or 270."""
        upright = self._detector.detect(image)
        if _surest(upright) >= SURE or not self._turns:
            return upright, 0
        found = {turn: self._detector.detect(image.transpose(how)) for turn, how in self._turns.items()}
        turn = max(found, key=lambda turn: _surest(found[turn]))
        if _surest(found[turn]) < SURE:
            return upright, 0
        return [_laid_back(face, turn, image.size) for face in found[turn]], turn


def _surest(faces: list[Face]) -> float:
    return max((face.score for face in faces), default=0.0)


def _laid_back(face: Face, turn: int, size: tuple[int, int]) -> Face:
    """A face of the turned picture in the picture of `size` (width, height) as it lies."""
    marks_52 = landmarks_of_box(face.box) if face.landmarks_5 is None else face.landmarks_5
    corners = _points_back(np.reshape(face.box, (2, 2)), turn, size)
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    return Face((x0, y0, x1, y1), _points_back(marks_52, turn, size), face.score, face.source)


def _points_back(points_N2: np.ndarray, turn: int, size: tuple[int, int]) -> np.ndarray:
    (x, y), (width, height) = points_N2.T, size
    match turn:
        case 90:
            back = width - y, x
        case 180:
            back = width - x, height - y
        case _:
            back = y, height - x
    return np.stack(back, axis=1)
