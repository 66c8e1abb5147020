"""YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023) through OpenCV's FaceDetectorYN.

OpenCV names the landmarks from the person's side: right eye, left eye, nose, right and left corner of the
mouth. The person's right is the viewer's left, so they come in our order already; OpenCV's own
FaceRecognizerSF.alignCrop lays them on the ArcFace template without swapping any.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from pixelsmile.errors import ModelError, install
from pixelsmile.faces.detectors.candidates import Candidates, Letterbox
from pixelsmile.faces.face import Face

_DEFAULT_MAX_SIDE_PX = 1280
_CLOSE_UP_PX = 320  # it was trained on faces of 10 to 300 px: larger ones are found in a small picture
_TOP_K = 5000
_ROW = 15  # x, y, width, height, five landmarks, score
_BOX, _POINTS, _SCORE = slice(0, 4), slice(4, 14), 14


class Network(Protocol):
    """What we use of cv2.FaceDetectorYN."""

    def setInputSize(self, input_size: tuple[int, int]) -> None: ...  # noqa: N802

    def detect(self, image: np.ndarray) -> tuple[int, Any]: ...


class YunetDetector:
    """Boxes and five landmarks, from two looks: one for small faces, and one at small size for close-ups."""

    name = "yunet"

    def __init__(
        self,
        network: Network,
        *,
        max_side_px: int = _DEFAULT_MAX_SIDE_PX,
        threshold: float = 0.6,
        overlap: float = 0.3,
    ) -> None:
        """max_side_px: larger pictures are scaled down to this. threshold, overlap: OpenCV Zoo's."""
        self._network = network
        self._sides = (max_side_px, min(_CLOSE_UP_PX, max_side_px))
        self._threshold, self._overlap = threshold, overlap

    @classmethod
    def from_file(
        cls,
        path: Path,
        *,
        max_side_px: int = _DEFAULT_MAX_SIDE_PX,
        threshold: float = 0.6,
        overlap: float = 0.3,
    ) -> "YunetDetector":
        """From face_detection_yunet_2023mar.onnx. ModelError: no file, no OpenCV, or not a YuNet."""
        network = _open(path, threshold, overlap)
        return cls(network, max_side_px=max_side_px, threshold=threshold, overlap=overlap)

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB picture, the surest first; ModelError where the file is no YuNet."""
        boxes = [
            Letterbox.fit(image.size, (side, side), enlarge=False) for side in dict.fromkeys(self._sides)
        ]
        parts = [self._look(image, box) for box in dict.fromkeys(boxes)]
        found = Candidates.joined(parts)
        return found.faces(image.size, self.name, self._threshold, self._overlap)

    def _look(self, image: Image.Image, letterbox: Letterbox) -> Candidates:
        bgr_HWC = np.ascontiguousarray(np.asarray(letterbox.scaled(image))[:, :, ::-1])

        def run() -> Any:
            self._network.setInputSize(letterbox.resized)
            return self._network.detect(bgr_HWC)[1]

        rows = _or_model_error(run, "YuNet cannot run on this picture")
        rows_NR = np.zeros((0, _ROW)) if rows is None else np.asarray(rows, np.float64)
        if rows_NR.ndim != 2 or rows_NR.shape[1] != _ROW:
            raise ModelError(f"YuNet gives rows of shape {rows_NR.shape}, not N x {_ROW}: name another file")
        corner_N2, size_N2 = rows_NR[:, _BOX][:, :2], rows_NR[:, _BOX][:, 2:]
        found = Candidates(
            np.concatenate([corner_N2, corner_N2 + size_N2], axis=1),
            rows_NR[:, _SCORE],
            rows_NR[:, _POINTS].reshape(-1, 5, 2),
        )
        return found.taken_back(letterbox).from_whole_pixels()


def _open(path: Path, threshold: float, overlap: float) -> Network:
    if not path.is_file():
        raise ModelError(f"there is no face detector {str(path)!r}: check the path")
    try:
        import cv2
    except ImportError as error:
        raise ModelError(f"YuNet needs OpenCV, which is not installed: {install('faces')}") from error
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_SILENT)  # it writes to the terminal what it also raises
    try:
        network: Network = _or_model_error(
            lambda: cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold, overlap, _TOP_K),
            f"{str(path)!r} is no YuNet, or cut short",
        )
    finally:
        log.setLogLevel(level)
    return network


def _or_model_error(call: Callable[[], Any], trouble: str) -> Any:
    import cv2

    try:
        return call()
    except cv2.error as error:
        reason = str(error.err or error).strip().splitlines()[0][:120]
        raise ModelError(
            f"{trouble} ({reason}): fetch face_detection_yunet_2023mar.onnx again "
            "(pixelsmile models fetch yunet)"
        ) from error
