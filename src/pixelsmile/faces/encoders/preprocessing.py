"""What each network wants to see: channel order, size and range of the aligned crop.

Read from the original code, not from papers:

- ArcFace: RGB, (x - 127.5) / 127.5, 112 px. insightface, python-package/insightface/model_zoo/arcface_onnx.py
  (`swapRB=True` on OpenCV's BGR); its graphs that begin with a Sub and a Mul take 0..255 as it is.
- AdaFace: BGR, ((x / 255) - 0.5) / 0.5, 112 px. mk-minchul/AdaFace, `to_input` in inference.py. The same
  author's later safetensors (CVLface) say in their config.json which order they take: RGB, where we looked.
- FaceNet: RGB, (x - 127.5) / 128, 160 px. timesler/facenet-pytorch, `fixed_image_standardization` in
  models/mtcnn.py.
- dlib: RGB, 0..255, 150 px; the graph that ships subtracts the mean colour by itself. davisking/dlib,
  face_recognition_model_v1; its chips are aligned to a template of their own.
- AuraFace: as ArcFace. Its model card (fal/AuraFace-v1) runs it through insightface's FaceAnalysis.

Shape suffixes: B faces, C = 3 channels, H = W = size in pixels.
"""

from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import ImageError, ModelError
from pixelsmile.faces.alignment import DLIB_5, DLIB_PX, Alignment, template
from pixelsmile.faces.encoders.encoder import Array, ArrayT

Kind = Literal["arcface", "adaface", "facenet", "auraface", "dlib"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_SIZE_PX = 1024  # the published ones take 112 or 160

# A generator may overshoot 0..1 a little before its picture is clamped; 0..255 and -128..127 are far outside.
_LOWEST, _HIGHEST = -1.0, 2.0


class Preprocessing(BaseModel):
    """What a network is given for an RGB crop x in 0..1: (255 x - mean) / scale, in `channel_order`.

    size_px: side of the crop. mean, scale: in levels of 0..255. template: whose the places of the landmarks
    in the crop are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel_order: Literal["RGB", "BGR"] = "RGB"
    size_px: int = Field(ge=16, le=MAX_SIZE_PX)
    mean: float = Field(default=127.5, ge=-1e4, le=1e4)
    scale: float = Field(default=127.5, ge=1e-4, le=1e4)
    template: Literal["arcface", "dlib"] = "arcface"

    @property
    def alignment(self) -> Alignment:
        """How a face is cut out for the network."""
        if self.template == "dlib":
            return Alignment(DLIB_5 * (self.size_px / DLIB_PX), self.size_px, smooth=True)
        return Alignment(template(self.size_px), self.size_px)

    def apply(self, crops_BCHW: ArrayT) -> ArrayT:
        """What the network is given for these crops; the same numbers in NumPy as in torch on a CPU.

        crops_BCHW: (B, 3, size_px, size_px), RGB, floating point, 0..1. A gradient passes through. Half
        precision is widened to float32 first, float64 stays.
        ImageError for another shape, whole numbers, NaN, or a range that is plainly not 0..1.
        """
        self._check(crops_BCHW)
        crops = _widened(crops_BCHW)
        ordered = crops if self.channel_order == "RGB" else crops[:, [2, 1, 0]]
        return (ordered * 255.0 - self.mean) / self.scale

    def _check(self, crops: Array) -> None:
        shape, wanted = tuple(crops.shape), (3, self.size_px, self.size_px)
        if len(shape) != 4 or shape[1:] != wanted or shape[0] == 0:
            raise ImageError(
                f"crops of shape {shape} for an encoder of (batch, 3, {self.size_px}, {self.size_px}): "
                f"align one face or more to {self.size_px} px"
            )
        if not _is_floating(crops):
            raise ImageError(f"crops of type {crops.dtype}: divide by 255, so that they are RGB in 0..1")
        low, high = _range(crops)
        if not (low >= _LOWEST and high <= _HIGHEST):
            raise ImageError(f"crops with values from {low:g} to {high:g}: give finite RGB in 0..1")


# Sources above.
PREPROCESSING: dict[Kind, Preprocessing] = {
    "arcface": Preprocessing(channel_order="RGB", size_px=112, mean=127.5, scale=127.5),
    "adaface": Preprocessing(channel_order="BGR", size_px=112, mean=127.5, scale=127.5),
    "facenet": Preprocessing(channel_order="RGB", size_px=160, mean=127.5, scale=128.0),
    "auraface": Preprocessing(channel_order="RGB", size_px=112, mean=127.5, scale=127.5),
    "dlib": Preprocessing(channel_order="RGB", size_px=150, mean=0.0, scale=1.0, template="dlib"),
}

# For a graph of insightface that subtracts and scales by itself.
_UNSCALED: dict[str, Any] = {"mean": 0.0, "scale": 1.0}


def preprocessing_of(kind: str, normalises_itself: bool = False) -> Preprocessing:
    """The preprocessing of a kind of encoder. ModelError where the kind is unknown.

    normalises_itself: the graph begins with insightface's own Sub and Mul nodes; ArcFace and AuraFace are
    then given 0..255, as insightface does.
    """
    for known in KINDS:
        if kind == known:
            found = PREPROCESSING[known]
            unscaled = normalises_itself and known in ("arcface", "auraface")
            return found.model_copy(update=_UNSCALED) if unscaled else found
    raise ModelError(f"unknown kind of identity encoder {kind!r}: choose from {', '.join(KINDS)}")


def _is_floating(crops: Array) -> bool:
    if isinstance(crops, np.ndarray):
        return bool(np.issubdtype(crops.dtype, np.floating))
    return bool(crops.is_floating_point())


def _widened(crops: Array) -> Array:
    if crops.dtype.itemsize >= np.dtype(np.float32).itemsize:
        return crops
    return crops.astype(np.float32) if isinstance(crops, np.ndarray) else crops.float()


def _range(crops: Array) -> tuple[float, float]:
    values = crops if isinstance(crops, np.ndarray) else crops.detach()
    return float(values.min()), float(values.max())
