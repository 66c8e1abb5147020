"""Training on a part of each picture: the tokens around the face, at the positions they have in the whole.

A face fills a third of a portrait, and the rest of it costs as much. Latents are those of the whole picture,
cut; prompts are encoded with the whole picture in view, as when it is edited; pictures are decoded inside of
the window, and grey around it, for the truth as well. What is outside is neither seen nor trained.

Shape suffixes: R rows, N tokens of a picture (M inside the window), D channels, C = 3 channels (RGB), H and W
pixels.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from pixelsmile.editing.flow import PATCH

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

    def positions(self, stock: nn.Module) -> "ChosenPositions":
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


class ChosenPositions(nn.Module):
    """Stands in for the transformer's `pos_embed`: tokens have the positions that they have in the whole.

    grid: height and width of the whole picture in tokens. tokens: which ones are seen, (M,), row by row; may
    be changed at any time. shape: the height and width under which such pictures are handed in; those of any
    other, such as the whole ones of a validation, have their stock positions. None: all are such pictures.
    """

    def __init__(
        self, stock: nn.Module, grid: tuple[int, int], tokens: Tensor, shape: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.stock, self.grid, self.tokens, self.shape = stock, grid, tokens, shape

    def forward(
        self, img_shapes: Any, max_txt_seq_len: int, device: torch.device | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rotations of the chosen tokens, of each picture of a sample in turn, and of the text."""
        shapes = img_shapes[0]
        if self.shape is not None and any(tuple(shape[1:]) != self.shape for shape in shapes):
            found: tuple[Tensor, Tensor] = self.stock(
                img_shapes, max_txt_seq_len=max_txt_seq_len, device=device
            )
            return found
        whole = [(1, *self.grid)] * len(shapes)
        image, text = self.stock([whole], max_txt_seq_len=max_txt_seq_len, device=device)
        chosen = image.unflatten(0, (len(shapes), -1))[:, self.tokens]
        return chosen.flatten(0, 1), text
