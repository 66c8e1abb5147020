"""What a training will take: estimated before any weights are loaded, or measured in two steps of everything.

Estimated are memory by part and arithmetic by step. Weights, gradients, moments and average are counted, on a
model without storage; the text encoder is needed while the cache is filled and for validation, at the side of
the rest. Activations and arithmetic are those of `step_memory`; the
weight and arithmetic of the terms' encoders are left out.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pixelsmile.editing.autoencoder import decode_frames
from pixelsmile.editing.components import shapes_of, without_storage
from pixelsmile.editing.family import EDIT, QWEN_21, Family
from pixelsmile.editing.flow import PATCH
from pixelsmile.editing.folders import (
    EMBEDDED,
    MODEL_INDEX,
    OPTIONS_FILE,
    family_of,
    find_model,
    read_options,
)
from pixelsmile.editing.memory import WEIGHT_BYTES, Shapes
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.store.hub import fetched
from pixelsmile.training.adapter import add_adapter, started
from pixelsmile.training.assembly import OnProgress, assemble
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.control_job import untrained
from pixelsmile.training.distribution import on_main, shared
from pixelsmile.training.loop import Trainer
from pixelsmile.training.run_folder import RunFolder, product_name
from pixelsmile.training.statistics import StatRecord, ValidationRecord
from pixelsmile.training.step_memory import StepShape
from pixelsmile.training.validation import Measure
from pixelsmile.training.window import TokenWindow

_NUM_REHEARSED = 2  # steps
_PICTURE_TOKEN_PX = {EDIT: 28, QWEN_21: 32}  # side of what is one token to the text encoder
_TEMPLATE_TOKENS, _WORD_TOKENS = 54, 2  # about: around the words, and of a word
_OF_TEXT = re.compile(r"\.(add_[qkv]_proj|to_add_out|txt_mlp)\.")  # layers of the second stream
_GB = 1e9


@dataclass(frozen=True)
class MemoryPart:
    """What takes memory, how much (GB, of one process), and the arithmetic of it."""

    name: str
    size_gb: float
    reason: str


@dataclass(frozen=True)
class Estimate:
    """memory: by part. step_flop: floating-point operations of one process in one step, by part. edit_flop:
    those of one edit of a validation. adapter_bytes: of the file that comes out. In the cache, latents_bytes
    for every picture and prompts_bytes more for every prompt of a source, about."""

    memory: tuple[MemoryPart, ...]
    step_flop: dict[str, float]
    edit_flop: float
    adapter_bytes: int
    latents_bytes: int
    prompts_bytes: int

    @property
    def total_gb(self) -> float:
        """Of one process."""
        return sum(part.size_gb for part in self.memory)


def estimate(
    config: TrainingConfig, on_gpu: bool, num_shards: int = 1, *, num_branches: int = 2, num_words: int = 8
) -> Estimate:
    """The estimate for one process. num_shards: processes that the transformer is spread over (FSDP).

    num_branches: targets of a triplet. num_words: of a prompt. ModelError where the model's configuration
    cannot be had.
    """
    folder = _config_folder(config.model.name)
    transformer, vae, text_encoder = without_storage(folder)
    options, family, side_px = read_options(folder), family_of(folder), config.data.size_px
    seen_size = options.seen_size(adapted=config.control is None, family=family)
    num_seen = _seen_tokens(seen_size.fit(side_px, side_px) if seen_size else (side_px, side_px), family)
    num_text = _TEMPLATE_TOKENS + num_words * _WORD_TOKENS
    # Where the source lies in the text, it takes the place of what the text encoder saw of it.
    num_around = num_text if family.sees_working_picture else num_text + num_seen
    number_bytes = 2 if config.model.precision == "bfloat16" else 4
    weight_bytes = number_bytes if on_gpu else 4
    shapes = shapes_of(transformer, vae, text_encoder)
    frozen_bytes = {**WEIGHT_BYTES, None: float(weight_bytes)}[config.model.quantization]
    num_frozen, num_vae = _count(transformer.parameters()), _count(vae.parameters())
    if config.control is None:
        add_adapter(transformer, started(transformer, config.adapter), seed=0)
        trained = _count(weight for weight in transformer.parameters() if weight.requires_grad)
    else:
        trained = _count(untrained(config, config.control, transformer, EXPRESSIONS).parameters())
    shape = _shape(config, transformer, vae, num_branches, num_around, family)
    moment_bytes = 2 if config.optimiser.kind == "adamw8bit" else 8
    memory = [
        _weights("transformer, frozen", num_frozen, frozen_bytes, num_shards),
        _text_encoder(shapes, frozen_bytes, weight_bytes),
        _weights("autoencoder", num_vae, weight_bytes),
        _weights("adapter", trained, 4, num_shards),
        _weights("its gradients", trained, 4, num_shards),
        _weights("its moments", trained, moment_bytes, num_shards),
        _weights("its average", trained, 4, num_shards),
        _transformer_activations(shape),
    ]
    if shape.decoder_flop:
        memory.append(_decoder_activations(shape, weight_bytes))
    num_sampling_steps = config.validation.num_sampling_steps or options.steps
    return Estimate(
        memory=tuple(memory),
        step_flop={name: flop * config.run.accumulation for name, flop in shape.step_flop().items()},
        edit_flop=shape.forward_flop * num_sampling_steps,
        adapter_bytes=4 * trained,
        latents_bytes=weight_bytes
        * vae.config["z_dim"]
        * (config.data.size_px // vae.spatial_compression_ratio) ** 2,
        prompts_bytes=weight_bytes * text_encoder.config.text_config.hidden_size * (num_seen + num_text),
    )


@dataclass(frozen=True)
class Rehearsal:
    """What two steps showed.

    step_s: of the second, the first is slower. last: its statistics. num_pictures: sheets of the validation.
    """

    step_s: float
    last: StatRecord
    num_pictures: int
    adapter_bytes: int


def rehearse(
    config: TrainingConfig,
    accelerator: Any,
    *,
    measure: Measure | None = None,
    on_progress: OnProgress | None = None,
    num_batches: int = _NUM_REHEARSED,
) -> Rehearsal:
    """Cache the first triplets, take two steps, save after each, validate if the configuration does, export.

    measure: of the `shortened` configuration. num_batches: 1 takes both steps with the same triplets.
    The cache stays, since a training will use it; everything else is deleted. Raises what a training would.
    """
    path = Path(shared(accelerator, on_main(accelerator, lambda: tempfile.mkdtemp(prefix="pixelsmile-"))))
    small, folder = shortened(config), RunFolder(path)
    limit = num_batches * small.run.global_batch(accelerator.num_processes)
    try:
        job = assemble(small, folder, accelerator, measure=measure, on_progress=on_progress, limit=limit)
        trainer = Trainer(job, small, folder, accelerator)
        events = list(trainer.run())
        size = on_main(accelerator, lambda: (path / product_name(small)).stat().st_size)
    finally:
        if accelerator.is_main_process:
            shutil.rmtree(path, ignore_errors=True)
    last = [event for event in events if isinstance(event, StatRecord)][-1]
    validations = [event for event in events if isinstance(event, ValidationRecord)]
    return Rehearsal(
        step_s=trainer.layout.global_batch / last.samples_per_s,
        last=last,
        num_pictures=sum(len(record.pictures) for record in validations),
        adapter_bytes=size or 0,
    )


def shortened(config: TrainingConfig) -> TrainingConfig:
    """The same training, of two steps, and a benchmark of two samples."""
    validation = config.validation
    if validation.every is not None:
        validation = validation.model_copy(
            update={"every": _NUM_REHEARSED, "num_sampling_steps": 2, "num_samples": 2}
        )
    return config.model_copy(
        update={
            "run": config.run.model_copy(update={"num_steps": _NUM_REHEARSED}),
            "optimiser": config.optimiser.model_copy(update={"num_warmup_steps": 1}),
            "checkpoints": config.checkpoints.model_copy(update={"every": 1}),
            "log": config.log.model_copy(update={"every": 1, "trackers": ()}),
            "validation": validation,
        }
    )


def _shape(
    config: TrainingConfig, transformer: Any, vae: Any, num_branches: int, num_text: int, family: Family
) -> StepShape:
    token_px = vae.spatial_compression_ratio * family.patch
    side, shares = config.data.size_px * PATCH // token_px, config.data.window or (0.0, 0.0, 1.0, 1.0)
    height, width = TokenWindow.of(shares, (side, side)).shape
    base = vae.config.get("decoder_base_dim") or vae.config["base_dim"]
    mlp = 8 if family is EDIT else 3 * transformer.config["mlp_ratio"]  # of two matrices, or with a gate
    layers, checkpointing = len(transformer.transformer_blocks), config.model.gradient_checkpointing
    decodes = config.objective.contrastive.weight or config.objective.identity.weight
    latents = (height * family.patch, width * family.patch)
    return StepShape(
        rows=num_branches * config.run.batch_size,
        tokens=2 * height * width + num_text,
        layers=layers,
        width=transformer.inner_dim,
        num_pixels=height * width * token_px**2,
        decoder_channels=tuple(base * multiplier for multiplier in vae.config["dim_mult"]),
        checkpointed=layers if checkpointing is True else min(layers, checkpointing),
        operations=2 * (4 + mlp),
        adapter=met_by_a_token(transformer),
        number_bytes=2 if config.model.precision == "bfloat16" else 4,
        decoder_flop=decoder_flop(vae, latents) if decodes else 0.0,
    )


def met_by_a_token(transformer: Any) -> int:
    """Weights of the adapter, in all layers: of those for the picture, which are as many as for the text."""
    return sum(
        weight.numel()
        for name, weight in transformer.named_parameters()
        if ".lora_" in name and "_mod." not in name and not _OF_TEXT.search(name)
    )


def decoder_flop(vae: Any, latents: tuple[int, int]) -> float:
    """Floating-point operations of decoding one picture of that many latents (height, width); vae: without
    storage. Counted by torch while it goes through the layers, without numbers."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        decode_frames(vae, torch.zeros(1, vae.config["z_dim"], *latents, device="meta"), clamp=False)
    return float(counter.get_total_flops())


def _seen_tokens(seen_size: tuple[int, int], family: Family) -> int:
    """Of the picture, in the text encoder."""
    width, height = (round(side / _PICTURE_TOKEN_PX[family]) for side in seen_size)
    return width * height


def _weights(name: str, count: int, each: float, num_shards: int = 1) -> MemoryPart:
    spread = f", over {num_shards} processes" if num_shards > 1 else ""
    return MemoryPart(name, count * each / num_shards / _GB, f"{_readable(count)} x {each:g} bytes{spread}")


def _text_encoder(shapes: Shapes, each: float, word_each: float) -> MemoryPart:
    """Its vocabulary is never quantised."""
    if each == word_each:
        return _weights("text encoder", shapes.text_encoder, each)
    rest = shapes.text_encoder - shapes.words
    reason = f"{_readable(rest)} x {each:g} bytes, its words {_readable(shapes.words)} x {word_each:g}"
    return MemoryPart("text encoder", (rest * each + shapes.words * word_each) / _GB, reason)


def _transformer_activations(shape: StepShape) -> MemoryPart:
    how = f", {shape.checkpointed} of {shape.layers} blocks checkpointed" if shape.checkpointed else ""
    return MemoryPart(
        "activations of it",
        shape.transformer_numbers * shape.number_bytes / _GB,
        f"{shape.rows} rows of {shape.tokens} tokens{how}",
    )


def _decoder_activations(shape: StepShape, number_bytes: int) -> MemoryPart:
    pictures = shape.decoded_at_once
    return MemoryPart(
        "decoding with gradient",
        shape.decoder_numbers * number_bytes / _GB,
        f"{pictures} picture{'s' if pictures > 1 else ''} at a time, {number_bytes} bytes",
    )


def _config_folder(model: str) -> Path:
    """A folder with the configuration of a model; of one on the hub, nothing else is fetched."""
    if model == EMBEDDED or Path(model).is_dir():
        return find_model(model)
    return fetched(model, ["*/config.json", MODEL_INDEX, OPTIONS_FILE], "the configuration of ")


def _count(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _readable(count: int) -> str:
    """20.4 billion, 26.5 million, 4,096."""
    for unit, name in ((1e9, "billion"), (1e6, "million")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:,}"
