"""Face parsing: which pixels of a face are skin, brows, eyes, nose and mouth, by a network in an ONNX file.

The interface is that of BiSeNet trained on CelebAMask-HQ (zllrunning/face-parsing.PyTorch and what grew from
it): one RGB picture, normalised by ImageNet's mean and deviation; 19 maps of logits, in the order of
`masks.FACE_CLASSES`. Outputs beyond the first are for training.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.embedded import detector_path
from pixelsmile.errors import ModelError
from pixelsmile.faces.crops import crop_around
from pixelsmile.faces.face import Face, Masker
from pixelsmile.faces.masks import parsed_mask
from pixelsmile.faces.onnx_picture import OnnxFile

EMBEDDED, MESH = "embedded", "mesh"
NUM_CLASSES = 19
CONTEXT = 1.8  # side of the square that is parsed over the face's longer side: CelebA-HQ shows as much
_SIZE_PX = 512
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def load_masker(name: str) -> Masker:
    """The mesh's masks, for photographs; the embedded detector's, for drawn portraits; or those of the face
    parser in an ONNX file. ModelError.
    """
    if name == MESH:
        from pixelsmile.faces.mesh.masks import MeshMasker

        return MeshMasker()
    if name == EMBEDDED:
        from pixelsmile.faces.detectors.drawn import DrawnDetector  # torch takes seconds to load

        return DrawnDetector.from_folder(detector_path())
    return FaceParser(name)


class FaceParser:
    """Masks of faces along their real outlines."""

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
