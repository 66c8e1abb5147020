"""What a step of a training holds beside its weights, and which card trains the full model. Loads no torch.

Estimated for R rows (a target each) of S tokens (target, reference, text) in layers of width h:

    a layer, kept whole     17 h numbers a token (Korthikanti et al. 2022, Eq. 2: 34 h bytes at 16 bits;
                            scores of attention are not stored)
    with checkpointing      h numbers a token and layer, and one layer whole
    decoding                18 C numbers a pixel at each level of the decoder: 3 blocks of 6 maps of C
                            channels; with checkpointing of one picture at a time

Arithmetic: 24 h^2 + 4 h S operations forward for a token in a layer (projections and MLP of its stream;
attention; 26 h^2 in Qwen-Image-2.1), as much backward, since frozen weights take no gradient, and once more
with checkpointing. Decoder and encoders of the terms are left out.
"""

from dataclasses import dataclass

from pixelsmile.editing.memory import (
    ADAPTER_RANK,
    FULL_SHAPES,
    GB,
    RESERVE_GB,
    WEIGHT_BYTES,
)
from pixelsmile.editing.options import Quantization

_LAYER_NUMBERS = 17
_DECODER_NUMBERS = 18
_TRAINED_BYTES = 4 + 4 + 8 + 4  # a weight of the adapter: itself, its gradient, AdamW's moments, its average


@dataclass(frozen=True)
class StepShape:
    """The sizes that activations follow from. num_pixels: that are decoded of each picture.
    decoder_channels: by level, full resolution first. operations: forward, of projections and MLP of a token
    in a layer, over the square of the width.
    """

    rows: int
    tokens: int
    layers: int
    width: int
    num_pixels: int
    decoder_channels: tuple[int, ...]
    checkpointing: bool
    operations: int = 24

    @property
    def passes(self) -> int:
        """Forwards that a step is worth: the backward pass, and with checkpointing one forward more."""
        return 3 if self.checkpointing else 2

    @property
    def decoded_at_once(self) -> int:
        """Pictures."""
        return 1 if self.checkpointing else self.rows

    @property
    def transformer_numbers(self) -> int:
        """What the transformer keeps for its gradient."""
        kept = self.layers + _LAYER_NUMBERS if self.checkpointing else self.layers * _LAYER_NUMBERS
        return self.rows * self.tokens * self.width * kept

    @property
    def decoder_numbers(self) -> int:
        """The same of the autoencoder."""
        levels = enumerate(self.decoder_channels)
        maps = sum(channels * (self.num_pixels >> 2 * level) for level, channels in levels)
        return self.decoded_at_once * _DECODER_NUMBERS * maps

    @property
    def forward_flop(self) -> float:
        """Of one row."""
        token = self.operations * self.width**2 + 4 * self.width * self.tokens
        return float(token) * self.tokens * self.layers


def _full_step(batch_size: int) -> StepShape:
    """Of Qwen-Image-Edit-2511 at 512 px, as the recipe `human` trains it, checkpointed: two targets a
    triplet, a prompt of eight words.
    """
    picture_tokens, seen_tokens, prompt_tokens = 32 * 32, 18 * 18, 54 + 8 * 2
    return StepShape(
        rows=2 * batch_size,
        tokens=2 * picture_tokens + seen_tokens + prompt_tokens,
        layers=60,
        width=FULL_SHAPES.width,
        num_pixels=512**2,
        decoder_channels=(96, 192, 384, 384),
        checkpointing=True,
    )


def training_gb(quantization: Quantization | None = None, batch_size: int = 1) -> float:
    """What one process takes on the GPU, with so many triplets at a time, an adapter of ADAPTER_RANK, AdamW.

    With what CUDA takes for itself; without the encoders of the terms.
    """
    step, shapes, each = _full_step(batch_size), FULL_SHAPES, WEIGHT_BYTES[quantization]
    text = (shapes.text_encoder - shapes.words) * each + shapes.words * 2
    weights = shapes.transformer * each + text + shapes.vae * 2
    adapter = ADAPTER_RANK * shapes.targets * _TRAINED_BYTES
    activations = 2 * (step.transformer_numbers + step.decoder_numbers)
    return (weights + adapter + activations) / GB + RESERVE_GB


_WAYS: tuple[Quantization | None, ...] = (None, "fp8", "4bit")
_BATCHES = (1, 2, 4, 8, 16)


def training_way(memory_gb: float) -> tuple[str, int]:
    """The best base that a card of so much memory trains an adapter on, as its bits are called, and the most
    triplets at a time; `no training`, 0 where none fits.
    """
    for quantization in _WAYS:
        fitting = [batch for batch in _BATCHES if training_gb(quantization, batch) <= memory_gb]
        if fitting:
            return quantization or "16 bits", max(fitting)
    return "no training", 0
