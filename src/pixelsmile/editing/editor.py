"""The public editor: a portrait and expressions in, a sweep of edited portraits out."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from PIL import Image

import pixelsmile
from pixelsmile.editing.adapter_files import AdapterLike, adapter_specs
from pixelsmile.editing.adapters import is_for
from pixelsmile.editing.conditioning import check_conditioning
from pixelsmile.editing.devices import place
from pixelsmile.editing.edit_files import EditResult, Source, read_source
from pixelsmile.editing.engine import Edited, EditJob, Engine, Progress
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.pictures import centre_square, fit_size, resized
from pixelsmile.editing.requests import DEFAULT_STRENGTHS, Request, neutral_text, target_of
from pixelsmile.errors import ImageError, InputError
from pixelsmile.images import load_image

_log = logging.getLogger(__name__)

MAX_SIZE_PX = 4096

ImageLike = Image.Image | np.ndarray | str | Path | Source


class EditOptions(TypedDict, total=False):
    """What every way to edit takes, all of it optional.

    seed: of the noise, the same for every picture (0). steps, size (root of the working area, in pixels):
    None for the model's own. domain: human or anime. conditioning: auto, all, span or velocity (see
    `conditioning.py`). batch_size: forwards at a time (None: the engine's choice). shift: fixes the shift of
    the noise levels, for few-step adapters that ask for one (None: the model's schedule).
    """

    seed: int
    steps: int | None
    size: int | None
    domain: str
    conditioning: str
    batch_size: int | None
    shift: float | None


class Editor:
    """Edits facial expressions with an engine. `from_pretrained` loads one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "embedded",
        adapter: AdapterLike | Sequence[AdapterLike] | None = None,
        device: str | None = None,
        dtype: str | None = None,
        offload: str = "none",
        quantise: str | None = None,
    ) -> "Editor":
        """Load a model and its adapters.

        model: `embedded`, a stock diffusers folder of the Qwen-Image-Edit family, or a hub id. adapter: one
        or several LoRAs (file, folder, hub id; with `=SCALE` or an AdapterSpec for a scale other than 1); the
        model's own where it has some if None, and none at all if `()` or `none`.
        device: `cpu`, `cuda`, ... (None: a GPU if there is one). dtype: float32, bfloat16 or float16 (None:
        bfloat16 on a GPU, float32 on a CPU). offload: none, model or sequential; quantise: 8bit or 4bit, both
        for small cards. Raises ModelError, AdapterError, DeviceError.
        """
        placement = place(device, dtype, offload, quantise)
        return cls(QwenEngine.load(str(model), adapter_specs(adapter), placement))

    def edit(
        self,
        image: ImageLike,
        expression: str | None = None,
        *,
        blend: Mapping[str, float] | None = None,
        prompt: str | None = None,
        strengths: Sequence[float] = DEFAULT_STRENGTHS,
        **options: Unpack[EditOptions],
    ) -> EditResult:
        """One sweep of a portrait. Exactly one of expression, blend (name -> weight) and prompt.

        strengths: 0 (neutral) through 1 (full) to 2. Raises what `stream` raises.
        """
        request = Request(expression, blend, prompt, strengths)
        return self.edit_many(image, [request], **options)[0]

    def edit_many(
        self, image: ImageLike, requests: Sequence[Request], **options: Unpack[EditOptions]
    ) -> list[EditResult]:
        """A sweep for each request, in order; the portrait and the prompts are encoded once for all."""
        return [event for event in self.stream(image, requests, **options) if isinstance(event, EditResult)]

    def stream(
        self,
        image: ImageLike,
        requests: Sequence[Request],
        *,
        seed: int = 0,
        steps: int | None = None,
        size: int | None = None,
        domain: str = "human",
        conditioning: str = "auto",
        batch_size: int | None = None,
        shift: float | None = None,
    ) -> Iterator[Progress | EditResult]:
        """The same as a generator: Progress events, then an EditResult for each request, in order.

        image: a PIL picture, a path, uint8 (H, W, 3), or an opened Source. The options are those of
        EditOptions. Raises ExpressionError, StrengthError, ImageError and InputError, all but one kind at the
        call: only the lengths of prompts are known after they were encoded.
        """
        checked = [request.checked() for request in requests]
        if not checked:
            raise InputError("no requests given: ask for at least one expression, blend or prompt")
        _check_numbers(seed, steps, size, batch_size, shift)
        check_conditioning(conditioning)
        targets = tuple(target_of(request, self.engine, domain) for request in checked)
        source = open_source(image)
        working, notes = self._working_picture(source.image, size)
        job = EditJob(
            image=working,
            neutral=neutral_text(self.engine.info, domain),
            targets=targets,
            seed=seed,
            num_steps=steps or self.engine.info.steps,
            conditioning=conditioning,
            shift=shift,
            batch_size=batch_size,
            domain=domain,
        )
        notes = [*notes, *self._adapter_notes(domain)]
        return self._run(job, checked, source, {"domain": domain, "notes": notes})

    def _run(
        self, job: EditJob, requests: Sequence[Request], source: Source, extra: Mapping[str, Any]
    ) -> Iterator[Progress | EditResult]:
        for event in self.engine.stream(job):
            if isinstance(event, Progress):
                yield event
                continue
            for index, request in enumerate(requests):
                settings = {**self._settings(job, index, request, event), **extra}
                images = [picture.copy() for picture in event.images[index]]
                yield EditResult(request.label, images, tuple(request.strengths), settings, source)

    def _settings(self, job: EditJob, index: int, request: Request, edited: Edited) -> dict[str, Any]:
        info = self.engine.info
        return {
            "pixelsmile": pixelsmile.__version__,
            "model": info.model,
            "adapters": [dict(adapter) for adapter in info.adapters if is_for(adapter, job.domain)],
            "device": info.device,
            "dtype": info.dtype,
            "offload": info.offload,
            "quantise": info.quantise,
            "request": request.label,
            "neutral_prompt": job.neutral,
            "target_prompts": list(job.targets[index].prompts),
            "strengths": list(request.strengths),
            "weights": [list(weights) for weights in job.targets[index].weights],
            "conditioning": edited.forms[index],
            "seed": job.seed,
            "steps": job.num_steps,
            "sigmas": [round(sigma, 6) for sigma in edited.sigmas],
            "size": list(job.image.size),
            "batch_size": edited.batch_size,
        }

    def _working_picture(self, image: Image.Image, size: int | None) -> tuple[Image.Image, list[str]]:
        info, notes = self.engine.info, []
        if info.square and image.width != image.height:
            notes.append(
                f"cropped {image.width} x {image.height} px to the square in the middle: "
                "the model was trained on squares"
            )
            image = centre_square(image)
        if info.square and size is not None and size != info.size:
            notes.append(f"edited at {size} px, the model was trained at {info.size} px: expect faults")
        for note in notes:
            _log.warning(note)
        width, height = fit_size(*image.size, size or info.size, self.engine.multiple_px)
        return resized(image, width, height), [*notes, info.note] if info.note else notes

    def _adapter_notes(self, domain: str) -> list[str]:
        """What was found at loading, and whether the model is left alone with pictures of this domain."""
        info = self.engine.info
        if not info.adapters or any(is_for(adapter, domain) for adapter in info.adapters):
            return list(info.remarks)
        note = f"no adapter for {domain} pictures comes with {info.model}: it edits them alone"
        _log.warning(note)
        return [*info.remarks, note]


def open_source(image: ImageLike) -> Source:
    """The picture as upright RGB (see `pixelsmile.images`), with the record of its file where it has one.

    ImageError for what is no picture.
    """
    if isinstance(image, Source):
        return image
    if isinstance(image, str | Path):
        return read_source(Path(image))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ImageError(f"an array must be uint8 (H, W, 3), not {image.dtype} {image.shape}: convert it")
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise ImageError(f"not a picture: {type(image).__name__}; give a PIL picture, a path or an array")
    return Source(None, load_image(image))


def _check_numbers(
    seed: int, steps: int | None, size: int | None, batch_size: int | None, shift: float | None
) -> None:
    limits = (
        ("seed", seed, 0, 2**63 - 1),
        ("steps", steps, 1, 1000),
        ("size", size, 32, MAX_SIZE_PX),
        ("batch_size", batch_size, 1, 4096),
    )
    for name, value, low, high in limits:
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high
        ):
            raise InputError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
    if shift is not None and not 0 < shift < float("inf"):
        raise InputError(f"shift must be a positive number, not {shift!r}")
