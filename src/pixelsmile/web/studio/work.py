"""What the model worker does for the studio: find faces, look at an edit, make it, read a reference."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from pixelsmile.editing.edit_files import EditResult, OutputFormat
from pixelsmile.editing.options import EditOptions
from pixelsmile.editing.pictures import Source
from pixelsmile.editing.session import stream_edit
from pixelsmile.errors import FaceError, InputError
from pixelsmile.faces.choice import numbered
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.face import Face
from pixelsmile.faces.mesh.networks import load_mesh_networks
from pixelsmile.faces.mesh.units import source_units
from pixelsmile.images import load_image
from pixelsmile.web.looks import Found, scores_work
from pixelsmile.web.orders import WhichPicture
from pixelsmile.web.studio.asked import Asked
from pixelsmile.web.studio.visits import View
from pixelsmile.web.worker import Tools, Work

_QUALITY = 88
_LEAST = 0.08  # of a score or an intensity that is copied: below lies what faces at rest show, too


@dataclass(frozen=True)
class FoundFaces:
    """faces: from left to right. notes: what a person should know."""

    faces: Sequence[Face]
    notes: Sequence[str]


def faces_work(source: Source) -> Work:
    """Finds the faces; none in a drawn portrait, which is edited as a whole."""

    def work(tools: Tools) -> Iterator[object]:
        notes: list[str] = []
        is_portrait = source.is_drawn and source.image.width == source.image.height
        faces = [] if is_portrait else numbered(tools.finder(notes.append).faces(source))
        yield FoundFaces(faces, notes)

    return work


@dataclass(frozen=True)
class Look:
    """A preview of the part of the picture that `View.box` names: a JPEG, for the eye alone."""

    data: bytes


def preview_work(asked: Asked, view: View) -> Work:
    """A quick look at one strength, with a model of this machine."""
    request = asked.mix.request((asked.strength,))

    def work(tools: Tools) -> Iterator[object]:
        editor = tools.editor()
        options: EditOptions = {"seed": asked.seed}
        if editor.engine.info.moves_units:
            options = {"neutralise": asked.neutralise}
        for event in stream_edit(editor, view.source, view.faces, [request], **options):
            # What is no result goes to the worker, too: so an edit says that it waits for the engine.
            yield Look(jpeg(event.images[0])) if isinstance(event, EditResult) else event

    return work


def jpeg(image: Image.Image, side_px: int | None = None) -> bytes:
    """A picture as pages show it, scaled down to that longer side."""
    shown = load_image(image)  # RGB, transparency over white
    if side_px is not None and max(shown.size) > side_px:
        shown = shown.copy()
        shown.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def render_work(asked: Asked, source: Source, num: int) -> Work:
    """The edit at full size: Progress, then the results. The model is the one that the job names."""

    def work(tools: Tools) -> Iterator[object]:
        editor = tools.editor()
        edit = asked.edit(moves_units=editor.engine.info.moves_units, num=num)
        info = editor.engine.info
        notes: list[str] = []
        if info.note and info.moves_units:
            notes.append(info.note)
        elif info.note and not source.is_drawn:
            notes.append(f"the picture is no portrait that pixelsmile drew. {info.note}")
        faces = tools.finder(notes.append).choose(source, edit.faces, edit.paste.context)
        yield from map(Note, notes)
        yield from stream_edit(editor, source, faces, edit.requests, edit.paste, **edit.options)

    return work


@dataclass(frozen=True)
class Note:
    """What a person should know."""

    text: str


def batch_work(asked: Asked, source: Source, num: int, form: OutputFormat, folder: Path) -> Work:
    """The same into files: Progress, then `EditFiles`."""

    def work(tools: Tools) -> Iterator[object]:
        editor = tools.editor()
        edit = asked.edit(moves_units=editor.engine.info.moves_units, num=num, form=form)
        edit.form.picture.check_mode(source.original.mode)
        faces = tools.finder(lambda _: None).choose(source, edit.faces, edit.paste.context)
        for event in edit.save(editor, source, faces, folder):
            if not isinstance(event, EditResult):
                yield event

    return work


@dataclass(frozen=True)
class Copied:
    """An expression of somebody else's face. weights: of expressions; units: intensities; one of the two."""

    weights: Mapping[str, float]
    units: Mapping[str, float]
    remark: str


def scores_of_reference_work(source: Source) -> Work:
    """What the judge for such pictures sees in the largest face, as weights."""
    asked = WhichPicture() if source.is_drawn else WhichPicture(face=["largest"])

    def work(tools: Tools) -> Iterator[object]:
        for event in scores_work(asked, source)(tools):
            assert isinstance(event, Found)
            record = event.record
            if record["scores"] is None:
                raise FaceError(f"the reference cannot be judged: {record['detail'] or record['reason']}")
            seen = {name: round(score, 2) for name, score in record["scores"].items() if score}
            weights = {name: score for name, score in seen.items() if score >= _LEAST}
            yield Copied(weights, {}, record["remark"] if weights else "the reference shows a neutral face")

    return work


def units_of_reference_work(source: Source) -> Work:
    """What the muscles of the largest face do, as the mesh sees it. FaceError where there is none."""
    if source.is_drawn:
        raise InputError("action units are read off photographs: of a drawn portrait copy the expressions")

    def work(tools: Tools) -> Iterator[object]:
        meshes = [mesh for mesh, _ in MeshDetector.load().meshes(source.image)]
        if not meshes:
            raise FaceError("there is no face in the reference: choose another picture")
        mesh = max(meshes, key=lambda mesh: (mesh.box[2] - mesh.box[0]) * (mesh.box[3] - mesh.box[1]))
        units = source_units(load_mesh_networks().blendshapes(mesh))
        seen = {name: round(value, 2) for name, value in asdict(units).items() if abs(value) >= _LEAST}
        yield Copied({}, seen, "" if seen else "the reference shows a face at rest")

    return work
