"""What an engine is: a picture, prompts and weights in; progress and pictures out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from PIL import Image

from pixelsmile.editing.options import NO_WORDS
from pixelsmile.portraits.action_units import ActionUnits

Stage = Literal["encode", "denoise", "decode"]


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is made of, and what it was made for.

    size: the root of the area of the pictures it was trained on, in pixels. shift: of the noise levels, where
    it is not the checkpoint's own. square: trained on squares alone.
    words: all words that it and its adapters know, where they know no others. prompts: its own prompt for an
    expression, where it has one. offload, quantization: how it was made to fit a small card (see
    `devices.Placement`). remarks: what was found when it was loaded, and is noted with every edit.
    control: how strengths steer it where that was trained, as `ControlRecord` tells; None: by interpolation.
    moves_units: it moves action units and takes no prompts; it works at the picture's own size, at most
    `size`, and its edits lie on the picture pixel by pixel. record: what else its edits depend on. guidance:
    under which it edits where nobody says another (see `EditJob`).
    """

    model: str
    device: str
    dtype: str
    size: int
    steps: int
    shift: float | None = None
    square: bool = False
    words: tuple[str, ...] | None = None
    domains: tuple[str, ...] = ("human", "anime")
    prompts: Mapping[str, str] = field(default_factory=dict)
    adapters: tuple[Mapping[str, Any], ...] = ()
    note: str = ""
    offload: str = "none"
    quantization: str | None = None
    remarks: tuple[str, ...] = ()
    control: Mapping[str, Any] | None = None
    moves_units: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)
    guidance: float = 1.0


@dataclass(frozen=True)
class Target:
    """What one request asks for: its prompts, and for each picture the weight of each prompt's direction.

    units: the same in action units, for each picture. expressions: whose prompts these are. Both: none for a
    prompt in one's own words.
    """

    prompts: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    units: tuple[ActionUnits, ...] = ()
    expressions: tuple[str, ...] = ()


@dataclass(frozen=True)
class EditJob:
    """One picture and all that is to be made of it.

    image: RGB, at the working size (sides multiples of `Engine.multiple_px`). shift: fixed shift of the noise
    levels in place of the checkpoint's schedule (None: the checkpoint's). batch_size: forwards at a time
    (None: the engine's choice). domain: human or anime; an adapter may be for one of them. neutralise: 0..1,
    how much of what the face shows already goes before action units are added. previews: how many looks at
    each picture are wanted while it is made (an engine gives as many as it can). guidance: of classifier-free
    guidance away from the prompt `negative`; 1: none.
    """

    image: Image.Image
    neutral: str
    targets: tuple[Target, ...]
    seed: int
    num_steps: int
    conditioning: str = "auto"
    shift: float | None = None
    batch_size: int | None = None
    domain: str = "human"
    neutralise: float = 1.0
    previews: int = 0
    guidance: float = 1.0
    negative: str = NO_WORDS

    @property
    def is_guided(self) -> bool:
        return self.guidance > 1

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Jobs with equal keys may share batches: their pictures differ, not how they are sampled."""
        return self.image.size, self.num_steps, self.shift, self.batch_size, self.domain, self.guidance


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a stage (denoise: samples times steps)."""

    stage: Stage
    done: int
    total: int


@dataclass(frozen=True)
class Preview(Progress):
    """A look at a picture on its way, as the model sees it: the `index`-th of a job's `target`-th target."""

    image: Image.Image
    target: int
    index: int


@dataclass(frozen=True)
class EngineResult:
    """The end of a job: for each target its pictures, in the order of its weights.

    conditionings: the form in which each target was conditioned. sigmas: the noise levels that were visited.
    """

    images: Sequence[Sequence[Image.Image]]
    conditionings: tuple[str, ...]
    sigmas: tuple[float, ...]
    batch_size: int


class Engine(Protocol):
    """An editor of pictures with prompts and weights. `info` describes it."""

    @property
    def info(self) -> EngineInfo: ...

    @property
    def multiple_px(self) -> int:
        """What both sides of a working picture must be multiples of."""
        ...

    def stream(self, job: EditJob) -> Iterator[Progress | EngineResult]:
        """Run a job: any number of Progress events, then one EngineResult."""
        ...


@runtime_checkable
class BatchingEngine(Engine, Protocol):
    """An engine that makes several pictures' samples in one batch."""

    def stream_many(self, jobs: Sequence[EditJob]) -> Iterator[tuple[int, Progress | EngineResult]]:
        """Run jobs of one `batch_key`: the events of each with its place among the jobs.

        Every job gets what it would get alone, up to rounding.
        """
        ...
