"""One training step, forward: from cached triplets to the losses (PixelSmile, section 4).

Both branches of a triplet share noise and time. They go through the transformer as one batch, with the source
as reference, each under its own prompt at the strength that its ground truth has; or there is one, under the
instruction.

Shape suffixes: B triplets, R rows (B of branch a, then B of branch b if there is one), N tokens of a picture,
D channels of a token, T tokens of a prompt, E channels of its embedding, C = 3 channels (RGB), H and W
pixels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pixelsmile.editing.autoencoder import Autoencoder, Part, decode_frames, denormalise
from pixelsmile.editing.backbone import Backbone, EditBackbone, Rows
from pixelsmile.editing.flow import FlowSchedule, add_noise, unpack
from pixelsmile.errors import InputError
from pixelsmile.faces.face import Box
from pixelsmile.training.batch import TrainingBatch, draw_noise
from pixelsmile.training.objective import Objective
from pixelsmile.training.order import SeededTriplet
from pixelsmile.training.window import GREY, Shares, TokenWindow

EDIT_BACKBONE = EditBackbone()
WHOLE: Shares = (0.0, 0.0, 1.0, 1.0)
SCHEDULE = FlowSchedule()  # noise levels are uniform, as in the reference

BatchOf = Callable[[Sequence[int]], TrainingBatch]


class TrainingStep(nn.Module):
    """What is trained: called with draws, it gives the losses of their triplets, `total` with a gradient.

    transformer: frozen, with an adapter on it. batch_of: the triplets of these numbers, from the cache.
    precision: of the transformer's arithmetic; bfloat16 runs it under autocast. backbone: how the transformer
    is called. Noise levels are uniform, as in the reference.
    """

    def __init__(
        self,
        transformer: nn.Module,
        objective: Objective,
        batch_of: BatchOf,
        precision: torch.dtype = torch.float32,
        backbone: Backbone = EDIT_BACKBONE,
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.objective, self.batch_of = objective, batch_of
        self.precision, self.backbone = precision, backbone

    def forward(self, draws: Sequence[SeededTriplet]) -> dict[str, Tensor]:
        """See `loop.Job`."""
        indices, seeds = zip(*draws, strict=True)
        return self.losses(self.batch_of(indices), seeds)

    def losses(self, batch: TrainingBatch, seeds: Sequence[int]) -> dict[str, Tensor]:
        """The losses of a batch; all that is random about a triplet comes from its seed.

        InputError where a term lacks what it needs.
        """
        batch = batch.to(next(self.transformer.parameters()).device)
        uniform_B, noise_BND = draw_noise(seeds, batch.targets.shape[1:], batch.targets.device)
        sigmas_B = SCHEDULE.shifted(uniform_B)
        velocities_RND = self._velocities(batch, noise_BND, sigmas_B)
        return self.objective.losses(batch, velocities_RND, noise_BND, sigmas_B)

    def _velocities(self, batch: TrainingBatch, noise_BND: Tensor, sigmas_B: Tensor) -> Tensor:
        """What the transformer predicts for the targets (R, N, D), in one forward.

        In two where there are instructions, the shorter half first: padding costs as much as words. In one
        for each length where the transformer takes no padding.
        """
        num_branches, lengths_R = batch.num_branches, batch.mask.sum(1)
        order_R = lengths_R.argsort(stable=True)
        if self.backbone.takes_padding:
            parts = order_R.tensor_split(2 if num_branches == 1 and len(batch) > 1 else 1)
        else:
            _, counts = lengths_R[order_R].unique_consecutive(return_counts=True)
            parts = order_R.split(counts.tolist())
        noise_RND, sigmas_R = noise_BND.repeat(num_branches, 1, 1), sigmas_B.repeat(num_branches)
        found = [self._predicted(batch.rows(part), noise_RND[part], sigmas_R[part]) for part in parts]
        return torch.cat(found)[order_R.argsort()]

    def _predicted(self, batch: TrainingBatch, noise_RND: Tensor, sigmas_R: Tensor) -> Tensor:
        noisy_RND = add_noise(batch.targets, noise_RND, sigmas_R)
        embeddings_RTE, mask_RT = batch.conditions()
        return predicted(
            self.transformer,
            batch,
            noisy_RND,
            sigmas_R,
            (embeddings_RTE, mask_RT),
            self.precision,
            self.backbone,
        )


def predicted(
    transformer: nn.Module,
    batch: TrainingBatch,
    noisy_RND: Tensor,
    sigmas_R: Tensor,
    conditions: tuple[Tensor, Tensor | None],
    precision: torch.dtype,
    backbone: Backbone = EDIT_BACKBONE,
) -> Tensor:
    """The velocities (R, N, D), float32, that the transformer predicts with the sources as references.

    conditions: embeddings (R, T, E) and the mask of their tokens (None: all are there). precision: of the
    arithmetic; bfloat16 runs under autocast. backbone: how the transformer is called.
    """
    embeddings_RTE, mask_RT = conditions
    height, width = batch.grid
    rows = Rows(
        noisy=noisy_RND.to(precision),
        reference=batch.source.to(precision),
        timesteps=SCHEDULE.timestep(sigmas_R, precision),
        embeddings=embeddings_RTE.to(precision),
        grid=(height // backbone.patch, width // backbone.patch),
        mask=mask_RT,
    )
    with torch.autocast(noisy_RND.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
        return backbone.velocities(transformer, rows).float()


def checkpoint_blocks(transformer: nn.Module, blocks: bool | int) -> None:
    """Compute blocks again in the backward pass in place of keeping what lies between their ends: all (True),
    none (False), or so many of the first ones. Gradients stay the same.

    The first: their turn comes when all that the others keep is gone. InputError where there are fewer.
    """
    if blocks is False:
        return
    all_blocks = list(transformer.transformer_blocks)
    if len(all_blocks) < blocks:
        raise InputError(
            f"model.gradient_checkpointing is {blocks}, and the transformer has {len(all_blocks)} blocks: "
            "give true, or a smaller number"
        )
    chosen = set(all_blocks if blocks is True else all_blocks[:blocks])

    def run(block: nn.Module, *inputs: Any) -> Any:
        return checkpoint(block, *inputs, use_reentrant=False) if block in chosen else block(*inputs)

    transformer.enable_gradient_checkpointing(run)


@dataclass(frozen=True)
class LatentDecoder:
    """Decodes tokens whose latents are `grid` (height, width) before packing; the weights are frozen.

    checkpointing: one picture at a time, decoded again in the backward pass: the memory of one picture for
    the time of another decode. window: where the tokens lie in the picture; None: they are all of it.
    looked_at: the part of every picture that somebody will look at; None: faces alone. The decoder runs in
    its own number format, also under autocast.
    """

    vae: Autoencoder
    grid: tuple[int, int]
    checkpointing: bool = False
    window: TokenWindow | None = None
    looked_at: Shares | None = WHOLE

    def __call__(self, tokens_RND: Tensor, faces: Box | None = None) -> Tensor:
        """Pictures (R, 3, H, W), about -1..1 and not cut: a cut pixel would have no gradient.

        faces: a box, in pixels, that will be looked at as well. Grey where nobody looks: what is decoded is
        the same as of the whole, to rounding.
        """
        part = self._part(faces)
        if self.checkpointing and torch.is_grad_enabled():
            rows = [checkpoint(self._decode, row, part, use_reentrant=False) for row in tokens_RND.split(1)]
            pictures_RCHW = torch.cat(rows)
        else:
            pictures_RCHW = self._decode(tokens_RND, part)
        return pictures_RCHW if self.window is None else self.window.on_canvas(pictures_RCHW)

    def _part(self, faces: Box | None) -> Part | None:
        """In latents; None: everything."""
        height, width = self.grid
        ratio, boxes = self.vae.spatial_compression_ratio, list[Box]()
        if self.looked_at is not None:
            left, top, right, bottom = self.looked_at
            boxes.append((left * width, top * height, right * width, bottom * height))
        if faces is not None:
            x0, y0, x1, y1 = (place / ratio for place in faces)
            boxes.append((x0, y0, x1, y1))
        if self.window is not None or not boxes:
            return None
        left, top = (max(0, math.floor(min(box[side] for box in boxes))) for side in (0, 1))
        right = min(width, math.ceil(max(box[2] for box in boxes)))
        bottom = min(height, math.ceil(max(box[3] for box in boxes)))
        is_whole = (left, top, right, bottom) == (0, 0, width, height)
        return None if is_whole or left >= right or top >= bottom else (left, top, right, bottom)

    def _decode(self, tokens_RND: Tensor, part: Part | None) -> Tensor:
        with torch.autocast(tokens_RND.device.type, enabled=False):
            latents_RCHW = denormalise(self.vae, unpack(tokens_RND.float(), *self.grid))
            decoded_RCHW = decode_frames(self.vae, latents_RCHW.to(self.vae.dtype), clamp=False, part=part)
        if part is None:
            return decoded_RCHW
        (height, width), (left, top, right, bottom) = self.grid, part
        around = (left, width - right, top, height - bottom)
        ratio = self.vae.spatial_compression_ratio
        return nn.functional.pad(decoded_RCHW, [ratio * places for places in around], value=GREY)
