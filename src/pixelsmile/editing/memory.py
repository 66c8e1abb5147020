"""How much GPU memory an edit takes, by part, computed from the shapes of a model; which card runs what.

Weights are counted. What a forward holds at its peak was read off the modules, without gradient, and is held
against what torch allocates (`python perf/memory.py` prints both):

    transformer     17.5 h numbers for a picture token and 5 h for a text token, h its width, whatever the
                    number of layers: the widest moment is a block's feed-forward of 4 h beside shift, scale
                    and gate of every token (`zero_cond_t`)
    autoencoder     4 C numbers for a pixel, C the channels of its highest resolution: two maps and the next
                    two; at 16 bits 6.6 C, as what is scaled up is scaled in 32; larger pictures than a tile
                    are decoded tile by tile, one picture at a time

Loads no torch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pixelsmile.editing.options import Offload, Quantization

GB = 1e9
RESERVE_GB = 1.0  # what CUDA itself takes, and what the allocator cannot use
PICTURE_TOKEN_NUMBERS, TEXT_TOKEN_NUMBERS = 17.5, 5.0
PIXEL_NUMBERS = {2: 6.6, 4: 4.0}  # by the bytes of a number
TILE_PX, TILE_MARGIN_PX = 1024, 104  # of `autoencoder`, which decodes no more than that at a time
TOKEN_PX = 16  # side of what is one token of the transformer
TEXT_TOKENS = 400  # of the picture that the text encoder sees, and of a prompt; about
ADAPTER_RANK = 64
# Bytes a weight. 4 bits: NF4 with its scales, one for 64 weights, themselves in 8 bits.
WEIGHT_BYTES: dict[Quantization | None, float] = {None: 2.0, "fp8": 1.0, "8bit": 1.0, "4bit": 0.53}


@dataclass(frozen=True)
class Shapes:
    """What memory follows from. Counts of weights; those of the text encoder's vocabulary, `words`, are never
    quantised. layer: weights of the largest part that is moved alone where layers are.
    targets: rows and columns, summed over the layers that an adapter changes.
    """

    transformer: int
    text_encoder: int
    vae: int
    words: int
    layer: int
    width: int
    targets: int
    base_channels: int


FULL_SHAPES = Shapes(
    transformer=20_430_401_088,
    text_encoder=8_292_166_656,
    vae=126_892_531,
    words=2 * 152_064 * 3584,
    layer=152_064 * 3584,
    width=24 * 128,
    targets=60 * (8 * (3072 + 3072) + 4 * (3072 + 4 * 3072)),
    base_channels=96,
)


@dataclass(frozen=True)
class EditMemory:
    """Of an edit, in GB, on the GPU. weights: all that is there at once. adapter: all, each of ADAPTER_RANK.
    working: the numbers of the widest moment.
    """

    weights: float
    adapter: float
    working: float

    @property
    def total(self) -> float:
        """With what CUDA takes for itself."""
        return self.weights + self.adapter + self.working + RESERVE_GB


def edit_memory(
    shapes: Shapes = FULL_SHAPES,
    *,
    size_px: int = 512,
    batch_size: int = 1,
    quantization: Quantization | None = None,
    offload: Offload = "none",
    number_bytes: int = 2,
    transformer_gb: float | None = None,
    num_adapters: int = 1,
) -> EditMemory:
    """What an edit at `size_px` (the root of the area) takes with so many forwards at a time.

    transformer_gb: of a transformer's file, where its weights stay as they are in it (None: by quantization).
    """
    each = WEIGHT_BYTES[quantization] if quantization else float(number_bytes)
    transformer = shapes.transformer * each / GB if transformer_gb is None else transformer_gb
    text = ((shapes.text_encoder - shapes.words) * each + shapes.words * number_bytes) / GB
    vae = shapes.vae * number_bytes / GB
    denoising = transformer_numbers(shapes.width, size_px, batch_size) * number_bytes / GB
    decoding = decoder_numbers(shapes.base_channels, size_px, batch_size, number_bytes) * number_bytes / GB
    adapter = num_adapters * ADAPTER_RANK * shapes.targets * number_bytes / GB
    match offload:
        case "none":
            return EditMemory(transformer + text + vae, adapter, max(denoising, decoding))
        case "model":
            moments = ((text, 0.0, 0.0), (transformer, adapter, denoising), (vae, 0.0, decoding))
            return EditMemory(*max(moments, key=sum))
    largest = shapes.layer * number_bytes / GB
    return EditMemory(largest, 0.0, max(denoising, decoding))


def transformer_numbers(width: int, size_px: int, batch_size: int, text_tokens: int = TEXT_TOKENS) -> float:
    """The numbers that a forward holds at its peak, without weights, for pictures with a reference each."""
    picture_tokens = 2 * (size_px // TOKEN_PX) ** 2
    row = PICTURE_TOKEN_NUMBERS * picture_tokens + TEXT_TOKEN_NUMBERS * text_tokens
    return batch_size * width * row


def decoder_numbers(base_channels: int, size_px: int, batch_size: int = 1, number_bytes: int = 2) -> float:
    """The same of the autoencoder: as many pictures at once as have a tile's pixels, else one by tiles."""
    at_once = min(batch_size, max(1, TILE_PX**2 // size_px**2))
    pixels = min(at_once * size_px**2, (TILE_PX + 2 * TILE_MARGIN_PX) ** 2)
    return PIXEL_NUMBERS[number_bytes] * base_channels * pixels


# Ways to fit the full model, the best picture first, of those the fastest.
WAYS: tuple[tuple[Quantization | None, Offload], ...] = (
    (None, "none"),
    (None, "model"),
    ("fp8", "none"),
    ("fp8", "model"),
    ("4bit", "none"),
    ("4bit", "model"),
    (None, "sequential"),
)
CARDS_GB = (8, 12, 16, 24, 32, 48, 80, 96, 141)
_GIB = 2**30 / GB
_SIZES_PX = (512, 768, 1024, 1328, 1536, 2048)
_BATCHES = (1, 2, 4, 6, 12, 24, 48)


def options_of(quantization: str | None, offload: str) -> str:
    """How a way is typed; with a space before each option."""
    options = f" --offload {offload}" if offload != "none" else ""
    return options + (f" --quantization {quantization}" if quantization else "")


def best_way(memory_gb: float, shapes: Shapes = FULL_SHAPES) -> tuple[Quantization | None, Offload]:
    """The first of WAYS that fits one picture of 512 px into that much GPU memory; else the last."""
    for quantization, offload in WAYS:
        if edit_memory(shapes, quantization=quantization, offload=offload).total <= memory_gb:
            return quantization, offload
    return WAYS[-1]


def too_large(
    shapes: Shapes,
    memory_gb: float,
    quantization: Quantization | None,
    offload: Offload,
    *,
    number_bytes: int = 2,
    transformer_gb: float | None = None,
) -> str | None:
    """Why a model cannot be put on a GPU of so much memory, and what fits; None where its weights go on it.

    The rest is left to be tried: what pictures take is estimated, and other programs come and go.
    """
    found = edit_memory(
        shapes,
        quantization=quantization,
        offload=offload,
        number_bytes=number_bytes,
        transformer_gb=transformer_gb,
    )
    if found.weights <= memory_gb:
        return None
    if transformer_gb is None:
        options = options_of(*best_way(memory_gb, shapes)).strip()
    else:
        options = _way_of_a_file(shapes, memory_gb, quantization, number_bytes, transformer_gb)
    return (
        f"the GPU has {memory_gb:.0f} GB, the weights that would be on it at once take {found.weights:.0f} "
        f"GB: use {options} (pixelsmile doctor --cards)"
    )


def _way_of_a_file(
    shapes: Shapes,
    memory_gb: float,
    quantization: Quantization | None,
    number_bytes: int,
    transformer_gb: float,
) -> str:
    """What fits where a transformer's weights stay as they are in its file: the text encoder's need not."""
    ways: tuple[Quantization | None, ...] = (quantization, "fp8", "4bit")
    for way in ways:
        found = edit_memory(
            shapes,
            quantization=way,
            offload="model",
            number_bytes=number_bytes,
            transformer_gb=transformer_gb,
        )
        if found.total <= memory_gb:
            return options_of(way, "model").strip()
    return "a file of fewer bits, --offload model and --quantization 4bit"


def least_gb(
    quantization: Quantization | None, offload: Offload, *, number_bytes: int = 2, num_adapters: int = 1
) -> int:
    """The memory, in whole GB, from which on a way fits one picture of 512 px."""
    found = edit_memory(
        quantization=quantization, offload=offload, number_bytes=number_bytes, num_adapters=num_adapters
    )
    return math.ceil(found.total)


@dataclass(frozen=True)
class CardRow:
    """What a card of so many GB runs. size_px: the largest, one picture at a time. batch_size: the largest at
    512 px. total_gb: of one picture at 512 px. Sizes and batches are of a list; 0: not even the least fits.
    """

    card_gb: int
    options: str
    total_gb: float
    size_px: int
    batch_size: int

    @property
    def memory_gb(self) -> float:
        """A card sold as one of 24 GB has 24 x 2**30 bytes."""
        return self.card_gb * _GIB


def card_rows() -> Iterator[CardRow]:
    """A row for each of CARDS_GB; a card sold as one of 24 GB has 24 x 2**30 bytes."""
    for card_gb in CARDS_GB:
        room = card_gb * _GIB
        quantization, offload = best_way(room)

        def total(
            size_px: int,
            batch_size: int,
            quantization: Quantization | None = quantization,
            offload: Offload = offload,
        ) -> float:
            found = edit_memory(
                size_px=size_px, batch_size=batch_size, quantization=quantization, offload=offload
            )
            return found.total

        yield CardRow(
            card_gb=card_gb,
            options=options_of(quantization, offload).strip() or "none needed",
            total_gb=round(total(512, 1), 1),
            size_px=max((size for size in _SIZES_PX if total(size, 1) <= room), default=0),
            batch_size=max((batch for batch in _BATCHES if total(512, batch) <= room), default=0),
        )
