"""How found faces are counted against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from pixelsmile.faces.detectors.candidates import intersection_over_union
from pixelsmile.faces.face import Face
from recipes.faces.detector.scenes import SceneFace

IOU = 0.5  # from which on a box is that of a face
_SIZE_BINS_PX = (0, 12, 16, 24, 48, 96, 100_000)


@dataclass
class Detections:
    """Adds up what was found in scenes."""

    scores: list[float] = field(default_factory=list)  # of each face that was found
    right: list[bool] = field(default_factory=list)  # whether it is one
    sizes_px: list[float] = field(default_factory=list)  # of each face that must be found
    found_at: list[float] = field(default_factory=list)  # the score that it was found with; 0 if it was not
    num_scenes: int = 0

    def add(
        self, faces: Sequence[Face], required: Sequence[SceneFace], optional: Sequence[SceneFace]
    ) -> None:
        """Count one scene, the surest face first; each true face is found at most once.

        A face found where there is only an optional one counts neither way.
        """
        found_at = [0.0] * len(required)
        for face in sorted(faces, key=lambda face: -face.score):
            overlaps = _overlaps(face, required)
            free = np.where(found_at, 0.0, overlaps)
            hit = bool(free.max(initial=0.0) >= IOU)
            if hit:
                found_at[int(free.argmax())] = face.score
            elif _overlaps(face, optional).max(initial=0.0) >= IOU:
                continue
            self.scores.append(face.score)
            self.right.append(hit)
        self.sizes_px += [face.size_px for face in required]
        self.found_at += found_at
        self.num_scenes += 1

    def summary(self, threshold: float) -> dict[str, object]:
        """Average precision; recall by size and false faces a scene, both from `threshold` on."""
        found = [score > 0 and score >= threshold for score in self.found_at]
        false = [score for score, right in zip(self.scores, self.right, strict=True) if not right]
        bins = {}
        for low, high in pairwise(_SIZE_BINS_PX):
            hits = [hit for hit, size in zip(found, self.sizes_px, strict=True) if low <= size < high]
            name = f"{low}-{high}" if high < _SIZE_BINS_PX[-1] else f"{low}-"
            bins[name] = {"faces": len(hits), "recall": _share(hits)}
        return {
            "scenes": self.num_scenes,
            "faces": len(found),
            "average_precision": average_precision(self.scores, self.right, len(found)),
            "recall": _share(found),
            "recall_by_size_px": bins,
            "false_faces_per_scene": round(
                sum(score >= threshold for score in false) / max(1, self.num_scenes), 4
            ),
        }


def average_precision(scores: Sequence[float], right: Sequence[bool], num_faces: int) -> float | None:
    """The area under precision over recall, precision made falling from the right (PASCAL VOC since 2010).

    Faces of one score enter together: their order means nothing. None without any face to find.
    """
    if num_faces == 0:
        return None
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    scores_N, right_N = np.asarray(scores, np.float64)[order], np.asarray(right, bool)[order]
    last_of_score_N = np.append(scores_N[1:] != scores_N[:-1], True)[: len(scores_N)]
    hits_N = np.cumsum(right_N)
    precision_N = (hits_N / np.arange(1, len(hits_N) + 1))[last_of_score_N]
    recall_N = (hits_N / num_faces)[last_of_score_N]
    envelope_N = np.maximum.accumulate(precision_N[::-1])[::-1]
    return round(float((np.diff(recall_N, prepend=0.0) * envelope_N).sum()), 4)


def box_overlap(face: Face, box: tuple[float, float, float, float]) -> float:
    """Intersection over union of a found face and a true box, 0..1."""
    return float(intersection_over_union(np.asarray(face.box), np.asarray([box]))[0])


def landmark_errors(landmarks_52: np.ndarray, truth_52: np.ndarray) -> np.ndarray:
    """Distances of the five landmarks from the truth, in % of the distance of the true eyes."""
    eyes = np.linalg.norm(truth_52[1] - truth_52[0])
    errors_5: np.ndarray = 100 * np.linalg.norm(landmarks_52 - truth_52, axis=1) / eyes
    return errors_5


def mask_overlap(mask_HW: np.ndarray, truth_HW: np.ndarray) -> float:
    """Intersection over union of the pixels, a soft mask cut at a half; 1 where both are empty."""
    found_HW = mask_HW >= 0.5
    either = np.count_nonzero(found_HW | truth_HW)
    return 1.0 if either == 0 else float(np.count_nonzero(found_HW & truth_HW)) / either


def _overlaps(face: Face, others: Sequence[SceneFace]) -> np.ndarray:
    boxes_N4 = np.asarray([other.box for other in others], np.float64).reshape(-1, 4)
    return intersection_over_union(np.asarray(face.box), boxes_N4)


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 4) if hits else None
