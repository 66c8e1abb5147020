"""The Qwen-Image families: one engine for the embedded checkpoint, Qwen-Image-Edit-2511 and Qwen-Image-2.1.

Shape suffixes: B pictures, C, H, W latents, N tokens, D channels of a token.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pixelsmile.editing import autoencoder as codec
from pixelsmile.editing.acceleration import NOT_ACCELERATED, PRESETS, Acceleration
from pixelsmile.editing.adapters.choice import acting_adapters, adapter_remarks, any_is_pixelsmiles
from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter, is_for
from pixelsmile.editing.adapters.transformer import activate
from pixelsmile.editing.backbone import backbone_of
from pixelsmile.editing.components import Components, load_components, offload
from pixelsmile.editing.conditioning import Control, Prompt, TextualInterpolation
from pixelsmile.editing.controls.control import load_control
from pixelsmile.editing.controls.files import ControlFile
from pixelsmile.editing.devices import Placement
from pixelsmile.editing.engine import EditJob, EngineInfo, EngineResult, Preview, Progress
from pixelsmile.editing.engines.jobs import Run, distinct, preview_steps, samples_of
from pixelsmile.editing.family import EDIT
from pixelsmile.editing.fast_transformer import equip
from pixelsmile.editing.flow import PATCH, FlowSchedule, pack, unpack
from pixelsmile.editing.folders import (
    EMBEDDED,
    ModelOptions,
    alone,
    family_of,
    find_model,
    named_family,
    read_options,
    weight_file,
)
from pixelsmile.editing.part_checks import WEIGHT_FILES, weight_remarks
from pixelsmile.editing.pictures import to_pictures, to_tensor
from pixelsmile.editing.prompts import PromptEncoder
from pixelsmile.editing.sampler import Denoiser, StepTaken, sample_latents
from pixelsmile.editing.weight_file import WeightFile
from pixelsmile.errors import AdapterError, ModelError, PixelSmileError
from pixelsmile.store.hub import revision_of
from pixelsmile.store.weight_hashes import fingerprint, remembered_sha256

_log = logging.getLogger(__name__)

CPU_BATCH, GPU_BATCH = 8, 6
_IN_ADAPTER = ".lora_"
_WAY_OUT = "use dtype bfloat16 or float32"


class QwenEngine:
    """An Engine over the parts of a model folder. Make one with `load`."""

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

        control: with what is recorded of it; None: textual interpolation. adapted: an adapter of PixelSmile's
        is on the transformer, one of these or the one in training. record: of the model's files.
        """
        seen_size = options.seen_size(adapted=adapted, family=parts.family)
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
            guidance=options.guidance if preset is None else preset.guidance,
            record={
                **(record or {}),
                **({"condition_size": seen_size.px} if seen_size and not options.condition_size else {}),
                **({"keep_details": True} if options.keep_details else {}),
                **({"acceleration": faster} if faster else {}),
            },
        )
        self.parts = parts
        self.encoder = PromptEncoder(
            parts.text_encoder, parts.tokenizer, parts.image_processor, seen_size, parts.family
        )
        self._backbone = backbone_of(parts.family, self.encoder.picture_start)
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
        _refuse_early(model, adapters, acceleration)
        folder = find_model(model)
        family = family_of(folder)
        acceleration.check_model(model, family)
        file = weight_file(model, folder)
        steered = control is not None
        if control is not None:
            control.check(folder)
        options = read_options(folder)
        specs = acting_adapters(model, folder, options, adapters, acceleration, steered=steered)
        if not specs and not steered:
            options = alone(folder, options)
        for spec in specs:  # that of a preset is fetched before the long wait, and for no other family
            find_adapter(spec)
        remarks = [*family.remarks, *adapter_remarks(model, adapters, options, family, steered=steered)]
        remarks += weight_remarks(folder)
        remarks += [] if file is None else file.remarks()
        for remark in remarks:
            _log.warning(remark)
        parts = load_components(folder, placement, file)
        loaded = equip(parts.transformer, specs, acceleration, placement)
        return cls(
            model,
            parts,
            placement,
            _with_taught_words(options, specs),
            loaded,
            remarks,
            None if control is None else load_control(control, parts.transformer, placement.device),
            None if control is None else control.as_dict(),
            adapted=any_is_pixelsmiles(specs),
            record=_files_of(folder, file),
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
        runs: list[Run] = []
        try:
            if not self._fused:
                activate(self.parts.transformer, self.info.adapters, first.domain)
            references = []
            for place, job in enumerate(jobs):
                yield place, Progress("encode", 0, 1)
                prompts, reference_BCHW = self._encode(job)
                yield place, Progress("encode", 1, 1)
                runs.append(Run(job, place, *samples_of(job, prompts, self._control)))
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
                for run in distinct(finished):
                    yield run.place, Progress("decode", len(run.pictures), len(run.samples))
                    if len(run.pictures) == len(run.samples):
                        yield run.place, run.result(sigmas, denoiser.batch_size)
        finally:  # also where a person interrupts, or the memory runs out
            self._release()

    def _stepped(
        self, acting: Sequence[tuple[Run, int]], estimate_BND: Tensor, latent_size: tuple[int, int]
    ) -> Iterator[tuple[int, Progress]]:
        """What there is to say of the samples that took a step: how far each job is, and looks at some."""
        for run in distinct(acting):
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
    def _decode(self, latents_BCHW: Tensor, runs: Sequence[Run]) -> list[Image.Image]:
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
        reference_BND = pack(reference_BCHW, self._backbone.patch).to(self._placement.dtype)
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
            self._backbone,
        )

    def _release(self) -> None:
        if self._hooks is not None:
            self._hooks.maybe_free_model_hooks()


def _refuse_early(model: str, adapters: Sequence[AdapterSpec] | None, acceleration: Acceleration) -> None:
    """What is wrong whatever the model's files are: before they are fetched and loaded."""
    family = EDIT if model == EMBEDDED else named_family(model)
    if family is not None:
        acceleration.check_model(model, family)
    acceleration.with_preset(adapters or ())
    for spec in adapters or ():
        find_adapter(spec)


def _with_taught_words(options: ModelOptions, specs: Sequence[AdapterSpec]) -> ModelOptions:
    """The words of a closed vocabulary, and those that adapters were trained on beside them."""
    if options.words is None:
        return options
    taught = (word for spec in specs for word in find_adapter(spec).words)
    return options.model_copy(update={"words": tuple(dict.fromkeys((*options.words, *taught)))})


def _files_of(folder: Path, file: WeightFile | None) -> dict[str, Any]:
    """Which weights these are: the commit of a model of the hub, a fingerprint of each part, and the file of
    the transformer where it has one of its own.

    The transformer alone has 41 GB, and an edit does not wait until they are read: see `fingerprint`.
    """
    revision = revision_of(folder)
    return {
        **({} if revision is None else {"revision": revision}),
        "fingerprints": {part: fingerprint(folder / part) for part in WEIGHT_FILES},
        **({"weights": {**file.as_dict(), "sha256": remembered_sha256(file.path)}} if file else {}),
    }


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
