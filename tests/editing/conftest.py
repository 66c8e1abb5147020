"""A tiny random model with the layout of Qwen-Image-Edit-2511, saved by the stock pipeline."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_qwen
import torch
from diffusers import QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pixelsmile.editing.devices import place
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.prompts import image_only_processor


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: every number that comes out depends on every part."""
    torch.manual_seed(0)
    tokenizer = tiny_qwen.tokenizer()
    pipeline = QwenImageEditPlusPipeline(
        scheduler=tiny_qwen.scheduler(),
        vae=tiny_qwen.vae(),
        text_encoder=tiny_qwen.text_encoder(tokenizer),
        tokenizer=tokenizer,
        processor=image_only_processor(Qwen2VLImageProcessorPil(), tokenizer),
        transformer=tiny_qwen.transformer(),
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
