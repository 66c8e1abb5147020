"""The autoencoder's decoder within the objective: from predicted tokens to pictures, with a gradient.

Shape suffixes: R rows, N tokens, D channels of a token, C = 3 channels (RGB), H and W pixels.
"""

from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from pixelsmile.editing.autoencoder import decode_frames, denormalise
from pixelsmile.editing.flow import unpack
from pixelsmile.training.window import TokenWindow


@dataclass(frozen=True)
class LatentDecoder:
    """Decodes tokens whose latents are `grid` (height, width) before packing; the weights are frozen.

    checkpointing: one picture at a time, decoded again in the backward pass: the memory of one picture for
    the time of another decode. window: where the tokens lie in the picture; None: they are all of it. The
    decoder runs in its own number format, also under autocast.
    """

    vae: AutoencoderKLQwenImage
    grid: tuple[int, int]
    checkpointing: bool = False
    window: TokenWindow | None = None

    def __call__(self, tokens_RND: Tensor) -> Tensor:
        """Pictures (R, 3, H, W), about -1..1 and not cut: a cut pixel would have no gradient."""
        if self.checkpointing and torch.is_grad_enabled():
            rows = [checkpoint(self._decode, row, use_reentrant=False) for row in tokens_RND.split(1)]
            pictures_RCHW = torch.cat(rows)
        else:
            pictures_RCHW = self._decode(tokens_RND)
        return pictures_RCHW if self.window is None else self.window.on_canvas(pictures_RCHW)

    def _decode(self, tokens_RND: Tensor) -> Tensor:
        with torch.autocast(tokens_RND.device.type, enabled=False):
            latents_RCHW = denormalise(self.vae, unpack(tokens_RND.float(), *self.grid))
            return decode_frames(self.vae, latents_RCHW.to(self.vae.dtype), clamp=False)
