"""Editors that are stock pipelines of diffusers, called as their authors do: one edit a picture and prompt.

Only safetensors are read, and no code of a model folder is run. Each edit has a generator of its own, so the
same seed gives the same picture in any order. The text encoder of Qwen2.5-VL is told which tokens are the
picture's, which the stock pipelines forget (diffusers issue 14194).
"""

import logging
import math
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.editing.face_edits import MASK_GROW
from pixelsmile.editing.folders import MODEL_INDEX, is_hub_id
from pixelsmile.editing.pictures import open_source, resized
from pixelsmile.editing.requests import parse_face_request
from pixelsmile.editing.session import FaceFinder
from pixelsmile.editors.editor import Capabilities, EditOutcome, Task
from pixelsmile.editors.table import Fit, PipelineRun, Row
from pixelsmile.errors import InputError, ModelError
from pixelsmile.faces.choice import manual_face
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import face_mask
from pixelsmile.hashing import sha256_json
from pixelsmile.limits import read_json_object, shown
from pixelsmile.store.hub import fetched
from pixelsmile.store.weight_hashes import remembered_sha256

# Not what lies at a repository's top: there are the same weights again, in one file for other programs.
_HUB_PATTERNS = ("*.json", "*/*.safetensors", "*/*.txt", "*/*.model", "*/*.jinja")
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last: of a safety checker
_PROCESSORS = ("processor", "text_processor")  # Qwen2-VL's; the stock one wants torchvision for films
_HEAVY = ("transformer", "unet", "text_encoder", "text_encoder_2")  # what is quantised of a pipeline
_SEES = FaceFinder("auto", logging.getLogger(__name__).info)


@dataclass(frozen=True)
class PipelineSettings:
    """How a pipeline is loaded and run, where a person says so.

    model: a folder, or a hub id with or without @REVISION, in place of the table's. steps: in place of the
    table's. device, dtype, offload, quantization: as `Editor.from_pretrained` takes them.
    """

    model: str | None = None
    steps: int | None = None
    device: str | None = None
    dtype: str | None = None
    offload: str = "none"
    quantization: str | None = None


class PipelineEditor:
    """One edit a task, at strength 1: what the pipeline makes, at the size that it makes.

    torch.OutOfMemoryError, from loading and editing, where the device is too small.
    """

    max_concurrency = 1
    capabilities = Capabilities(continuous=False, face_box=False)

    def __init__(self, row: Row, settings: PipelineSettings = PipelineSettings()) -> None:
        """ModelError where the model is not there, gated, or not this pipeline's; DeviceError."""
        assert isinstance(row.run, PipelineRun)
        self._row, self._run, self._settings = row, row.run, settings
        self._folder = _find(row, settings.model or row.run.pinned_model)
        self._placed, self._pipeline = _load(self._folder, row.run, settings)

    @property
    def device(self) -> str:
        return str(self._placed.device)

    @property
    def dtype(self) -> str:
        return str(self._placed.dtype).removeprefix("torch.")

    def to_record(self) -> dict[str, JsonValue]:
        """The pipeline, the hashes of its files, and every argument that it is given."""
        from diffusers import __version__ as version

        return {
            "kind": "diffusers",
            "name": self._row.name,
            "pipeline": self._run.pipeline,
            "diffusers": version,
            "model": self._settings.model or self._run.model,
            "revision": None if self._settings.model else self._run.revision,
            "model_sha256": _hash_of(self._folder),
            "arguments": self._arguments(),
            "fit": self._run.fit.model_dump(mode="json"),
            "device": self._placed.device.type,
            "dtype": self.dtype,
            "quantization": self._placed.quantization,
        }

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """One edit, at strength 1. FaceError where a face is to be filled and none is seen."""
        for strength in strengths:
            if strength != 1:
                yield EditOutcome(strength, None, "the model takes no strength: ask at strength 1")
            else:
                yield self._edited(task, picture, seed)

    async def close(self) -> None:
        """Let the pipeline go."""
        self._pipeline = None

    def _arguments(self) -> dict[str, JsonValue]:
        steps = {"num_inference_steps": self._settings.steps} if self._settings.steps else {}
        return {**self._run.arguments, **steps}

    def _edited(self, task: Task, picture: Image.Image, seed: int) -> EditOutcome:
        import torch

        size = fitted_size(*picture.size, self._run.fit)
        given: dict[str, Any] = {
            "image": resized(picture.convert("RGB"), *size),
            "prompt": task.prompt,
            "generator": torch.Generator().manual_seed(seed),
            "output_type": "np",
            **self._arguments(),
        }
        if self._run.fit.tell:
            given["width"], given["height"] = size
        if self._run.masks_face:
            given["mask_image"] = _mask(_face(task, picture), picture.size, size)
        return _outcome(self._row.name, self._called(given))

    def _called(self, given: Mapping[str, Any]) -> Any:
        import torch

        from pixelsmile.editing.components import quiet_libraries

        try:
            with quiet_libraries():
                return self._pipeline(**given)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a pipeline stumbles over in a picture or a prompt
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(f"{self._row.name} makes nothing of this picture: {lines[0]}") from error


def fitted_size(width: int, height: int, fit: Fit) -> tuple[int, int]:
    """Width and height of what a pipeline is shown; each at least one `multiple`."""
    scale = 1.0
    if fit.longest_px is not None:
        scale = fit.longest_px / max(width, height)
    elif fit.area_px is not None:
        scale = min(1.0, fit.area_px / math.sqrt(width * height))
    multiple = fit.multiple
    across, along = (max(multiple, round(side * scale / multiple) * multiple) for side in (width, height))
    return across, along


def _face(task: Task, picture: Image.Image) -> Face:
    if task.face_box is not None:
        return manual_face(task.face_box, picture.size)
    ((face, _),) = _SEES.choose(open_source(picture), [parse_face_request("largest")])
    return face


def _mask(face: Face, size: tuple[int, int], fitted: tuple[int, int]) -> Image.Image:
    """White where the face is, with room for an open jaw and raised brows, as pasting has it."""
    mask_HW = face_mask(face, size, grow=MASK_GROW)
    return Image.fromarray((mask_HW > 0).astype(np.uint8) * 255).resize(fitted, Image.Resampling.NEAREST)


def _outcome(name: str, result: Any) -> EditOutcome:
    if any(getattr(result, "nsfw_content_detected", None) or ()):
        return EditOutcome(1.0, None, "unscored: refused (the model's own safety checker)", "refused")
    pixels_HWC = np.asarray(result.images[0])
    if not np.isfinite(pixels_HWC).all():
        return EditOutcome(1.0, None, f"{name} made numbers that are no colours: try another --dtype")
    return EditOutcome(1.0, Image.fromarray((pixels_HWC * 255).round().astype(np.uint8)))


def _find(row: Row, model: str) -> Path:
    """The model's folder, fetched where it is on the hub, with all parts that its index names. ModelError."""
    assert isinstance(row.run, PipelineRun)
    if os.path.isdir(model):
        folder = Path(model)
    elif not is_hub_id(model):
        raise ModelError(f"no model folder {model!r}: give a folder of {row.run.model}, or leave out --model")
    else:
        folder = fetched(model, _HUB_PATTERNS)
    index = folder / MODEL_INDEX
    if not index.is_file():
        raise ModelError(f"{folder} is not a diffusers model, it has no {MODEL_INDEX}: give {row.run.model}")
    parts = read_json_object(index, error=ModelError)
    if parts.get("_class_name") != row.run.pipeline:
        raise ModelError(
            f"{folder} is a model for {shown(parts.get('_class_name'))}, and {row.name} runs "
            f"{row.run.pipeline}: give {row.run.model}"
        )
    for name, part in parts.items():
        if isinstance(part, list) and part[:1] not in ([None], *([library] for library in _LIBRARIES)):
            raise ModelError(
                f"{index} names {shown(part)} as {name}, which is no part of diffusers or transformers: "
                "no code of a model folder is run"
            )
        if isinstance(part, list) and part[0] is not None and not (folder / name).is_dir():
            raise ModelError(f"{folder} lacks its {name}: fetch or save the model again")
    return folder


def _load(folder: Path, run: PipelineRun, settings: PipelineSettings) -> tuple[Any, Any]:
    """The placement and the pipeline, in evaluation mode, where it is to run."""
    import diffusers

    from pixelsmile.editing.components import quiet_libraries, told_in_one_line
    from pixelsmile.editing.devices import place

    if settings.quantization == "fp8":
        raise InputError("--quantization fp8 is for --editor pixelsmile: use 8bit or 4bit")
    placed = place(settings.device, settings.dtype, settings.offload, settings.quantization)
    kind = getattr(diffusers, run.pipeline)
    with quiet_libraries(), told_in_one_line(folder):
        pipeline = kind.from_pretrained(
            str(folder),
            dtype=placed.dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            **_processors(folder),
            **_quantization(folder, placed),
        )
        _tell_token_types(pipeline)
        pipeline.set_progress_bar_config(disable=True)
        if placed.offload == "model":
            pipeline.enable_model_cpu_offload(device=placed.device)
        elif placed.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=placed.device)
        elif placed.quantization is None:
            pipeline.to(placed.device)
    return placed, pipeline


def _processors(folder: Path) -> dict[str, Any]:
    """The Qwen2-VL processor of a folder that has one, for pictures alone, with its tokenizer."""
    name = next((name for name in _PROCESSORS if (folder / name).is_dir()), None)
    if name is None:
        return {}
    from transformers import AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from pixelsmile.editing.prompts import image_only_processor

    tokenizer = AutoTokenizer.from_pretrained(
        str(folder), subfolder="tokenizer", local_files_only=True, trust_remote_code=False
    )
    pictures = Qwen2VLImageProcessorPil.from_pretrained(
        str(folder), subfolder=name, local_files_only=True, trust_remote_code=False
    )
    return {name: image_only_processor(pictures, tokenizer), "tokenizer": tokenizer}


def _quantization(folder: Path, placed: Any) -> dict[str, Any]:
    """The options that load the heavy parts of a pipeline in 8 or 4 bits."""
    if placed.quantization is None:
        return {}
    from diffusers.quantizers import PipelineQuantizationConfig

    options: dict[str, Any] = {"load_in_8bit": True}
    if placed.quantization == "4bit":
        options = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": placed.dtype,
        }
    parts = [part for part in _HEAVY if (folder / part).is_dir()]
    config = PipelineQuantizationConfig(
        quant_backend=f"bitsandbytes_{placed.quantization}",
        quant_kwargs=options,
        components_to_quantize=parts,
    )
    return {"quantization_config": config}


def _tell_token_types(pipeline: Any) -> None:
    encoder = getattr(pipeline, "text_encoder", None)
    image_token_id = getattr(getattr(encoder, "config", None), "image_token_id", None)
    if encoder is None or image_token_id is None:
        return

    def with_types(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {"mm_token_type_ids": (given["input_ids"] == image_token_id).int(), **given}

    encoder.register_forward_pre_hook(with_types, with_kwargs=True)


def _hash_of(folder: Path) -> str:
    """One hash of the files that a pipeline is loaded from, by their names."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".json", ".txt"))
    return sha256_json({path.relative_to(folder).as_posix(): remembered_sha256(path) for path in files})
