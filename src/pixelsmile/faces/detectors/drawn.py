"""The embedded detector: faces of drawn portraits, with landmarks and masks. It knows no other faces.

It looks at the whole picture at several sizes, and then at each face closely, at one size of its own. The
close look gives box, landmarks and mask; how sure it is is the geometric mean of both looks.
Shape suffixes: N faces, H and W rows and columns, C channels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pixelsmile.faces.detectors.candidates import Candidates, Letterbox
from pixelsmile.faces.face import Box, Face
from pixelsmile.networks.face_detector import (
    COARSEST_PX,
    CloseMaps,
    DrawnFaceNetwork,
    FoundMaps,
    marks_in_pixels,
)

PADDING = 128  # 0 for the network
CLOSE_PX = 128  # side of what a close look sees
CLOSE_CONTEXT = 1.5  # that side over the longer side of the face's box
_SMALLEST_LOOK_PX = 160
_LARGEST_FACE_PX = 230.0  # that it is trained to find in a look; smaller looks show larger faces smaller
_FACES_AT_ONCE = 16


class DrawnDetector:
    """Boxes, five landmarks and masks of drawn portraits in both styles, from 12 px to the whole picture."""

    name = "embedded"

    def __init__(
        self,
        network: DrawnFaceNetwork,
        *,
        max_side_px: int = 2560,
        threshold: float = 0.5,
        overlap: float = 0.4,
    ) -> None:
        """max_side_px: larger pictures are scaled down to this."""
        self._network = network
        self._max_side_px = max_side_px
        self._threshold, self._overlap = threshold, overlap

    @classmethod
    def from_folder(cls, folder: Path, *, threshold: float = 0.5) -> "DrawnDetector":
        """From config.json and model.safetensors; ModelError where they are absent or damaged."""
        return cls(DrawnFaceNetwork.load(folder), threshold=threshold)

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB picture, the surest first."""
        found = Candidates.joined([self._look(image, *look) for look in self._looks(image.size)])
        # A close look raises no score above its root: what is dropped here could not have passed.
        first = found.faces(image.size, self.name, self._threshold**2, self._overlap)
        return self._look_closer(image, first).faces(image.size, self.name, self._threshold, self._overlap)

    @torch.inference_mode()
    def mask(self, image: Image.Image, face: Face) -> np.ndarray:
        """How likely each pixel is visible skin of `face` or a feature in it: float32 (H, W), 0..1.

        face: from this detector, or any box; outside of its surroundings the mask is 0.
        """
        crop = CloseCrop.around(face.box)
        _, details = self._network.look_closely(to_tensor(crop.cut(image)[None]))
        side = (crop.side_px, crop.side_px)
        logits_HW = nn.functional.interpolate(details.mask[None], size=side, mode="bilinear")[0, 0]
        return crop.laid_out(torch.sigmoid(logits_HW).numpy(), image.size)

    def _looks(self, size: tuple[int, int]) -> Iterator[tuple[Letterbox, float]]:
        """The sizes at which the picture is looked at, and the largest face that counts in each."""
        side = min(max(size), self._max_side_px)
        sides: list[int] = []
        while not sides or side >= _SMALLEST_LOOK_PX:
            sides.append(side)
            side //= 2
        for side in sides:
            yield (
                Letterbox.fit(size, (side, side), enlarge=False),
                _LARGEST_FACE_PX if side != sides[-1] else math.inf,
            )

    @torch.inference_mode()
    def _look(self, image: Image.Image, letterbox: Letterbox, largest_px: float) -> Candidates:
        width, height = (_rounded_up(side, COARSEST_PX) for side in letterbox.resized)
        canvas_HWC = letterbox.canvas(image, (width, height), PADDING)
        found = peaks(self._network(to_tensor(canvas_HWC[None])), self._threshold**2)
        sides_N2 = found.boxes[:, 2:] - found.boxes[:, :2]
        fits_N = ~(np.sqrt(sides_N2.prod(1)) > largest_px)  # NaN stays, to be refused
        return found.chosen(fits_N).taken_back(letterbox)

    @torch.inference_mode()
    def _look_closer(self, image: Image.Image, faces: list[Face]) -> Candidates:
        parts = [Candidates(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))]
        for start in range(0, len(faces), _FACES_AT_ONCE):
            some = faces[start : start + _FACES_AT_ONCE]
            crops = [CloseCrop.around(face.box) for face in some]
            pictures_BCHW = to_tensor(np.stack([crop.cut(image) for crop in crops]))
            boxes_B4 = np.stack([crop.box_within(face.box) for crop, face in zip(crops, some, strict=True)])
            seen = closer(*self._network.look_closely(pictures_BCHW), boxes_B4)
            for row, (crop, face) in enumerate(zip(crops, some, strict=True)):
                score = math.sqrt(face.score * seen.scores[row])
                parts.append(crop.taken_back(seen.chosen(np.asarray([row])), score))
        return Candidates.joined(parts)


@dataclass(frozen=True)
class CloseCrop:
    """The square of a picture that a close look sees, in whole pixels; it may reach beyond the picture."""

    x: int
    y: int
    side_px: int

    @classmethod
    def around(cls, box: Box) -> "CloseCrop":
        """With CLOSE_CONTEXT around a box."""
        x0, y0, x1, y1 = box
        side = max(1, round(CLOSE_CONTEXT * max(x1 - x0, y1 - y0)))
        return cls(round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2), side)

    def cut(self, image: Image.Image) -> np.ndarray:
        """The pixels, HWC uint8, CLOSE_PX a side; grey beyond the picture."""
        square = Image.new("RGB", (self.side_px, self.side_px), (PADDING, PADDING, PADDING))
        x0, y0, x1, y1 = self._inside(image.size)
        square.paste(image.crop((x0, y0, x1, y1)), (x0 - self.x, y0 - self.y))
        return np.asarray(square.resize((CLOSE_PX, CLOSE_PX), Image.Resampling.BILINEAR))

    def box_within(self, box: Box) -> np.ndarray:
        """A box of the picture in the pixels of what `cut` gives: 4."""
        corner_4 = np.array([self.x, self.y, self.x, self.y], np.float64)
        return (np.array(box) - corner_4) * (CLOSE_PX / self.side_px)

    def taken_back(self, seen: Candidates, score: float) -> Candidates:
        """What was seen in the crop, in the pixels of the picture, with a score."""
        scale, corner_2 = self.side_px / CLOSE_PX, np.array([self.x, self.y], np.float64)
        corners = seen.boxes.reshape(-1, 2, 2) * scale + corner_2
        landmarks = None if seen.landmarks is None else seen.landmarks * scale + corner_2
        return Candidates(corners.reshape(-1, 4), np.full(len(corners), score), landmarks)

    def laid_out(self, square_HW: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """A map of the crop's pixels in a picture of `size` (width, height): 0 outside of the crop."""
        whole_HW = np.zeros((size[1], size[0]), square_HW.dtype)
        x0, y0, x1, y1 = self._inside(size)
        whole_HW[y0:y1, x0:x1] = square_HW[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        return whole_HW

    def _inside(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The part of the crop within a picture; without area where they do not meet."""
        x0, y0 = (min(max(0, place), length) for place, length in zip((self.x, self.y), size, strict=True))
        x1 = max(x0, min(self.x + self.side_px, size[0]))
        return x0, y0, x1, max(y0, min(self.y + self.side_px, size[1]))


def peaks(maps: FoundMaps, threshold: float) -> Candidates:
    """The cells of one picture that are surer than their neighbours, and at least `threshold`."""
    highest_BHW = nn.functional.max_pool2d(maps.centre[:, None], 3, stride=1, padding=1)[:, 0]
    scores_HW = torch.sigmoid(maps.centre[0].double())
    passes_HW = (maps.centre >= highest_BHW)[0] & ~(scores_HW < threshold)
    rows, columns = torch.nonzero(passes_HW | ~torch.isfinite(scores_HW), as_tuple=True)
    return Candidates(
        maps.boxes[0, :, rows, columns].T.double().numpy(),
        scores_HW[rows, columns].numpy(),
        maps.points[0, :, :, rows, columns].permute(2, 0, 1).double().numpy(),
    )


def closer(found: FoundMaps, details: CloseMaps, boxes_B4: np.ndarray) -> Candidates:
    """The face of each close look that was meant, however unsure; landmarks from the details.

    boxes_B4: where the first look saw it, in pixels of the close look. Of all cells the one counts that is
    sure and has nearly this box: a small face before a large one must not take its place.
    """
    scores_BN = torch.sigmoid(found.centre.double()).flatten(1)
    overlaps_BN = _overlaps(found.boxes.double().flatten(2), torch.from_numpy(boxes_B4)[..., None])
    best_B = (scores_BN * overlaps_BN).argmax(1)
    which_B = torch.arange(len(best_B))
    return Candidates(
        found.boxes.double().flatten(2)[which_B, :, best_B].numpy(),
        scores_BN[which_B, best_B].numpy(),
        marks_in_pixels(details.marks.double()).numpy(),
    )


def _overlaps(boxes_B4N: Tensor, one_B41: Tensor) -> Tensor:
    """Intersection over union of N boxes with one, 0..1."""
    low_B2N = torch.maximum(boxes_B4N[:, :2], one_B41[:, :2])
    high_B2N = torch.minimum(boxes_B4N[:, 2:], one_B41[:, 2:])
    shared_BN = (high_B2N - low_B2N).clamp(min=0).prod(1)
    areas_BN, area_B1 = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (boxes_B4N, one_B41))
    return shared_BN / (areas_BN + area_B1 - shared_BN)


def to_tensor(pixels_BHWC: np.ndarray) -> Tensor:
    """uint8 pictures as the network takes them; PADDING becomes 0."""
    levels_BHWC = pixels_BHWC.astype(np.float32) / PADDING - 1
    return torch.from_numpy(np.ascontiguousarray(levels_BHWC.transpose(0, 3, 1, 2)))


def _rounded_up(value: int, step: int) -> int:
    return -(-value // step) * step
