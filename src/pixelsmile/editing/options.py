"""What an edit and the loading of a model take, and within what limits; loads nothing that is slow."""

from collections.abc import Iterator
from typing import Any, Literal, TypedDict, Unpack, get_args

from pixelsmile.errors import InputError

Offload = Literal["none", "model", "sequential"]
Quantization = Literal["fp8", "8bit", "4bit"]
Interpolation = Literal["all", "span", "velocity"]
AdapterFormat = Literal["diffusers", "kohya", "peft", "comfyui"]
Attention = Literal["native", "cudnn", "efficient", "flash", "flash3", "math", "sage", "xformers"]
StepCacheKind = Literal["first-block", "taylor"]
PresetName = Literal["lightning-4", "lightning-8"]
ATTENTIONS: tuple[Attention, ...] = get_args(Attention)
STEP_CACHES: tuple[StepCacheKind, ...] = get_args(StepCacheKind)
PRESET_NAMES: tuple[PresetName, ...] = get_args(PresetName)
OFFLOADS: tuple[Offload, ...] = get_args(Offload)
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
DTYPE_NAMES = ("float32", "bfloat16", "float16")
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)  # see `conditioning`
CONDITIONINGS = ("auto", *INTERPOLATIONS)
ADAPTER_FORMATS: tuple[AdapterFormat, ...] = get_args(AdapterFormat)

MAX_SEED = 2**63 - 1
MAX_STEPS = 1000
MIN_SIZE_PX, MAX_SIZE_PX = 32, 4096
MAX_BATCH_SIZE = 4096
MAX_GUIDANCE = 30
NO_WORDS = " "  # the negative prompt of the bases' cards
_LIMITS = {
    "seed": (0, MAX_SEED),
    "steps": (1, MAX_STEPS),
    "size": (MIN_SIZE_PX, MAX_SIZE_PX),
    "batch_size": (1, MAX_BATCH_SIZE),
}


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
    guidance: how far the edit is led away from that under negative_prompt, classifier-free (1, which is none
    and half the work, to 30; None: as the model's card has it where it edits alone, else none).
    negative_prompt: what is not wanted (None: a space, as the card has it).
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
    guidance: float | None
    negative_prompt: str | None


_DEFAULTS: EditOptions = {
    "seed": 0,
    "steps": None,
    "size": None,
    "domain": None,
    "conditioning": "auto",
    "batch_size": None,
    "shift": None,
    "restore": True,
    "neutralise": None,
    "guidance": None,
    "negative_prompt": None,
}


def check_conditioning(conditioning: str) -> None:
    """InputError for a name that is not in CONDITIONINGS."""
    if conditioning not in CONDITIONINGS:
        raise InputError(f"unknown conditioning {conditioning!r}: choose from {', '.join(CONDITIONINGS)}")


def complete(**options: Unpack[EditOptions]) -> EditOptions:
    """The options with the defaults of all others. InputError out of range; TypeError for an unknown name."""
    if unknown := sorted(options.keys() - _DEFAULTS.keys()):
        raise TypeError(f"unknown option {unknown[0]!r}: the options are {', '.join(_DEFAULTS)}")
    check_conditioning(options.get("conditioning", "auto"))
    for problem in _problems(options):
        raise InputError(problem)
    return {**_DEFAULTS, **options}


def _problems(options: EditOptions) -> Iterator[str]:
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name, (low, high) in _LIMITS.items():
        value = given.get(name, low)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            yield f"{name} must be a whole number from {low} to {high}, not {value!r}"
    shift, neutralise = given.get("shift", 1.0), given.get("neutralise", 1.0)
    if not (isinstance(shift, int | float) and 0 < shift < float("inf")):
        yield f"shift must be a positive number, not {shift!r}"
    if not 0 <= neutralise <= 1:
        yield f"neutralise must be a number from 0 to 1, not {neutralise!r}"
    guidance, negative = given.get("guidance", 1.0), given.get("negative_prompt", NO_WORDS)
    if not (isinstance(guidance, int | float) and 1 <= guidance <= MAX_GUIDANCE):
        yield f"guidance must be a number from 1 (none) to {MAX_GUIDANCE}, not {guidance!r}"
    if not isinstance(negative, str) or not negative:
        yield f"negative_prompt must be words, or a space for none, not {negative!r}"
