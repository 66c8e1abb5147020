"""What an identity encoder is, and how alike it finds two faces.

An array is a NumPy array or a torch tensor throughout; what comes in decides what goes out. Shape suffixes:
B faces, C = 3 channels (RGB), H and W height and width in pixels, D numbers of an embedding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pixelsmile.errors import ImageError, ModelError
from pixelsmile.faces.alignment import Alignment

Array = Any  # numpy.ndarray or torch.Tensor
ArrayT = TypeVar("ArrayT", bound=Any)

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
