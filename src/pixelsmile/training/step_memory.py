"""What a step of a training holds and computes, and which card trains the full model. Loads no torch.

Estimated for R rows (a target each) of S tokens (target, reference, text) in layers of width h:

    a layer, kept whole     26 h numbers a token at 16 bits, 21 h at 32 (norms and rotations are kept in 32
                            bits), and 6 h more while its gradient is computed; scores of attention are not
                            stored. Read off diffusers' block with an adapter on twelve layers, and held
                            against what torch allocates (`python perf/memory.py`)
    a layer, checkpointed   h numbers a token; the last of them whole again when its turn comes, after those
                            that were kept are gone
    decoding                18 C numbers a pixel at each level of the decoder: 3 blocks of 6 maps of C
                            channels; with checkpointing of one picture at a time

Arithmetic, for a token in a layer (26 h^2 in Qwen-Image-2.1):

    forward         24 h^2 + 4 h S, projections and MLP of its stream, and attention; 2 for each weight of the
                    adapter that it meets
    backward        24 h^2, since frozen weights take no gradient; 10 h S, since flash attention computes its
                    scores again; 4 for each weight of the adapter
    recomputation   forward, of the layers that are checkpointed
    decoding        that of the autoencoder, once forward, once backward, with checkpointing once more

Encoders of the terms are left out: CLIP ViT-L/14 and an IResNet-100, forward and backward, take 0.37 TFLOP a
picture, a three-hundredth of a step at 512 px.
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

_LAYER_NUMBERS = {2: 26, 4: 21}  # by the bytes of a number
_BACKWARD_NUMBERS = 6
_DECODER_NUMBERS = 18
_TRAINED_BYTES = 4 + 4 + 8 + 4  # a weight of the adapter: itself, its gradient, AdamW's moments, its average


@dataclass(frozen=True)
class StepShape:
    """The sizes that activations follow from. num_pixels: that are decoded of each picture.
    decoder_channels: by level, full resolution first. checkpointed: how many of the layers. operations:
    forward, of projections and MLP of a token in a layer, over the square of the width. adapter: its weights
    that a token meets, in all layers. number_bytes: of the transformer's activations. decoder_flop: of one
    picture, forward; 0 where none is decoded.
    """

    rows: int
    tokens: int
    layers: int
    width: int
    num_pixels: int
    decoder_channels: tuple[int, ...]
    checkpointed: int
    operations: int = 24
    adapter: int = 0
    number_bytes: int = 2
    decoder_flop: float = 0.0

    @property
    def decoded_at_once(self) -> int:
        """Pictures."""
        return 1 if self.checkpointed else self.rows

    @property
    def transformer_numbers(self) -> int:
        """What the transformer holds when it holds most, for its gradient."""
        whole = max(1, self.layers - self.checkpointed) * _LAYER_NUMBERS[self.number_bytes]
        return self.rows * self.tokens * self.width * (self.checkpointed + whole + _BACKWARD_NUMBERS)

    @property
    def decoder_numbers(self) -> int:
        """The same of the autoencoder."""
        levels = enumerate(self.decoder_channels)
        maps = sum(channels * (self.num_pixels >> 2 * level) for level, channels in levels)
        return self.decoded_at_once * _DECODER_NUMBERS * maps

    @property
    def forward_flop(self) -> float:
        """Of one row, in the transformer."""
        return self._flop(attention=4, adapter=2)

    def step_flop(self) -> dict[str, float]:
        """Of all rows, by part; parts that are not there are left out."""
        forward = self.rows * self.forward_flop
        parts = {
            "transformer, forward": forward,
            "transformer, backward": self.rows * self._flop(attention=10, adapter=4),
            "transformer, again": forward * self.checkpointed / self.layers,
            "decoding": self.rows * self.decoder_flop * (3 if self.checkpointed else 2),
        }
        return {name: flop for name, flop in parts.items() if flop}

    def _flop(self, attention: int, adapter: int) -> float:
        in_layers = self.operations * self.width**2 + attention * self.width * self.tokens
        return float(self.tokens) * (self.layers * in_layers + adapter * self.adapter)


_NUM_LAYERS = 60


def _full_step(batch_size: int, checkpointed: int) -> StepShape:
    """Of Qwen-Image-Edit-2511 at 512 px, as the recipe `human` trains it: two targets a triplet, a prompt of
    eight words.
    """
    picture_tokens, seen_tokens, prompt_tokens = 32 * 32, 18 * 18, 54 + 8 * 2
    return StepShape(
        rows=2 * batch_size,
        tokens=2 * picture_tokens + seen_tokens + prompt_tokens,
        layers=_NUM_LAYERS,
        width=FULL_SHAPES.width,
        num_pixels=512**2,
        decoder_channels=(96, 192, 384, 384),
        checkpointed=checkpointed,
    )


def training_gb(
    quantization: Quantization | None = None, batch_size: int = 1, checkpointed: int = _NUM_LAYERS
) -> float:
    """What one process takes on the GPU, with so many triplets at a time, an adapter of ADAPTER_RANK, AdamW.

    checkpointed: so many of the 60 blocks.

    With what CUDA takes for itself; without the encoders of the terms.
    """
    step, shapes, each = _full_step(batch_size, checkpointed), FULL_SHAPES, WEIGHT_BYTES[quantization]
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


def least_checkpointed(memory_gb: float) -> int | None:
    """How many blocks must be checkpointed on that card, with one triplet at a time and the base that
    `training_way` names; None: it trains nothing.
    """
    base, _ = training_way(memory_gb)
    quantization = next((way for way in _WAYS if way == base), None)
    counts = range(_NUM_LAYERS + 1)
    return next((count for count in counts if training_gb(quantization, 1, count) <= memory_gb), None)
