"""A folder as the hub has it, which says nothing about itself, with an adapter: a body and its small face."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from adapter_examples import diffusers_now, tiny_transformer
from PIL import Image

from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.pictures import open_source
from pixelsmile.editing.requests import Request
from pixelsmile.editing.session import stream_edit
from pixelsmile.faces.choice import manual_face
from pixelsmile.faces.crops import crop_around
from pixelsmile.faces.masks import face_mask

BODY = (300, 700)  # a whole person, whose face is a hundredth of it
FACE = (130.0, 40.0, 170.0, 90.0)
SIZE = 64


@pytest.fixture(scope="module")
def editor(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Editor:
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(model_folder, folder / "model")
    (folder / "model" / "pixelsmile.json").unlink()
    adapter = diffusers_now(tiny_transformer()).save(folder, "PixelSmile-preview.safetensors")
    return Editor.from_pretrained(folder / "model", adapter=adapter, device="cpu")


def test_a_small_face_in_a_large_picture_is_cut_out_edited_and_pasted(editor: Editor) -> None:
    y, x = np.mgrid[0 : BODY[1], 0 : BODY[0]] / 100
    pixels = np.stack([np.sin(x), np.cos(y), np.sin(x * y)], axis=-1) / 2 + 0.5
    picture = Image.fromarray((255 * pixels).astype(np.uint8))
    face = manual_face(FACE, BODY)
    events = stream_edit(
        editor, open_source(picture), [(face, None)], [Request("happy", strengths=(1,))], size=SIZE, steps=1
    )
    (result,) = [event for event in events if isinstance(event, EditResult)]
    assert result.images[0].size == BODY
    changed_HW = (np.asarray(result.images[0]) != np.asarray(picture)).any(-1)
    inside_HW = face_mask(face, BODY, grow=1.25) > 0
    assert changed_HW[inside_HW].mean() > 0.9
    assert not changed_HW[~inside_HW].any()
    # The model worked on the square around the face, many times as large as in the whole picture.
    assert result.settings["size"] == [SIZE, SIZE]
    assert crop_around(face, BODY).side < BODY[0] / 2
    assert editor.engine.info.record["condition_size"] == 512  # and the encoder sees that square as it is
    assert (result.settings["steps"], "guidance" in result.settings) == (1, False)
