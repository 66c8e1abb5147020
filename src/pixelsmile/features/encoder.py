"""What an image encoder of the contrastive term is.

Shape suffixes: B pictures, C = 3 channels (RGB), H and W height and width in pixels, D numbers of a feature.
"""

from typing import Protocol

from torch import Tensor


class ImageEncoder(Protocol):
    """Says what a picture shows. Its weights are frozen."""

    @property
    def name(self) -> str:
        """How it is called in manifests."""
        ...

    @property
    def sha256(self) -> str:
        """Of its weights and of what it does before them: caches of features are named by it."""
        ...

    def features(self, images_BCHW: Tensor) -> Tensor:
        """Features of unit length (B, D), at least float32, of pictures in -1..1 of any size.

        A gradient reaches the pictures. Resizing and normalising are done here. ImageError for other shapes
        or whole numbers; what overshoots -1..1 may be cut.
        """
        ...
