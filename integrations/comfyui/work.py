"""What the nodes do, without ComfyUI: edits of a batch, faces, scores; and errors in the words of nodes."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from PIL import Image

from pixelsmile.editing.edit_files import EditResult, is_edited
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import Progress
from pixelsmile.editing.face_edits import PasteOptions, fit_face
from pixelsmile.editing.folders import GEOMETRIC
from pixelsmile.editing.options import EditOptions
from pixelsmile.editing.pictures import open_source
from pixelsmile.editing.requests import Request, parse_face_request
from pixelsmile.editing.session import ChosenFace, FaceFinder, stream_edit
from pixelsmile.errors import FaceError, InputError, PixelSmileError
from pixelsmile.expressions import EXPRESSIONS, Domain
from pixelsmile.faces.crops import FaceCrop, crop_to_edit
from pixelsmile.faces.face import Face
from pixelsmile.faces.pasting import paste
from pixelsmile.judges.judge import Judge, NoVerdict, Question, Verdict
from pixelsmile.judges.names import EMBEDDED, PHOTO, parse_judge
from pixelsmile.provenance.watermark import marked

JUDGES = {"photograph": PHOTO, "drawn portrait": EMBEDDED}
# What the command line advises, as a node calls it.
_OPTIONS = (
    (re.compile(r"`pixelsmile faces PHOTO` lists them"), "the node Detect Faces shows them"),
    (re.compile(r" \(pixelsmile models list[^)]*\)"), ""),
    (re.compile(r"--([a-z]+)"), r"\1"),
)

Faces = list[list[Face]]  # of each picture of a batch, as they are numbered
Follow = Callable[[int, int], None]  # told how much is done, of how much


def moved_sliders(values: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """The sliders that are not at rest, in the order of their names. InputError where all are."""
    moved = {name: values[name] for name in names if values[name]}
    if not moved:
        raise InputError(
            "all sliders are at 0: move one (for the neutral face, any expression at strength 0)"
        )
    return moved


@contextmanager
def node_words() -> Iterator[None]:
    """Errors of pixelsmile, in the words of a node instead of those of the command line."""
    try:
        yield
    except PixelSmileError as error:
        message = str(error)
        for pattern, words in _OPTIONS:
            message = pattern.sub(words, message)
        raise type(error)(message) from error


@dataclass(frozen=True)
class Job:
    """What is made of every picture of a batch: one request at some strengths, of one or several faces.

    face: which, as `pixelsmile edit --face` takes it; empty for the only one. faces: those that were chosen
    of each picture; then `face` and `detector` are not used. mark: whether edits carry the imperceptible
    mark.
    """

    request: Request
    strengths: Sequence[float]
    face: str = ""
    faces: Faces | None = None
    detector: str = "auto"
    mark: bool = True
    paste: PasteOptions = field(default_factory=PasteOptions)
    options: EditOptions = field(default_factory=EditOptions)


def edit_batch(
    editor: Editor, pictures: Sequence[Image.Image], job: Job, follow: Follow
) -> tuple[list[Image.Image], str]:
    """The edits, picture by picture and of each by strength, and how they were made, as JSON.

    They are the pixels that `pixelsmile edit` writes. Raises what `stream_edit` raises, and InputError where
    `faces` are not those of these pictures.
    """
    if job.faces is not None and len(job.faces) != len(pictures):
        raise InputError(
            f"there are faces of {len(job.faces)} pictures for {len(pictures)}: detect them in these pictures"
        )
    request = replace(job.request, strengths=tuple(job.strengths))
    made, settings = [], []
    for index, picture in enumerate(pictures):
        source = open_source(picture)
        faces = _chosen(source, job, index)
        for event in stream_edit(editor, source, faces, [request], job.paste, **job.options):
            if isinstance(event, Progress):
                if event.stage != "encode":
                    follow(index * event.total + event.done, len(pictures) * event.total)
            elif isinstance(event, EditResult):
                made += [finished(event, at, mark=job.mark) for at in range(len(event.images))]
                settings.append(event.settings)
    return made, json.dumps(settings, indent=1, allow_nan=False)


def finished(result: EditResult, index: int, *, mark: bool) -> Image.Image:
    """An edit as people get it: marked, unless nothing was edited."""
    image = result.images[index]
    return marked(image) if mark and is_edited(result, index) else image


def find_faces(pictures: Sequence[Image.Image], face: str, detector: str) -> Faces:
    """The faces that are meant in each picture; FaceError where there are none."""
    return [
        [one for one, _ in _choose(open_source(picture), face or "all", detector)] for picture in pictures
    ]


@dataclass(frozen=True)
class PlacedCrop:
    """A face cut out of a picture, upright, and where it was."""

    picture: Image.Image
    face: Face
    crop: FaceCrop

    @property
    def image(self) -> Image.Image:
        return self.crop.cut(self.picture)


def crop_face(picture: Image.Image, face: str, detector: str, context: float) -> PlacedCrop:
    """The square around the one face that is meant. FaceError for none and for several."""
    chosen = _choose(open_source(picture), face, detector)
    if len(chosen) != 1:
        raise FaceError(f"face {face!r} means {len(chosen)} faces, where one is cut out: name one")
    found = chosen[0][0]
    return PlacedCrop(picture, found, crop_to_edit(found, picture.size, context))


def paste_face(
    placed: PlacedCrop, edit: Image.Image, onto: Image.Image, how: PasteOptions, *, mark: bool
) -> Image.Image:
    """An edit of the crop, of any size, back in its picture or in another state of it (`onto`)."""
    if onto.size != placed.picture.size:
        raise InputError(
            f"the crop is of a picture of {placed.picture.size} px, not of {onto.size}: paste it there"
        )
    if edit.width != edit.height:
        raise InputError(
            f"the edit has {edit.width} x {edit.height} px, the crop was square: edit it as a square"
        )
    pasted = paste(onto, fit_face(placed.picture, edit, placed.face, placed.crop, how))
    return marked(pasted) if mark else pasted


async def score_picture(picture: Image.Image, judge: str, domain: Domain) -> tuple[str, dict[str, Any]]:
    """What the largest face shows, and how much of each expression, 0 to 1; None for those not judged.

    InputError where the judge has no verdict: why.
    """
    asked = _judge(JUDGES[judge])
    outcome = await asked.judge(Question.read(picture, domain))
    match outcome:
        case Verdict():
            judged = asked.identity.parameters.get("categories", list(EXPRESSIONS))
            assert isinstance(judged, list)
            return outcome.dominant, {
                name: outcome.scores[name] if name in judged else None for name in EXPRESSIONS
            }
        case NoVerdict():
            raise InputError(f"no verdict on the picture: {outcome.detail or outcome.reason}")
    raise InputError(f"the judge {judge} gives no scores: choose another")


@cache
def geometric_editor() -> Editor:
    """The one of previews, loaded once: it is small and stays."""
    return Editor.from_pretrained(GEOMETRIC)


@cache
def _judge(name: str) -> Judge:
    return parse_judge(name)


@cache
def _finder(detector: str) -> FaceFinder:
    return FaceFinder(detector)


def _chosen(source: Any, job: Job, index: int) -> Sequence[ChosenFace]:
    if job.faces is not None:
        return [(face, None) for face in job.faces[index]]
    return _choose(source, job.face, job.detector, job.paste.context)


def _choose(source: Any, face: str, detector: str, context: float | None = None) -> Sequence[ChosenFace]:
    wanted = [parse_face_request(face)] if face.strip() else []
    if any(one.request for one in wanted):
        raise InputError(f"face {face!r} names an expression: connect that, and name the face alone")
    return _finder(detector).choose(source, wanted, context)
