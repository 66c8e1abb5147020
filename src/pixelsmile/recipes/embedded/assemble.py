"""The trained parts as one stock diffusers folder."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from pixelsmile.recipes.embedded.plan import Plan
from pixelsmile.recipes.embedded.text import build_image_processor, known_words

NOTE = "It was trained on portraits that pixelsmile draws and knows nothing else."


def assemble(plan: Plan, autoencoder_folder: Path, editor_folder: Path, target: Path) -> None:
    """Write the whole model folder `target`, with the logs of its training.

    Nothing of an older `target` is left, and nothing is half-written.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(autoencoder_folder / "vae", partial / "vae")
    for part in ("transformer", "text_encoder", "tokenizer"):
        shutil.copytree(editor_folder / part, partial / part)
    build_image_processor().save_pretrained(partial / "processor")
    _write(partial / "scheduler" / "scheduler_config.json", _scheduler(plan))
    _write(partial / "model_index.json", _index())
    _write(partial / "pixelsmile.json", _options(plan))
    for name, folder in (("autoencoder", autoencoder_folder), ("editor", editor_folder)):
        shutil.copy(folder / "stats.jsonl", partial / f"training-{name}.jsonl")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(partial, target)


def _scheduler(plan: Plan) -> dict[str, Any]:
    return {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "shift": plan.editor.shift,
        "use_dynamic_shifting": False,
    }


def _index() -> dict[str, Any]:
    return {
        "_class_name": "QwenImageEditPlusPipeline",
        "processor": ["transformers", "Qwen2VLProcessor"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "QwenImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKLQwenImage"],
    }


def _options(plan: Plan) -> dict[str, Any]:
    return {
        "size": plan.pictures.size,
        "condition_size": plan.editor.condition_px,
        "steps": plan.editor.num_sampling_steps,
        "square": True,
        "words": known_words(),
        "note": NOTE,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
