"""Pictures as they go out: known by their pixels, decoded once, scaled down, without metadata."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pixelsmile import images
from pixelsmile.errors import ImageError
from pixelsmile.remote import Picture

PIXELS_HWC = np.stack([*np.indices((40, 60)), np.full((40, 60), 7)], -1).astype(np.uint8)  # packs well
SHA256 = hashlib.sha256(b"RGB 60x40\n" + PIXELS_HWC.tobytes()).hexdigest()


def a_file(kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS_HWC).save(file, kind, **how)
    return file.getvalue()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was decoded, in its order."""
    sources: list[object] = []
    load = images.load_image

    def counting(source: images.ImageSource) -> Image.Image:
        sources.append(source)
        return load(source)

    monkeypatch.setattr(images, "load_image", counting)
    monkeypatch.setattr("pixelsmile.remote.picture._known", {})
    return sources


def test_a_file_is_decoded_once_however_often_it_is_read(decoded, tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("expression", "happy")
    path = tmp_path / "edit.png"
    path.write_bytes(a_file(pnginfo=texts))
    first, again, other = (Picture.read(source) for source in (path, path, a_file()))
    assert len(decoded) == 1
    assert [first.sha256, again.sha256, other.sha256] == [SHA256] * 3  # the words are no part of it
    assert first == again
    assert again.size == (60, 40)
    assert again.png(1024) == first.png(1024) == a_file()
    assert len(decoded) == 1
    assert np.array_equal(np.asarray(again.image), PIXELS_HWC)
    assert again.image is again.image
    assert len(decoded) == 2


def test_a_known_picture_is_scaled_down_as_a_new_one(decoded):
    new, known = Picture.read(a_file()), Picture.read(a_file())
    assert known.png(30) == new.png(30)
    assert Image.open(io.BytesIO(known.png(30))).size == (30, 20)


def test_what_is_not_plain_is_decoded_each_time(decoded):
    for _ in range(2):
        assert Picture.read(a_file("WEBP", lossless=True)).sha256 == SHA256
        assert Picture.read(Image.fromarray(PIXELS_HWC)).sha256 == SHA256
    assert len(decoded) == 4


def test_a_file_that_changes_is_another_picture(decoded, tmp_path):
    path = tmp_path / "edit.png"
    path.write_bytes(a_file())
    before = Picture.read(path)
    Image.fromarray(255 - PIXELS_HWC).save(path)
    assert Picture.read(path).sha256 != before.sha256 == SHA256


def test_a_damaged_file_is_not_remembered(decoded, tmp_path: Path):
    path = tmp_path / "edit.png"
    path.write_bytes(a_file()[:-60])
    for _ in range(2):
        with pytest.raises(ImageError, match=r"edit\.png"):
            Picture.read(path)
