"""A trained control on disk: a folder with its weights and a record of what they are; read with limits.

FOLDER/control.json           ControlRecord
FOLDER/control.safetensors    its tensors
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.editing.controls.settings import METHODS, MethodSettings
from pixelsmile.errors import AdapterError
from pixelsmile.expressions import Domain
from pixelsmile.limits import read_record
from pixelsmile.store.safetensors_header import read_header
from pixelsmile.store.weight_hashes import fingerprint, remembered_sha256

RECORD_NAME, WEIGHTS_NAME = "control.json", "control.safetensors"

Place = Annotated[int, Field(ge=0, le=4096)]


class ControlRecord(BaseModel):
    """What a control is, and of what: all that its weights need beside them.

    settings: of its method. model: the base's name, base: the fingerprint of its transformer. domain: of the
    pictures that it knows. expressions: that it was trained on, in the order of its tensors. neutral: the
    prompt at strength 0. subject: where that prompt names who is edited, first token and end, counted from
    its end. steps: of the training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    settings: MethodSettings
    model: str
    base: str
    domain: Domain
    expressions: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    neutral: str
    subject: tuple[Place, Place]
    steps: Annotated[int, Field(ge=1)]

    def to_bytes(self) -> bytes:
        """As it is written."""
        return (self.model_dump_json(indent=2) + "\n").encode()


@dataclass(frozen=True)
class ControlFile:
    """A control that was found: its folder, and the record in it."""

    folder: Path
    record: ControlRecord

    @property
    def called(self) -> str:
        """What messages call it."""
        return f"control {str(self.folder)!r} ({self.record.settings.method})"

    def check(self, model: Path) -> None:
        """AdapterError where it was trained on another base than the one in this folder."""
        if fingerprint(model / "transformer") != self.record.base:
            raise AdapterError(
                f"{self.called} steers the weights that it was trained on, {self.record.model!r}, and the "
                "model is another: give --model that one, or train a control on this one"
            )

    def as_dict(self) -> dict[str, Any]:
        """For what is recorded of an edit. The folder's name is its last part: pictures travel."""
        return {
            **self.record.model_dump(mode="json", exclude={"version"}),
            "source": self.folder.resolve().name,
            "sha256": remembered_sha256(self.folder / WEIGHTS_NAME),
        }


def find_control(source: str | Path) -> ControlFile:
    """The control in a folder, by its record and the header of its weights; without torch.

    AdapterError where there is none, or it is not whole.
    """
    folder = Path(source)
    if not folder.is_dir():
        raise AdapterError(
            f"no control folder {str(source)!r}: `pixelsmile train` makes one of {', '.join(METHODS)}"
        )
    if not (folder / RECORD_NAME).is_file():
        unfinished = (folder / "config.yaml").is_file()
        advice = "its training has not ended, or trains no control" if unfinished else "name the run's folder"
        raise AdapterError(f"{str(source)!r} holds no {RECORD_NAME}: {advice}")
    record = read_record(folder / RECORD_NAME, ControlRecord, error=AdapterError)
    read_header(folder / WEIGHTS_NAME, error=AdapterError)
    return ControlFile(folder, record)
