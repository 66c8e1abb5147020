"""The mark: found after what happens to pictures, in no picture without it, and hardly to be seen."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.images import load_image
from pixelsmile.portraits import blend_units, draw_portrait, sample_identity
from pixelsmile.provenance import watermark
from pixelsmile.provenance.watermark import THRESHOLD, false_alarm_bound, find_mark, marked

PHOTOGRAPH = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


@pytest.fixture(scope="module", params=["photograph", "human", "anime"])
def picture(request: pytest.FixtureRequest) -> Image.Image:
    if request.param == "photograph":
        return load_image(PHOTOGRAPH)
    return draw_portrait(sample_identity(7), blend_units({}), request.param, 512).image


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return load_image(buffer.getvalue())


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def cropped(image: Image.Image) -> Image.Image:
    left, top = round(0.13 * image.width), round(0.05 * image.height)
    return image.crop((left, top, left + round(0.8 * image.width), top + round(0.8 * image.height)))


WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda image: image,
    "JPEG 75": lambda image: jpeg(image, 75),
    "half, JPEG 75": lambda image: jpeg(half(image), 75),
    "cropped": cropped,
    "half, cropped, JPEG 90": lambda image: jpeg(cropped(half(image)), 90),
    "twice as large, grey": lambda image: image.resize((2 * image.width, 2 * image.height)).convert("L"),
}


@pytest.mark.parametrize("way", WAYS)
def test_found_again(picture, way):
    seen = find_mark(WAYS[way](marked(picture)))
    assert seen.is_found, seen
    assert (seen.scale < 1) is ("crop" in way)


def test_not_where_it_is_not(picture):
    assert not find_mark(picture).is_found
    assert not find_mark(cropped(jpeg(picture, 75))).is_found


def test_hardly_seen(picture):
    change = np.asarray(marked(picture), int) - np.asarray(picture, int)
    assert 0 < np.abs(change).max() <= 7
    assert 10 * np.log10(255**2 / np.mean(change**2.0)) > 42


def test_flat_beside_an_edge_stays_quiet():
    pixels = np.full((512, 512, 3), 90, np.uint8)
    pixels[:, 256:] = 200
    change = np.asarray(marked(Image.fromarray(pixels)), int) - pixels
    assert 0 < np.abs(change).max() <= 2


def test_noise_is_no_mark_and_the_bound_is_small():
    """Each score is a maximum over many that are N(0, 1): of 16,384 independent ones it would be near 4."""
    random = np.random.default_rng(0)
    for _ in range(8):
        noise = Image.fromarray(random.integers(0, 256, (300, 300), np.uint8))
        assert 3 < find_mark(noise).score < 6
    assert false_alarm_bound() == pytest.approx(np.exp(-(7.5**2) / 2) * 128 * 128 * 25)
    assert false_alarm_bound() < 1e-6 < np.exp(-(6.5**2) / 2) * 128 * 128 * 25
    assert THRESHOLD == 7.5


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L"])
def test_modes(mode):
    image = load_image(PHOTOGRAPH).convert(mode)
    if mode != "L":
        ramp = np.linspace(0, 255, image.width).astype(np.uint8)
        alpha = Image.fromarray(np.tile(ramp, (image.height, 1)))
        image.putalpha(alpha)
    result = marked(image)
    assert (result.mode, result.size) == (mode, image.size)
    before, after = np.asarray(image), np.asarray(result)
    assert not np.array_equal(before, after)
    if mode != "L":
        assert np.array_equal(before[..., -1], after[..., -1])
        assert np.array_equal(before[:, :1], after[:, :1])  # wholly transparent
    assert find_mark(load_image(result)).is_found


def test_sixteen_bits_and_greys():
    grey = np.asarray(load_image(PHOTOGRAPH).convert("L"))
    deep = marked(Image.fromarray(grey.astype(np.uint16) * 257))
    assert deep.mode == "I;16"
    assert find_mark(load_image(deep)).is_found
    colours = np.asarray(marked(Image.fromarray(grey).convert("RGB")))
    assert (colours == colours[..., :1]).all()
    with pytest.raises(ImageError, match="CMYK"):
        marked(Image.new("CMYK", (64, 64)))


def test_the_mark_is_the_same_in_bands_of_any_height(monkeypatch):
    image = load_image(PHOTOGRAPH).resize((300, 333))
    whole = marked(image)
    monkeypatch.setattr(watermark, "_BAND_PX", 50)
    difference = np.abs(np.asarray(whole, int) - np.asarray(marked(image), int))
    assert difference.max() <= 1  # where a change lies halfway between two levels
    assert np.mean(difference > 0) < 1e-4


@pytest.mark.parametrize("size", [(32, 32), (40, 2000), (33, 47)])
def test_odd_sizes(size):
    image = Image.effect_noise(size, 60).convert("RGB")
    assert marked(image).size == size
    assert np.isfinite(find_mark(image).score)


def test_the_pattern_never_changes():
    """Pictures of today are to be known tomorrow, on every machine and by every version of numpy."""
    assert len(watermark._phases()) == 1458
    assert np.angle(watermark._phases()[:3]) == pytest.approx([2.21032, -2.85499, -2.71924], abs=1e-4)
