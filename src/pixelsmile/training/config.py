"""What a training can be told: every key of its YAML file, its type and what it is when left out.

The defaults are those of the paper (Appendices A.2 and B) where it gives them. What it is refused for before
torch is loaded, and which changes a run that goes on may make, follows.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
from pixelsmile.editing.controls.settings import ConceptSliderSettings, KSliderSettings, MethodSettings
from pixelsmile.editing.folders import find_model, is_hub_id
from pixelsmile.editing.options import Quantization
from pixelsmile.errors import AdapterError, ExpressionError, InputError, StrengthError
from pixelsmile.expressions import check_strengths, parse_expression
from pixelsmile.hashing import sha256_json
from pixelsmile.store.run_folder import differences

if TYPE_CHECKING:
    from pixelsmile.triplets.triplet import Triplet

_FULL = 0.95  # of an expression, where a label may be rounded
CONFIG_NAME = "config.yaml"  # in the folder of a run

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelSettings(_Section):
    """The frozen model that is adapted.

    name: `embedded`, a folder, or a hub id. quantization: its transformer in fewer bits (fp8, or
    8bit and 4bit on a GPU).
    precision: of the arithmetic; `auto` is bfloat16 where the device multiplies it, else float32.
    device: null is a GPU if there is one; which, and how many, is for `accelerate launch`.
    gradient_checkpointing: true: no block keeps what lies between its ends, all are computed again in the
    backward pass, and pictures are decoded one at a time; a number: the same for so many of the first blocks.
    """

    name: str = "embedded"
    quantization: Quantization | None = Field(
        default=None,
        validation_alias=AliasChoices("quantization", "quantise"),  # what runs of before say
    )
    device: Literal["cpu", "cuda"] | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_checkpointing: bool | Count = False

    @field_validator("gradient_checkpointing", mode="before")
    @classmethod
    def _some(cls, given: object) -> object:
        if isinstance(given, bool) or (isinstance(given, int) and given > 0):
            return given
        raise ValueError(f"{given!r} is none: use true, false, or how many of the first blocks")


_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
# Layers of a block that an adapter changes: those of the reference's configuration; those that the adapters
# of the embedded model were trained with, the modulation in place of the MLPs' first layers; all that a block
# of Qwen-Image-2.1 has.
TARGETS: dict[str, tuple[str, ...]] = {
    "reference": (
        *(f"attn.{layer}" for layer in _ATTENTION),
        *(f"{stream}_mlp.net.{layer}" for stream in ("img", "txt") for layer in ("0.proj", "2")),
    ),
    "modulation": (
        *(f"attn.{layer}" for layer in _ATTENTION),
        *(f"{stream}_{layer}" for stream in ("img", "txt") for layer in ("mod.1", "mlp.net.2")),
    ),
    "qwen-image-2.1": (
        *(f"attn.{layer}" for layer in _ATTENTION[:4]),
        *(f"img_mlp.{layer}" for layer in ("gate_layer", "proj", "out")),
    ),
}


class AdapterSettings(_Section):
    """LoRA: lora_alpha / rank scales it. start: an adapter to train on from; null: a new one.

    targets: the layers of a block that it changes, by the ends of their names, or a name of `TARGETS`; null:
    those of `start`, without it the reference's, or what stands in their place in another family.
    """

    rank: Count = 64
    lora_alpha: Positive = 128.0
    dropout: Fraction = 0.0
    start: str | None = None
    targets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @field_validator("targets", mode="before")
    @classmethod
    def _by_name(cls, given: object) -> object:
        if isinstance(given, str) and given not in TARGETS:
            raise ValueError(f"{given!r} is none: use {', '.join(TARGETS)}, a list of names, or null")
        if isinstance(given, str):
            return TARGETS[given]
        return tuple(given) if isinstance(given, list) else given

    @property
    def layers(self) -> tuple[str, ...]:
        """The targets; the reference's where they are left open."""
        return self.targets or TARGETS["reference"]


class DataSettings(_Section):
    """The triplets: JSON lines, of two targets or of an instruction and one.

    size_px: side of the square around the face that is trained on (see `TrainingCrop`). window: the part of
    that square that is seen, as left, top, right and bottom in 0..1, widened to whole tokens: a face costs
    less than a portrait; null: all of it. cache: a folder that runs may share.
    detector: finds the faces of targets that come without landmarks, where the identity term is on, those of
    pictures that are not square and say nothing of them, and those of a benchmark.
    """

    triplets: str
    domain: Literal["human", "anime"] = "human"
    size_px: Annotated[int, Field(ge=32, le=4096)] = 512
    window: tuple[Share, Share, Share, Share] | None = None
    cache: str = "cache"
    detector: str = "auto"

    @field_validator("window")
    @classmethod
    def _has_area(cls, window: tuple[float, float, float, float] | None) -> object:
        if window is not None and not (window[0] < window[2] and window[1] < window[3]):
            raise ValueError(f"{list(window)} is empty; give left, top, right, bottom in 0..1")
        return window


class ContrastiveSettings(_Section):
    """The symmetric contrastive term (Eq. 7, 10 to 12), which takes two targets.

    encoder: of images: `embedded` (drawn portraits), or a CLIP in a folder or on the hub. `auto` is the
    paper's for the domain, and `embedded` with the embedded model.
    """

    weight: NotNegative = 1.0
    form: Literal["infonce", "hinge", "log_ratio"] = "infonce"
    symmetric: bool = True
    temperature: Positive = 0.07
    margin: NotNegative = 0.2
    epsilon: Positive = 1e-6
    encoder: str = "auto"


class IdentitySettings(_Section):
    """The identity term (Eq. 8), counted up to the noise level max_sigma.

    encoder: of faces: `embedded` (drawn portraits), a name of `pixelsmile models list`, a folder, or
    `KIND=FILE`; an ONNX file must hold an IResNet, as those of insightface and AuraFace do. `auto` is
    arcface, and `embedded` with the embedded model.
    """

    weight: NotNegative = 0.1
    max_sigma: Share = 0.6
    encoder: str = "auto"

    @model_validator(mode="after")
    def _counts_somewhere(self) -> "IdentitySettings":
        if self.weight and not self.max_sigma:
            raise ValueError("max_sigma is 0, and the term never counts: set its weight to 0 to leave it out")
        return self


class ObjectiveSettings(_Section):
    """The terms of Eq. 9. A weight of 0 switches a term off."""

    flow_weight: NotNegative = 1.0
    contrastive: ContrastiveSettings = ContrastiveSettings()
    identity: IdentitySettings = IdentitySettings()

    @model_validator(mode="after")
    def _one_term(self) -> "ObjectiveSettings":
        if not any((self.flow_weight, self.contrastive.weight, self.identity.weight)):
            raise ValueError("all weights are 0; give one term a weight")
        return self


class OptimiserSettings(_Section):
    """AdamW, its learning rate, and the average of the weights. adamw8bit: its state in 8 bits, on a GPU."""

    kind: Literal["adamw", "adamw8bit"] = "adamw"
    learning_rate: Positive = 1e-4
    num_warmup_steps: Annotated[int, Field(ge=0)] = 500
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    epsilon: Positive = 1e-8
    weight_decay: NotNegative = 0.001
    max_grad_norm: Positive | None = 1.0
    ema_decay: Fraction = 0.999


class RunSettings(_Section):
    """How long, in what batches.

    num_steps: of the optimiser; null: as many as num_epochs take. batch_size: triplets of one process in one
    part of a step; accumulation: parts of a step.
    """

    num_epochs: Count = 100
    num_steps: Count | None = None
    batch_size: Count = 4
    accumulation: Count = 1
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    def global_batch(self, num_processes: int) -> int:
        """Triplets a step, over all processes."""
        return self.batch_size * self.accumulation * num_processes


class CheckpointSettings(_Section):
    """A checkpoint every so many steps and at the end; the last `keep` stay."""

    every: Count = 500
    keep: Count = 2


class LogSettings(_Section):
    """A line of statistics every so many steps; trackers see the same numbers."""

    every: Count = 10
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    project: str = "pixelsmile"


class ValidationSettings(_Section):
    """A look at the averaged adapter every so many steps (null: never).

    portraits: swept on one sheet each; where none are named, the first sources of the triplets.
    benchmark: FFE-Bench, with the same strengths, sampling steps and seed: `embedded` (drawn portraits), a
    folder of it as it is on the hub, or a file of JSON lines; null: none. num_samples: of its tasks in the
    domain of the training; null: all. judge, encoders: who judges and who compares the faces, as
    `pixelsmile bench ffe judge` takes them; no encoders: identity is left out. Faces are found by
    data.detector. The `embedded` ones know drawn portraits alone.
    """

    every: Count | None = None
    portraits: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ("happy", "sad", "angry", "fear", "surprised", "disgust")
    strengths: tuple[NotNegative, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    num_sampling_steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    benchmark: str | None = None
    num_samples: Count | None = None
    judge: str = "embedded"
    encoders: tuple[str, ...] = ("embedded",)

    @field_validator("expressions")
    @classmethod
    def _are_known(cls, expressions: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for name in expressions:
                parse_expression(name)
        except ExpressionError as error:
            raise ValueError(str(error)) from error
        return expressions

    @field_validator("strengths")
    @classmethod
    def _are_in_range(cls, strengths: tuple[float, ...]) -> tuple[float, ...]:
        try:
            check_strengths(strengths)
        except StrengthError as error:
            raise ValueError(str(error)) from error
        return strengths

    def check_judges(self) -> None:
        """InputError where the benchmark is not of the portraits that judge and encoders know."""
        if self.benchmark not in (None, "embedded") and "embedded" in (self.judge, *self.encoders):
            raise InputError(
                "the embedded judge and encoders know drawn portraits only, and validation.benchmark is "
                f"{self.benchmark!r}: set validation.judge (gemini:MODEL, openai:MODEL@ADDRESS, ...), and "
                "validation.encoders to [arcface, adaface, facenet], or to [] to leave identity out"
            )


class TrainingConfig(_Section):
    """A whole training. InputError, as it is, for sections that do not go together.

    control: a method of control that is trained in place of an adapter, with a loss of its own.
    """

    model: ModelSettings = ModelSettings()
    adapter: AdapterSettings = AdapterSettings()
    control: MethodSettings | None = None
    data: DataSettings
    objective: ObjectiveSettings = ObjectiveSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    run: RunSettings = RunSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    log: LogSettings = LogSettings()
    validation: ValidationSettings = ValidationSettings()

    @model_validator(mode="after")
    def _fits_a_cpu(self) -> "TrainingConfig":
        if self.model.device == "cpu" and self.model.quantization in ("8bit", "4bit"):
            raise InputError("model.quantization needs a GPU, and model.device is cpu: leave one of them out")
        if self.model.device == "cpu" and self.optimiser.kind == "adamw8bit":
            raise InputError("optimiser.kind 'adamw8bit' needs a GPU: use 'adamw'")
        return self

    @model_validator(mode="after")
    def _fits_a_control(self) -> "TrainingConfig":
        if self.control is None:
            return self
        method, objective = self.control.method, self.objective
        if objective.contrastive.weight or objective.identity.weight:
            raise InputError(
                f"control {method} has a loss of its own: set objective.contrastive.weight and "
                f"objective.identity.weight to 0, as the recipe {method} does"
            )
        for key, given in (
            ("validation.every", self.validation.every),
            ("adapter.start", self.adapter.start),
        ):
            if given is not None:
                raise InputError(f"{key} is for adapters, and control is {method}: set it to null")
        return self

    def num_steps(self, num_triplets: int, num_processes: int) -> int:
        """The steps of the optimiser in the whole run. InputError where the warmup takes them all."""
        run, num_warmup_steps = self.run, self.optimiser.num_warmup_steps
        epochs = math.ceil(run.num_epochs * num_triplets / run.global_batch(num_processes))
        num_steps = run.num_steps or epochs
        if num_warmup_steps >= num_steps:
            raise InputError(
                f"optimiser.num_warmup_steps is {num_warmup_steps} in a run of {num_steps} steps: shorten "
                "the warmup, or train longer"
            )
        return num_steps


def check_training(config: TrainingConfig, num_processes: int) -> None:
    """InputError for triplets, a model, an adapter to start from or portraits that are not there or not
    whole, and for a warm-up that takes all the steps that the triplets give.

    Nothing is fetched. What only the networks can tell is refused when they are loaded.
    """
    # Here, so that a shell that completes a key does not wait for the libraries of pictures.
    from pixelsmile.images import load_image
    from pixelsmile.triplets.triplet import read_triplets

    triplets = read_triplets(Path(config.data.triplets), domain=config.data.domain)
    config.num_steps(len(triplets), num_processes)
    if config.objective.contrastive.weight and triplets[0].b is None:
        raise InputError(
            f"the contrastive term compares two targets, the lines of {config.data.triplets!r} have one and "
            "an instruction: set objective.contrastive.weight to 0, as the recipe fed does"
        )
    if config.control is not None:
        _check_control(config.control, triplets)
    if not is_hub_id(config.model.name):
        find_model(config.model.name)
    start_file(config)
    if config.validation.every is not None:
        for portrait in config.validation.portraits:
            load_image(portrait)


def _check_control(settings: MethodSettings, triplets: Sequence["Triplet"]) -> None:
    """InputError for triplets that a method does not learn from."""
    if triplets[0].b is None:
        raise InputError(f"{settings.method} learns from triplets of two targets, these have an instruction")
    strengths = [target.strength for triplet in triplets for target in triplet.targets]
    others = [strength for strength in strengths if not _FULL <= strength <= 1]
    if isinstance(settings, ConceptSliderSettings) and settings.pairs == "pictures" and others:
        furthest = max(others, key=lambda strength: abs(1 - strength))
        raise InputError(
            f"concept-slider learns from pairs of neutral and full faces, and a target has {furthest:g}: "
            "draw them with `triplets draw --strengths 1 1`, or set control.pairs to prompts"
        )
    if isinstance(settings, KSliderSettings) and max(strengths) > 1:
        raise InputError(
            f"k-slider knows strengths from 0 to 1, and a target has {max(strengths):g}: draw them with "
            "`triplets draw --strengths 0 1`"
        )


def start_file(config: TrainingConfig) -> Path | None:
    """The adapter that the training goes on from, if any: its file. AdapterError for one that is none."""
    source = config.adapter.start
    if source is None:
        return None
    try:
        return find_adapter(AdapterSpec(source)).path
    except AdapterError as error:
        raise AdapterError(f"adapter.start: {error}") from error


# What may differ when a run is continued: where things lie, what is shown of it, and what helps a run that
# stopped at a loss that is not finite. Everything else decides the weights. A longer run may be asked for
# (the cosine is then that of the new length), never a shorter one.
FREE = (
    "model.name",
    "model.device",
    "data.triplets",
    "data.cache",
    "data.detector",
    "adapter.start",
    "objective.contrastive.encoder",
    "objective.identity.encoder",
    "optimiser.learning_rate",
    "optimiser.max_grad_norm",
    "checkpoints.",
    "log.",
    "validation.",
)
MAY_GROW = ("run.num_steps", "run.num_epochs")
_HASHED_AS = {"model.quantization": "model.quantise"}  # so that checkpoints of before go on
_SAME_GLOBALLY = ("run.batch_size", "run.accumulation")  # compared as their product with the processes


def flattened(config: TrainingConfig) -> dict[str, object]:
    """Every key in its dotted form with its value, in the order of the file."""
    found: dict[str, object] = {}

    def walk(prefix: str, values: dict[str, object]) -> None:
        for name, value in values.items():
            if isinstance(value, dict):
                walk(f"{prefix}{name}.", value)
            else:
                found[prefix + name] = value

    walk("", config.model_dump(mode="json"))
    return found


def config_hash(config: TrainingConfig) -> str:
    """The SHA-256 of what decides the weights: configs between which a run may be continued hash alike."""
    values = {key: value for key, value in flattened(config).items() if not _is_free(key)}
    # So that checkpoints of before go on, which knew neither a control nor other layers:
    if config.control is None:
        del values["control"]
    if config.adapter.layers == TARGETS["modulation"]:
        del values["adapter.targets"]
    return sha256_json({_HASHED_AS.get(key, key): value for key, value in values.items()})


def first_difference(before: TrainingConfig, now: TrainingConfig) -> tuple[str, object, object] | None:
    """The first key that a continued run may not change, its value before and now. None: it may."""
    for key, was, wanted in differences(before.model_dump(mode="json"), now.model_dump(mode="json")):
        has_grown = isinstance(was, int) and isinstance(wanted, int) and wanted > was
        if not (has_grown if key in MAY_GROW else _is_free(key)):
            return key, was, wanted
    return None


def _is_free(key: str) -> bool:
    return key.startswith(FREE) or key in MAY_GROW or key in _SAME_GLOBALLY
