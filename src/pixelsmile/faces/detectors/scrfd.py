"""SCRFD (Guo et al., ICLR 2022, arXiv 2105.04714) from ONNX.

insightface's exports, as in its packs antelopev2 (scrfd_10g_bnkps) and buffalo_l (det_10g, the same file):
for each level of the pyramid scores, distances to the four sides of the box and, in most, to five landmarks,
both in units of the level's stride, from anchors at the top left corner of each cell.

Shapes: N anchors of a level; N4 boxes; N52 landmarks.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.candidates import Candidates, Letterbox
from pixelsmile.faces.face import Face
from pixelsmile.faces.onnx import OnnxFile, network_input

_MEAN, _SCALE = 127.5, 128.0
_PADDING = 0  # black before it is normalised
_DEFAULT_SIZE_PX = 640
_SCORE, _DISTANCES, _LANDMARKS = 1, 4, 10  # the width of an output tells what it is


@dataclass(frozen=True)
class _Pyramid:
    strides: tuple[int, ...]
    num_anchors: int  # at each cell
    widths: tuple[int, ...]


_SMALL, _LARGE = (8, 16, 32), (8, 16, 32, 64, 128)
_PYRAMIDS = {  # number of outputs: how they are made up
    6: _Pyramid(_SMALL, 2, (_SCORE, _DISTANCES)),
    9: _Pyramid(_SMALL, 2, (_SCORE, _DISTANCES, _LANDMARKS)),
    10: _Pyramid(_LARGE, 1, (_SCORE, _DISTANCES)),
    15: _Pyramid(_LARGE, 1, (_SCORE, _DISTANCES, _LANDMARKS)),
}


class ScrfdDetector:
    """Boxes and five landmarks (boxes alone with 6 or 10 outputs), at one size of the input."""

    name = "scrfd"

    def __init__(
        self,
        file: OnnxFile | Path,
        *,
        size_px: int | None = None,
        threshold: float = 0.5,
        overlap: float = 0.4,
    ) -> None:
        """size_px: side of the square that a picture is fitted into (640; a file may fix it).

        ModelError where the file is not an SCRFD, or size_px no multiple of its largest stride.
        """
        self._file = file if isinstance(file, OnnxFile) else OnnxFile(file)
        self._pyramid = _pyramid(self._file)
        self._input_size = self._file.input_size(size_px, _DEFAULT_SIZE_PX)
        stride = self._pyramid.strides[-1]
        if any(side % stride for side in self._input_size):
            raise ModelError(
                f"{self._file.path} takes sides that are multiples of {stride} px: use {_DEFAULT_SIZE_PX}"
            )
        self._threshold, self._overlap = threshold, overlap

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB picture, the surest first; ModelError where the file is no SCRFD."""
        letterbox = Letterbox.fit(image.size, self._input_size)
        canvas_HWC = letterbox.canvas(image, self._input_size, _PADDING)
        found = self.decode(self._file.run(network_input(canvas_HWC, _MEAN, _SCALE)))
        in_picture = found.taken_back(letterbox).from_whole_pixels()
        return in_picture.faces(image.size, self.name, self._threshold, self._overlap)

    def decode(self, outputs: list[np.ndarray]) -> Candidates:
        """The proposals that the outputs, in any order, hold above the threshold, in pixels of the input."""
        levels = [self._by_stride(outputs, width) for width in self._pyramid.widths]
        parts = [
            self._decode_level(stride, *arrays)
            for stride, *arrays in zip(self._pyramid.strides, *levels, strict=True)
        ]
        return Candidates.joined(parts)

    def _by_stride(self, outputs: list[np.ndarray], width: int) -> list[np.ndarray]:
        """The outputs of one width, the finest level first; each must have as many rows as it has anchors."""
        arrays = [
            output.reshape(-1, width) for output in outputs if output.ndim and output.shape[-1] == width
        ]
        arrays.sort(key=len, reverse=True)
        anchors = [self._num_anchors(stride) for stride in self._pyramid.strides]
        if [len(array) for array in arrays] != anchors:
            seen = ", ".join(str(output.shape) for output in outputs)
            raise ModelError(
                f"{self._file.path} is no SCRFD: of width {width} it should give {anchors} rows, it gives "
                f"{seen}; name another file"
            )
        return arrays

    def _num_anchors(self, stride: int) -> int:
        width, height = self._input_size
        return (width // stride) * (height // stride) * self._pyramid.num_anchors

    def _decode_level(
        self, stride: int, scores: np.ndarray, distances_N4: np.ndarray, points: np.ndarray | None = None
    ) -> Candidates:
        scores_N = scores[:, 0].astype(np.float64)
        (rows,) = np.nonzero(~(scores_N < self._threshold))  # NaN stays, to be refused later
        cells, columns = rows // self._pyramid.num_anchors, self._input_size[0] // stride
        anchors_N2 = np.stack([cells % columns, cells // columns], axis=1) * float(stride)
        sides_N4 = distances_N4[rows].astype(np.float64) * stride
        boxes_N4 = np.concatenate([anchors_N2 - sides_N4[:, :2], anchors_N2 + sides_N4[:, 2:]], axis=1)
        if points is None:
            return Candidates(boxes_N4, scores_N[rows], None)
        steps_N52 = points[rows].astype(np.float64).reshape(-1, 5, 2) * stride
        return Candidates(boxes_N4, scores_N[rows], anchors_N2[:, None] + steps_N52)


def is_scrfd(file: OnnxFile) -> bool:
    """Whether the file declares the outputs of an SCRFD."""
    pyramid = _PYRAMIDS.get(len(file.output_shapes))
    if pyramid is None:
        return False
    widths = [shape[-1] if shape else None for shape in file.output_shapes]
    known = [width for width in widths if isinstance(width, int)]
    return all(known.count(width) <= len(pyramid.strides) for width in pyramid.widths) and set(known) <= set(
        pyramid.widths
    )


def _pyramid(file: OnnxFile) -> _Pyramid:
    if not is_scrfd(file):
        seen = ", ".join(str(shape) for shape in file.output_shapes[:4])
        more = ", ..." if len(file.output_shapes) > 4 else ""
        raise ModelError(
            f"{file.path} is no SCRFD: it has {len(file.output_shapes)} outputs ({seen}{more}), an SCRFD has "
            "6, 9, 10 or 15 of width 1, 4 and 10; name another file"
        )
    return _PYRAMIDS[len(file.output_shapes)]
