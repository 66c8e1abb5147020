"""The pictures that are trained on: the square in the middle of a picture, at the working size."""

import numpy as np
from PIL import Image

from pixelsmile.editing.pictures import centre_square, resized
from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.overlap import intersection_over_union
from pixelsmile.faces.face import Box, Detector

MIN_OVERLAP = 0.1  # intersection over union: a face that shares less with the box is another one


def working_picture(image: Image.Image, size_px: int) -> Image.Image:
    """The largest square in the middle, `size_px` a side."""
    return resized(centre_square(image), size_px, size_px)


def working_points(points_N2: np.ndarray, size: tuple[int, int], size_px: int) -> np.ndarray:
    """Points (N, 2) of a picture of `size` (width, height), in pixels of its working picture."""
    side = min(size)
    corner_2 = [(length - side) // 2 for length in size]
    return (np.asarray(points_N2, np.float64) - corner_2) * (size_px / side)


def find_landmarks(picture: Image.Image, detector: Detector, box: Box | None) -> np.ndarray | None:
    """Five landmarks (5, 2) of the face that shares most with `box` (without one the largest); None: no face.

    All in pixels of `picture`. ModelError where the detector knows boxes only.
    """
    faces = detector.detect(picture)
    if not faces:
        return None
    face = max(faces, key=lambda found: found.width * found.height)
    if box is not None:
        overlaps_N = intersection_over_union(np.array(box), np.array([found.box for found in faces]))
        if overlaps_N.max() < MIN_OVERLAP:
            return None
        face = faces[int(overlaps_N.argmax())]
    if face.landmarks_5 is None:
        raise ModelError(
            f"detector {detector.name} finds no eyes, nose and mouth to align a face by: take another "
            "(pixelsmile models list), or put landmarks into the triplets"
        )
    return face.landmarks_5
