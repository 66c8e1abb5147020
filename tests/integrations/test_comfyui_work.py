"""What the nodes do, on a photograph, without ComfyUI: edits as the session makes them, crops, scores."""

import asyncio
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from integrations.comfyui.work import (
    Job,
    crop_face,
    edit_batch,
    find_faces,
    geometric_editor,
    moved_sliders,
    node_words,
    paste_face,
    score_picture,
)
from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.face_edits import PasteOptions
from pixelsmile.editing.pictures import open_source
from pixelsmile.editing.requests import Request
from pixelsmile.editing.session import FaceFinder, stream_edit
from pixelsmile.errors import FaceError, InputError
from pixelsmile.provenance.watermark import find_mark

PHOTO = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(PHOTO).convert("RGB")


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


def test_a_batch_is_what_the_session_makes(photo):
    """Two pictures at two strengths, picture by picture, with progress up to the end."""
    seen: list[tuple[int, int]] = []
    smaller = photo.resize((256, 256))
    job = Job(Request("happy"), (1.0, 0.0), mark=False)
    made, settings = edit_batch(geometric_editor(), [photo, smaller], job, lambda *how: seen.append(how))
    wanted = []
    for picture in (photo, smaller):
        source = open_source(picture)
        faces = FaceFinder().choose(source)
        events = stream_edit(geometric_editor(), source, faces, [Request("happy", strengths=(1.0, 0.0))])
        wanted += next(event for event in events if isinstance(event, EditResult)).images
    assert len(made) == len(wanted) == 4
    assert all(map(same, made, wanted))
    assert [one["request"] for one in json.loads(settings)] == ["happy", "happy"]
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)


def test_sliders_at_rest_are_left_out_and_one_must_move():
    assert moved_sliders({"b": -0.5, "a": 0.0, "c": 1.0}, ["a", "b", "c"]) == {"b": -0.5, "c": 1.0}
    with pytest.raises(InputError, match="all sliders are at 0: move one"):
        moved_sliders({"a": 0.0}, ["a"])


def test_edits_are_marked_unless_nothing_was_edited(photo):
    job = Job(Request("sad"), (1.0,), faces=find_faces([photo], "largest", "auto"))
    ((marked,), _) = edit_batch(geometric_editor(), [photo], job, lambda done, total: None)
    assert find_mark(marked).is_found
    untouched = Job(Request("sad"), (0.0,), options={"neutralise": 0.0})
    ((same_picture,), _) = edit_batch(geometric_editor(), [photo], untouched, lambda done, total: None)
    assert same(same_picture, photo)


def test_a_crop_that_nothing_edited_returns_as_it_was(photo):
    placed = crop_face(photo, "largest", "auto", 1.8)
    assert placed.image.width == placed.image.height
    assert same(paste_face(placed, placed.image, photo, PasteOptions(), mark=False), photo)


def test_an_edit_of_another_size_changes_the_face_alone(photo):
    placed = crop_face(photo, "largest", "auto", 1.8)
    edit = placed.image.resize((96, 96)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pasted = paste_face(placed, edit, photo, PasteOptions(guard_drift=False), mark=False)
    left, top, right, bottom = ImageChops.difference(pasted, photo).getbbox()
    x0, y0, x1, y1 = placed.crop.inside
    assert x0 <= left < right <= x1
    assert y0 <= top < bottom <= y1


def test_what_does_not_belong_together_is_refused(photo):
    placed = crop_face(photo, "largest", "auto", 1.8)
    with pytest.raises(InputError, match="paste it there"):
        paste_face(placed, placed.image, photo.resize((64, 64)), PasteOptions(), mark=False)
    with pytest.raises(InputError, match="as a square"):
        paste_face(placed, photo.crop((0, 0, 64, 32)), photo, PasteOptions(), mark=False)
    job = Job(Request("sad"), (1.0,), faces=[[placed.face]])
    with pytest.raises(InputError, match="faces of 1 pictures for 2"):
        edit_batch(geometric_editor(), [photo, photo], job, lambda done, total: None)
    with pytest.raises(InputError, match="name the face alone"):
        find_faces([photo], "largest=happy", "auto")


def test_errors_are_in_the_words_of_nodes(photo):
    with pytest.raises(FaceError, match="there is no face 9") as refused, node_words():
        find_faces([photo], "9", "auto")
    assert "Detect Faces" in str(refused.value)
    assert "`" not in str(refused.value)
    with pytest.raises(FaceError) as refused, node_words():
        find_faces([Image.new("RGB", (64, 64), "grey")], "all", "auto")
    assert "--" not in str(refused.value)


def test_a_score_is_the_judges(photo):
    shows, scores = asyncio.run(score_picture(photo, "photograph", "human"))
    assert shows == "happy"
    assert scores["happy"] > 0.5
    assert scores["sleepy"] is None
    with pytest.raises(InputError, match="no face"):
        asyncio.run(score_picture(Image.new("RGB", (64, 64), "grey"), "photograph", "human"))
