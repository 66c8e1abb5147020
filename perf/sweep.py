"""A sweep of 12 expressions x 5 strengths: this project's engine against the plain way, in one run.

    python perf/sweep.py [--rounds 3] [--expressions 12]

The plain way is what a script around the stock pipeline does: for every picture both prompts are encoded,
interpolated and passed to the pipeline, one picture at a time. Weights, steps, size, seed and precision are
the same; the pictures are compared too. `keep_details`, which the stock pipeline lacks, is off in both.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from counts import whole

sys.path.insert(0, str(Path(__file__).parent.parent))

import diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus as stock_module
import numpy as np
import torch
from diffusers import QwenImageEditPlusPipeline
from PIL import Image
from transformers import Qwen2Tokenizer

from pixelsmile import Editor
from pixelsmile.editing.folders import OPTIONS_FILE, read_options
from pixelsmile.editing.prompts import PREFIX, image_only_processor
from pixelsmile.editing.requests import Request
from pixelsmile.embedded import model_path
from pixelsmile.expressions import EXPRESSIONS, neutral_prompt, target_prompt
from pixelsmile.portraits import action_units, render, sample_identity
from recipes.embedded.plan import EditorPlan
from recipes.embedded.text import build_image_processor

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEED = 0


def plain_pipeline(size: int) -> QwenImageEditPlusPipeline:
    """The stock pipeline on the embedded folder, told the sizes that it would otherwise choose itself."""
    stock_module.VAE_IMAGE_SIZE = size * size
    stock_module.CONDITION_IMAGE_SIZE = EditorPlan().condition_px ** 2
    tokenizer = Qwen2Tokenizer.from_pretrained(model_path() / "tokenizer")
    processor = image_only_processor(build_image_processor(), tokenizer)
    pipeline = QwenImageEditPlusPipeline.from_pretrained(
        model_path(), processor=processor, tokenizer=tokenizer, dtype=torch.float32
    )
    pipeline.prompt_template_encode_start_idx = len(tokenizer(PREFIX)["input_ids"])
    pipeline.set_progress_bar_config(disable=True)
    image_token_id = pipeline.text_encoder.config.image_token_id

    def pass_token_types(
        _module: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, {**kwargs, "mm_token_type_ids": (kwargs["input_ids"] == image_token_id).int()}

    pipeline.text_encoder.register_forward_pre_hook(pass_token_types, with_kwargs=True)
    return pipeline


def without_details(folder: Path) -> Path:
    """The embedded model again, without `keep_details`."""
    options = read_options(model_path()).model_copy(update={"keep_details": False, "adapters": {}})
    shutil.copytree(model_path(), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("adapters"))
    (folder / OPTIONS_FILE).write_text(options.model_dump_json(exclude_unset=True))
    return folder


@torch.inference_mode()
def plain_sweep(
    pipeline: QwenImageEditPlusPipeline, image: Image.Image, expressions: list[str], steps: int
) -> list[Image.Image]:
    """Every picture on its own, both prompts encoded again for each."""
    pictures = []
    seen = image.resize((EditorPlan().condition_px,) * 2, Image.Resampling.LANCZOS)
    for expression in expressions:
        for strength in STRENGTHS:
            neutral, target = (
                pipeline.encode_prompt(prompt, [seen])[0]
                for prompt in (neutral_prompt(), target_prompt(expression))
            )
            embedding = neutral + strength * (target - neutral)
            pictures += pipeline(
                image,
                prompt_embeds=embedding,
                prompt_embeds_mask=torch.ones(embedding.shape[:2]),
                height=image.height,
                width=image.width,
                num_inference_steps=steps,
                true_cfg_scale=1.0,
                generator=torch.Generator().manual_seed(SEED),
            ).images
    return pictures


def our_sweep(editor: Editor, image: Image.Image, expressions: list[str]) -> list[Image.Image]:
    """All of them in one call."""
    requests = [Request(expression, strengths=STRENGTHS) for expression in expressions]
    return [picture for result in editor.edit_many(image, requests, seed=SEED) for picture in result.images]


def main() -> None:
    """Time both, turn about, and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=whole(), default=3)
    parser.add_argument("--expressions", type=whole(), default=len(EXPRESSIONS))
    arguments = parser.parse_args()
    expressions = list(EXPRESSIONS[: arguments.expressions])
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor.from_pretrained(str(without_details(Path(folder))), adapter="none")
    pipeline = plain_pipeline(editor.engine.info.size)
    image = Image.fromarray(
        render(sample_identity(7), action_units("neutral"), "human", editor.engine.info.size)
    )
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    pictures: dict[str, list[Image.Image]] = {}
    for _ in range(arguments.rounds):
        for name in times:
            start = time.perf_counter()
            if name == "ours":
                pictures[name] = our_sweep(editor, image, expressions)
            else:
                pictures[name] = plain_sweep(pipeline, image, expressions, editor.engine.info.steps)
            times[name].append(time.perf_counter() - start)
    plain, ours = median(times["plain"]), median(times["ours"])
    gaps = [
        int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())
        for a, b in zip(pictures["plain"], pictures["ours"], strict=True)
    ]
    print(f"{len(gaps)} pictures, {editor.engine.info.steps} steps, {torch.get_num_threads()} threads")
    print(f"plain {plain:.2f} s, ours {ours:.2f} s: {plain / ours:.2f} times as fast")
    print(f"largest difference between the pictures: {max(gaps)} of 255")


if __name__ == "__main__":
    main()
