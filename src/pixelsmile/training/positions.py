"""Positions for a transformer that sees some tokens of a picture only."""

from typing import Any

import torch
from torch import Tensor, nn


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
