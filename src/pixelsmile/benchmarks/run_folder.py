"""A run on disk: what was asked, the edits as they come, and the scores that scorers gave them.

    RUN/spec.json                       what the run is; written first, never changed
    RUN/sources/SOURCE.png              the benchmark's pictures, as editors get them
    RUN/truths/TRIPLET.png              the ground truths of FED-Bench, which no editor gets
    RUN/edits/SOURCE/TARGET_1.00.png    what the editor made of them
    RUN/edits.jsonl                     a line for each edit: its file, or why there is none
    RUN/spending.jsonl                  a line for each call that asked a server: requests, tokens, dollars

Of each scorer STEM.json, with what decides its numbers, and STEM.jsonl, with a line for each edit:

    RUN/identity, RUN/background        cosines of source and edit, by encoder; how the background differs
    RUN/judges/ID                       the verdicts, or the marks, of a judge
    RUN/changes/ID                      changes of expression, by what they are measured by
    RUN/markers/ID.json                 which judges marked the components of FED-Bench together
    RUN/scores/NAME                     any other scorer

Every line stands for work that is done: after a kill the same command does what is left. A later line about
the same edit takes the place of an earlier one.

Folders are handed on and edited by hand: every file is checked when it is read, every picture lies inside the
folder, and an edit is shown or judged only if it is the one that was made.
"""

import io
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from PIL import Image
from pydantic import AfterValidator, Discriminator, Field, JsonValue, Tag, model_validator

from pixelsmile.editors.editor import check_name
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, MAX_STRENGTH, NEUTRAL, Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.limits import MAX_FILE_BYTES, path_within, read_record, shown
from pixelsmile.results.grid import format_strength
from pixelsmile.store.json_lines import Record, read_lines
from pixelsmile.store.manifests import CodeRecord
from pixelsmile.store.publication import write_file
from pixelsmile.store.run_folder import WorkFolder, require_same

SPEC_NAME = "spec.json"

BenchmarkKind = Literal["ffe", "fed"]  # as commands name them
EditKey = tuple[str, str, float]  # source, target, strength

_MAY_DIFFER = {"created", "hardware", "code"}  # between a run and its continuation


def _of_a_file(name: str) -> str:
    try:
        check_name(name, "the name")
    except InputError as error:
        raise ValueError(str(error)) from error
    return name


def _expression(name: str) -> str:
    if name not in (*EXPRESSIONS, NEUTRAL):
        raise ValueError(f"{shown(name)} is no expression: use one of {', '.join(EXPRESSIONS)}")
    return name


Name = Annotated[str, AfterValidator(_of_a_file)]
Target = Annotated[str, AfterValidator(_expression)]
Strength = Annotated[float, Field(ge=0, le=MAX_STRENGTH)]


class TaskRecord(Record):
    """A task as the specification keeps it."""

    source: Name
    target: Target
    domain: Domain
    prompt: str
    face_box: tuple[float, float, float, float] | None

    benchmark: ClassVar[BenchmarkKind] = "ffe"

    @property
    def sample(self) -> str:
        """What editors are compared on, sample by sample."""
        return self.source

    @property
    def truth(self) -> str | None:
        """The name of the ground truth, where the benchmark has one."""
        return None

    @property
    def wording(self) -> str:
        """Dense or simple, of the instruction; empty where the benchmark has no instructions."""
        return ""


class FedTaskRecord(TaskRecord):
    """A task of FED-Bench. target: its class. asked_strength: what the words imply, where that is known."""

    triplet: Name
    granularity: Literal["dense", "simple"]
    asked_strength: Strength | None = None

    benchmark: ClassVar[BenchmarkKind] = "fed"

    @property
    def sample(self) -> str:
        return self.triplet

    @property
    def truth(self) -> str | None:
        return self.triplet

    @property
    def wording(self) -> str:
        return self.granularity


def _benchmark_of(task: Any) -> BenchmarkKind:
    if isinstance(task, TaskRecord):
        return task.benchmark
    return "fed" if isinstance(task, dict) and "triplet" in task else "ffe"


AnyTask = Annotated[
    Annotated[FedTaskRecord, Tag("fed")] | Annotated[TaskRecord, Tag("ffe")], Discriminator(_benchmark_of)
]


class Spec(Record):
    """Everything that the edits of a run depend on, and where they are made.

    `created`, `hardware` and `code` may differ when a run goes on; nothing else. without_instruction: what
    FED-Bench could not ask, as tasks without a prompt: no edit is made, and none is forgotten.
    """

    schema_version: Literal[1] = 1
    created: datetime
    hardware: dict[str, JsonValue]
    code: CodeRecord
    benchmark: dict[str, JsonValue]
    editor: dict[str, JsonValue]
    setting: Literal["general", "linear"]
    strengths: tuple[Strength, ...] = Field(min_length=1)
    seed: int
    tasks: tuple[AnyTask, ...] = Field(min_length=1)
    without_instruction: tuple[FedTaskRecord, ...] = ()

    @model_validator(mode="after")
    def _each_edit_once(self) -> "Spec":
        seen: set[EditKey] = set()
        for key in self.edit_keys():
            if key in seen:
                raise ValueError(f"{key[1]} of {key[0]} at {key[2]:g} is asked for twice")
            seen.add(key)
        return self

    def edit_keys(self) -> tuple[EditKey, ...]:
        """Every edit of the run, in its order."""
        return tuple((task.source, task.target, s) for task in self.tasks for s in self.strengths)


class EditLine(Record):
    """A line about one edit."""

    source: Name
    target: Target
    strength: Strength

    @property
    def key(self) -> EditKey:
        return self.source, self.target, self.strength


class EditRecord(EditLine):
    """One edit: a file in the run's folder with its hash, or the reason why the editor made none."""

    file: str | None = None
    sha256: str | None = None
    failure: str | None = None
    seconds: float | None = None  # of the editor, its share of the call that made it

    @model_validator(mode="after")
    def _made_or_not(self) -> "EditRecord":
        if (self.file is None) != (self.sha256 is None):
            raise ValueError("file and sha256 go together")
        return self


class SpendingRecord(Record):
    """What one call of `bench run` asked a server for. dollars: 0 where nobody said what it costs."""

    num_requests: int = Field(ge=0)
    num_tokens: int = Field(ge=0)
    dollars: Decimal = Field(ge=0)


Line = TypeVar("Line", bound=EditLine)


class RunFolder(WorkFolder):
    """The places in a run's folder, and what they hold."""

    PLAN = SPEC_NAME
    WORK = "at work on the run in"

    def begin(self, spec: Spec) -> Spec:
        """Write the specification, or check that the run that is here has the same; the one that counts.

        InputError that names the first difference otherwise: a folder holds one run.
        """
        if (self.path / SPEC_NAME).exists():
            found = self.spec()
            require_same(self.path, _decisive(found), _decisive(spec), "choose another folder with -o")
            return found
        write_file(self.path / SPEC_NAME, (spec.model_dump_json(indent=1) + "\n").encode())
        return spec

    def holds(self, spec: Spec) -> bool:
        """Whether the run that is here has that specification, so that it can go on."""
        try:
            return _decisive(self.spec()) == _decisive(spec)
        except InputError:
            return False

    def spec(self) -> Spec:
        """The specification; InputError where the folder holds no run."""
        path = self.path / SPEC_NAME
        if not path.is_file():
            raise InputError(
                f"{str(self.path)!r} holds no run (it has no {SPEC_NAME}): "
                "make one with `pixelsmile bench ffe run`, or `fed run`"
            )
        return read_record(path, Spec, max_bytes=MAX_FILE_BYTES, error=_no_run)

    def spec_of(self, benchmark: BenchmarkKind) -> Spec:
        """The specification; InputError where the folder holds no run, or one of the other benchmark."""
        spec = self.spec()
        found = spec.tasks[0].benchmark
        if found != benchmark:
            raise InputError(
                f"{str(self.path)!r} is a run of {found.upper()}-Bench: use `pixelsmile bench {found} ...`"
            )
        return spec

    def source_file(self, source: str) -> Path:
        """The place of a source; InputError where links lead out of the folder."""
        return path_within(self.path, f"sources/{source}.png")

    def truth_file(self, truth: str) -> Path:
        """The place of a ground truth; InputError where links lead out of the folder."""
        return path_within(self.path, f"truths/{truth}.png")

    def edit_name(self, key: EditKey) -> str:
        """The place of an edit, relative to the folder."""
        source, target, strength = key
        return f"edits/{source}/{target}_{format_strength(strength)}.png"

    @property
    def edits_file(self) -> Path:
        return self.path / "edits.jsonl"

    def edits(self) -> dict[EditKey, EditRecord]:
        """The edits that are done, by key. InputError for one whose file is elsewhere than in its place."""
        found = latest(read_lines(self.edits_file, EditRecord))
        for key, record in found.items():
            if record.file not in (None, self.edit_name(key)):
                raise InputError(
                    f"{str(self.edits_file)!r} names {shown(record.file)}, where an edit has its place in "
                    f"{self.edit_name(key)!r}: make the run again in another folder"
                )
        return found

    @property
    def spending_file(self) -> Path:
        return self.path / "spending.jsonl"

    def spending(self) -> tuple[SpendingRecord, ...]:
        """Of each call that came to an end, or was interrupted; one that was killed has left none."""
        return read_lines(self.spending_file, SpendingRecord)

    def fault_of(self, edit: EditRecord) -> str | None:
        """What is wrong with the picture of an edit that was made; None for the one that was made.

        InputError where links lead out of the folder.
        """
        path = path_within(self.path, edit.file)
        if not path.is_file():
            return "is missing"
        return None if sha256_file(path) == edit.sha256 else "was changed since it was made"

    def picture_of(self, edit: EditRecord) -> Path:
        """The picture of an edit that was made; InputError where it is not that picture any more."""
        if (fault := self.fault_of(edit)) is not None:
            raise InputError(
                f"{str(self.path / str(edit.file))!r} {fault}: put it back, or make the run again in another "
                "folder"
            )
        return self.path / str(edit.file)


def latest(records: Iterable[Line]) -> dict[EditKey, Line]:
    """The newest line about each edit."""
    return {record.key: record for record in records}


def file_name(identifier: str) -> str:
    """What files are called after a judge, or anything else with an id."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in identifier)


def png_bytes(image: Image.Image) -> bytes:
    """The pixels alone: equal pictures are equal files."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def _no_run(problem: str) -> InputError:
    return InputError(f"{problem}; it is no run of this version: begin another")


def _decisive(spec: Spec) -> dict[str, Any]:
    """What a run that goes on must have again, by the names of now: runs of before say `quantise`."""
    decisive = spec.model_dump(mode="json", exclude=_MAY_DIFFER)
    if "quantise" in (editor := decisive["editor"]):
        editor["quantization"] = editor.pop("quantise")
    return decisive
