"""The public editor: a portrait and expressions in, a sweep of edited portraits out."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

from PIL import Image

from pixelsmile.editing.acceleration import NOT_ACCELERATED, PRESETS, Acceleration, is_of_a_preset
from pixelsmile.editing.adapters.files import AdapterLike, adapter_specs, is_for
from pixelsmile.editing.controls.files import find_control
from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.engine import EditJob, Engine, EngineInfo, EngineResult, Progress
from pixelsmile.editing.folders import EMBEDDED, GEOMETRIC
from pixelsmile.editing.options import NO_WORDS, EditOptions, complete
from pixelsmile.editing.pictures import (
    ImageLike,
    Source,
    centre_box,
    centre_square,
    fit_size,
    open_source,
    resized,
)
from pixelsmile.editing.requests import (
    DEFAULT_STRENGTHS,
    Request,
    neutral_text,
    require_known_words,
    target_of,
)
from pixelsmile.errors import AdapterError, InputError, ModelError
from pixelsmile.faces.pasting import fit_change, fit_whole
from pixelsmile.results import check_domain
from pixelsmile.version import __version__

_log = logging.getLogger(__name__)


class Editor:
    """Edits facial expressions with an engine. `from_pretrained` loads one."""

    def __init__(self, engine: Engine, *, named: bool = True) -> None:
        """named: whether somebody chose the engine; if not, it refuses pictures that it does not know."""
        self.engine = engine
        self._named = named
        self._said: set[str] = set()

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        adapter: AdapterLike | Sequence[AdapterLike] | None = None,
        device: str | None = None,
        dtype: str | None = None,
        offload: str = "none",
        quantization: str | None = None,
        control: str | Path | None = None,
        acceleration: Acceleration | None = None,
    ) -> "Editor":
        """Load a model and its adapters; the libraries stay silent meanwhile.

        model: "embedded", a stock diffusers folder of Qwen-Image-Edit or Qwen-Image-2.1, a hub id, or a
        single file with the weights of the former's transformer (GGUF, or safetensors of 8 or 16 bits, as
        other tools write); or "geometric", which moves the mesh of a photographed face on a CPU, and takes
        none of what follows. None: the embedded one, which then refuses files that are no drawn portraits.
        adapter: one or several LoRAs (file, folder, hub id; with `=SCALE` or an AdapterSpec for a scale
        other than 1); the model's own where it has some if None, and none at all if `()` or "none". device:
        "cpu", "cuda", "cuda:1" (None: a GPU if there is one). dtype: "float32", "bfloat16" or "float16"
        (None: bfloat16 on a GPU, float32 on a CPU). offload: "none", "model" or "sequential", to save GPU
        memory. quantization: "fp8", "8bit" or "4bit" weights, the latter two on a GPU (None: as they are).
        control: the folder of a trained control, which steers the bare model by strength (None: textual
        interpolation). acceleration: how it is made faster (None: not at all).

        Raises ModelError, AdapterError, DeviceError, InputError.
        """
        if model is not None and not isinstance(model, str | Path):
            raise ModelError(f"a model is a name, a folder or a hub id, not {type(model).__name__}")
        if model == GEOMETRIC:
            return cls(_geometric(adapter, device, dtype, offload, quantization, control, acceleration))
        from pixelsmile.editing.components import quiet_libraries
        from pixelsmile.editing.devices import place
        from pixelsmile.editing.engines.qwen import QwenEngine

        placement = place(device, dtype, offload, quantization)
        specs = adapter_specs(adapter)
        found = None if control is None else find_control(control)
        if found is not None and specs:
            raise AdapterError(f"{found.called} steers the bare model: leave the adapter out")
        with quiet_libraries():
            engine = QwenEngine.load(
                str(model or EMBEDDED), specs, placement, found, acceleration or NOT_ACCELERATED
            )
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
        options: seed, steps, size, domain, conditioning, batch_size, shift, restore, neutralise, guidance,
        negative_prompt, as `EditOptions` tells.

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
        self, image: ImageLike, requests: Sequence[Request], **options: Unpack[EditOptions]
    ) -> Iterator[Progress | EditResult]:
        """The same as a generator: Progress events, then an EditResult for each request, in order.

        image: a PIL picture, a path, uint8 (H, W, 3), or an opened Source. options: as for `edit`. Closing
        the generator ends the work. Raises ExpressionError, StrengthError, ImageError and InputError, all but
        one kind at the call: only the lengths of prompts are known after they were encoded.
        """
        checked = _checked(requests)
        given = complete(**options)
        self._check_used(given)
        source = open_source(image)
        domain = source.domain if given["domain"] is None else given["domain"]
        targets = tuple(target_of(request, self.engine, domain) for request in checked)
        if source.path is not None:
            check_domain(source.path, source.portrait, domain)
        working, notes = self._working_picture(source.image, given["size"])
        neutralise = given["neutralise"]
        job = EditJob(
            image=working,
            neutral=neutral_text(self.engine.info, domain),
            targets=targets,
            seed=given["seed"],
            num_steps=given["steps"] or self.engine.info.steps,
            conditioning=given["conditioning"],
            shift=given["shift"] or self.engine.info.shift,
            batch_size=given["batch_size"],
            domain=domain,
            neutralise=1.0 if neutralise is None else neutralise,
            guidance=self.engine.info.guidance if given["guidance"] is None else given["guidance"],
            negative=NO_WORDS if given["negative_prompt"] is None else given["negative_prompt"],
        )
        _check_negative(job, given["negative_prompt"], self.engine.info)
        notes = [*notes, *self._adapter_notes(domain), *self._preset_notes(given)]
        if given["restore"]:
            notes = [*source.original.notes, *notes]
            self.warn_of(source)
        return self._run(job, checked, source, {"domain": domain, "notes": notes}, given["restore"])

    def _check_used(self, given: EditOptions) -> None:
        """Refuse what the engine would not use. InputError."""
        if self.engine.info.moves_units:
            names = ["steps", "batch_size", "shift", "guidance", "negative_prompt"]
        else:
            steered = self.engine.info.control is not None
            names = ["neutralise", *(["guidance", "negative_prompt"] if steered else [])]
        unused = [name for name, value in given.items() if name in names and value is not None]
        if self.engine.info.moves_units and given["conditioning"] != "auto":
            unused.append("conditioning")
        if unused:
            model = self.engine.info.model
            raise InputError(f"the model {model} does not use {', '.join(unused)}: leave it out")

    def warn_of(self, source: Source) -> None:
        """Log what is lost of a picture, and that the model does not know its like, where it is a file's.

        ModelError for such a file where nobody chose the model.
        """
        for note in source.original.notes:
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
            return source.original.restored(edit.copy())
        if self.engine.info.moves_units:
            return source.original.restored(fit_change(source.image, edit))
        box = centre_box(size) if self.engine.info.square else (0, 0, *size)
        return source.original.restored(fit_whole(source.image, edit, box))

    def _settings(self, job: EditJob, index: int, request: Request, result: EngineResult) -> dict[str, Any]:
        info = self.engine.info
        return {
            "pixelsmile": __version__,
            "model": info.model,
            "adapters": [dict(adapter) for adapter in info.adapters if is_for(adapter, job.domain)],
            **({} if info.control is None else {"control": dict(info.control)}),
            "device": info.device,
            "dtype": info.dtype,
            "offload": info.offload,
            "quantization": info.quantization,
            "request": request.label,
            "neutral_prompt": job.neutral,
            "target_prompts": list(job.targets[index].prompts),
            "strengths": list(request.strengths),
            "weights": [list(weights) for weights in job.targets[index].weights],
            "conditioning": result.conditionings[index],
            "seed": job.seed,
            "steps": job.num_steps,
            "sigmas": [round(sigma, 6) for sigma in result.sigmas],
            "size": list(job.image.size),
            "batch_size": result.batch_size,
            **({"guidance": job.guidance, "negative_prompt": job.negative} if job.is_guided else {}),
            **_units_of(job, index),
            **({"editor": dict(info.record)} if info.record else {}),
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
        self._say(*notes)
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
        adapters = [adapter for adapter in info.adapters if not is_of_a_preset(str(adapter["source"]))]
        if not adapters or any(is_for(adapter, domain) for adapter in adapters):
            return list(info.remarks)
        note = f"no adapter for {domain} pictures comes with {info.model}: it edits them alone"
        self._say(note)
        return [*info.remarks, note]

    def _preset_notes(self, given: EditOptions) -> list[str]:
        """What was asked for in place of a preset's own: it is done so, and said."""
        name = self.engine.info.record.get("acceleration", {}).get("preset")
        departures = [] if name is None else PRESETS[name].departures(given)
        if not departures:
            return []
        note = f"{'; '.join(departures)}: preset {name} was not distilled for that, expect faults"
        self._say(note)
        return [note]

    def _say(self, *notes: str) -> None:
        """Log what is recorded with each edit, and said once."""
        for note in notes:
            if note not in self._said:
                self._said.add(note)
                _log.warning(note)


def _geometric(
    adapter: AdapterLike | Sequence[AdapterLike] | None,
    device: str | None,
    dtype: str | None,
    offload: str,
    quantization: str | None,
    control: str | Path | None,
    acceleration: Acceleration | None,
) -> Engine:
    """The engine that has no weights to place. InputError for an option that it would not use."""
    from pixelsmile.editing.engines.geometric import GeometricEngine

    given = {
        "adapter": bool(adapter_specs(adapter)),
        "device": device not in (None, "cpu"),
        "dtype": dtype not in (None, "float32"),
        "offload": offload != "none",
        "quantization": quantization is not None,
        "control": control is not None,
        **dict.fromkeys((acceleration or NOT_ACCELERATED).as_dict(), True),
    }
    unused = [name for name, is_given in given.items() if is_given]
    if unused:
        raise InputError(f"the model {GEOMETRIC} does not use {', '.join(unused)}: leave it out")
    return GeometricEngine.load()


def _check_negative(job: EditJob, asked: str | None, info: EngineInfo) -> None:
    """InputError for a negative prompt that nothing would be led away from; ExpressionError for its words."""
    if asked is not None and not job.is_guided:
        raise InputError(
            f"negative_prompt {asked!r} does nothing without guidance: give guidance above 1, for example 4"
        )
    require_known_words(job.negative, info)


def _units_of(job: EditJob, index: int) -> dict[str, Any]:
    """The action units of each picture (those that are not 0), where an engine moves them."""
    units = job.targets[index].units
    if not units:
        return {}
    shown = [{name: round(value, 4) for name, value in asdict(one).items() if value} for one in units]
    return {"units": shown, "neutralise": job.neutralise}


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
