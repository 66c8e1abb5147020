"""What a data set is built from, and how: one section a step. Each is kept beside what the step has done.

Here: the whole, and the steps that look at pictures as they come; what is made of them is in `edit_config`.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pixelsmile.dataset.edit_config import (
    AUTO,
    AnnotateSettings,
    ComposeSettings,
    ExpressionEdits,
    GenerateSettings,
    InstructionEdits,
    ScreenSettings,
    Share,
    Wanted,
    check_each_once,
)
from pixelsmile.editors.choice import parse_editor
from pixelsmile.editors.sanity import COPY
from pixelsmile.expressions import NEUTRAL, Domain
from pixelsmile.images import MIN_SIDE_PX
from pixelsmile.judges.names import EMBEDDED, PHOTO
from pixelsmile.store.json_lines import Record

FIRST_PERSON = 20_000_000  # the seeds below belong to training sets, benchmarks and the embedded models

_DrawnStrength = Annotated[float, Field(ge=0, le=1.5)]
_Degrees = Annotated[float, Field(gt=0, le=180)]


class _Source(Record):
    """licence, origin: written into every row, unless the source says it of a picture itself."""

    domain: Domain = "human"
    licence: str | None = None
    origin: str | None = None


class _Pictures(_Source):
    """is_drawn: the pictures are portraits that pixelsmile has drawn, and are looked at by what knows those.

    identity: who a picture shows is the name of the folder that it lies in, or nobody says it.
    """

    is_drawn: bool = False
    path: str = Field(min_length=1)
    identity: Literal["unknown", "folder"] = "unknown"


class FolderSource(_Pictures):
    """Every picture in a folder, and in the folders in it."""


class ArchiveSource(_Pictures):
    """Every picture in a zip or tar file."""


class DrawnSource(_Source):
    """Drawn people, by seed: one picture of each person for each expression.

    strength: of all but neutral; or the lowest and highest of what is drawn for each picture.
    """

    num_people: int = Field(ge=1, le=10_000_000)
    first_seed: int = Field(default=FIRST_PERSON, ge=0, le=2**31)
    expressions: tuple[Wanted, ...] = Field(default=(NEUTRAL,), min_length=1)
    strength: _DrawnStrength | tuple[_DrawnStrength, _DrawnStrength] = 1.0
    size_px: int = Field(default=256, ge=MIN_SIDE_PX, le=2048)

    @model_validator(mode="after")
    def _is_one_of_each(self) -> "DrawnSource":
        check_each_once(expressions=self.expressions)
        if isinstance(self.strength, tuple) and self.strength[0] > self.strength[1]:
            raise ValueError("strength is a number, or the lowest and then the highest")
        return self


class HubSource(_Source):
    """A data set of the hub, or a local copy of one, read by `datasets`.

    path: its name there, or a folder. image, identity_column, licence_column: of its columns.
    """

    path: str = Field(min_length=1)
    name: str | None = None
    split: str = "train"
    revision: str | None = None
    image: str = "image"
    identity_column: str | None = None
    licence_column: str | None = None
    is_drawn: bool = False


class WebDatasetSource(_Source):
    """Tar files of WebDataset: pictures, and beside each KEY.jpg a KEY.json that may say who it shows.

    path: a tar file, or a folder of them.
    """

    path: str = Field(min_length=1)
    is_drawn: bool = False


Source = FolderSource | ArchiveSource | DrawnSource | HubSource | WebDatasetSource


class CollectSettings(Record):
    """Sources of each kind, by the name in their rows. shard_rows: of this and all later steps."""

    folders: dict[str, FolderSource] = Field(default_factory=dict)
    archives: dict[str, ArchiveSource] = Field(default_factory=dict)
    drawn: dict[str, DrawnSource] = Field(default_factory=dict)
    hub: dict[str, HubSource] = Field(default_factory=dict)
    webdatasets: dict[str, WebDatasetSource] = Field(default_factory=dict)
    min_side_px: int = Field(default=256, ge=MIN_SIDE_PX)
    shard_rows: int = Field(default=500, ge=1, le=100_000)

    @property
    def sources(self) -> dict[str, Source]:
        """All of them, by name, in the order in which they are read."""
        return {**self.folders, **self.archives, **self.drawn, **self.hub, **self.webdatasets}

    @model_validator(mode="after")
    def _named_once(self) -> "CollectSettings":
        kinds = (self.folders, self.archives, self.drawn, self.hub, self.webdatasets)
        names = [name for kind in kinds for name in kind]
        if not names:
            raise ValueError(
                "no source of pictures: name one under folders, archives, drawn, hub or webdatasets"
            )
        if len(set(names)) < len(names):
            raise ValueError("two sources have one name: give each its own")
        return self


class FaceNetworks(Record):
    """detector: as for `pixelsmile faces --detector`. encoders: as for `pixelsmile likeness --encoders`."""

    detector: str
    encoders: tuple[str, ...] = Field(min_length=1)


class PictureQuality(Record):
    """A metric of pyiqa that needs no reference, of the whole picture; least or most, as it counts."""

    metric: str = Field(min_length=1)
    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> "PictureQuality":
        if self.least is None and self.most is None:
            raise ValueError("give least, or most for a metric of which less is better")
        return self


class FaceSettings(Record):
    """What a face must be to stay; a limit of null is none.

    which: the `one` and no other, or the `largest`. Angles in degrees either way; a drawn portrait has roll
    alone. min_sharpness: variance of the Laplacian of the face at 128 px, with levels made to deviate by 50.
    light: mean luma, 0..1. max_clipped: share of the face's pixels that are black or white.
    """

    human: FaceNetworks = FaceNetworks(detector="mesh", encoders=("dlib",))
    anime: FaceNetworks | None = None
    drawn: FaceNetworks = FaceNetworks(detector="embedded", encoders=("embedded",))
    which: Literal["one", "largest"] = "one"
    min_px: float = Field(default=96, ge=1)
    max_yaw: _Degrees | None = 35
    max_pitch: _Degrees | None = 30
    max_roll: _Degrees | None = 30
    min_sharpness: float | None = Field(default=40, ge=0)
    min_light: Share | None = 0.15
    max_light: Share | None = 0.85
    max_clipped: Share | None = 0.25
    quality: PictureQuality | None = None


class ReviewSettings(Record):
    """decisions: a file that the page of `dataset review` has saved; without one there is no such step."""

    decisions: str | None = None


class DuplicateSettings(Record):
    """max_distance: of perceptual hashes (64 bits) of near duplicates; null keeps all but exact ones.

    Of those that are alike the one with the largest face stays, and of these the first.
    """

    max_distance: int | None = Field(default=4, ge=0, le=16)


class SamePerson(Record):
    """From which cosine of two embeddings two faces are one person."""

    human: float = Field(default=0.94, gt=0, le=1)
    anime: float = Field(default=0.9, gt=0, le=1)
    drawn: float = Field(default=0.84, gt=0, le=1)


class IdentitySettings(Record):
    """trust_source: pictures of one identity by their source are one person, and those of two are two."""

    min_cosine: SamePerson = SamePerson()
    trust_source: bool = True
    min_pictures: int = Field(default=1, ge=1)


class BuildConfig(Record):
    """A data set. The sections are the steps, in their order; a section of null is a step that it lacks."""

    schema_version: Literal[1] = 1
    collect: CollectSettings
    faces: FaceSettings = FaceSettings()
    review: ReviewSettings = ReviewSettings()
    duplicates: DuplicateSettings = DuplicateSettings()
    identities: IdentitySettings = IdentitySettings()
    compose: ComposeSettings | None = None
    generate: GenerateSettings | None = None
    annotate: AnnotateSettings | None = None
    screen: ScreenSettings | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "BuildConfig":
        if (self.compose is None) != (self.generate is None):
            raise ValueError("compose and generate go together: give both sections, or neither")
        if self.screen is not None and (self.generate is None or self.annotate is None):
            raise ValueError(
                "screen looks at edits that were judged: give compose, generate and annotate too"
            )
        return self

    @model_validator(mode="after")
    def _editor_knows_enough(self) -> "BuildConfig":
        if self.generate is None or self.compose is None:
            return self
        choice = parse_editor(self.generate.editor)
        others = [n for n, one in self.collect.sources.items() if not isinstance(one, DrawnSource)]
        if choice.kind == "sanity" and choice.argument != COPY and others:
            raise ValueError(
                f"generate.editor {choice.argument} draws people by their seeds, and source {others[0]} has "
                "none: use it with collect.drawn alone"
            )
        looks = self.compose.expressions
        if not choice.takes_strength and looks and looks.prompt == "expression" and looks.strengths[1:]:
            raise ValueError(
                f"{self.generate.editor} knows strengths by their words alone, and prompt expression has "
                "none: give compose.expressions prompt: dual, or one strength"
            )
        if choice.kind in ("service", "diffusers"):
            _check_words(looks, self.compose.instructions)
        plans = [plan for plan in (self.compose.expressions, self.compose.instructions) if plan is not None]
        if choice.kind == "folder" and (len(plans) > 1 or (plans[0].num_combinations or 1) > 1):
            raise ValueError(
                "the pictures of a folder are known by their base, target and strength: give one plan, and "
                "num_combinations of 1"
            )
        return self

    @model_validator(mode="after")
    def _judges_know_a_source(self) -> "BuildConfig":
        """Else every picture is asked about for nothing."""
        sources = self.collect.sources.values()
        known = {
            EMBEDDED: any(is_drawn(source) for source in sources),
            PHOTO: any(source.domain == "human" and not is_drawn(source) for source in sources),
        }
        for judge in () if self.annotate is None else self.annotate.judges:
            if not known.get(judge, True):
                knows = "portraits that pixelsmile draws" if judge == EMBEDDED else "photographs of people"
                raise ValueError(
                    f"annotate.judges: {judge} knows {knows}, and no source has any: name {AUTO}, "
                    "which takes the judge that knows a picture, or a model"
                )
        return self

    @model_validator(mode="after")
    def _has_networks(self) -> "BuildConfig":
        for name, source in self.collect.sources.items():
            if source.domain == "anime" and not is_drawn(source) and self.faces.anime is None:
                raise ValueError(
                    f"source {name} has anime that pixelsmile did not draw, and no network for it ships: "
                    "give faces.anime a detector (an ONNX file) and encoders, or say is_drawn"
                )
        return self


def is_drawn(source: Source) -> bool:
    """Whether it has our drawn portraits."""
    return isinstance(source, DrawnSource) or source.is_drawn


def _check_words(sweeps: ExpressionEdits | None, told: InstructionEdits | None) -> None:
    """ValueError where several looks of a target are asked for in the same words."""
    plans: dict[str, tuple[int | None, bool, str]] = {}
    if sweeps is not None:
        plans["expressions"] = sweeps.num_combinations, sweeps.prompt == "dual", "prompt: dual"
    if told is not None:
        plans["instructions"] = told.num_combinations, told.tell == "dense", "tell: dense"
    for name, (num, tells_looks, cure) in plans.items():
        if (num or 1) > 1 and not tells_looks:
            raise ValueError(
                f"a model behind an address knows looks by their words alone, and {num} looks of a target "
                f"would get the same: give compose.{name} {cure}, or num_combinations: 1"
            )
