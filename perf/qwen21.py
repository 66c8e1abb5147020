"""Qwen-Image-2.1 at its real size, from its shapes alone: weights, what is kept of a source, arithmetic.

    python perf/qwen21.py

No weights are needed, and nothing is measured. Text and source see neither the target nor the noise level, so
their keys and values are kept from the first step on, for each forward of a batch: later steps compute the
target alone. Beside it Qwen-Image-Edit-2511, which computes all of it in each step.
"""

import torch
from diffusers import AutoencoderKLQwenImage21, QwenImage21Transformer2DModel
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from pixelsmile.editing.components import shapes_of
from pixelsmile.editing.memory import GB, TEXT_TOKENS, TOKEN_PX, Shapes

SIZES_PX, NUM_STEPS = (512, 1024), 40
LAYERS_21, LAYERS_EDIT, WIDTH_EDIT = 32, 60, 24 * 128
PROMPT_TOKENS = 40  # of the template and a prompt, without the source
NUMBER_BYTES = 2


def real_shapes() -> Shapes:
    """Of the published model: the library's own defaults, and Qwen3-VL-8B."""
    text = {
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151_936,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "mrope_section": [24, 20, 20], "rope_theta": 5e6},
    }
    eye = {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "out_hidden_size": 4096,
        "patch_size": 16,
    }
    with torch.device("meta"):
        transformer, vae = QwenImage21Transformer2DModel(num_layers=LAYERS_21), AutoencoderKLQwenImage21()
        text_encoder = Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=eye))
    return shapes_of(transformer, vae, text_encoder)


def kept_bytes(width: int, size_px: int) -> int:
    """Keys and values of one picture's text and source in all layers."""
    return LAYERS_21 * 2 * width * (num_tokens(size_px) + PROMPT_TOKENS) * NUMBER_BYTES


def num_tokens(size_px: int) -> int:
    """Of a square picture."""
    return (size_px // TOKEN_PX) ** 2


def operations(layers: int, of_square: int, width: int, computed: int, seen: int) -> float:
    """Forward: projections and MLP of the tokens that are computed, attention to those that are seen."""
    return float(layers) * computed * (of_square * width**2 + 4 * width * seen)


def main() -> None:
    """Print them."""
    shapes = real_shapes()
    for name in ("transformer", "text_encoder", "vae"):
        count = getattr(shapes, name)
        print(f"{name:<13} {count / 1e9:6.2f} billion weights {count * NUMBER_BYTES / GB:6.1f} GB in 16 bits")
    for size_px in SIZES_PX:
        num = num_tokens(size_px)
        first = operations(LAYERS_21, 26, shapes.width, 2 * num + PROMPT_TOKENS, 2 * num + PROMPT_TOKENS)
        later = operations(LAYERS_21, 26, shapes.width, num, 2 * num + PROMPT_TOKENS)
        whole = 2 * num + TEXT_TOKENS
        edit = operations(LAYERS_EDIT, 24, WIDTH_EDIT, whole, whole)
        kept, plain = first + (NUM_STEPS - 1) * later, NUM_STEPS * first
        print(
            f"{size_px:4} px: kept of a source {kept_bytes(shapes.width, size_px) / GB:4.2f} GB a picture; "
            f"{NUM_STEPS} steps {kept / 1e12:5.0f} TFLOP a picture, {plain / kept:.2f} times so many with "
            f"nothing kept, {NUM_STEPS * edit / kept:.1f} times in Qwen-Image-Edit-2511"
        )


if __name__ == "__main__":
    main()
