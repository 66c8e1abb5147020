"""What the command line, a page and a server call: faces found once, edits as events, files whole or none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelsmile import Editor
from pixelsmile.editing.edit_files import EditFiles, EditResult, OutputFormat
from pixelsmile.editing.engine import Progress
from pixelsmile.editing.pictures import Source, open_source
from pixelsmile.editing.requests import Request, parse_face_request
from pixelsmile.editing.session import Edit, FaceFinder, stream_edit
from pixelsmile.errors import FaceError, InputError, StrengthError
from pixelsmile.faces.detectors import loading
from pixelsmile.faces.face import Face

SIZE = (300, 200)
BOXES = ("20,40,60,80", "190,60,60,80")
SEEN = [Face((20, 40, 80, 120), None, 0.9, "seer"), Face((190, 60, 250, 140), None, 0.8, "seer")]


class Seer:
    """A detector that always sees two faces, and counts how often it looks."""

    name = "scrfd"
    looks = 0

    def detect(self, image: Image.Image) -> list[Face]:
        self.looks += 1
        return SEEN


@pytest.fixture
def seer(monkeypatch: pytest.MonkeyPatch) -> Seer:
    seer = Seer()
    kind = loading._Kind(lambda: seer, "numpy", None, "it is here")
    monkeypatch.setattr(loading, "DETECTORS", {"seer": kind})
    return seer


@pytest.fixture
def source() -> Source:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return open_source(pixels)


@pytest.fixture(scope="module")
def editor(model_folder: Path) -> Editor:
    return Editor.from_pretrained(model_folder, device="cpu")


def test_a_picture_is_looked_at_once(seer: Seer, source: Source) -> None:
    said: list[str] = []
    finder = FaceFinder("seer", said.append)
    largest = finder.choose(source, [parse_face_request("largest")])
    both = finder.choose(source, [parse_face_request("1=happy"), parse_face_request("2=sad=0.5")])
    assert seer.looks == 1
    assert [face.box for face, _ in both] == [face.box for face in SEEN]
    assert [request and request.label for _, request in (*largest, *both)] == [None, "happy", "sad=0.5"]
    finder.choose(open_source(source.image), [parse_face_request("all")])
    assert seer.looks == 2
    assert said == []


def test_what_a_person_should_know_is_said_once(seer: Seer, source: Source) -> None:
    said: list[str] = []
    finder = FaceFinder("auto", said.append)
    for _ in range(2):
        finder.choose(source, [parse_face_request("100,10,40,40")])
        finder.choose(source, [parse_face_request("1")])
    assert said == [
        "no face is seen in the box 100,10,40,40, but one at 20,40,60,80: is the box right?",
        "detector seer: it is here",
    ]


def test_which_face_is_meant_is_not_guessed(seer: Seer, source: Source) -> None:
    finder = FaceFinder("seer")
    with pytest.raises(FaceError, match="2 faces in the picture"):
        finder.choose(source)
    with pytest.raises(InputError, match="two --face mean the same face"):
        finder.choose(source, [parse_face_request("1"), parse_face_request("largest")])
    with pytest.raises(FaceError, match="the square around the face has"):
        finder.choose(source, [parse_face_request("20,40,18,18")], context=1.25)
    assert finder.choose(source, [parse_face_request("whole")]) == []


def test_faces_have_requests_of_their_own_or_share_them(editor: Editor, seer: Seer, source: Source) -> None:
    finder = FaceFinder("seer")
    own = finder.choose(source, [parse_face_request("1=happy", (1,)), parse_face_request("2=sad", (1,))])
    (result,) = _results(editor, source, own, [], steps=1)
    assert [face["request"] for face in result.settings["faces"]] == ["happy", "sad"]
    shared = finder.choose(source, [parse_face_request("all")])
    requests = [Request("happy", strengths=(1,)), Request("sad", strengths=(1,))]
    _, sad = _results(editor, source, shared, requests, steps=1)
    assert [face["request"] for face in sad.settings["faces"]] == ["sad", "sad"]
    whole = _results(editor, source, [], requests[:1], steps=1)[0]
    assert "face" not in whole.settings
    assert whole.images[0].size == SIZE


def _results(editor, source, faces, requests, **options):
    events = stream_edit(editor, source, faces, requests, **options)
    return [event for event in events if isinstance(event, EditResult)]


def test_files_come_last_and_all_or_none(editor: Editor, source: Source, tmp_path: Path) -> None:
    edit = Edit(
        [Request("happy", strengths=(0, 1))], (0, 1), form=OutputFormat(grid=True), options={"steps": 2}
    )
    assert edit.file_names == ["happy-0.00.png", "happy-1.00.png", "grid.png", "manifest.json"]
    events = edit.save(editor, source, [], tmp_path / "cancelled")
    assert isinstance(next(events), Progress)
    events.close()  # as whoever cancels does
    assert list(tmp_path.iterdir()) == []
    *others, files = edit.save(editor, source, [], tmp_path / "done")
    assert isinstance(files, EditFiles)
    assert [type(event) for event in others if not isinstance(event, Progress)] == [EditResult]
    assert {path.name for path in (tmp_path / "done").iterdir()} == set(edit.file_names)
    assert files.settings["request"] == "happy"


def test_a_strength_given_twice_is_refused_at_once() -> None:
    with pytest.raises(StrengthError, match="1 is given twice"):
        Edit([Request("happy")], (1.0, 1.0))


def test_a_preview_finds_no_face_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slider that moves: mesh and light of the face were read with the first request."""
    data = pytest.importorskip("skimage.data")
    editor = Editor.from_pretrained("geometric")
    source = open_source(data.astronaut())
    faces = FaceFinder().choose(source)
    _results(editor, source, faces, [Request("happy", strengths=(0.5,))])
    monkeypatch.setattr(editor.engine.detector, "only", lambda image: pytest.fail("it looks again"))
    (result,) = _results(editor, source, faces, [Request("happy", strengths=(0.8,))])
    assert result.images[0].size == source.image.size
