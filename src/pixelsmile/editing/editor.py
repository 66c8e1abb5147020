"""The public editor: a portrait and expressions in, a sweep of edited portraits out."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from PIL import Image

from pixelsmile.editing.adapters.files import AdapterLike, adapter_specs, is_for
from pixelsmile.editing.conditioning import check_conditioning
from pixelsmile.editing.edit_files import EditResult, Source, read_source
from pixelsmile.editing.engine import Edited, EditJob, Engine, Progress
from pixelsmile.editing.folders import EMBEDDED, GEOMETRIC
from pixelsmile.editing.library_noise import quiet_libraries
from pixelsmile.editing.pictures import centre_box, centre_square, fit_size, resized
from pixelsmile.editing.requests import DEFAULT_STRENGTHS, Request, neutral_text, target_of
from pixelsmile.errors import ImageError, InputError, ModelError
from pixelsmile.faces.pasting import fit_change, fit_whole
from pixelsmile.images import load_original
from pixelsmile.results import check_domain
from pixelsmile.version import __version__

_log = logging.getLogger(__name__)

MAX_SIZE_PX = 4096

ImageLike = Image.Image | np.ndarray | str | Path | Source


class EditOptions(TypedDict, total=False):
    """What `edit`, `edit_many` and `stream` take, all of it optional (in brackets: range; default).

    seed: of the noise, the same for every picture (0 to 2**63 - 1; 0).
    steps: of the sampler (1 to 1000; None: the model's own number).
    size: root of the area that is edited at, in pixels (32 to 4096; None: the model's own).
    domain: "human" or "anime" (None: a drawn portrait's own, else human).
    conditioning: "auto", "all", "span" or "velocity", how strengths steer the model (see `conditioning.py`;
    "auto").
    batch_size: forwards at a time (1 to 4096; None: the engine's choice).
    shift: fixes the shift of the noise levels, for few-step adapters that ask for one (above 0; None: the
    model's own schedule).
    restore: edits come back as large, transparent, grey and deep as the picture came in, with its own pixels
    where the model changed next to nothing; False: as the model made them (True).
    neutralise: how much of what the face shows already goes before action units are added, for the
    geometric model (0 to 1; None: all of it).
    """

    seed: int
    steps: int | None
    size: int | None
    domain: str | None
    conditioning: str
    batch_size: int | None
    shift: float | None
    restore: bool
    neutralise: float | None


class Editor:
    """Edits facial expressions with an engine. `from_pretrained` loads one."""

    def __init__(self, engine: Engine, *, named: bool = True) -> None:
        """named: whether somebody chose the engine; if not, it refuses pictures that it does not know."""
        self.engine = engine
        self._named = named

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        adapter: AdapterLike | Sequence[AdapterLike] | None = None,
        device: str | None = None,
        dtype: str | None = None,
        offload: str = "none",
        quantization: str | None = None,
    ) -> "Editor":
        """Load a model and its adapters; the libraries stay silent meanwhile.

        model: "embedded", a stock diffusers folder of the Qwen-Image-Edit family, or a hub id; or
        "geometric", which moves the mesh of a photographed face on a CPU, and takes none of what follows.
        None: the embedded one, which then refuses files that are no drawn portraits.
        adapter: one or several LoRAs (file, folder, hub id; with `=SCALE` or an AdapterSpec for a scale
        other than 1); the model's own where it has some if None, and none at all if `()` or "none". device:
        "cpu", "cuda", "cuda:1" (None: a GPU if there is one). dtype: "float32", "bfloat16" or "float16"
        (None: bfloat16 on a GPU, float32 on a CPU). offload: "none", "model" or "sequential", to save GPU
        memory. quantise: "8bit" or "4bit" weights, on a GPU (None: as they are).

        Raises ModelError, AdapterError, DeviceError, InputError.
        """
        if model is not None and not isinstance(model, str | Path):
            raise ModelError(f"a model is a name, a folder or a hub id, not {type(model).__name__}")
        if model == GEOMETRIC:
            return cls(_geometric(adapter, device, dtype, offload, quantization))
        from pixelsmile.editing.devices import place
        from pixelsmile.editing.engines.qwen import QwenEngine

        placement = place(device, dtype, offload, quantization)
        with quiet_libraries():
            engine = QwenEngine.load(str(model or EMBEDDED), adapter_specs(adapter), placement)
        return cls(engine, named=model is not None)

    def edit(
        self,
        image: ImageLike,
        expression: str | None = None,
        *,
        blend: Mapping[str, float] | None = None,
        prompt: str | None = None,
        units: Mapping[str, float] | None = None,
        strengths: Sequence[float] = DEFAULT_STRENGTHS,
        **options: Unpack[EditOptions],
    ) -> EditResult:
        """One sweep of a portrait.

        image: a PIL picture, a path, or a uint8 array (H, W, 3).
        expression: a name or synonym, such as "happy"; or blend: expression -> weight 0..2, such as
        {"happy": 0.6, "surprised": 0.4}; or prompt: in your own words; or units: action unit ->
        intensity, such as {"jaw_drop": 0.4}, for the geometric model. Exactly one of the four.
        strengths: a list, tuple or array of numbers from 0 (neutral) through 1 (full) to 2, one picture each
        ((0, 0.5, 1)).
        options: seed, steps, size, domain, conditioning, batch_size, shift, restore, neutralise, as
        `EditOptions` tells.

        Raises what `stream` raises.
        """
        request = Request(expression, blend, prompt, strengths, units)
        return self.edit_many(image, [request], **options)[0]

    def edit_many(
        self, image: ImageLike, requests: Sequence[Request], **options: Unpack[EditOptions]
    ) -> list[EditResult]:
        """A sweep for each request, in order; the portrait and the prompts are encoded once for all.

        image, options: as for `edit`. Raises what `stream` raises.
        """
        return [event for event in self.stream(image, requests, **options) if isinstance(event, EditResult)]

    def stream(
        self,
        image: ImageLike,
        requests: Sequence[Request],
        *,
        seed: int = 0,
        steps: int | None = None,
        size: int | None = None,
        domain: str | None = None,
        conditioning: str = "auto",
        batch_size: int | None = None,
        shift: float | None = None,
        restore: bool = True,
        neutralise: float | None = None,
    ) -> Iterator[Progress | EditResult]:
        """The same as a generator: Progress events, then an EditResult for each request, in order.

        image: a PIL picture, a path, uint8 (H, W, 3), or an opened Source. The options are those of
        EditOptions. Raises ExpressionError, StrengthError, ImageError and InputError, all but one kind at the
        call: only the lengths of prompts are known after they were encoded.
        """
        checked = _checked(requests)
        _check_numbers(seed, steps, size, batch_size, shift)
        check_conditioning(conditioning)
        self._check_options(steps, conditioning, batch_size, shift, neutralise)
        source = open_source(image)
        domain = source.domain if domain is None else domain
        targets = tuple(target_of(request, self.engine, domain) for request in checked)
        if source.path is not None:
            check_domain(source.path, source.portrait, domain)
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
            neutralise=1.0 if neutralise is None else neutralise,
        )
        notes = [*notes, *self._adapter_notes(domain)]
        if restore:
            notes = [*source.notes, *notes]
            self.warn_of(source)
        return self._run(job, checked, source, {"domain": domain, "notes": notes}, restore)

    def _check_options(
        self,
        steps: int | None,
        conditioning: str,
        batch_size: int | None,
        shift: float | None,
        neutralise: float | None,
    ) -> None:
        """Refuse what the engine would not heed. InputError."""
        info = self.engine.info
        if not info.moves_units:
            unheeded = ["neutralise"] if neutralise is not None else []
        else:
            given = {"steps": steps, "batch_size": batch_size, "shift": shift}
            unheeded = [name for name, value in given.items() if value is not None]
            unheeded += ["conditioning"] if conditioning != "auto" else []
        if unheeded:
            raise InputError(f"the model {info.model} does not use {', '.join(unheeded)}: leave it out")
        if neutralise is not None and not 0 <= neutralise <= 1:
            raise InputError(f"neutralise must be a number from 0 to 1, not {neutralise!r}")

    def warn_of(self, source: Source) -> None:
        """Log what is lost of a picture, and that the model does not know its like, where it is a file's.

        ModelError for such a file where nobody chose the model.
        """
        for note in source.notes:
            _log.warning("%s: %s", source.path or "the picture", note)
        info = self.engine.info
        if info.note and not info.moves_units and source.path is not None and not source.is_drawn:
            if not self._named:
                raise ModelError(
                    f"{str(source.path)!r} is no portrait that pixelsmile drew, and the embedded model knows "
                    f'no others: take Editor.from_pretrained("{GEOMETRIC}"), or name "{EMBEDDED}" to try all '
                    "the same"
                )
            _log.warning("%s is no portrait that pixelsmile drew. %s", repr(str(source.path)), info.note)

    def _run(
        self,
        job: EditJob,
        requests: Sequence[Request],
        source: Source,
        extra: Mapping[str, Any],
        restore: bool,
    ) -> Iterator[Progress | EditResult]:
        for event in self.engine.stream(job):
            if isinstance(event, Progress):
                yield event
                continue
            for index, request in enumerate(requests):
                settings = {**self._settings(job, index, request, event), **extra}
                images = [
                    self._restored(source, picture) if restore else picture.copy()
                    for picture in event.images[index]
                ]
                yield EditResult(request.label, images, tuple(request.strengths), settings, source)

    def _restored(self, source: Source, edit: Image.Image) -> Image.Image:
        """What the model made of a picture, as the picture came in."""
        size = source.image.size
        if edit.size == size:
            return source.restored(edit.copy())
        if self.engine.info.moves_units:
            return source.restored(fit_change(source.image, edit))
        box = centre_box(size) if self.engine.info.square else (0, 0, *size)
        return source.restored(fit_whole(source.image, edit, box))

    def _settings(self, job: EditJob, index: int, request: Request, edited: Edited) -> dict[str, Any]:
        info = self.engine.info
        return {
            "pixelsmile": __version__,
            "model": info.model,
            "adapters": [dict(adapter) for adapter in info.adapters if is_for(adapter, job.domain)],
            "device": info.device,
            "dtype": info.dtype,
            "offload": info.offload,
            "quantization": info.quantization,
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
            **_units_of(job, index),
        }

    def _working_picture(self, image: Image.Image, size: int | None) -> tuple[Image.Image, list[str]]:
        info, notes = self.engine.info, []
        if info.square and image.width != image.height:
            notes.append(
                f"of {image.width} x {image.height} px only the square in the middle is edited: "
                "the model was trained on squares"
            )
            image = centre_square(image)
        if info.square and size is not None and size != info.size:
            notes.append(f"edited at {size} px, the model was trained at {info.size} px: expect faults")
        for note in notes:
            _log.warning(note)
        size = size or info.size
        if info.moves_units and max(image.size) <= size:
            width, height = image.size
        elif info.moves_units:
            width, height = (max(1, round(side * size / max(image.size))) for side in image.size)
        else:
            width, height = fit_size(*image.size, size, self.engine.multiple_px)
        return resized(image, width, height), [*notes, info.note] if info.note else notes

    def _adapter_notes(self, domain: str) -> list[str]:
        """What was found at loading, and whether the model is left alone with pictures of this domain."""
        info = self.engine.info
        if not info.adapters or any(is_for(adapter, domain) for adapter in info.adapters):
            return list(info.remarks)
        note = f"no adapter for {domain} pictures comes with {info.model}: it edits them alone"
        _log.warning(note)
        return [*info.remarks, note]


def _geometric(
    adapter: AdapterLike | Sequence[AdapterLike] | None,
    device: str | None,
    dtype: str | None,
    offload: str,
    quantization: str | None,
) -> Engine:
    """The engine that has no weights to place. InputError for an option that it would not heed."""
    from pixelsmile.editing.engines.geometric import GeometricEngine

    given = {
        "adapter": bool(adapter_specs(adapter)),
        "device": device not in (None, "cpu"),
        "dtype": dtype not in (None, "float32"),
        "offload": offload != "none",
        "quantization": quantization is not None,
    }
    unheeded = [name for name, is_given in given.items() if is_given]
    if unheeded:
        raise InputError(f"the model {GEOMETRIC} does not use {', '.join(unheeded)}: leave it out")
    return GeometricEngine.load()


def _units_of(job: EditJob, index: int) -> dict[str, Any]:
    """The action units of each picture (those that are not 0), where an engine moves them."""
    units = job.targets[index].units
    if not units:
        return {}
    shown = [{name: round(value, 4) for name, value in asdict(one).items() if value} for one in units]
    return {"units": shown, "neutralise": job.neutralise}


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
    original = load_original(image)
    return Source(None, original.rgb, original=original)


def _checked(requests: Sequence[Request]) -> list[Request]:
    if not isinstance(requests, Iterable) or isinstance(requests, str | Mapping):
        raise InputError(f'requests must be a list like [Request("happy")], not {requests!r}')
    requests = list(requests)
    for request in requests:
        if not isinstance(request, Request):
            raise InputError(f'a request must be one like Request("happy"), not {request!r}')
    if not requests:
        raise InputError("no requests given: ask for at least one expression, blend or prompt")
    return [request.checked() for request in requests]


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
    if shift is not None and not (isinstance(shift, int | float) and 0 < shift < float("inf")):
        raise InputError(f"shift must be a positive number, not {shift!r}")
