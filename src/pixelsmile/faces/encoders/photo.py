"""The identity encoder that ships for photographs: dlib's 128 numbers (see embedded/photo/NOTICE).

On faces of the same person its cosines lie above .91 (dlib's own limit, a distance of .6, at its usual length
of 1.4), of two people mostly below: other numbers than ArcFace's, AdaFace's and FaceNet's, never averaged
with them.
"""

from functools import cache
from typing import Literal

from pixelsmile.embedded import photo_path
from pixelsmile.faces.encoders.onnx_file import OnnxFile
from pixelsmile.faces.encoders.onnx_runtime import OnnxRuntimeEncoder
from pixelsmile.faces.encoders.preprocessing import PREPROCESSING
from pixelsmile.hashing import sha256_file

NAME: Literal["dlib"] = "dlib"
SAME_PERSON = 0.91  # cosine


@cache
def photo_encoder() -> OnnxRuntimeEncoder:
    """The encoder, loaded once, on the CPU. ModelError where the installation lacks it."""
    path = photo_path() / "identity.onnx"
    size_px = PREPROCESSING[NAME].size_px
    file = OnnxFile(path, None, "image", "embedding", size_px, True, False, sha256_file(path))
    return OnnxRuntimeEncoder(NAME, PREPROCESSING[NAME], file, "cpu", num_threads=1)
