"""A tiny random model with the layout of Qwen-Image-Edit-2511, saved by the stock pipeline."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.prompts import image_only_processor

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
WIDTH = 16
SPREAD = 0.3  # of random weights: large enough that words and positions change what comes out
WORDS = ("the", "person", "character", "to", "show", "happy", "sad", "angry", "neutral", "expression")


def _tokenizer() -> Qwen2Tokenizer:
    letters = sorted(ByteLevel.alphabet())
    vocab = {symbol: index for index, symbol in enumerate([*SPECIAL, *letters])}
    merges: list[tuple[str, str]] = []
    for word in (f"Ġ{word}" for word in WORDS):
        merged = word[0]
        for letter in word[1:]:
            if (merged, letter) not in merges:
                merges.append((merged, letter))
                vocab.setdefault(merged + letter, len(vocab))
            merged += letter
    return Qwen2Tokenizer(
        vocab=vocab, merges=merges, extra_special_tokens=SPECIAL[1:], clean_up_tokenization_spaces=False
    )


def _text_encoder(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "initializer_range": SPREAD,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
        },
        vision_config={
            "depth": 2,
            "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
            "fullatt_block_indexes": [1],
            "initializer_range": SPREAD,
        },
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def _transformer(num_layers: int = 2) -> QwenImageTransformer2DModel:
    return QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=num_layers,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 6, 6),
        zero_cond_t=True,
    ).eval()


def _vae() -> AutoencoderKLQwenImage:
    statistics = {"latents_mean": [0.1, -0.2, 0.3, 0.0], "latents_std": [0.5, 1.5, 1.0, 2.0]}
    return AutoencoderKLQwenImage(base_dim=8, z_dim=4, num_res_blocks=1, **statistics).eval()


def _scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=0.9,
        max_image_seq_len=8192,
        shift_terminal=0.02,
    )


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: every number that comes out depends on every part."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    pipeline = QwenImageEditPlusPipeline(
        scheduler=_scheduler(),
        vae=_vae(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        processor=image_only_processor(Qwen2VLImageProcessorPil(), tokenizer),
        transformer=_transformer(),
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    pipeline.save_pretrained(folder, safe_serialization=True)
    (folder / "pixelsmile.json").write_text('{"size": 64, "condition_size": 64, "steps": 4}')
    return folder


@pytest.fixture(scope="session")
def portrait() -> Image.Image:
    """64 x 64 pixels of smooth colour."""
    y, x = np.mgrid[0:64, 0:64] / 63.0
    pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(6 * x * y)], axis=-1)
    return Image.fromarray((255 * pixels).astype(np.uint8))


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> QwenEngine:
    """The tiny model without adapters; float32 on the CPU. Tests that load adapters make their own."""
    return QwenEngine.load(str(model_folder), [], place("cpu"))


@pytest.fixture(scope="session")
def editor(engine: QwenEngine) -> Editor:
    return Editor(engine)


@pytest.fixture
def make_stock(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Path, QwenEngine, tuple[int, int]], QwenImageEditPlusPipeline]:
    """Makes the stock pipeline of a folder, for (reference, text encoder's) sizes of square pictures in px.

    It is told what it does not save: those sizes, and the length of the template.
    """

    def make(folder: Path, engine: QwenEngine, sizes: tuple[int, int]) -> QwenImageEditPlusPipeline:
        tokenizer, image_processor = engine.parts.tokenizer, engine.parts.image_processor
        pipeline = QwenImageEditPlusPipeline.from_pretrained(
            folder,
            tokenizer=tokenizer,
            processor=image_only_processor(image_processor, tokenizer),
            dtype=torch.float32,
        )
        pipeline.set_progress_bar_config(disable=True)
        pipeline.prompt_template_encode_start_idx = engine.encoder.prefix_length
        for name, size in zip(("VAE_IMAGE_SIZE", "CONDITION_IMAGE_SIZE"), sizes, strict=True):
            monkeypatch.setattr(pipeline_qwenimage_edit_plus, name, size * size)
        return pipeline

    return make


@pytest.fixture
def stock(
    model_folder: Path,
    engine: QwenEngine,
    make_stock: Callable[[Path, QwenEngine, tuple[int, int]], QwenImageEditPlusPipeline],
) -> QwenImageEditPlusPipeline:
    """The stock pipeline on the same folder."""
    return make_stock(model_folder, engine, (64, 64))
