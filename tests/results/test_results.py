"""Pictures that say what they are, sheets and animations."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import ImageError, InputError
from pixelsmile.results import (
    Sweep,
    animation_gif,
    check_domain,
    check_grid,
    draw_grid,
    edited_png,
    format_strength,
    portrait_png,
    read_portrait,
)


def flat(color: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, color)


RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 200, 0), (0, 0, 200), (255, 255, 255)


def test_an_edit_is_lossless_and_says_so():
    picture = Image.effect_noise((64, 64), 50).convert("RGB")
    data = edited_png(picture, {"seed": 7}, portrait='{"style": "anime"}')
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(image, picture)
        assert "changed by software" in image.text["Description"]
        assert json.loads(image.text["pixelsmile:settings"]) == {"seed": 7}
        assert image.text["pixelsmile:portrait"] == '{"style": "anime"}'
        assert "digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in image.text["XML:com.adobe.xmp"]
    assert edited_png(picture, {"seed": 7}) == edited_png(picture, {"seed": 7})


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


def test_the_animation_goes_forth_and_back():
    with Image.open(io.BytesIO(animation_gif([flat(RED), flat(GREEN), flat(BLUE)]))) as image:
        colors, durations = [], []
        for index in range(image.n_frames):
            image.seek(index)
            colors.append(image.convert("RGB").getpixel((5, 5)))
            durations.append(image.info["duration"])
        assert image.info["loop"] == 0
        assert b"changed by software" in image.info["comment"]
    assert colors == [pytest.approx(color, abs=4) for color in (RED, GREEN, BLUE, GREEN)]
    assert durations[0] == durations[2] > durations[1] == durations[3]


def test_a_single_picture_gives_a_still():
    with Image.open(io.BytesIO(animation_gif([flat(RED)]))) as image:
        assert image.n_frames == 1


def drawn_png(path: Path, text: str) -> Path:
    path.write_bytes(edited_png(Image.new("RGB", (48, 48)), {}, text))
    return path


def test_the_portrait_that_a_file_says_it_is(tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(portrait_png(Image.new("RGB", (48, 48)), {"seed": 7, "style": "anime"}))
    portrait = read_portrait(path)
    assert portrait.style == "anime"
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
