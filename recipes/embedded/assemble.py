"""The trained parts as one stock diffusers folder."""

import json
import shutil
from pathlib import Path
from typing import Any

from recipes.embedded.plan import Plan
from recipes.embedded.text import build_image_processor, known_words
from recipes.work_folder import whole_folder

NOTE = "It was trained on portraits that pixelsmile draws and knows nothing else."


def take_autoencoder(model: Path, folder: Path) -> None:
    """Let the autoencoder of a finished model, and the log of its training, be that of a new run."""
    if not (folder / "vae").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(model / "training-autoencoder.jsonl", folder / "stats.jsonl")
        with whole_folder(folder / "vae") as partial:
            shutil.copytree(model / "vae", partial, dirs_exist_ok=True)


def assemble(
    plan: Plan, autoencoder_folder: Path, editor_folder: Path, target: Path, start: Path | None = None
) -> None:
    """Write the whole model folder `target`, with the logs of its training (also of the one it started from).

    Nothing is half-written, and nothing of a `target` with other weights is left.
    """
    with whole_folder(target) as partial:
        shutil.copytree(autoencoder_folder / "vae", partial / "vae")
        for part in ("transformer", "text_encoder", "tokenizer"):
            shutil.copytree(editor_folder / part, partial / part)
        build_image_processor().save_pretrained(partial / "processor")
        _write(partial / "scheduler" / "scheduler_config.json", _scheduler(plan))
        _write(partial / "model_index.json", _index())
        _write(partial / "pixelsmile.json", _options(plan))
        shutil.copy(autoencoder_folder / "stats.jsonl", partial / "training-autoencoder.jsonl")
        (partial / "training-editor.jsonl").write_text(_editor_log(plan, editor_folder, start))


def _editor_log(plan: Plan, editor_folder: Path, start: Path | None) -> str:
    """The records of every phase, after those of the model that it started from."""
    log = "" if start is None else (start / "training-editor.jsonl").read_text()
    for phase in plan.editor.phases[0 if start is None else 1 :]:
        for line in (editor_folder / phase.name / "stats.jsonl").read_text().splitlines():
            log += json.dumps({"phase": phase.name, **json.loads(line)}) + "\n"
    return log


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
