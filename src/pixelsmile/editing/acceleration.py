"""What makes edits faster: few steps, step caches, attention kernels, compiled blocks, merged adapters.

Each is one option, and what was used is recorded with every edit. What they do to pictures is measured by
`python perf/presets.py`. Loads no torch.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.family import EDIT, Family
from pixelsmile.editing.folders import EMBEDDED, FULL_MODEL
from pixelsmile.editing.options import ATTENTIONS, STEP_CACHES, PresetName, StepCacheKind
from pixelsmile.errors import InputError
from pixelsmile.store.hub import REPOSITORIES

_DEFAULT_LEVELS: dict[StepCacheKind, float] = {"first-block": 0.1, "taylor": 2}
_LIMITS: dict[StepCacheKind, tuple[float, float]] = {"first-block": (0.001, 10), "taylor": (2, 20)}


@dataclass(frozen=True)
class StepCache:
    """A forward that is not computed but told from those before it.

    first-block: the first layer is computed; where it changed by less than the share `level` since the last
    whole forward, the others are taken from that (ParaAttention's cache; decided for a batch as a whole, so
    that a picture can depend on those that are made with it). taylor: one of `level` forwards is computed,
    those between are extrapolated (TaylorSeer, Liu et al. 2025), the first three never.
    """

    kind: StepCacheKind
    level: float

    @classmethod
    def parse(cls, text: str) -> "StepCache":
        """`taylor`, or `taylor=3`: a kind and its level. InputError."""
        kind, _, level = text.partition("=")
        if kind not in STEP_CACHES:
            raise InputError(
                f"unknown step cache {text!r}: choose from {', '.join(STEP_CACHES)}, like taylor=3"
            )
        low, high = _LIMITS[kind]
        try:
            number = float(level) if level else _DEFAULT_LEVELS[kind]
        except ValueError:
            number = -1.0
        if not low <= number <= high or (kind == "taylor" and number != int(number)):
            whole = "a whole number" if kind == "taylor" else "a number"
            raise InputError(f"step cache {text!r}: {kind} takes {whole} from {low:g} to {high:g}")
        return cls(kind, number)

    def __str__(self) -> str:
        return f"{self.kind}={self.level:g}"


@dataclass(frozen=True)
class Preset:
    """An adapter that was distilled for few steps, and how it wants to be sampled: without guidance."""

    adapter: str
    steps: int
    shift: float
    guidance: float = 1.0

    def departures(self, asked: Mapping[str, Any]) -> list[str]:
        """What was asked for otherwise than it wants, each as `steps 8 in place of 4`; None: nothing was."""
        wanted = {"steps": self.steps, "shift": self.shift, "guidance": self.guidance}
        return [
            f"{name} {asked[name]:g} in place of {value:g}"
            for name, value in wanted.items()
            if asked.get(name) is not None and asked[name] != value
        ]


def _adapter_of(name: PresetName) -> str:
    entry = REPOSITORIES[name]
    return f"{entry.repository}/{entry.files[0].path}"


# shift: both ends of the model's dynamic shift at ln 3, and no terminal level, as their authors sample.
PRESETS: dict[PresetName, Preset] = {
    "lightning-4": Preset(_adapter_of("lightning-4"), 4, 3.0),
    "lightning-8": Preset(_adapter_of("lightning-8"), 8, 3.0),
}


_PRESET_FILE = re.compile(r"lightning-(\d{1,3})steps", re.IGNORECASE)


def is_of_a_preset(source: str) -> bool:
    """Whether an adapter is of those that presets bring, or of their kind, by its file's name."""
    return _preset_steps(source) is not None


def _preset_steps(source: str) -> int | None:
    found = _PRESET_FILE.search(PurePath(source).name)
    return None if found is None else int(found[1])


@dataclass(frozen=True)
class Acceleration:
    """How a model is made faster; by default not at all.

    preset: of PRESETS. step_cache: as `StepCache.parse` takes it. attention: a kernel of ATTENTIONS. compile:
    torch.compile of the repeated block, which takes a minute or more at the first edit of a size. fuse:
    adapters are merged into the weights, which then are rounded once more.
    """

    preset: PresetName | None = None
    step_cache: str | None = None
    attention: str | None = None
    compile: bool = False
    fuse: bool = False

    def __post_init__(self) -> None:
        """InputError for a name that is not known."""
        if self.preset is not None and self.preset not in PRESETS:
            raise InputError(f"unknown preset {self.preset!r}: choose from {', '.join(PRESETS)}")
        if self.attention is not None and self.attention not in ATTENTIONS:
            raise InputError(f"unknown attention {self.attention!r}: choose from {', '.join(ATTENTIONS)}")
        if self.step_cache is not None:
            StepCache.parse(self.step_cache)

    @property
    def cache(self) -> StepCache | None:
        """The step cache, read."""
        return None if self.step_cache is None else StepCache.parse(self.step_cache)

    def check_model(self, model: str, family: Family) -> None:
        """InputError for what was made for Qwen-Image-Edit alone, its preset for the published size of it.

        model: as it was named, which errors say.
        """
        if self.preset is not None and model == EMBEDDED:
            raise InputError(f"preset {self.preset!r} is for {FULL_MODEL}, not {model}: leave it out")
        for name, value in {"preset": self.preset, "step cache": self.step_cache}.items():
            if value is not None and family is not EDIT:
                raise InputError(
                    f"{name} {value!r} is for {EDIT.name}, {model} is {family.name}: leave it out"
                )

    def with_preset(self, specs: Sequence[AdapterSpec]) -> tuple[AdapterSpec, ...]:
        """The adapters with that of the preset after them, unless it is among them by its file's name.

        InputError beside one of its kind for another number of steps.
        """
        if self.preset is None:
            return tuple(specs)
        preset = PRESETS[self.preset]
        found = {spec.source: _preset_steps(spec.source) for spec in specs if is_of_a_preset(spec.source)}
        for source, num_steps in found.items():
            if num_steps != preset.steps:
                raise InputError(
                    f"preset {self.preset!r} beside adapter {source!r}, which is for {num_steps} steps: "
                    "leave one of them out"
                )
        return tuple(specs) if found else (*specs, AdapterSpec(preset.adapter))

    def as_dict(self) -> dict[str, Any]:
        """What is not as usual, to be recorded."""
        cache = self.cache
        found: Mapping[str, Any] = {
            "preset": self.preset,
            "step_cache": None if cache is None else str(cache),
            "attention": self.attention,
            "compile": self.compile or None,
            "fuse": self.fuse or None,
        }
        return {name: value for name, value in found.items() if value is not None}


NOT_ACCELERATED = Acceleration()
