"""The network of the embedded image encoder: features that say which expression a drawn portrait shows.

Shape suffixes: B pictures, C channels, H and W rows and columns, D numbers of a feature. A window is
(B, 3, H, W) in -1..1 with the sides that the configuration says.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from pixelsmile.networks.convolutional import (
    NetworkConfig,
    NumBlocks,
    SmallNetwork,
    Width,
    halving,
    initialise,
    stage,
)

STRIDE_PX = 16  # of the coarsest maps
_GROUP = 8  # channels that are normalised together


class Window(BaseModel):
    """The part of a picture that is looked at, in shares of its sides: where drawn portraits have the face.

    Over the whole, brows and lids would be a pixel high. It is one place for all pictures, so that a face
    need not be found in a picture that is predicted from noise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: float = Field(default=0.1875, ge=0, lt=1)
    top: float = Field(default=0.28125, ge=0, lt=1)
    side: float = Field(default=0.625, gt=0, le=1)


class DrawnFeaturesConfig(NetworkConfig):
    """What config.json says: channels at strides 2, 4, 8 and 16, residual blocks at the last three."""

    name: str = "drawn-portraits"
    window: Window = Field(default_factory=Window)
    window_px: int = Field(default=96, ge=STRIDE_PX, le=1024, multiple_of=STRIDE_PX)
    widths: tuple[Width, Width, Width, Width] = (24, 40, 80, 128)
    num_blocks: tuple[NumBlocks, NumBlocks, NumBlocks] = (1, 2, 1)
    flat_width: Width = 32  # of the last maps, before places are told apart
    num_features: Width = 128
    note: str = "It was trained on portraits that pixelsmile draws and knows nothing else."


class DrawnFeaturesNetwork(SmallNetwork):
    """Convolutions down to stride 16, then one view of the whole window."""

    config_type, noun = DrawnFeaturesConfig, "image encoder"
    config: DrawnFeaturesConfig

    def __init__(self, config: DrawnFeaturesConfig) -> None:
        super().__init__(config)
        at_2, at_4, at_8, at_16 = config.widths
        num_cells = (config.window_px // STRIDE_PX) ** 2
        self.body = nn.Sequential(
            halving(3, at_2), nn.SiLU(),
            *stage(at_2, at_4, config.num_blocks[0], _norm),
            *stage(at_4, at_8, config.num_blocks[1], _norm),
            *stage(at_8, at_16, config.num_blocks[2], _norm),
            _norm(at_16), nn.Conv2d(at_16, config.flat_width, 1), nn.SiLU(), nn.Flatten(),
            nn.Linear(num_cells * config.flat_width, config.num_features),
        )  # fmt: skip
        self.standard = _Standard(config.num_features)
        initialise(self)

    def forward(self, windows_BCHW: Tensor) -> Tensor:
        """Features (B, D) of any length."""
        features_BD: Tensor = self.standard(self.body(windows_BCHW))
        return features_BD


def look_through(window: Window, images_BCHW: Tensor, size_px: int) -> Tensor:
    """That part of pictures of any size, resized to a square of `size_px`; differentiable.

    Smoothed where it shrinks. The window's borders are rounded to whole pixels.
    """
    height, width = images_BCHW.shape[-2:]
    top, left = round(window.top * height), round(window.left * width)
    bottom, right = round((window.top + window.side) * height), round((window.left + window.side) * width)
    inside_BCHW = images_BCHW[..., top : max(bottom, top + 1), left : max(right, left + 1)]
    return functional.interpolate(inside_BCHW, (size_px, size_px), mode="bilinear", antialias=True)


class _Standard(nn.Module):
    """Each number of a feature with mean 0 and deviation 1: over the batch in training, then over all of it.

    What all pictures share would else make all features alike, and nothing that tells them apart is learnt.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, features_BD: Tensor) -> Tensor:
        return functional.batch_norm(features_BD.float(), self.mean, self.variance, training=self.training)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, width // _GROUP), width)
