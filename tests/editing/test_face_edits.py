import numpy as np
import pytest
from PIL import Image

from pixelsmile import Editor
from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.face_edits import PasteOptions, stream_faces
from pixelsmile.editing.requests import Request
from pixelsmile.errors import InputError
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import face_mask

SIZE = (300, 200)
FACES = [Face((30, 40, 90, 120), None, 1.0, "manual"), Face((190, 60, 250, 140), None, 1.0, "manual")]


@pytest.fixture(scope="module")
def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def editor(model_folder):
    return Editor.from_pretrained(model_folder, device="cpu")


def results(editor, picture, edits):
    return [event for event in stream_faces(editor, picture, edits, steps=1) if isinstance(event, EditResult)]


def test_every_result_shows_every_face_and_nothing_else_changed(editor, picture):
    requests = [Request("happy", strengths=(0, 1)), Request("sad", strengths=(0, 1))]
    happy, sad = results(editor, picture, [(face, requests) for face in FACES])
    assert (happy.label, sad.label) == ("happy, happy", "sad, sad")
    before = np.asarray(picture)
    for result in (happy, sad):
        changed = (np.asarray(result.images[1]) != before).any(-1)
        masks = [face_mask(face, SIZE, grow=1.25) > 0 for face in FACES]
        assert all((changed & mask).any() for mask in masks)
        assert not (changed & ~masks[0] & ~masks[1]).any()
        assert [layer["face"]["box"] for layer in result.settings["faces"]] == [list(f.box) for f in FACES]
        assert "face" not in result.settings


def test_together_is_as_alone(editor, picture):
    requests = [Request("happy", strengths=(1,)), Request("sad", strengths=(1,))]
    together = results(editor, picture, [(FACES[0], requests)])
    alone = [results(editor, picture, [(FACES[0], [request])])[0] for request in requests]
    for both, one in zip(together, alone, strict=True):
        assert np.abs(np.asarray(both.images[0]).astype(int) - np.asarray(one.images[0])).max() <= 1
        assert both.settings["face"]["box"] == one.settings["face"]["box"]


def test_faces_of_one_picture_share_their_strengths(editor, picture):
    one, other = Request("happy", strengths=(1,)), Request("sad", strengths=(0.5,))
    for edits in ([], [(FACES[0], [one]), (FACES[1], [other])], [(FACES[0], [one]), (FACES[1], [one, one])]):
        with pytest.raises(InputError):
            results(editor, picture, edits)


@pytest.mark.parametrize("context", [1, 1000, float("nan")])
def test_a_context_that_cuts_the_mask_or_shows_no_face_is_refused(context):
    with pytest.raises(InputError, match=r"use one from 1\.25 to 8"):
        PasteOptions(context=context)
