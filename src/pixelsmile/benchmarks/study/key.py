"""The key of a study: whose sweep each code stands for. Raters do not get it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, model_validator

from pixelsmile.errors import InputError
from pixelsmile.json_lines import Record
from pixelsmile.limits import MAX_FILE_BYTES, read_record, shown

Question = Literal["continuity", "identity"]
QUESTIONS: tuple[Question, ...] = ("continuity", "identity")


class StudyTask(Record):
    """A task that raters see: a source, a target expression, and the code of each editor's sweep."""

    source: str
    target: str
    sweeps: dict[str, str]  # code: editor


class StudyKey(Record):
    """What joins the codes of a study's page to editors and tasks."""

    schema_version: Literal[1] = 1
    study: str
    seed: int
    strengths: tuple[float, ...]
    editors: dict[str, dict[str, JsonValue]] = Field(min_length=2)  # by label, as their runs describe them
    tasks: dict[str, StudyTask] = Field(min_length=1)  # by code

    @model_validator(mode="after")
    def _each_editor_once(self) -> "StudyKey":
        for code, task in self.tasks.items():
            if sorted(task.sweeps.values()) != sorted(self.editors):
                raise ValueError(f"task {shown(code)} has not one sweep of each editor")
        return self

    def to_json(self) -> bytes:
        """The key as a file."""
        return (self.model_dump_json(indent=1) + "\n").encode()


def read_key(path: Path) -> StudyKey:
    """The key in a file; InputError where it is missing or none of ours."""
    return read_record(
        path,
        StudyKey,
        max_bytes=MAX_FILE_BYTES,
        error=lambda problem: InputError(
            f"{problem}; use the .key.json that `pixelsmile bench study page` wrote"
        ),
    )
