"""The parts of a tiny random model with the layout of Qwen-Image-2.1, for whoever builds one."""

from pathlib import Path

import tiny_qwen
import torch
from diffusers import (
    AutoencoderKLQwenImage21,
    FlowMatchEulerDiscreteScheduler,
    QwenImage21Pipeline,
    QwenImage21Transformer2DModel,
)
from torch import nn
from transformers import ProcessorMixin, Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

WIDTH, CHANNELS = 16, 8
OPTIONS = '{"size": 64, "steps": 4}'
# What the pipeline counts the tokens of the system's message with.
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{{ part.text }}{% endfor %}<|im_end|>\n{% endfor %}"
)


class ImageOnlyProcessor(Qwen3VLProcessor):
    """The stock one wants a video processor, and that torchvision."""

    def __init__(self, image_processor: object, tokenizer: object, **_: object) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=CHAT)


# Folders that are saved with it name the stock class.
ImageOnlyProcessor.__name__ = Qwen3VLProcessor.__name__
ImageOnlyProcessor.__module__ = Qwen3VLProcessor.__module__


def processor() -> ImageOnlyProcessor:
    pictures = Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, size={"shortest_edge": 32 * 32, "longest_edge": 2048 * 2048}
    )
    return ImageOnlyProcessor(pictures, tiny_qwen.tokenizer())


def text_encoder(tokenizer: object) -> Qwen3VLForConditionalGeneration:
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "initializer_range": tiny_qwen.SPREAD,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 5e6},
        },
        vision_config={
            "depth": 2,
            "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
            "patch_size": 16,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
            "initializer_range": tiny_qwen.SPREAD,
        },
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    found = Qwen3VLForConditionalGeneration(config).eval()
    scale = found.model.language_model.norm.weight
    nn.init.uniform_(scale, 0.5, 2.0)  # so that it matters whether this norm is passed
    return found


def transformer() -> QwenImage21Transformer2DModel:
    found = QwenImage21Transformer2DModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        context_in_dim=WIDTH,
        mlp_ratio=2,
        axes_dims_rope=(4, 6, 6),
    ).eval()
    for name, layer in found.named_modules():
        # So that words change what comes out, and a rounded noise level does not.
        if isinstance(layer, nn.Linear) and name.startswith(("transformer_blocks.", "txt_in.")):
            nn.init.normal_(layer.weight, std=tiny_qwen.SPREAD)
    return found


def vae() -> AutoencoderKLQwenImage21:
    generator = torch.Generator().manual_seed(2)
    return AutoencoderKLQwenImage21(
        base_dim=4,
        decoder_base_dim=6,
        z_dim=CHANNELS,
        dim_mult=[1, 1, 2, 2, 2],
        num_res_blocks=1,
        latents_mean=torch.randn(CHANNELS, generator=generator).tolist(),
        latents_std=(torch.rand(CHANNELS, generator=generator) + 0.5).tolist(),
    ).eval()


def save_model(folder: Path) -> Path:
    """The folder, as the stock pipeline writes it. Random weights: what comes out depends on all parts."""
    torch.manual_seed(0)
    pictures_and_words = processor()
    pipeline = QwenImage21Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_shift=0.9),
        vae=vae(),
        text_encoder=text_encoder(pictures_and_words.tokenizer),
        processor=pictures_and_words,
        transformer=transformer(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    (folder / "pixelsmile.json").write_text(OPTIONS)
    return folder
