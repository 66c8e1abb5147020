"""How the transformer of a family is called: with a noisy picture, its source and a text.

Shape suffixes: R rows (a picture and a condition each), N tokens of a picture, D channels of a token, T
tokens of a prompt, E channels of its embedding.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers.models.transformers.transformer_qwenimage21 import QwenImage21KVCache
from torch import Tensor

from pixelsmile.editing.family import EDIT, QWEN_21, Family

_SLOT = 4  # tokens of a picture in the place of one of the text


@dataclass(frozen=True)
class Rows:
    """What one forward is given. noisy, reference: (R, N, D). timesteps: (R). embeddings: (R, T, E).

    grid: height and width of both pictures in tokens. mask (R, T): True on tokens that are there (None: all).
    """

    noisy: Tensor
    reference: Tensor
    timesteps: Tensor
    embeddings: Tensor
    grid: tuple[int, int]
    mask: Tensor | None = None

    @property
    def shapes(self) -> list[list[tuple[int, int, int]]]:
        """Frames, height and width of the two pictures of each row."""
        return [[(1, *self.grid)] * 2] * len(self.noisy)


class Backbone(Protocol):
    """The transformer of a family.

    patch: a token covers patch x patch latents. guides_by_length: whether guidance brings each token back to
    the length that it had. takes_padding: whether short prompts may be filled up, under a mask.
    """

    @property
    def patch(self) -> int: ...

    @property
    def guides_by_length(self) -> bool: ...

    @property
    def takes_padding(self) -> bool: ...

    def memory(self, transformer: Any) -> Any:
        """What one forward keeps for the same one of the next steps, at first empty; None: nothing."""
        ...

    def velocities(self, transformer: Any, rows: Rows, memory: Any = None) -> Tensor:
        """What the transformer predicts for the noisy pictures: (R, N, D).

        memory: of the same source and embeddings at another noise level; filled in where it is empty.
        """
        ...


class EditBackbone:
    """Qwen-Image-Edit: the source follows the target in one stream, the text is another."""

    patch, guides_by_length, takes_padding = EDIT.patch, True, True

    def memory(self, transformer: Any) -> None:
        """All that it sees of a source depends on the noise level."""

    def velocities(self, transformer: Any, rows: Rows, memory: None = None) -> Tensor:
        """See `Backbone`."""
        output: Tensor = transformer(
            hidden_states=torch.cat([rows.noisy, rows.reference], dim=1),
            timestep=rows.timesteps,
            encoder_hidden_states=rows.embeddings,
            encoder_hidden_states_mask=rows.mask,
            img_shapes=rows.shapes,
            return_dict=False,
        )[0]
        return output[:, : rows.noisy.shape[1]]


@dataclass(frozen=True)
class Backbone21:
    """Qwen-Image-2.1: the source lies in the text, from token `picture_start` on, and the target behind it.

    Text and source see neither the target nor the noise level, so their keys and values are the same in all
    steps. Padding would move the target away from the text: positions count it.
    """

    picture_start: int
    patch: int = QWEN_21.patch
    guides_by_length: bool = False
    takes_padding: bool = False

    def memory(self, transformer: Any) -> QwenImage21KVCache:
        """Of keys and values, in each layer."""
        return QwenImage21KVCache(len(transformer.transformer_blocks))

    def velocities(self, transformer: Any, rows: Rows, memory: QwenImage21KVCache | None = None) -> Tensor:
        """See `Backbone`."""
        mode = None
        if memory is not None:
            mode = "extract" if memory.get_layer(0).k is None else "cached"
        output: Tensor = transformer(
            hidden_states=torch.cat([rows.reference, rows.noisy], dim=1),
            timestep=rows.timesteps,
            encoder_hidden_states=rows.embeddings,
            encoder_hidden_states_mask=rows.mask,
            img_shapes=rows.shapes,
            img_mask=self._slots(rows),
            kv_cache=memory,
            kv_cache_mode=mode,
            return_dict=False,
        )[0]
        return output[:, -rows.noisy.shape[1] :]

    def _slots(self, rows: Rows) -> Tensor:
        """True where pictures are in the text and, for the target, behind it: (R, T + N / 4)."""
        num_rows, num_text, _ = rows.embeddings.shape
        num_slots = math.prod(rows.grid) // _SLOT
        slots = torch.zeros(num_rows, num_text + num_slots, dtype=torch.bool, device=rows.noisy.device)
        slots[:, self.picture_start : self.picture_start + num_slots] = True
        slots[:, num_text:] = True
        return slots


def backbone_of(family: Family, picture_start: int) -> Backbone:
    """picture_start: see `PromptEncoder`."""
    return Backbone21(picture_start) if family is QWEN_21 else EditBackbone()
