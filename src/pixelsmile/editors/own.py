"""Our own editor as one of many: any model of the engine, with any adapters."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import (
    GEOMETRIC,
    MODEL_INDEX,
    OPTIONS_FILE,
    family_of,
    find_model,
    weight_file,
)
from pixelsmile.editing.options import EditOptions
from pixelsmile.editing.pictures import open_source
from pixelsmile.editing.requests import Request
from pixelsmile.editing.session import stream_edit
from pixelsmile.editors import Region, Wording
from pixelsmile.editors.editor import Capabilities, EditorStoppedError, EditOutcome, Task
from pixelsmile.embedded import photo_sources
from pixelsmile.errors import InputError, StrengthError
from pixelsmile.faces.choice import manual_face
from pixelsmile.faces.crops import DEFAULT_CONTEXT, crop_around
from pixelsmile.faces.face import Face
from pixelsmile.hashing import sha256_json
from pixelsmile.store.weight_hashes import remembered_sha256

# Of a square picture's side: a face's surroundings of this size are the portrait itself.
_PORTRAIT_SHARE = 0.75
_MODEL_FILES = (".safetensors", ".json", ".txt", ".jinja")


@dataclass(frozen=True)
class OwnSettings:
    """How our editor is used. What is None is the model's own choice.

    size: root of the area that is edited, in pixels. region: `face` edits the square around the task's face
    box and pastes it back, as `pixelsmile edit --face`; `whole` edits the whole picture; `auto` takes the
    face where the picture is no portrait of it (not square, or the face small). Without a face box, all of it
    is edited. wording: `expression`, the model's own prompt for the task's target, or `instruction`, the
    task's words as they are. A model that moves action units is given the task's, where it has some.
    restore, guidance: as `EditOptions` tells; judges are shown what the model made. seed: of the noise of
    all samples (None: each has its own). paper: whether these are meant to be the paper's settings, so that
    a report lists what differs.
    """

    steps: int | None = None
    shift: float | None = None
    size: int | None = None
    region: Region = "auto"
    wording: Wording = "expression"
    restore: bool = False
    guidance: float | None = None
    seed: int | None = None
    paper: bool = False

    def recorded_as(self) -> dict[str, JsonValue]:
        """Those of them that a record has under these names, which a report compares."""
        return {
            "steps": self.steps,
            "shift": self.shift,
            "size": self.size,
            "region": self.region,
            "one_seed": self.seed,
        }


PAPER_MODEL = "Qwen/Qwen-Image-Edit-2511"
# Of the authors' code, where the paper says nothing.
PAPER = OwnSettings(steps=50, size=512, region="whole", guidance=1.0, seed=42, paper=True)


class OwnEditor:
    """Makes a sweep a call, with the prompts that the model was trained on, or with the task's own words.

    sweep: strengths that are always made together. A batch of another size can differ in the last bit, so an
    interrupted run needs this to go on as if nothing had happened.
    """

    max_concurrency = 1

    def __init__(self, editor: Editor, settings: OwnSettings, sweep: Sequence[float] = ()) -> None:
        """InputError for a model that is to be told instructions and understands none."""
        if settings.wording == "instruction" and editor.engine.info.moves_units:
            raise InputError(
                "the model understands no instructions: leave out --tell, or name another --model"
            )
        self._editor = editor
        self._settings = settings
        self._sweep = tuple(sweep)

    @property
    def capabilities(self) -> Capabilities:
        info = self._editor.engine.info
        domains = info.domains if info.control is None else (str(info.control["domain"]),)
        return Capabilities(domains=domains, words=not info.moves_units, note=info.note)

    def to_record(self) -> dict[str, JsonValue]:
        """Model and adapters with the hashes of their files, and every setting that reaches the pictures."""
        info, settings = self._editor.engine.info, self._settings
        given = [Path(str(adapter["source"])).name for adapter in info.adapters if "domain" not in adapter]
        brought = ["its adapters"] if len(given) < len(info.adapters) else []
        guidance = settings.guidance or info.guidance
        # The hash of the whole model is there: what tells it faster is for the manifests of edits.
        record = {key: value for key, value in info.record.items() if key != "fingerprints"}
        control = [] if info.control is None else [str(info.control["settings"]["method"])]
        return {
            "kind": "pixelsmile",
            "name": " + ".join([Path(info.model).name, *given, *brought, *control]),
            "model": info.model,
            "model_sha256": _weights_hash(info.model),
            "adapters": [dict(adapter) for adapter in info.adapters],
            **({} if info.control is None else {"control": dict(info.control)}),
            "device": info.device.partition(":")[0],
            "dtype": info.dtype,
            "quantization": info.quantization,
            "steps": settings.steps or info.steps,
            "shift": settings.shift or info.shift,
            "size": settings.size or info.size,
            "region": settings.region,
            "context": DEFAULT_CONTEXT,
            "told": settings.wording,  # its name in the records of earlier runs
            **({"restore": True} if settings.restore else {}),
            **({"guidance": guidance} if guidance > 1 else {}),
            **({} if settings.seed is None else {"one_seed": settings.seed}),
            **({"paper": True} if settings.paper else {}),
            **({"editor": record} if record else {}),
        }

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """One sweep. FaceError where the face box is too small or outside; what `Editor` raises.

        EditorStoppedError for a strength that a control does not take: all sweeps have it.
        """
        together = tuple(dict.fromkeys((*self._sweep, *strengths)))
        request = self._request(task, together)
        options: EditOptions = {
            "seed": seed if self._settings.seed is None else self._settings.seed,
            "steps": self._settings.steps,
            "shift": self._settings.shift,
            "size": self._settings.size,
            "domain": task.domain,
            "restore": self._settings.restore,
            "guidance": self._settings.guidance,
        }
        face = self._face(task, picture.size)
        faces = [] if face is None else [(face, None)]
        try:
            for event in stream_edit(self._editor, open_source(picture), faces, [request], **options):
                if isinstance(event, EditResult):
                    images = dict(zip(event.strengths, event.images, strict=True))
                    for strength in strengths:
                        yield EditOutcome(strength, images[strength])
        except StrengthError as refusal:
            raise EditorStoppedError(refusal) from refusal

    async def close(self) -> None:
        """Let the model go."""
        del self._editor

    def _request(self, task: Task, strengths: Sequence[float]) -> Request:
        if task.units is not None and self._editor.engine.info.moves_units:
            return Request(units=task.units, strengths=strengths)
        if self._settings.wording == "instruction":
            return Request(prompt=task.prompt, strengths=strengths)
        return Request(task.target, strengths=strengths)

    def _face(self, task: Task, size: tuple[int, int]) -> Face | None:
        """The face to edit around; None for the whole picture."""
        if task.face_box is None or self._settings.region == "whole":
            return None
        face = manual_face(task.face_box, size)
        is_portrait = size[0] == size[1] and crop_around(face, size).side >= _PORTRAIT_SHARE * size[0]
        return None if is_portrait and self._settings.region == "auto" else face


def _weights_hash(model: str) -> str:
    if model == GEOMETRIC:
        return sha256_json({name: source["sha256"] for name, source in photo_sources().items()})
    folder = find_model(model)
    file = weight_file(model, folder)
    if file is None:
        return _model_hash(folder)
    return sha256_json([_model_hash(folder), remembered_sha256(file.path)])


@cache
def _model_hash(folder: Path) -> str:
    """One hash of the files that a model is loaded from, by their names; they may be 60 GB.

    Its own adapters, which may or may not act, are recorded for themselves.
    """
    found = [path for part in family_of(folder).parts for path in (folder / part).rglob("*")]
    files = sorted(path for path in found if path.suffix in _MODEL_FILES)
    files += [path for path in (folder / MODEL_INDEX, folder / OPTIONS_FILE) if path.is_file()]
    return sha256_json({path.relative_to(folder).as_posix(): remembered_sha256(path) for path in files})
