"""A control as a job of the trainer: its record, its module, and the folder that it becomes."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from pixelsmile.editing.controls.control import TrainedControl, make_control
from pixelsmile.editing.controls.files import RECORD_NAME, ControlRecord
from pixelsmile.editing.controls.settings import MethodSettings
from pixelsmile.editing.devices import DTYPES
from pixelsmile.editing.prompts import PICTURE, SUFFIX
from pixelsmile.errors import AdapterError, InputError, ModelError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, neutral_prompt
from pixelsmile.store.safetensors_header import canonical
from pixelsmile.store.weight_hashes import fingerprint
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.control_step import ControlStep, finished
from pixelsmile.training.loop import Job
from pixelsmile.training.networks import Networks
from pixelsmile.training.step import checkpoint_blocks
from pixelsmile.triplets.triplet import Triplet

_NUM_PAIRS = 256  # of prompts, that a direction of saedit is made of
_SUBJECT = re.compile(r"\b(person|character)\b")


def control_job(
    config: TrainingConfig,
    record: ControlRecord,
    networks: Networks,
    cache: TripletCache,
    triplets: Sequence[Triplet],
    seen: Sequence[Triplet],
    data: str,
) -> Job:
    """The job that trains a control. seen: the triplets that are trained on, and cached.

    data: as of `Job`. ModelError where the model has other layers.
    """
    transformer = networks.components.transformer
    control = make_control(record, transformer, config.run.seed)
    control.to(networks.placement.device)
    if cache.window is not None:
        transformer.pos_embed = cache.window.positions(transformer.pos_embed)
    checkpoint_blocks(transformer, config.model.gradient_checkpointing)
    module = ControlStep(
        transformer.train(),
        control,
        lambda numbers: cache.batch([triplets[number] for number in numbers]),
        lambda number: [target.expression for target in triplets[number].targets],
        precision=DTYPES[config.model.precision],
    )
    export = partial(_weights, control=control, pairs_of=partial(_pairs, cache, seen))
    return Job(module, len(triplets), data, export, beside={RECORD_NAME: record.to_bytes()})


def record_of(
    config: TrainingConfig,
    settings: MethodSettings,
    networks: Networks,
    triplets: Sequence[Triplet],
    seen: Sequence[Triplet],
    num_steps: int,
) -> ControlRecord:
    """What the control will be after so many steps, and of what. seen: the triplets that are trained on.

    ModelError where the neutral prompt names no subject; InputError where saedit would have no pair of
    prompts for one of its directions.
    """
    domain = config.data.domain
    shown, learnt = _shown(triplets), _shown(seen)
    expressions = [name for name in EXPRESSIONS if name in shown]
    missing = [name for name in expressions if name not in learnt]
    if missing and settings.method == "saedit":
        raise InputError(f"no triplet that will be trained on shows {missing[0]}: train for more steps")
    neutral = (networks.options.prompts or {}).get(NEUTRAL, neutral_prompt(domain))
    return ControlRecord(
        settings=settings,
        model=config.model.name,
        base=fingerprint(networks.folder / "transformer"),
        domain=domain,
        expressions=tuple(expressions),
        neutral=neutral,
        subject=_subject(neutral, networks.components.tokenizer),
        steps=num_steps,
    )


def _shown(triplets: Sequence[Triplet]) -> set[str]:
    return {target.expression for triplet in triplets for target in triplet.targets}


def untrained(
    config: TrainingConfig, settings: MethodSettings, transformer: Any, expressions: Sequence[str]
) -> TrainedControl:
    """The control of a configuration on any transformer, to count its parameters."""
    record = ControlRecord(
        settings=settings,
        model=config.model.name,
        base="",
        domain=config.data.domain,
        expressions=tuple(expressions),
        neutral=neutral_prompt(config.data.domain),
        subject=(1, 0),
        steps=1,
    )
    return make_control(record, transformer)


def _subject(neutral: str, tokenizer: Any) -> tuple[int, int]:
    """First token and end of the subject's word, counted from the end of the prompt."""
    found = _SUBJECT.search(neutral)
    if found is None:
        raise ModelError(
            f"the model's neutral prompt {neutral!r} names no person or character to steer: give it one that "
            "does in its pixelsmile.json"
        )
    ends = (neutral[: found.start()].rstrip(), neutral[: found.end()])
    before, through = (len(tokenizer(PICTURE + part)["input_ids"]) for part in ends)
    total = len(tokenizer(PICTURE + neutral + SUFFIX)["input_ids"])
    return total - before, total - through


def _weights(
    tensors: Mapping[str, Tensor],
    *,
    control: TrainedControl,
    pairs_of: Callable[[str], tuple[Tensor, Tensor]],
) -> bytes:
    """The file of the weights; the same tensors give the same bytes. AdapterError where one is not finite."""
    saved = finished(control, tensors, pairs_of)
    for name, tensor in saved.items():
        if not tensor.isfinite().all():
            raise AdapterError(
                f"the trained control is not finite ({name}), and not written: its training diverged; go on "
                "from an earlier checkpoint, with a lower learning rate"
            )
    return canonical(safetensors.torch.save({name: value.contiguous() for name, value in saved.items()}))


def _pairs(cache: TripletCache, triplets: Sequence[Triplet], expression: str) -> tuple[Tensor, Tensor]:
    """Neutral prompts and those of an expression, each with the same source in view: (P, T, E) of each."""
    sources: list[Tensor] = []
    targets: list[Tensor] = []
    for triplet in triplets:
        names = [target.expression for target in triplet.targets]
        if expression in names and len(sources) < _NUM_PAIRS:
            batch, row = cache.batch([triplet]), names.index(expression)
            sources.append(batch.neutral[row])
            targets.append(batch.prompts[row])
    return torch.stack(sources), torch.stack(targets)
