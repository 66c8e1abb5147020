"""What the studio holds for each open page: its picture, the faces in it, and what was rendered last."""

import asyncio
import json
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.options import MAX_SEED
from pixelsmile.editing.pictures import Source, open_source
from pixelsmile.editing.session import ChosenFace, Edit
from pixelsmile.errors import InputError
from pixelsmile.faces.choice import choose, parse_choice
from pixelsmile.faces.crops import FaceCrop, crop_to_edit
from pixelsmile.faces.face import Face
from pixelsmile.portraits import Identity, sample_identity

MAX_VISITS = 64  # pages whose pictures stay in memory; of more, those go that were quiet longest
PREVIEW_PX = 448  # the longer side of what a preview shows
_NO_VISIT = "this page is no longer known, the studio was started anew or is full: load the page again"
_NO_PICTURE = "there is no picture yet: drop one, choose a file, or have somebody drawn"


@dataclass(frozen=True)
class View:
    """The part of a picture that an edit of some faces can reach, small enough for a preview.

    faces: in it; none where it is the whole picture. box: x0, y0, x1, y1 in the picture.
    """

    source: Source
    faces: Sequence[ChosenFace]
    box: tuple[int, int, int, int]


def view_of(source: Source, faces: Sequence[Face]) -> View:
    """What a preview edits in place of the picture. FaceError for a face that is too small to edit."""
    size = source.image.size
    box = (0, 0, *size)
    if faces:
        inner = [crop_to_edit(face, size).window.inside for face in faces]
        x0s, y0s, x1s, y1s = zip(*inner, strict=True)
        box = (min(x0s), min(y0s), max(x1s), max(y1s))
    seen = source.image.crop(box)
    scale = min(1.0, PREVIEW_PX / max(seen.size))
    seen = seen.resize((max(1, round(seen.width * scale)), max(1, round(seen.height * scale))))
    from_box = FaceCrop(box[0], box[1], max(size), size)
    small = [(from_box.face(face).scaled(scale), None) for face in faces]
    return View(Source(open_source(seen).original, portrait=source.portrait), small, box)


@dataclass
class Opened:
    """A picture on the page. name: of its file. faces: as they are counted, from the left."""

    source: Source
    name: str
    faces: Sequence[Face]
    _views: dict[str, View] = field(default_factory=dict)

    @property
    def identity(self) -> Identity | None:
        """Who is shown, where pixelsmile drew them and says whom."""
        if self.source.portrait is None:
            return None
        described = json.loads(self.source.portrait.text)
        seed = described.get("seed")
        return sample_identity(seed) if type(seed) is int and 0 <= seed <= MAX_SEED else None

    def view(self, face: str) -> View:
        """The part around a face, by its number, box or `all`. FaceError."""
        if face not in self._views:
            whole = not face and not self.faces
            chosen = [] if whole else choose(parse_choice(face or "1"), self.faces, self.source.image.size)
            self._views[face] = view_of(self.source, chosen)
        return self._views[face]


@dataclass(frozen=True)
class Rendered:
    """An edit that was made at full size: `results` as `Edit.titles` calls them. name: of the picture. model:
    its name here.
    """

    name: str
    model: str
    edit: Edit
    results: Sequence[EditResult]


class Stop:
    """Ends what was begun in the event loop in which this was made."""

    def __init__(self) -> None:
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    def set(self) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._event.set)

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    async def receive(self) -> dict[str, str]:
        """As a request's `receive` says that its client left."""
        await self._event.wait()
        return {"type": "http.disconnect"}


@dataclass
class Visit:
    """One open page. folder: of its files, which go with it. stop: ends what it has under way."""

    folder: Path
    picture: Opened | None = None
    rendered: Rendered | None = None
    stop: Stop | None = None
    num_files: int = 0

    def opened(self) -> Opened:
        """InputError where there is no picture."""
        if self.picture is None:
            raise InputError(_NO_PICTURE)
        return self.picture

    @contextmanager
    def at_work(self) -> Iterator[Stop]:
        """For as long as something is made for the page. InputError where something is already."""
        if self.stop is not None:
            raise InputError("this page is at work already: wait for it, or cancel it")
        self.stop = Stop()
        try:
            yield self.stop
        finally:
            self.stop = None

    def new_folder(self) -> Path:
        """A name that is not taken yet."""
        self.num_files += 1
        return self.folder / str(self.num_files)


class Visits:
    """The pages by names that nobody guesses. To be used from any thread."""

    def __init__(self, folder: Path, max_visits: int = MAX_VISITS) -> None:
        self._folder, self._max_visits = folder, max_visits
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self) -> str:
        """The name of a new page."""
        name = secrets.token_urlsafe(18)
        folder = self._folder / name
        folder.mkdir(parents=True)
        with self._lock:
            self._visits[name] = Visit(folder)
            crowd = list(self._visits)[: -self._max_visits]
        for quiet in crowd:
            self.end(quiet)
        return name

    def find(self, name: str) -> Visit:
        """InputError for a page that is not known, or no longer."""
        with self._lock:
            if name not in self._visits:
                raise InputError(_NO_VISIT)
            self._visits.move_to_end(name)
            return self._visits[name]

    def end(self, name: str) -> None:
        """Stop what a page has under way, and let its pictures and files go."""
        with self._lock:
            visit = self._visits.pop(name, None)
        if visit is not None:
            if visit.stop is not None:
                visit.stop.set()
            shutil.rmtree(visit.folder, ignore_errors=True)
