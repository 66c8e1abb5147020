"""What an identity encoder is, what it is given of a face, and how alike it finds two.

An array is a NumPy array or a torch tensor throughout; what comes in decides what goes out. Shape suffixes:
B faces, C = 3 channels (RGB), H and W height and width in pixels, D numbers of an embedding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import ImageError, ModelError
from pixelsmile.faces.alignment import DLIB_5, DLIB_PX, Alignment, template

Array = Any  # numpy.ndarray or torch.Tensor
ArrayT = TypeVar("ArrayT", bound=Any)

Kind = Literal["arcface", "adaface", "facenet", "auraface", "dlib"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_SIZE_PX = 1024  # the published ones take 112 or 160

# A generator may overshoot 0..1 a little before its picture is clamped; 0..255 and -128..127 are far outside.
_LOWEST, _HIGHEST = -1.0, 2.0

MAX_FEATURES = 16_384  # numbers of an embedding; the published ones have 512

Crops = Array | Mapping[int, Array]  # one batch, or one for each size in pixels


class IdentityEncoder(Protocol):
    """Says who a face is."""

    @property
    def name(self) -> str:
        """How it is called in manifests and reports: its kind, or the name in its own config."""
        ...

    @property
    def size_px(self) -> int:
        """Side of the square aligned crop that it takes: 112 (ArcFace, AdaFace, AuraFace), 160 (FaceNet)."""
        ...

    @property
    def alignment(self) -> Alignment:
        """How a face is cut out of its picture for it."""
        ...

    @property
    def differentiable(self) -> bool:
        """Whether the gradient of an embedding reaches the crop. Weights are frozen in any case."""
        ...

    def embed(self, crops_BCHW: ArrayT) -> ArrayT:
        """Unit-length embeddings (B, D) of aligned RGB crops in floating point, 0..1, at `size_px`.

        Channel order and range of the network are applied here. Returned as what was given: a NumPy array
        for a NumPy array, a tensor on its own device for a tensor. ImageError for other crops.
        """
        ...


def cosine_similarity(a_BD: ArrayT, b_BD: ArrayT) -> ArrayT:
    """Cosine of the angle between unit-length embeddings, (B,), -1..1; one row may stand against many."""
    if a_BD.shape[1] != b_BD.shape[1]:
        raise ModelError(
            f"embeddings of {a_BD.shape[1]} and {b_BD.shape[1]} numbers come from two encoders: use one"
        )
    return (a_BD * b_BD).sum(1)


def identity_similarity(a: Crops, b: Crops, encoders: Sequence[IdentityEncoder]) -> Array:
    """How alike the faces in `a` and `b` are: the mean of `encoders`' cosine similarities, (B,), -1..1.

    This is S_ID of the PixelSmile paper (section "Harmonic Editing Score", at Eq. 3): the average over
    ArcFace, AdaFace and FaceNet. `a` and `b` are aligned crops (B, 3, H, W), RGB, 0..1: one batch where all
    encoders take the same size, else a mapping from the size in pixels to the batch. One face may stand
    against many. ImageError where a size is missing or the numbers of faces differ.
    """
    if not encoders:
        raise ModelError("no identity encoders were given: give at least one, the paper uses three")
    similarities = [_similarity(a, b, encoder) for encoder in encoders]
    return sum(similarities[1:], start=similarities[0]) / len(similarities)


def require_embeddings(name: str, found: Array, num_crops: int) -> None:
    """ModelError where an encoder did not give one row of numbers for each crop."""
    if found.ndim != 2 or len(found) != num_crops or not 1 < found.shape[1] <= MAX_FEATURES:
        raise ModelError(
            f"{name} gave numbers of shape {tuple(found.shape)} for {num_crops} crops, not an embedding "
            "each: take another file"
        )


def _similarity(a: Crops, b: Crops, encoder: IdentityEncoder) -> Array:
    crops_a, crops_b = _crops_for(encoder, a), _crops_for(encoder, b)
    num_a, num_b = crops_a.shape[0], crops_b.shape[0]
    if num_a != num_b and 1 not in (num_a, num_b):
        raise ImageError(f"{num_a} faces against {num_b}: give as many of each, or one against many")
    return cosine_similarity(encoder.embed(crops_a), encoder.embed(crops_b))


def _crops_for(encoder: IdentityEncoder, crops: Crops) -> Array:
    if not isinstance(crops, Mapping):
        return crops
    if encoder.size_px not in crops:
        sizes = ", ".join(map(str, sorted(crops))) or "none"
        raise ImageError(
            f"{encoder.name} takes crops of {encoder.size_px} px, not {sizes}: align the faces to it"
        )
    return crops[encoder.size_px]


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


# Read from the original code, not from papers:
# arcface: insightface, python-package/insightface/model_zoo/arcface_onnx.py (`swapRB=True` on OpenCV's BGR).
# adaface: mk-minchul/AdaFace, `to_input` in inference.py; the author's later safetensors (CVLface) say in
#          their config.json which order they take (RGB, where we looked).
# facenet: timesler/facenet-pytorch, `fixed_image_standardization` in models/mtcnn.py.
# auraface: its model card (fal/AuraFace-v1) runs it through insightface's FaceAnalysis, as ArcFace.
# dlib: davisking/dlib, face_recognition_model_v1; its chips are aligned to a template of their own, and the
#       graph that ships subtracts the mean colour by itself.
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
