"""Which edits are made of the pictures of a data set, by whom, who looks at them, and what they must be.

The sections compose, generate, annotate and screen of a configuration (`config`).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from pixelsmile.editing.options import MAX_GUIDANCE
from pixelsmile.editors import Region, Wording
from pixelsmile.editors.choice import parse_editor
from pixelsmile.editors.editor import Granularity
from pixelsmile.errors import PixelSmileError
from pixelsmile.expressions import (
    EXPRESSIONS,
    FED_BENCH_CLASSES,
    MAX_STRENGTH,
    NEUTRAL,
    parse_expression,
)
from pixelsmile.judges.names import EMBEDDED, FORMS, PHOTO, is_judge
from pixelsmile.store.json_lines import Record

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
Share = Annotated[float, Field(ge=0, le=1)]


def check_each_once(**lists: Sequence[object]) -> None:
    """ValueError where one of the lists names something twice."""
    for name, given in lists.items():
        if len(set(given)) < len(given):
            raise ValueError(f"name each of {name} once")


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
        check_each_once(bases=self.bases, targets=self.targets, strengths=self.strengths)
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
        check_each_once(bases=self.bases, targets=self.targets)
        if self.strengths[0] > self.strengths[1]:
            raise ValueError("strengths are the lowest, then the highest")
        return self


class ComposeSettings(Record):
    """Which edits of each base are asked for; a base that is not edited stays in the set.

    library: a file of combinations; null is the one that ships. judge: takes out those that read as something
    else; `embedded` is shown them on drawn people, a model is asked in words, and keeps those with min_mark
    (0..10). moves_head: also such as turn, nod or tilt the head; hair goes along, so that `screen` needs a
    wider max_background. seed: of all that is drawn here, and of the seeds that editors get.
    """

    RUN_ONLY: ClassVar[frozenset[str]] = frozenset(("key_env", "max_concurrency", "max_requests"))

    seed: int = Field(default=0, ge=0, le=2**31)
    library: str | None = None
    moves_head: bool = False
    expressions: ExpressionEdits | None = None
    instructions: InstructionEdits | None = None
    judge: str | None = None
    min_mark: float = Field(default=6, ge=0, le=10)
    # Of a judge behind a server.
    key_env: str | None = None
    max_concurrency: int = Field(default=8, ge=1, le=1024)
    max_requests: int | None = Field(default=None, ge=0)

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Data sets that were begun before there were heads go on."""
        found: dict[str, Any] = dump(self)
        if not self.moves_head:
            found.pop("moves_head", None)
        return found

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

    editor: as for `bench --editor`: pixelsmile, one of the table (`pixelsmile editors list`), truth (draws
    drawn people), folder:PATH (pictures of BASE_ROW_ID/TARGET_STRENGTH.png), command:LINE, or a model behind
    an address: openai-images:MODEL@ADDRESS, gemini-images:MODEL, bfl:MODEL, ark:MODEL, replicate:OWNER/NAME.
    other_size: what becomes of an edit of another size than its base: `resize` makes it as large, and rejects
    one of another shape; `reject` rejects both; `keep` takes it as it is.

    For pixelsmile: model (geometric, embedded, a folder, a hub id), adapters, device, quantization, steps
    (all of them but adapters also for stock pipelines of the table), shift, guidance, size (root of the area
    that is edited, in pixels), region, wording, as `bench` has them;
    moved_by: whether a model that moves action units is given those of the combination, or the expression.

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
    guidance: float | None = Field(default=None, ge=1, le=MAX_GUIDANCE)
    size: int | None = Field(default=None, ge=16, le=4096)
    region: Region = "auto"
    wording: Wording = "expression"
    moved_by: Literal["units", "expression"] = "units"
    server_size: str | None = None
    key_env: str | None = None
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    price: Decimal = Field(default=Decimal(0), ge=0)
    max_requests: int | None = Field(default=None, ge=0)
    max_cost: Decimal | None = Field(default=None, ge=0)
    timeout_s: float | None = Field(default=None, gt=0)
    max_concurrency: int | None = Field(default=None, ge=1, le=1024)

    @field_validator("editor")
    @classmethod
    def _is_known(cls, editor: str) -> str:
        try:
            parse_editor(editor)
        except PixelSmileError as error:
            raise ValueError(str(error)) from None
        return editor

    @model_validator(mode="after")
    def _has_a_model(self) -> "GenerateSettings":
        choice = parse_editor(self.editor)
        if choice.kind == "own" and self.model is None and choice.row is None:
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
    max_lead: Share | None = 0.15
    max_strength_error: Share | None = 0.5
    max_neutral: Share | None = 0.25
    max_contradiction: Share | None = 0.3
    min_agreement: Share | None = 0.5
    min_confidence: Share | None = 0.1
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
    min_neutral: Share | None = 0.6
    min_score_change: float | None = Field(default=0.19, ge=0)
    min_face_change: float | None = Field(default=1.5, ge=0)
    min_identity: float | None = Field(default=0.71, ge=-1, le=1)
    max_background: float | None = Field(default=7.5, ge=0)
    min_agreement: Share | None = 0.5
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
    min_keep_share: Share = 0.5
