"""Tiny random checkpoints of the pipelines that editors of the table run, saved by the real classes.

`save(pipeline, folder)` builds that of a class and saves it; what comes out depends on every part.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_qwen
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    DiffusionPipeline,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    FluxFillPipeline,
    FluxKontextPipeline,
    FluxTransformer2DModel,
    LongCatImageEditPipeline,
    LongCatImageTransformer2DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pixelsmile.editing.prompts import image_only_processor

WIDTH = 16
CHAT = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


def save(pipeline: str, folder: Path) -> Path:
    """The folder, with a tiny checkpoint of the pipeline of that name."""
    torch.manual_seed(0)
    made = BUILDERS[pipeline]()
    assert type(made).__name__ == pipeline
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def _qwen(kind: type[DiffusionPipeline]) -> DiffusionPipeline:
    tokenizer = tiny_qwen.tokenizer()
    return kind(
        scheduler=tiny_qwen.scheduler(),
        vae=tiny_qwen.vae(),
        text_encoder=tiny_qwen.text_encoder(tokenizer),
        tokenizer=tokenizer,
        processor=image_only_processor(Qwen2VLImageProcessorPil(), tokenizer),
        transformer=tiny_qwen.transformer(),
    )


def _longcat() -> DiffusionPipeline:
    tokenizer = tiny_qwen.tokenizer()
    return LongCatImageEditPipeline(
        scheduler=_shifting(),
        vae=_vae(latent_channels=16, shift_factor=0.1),
        text_encoder=tiny_qwen.text_encoder(tokenizer),
        tokenizer=tokenizer,
        text_processor=image_only_processor(Qwen2VLImageProcessorPil(), tokenizer),
        transformer=LongCatImageTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=[4, 6, 6],
        ).eval(),
    )


def _flux(kind: type[DiffusionPipeline], in_channels: int) -> DiffusionPipeline:
    return kind(
        scheduler=_shifting(),
        vae=_vae(latent_channels=4, shift_factor=0.1),
        text_encoder=_clip_text(),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=200, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        ).eval(),
        tokenizer_2=_t5_tokenizer(),
        transformer=FluxTransformer2DModel(
            in_channels=in_channels,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=(4, 6, 6),
            guidance_embeds=True,
        ).eval(),
    )


def _klein() -> DiffusionPipeline:
    tokenizer = tiny_qwen.tokenizer()
    tokenizer.chat_template = CHAT
    made = Flux2KleinPipeline(
        scheduler=_shifting(),
        vae=AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",),
            up_block_types=("UpDecoderBlock2D",),
            block_out_channels=(4,),
            layers_per_block=1,
            latent_channels=1,
            norm_num_groups=1,
        ).eval(),
        text_encoder=Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=32,
                num_hidden_layers=27,  # of which three are read
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
            )
        ).eval(),
        tokenizer=tokenizer,
        transformer=Flux2Transformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * WIDTH,
            timestep_guidance_channels=WIDTH,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ).eval(),
        is_distilled=True,
    )
    with torch.no_grad():  # else the picture, which only attention brings in, changes no level of 255
        made.vae.encoder.conv_out.weight.mul_(20)
        for parameter in made.transformer.parameters():
            parameter.mul_(2)
    return made


def _pix2pix() -> DiffusionPipeline:
    return StableDiffusionInstructPix2PixPipeline(
        scheduler=EulerAncestralDiscreteScheduler(),
        vae=_vae((4, 4, 4, 4), latent_channels=4),
        text_encoder=_clip_text(),
        tokenizer=_clip_tokenizer(),
        unet=UNet2DConditionModel(
            block_out_channels=(4, 8),
            layers_per_block=1,
            in_channels=8,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=2,
            norm_num_groups=2,
        ).eval(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _shifting() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15)


def _vae(widths: tuple[int, ...] = (4, 8), **options: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=1,
        norm_num_groups=2,
        **options,
    ).eval()


def _clip_text() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=600,
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
            projection_dim=WIDTH,
        )
    ).eval()


def _clip_tokenizer() -> CLIPTokenizer:
    letters = sorted(ByteLevel.alphabet())
    symbols = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocab = {symbol: index for index, symbol in enumerate(symbols)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def _t5_tokenizer() -> T5TokenizerFast:
    letters = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,"
    pieces = ["<pad>", "</s>", "<unk>", "▁", *letters]
    return T5TokenizerFast(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=10)


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "QwenImageEditPipeline": lambda: _qwen(QwenImageEditPipeline),
    "QwenImageEditPlusPipeline": lambda: _qwen(QwenImageEditPlusPipeline),
    "FluxKontextPipeline": lambda: _flux(FluxKontextPipeline, in_channels=16),
    "FluxFillPipeline": lambda: _flux(FluxFillPipeline, in_channels=16 + 16 + 4 * 4),
    "Flux2KleinPipeline": _klein,
    "LongCatImageEditPipeline": _longcat,
    "StableDiffusionInstructPix2PixPipeline": _pix2pix,
}
