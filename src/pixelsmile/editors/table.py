"""The table of editors: every editor of the papers and ours by name, and how each is run; and the services.

The data is `table.yaml`, read when it is first asked for. What a row does not know for sure it says in
`unsure`: prices, revisions and arguments that no source gave.
"""

import difflib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from pixelsmile.editors import Wording
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.limits import validated

WRAPPERS = "examples/editors"
TABLE = Path(__file__).with_name("table.yaml")
_NEAR, _ABOUT, _MAX_NEAR = 0.55, 0.15, 3  # how alike names are, 0..1; how many are told
_MIN_PART = 3  # letters of a name's part
Text = Annotated[str, StringConstraints(min_length=1)]
Commit = Annotated[str, StringConstraints(pattern=r"[0-9a-f]{40}")]
PromptForm = Literal["expression", "dense", "simple"]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # twenty times as fast, where it was compiled


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageService(_Part):
    """form: how its models are written; any of them may have @ADDRESS, of another server that speaks alike.

    about: what it is. key: the variable that its key is read from. sizes: that it takes. provider: its class
    in `pixelsmile.remote`. takes_jobs: it answers later, and what it has taken is kept in a file.
    """

    form: Text
    about: Text
    key: Text
    sizes: Text
    provider: Text
    takes_jobs: bool = False


class Degree(_Part):
    """How a strength is told. word: before the name of an expression; sentence: after other words."""

    strength: float = Field(gt=0, le=2)
    word: str
    sentence: str


class OwnRun(_Part):
    """Our engine. model: None for what fits the machine. adapters: None for the model's own."""

    by: Literal["own"]
    model: Text | None = None
    revision: Commit | None = None
    adapters: tuple[Text, ...] | None = None
    wording: Wording = "expression"
    steps: int | None = Field(default=None, ge=1)

    @property
    def pinned_model(self) -> str | None:
        """The model as `Editor.from_pretrained` takes it."""
        return f"{self.model}@{self.revision}" if self.revision else self.model


class Fit(_Part):
    """What becomes of a picture before a pipeline sees it.

    longest_px: its longer side comes to that. area_px: its area comes down to that square's, where it is
    larger. multiple: of which both sides are made multiples. tell: width and height are told to the pipeline,
    which else would make a square.
    """

    longest_px: int | None = Field(default=None, ge=64)
    area_px: int | None = Field(default=None, ge=64)
    multiple: int = Field(default=1, ge=1)
    tell: bool = False


class PipelineRun(_Part):
    """A stock pipeline of diffusers. arguments: of each call, the number of steps among them.

    revision: the commit of the hub repository; where none is known, unpinned says why. gated: its licence has
    to be accepted first. masks_face: it fills the face anew, and is given it as a mask.
    """

    by: Literal["diffusers"]
    pipeline: Text
    model: Text
    revision: Commit | None = None
    unpinned: Text | None = None
    gated: bool = False
    arguments: dict[str, JsonValue]
    fit: Fit = Fit()
    masks_face: bool = False

    @model_validator(mode="after")
    def _is_pinned_or_says_why(self) -> Self:
        if (self.revision is None) == (self.unpinned is None):
            raise ValueError(f"{self.model} needs a revision, or unpinned, and not both")
        return self

    @property
    def pinned_model(self) -> str:
        return f"{self.model}@{self.revision}" if self.revision else self.model


class ServiceRun(_Part):
    """A model behind an address. size, extra: as `RemoteSettings` has them; a person may give others."""

    by: Literal["service"]
    service: Text
    model: Text
    size: Text | None = None
    extra: dict[str, JsonValue] = Field(default_factory=dict)


class CommandRun(_Part):
    """A program of another repository behind a wrapper, the folder of that name in `examples/editors/`.

    arguments: with the places of checkouts and weights that the folder's README names.
    """

    by: Literal["command"]
    wrapper: Text
    arguments: Text

    @property
    def readme(self) -> str:
        """What to check out, to install and to download."""
        return f"{WRAPPERS}/{self.wrapper}/README.md"

    @property
    def python(self) -> str:
        """Of its own environment, which the README says how to make."""
        return f"envs/{self.wrapper}/bin/python"

    @property
    def command(self) -> str:
        """What the README types after `command:`."""
        return f"{self.python} {WRAPPERS}/{self.wrapper}/edit.py {self.arguments}"


class NobodyRun(_Part):
    """A row of a paper that nobody else can run."""

    by: Literal["nobody"]
    why: Text


class Strength(_Part):
    """How strength is varied: a number that it takes (how: and what becomes of it), words, or nothing."""

    by: Literal["number", "words", "nothing"]
    how: str = ""


class Row(_Part):
    """An editor.

    name: as --editor takes it. papers: what the published tables call it. prompts: which of a benchmark's
    words it follows (FFE-Bench has an expression's prompt, FED-Bench dense and simple instructions).
    expressions: the only ones that it knows; None for any. size: of its edits, in words. price: the most that
    an edit costs, in dollars, as far as known. also: other ways to run it, as --editor takes them. checked:
    how it was tried by this project.
    """

    name: Text
    title: Text
    papers: dict[Literal["ffe", "fed"], Text] = Field(default_factory=dict)
    run: Annotated[OwnRun | PipelineRun | ServiceRun | CommandRun | NobodyRun, Field(discriminator="by")]
    prompts: tuple[PromptForm, ...] = Field(min_length=1)
    expressions: tuple[str, ...] | None = None
    strength: Strength
    size: Text
    licence: Text
    price: Decimal | None = Field(default=None, gt=0)
    environment: Text
    memory: Text | None = None
    also: tuple[Text, ...] = ()
    checked: Text
    unsure: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _says_what_is_not_known(self) -> Self:
        if self.run.by == "service" and self.price is None and not any("price" in it for it in self.unsure):
            raise ValueError(f"{self.name} has no price: say so in unsure")
        if unknown := set(self.expressions or ()) - set(EXPRESSIONS):
            raise ValueError(f"{self.name} knows {', '.join(sorted(unknown))}, which is no expression")
        return self

    @property
    def has_wordings(self) -> bool:
        """Whether it reads words, and not only names of expressions."""
        return self.prompts != ("expression",)


class Table(_Part):
    """The file. words: how strengths are told, the weakest first."""

    services: dict[str, ImageService]
    words: tuple[Degree, ...]
    editors: tuple[Row, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [row.name for row in self.editors]
        if len(set(names)) < len(names):
            raise ValueError("two editors have one name")
        for row in self.editors:
            if isinstance(row.run, ServiceRun) and row.run.service not in self.services:
                raise ValueError(f"{row.name} is at {row.run.service!r}, which is no service")
        return self


@cache
def read_table() -> Table:
    """The table that ships."""
    data = yaml.load(TABLE.read_text(encoding="utf-8"), _LOADER)  # a safe one
    return validated(Table, data, repr(TABLE.name))


def image_services() -> Mapping[str, ImageService]:
    """The services by name."""
    return read_table().services


def rows() -> Mapping[str, Row]:
    """The editors by name."""
    return {row.name: row for row in read_table().editors}


def find_row(name: str) -> Row:
    """The row of a name. InputError, with the nearest names, for one that has none."""
    found = rows()
    if name in found:
        return found[name]
    forms = {known: known for known in found}
    raise InputError(f"unknown editor {name!r}: {nearest(name, forms, 'pixelsmile editors list names them')}")


def nearest(name: str, forms: Mapping[str, str], otherwise: str) -> str:
    """`did you mean x, y or z?` in their written forms, or `otherwise` where no name is near.

    A name that holds the words is nearer than any that only resembles them.
    """
    asked = "-".join(name.lower().split())
    is_part = len(asked) >= _MIN_PART
    ratios = {
        word: difflib.SequenceMatcher(None, asked, word).ratio() + (is_part and asked in word)
        for word in forms
    }
    best = max(ratios.values(), default=0.0)
    least = 1 if best > 1 else best - _ABOUT  # all that hold the words, or all that are about as near
    near = sorted((word for word in forms if ratios[word] >= least), key=lambda word: -ratios[word])
    if best < _NEAR:
        return otherwise
    *others, last = [forms[word] for word in (near[:1] if asked in forms else near[:_MAX_NEAR])]
    return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"
