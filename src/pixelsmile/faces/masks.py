"""Where the face is, pixel by pixel: masks from landmarks, from a box or from a parsing, with soft edges.

A mask is float32 (H, W) in 0..1: 1 on the face, 0 off it, and between them at a soft edge.
"""

import math
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pixelsmile.embedded import detector_path
from pixelsmile.errors import FaceError, InputError, ModelError
from pixelsmile.faces.crops import crop_around
from pixelsmile.faces.face import Face, Masker
from pixelsmile.faces.mesh.mesh import FaceMesh
from pixelsmile.faces.mesh.networks import load_mesh_networks
from pixelsmile.faces.onnx import OnnxFile

MAX_ROLL_DEG = 40.0  # beyond it a box says too little about the face inside
# CelebAMask-HQ's classes in the order of the usual face parsers, those that belong to a face
FACE_CLASSES = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)  # skin, brows, eyes, glasses, nose, mouth, lips

EMBEDDED, MESH = "embedded", "mesh"
NUM_CLASSES = 19
CONTEXT = 1.8  # side of the square that is parsed over the face's longer side: CelebA-HQ shows as much
_SIZE_PX = 512
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_SUPERSAMPLING = 4  # for edges that are soft over one pixel
_BAND_PX = 256  # rows at a time, so that no picture fills the memory


def face_mask(face: Face, size: tuple[int, int], *, grow: float = 1.0, soft: float = 0.0) -> np.ndarray:
    """The mask of a face in a picture of `size` (width, height): the ellipse that fills its box.

    Where there are landmarks, it is tilted with the eyes. grow: scales the mask about its middle. soft: share
    of the radius over which it falls to 0, inside of it: outside of the hard mask it is 0 whatever the
    softness.
    """
    if grow <= 0 or not 0 <= soft <= 1:
        raise InputError(f"grow must be above 0 and soft from 0 to 1, not {grow!r} and {soft!r}")
    width, height = size
    mask_HW = np.empty((height, width), np.float32)
    for top in range(0, height, _BAND_PX):
        rows = slice(top, min(top + _BAND_PX, height))
        depth = 1 - _radius(face, width, rows) / grow  # 1 in the middle, 0 on the edge
        ramp = np.clip(depth / soft, 0, 1) if soft else depth > 0
        mask_HW[rows] = ramp * ramp * (3 - 2 * ramp) if soft else ramp
    return mask_HW


def roll(face: Face) -> float:
    """How far the eyes are tilted, in radians, clockwise; 0 without landmarks."""
    if face.landmarks_5 is None:
        return 0.0
    x, y = face.landmarks_5[1] - face.landmarks_5[0]
    limit = math.radians(MAX_ROLL_DEG)
    return min(limit, max(-limit, math.atan2(y, x)))


def parsed_mask(classes_HW: np.ndarray, chosen: tuple[int, ...] = FACE_CLASSES) -> np.ndarray:
    """The mask of the pixels that a face parser gave one of the chosen classes."""
    if classes_HW.ndim != 2 or not np.issubdtype(classes_HW.dtype, np.integer):
        raise InputError(f"a parsing is whole numbers (H, W), not {classes_HW.dtype} {classes_HW.shape}")
    return np.isin(classes_HW, chosen).astype(np.float32)


def feathered(mask_HW: np.ndarray, radius_px: float) -> np.ndarray:
    """The mask with an edge that falls to 0 over about `radius_px`, outside of it: inside it is 1."""
    if radius_px <= 0:
        return (mask_HW > 0).astype(np.float32)
    image = Image.fromarray((mask_HW > 0).astype(np.uint8) * 255)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(radius_px / 2)), np.float32) / 255
    return np.maximum(np.clip(2 * blurred, 0, 1), mask_HW > 0).astype(np.float32)


def background_mask(mask_HW: np.ndarray, margin_px: int = 0) -> np.ndarray:
    """Where no face is, bool (H, W), at least `margin_px` away from the mask: for background errors."""
    image = Image.fromarray((mask_HW > 0).astype(np.uint8) * 255)
    if margin_px > 0:
        image = image.filter(ImageFilter.MaxFilter(2 * margin_px + 1))
    return np.asarray(image) == 0


def _radius(face: Face, width: int, rows: slice) -> np.ndarray:
    """Distance from the middle of the face in those rows of a picture, 1 on its outline."""
    x0, y0, x1, y1 = face.box
    y, x = np.ogrid[rows.start + 0.5 : rows.stop, 0.5:width]
    x, y = x - (x0 + x1) / 2, y - (y0 + y1) / 2
    angle = roll(face)
    cos, sin = math.cos(angle), math.sin(angle)
    across, along = _radii(face, cos * cos, sin * sin)
    return np.hypot((cos * x + sin * y) / across, (cos * y - sin * x) / along)


def _radii(face: Face, cos2: float, sin2: float) -> tuple[float, float]:
    """Of the ellipse that fills the box once it is tilted; a box too square for its tilt keeps its own."""
    half_width2, half_height2 = (face.width / 2) ** 2, (face.height / 2) ** 2
    across2 = (half_width2 * cos2 - half_height2 * sin2) / (cos2 - sin2)
    along2 = (half_height2 * cos2 - half_width2 * sin2) / (cos2 - sin2)
    if min(across2, along2) < min(half_width2, half_height2) / 4:
        across2, along2 = half_width2, half_height2
    return math.sqrt(across2), math.sqrt(along2)


class MeshMasker:
    """A `Masker` of photographs: the face from the upper forehead to the chin."""

    name = "mesh"

    def mask(self, image: Image.Image, face: Face) -> np.ndarray:
        """See `Masker`. FaceError where the landmark network sees no face at that place."""
        mesh = load_mesh_networks().fit(image, face)
        if mesh is None:
            raise FaceError("the mesh finds no face where one was chosen: leave out --parser mesh")
        return part_mask(mesh, "oval", image.size)


def part_mask(mesh: FaceMesh, part: str, size: tuple[int, int]) -> np.ndarray:
    """A part of the mesh (see `FaceMesh.outline`) in a picture of `size`: float32 (H, W), 0..1."""
    outline = mesh.outline(part)
    low = np.floor(np.clip(outline.min(0), 0, size)).astype(int)
    high = np.ceil(np.clip(outline.max(0), 0, size)).astype(int)
    width, height = (int(side) for side in np.maximum(high - low, 0))
    mask_HW = np.zeros((size[1], size[0]), np.float32)
    if width and height:
        large = Image.new("L", (width * _SUPERSAMPLING, height * _SUPERSAMPLING))
        points = [tuple(point) for point in ((outline - low) * _SUPERSAMPLING).tolist()]
        ImageDraw.Draw(large).polygon(points, fill=255)
        small = np.asarray(large.reduce(_SUPERSAMPLING), np.float32) / 255
        mask_HW[low[1] : low[1] + height, low[0] : low[0] + width] = small
    return mask_HW


def load_masker(name: str) -> Masker:
    """The mesh's masks, for photographs; the embedded detector's, for drawn portraits; or those of the face
    parser in an ONNX file. ModelError.
    """
    if name == MESH:
        return MeshMasker()
    if name == EMBEDDED:
        from pixelsmile.faces.detectors.drawn import DrawnDetector  # torch takes seconds to load

        return DrawnDetector.from_folder(detector_path())
    return FaceParser(name)


class FaceParser:
    """Masks of faces along their real outlines, by a network in an ONNX file.

    The interface is that of BiSeNet trained on CelebAMask-HQ (zllrunning/face-parsing.PyTorch and what grew
    from it): one RGB picture, normalised by ImageNet's mean and deviation; NUM_CLASSES maps of logits, in the
    order of FACE_CLASSES. Outputs beyond the first are for training.
    """

    def __init__(self, path: str | Path) -> None:
        """ModelError where the file is no face parser of the interface above."""
        self._file = OnnxFile(Path(os.path.expanduser(path)), "face parser")
        self._size = self._file.input_size(None, _SIZE_PX)
        self.name = self._file.path.name

    def classes(self, image: Image.Image) -> np.ndarray:
        """The class of each pixel of an upright RGB picture that shows one face: int64 (H, W)."""
        small = np.asarray(image.resize(self._size, Image.Resampling.BILINEAR), np.float32) / 255
        input_BCHW = np.ascontiguousarray(((small - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None])
        logits_BCHW = self._file.run(input_BCHW)[0]
        self._check(logits_BCHW)
        found = Image.fromarray(logits_BCHW[0].argmax(0).astype(np.uint8))
        return np.asarray(found.resize(image.size, Image.Resampling.NEAREST)).astype(np.int64)

    def mask(self, image: Image.Image, face: Face) -> np.ndarray:
        """1 on the visible skin and features of the face, 0 elsewhere: float32 (H, W)."""
        crop = crop_around(face, image.size, CONTEXT)
        x0, y0, x1, y1 = crop.inside
        parsed_HW = parsed_mask(self.classes(crop.cut(image)))
        mask_HW = np.zeros((image.height, image.width), np.float32)
        mask_HW[y0:y1, x0:x1] = parsed_HW[y0 - crop.top : y1 - crop.top, x0 - crop.left : x1 - crop.left]
        return mask_HW

    def _check(self, logits_BCHW: np.ndarray) -> None:
        if logits_BCHW.ndim != 4 or logits_BCHW.shape[:2] != (1, NUM_CLASSES) or not logits_BCHW.size:
            shape = " x ".join(map(str, logits_BCHW.shape))
            raise ModelError(
                f"{self._file.path} gives {shape} numbers: a face parser gives 1 x {NUM_CLASSES} x height x "
                "width (BiSeNet, CelebAMask-HQ)"
            )
        if not np.isfinite(logits_BCHW).all():
            raise ModelError(f"{self._file.path} gives numbers that are not finite: fetch or export it again")
