"""Training on a part of each picture: the tokens around the face, at the positions they have in the whole.

A face fills a third of a portrait, and the rest of it costs as much. Latents are those of the whole picture,
cut; prompts are encoded with the whole picture in view, as when it is edited; pictures are decoded inside of
the window, and grey around it, for the truth as well. What is outside is neither seen nor trained.

Shape suffixes: R rows, N tokens of a picture (M inside the window), D channels, C = 3 channels (RGB), H and W
pixels.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from pixelsmile.editing.flow import PATCH
from pixelsmile.training.positions import ChosenPositions

GREY = 0.0  # of pixels in -1..1

Shares = tuple[float, float, float, float]  # left, top, right, bottom of the picture's sides, 0..1


@dataclass(frozen=True)
class TokenWindow:
    """Rows and columns of tokens, end excluded, of a picture of `grid` (height, width) tokens."""

    grid: tuple[int, int]
    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def of(cls, shares: Shares, latent_grid: tuple[int, int]) -> Self:
        """The smallest window of whole tokens around these shares; latent_grid: before packing."""
        height, width = (length // PATCH for length in latent_grid)
        left, top, right, bottom = shares
        return cls(
            (height, width),
            math.floor(top * height),
            math.floor(left * width),
            math.ceil(bottom * height),
            math.ceil(right * width),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in tokens."""
        return self.bottom - self.top, self.right - self.left

    @property
    def latent_grid(self) -> tuple[int, int]:
        """Height and width in latents, before packing."""
        height, width = self.shape
        return height * PATCH, width * PATCH

    def indices(self) -> Tensor:
        """The numbers of its tokens in the whole picture, (M,), row by row."""
        height, width = self.grid
        numbers_HW = torch.arange(height * width).view(height, width)
        return numbers_HW[self.top : self.bottom, self.left : self.right].flatten()

    def positions(self, stock: nn.Module) -> ChosenPositions:
        """In place of the transformer's `pos_embed`, where its tokens are."""
        return ChosenPositions(stock, self.grid, self.indices(), self.shape)

    def cut(self, tokens_RND: Tensor) -> Tensor:
        """The tokens inside, (R, M, D)."""
        return tokens_RND[:, self.indices()]

    def on_canvas(self, inside_RCHW: Tensor) -> Tensor:
        """Pictures of the window's size in their place on whole, grey ones."""
        scale = inside_RCHW.shape[-1] // self.shape[1]
        height, width = self.grid
        around = (self.left, width - self.right, self.top, height - self.bottom)
        return nn.functional.pad(inside_RCHW, [scale * tokens for tokens in around], value=GREY)

    def masked(self, pictures_RCHW: Tensor) -> Tensor:
        """Whole pictures, grey outside of the window."""
        scale = pictures_RCHW.shape[-1] // self.grid[1]
        rows = slice(self.top * scale, self.bottom * scale)
        columns = slice(self.left * scale, self.right * scale)
        return self.on_canvas(pictures_RCHW[..., rows, columns])
