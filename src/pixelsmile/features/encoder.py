"""What an image encoder of the contrastive term is.

Shape suffixes: B pictures, C = 3 channels (RGB), H and W height and width in pixels, D numbers of a feature.
"""

import hashlib
from typing import Protocol

import torch
from pydantic import JsonValue
from torch import Tensor, nn

from pixelsmile.errors import ImageError
from pixelsmile.hashing import sha256_json


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


def sha256_encoder(network: nn.Module, settings: JsonValue) -> str:
    """The SHA-256 over the weights of `network`, with their names and types, and over `settings`."""
    digest = hashlib.sha256(sha256_json(settings).encode())
    for name, tensor in sorted(network.state_dict().items()):
        data = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {data.dtype} {tuple(data.shape)}".encode())
        digest.update(data.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def require_pictures(images_BCHW: Tensor) -> None:
    """ImageError for anything but (B, 3, H, W) in floating point, with one picture or more."""
    shape = tuple(images_BCHW.shape)
    if len(shape) != 4 or shape[1] != 3 or 0 in shape:
        raise ImageError(f"pictures of shape {shape} for an image encoder: give (batch, 3, height, width)")
    if not images_BCHW.is_floating_point():
        raise ImageError(f"pictures of type {images_BCHW.dtype} for an image encoder: give RGB in -1..1")


def unit_length(features_BD: Tensor) -> Tensor:
    """Features divided by their length, with no floor: what is not finite stays visible."""
    return features_BD / features_BD.norm(dim=1, keepdim=True)
