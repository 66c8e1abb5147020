"""An edit from the picture to its files: which faces, edited how, pasted back, written and recorded.

What the command line, a web page, a server and nodes call. An editor stays loaded, a picture is read once and
its faces are found once; a request then costs the edit alone:

    finder = FaceFinder()
    source = open_source(picture)
    faces = finder.choose(source, [parse_face_request("largest")])
    for event in stream_edit(editor, source, faces, [Request("happy")]):  # Progress, then an EditResult each
        ...

Closing the generator cancels: the work ends with the step at hand, and of `Edit.save` no file appears.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from pixelsmile.editing.edit_files import EditFiles, EditResult, OutputFormat, file_names, write_files
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import Progress
from pixelsmile.editing.face_edits import PasteOptions, stream_faces
from pixelsmile.editing.options import EditOptions, complete
from pixelsmile.editing.pictures import Source
from pixelsmile.editing.requests import FaceRequest, Request, sweep_titles
from pixelsmile.errors import InputError, ModelError
from pixelsmile.faces.choice import ONLY, choose
from pixelsmile.faces.crops import crop_to_edit
from pixelsmile.faces.detectors import choose_detector, load_detector
from pixelsmile.faces.detectors.loading import AnyWayUp, any_way_up
from pixelsmile.faces.face import Face
from pixelsmile.store.publication import staged

_log = logging.getLogger(__name__)

_FORM, _PASTE = OutputFormat(), PasteOptions()

ChosenFace = tuple[Face, Request | None]  # and its own request, where it has one


class FaceFinder:
    """Finds faces, upright or not, and chooses among them. Each detector is loaded once.

    detector: as `choose_detector` takes it. say: is told, once each, what a person should know: which
    detector was chosen where nobody named one, how the picture was turned, that a box holds no face.
    """

    def __init__(self, detector: str = "auto", say: Callable[[str], None] = _log.warning) -> None:
        self._detector, self._tell = detector, say
        self._said: set[str] = set()
        self._loaded: dict[tuple[str, bool], AnyWayUp] = {}
        self._last: tuple[Source, list[Face], int] | None = None

    def for_another(self, say: Callable[[str], None]) -> "FaceFinder":
        """One for somebody else, who is told by `say`: with these detectors, and no memory of a picture."""
        other = FaceFinder(self._detector, say)
        other._loaded = self._loaded
        return other

    def detector(self, source: Source) -> AnyWayUp:
        """The one that sees pictures like this. ModelError where none can run."""
        if reason := choose_detector(self._detector, drawn=source.is_drawn).reason:
            self._say(reason)
        return self._load(source)

    def faces(self, source: Source) -> list[Face]:
        """All faces of a picture, the surest first. ModelError."""
        self.detector(source)
        faces, turn = self._look(source)
        if turn:
            self._say(f"no face stands upright: seen with the picture turned back by {turn} degrees")
        return faces

    def choose(
        self, source: Source, wanted: Sequence[FaceRequest] = (), context: float | None = None
    ) -> list[ChosenFace]:
        """The faces that are meant; none where the whole picture is to be edited.

        Where nothing is wanted it is the picture's only face; of a portrait as it is drawn, a square, the
        whole picture. A detector runs only where one is needed. context: as of `PasteOptions`, where the
        squares around the faces shall be checked, too. FaceError, ModelError, InputError.
        """
        size = source.image.size
        is_portrait = source.is_drawn and source.image.width == source.image.height
        wanted = wanted or ([] if is_portrait else [FaceRequest("the face", ONLY)])
        by_sight = any(one.choice.kind not in ("box", "whole") for one in wanted)
        found = self.faces(source) if by_sight else []
        chosen = [(face, one) for one in wanted for face in choose(one.choice, found, size)]
        if len({face.box for face, _ in chosen}) < len(chosen):
            raise InputError("two --face mean the same face: `pixelsmile faces PHOTO` lists them")
        for face, one in chosen:
            if context is not None:
                crop_to_edit(face, size, context)
            if one.choice.kind == "box":
                self._check_box(source, one.text, face)
        return [(face, one.request) for face, one in chosen]

    def _load(self, source: Source) -> AnyWayUp:
        name = choose_detector(self._detector, drawn=source.is_drawn).name
        if (name, source.is_drawn) not in self._loaded:
            detector = load_detector(name, drawn=source.is_drawn)
            self._loaded[name, source.is_drawn] = any_way_up(detector)
        return self._loaded[name, source.is_drawn]

    def _look(self, source: Source) -> tuple[list[Face], int]:
        """The faces and how far the picture was turned; those of the last picture are remembered."""
        if self._last is None or self._last[0] is not source:
            self._last = source, *self._load(source).look(source.image)
        return self._last[1:]

    def _check_box(self, source: Source, text: str, box: Face) -> None:
        """Say that a box by hand holds the middle of no face, where a detector sees one elsewhere."""
        try:
            seen, _ = self._look(source)
        except ModelError:  # boxes are for those who have no detector
            return
        if seen and not any(_holds_middle(box, face) for face in seen):
            x0, y0, x1, y1 = (round(value) for value in seen[0].box)
            self._say(
                f"no face is seen in the box {text}, but one at {x0},{y0},{x1 - x0},{y1 - y0}: "
                "is the box right?"
            )

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._tell(text)


def _holds_middle(box: Face, face: Face) -> bool:
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return box.box[0] <= x <= box.box[2] and box.box[1] <= y <= box.box[3]


def stream_edit(
    editor: Editor,
    source: Source,
    faces: Sequence[ChosenFace],
    requests: Sequence[Request],
    paste: PasteOptions = _PASTE,
    **options: Unpack[EditOptions],
) -> Iterator[Progress | EditResult]:
    """Edit the chosen faces, or without any the whole picture: Progress, then an EditResult a request.

    A face with a request of its own is edited to that, the others to all of `requests`. Raises what
    `Editor.stream` and `stream_faces` raise.
    """
    if not faces:
        return editor.stream(source, requests, **options)
    edits = [(face, requests if own is None else [own]) for face, own in faces]
    return stream_faces(editor, source, edits, paste, **options)


@dataclass(frozen=True)
class Edit:
    """What is made of a picture: sweeps, and files of them.

    requests: each at `form.all_strengths(strengths)`; none where `faces` have requests of their own, which
    then share one sweep. faces: which; none for what `FaceFinder.choose` takes then.
    """

    requests: Sequence[Request]
    strengths: Sequence[float]
    faces: Sequence[FaceRequest] = ()
    form: OutputFormat = _FORM
    paste: PasteOptions = _PASTE
    options: EditOptions = field(default_factory=EditOptions)

    def __post_init__(self) -> None:
        file_names(list(self.titles), self.strengths, self.form)  # StrengthError
        complete(**self.options)  # InputError

    @property
    def titles(self) -> dict[str, str]:
        """What each sweep is called beside its pictures, by how the names of its files begin."""
        return sweep_titles(self.requests, self.faces)

    @property
    def file_names(self) -> list[str]:
        """Of all that is written. StrengthError for a strength given twice."""
        return file_names(list(self.titles), self.strengths, self.form)

    def save(
        self,
        editor: Editor,
        source: Source,
        faces: Sequence[ChosenFace],
        folder: Path,
        *,
        force: bool = False,
    ) -> Generator[Progress | EditResult | EditFiles]:
        """The events of `stream_edit`, then the files. All of them appear in `folder`, or none.

        force: replace files that exist. OutputError.
        """
        with staged(folder, self.file_names, force=force) as stage:
            results = []
            for event in stream_edit(editor, source, faces, self.requests, self.paste, **self.options):
                if isinstance(event, EditResult):
                    results.append(event)
                yield event
            files = write_files(stage, self.titles, results, self.strengths, self.form)
        yield files
