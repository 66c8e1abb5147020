"""The Qwen-Image-Edit family: one engine for the embedded checkpoint and for Qwen-Image-Edit-2511.

Shape suffixes: B pictures, C, H, W latents, N tokens, D channels of a token.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pixelsmile.editing import autoencoder as codec
from pixelsmile.editing.acceleration import NOT_ACCELERATED, PRESETS, Acceleration
from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter, is_for
from pixelsmile.editing.adapters.transformer import activate, load_adapters
from pixelsmile.editing.components import Components, load_components, offload
from pixelsmile.editing.conditioning import Aim, Control, Prompt, TextualInterpolation
from pixelsmile.editing.controls.control import load_control
from pixelsmile.editing.controls.files import ControlFile
from pixelsmile.editing.devices import Placement
from pixelsmile.editing.engine import EditJob, EngineInfo, EngineResult, Preview, Progress
from pixelsmile.editing.fast_transformer import accelerate, fuse_adapters
from pixelsmile.editing.flow import PATCH, FlowSchedule, pack, unpack
from pixelsmile.editing.folders import (
    EMBEDDED,
    FULL_MODEL,
    PUBLISHED_ADAPTER,
    ModelOptions,
    alone,
    find_model,
    read_options,
    weight_file,
)
from pixelsmile.editing.part_checks import WEIGHT_FILES, weight_remarks
from pixelsmile.editing.pictures import to_pictures, to_tensor
from pixelsmile.editing.prompts import PromptEncoder
from pixelsmile.editing.sampler import Denoiser, Sample, StepTaken, sample_latents
from pixelsmile.errors import AdapterError, InputError, ModelError, PixelSmileError
from pixelsmile.store.hub import revision_of
from pixelsmile.store.weight_hashes import fingerprint, remembered_sha256

_log = logging.getLogger(__name__)

CPU_BATCH, GPU_BATCH = 8, 6
_IN_ADAPTER = ".lora_"
_WAY_OUT = "use dtype bfloat16 or float32"


class QwenEngine:
    """An Engine over the parts of a Qwen-Image-Edit folder. Make one with `load`."""

    def __init__(
        self,
        model: str,
        parts: Components,
        placement: Placement,
        options: ModelOptions,
        adapters: Sequence[Mapping[str, Any]] = (),
        remarks: Sequence[str] = (),
        control: Control | None = None,
        control_record: Mapping[str, Any] | None = None,
        *,
        adapted: bool = False,
        record: Mapping[str, Any] | None = None,
        acceleration: Acceleration = NOT_ACCELERATED,
    ) -> None:
        """adapters: those on the transformer, as `load_adapters` recorded them; other arguments as loaded.

        control: with what is recorded of it; None: textual interpolation. adapted: an adapter is on the
        transformer that was not loaded from a file: the one in training. record: of the model's files.
        """
        seen_size = options.seen_size(adapted=adapted or bool(adapters))
        preset = None if acceleration.preset is None else PRESETS[acceleration.preset]
        faster = acceleration.as_dict()
        self.info = EngineInfo(
            model=model,
            device=str(placement.device),
            dtype=str(placement.dtype).removeprefix("torch."),
            size=options.size,
            steps=options.steps if preset is None else preset.steps,
            shift=None if preset is None else preset.shift,
            square=options.square,
            words=options.words,
            domains=options.domains,
            prompts=options.prompts or {},
            adapters=tuple(adapters),
            note=options.note,
            offload=placement.offload,
            quantization=placement.quantization,
            remarks=tuple(remarks),
            control=control_record,
            guidance=options.guidance,
            record={
                **(record or {}),
                **({} if options.condition_size else {"condition_size": seen_size.px}),
                **({"keep_details": True} if options.keep_details else {}),
                **({"acceleration": faster} if faster else {}),
            },
        )
        self.parts = parts
        self.encoder = PromptEncoder(parts.text_encoder, parts.tokenizer, parts.image_processor, seen_size)
        self._placement = placement
        self._fused = acceleration.fuse
        self._control = control or TextualInterpolation()
        self._keeps_details = options.keep_details
        self._hooks = offload(parts, placement) if placement.offload != "none" else None

    @classmethod
    def load(
        cls,
        model: str,
        adapters: Sequence[AdapterSpec] | None,
        placement: Placement,
        control: ControlFile | None = None,
        acceleration: Acceleration = NOT_ACCELERATED,
    ) -> "QwenEngine":
        """Load a folder or hub id with these adapters (None: with its own, or with a control with none).

        The adapter of a preset comes beside those that are given. ModelError, AdapterError, DeviceError,
        and InputError for a preset of the embedded model.

        What a person should know of it is logged before the long wait, and kept in `info.remarks`.
        """
        if acceleration.preset is not None and model == EMBEDDED:
            raise InputError(f"preset {acceleration.preset!r} is for {FULL_MODEL}, not {model}: leave it out")
        asked, adapters = adapters, acceleration.with_preset(adapters)
        for spec in adapters or ():
            find_adapter(spec)  # a wrong one is refused before the model is fetched and loaded
        folder = find_model(model)
        file = weight_file(model, folder)
        if control is not None:
            control.check(folder)
            adapters = adapters or ()  # it was trained on the bare base
        options = read_options(folder)
        if not adapters and not options.adapters and control is None:
            options = alone(folder, options)
        remarks = [*_without_adapter(model, asked, options), *weight_remarks(folder)]
        remarks += [] if file is None else file.remarks()
        for remark in remarks:
            _log.warning(remark)
        parts = load_components(folder, placement, file)
        weights = {"weights": {**file.as_dict(), "sha256": remembered_sha256(file.path)}} if file else {}
        specs = own_adapters(folder, options) if adapters is None else adapters
        loaded = load_adapters(parts.transformer, specs, offload=placement.offload, fuse=acceleration.fuse)
        if acceleration.fuse:
            fuse_adapters(parts.transformer, specs)
        accelerate(parts.transformer, acceleration, placement.device)
        if options.words is not None:
            taught = (word for spec in specs for word in find_adapter(spec).words)
            options = options.model_copy(update={"words": tuple(dict.fromkeys((*options.words, *taught)))})
        if adapters is None:  # recorded by the model's name: pictures travel, and folders name people
            for record, name in zip(loaded, options.adapters.values(), strict=True):
                record["source"] = f"{model}/{name}"
        record = {**_files_of(folder), **weights}
        if control is None:
            return cls(
                model, parts, placement, options, loaded, remarks, record=record, acceleration=acceleration
            )
        steering = load_control(control, parts.transformer, placement.device)
        return cls(
            model,
            parts,
            placement,
            options,
            loaded,
            remarks,
            steering,
            control.as_dict(),
            record=record,
            acceleration=acceleration,
        )

    @property
    def multiple_px(self) -> int:
        return self.parts.vae.spatial_compression_ratio * PATCH

    def stream(self, job: EditJob) -> Iterator[Progress | EngineResult]:
        """Run a job. The prompts and the reference are encoded once; equal samples are made once.

        ModelError or AdapterError where numbers are not finite: no picture is made of them.
        """
        for _, event in self.stream_many([job]):
            yield event

    def stream_many(self, jobs: Sequence[EditJob]) -> Iterator[tuple[int, Progress | EngineResult]]:
        """Run jobs of one `batch_key` with their samples in the same batches. Raises what `stream` raises."""
        first = jobs[0]
        runs: list[_Run] = []
        try:
            if not self._fused:
                activate(self.parts.transformer, self.info.adapters, first.domain)
            references = []
            for place, job in enumerate(jobs):
                yield place, Progress("encode", 0, 1)
                prompts, reference_BCHW = self._encode(job)
                yield place, Progress("encode", 1, 1)
                runs.append(_Run(job, place, *samples_of(job, prompts, self._control)))
                runs[-1].details = self._details(job, reference_BCHW)
                references.append(reference_BCHW)
            denoiser = self._denoiser(first, torch.cat(references))
            sigmas = tuple(denoiser.schedule.sigmas(first.num_steps).tolist())
            order = [(run, number) for run in runs for number in range(len(run.samples))]
            samples = [run.samples[number] for run, number in order]
            for event in sample_latents(denoiser, samples, first.num_steps):
                if isinstance(event, StepTaken):
                    self._check(first, event.tokens)
                    acting = order[event.first : event.first + event.num_samples]
                    yield from self._stepped(acting, event.estimate, denoiser.latent_size)
                    continue
                finished = order[event.first : event.first + len(event.latents)]
                pictures = self._decode(event.latents, [run for run, _ in finished])
                for (run, _), picture in zip(finished, pictures, strict=True):
                    run.pictures.append(picture)
                for run in _distinct(finished):
                    yield run.place, Progress("decode", len(run.pictures), len(run.samples))
                    if len(run.pictures) == len(run.samples):
                        yield run.place, run.result(sigmas, denoiser.batch_size)
        finally:  # also where a person interrupts, or the memory runs out
            self._release()

    def _stepped(
        self, acting: "Sequence[tuple[_Run, int]]", estimate_BND: Tensor, latent_size: tuple[int, int]
    ) -> Iterator[tuple[int, Progress]]:
        """What there is to say of the samples that took a step: how far each job is, and looks at some."""
        for run in _distinct(acting):
            rows = [row for row, (owner, _) in enumerate(acting) if owner is run]
            numbers = [acting[row][1] for row in rows]
            run.taken += len(rows)
            for number in numbers:
                run.steps[number] += 1
            progress = Progress("denoise", run.taken, len(run.samples) * run.job.num_steps)
            yield run.place, progress
            if run.steps[numbers[0]] in preview_steps(run.job):
                images = self._decode(unpack(estimate_BND[rows], *latent_size), [run] * len(rows))
                for number, image in zip(numbers, images, strict=True):
                    target, index = run.place_of(number)
                    yield (
                        run.place,
                        Preview("denoise", progress.done, progress.total, image, target, index),
                    )

    @torch.inference_mode()
    def _encode(self, job: EditJob) -> tuple[dict[str, Prompt], Tensor]:
        asked = [text for target in job.targets for text in target.prompts]
        texts = list(dict.fromkeys([job.neutral, *asked, *([job.negative] if job.is_guided else [])]))
        prompts = self.encoder.encode(job.image, texts, self._placement.device)
        images_BCHW = to_tensor(job.image).to(self._placement.device)
        latents_BCHW = codec.encode_images(self.parts.vae, images_BCHW)
        self._check(job, latents_BCHW, *(prompt.embedding for prompt in prompts))
        return dict(zip(texts, prompts, strict=True)), latents_BCHW

    @torch.inference_mode()
    def _details(self, job: EditJob, reference_BCHW: Tensor) -> tuple[Tensor, Tensor] | None:
        """The source of a job and its reconstruction, where the model keeps details."""
        if not self._keeps_details:
            return None
        source_BCHW = to_tensor(job.image).to(reference_BCHW.device)
        decoded_BCHW = codec.decode_latents(self.parts.vae, reference_BCHW, clamp=False).float()
        self._check(job, decoded_BCHW)
        return source_BCHW, decoded_BCHW

    @torch.inference_mode()
    def _decode(self, latents_BCHW: Tensor, runs: "Sequence[_Run]") -> list[Image.Image]:
        """Pictures of samples, each of its run."""
        images_BCHW = codec.decode_latents(self.parts.vae, latents_BCHW, clamp=False)
        self._check(runs[0].job, images_BCHW)
        detailed = [
            image_CHW[None]
            if run.details is None
            else codec.keep_details(image_CHW[None].float(), *run.details)
            for image_CHW, run in zip(images_BCHW, runs, strict=True)
        ]
        return to_pictures(torch.cat(detailed))

    def _check(self, job: EditJob, *numbers: Tensor) -> None:
        if not all(map(is_finite, numbers)):
            acting = [adapter for adapter in self.info.adapters if is_for(adapter, job.domain)]
            raise not_finite(self.parts, self.info.dtype, acting)

    def _denoiser(self, job: EditJob, reference_BCHW: Tensor) -> Denoiser:
        reference_BND = pack(reference_BCHW).to(self._placement.dtype)
        if job.shift is not None:
            schedule = FlowSchedule(job.shift)
        else:
            schedule = FlowSchedule.from_config(self.parts.scheduler.config, reference_BND.shape[1])
        _, _, height, width = reference_BCHW.shape
        default = CPU_BATCH if self._placement.device.type == "cpu" else GPU_BATCH
        batch_size = job.batch_size or default
        return Denoiser(
            self.parts.transformer,
            schedule,
            reference_BND,
            (height, width),
            batch_size,
            self._control,
            job.guidance,
        )

    def _release(self) -> None:
        if self._hooks is not None:
            self._hooks.maybe_free_model_hooks()


class _Run:
    """A job under way: its samples, which of them each picture of each target shows, and how far they are."""

    def __init__(
        self,
        job: EditJob,
        place: int,
        samples: Sequence[Sample],
        shown: list[list[int]],
        conditionings: Sequence[str],
    ) -> None:
        self.job, self.place = job, place
        self.samples = [replace(sample, picture=place) for sample in samples]
        self.steps = [0] * len(samples)
        self.taken = 0
        self.pictures: list[Image.Image] = []
        self.details: tuple[Tensor, Tensor] | None = None  # the source, and what the autoencoder makes of it
        self._shown, self._conditionings = shown, tuple(conditionings)

    def place_of(self, number: int) -> tuple[int, int]:
        """The first picture that shows a sample: its target, and its place among the target's."""
        return next((row, place.index(number)) for row, place in enumerate(self._shown) if number in place)

    def result(self, sigmas: tuple[float, ...], batch_size: int) -> EngineResult:
        images = [[self.pictures[number] for number in row] for row in self._shown]
        return EngineResult(images, self._conditionings, sigmas, batch_size)


def _distinct(acting: Sequence[tuple[_Run, int]]) -> list[_Run]:
    return list(dict.fromkeys(run for run, _ in acting))


def preview_steps(job: EditJob) -> set[int]:
    """After which steps a look is taken: evenly spread, never after the last, which is the picture itself."""
    wanted = [round(job.num_steps * look / (job.previews + 1)) for look in range(1, job.previews + 1)]
    return {step for step in wanted if 0 < step < job.num_steps}


def own_adapters(folder: Path, options: ModelOptions) -> list[AdapterSpec]:
    """The adapters that a model folder brings along, each for its domain."""
    return [AdapterSpec(str(folder / name), domain=domain) for domain, name in options.adapters.items()]


def _files_of(folder: Path) -> dict[str, Any]:
    """Which weights these are: the commit of a model of the hub, and a fingerprint of each part.

    The transformer alone has 41 GB, and an edit does not wait until they are read: see `fingerprint`.
    """
    revision = revision_of(folder)
    return {
        **({} if revision is None else {"revision": revision}),
        "fingerprints": {part: fingerprint(folder / part) for part in WEIGHT_FILES},
    }


def _without_adapter(model: str, adapters: Sequence[AdapterSpec] | None, options: ModelOptions) -> list[str]:
    """What to say where no adapter was given, none comes along, and nobody said that none is wanted."""
    if adapters is not None or options.adapters:
        return []
    return [
        f"no adapter: {model} edits alone, without PixelSmile's training; give --adapter {PUBLISHED_ADAPTER} "
        "(for people) or your own, or --adapter none to have it so"
    ]


@torch.inference_mode()
def samples_of(
    job: EditJob, prompts: dict[str, Prompt], control: Control
) -> tuple[list[Sample], list[list[int]], list[str]]:
    """The distinct samples of a job, which of them each picture of each target shows, and the form in which
    each target is conditioned.

    Samples with equal conditions are one sample: at strength 0 all expressions are the neutral face, where
    the control says so.
    """
    samples: list[Sample] = []
    negative = prompts[job.negative].embedding if job.is_guided else None
    known: dict[Any, int] = {}
    shown, forms = [], []
    for target in job.targets:
        encoded = tuple(prompts[text] for text in target.prompts)
        aim = Aim(prompts[job.neutral], encoded, target.expressions, job.domain)
        form = control.form(job.conditioning, aim)
        row = []
        for weights in target.weights:
            pairs = zip(target.prompts, weights, strict=True)
            acting = tuple((text, weight) for text, weight in pairs if weight or not control.shares_neutral)
            key = (form, acting) if acting else ()
            if key not in known:
                known[key] = len(samples)
                terms = tuple(control.terms(form, aim, weights))
                samples.append(Sample(job.seed, terms, negative=negative))
            row.append(known[key])
        shown.append(row)
        forms.append(form)
    return samples, shown, forms


def is_finite(values: Tensor) -> bool:
    """Whether none of them is NaN or an infinity."""
    return bool(values.isfinite().all())


def not_finite(parts: Components, dtype: str, adapters: Sequence[Mapping[str, Any]]) -> PixelSmileError:
    """Why an edit came out as NaN or infinities: what is wrong with the weights, if it is they.

    dtype: the name of the numbers' format. adapters: those that act. Reads all weights: for when it happened.
    """
    for part, name, values in _suspects(parts):
        found = "NaN" if values.isnan().any() else "infinities"
        if _IN_ADAPTER in name:
            named = " or ".join(str(adapter["source"]) for adapter in adapters) or "in training"
            return AdapterError(
                f"no picture: adapter {named} holds {found} ({name}), its training diverged: take an earlier "
                "checkpoint of it"
            )
        advice = _WAY_OUT if dtype == "float16" else "fetch or convert the model again"
        cause = ", they overflow in float16" if dtype == "float16" else ""
        return ModelError(f"no picture: weights of the {part} hold {found} ({name}){cause}: {advice}")
    if dtype == "float16":
        return ModelError(f"no picture: the model's numbers overflow in float16: {_WAY_OUT}")
    if adapters:
        named = ", ".join(str(adapter["source"]) for adapter in adapters)
        return AdapterError(
            f"no picture: with adapter {named} the model's numbers grow beyond {dtype}: lower the strength "
            "or the adapter's scale, or take an earlier checkpoint of it"
        )
    return ModelError(
        f"no picture: the model's numbers grow beyond {dtype}: lower the strength, or {_WAY_OUT}"
    )


def _suspects(parts: Components) -> Iterator[tuple[str, str, Tensor]]:
    """Weights that are not finite: of which part, their name, and they."""
    modules = {"transformer": parts.transformer, "autoencoder": parts.vae, "text encoder": parts.text_encoder}
    for part, module in modules.items():
        for name, values in module.named_parameters():
            # Weights that are elsewhere between two calls cannot be looked at, quantised ones are no numbers.
            if values.device.type != "meta" and values.is_floating_point() and not is_finite(values.detach()):
                yield part, name.replace(".base_layer", ""), values.detach()
