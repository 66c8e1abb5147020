"""The key of a study: whose sweep each code stands for. Raters do not get it."""

from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError, model_validator

from pixelsmile.errors import InputError
from pixelsmile.json_lines import Record

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
    editors: dict[str, dict[str, JsonValue]]  # by label, as their runs describe them
    tasks: dict[str, StudyTask]  # by code

    @model_validator(mode="after")
    def _each_editor_once(self) -> "StudyKey":
        for code, task in self.tasks.items():
            if sorted(task.sweeps.values()) != sorted(self.editors):
                raise ValueError(f"task {code} has sweeps of {sorted(task.sweeps.values())}")
        return self

    def to_json(self) -> bytes:
        """The key as a file."""
        return (self.model_dump_json(indent=1) + "\n").encode()


def read_key(path: Path) -> StudyKey:
    """The key in a file; InputError where it is missing or none of ours."""
    try:
        return StudyKey.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the key {str(path)!r} ({error.strerror}): check the path") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{str(path)!r} is no key of a study ({where}: {first['msg']}): "
            "use the .key.json that `pixelsmile bench study page` wrote"
        ) from error
