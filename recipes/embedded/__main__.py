"""Make the embedded editor again: one command, resumable, hours on two cores."""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pixelsmile.editing.folders import check_folder
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_file
from pixelsmile.limits import read_json_object
from pixelsmile.store.safetensors_header import read_header
from recipes.command_line import Stages, begin, recipe_parser, refusing, run
from recipes.embedded.autoencoder import build, encode_all, load_latents, train_autoencoder
from recipes.embedded.drawings import PICTURES_FILE, draw_all, planned_drawings
from recipes.embedded.editor import build_transformer, train_editor
from recipes.embedded.plan import Plan
from recipes.embedded.text import (
    build_image_processor,
    build_text_encoder,
    build_tokenizer,
    known_words,
)
from recipes.pictures import load_autoencoder
from recipes.work_folder import held, require_replaceable, require_same_plan, whole_folder

NOTE = "It was trained on portraits that pixelsmile draws and knows nothing else."


@refusing()
def main() -> None:
    """Run every stage that is not done yet."""
    parser = recipe_parser("embedded", __doc__, "runs/embedded")
    parser.add_argument(
        "--no-compile", action="store_true", help="without torch.compile (which needs a C++ compiler)"
    )
    parser.add_argument(
        "--until", choices=("pictures", "autoencoder", "latents", "editor"), help="stop after it"
    )
    parser.add_argument(
        "--start",
        type=Path,
        default=None,
        help="a finished model folder: go on from it, without the first phases of the plan",
    )
    parser.add_argument(
        "--keep-autoencoder", action="store_true", help="take that of START as it is, with its latents"
    )
    options = begin(parser, "model")
    if options.keep_autoencoder and options.start is None:
        parser.error("--keep-autoencoder needs --start: the model whose autoencoder is kept")
    if options.start is not None:
        check_folder(options.start)
    all_stages = stages(
        Plan(),
        options.work,
        options.out,
        options.workers,
        options.device,
        compile_network=not options.no_compile,
        start=options.start,
        keep_autoencoder=options.keep_autoencoder,
    )
    require_replaceable(options.out)
    with held(options.work):
        run(all_stages, options.until)


def stages(
    plan: Plan,
    work: Path,
    out: Path,
    num_workers: int,
    device: torch.device,
    *,
    compile_network: bool,
    start: Path | None = None,
    keep_autoencoder: bool = False,
) -> Stages:
    """The stages in order, each with its progress; nothing is done again.

    InputError for another start than before, and for one of another shape than the plan's.
    """
    pictures = work / "pictures"
    if start is not None:
        require_same_shape(plan, start, keep_autoencoder=keep_autoencoder)
    begun = {"weights": None if start is None else _weights(start), "keep_autoencoder": keep_autoencoder}
    require_same_plan(work, begun, "start")
    yield "pictures", draw_all(plan.pictures, plan.seed, pictures, num_workers)
    (work / "plan.json").write_text(json.dumps(asdict(plan), indent=2) + "\n")
    pixels_NHWC = np.load(pictures / PICTURES_FILE, mmap_mode="r")

    autoencoder = work / "autoencoder"
    if start is not None and keep_autoencoder:
        take_autoencoder(start, autoencoder)
    some = pixels_NHWC[: plan.autoencoder.num_identities * 2 * plan.pictures.pictures_per_identity]
    yield (
        "autoencoder",
        train_autoencoder(plan.autoencoder, plan.seed, some, autoencoder, compile_network, device, start),
    )
    vae = load_autoencoder(autoencoder / "vae", device)
    latents, editor = work / "latents", work / "editor"
    yield "latents", encode_all(vae, pixels_NHWC, plan.editor.condition_px, latents, compile_network)
    drawings, arrays = planned_drawings(plan.pictures, plan.seed), load_latents(latents)
    yield (
        "editor",
        train_editor(plan.editor, plan.seed, drawings, *arrays, editor, compile_network, device, start),
    )
    assemble(plan, autoencoder, editor, out, start)


def require_same_shape(plan: Plan, model: Path, *, keep_autoencoder: bool) -> None:
    """InputError, from headers alone, where no network of the plan could take the weights of a model folder.

    keep_autoencoder: the model's is taken as it is, of whatever shape.
    """
    if keep_autoencoder:
        z_dim = read_json_object(model / "vae" / "config.json")["z_dim"]
    else:
        z_dim = plan.autoencoder.z_dim
        _require_shapes(model / "vae", build(plan.autoencoder, plan.seed))
    _require_shapes(model / "transformer", build_transformer(plan.editor, z_dim, plan.seed))
    _require_shapes(model / "text_encoder", build_text_encoder(plan.editor, build_tokenizer(), plan.seed))


def _require_shapes(folder: Path, network: nn.Module) -> None:
    headers = [read_header(file) for file in sorted(folder.glob("*.safetensors"))]
    found = _shapes((name, entry.shape) for header in headers for name, entry in header.tensors.items())
    wanted = _shapes((name, value.shape) for name, value in network.state_dict().items())
    for shape in (*(found - wanted), *(wanted - found)):
        has = "more" if shape in found - wanted else "fewer"
        raise InputError(
            f"{str(folder)!r} is of another shape than the plan's (it has {has} tensors of "
            f"{' x '.join(map(str, shape))}): start from a model that this recipe made"
        )


def _shapes(tensors: Iterable[tuple[str, Sequence[int]]]) -> Counter[tuple[int, ...]]:
    """How many tensors have each shape, whatever their names; those with a row a word may have any number."""
    return Counter(
        tuple(shape)
        for name, shape in tensors
        if not name.endswith(("embed_tokens.weight", "lm_head.weight"))
    )


def take_autoencoder(model: Path, folder: Path) -> None:
    """Let the autoencoder of a finished model be that of a new run."""
    if not (folder / "vae").exists():
        with whole_folder(folder / "vae") as partial:
            shutil.copytree(model / "vae", partial, dirs_exist_ok=True)


def assemble(
    plan: Plan, autoencoder_folder: Path, editor_folder: Path, target: Path, start: Path | None = None
) -> None:
    """Write the whole model folder `target`, with the logs of its training, and those that `start` has.

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
        for name, folder, phases in (
            ("autoencoder", autoencoder_folder, plan.autoencoder.phases),
            ("editor", editor_folder, plan.editor.phases),
        ):
            log = f"training-{name}.jsonl"
            before = (start / log).read_text() if start is not None and (start / log).is_file() else ""
            (partial / log).write_text(before + _records(folder, [phase.name for phase in phases]))


def _weights(model: Path) -> dict[str, str]:
    """What a training goes on from: the hashes of the files."""
    parts = (model / part for part in ("vae", "text_encoder", "transformer"))
    files = (file for part in parts for file in sorted(part.glob("*.safetensors")))
    return {file.relative_to(model).as_posix(): sha256_file(file) for file in files}


def _records(folder: Path, phases: list[str]) -> str:
    """What a training logged in those of its phases that were run."""
    lines = ""
    for phase in phases:
        log = folder / phase / "stats.jsonl"
        for line in log.read_text().splitlines() if log.is_file() else []:
            lines += json.dumps({"phase": phase, **json.loads(line)}) + "\n"
    return lines


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
        "keep_details": True,
        "note": NOTE,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
