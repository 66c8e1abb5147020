"""Any ONNX face detector of a stated interface, for anime faces above all.

It takes one picture, 1 x 3 x height x width in float32: RGB, 0..1, kept in proportion in the top left corner,
the rest grey (114). It gives one output, in pixels of that input:

- N x 5: x0 y0 x1 y1 score;
- N x 6: x0 y0 x1 y1 score class;
- N x 15: x0 y0 x1 y1 score, then x y of left eye, right eye, nose, left and right corner of the mouth, as the
  viewer sees them;
- 1 x (4 + classes) x anchors: the raw export of YOLOv8 (centre x, centre y, width, height, a score for each
  class; one anchor for each cell of 8, 16 and 32 px), as in deepghs/anime_face_detection.

The first three may have a batch of one in front. Where there are classes, `names` in the file's metadata says
which is the face; without it, it is class 0.

Shapes: NR rows of numbers; N one a row.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.candidates import Candidates, Letterbox
from pixelsmile.faces.face import Face
from pixelsmile.faces.onnx import OnnxFile, network_input
from pixelsmile.limits import shown

_WIDTHS = (5, 6, 15)
_BOX, _SCORE, _CLASS, _POINTS = slice(0, 4), 4, 5, slice(5, 15)
_NUM_BOX = 4
_YOLO_STRIDES = (8, 16, 32)
_PADDING = 114
_DEFAULT_SIZE_PX = 640
_FACE = "face"
_MAX_NAMES = 65_536  # characters of all class names
_MAX_ROWS = 100_000
_INTERFACE = "one output N x 5, N x 6, N x 15 or 1 x (4 + classes) x anchors (docstring of onnx_boxes)"


class OnnxBoxesDetector:
    """Boxes, and landmarks where the file gives them, at one size of the input. Its name is the file's."""

    def __init__(
        self,
        file: OnnxFile | Path,
        *,
        size_px: int | None = None,
        threshold: float = 0.4,
        overlap: float = 0.5,
    ) -> None:
        """size_px: side of the square that a picture is fitted into (640, or what the file fixes).

        ModelError where the file does not declare the interface.
        """
        self._file = file if isinstance(file, OnnxFile) else OnnxFile(file)
        self._input_size = self._file.input_size(size_px, _DEFAULT_SIZE_PX)
        self._check_declared()
        self._face_class, self._num_classes = _classes(self._file)
        self._threshold, self._overlap = threshold, overlap

    @property
    def name(self) -> str:
        return self._file.path.name

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB picture, the surest first; ModelError where the output is another."""
        letterbox = Letterbox.fit(image.size, self._input_size)
        canvas_HWC = letterbox.canvas(image, self._input_size, _PADDING)
        found = self.decode(self._file.run(network_input(canvas_HWC, 0.0, 255.0))[0])
        return found.taken_back(letterbox).faces(image.size, self.name, self._threshold, self._overlap)

    def decode(self, output: np.ndarray) -> Candidates:
        """The proposals in an output of the interface, in pixels of the input."""
        if output.ndim == 3 and output.shape[0] == 1:
            output = output[0]
            if output.shape[1] == self._num_yolo_anchors and output.shape[0] > _NUM_BOX:
                return self._decode_yolo(output.T.astype(np.float64))
        if output.ndim != 2 or output.shape[1] not in _WIDTHS or len(output) > _MAX_ROWS:
            raise self._unknown(str(output.shape))
        return self._decode_rows(output.astype(np.float64))

    def _decode_rows(self, rows_NR: np.ndarray) -> Candidates:
        if rows_NR.shape[1] == _CLASS + 1:
            rows_NR = rows_NR[rows_NR[:, _CLASS] == self._face_class]
        points = rows_NR[:, _POINTS]
        landmarks = points.reshape(-1, 5, 2) if points.shape[1] == 10 else None
        return Candidates(rows_NR[:, _BOX], rows_NR[:, _SCORE], landmarks)

    def _decode_yolo(self, rows_NR: np.ndarray) -> Candidates:
        scores_NR = rows_NR[:, _NUM_BOX:]
        if self._num_classes not in (None, scores_NR.shape[1]):
            raise ModelError(
                f"{self._file.path} names {self._num_classes} classes and scores {scores_NR.shape[1]}: "
                "it is no detector of boxes alone; name another file"
            )
        centre_N2, size_N2 = rows_NR[:, _BOX][:, :2], rows_NR[:, _BOX][:, 2:]
        boxes_N4 = np.concatenate([centre_N2 - size_N2 / 2, centre_N2 + size_N2 / 2], axis=1)
        return Candidates(boxes_N4, scores_NR[:, self._face_class], None)

    @property
    def _num_yolo_anchors(self) -> int:
        width, height = self._input_size
        return sum((width // stride) * (height // stride) for stride in _YOLO_STRIDES)

    def _check_declared(self) -> None:
        """Refuse what cannot be right before it is run; names in place of numbers are looked at then."""
        shapes = self._file.output_shapes
        if len(shapes) != 1 or len(shapes[0]) not in (2, 3):
            raise self._unknown(", ".join(map(str, shapes)))
        rows, width = shapes[0][-2:]
        raw = isinstance(rows, int) and rows > _NUM_BOX and len(shapes[0]) == 3
        if isinstance(width, int) and width not in _WIDTHS and not (raw and width == self._num_yolo_anchors):
            raise self._unknown(str(shapes[0]))

    def _unknown(self, seen: str) -> ModelError:
        return ModelError(f"{self._file.path} is no known face detector: it gives {seen}, not {_INTERFACE}")


def _classes(file: OnnxFile) -> tuple[int, int | None]:
    """Which class is the face, and how many there are where the file names them."""
    text = file.metadata.get("names")
    if text is None:
        return 0, None
    try:
        names = _class_names(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError):
        raise ModelError(
            f"{file.path} has class names that cannot be read ({shown(text)}): give them as {{0: 'face'}}"
        ) from None
    faces = [index for index, name in names.items() if name == _FACE] or ([0] if len(names) == 1 else [])
    if not faces:
        raise ModelError(f"{file.path} finds {', '.join(names.values())}, but no {_FACE}: name another file")
    return faces[0], len(names)


def _class_names(text: str) -> dict[int, str]:
    """The names by their numbers, which count from 0; what `ast` raises, and ValueError."""
    found = ast.literal_eval(text) if len(text) <= _MAX_NAMES else None
    if not isinstance(found, Mapping) or set(found) != set(range(len(found))):
        raise ValueError("no classes from 0 on")
    return {index: str(name).lower() for index, name in found.items()}
