"""What a data set is built from, and how: one section a step. Each is kept beside what the step has done."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from pixelsmile.editors import Region, Wording
from pixelsmile.editors.choice import parse_editor
from pixelsmile.editors.editor import Granularity
from pixelsmile.editors.sanity import COPY
from pixelsmile.errors import PixelSmileError
from pixelsmile.expressions import (
    EXPRESSIONS,
    FED_BENCH_CLASSES,
    MAX_STRENGTH,
    NEUTRAL,
    Domain,
    parse_expression,
)
from pixelsmile.images import MIN_SIDE_PX
from pixelsmile.judges.names import EMBEDDED, FORMS, PHOTO, is_judge
from pixelsmile.store.json_lines import Record

FIRST_PERSON = 20_000_000  # the seeds below belong to training sets, benchmarks and the embedded models
AUTO, DRAWN = "auto", "drawn"  # of judges: who knows the picture; who knows what was drawn
UNKNOWN = "unknown"  # the expression of a base of which nobody says it
SEVEN = tuple(FED_BENCH_CLASSES.values())


def _known_expression(name: str) -> str:
    try:
        return parse_expression(name)
    except PixelSmileError as error:
        raise ValueError(str(error)) from None


Wanted = Annotated[str, AfterValidator(_known_expression)]
Shown = Annotated[str, AfterValidator(lambda name: name if name == UNKNOWN else _known_expression(name))]
_Strength = Annotated[float, Field(gt=0, le=MAX_STRENGTH)]
_DrawnStrength = Annotated[float, Field(ge=0, le=1.5)]
_Degrees = Annotated[float, Field(gt=0, le=180)]
_Share = Annotated[float, Field(ge=0, le=1)]


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
        _check_each_once(expressions=self.expressions)
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

    faces: `one` and no other, or the `largest`. Angles in degrees either way; a drawn portrait has roll
    alone. min_sharpness: variance of the Laplacian of the face at 128 px, with levels made to deviate by 50.
    light: mean luma, 0..1. max_clipped: share of the face's pixels that are black or white.
    """

    human: FaceNetworks = FaceNetworks(detector="mesh", encoders=("dlib",))
    anime: FaceNetworks | None = None
    drawn: FaceNetworks = FaceNetworks(detector="embedded", encoders=("embedded",))
    faces: Literal["one", "largest"] = "one"
    min_px: float = Field(default=96, ge=1)
    max_yaw: _Degrees | None = 35
    max_pitch: _Degrees | None = 30
    max_roll: _Degrees | None = 30
    min_sharpness: float | None = Field(default=40, ge=0)
    min_light: _Share | None = 0.15
    max_light: _Share | None = 0.85
    max_clipped: _Share | None = 0.25
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


class ExpressionEdits(Record):
    """Expressions with a continuous strength, as in FFE: of each base, each target, at each strength.

    bases: which are edited, by the expression that their source says; `unknown` is one of which it says none.
    num_combinations: looks of each target, drawn for each base from the library; null takes the expression's
    own look. prompt: `expression`, the prompt that adapters are trained on; `dual`, the category, how strong,
    and what each part of the face does.
    """

    bases: tuple[Shown, ...] = Field(default=(NEUTRAL, UNKNOWN), min_length=1)
    targets: tuple[Wanted, ...] = Field(default=EXPRESSIONS, min_length=1)
    strengths: tuple[_Strength, ...] = Field(default=(0.25, 0.5, 0.75, 1.0), min_length=1, max_length=16)
    num_combinations: int | None = Field(default=1, ge=1, le=100)
    prompt: Literal["expression", "dual"] = "expression"

    @model_validator(mode="after")
    def _is_one_of_each(self) -> "ExpressionEdits":
        _check_each_once(bases=self.bases, targets=self.targets, strengths=self.strengths)
        if NEUTRAL in self.targets:
            raise ValueError("a neutral face has no strength: instructions can ask for one")
        if self.prompt == "dual" and self.num_combinations is None:
            raise ValueError("dual prompts tell what a combination does: give num_combinations")
        return self


class InstructionEdits(Record):
    """Instructions from an expression to another, as in FED: of each base, each target that it does not show.

    bases: which are edited, by the expression that their source says. num_targets: of each base, drawn; null
    takes all. strengths: lowest and highest of what is asked for; drawn. num_combinations: as above. tell:
    which of the two instructions an editor is told; the row has both.
    """

    bases: tuple[Wanted, ...] = Field(default=SEVEN, min_length=1)
    targets: tuple[Wanted, ...] = Field(default=SEVEN, min_length=1)
    num_targets: int | None = Field(default=None, ge=1)
    strengths: tuple[_Strength, _Strength] = (0.6, 1.0)
    num_combinations: int | None = Field(default=1, ge=1, le=100)
    tell: Granularity = "dense"

    @model_validator(mode="after")
    def _is_one_of_each(self) -> "InstructionEdits":
        _check_each_once(bases=self.bases, targets=self.targets)
        if self.strengths[0] > self.strengths[1]:
            raise ValueError("strengths are the lowest, then the highest")
        return self


class ComposeSettings(Record):
    """Which edits of each base are asked for; a base that is not edited stays in the set.

    library: a file of combinations; null is the one that ships. judge: takes out those that read as something
    else; `embedded` is shown them on drawn people, a model is asked in words, and keeps those with min_mark
    (0..10). seed: of all that is drawn here, and of the seeds that editors get.
    """

    RUN_ONLY: ClassVar[frozenset[str]] = frozenset(("key_env", "max_concurrency", "max_requests"))

    seed: int = Field(default=0, ge=0, le=2**31)
    library: str | None = None
    expressions: ExpressionEdits | None = None
    instructions: InstructionEdits | None = None
    judge: str | None = None
    min_mark: float = Field(default=6, ge=0, le=10)
    # Of a judge behind a server.
    key_env: str | None = None
    max_concurrency: int = Field(default=8, ge=1, le=1024)
    max_requests: int | None = Field(default=None, ge=0)

    @field_validator("judge")
    @classmethod
    def _reads_or_sees_drawn_people(cls, name: str | None) -> str | None:
        if name is not None and (name == PHOTO or not is_judge(name)):
            raise ValueError(
                f"{name!r} cannot judge combinations: use {EMBEDDED}, or a model as gemini:MODEL"
            )
        return name

    @model_validator(mode="after")
    def _asks_for_something(self) -> "ComposeSettings":
        if self.expressions is None and self.instructions is None:
            raise ValueError("nothing is asked for: give expressions or instructions, {} for the defaults")
        return self


class GenerateSettings(Record):
    """Who makes the edits.

    editor: as for `bench --editor`: pixelsmile, truth (draws drawn people), folder:PATH (pictures of
    BASE_ROW_ID/TARGET_STRENGTH.png), command:LINE, or a model behind an address: openai-images:MODEL@ADDRESS,
    gemini-images:MODEL, bfl:MODEL, ark:MODEL, replicate:OWNER/NAME. other_size: what becomes of an edit of
    another size than its base: `resize` makes it as large, and rejects one of another shape; `reject` rejects
    both; `keep` takes it as it is.

    For pixelsmile: model (geometric, embedded, a folder, a hub id), adapters, device, quantization, steps,
    shift, size (root of the area that is edited, in pixels), region, wording, as `bench` has them; by:
    whether a model that moves action units is given those of the combination, or the expression.

    For a model behind an address: server_size (as the service takes it), key_env, extra (further fields of
    the request), price (the most that an edit costs, in dollars; max_cost needs it). max_requests, max_cost
    (dollars): where a run of the program ends; the same command goes on. timeout_s: of an answer, of commands
    too. max_concurrency: how much a command or a server gets at once.
    """

    RUN_ONLY: ClassVar[frozenset[str]] = frozenset(
        ("max_requests", "max_cost", "timeout_s", "max_concurrency", "price")
    )

    editor: str
    other_size: Literal["resize", "reject", "keep"] = "resize"
    model: str | None = None
    adapters: tuple[str, ...] | None = None
    device: str | None = None
    quantization: Literal["8bit", "4bit"] | None = None
    steps: int | None = Field(default=None, ge=1, le=1000)
    shift: float | None = Field(default=None, gt=0)
    size: int | None = Field(default=None, ge=16, le=4096)
    region: Region = "auto"
    wording: Wording = "expression"
    by: Literal["units", "expression"] = "units"
    server_size: str | None = None
    key_env: str | None = None
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    price: Decimal = Field(default=Decimal(0), ge=0)
    max_requests: int | None = Field(default=None, ge=0)
    max_cost: Decimal | None = Field(default=None, ge=0)
    timeout_s: float | None = Field(default=None, gt=0)
    max_concurrency: int | None = Field(default=None, ge=1, le=1024)

    @model_validator(mode="after")
    def _is_known(self) -> "GenerateSettings":
        try:
            choice = parse_editor(self.editor)
        except PixelSmileError as error:
            raise ValueError(str(error)) from None
        if choice.kind == "own" and self.model is None:
            raise ValueError(
                "give the model: geometric for photographs, embedded for drawn people, a folder or a hub id"
            )
        return self


class AnnotateSettings(Record):
    """Who says what the pictures show, and from which limits on it is doubted; a limit of null is none.

    judges: as for `score --judge`; several are a panel, whose mean counts. `auto` is `embedded` for drawn
    portraits and `photo` for others. rubric: what models are asked, in our words or in those of PixelSmile's
    table 6. statistics: who says gender, age, skin tone or style, expression and three sentences (tables 4
    and 5): a model, or `drawn` for what is known of drawn people; statistics_of: of which pictures.

    max_lead: of another expression's score over that of the label. max_strength_error: of the label's score
    and the strength that was asked for. max_neutral: the highest score of a face at rest.
    max_contradiction: the lower of the scores of two expressions that no face shows together.
    """

    judges: tuple[str, ...] = Field(default=("auto",), min_length=1)
    rubric: Literal["ours", "table 6"] = "ours"
    statistics: str | None = None
    statistics_of: Literal["all", "bases"] = "all"
    max_lead: _Share | None = 0.15
    max_strength_error: _Share | None = 0.5
    max_neutral: _Share | None = 0.25
    max_contradiction: _Share | None = 0.3
    min_agreement: _Share | None = 0.5
    min_confidence: _Share | None = 0.1
    reject_no_verdict: bool = False
    # Of judges behind a server. What one request costs and how many are in flight changes no answer.
    temperature: float | Literal["model"] | None = Field(default=None, ge=0, le=2)
    seed: int | None = Field(default=None, ge=0)
    max_side_px: int | None = Field(default=None, ge=32)
    max_output_tokens: int | None = Field(default=None, ge=1)
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    key_env: str | None = None
    timeout_s: float | None = Field(default=None, gt=0)
    max_concurrency: int = Field(default=8, ge=1, le=1024)
    max_requests: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)

    RUN_ONLY: ClassVar[frozenset[str]] = frozenset(
        ("key_env", "timeout_s", "max_concurrency", "max_requests", "max_tokens")
    )

    @field_validator("judges")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name != AUTO and not is_judge(name):
                raise ValueError(f"judge {name!r} is not understood: use {AUTO}, {FORMS}")
        if len(set(names)) < len(names):
            raise ValueError("name each judge once")
        return names

    @field_validator("statistics")
    @classmethod
    def _is_statistician(cls, name: str | None) -> str | None:
        if name is not None and name != DRAWN and (not is_judge(name) or name in (EMBEDDED, PHOTO)):
            raise ValueError(f"{name!r} knows no statistics: use {DRAWN}, or a model as gemini:MODEL")
        return name


class ScreenLimits(Record):
    """What an edit must be beside its base to stay; a limit of null is none.

    The defaults are of drawn portraits: where planted faults cut (`perf/screens.py`).

    min_size_share: its shorter side over the base's. max_face_scale: how much larger or smaller the face may
    become, 1 or more. min_sharpness_share: its sharpness over the base's.
    judged_from: the strength below which no judge can tell an expression: nothing of min_fit to
    min_score_change applies, and its sweep alone is looked at. min_fit: the judge's score of what is asked
    for over its strength. max_excess: that score less the strength. max_other: by how much another
    expression's score may exceed it. min_neutral: 1 less the highest score of a face that is to be neutral.
    These hold for the labels of bases too. min_score_change: distance of the twelve scores from the base's.
    min_face_change: RMSE of the colours in the face, 0..255; of copies alone, as grain and JPEG change a face
    more than a slight expression does. min_identity: cosine of the embeddings. max_background: RMSE of the
    colours outside of the face. min_agreement: of a panel of judges, 0..1. min_nearest_change: RMSE in the
    face to the edit of the same base that is most like it; neighbours of a sweep differ by 2.5 and more.
    max_drop: how far the score may fall where the strength rises. max_step_ratio: the largest step of a sweep
    over the mean one, in the picture.
    """

    min_size_share: float | None = Field(default=0.99, gt=0)
    max_face_scale: float | None = Field(default=1.08, ge=1)
    min_sharpness_share: float | None = Field(default=0.34, ge=0)
    judged_from: float = Field(default=0.4, ge=0, le=2)
    min_fit: float | None = Field(default=0.75, ge=0, le=1)
    max_excess: float | None = Field(default=0.34, ge=0, le=1)
    max_other: float | None = Field(default=0.0, ge=-1, le=1)
    min_neutral: _Share | None = 0.6
    min_score_change: float | None = Field(default=0.19, ge=0)
    min_face_change: float | None = Field(default=1.5, ge=0)
    min_identity: float | None = Field(default=0.71, ge=-1, le=1)
    max_background: float | None = Field(default=7.5, ge=0)
    min_agreement: _Share | None = 0.5
    min_nearest_change: float | None = Field(default=2.5, ge=0)
    max_drop: float | None = Field(default=0.12, ge=0, le=1)
    max_step_ratio: float | None = Field(default=2.4, ge=1)


class PhotographLimits(ScreenLimits):
    """The same for photographs; its defaults were set on edits by the geometric editor."""

    @model_validator(mode="before")
    @classmethod
    def _own_defaults(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**_OF_PHOTOGRAPHS, **values}


_OF_PHOTOGRAPHS = {
    "max_face_scale": 1.08,
    "min_sharpness_share": 0.5,
    "min_fit": 0.21,
    "max_excess": None,
    "max_other": 0.44,
    "min_score_change": 0.03,
    "min_face_change": 2.4,
    "min_identity": 0.94,
    "max_background": 18.0,
    "min_nearest_change": 1.7,
}


class ScreenSettings(Record):
    """Limits for drawn portraits, and for photographs and pictures of anime.

    keep_unjudged: edits and bases whose expression no judge has scored stay. decisions: files that the page
    of `dataset review` has saved, one a person; min_votes: the least of them that must have decided about an
    edit; min_keep_share: which share of these must keep it.
    """

    drawn: ScreenLimits = ScreenLimits()
    human: PhotographLimits = PhotographLimits()
    anime: ScreenLimits = ScreenLimits()
    keep_unjudged: bool = False
    decisions: tuple[str, ...] = ()
    min_votes: int = Field(default=1, ge=0)
    min_keep_share: _Share = 0.5


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
        if choice.kind == "service" and looks and looks.prompt == "expression" and looks.strengths[1:]:
            raise ValueError(
                "a model behind an address knows strengths by their words alone, and prompt expression has "
                "none: give compose.expressions prompt: dual, or one strength"
            )
        if choice.kind == "service":
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


def _check_each_once(**lists: Sequence[object]) -> None:
    for name, given in lists.items():
        if len(set(given)) < len(given):
            raise ValueError(f"name each of {name} once")
