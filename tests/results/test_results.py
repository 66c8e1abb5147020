"""Pictures that say what they are, sheets and animations."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import ImageError, InputError, OutputError, StrengthError
from pixelsmile.results import (
    PORTRAIT_KEY,
    SETTINGS_KEY,
    PictureFormat,
    Sweep,
    animated,
    check_animation,
    check_domain,
    check_grid,
    draw_grid,
    edited_picture,
    format_strength,
    frame_strengths,
    picture_texts,
    portrait_png,
    read_portrait,
)


def flat(color: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, color)


RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 200, 0), (0, 0, 200), (255, 255, 255)


def test_an_edit_is_lossless_and_says_so():
    picture = Image.effect_noise((64, 64), 50).convert("RGB")
    data = edited_picture(picture, {"seed": 7}, portrait='{"style": "anime"}')
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(image, picture)
        assert "changed by software" in image.text["Description"]
        assert json.loads(image.text["pixelsmile:settings"]) == {"seed": 7}
        assert image.text["pixelsmile:portrait"] == '{"style": "anime"}'
        assert "digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in image.text["XML:com.adobe.xmp"]
    assert edited_picture(picture, {"seed": 7}) == edited_picture(picture, {"seed": 7})


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_an_edit_in_another_format_says_the_same(form, tmp_path):
    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    portrait = '{"style": "anime", "name": "Zoë"}'
    data = edited_picture(picture, {"seed": 7}, portrait, PictureFormat(form))
    assert len(edited_picture(picture, {"seed": 7}, portrait, PictureFormat(form, 40))) < len(data)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == form.upper()
        assert np.abs(np.asarray(image, float) - np.asarray(picture)).max() < 8
        assert "changed by software" in image.getexif()[0x010E]
        assert image.getexif()[0x0131].startswith("pixelsmile ")
        assert b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]
    (tmp_path / "edit").write_bytes(data)
    texts = picture_texts(tmp_path / "edit")
    assert json.loads(texts[SETTINGS_KEY]) == {"seed": 7}
    assert texts[PORTRAIT_KEY] == portrait
    assert read_portrait(tmp_path / "edit").domain == "anime"


def test_settings_too_long_for_a_jpeg_are_left_to_the_manifest(tmp_path):
    settings = {"weights": [0.123] * 20_000}
    for form, is_whole in (("jpeg", False), ("webp", True), ("png", True)):
        (tmp_path / form).write_bytes(edited_picture(flat(RED), settings, None, PictureFormat(form)))
        kept = json.loads(picture_texts(tmp_path / form)[SETTINGS_KEY])
        assert (kept == settings) is is_whole
        assert is_whole or "manifest.json" in kept["left_out"]


@pytest.mark.parametrize(
    "comment",
    [
        b"",
        b"ASCII\0\0\0",
        b"ASCII\0\0\0[]",
        b"ASCII\0\0\0hello",
        b"UNICODE\0{}",
        b'ASCII\0\0\0{"a": 1}',
        b"\xff" * 60_000,
    ],
)
def test_comments_of_others(comment, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    flat(RED).save(tmp_path / "a.jpg", exif=exif)
    assert picture_texts(tmp_path / "a.jpg") == {}
    assert read_portrait(tmp_path / "a.jpg") is None


def test_forms_that_are_none():
    for wrong in (("bmp", None), ("png", 90), ("jpeg", 0), ("jpeg", 101), ("webp", 9.5)):
        with pytest.raises(InputError):
            PictureFormat(*wrong)
    with pytest.raises(OutputError, match="16 bits a pixel: write png"):
        edited_picture(Image.new("I;16", (48, 48)), {}, None, PictureFormat("webp"))
    with pytest.raises(OutputError, match="20000 x 40 px cannot be written as webp"):
        edited_picture(flat(RED, (20_000, 40)), {}, None, PictureFormat("webp"))


def test_a_drawn_portrait_says_so():
    with Image.open(io.BytesIO(portrait_png(flat(RED), {"seed": 7}))) as image:
        assert json.loads(image.text["pixelsmile:portrait"]) == {"seed": 7}
        assert "drawn by software" in image.text["Description"]


@pytest.mark.parametrize(
    ("strength", "text"),
    [(0.0, "0.00"), (0.5, "0.50"), (1.125, "1.125"), (1 / 3, repr(1 / 3)), (2.0, "2.00")],
)
def test_strengths_in_file_names(strength, text):
    assert format_strength(strength) == text
    assert float(text) == strength


def test_the_grid_shows_every_picture_in_its_place():
    sweeps = [Sweep("happy", [flat(RED), flat(GREEN)], (0, 1)), Sweep("sad", [flat(BLUE), flat(RED)], (0, 1))]
    sheet = np.asarray(draw_grid(flat(WHITE), sweeps, "edited by software"))
    for color, num_tiles in ((RED, 2), (GREEN, 1), (BLUE, 1), (WHITE, 2)):
        area = (sheet == color).all(axis=-1).sum() / 64**2
        assert area == pytest.approx(num_tiles, abs=0.03 * num_tiles)  # corners are rounded
    xs = {color: np.nonzero((sheet == color).all(axis=-1))[1].mean() for color in (WHITE, BLUE, GREEN)}
    assert xs[WHITE] < xs[BLUE] < xs[GREEN]


def test_the_grid_takes_other_shapes():
    sweeps = [Sweep("a long wish " * 9, [flat(RED, (96, 64))] * 2, (0, 1))]
    sheet = draw_grid(flat(WHITE, (300, 50)), sweeps, "edited by software")
    assert sheet.width > 3 * 96


def test_grids_beyond_reason_are_refused():
    check_grid(12, 20)
    with pytest.raises(ImageError, match="too large"):
        check_grid(12, 100)


def test_sweeps_must_match():
    with pytest.raises(ValueError, match="2 images for 1 strengths"):
        Sweep("happy", [flat(RED)] * 2, (1,))
    with pytest.raises(ValueError, match="share their strengths"):
        draw_grid(flat(RED), [Sweep("a", [flat(RED)], (0,)), Sweep("b", [flat(RED)], (1,))], "")


def played(data: bytes) -> tuple[list[tuple[int, int, int]], list[int]]:
    """The colour and the milliseconds of each frame of a GIF or WebP."""
    with Image.open(io.BytesIO(data)) as image:
        colors, durations = [], []
        for index in range(image.n_frames):
            image.seek(index)
            colors.append(image.convert("RGB").getpixel((5, 5)))
            durations.append(image.info["duration"])
        assert image.info["loop"] == 0
    return colors, durations


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_the_animation_goes_forth_and_back(form):
    colors, durations = played(animated([flat(RED), flat(GREEN), flat(BLUE)], form))
    assert colors == [pytest.approx(color, abs=6) for color in (RED, GREEN, BLUE, GREEN)]
    assert durations == [700, 120, 700, 120]
    assert b"changed by software" in animated([flat(RED)], form)


def test_more_frames_take_the_same_time():
    shades = [flat((0, 0, 20 * index)) for index in range(13)]
    _, durations = played(animated(shades, "gif"))
    assert len(durations) == 24
    assert set(durations[1:12]) == {80}
    assert len(animated(shades[:1], "gif")) < len(animated(shades, "gif"))


def test_the_film_goes_forth_and_back():
    av = pytest.importorskip("av")
    data = animated([flat(RED, (65, 63)), flat(GREEN, (65, 63)), flat(BLUE, (65, 63))], "mp4")
    with av.open(io.BytesIO(data)) as film:
        frames = list(film.decode(video=0))
        assert "changed by software" in film.metadata["comment"]
        assert film.streams.video[0].codec_context.name == "h264"
    assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx(
        [0, 0.7, 0.82, 1.52, 1.64]
    )
    assert [(frame.width, frame.height) for frame in frames] == [(64, 62)] * 5
    colors = [tuple(frame.to_ndarray(format="rgb24")[5, 5]) for frame in frames]
    assert colors == [pytest.approx(color, abs=8) for color in (RED, GREEN, BLUE, GREEN, RED)]


def test_without_the_library_a_film_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'-e "\.\[video\]", or take webp'):
        check_animation("mp4")
    check_animation("webp")
    with pytest.raises(InputError, match="unknown animation 'avi'"):
        check_animation("avi")


def test_large_pictures_are_animated_smaller():
    with Image.open(
        io.BytesIO(animated([flat(RED, (3000, 1500)), flat(BLUE, (3000, 1500))], "webp"))
    ) as image:
        assert image.size == (1024, 512)


def test_small_colored_things_keep_their_color():
    """The red of lips among a background and a skin that fill the picture."""
    gradient = np.linspace(120, 250, 256)
    picture = np.stack(np.broadcast_arrays(gradient[:, None], gradient, 200 + 0 * gradient), -1).astype(
        np.uint8
    )
    picture[100:108, 100:130] = (200, 60, 80)
    with Image.open(io.BytesIO(animated([Image.fromarray(picture)] * 2, "gif"))) as image:
        shown = np.asarray(image.convert("RGB"))[100:108, 100:130]
    assert np.abs(shown.astype(float) - (200, 60, 80)).max() < 10


@pytest.mark.parametrize(
    ("strengths", "frames"),
    [
        ((0, 1), [0, 0.25, 0.5, 0.75, 1]),
        ((1.5, 0.5), [0.5, 0.75, 1, 1.25, 1.5]),
        ((1,), [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_strengths_of_frames(strengths, frames):
    assert frame_strengths(strengths, 5) == frames


def test_an_animation_of_nothing():
    with pytest.raises(StrengthError, match="does not move"):
        frame_strengths((0.0,), 5)


def drawn_png(path: Path, text: str) -> Path:
    path.write_bytes(edited_picture(Image.new("RGB", (48, 48)), {}, text))
    return path


def test_the_portrait_that_a_file_says_it_is(tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(portrait_png(Image.new("RGB", (48, 48)), {"seed": 7, "style": "anime"}))
    portrait = read_portrait(path)
    assert portrait.domain == "anime"
    assert json.loads(portrait.text) == {"seed": 7, "style": "anime"}
    check_domain(path, portrait, "anime")
    with pytest.raises(InputError, match=r"is a drawn anime portrait, not human: its domain is anime"):
        check_domain(path, portrait, "human")
    check_domain(path, None, "human")
    Image.new("RGB", (48, 48)).save(tmp_path / "photo.png")
    assert read_portrait(tmp_path / "photo.png") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"style": ["x"]}',
        '{"style": "oil"}',
        '{"seed": 7}',
        "[1]",
        "seven",
        "",
        "[" * 100_000,
        '{"style": NaN}',
    ],
    ids=lambda text: text[:12],
)
def test_a_text_that_is_no_portraits_does_not_count(text, tmp_path, caplog):
    assert read_portrait(drawn_png(tmp_path / "face.png", text)) is None
    (line,) = caplog.messages
    assert "pixelsmile:portrait" in line
    assert line.endswith("taken for a picture that pixelsmile has not drawn")
    assert len(line) < 400
