"""An imperceptible mark in the pixels of a picture. It says: edited by pixelsmile, and nothing else.

A spread-spectrum watermark (Cox, Kilian, Leighton and Shamoon 1997) of one fixed pattern, laid out in tiles
and found by phase-only correlation over all shifts (Kalker, Depovere, Haitsma and Maes 1999). The tiles are
measured in a picture brought to a fixed area, so that scaling does not matter; cropping changes that area,
and the finder tries what is left of it.

Whoever knows this file can take the mark out, or put it into any picture: it tells honest people, and proves
nothing. A signature (`credentials`) proves.

Shape suffixes: H and W height and width in pixels, K and L frequencies, down and across.
"""

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from pixelsmile.errors import ImageError

THRESHOLD = 7.5  # of `Mark.score`, see `false_alarm_bound`
AREA_SIDE_PX = 512  # pictures are brought to the area of such a square
_TILE_PX = 256
_SHORTEST_PX, _LONGEST_PX = 8, 26  # of the waves in a tile
_GRID = 128  # shifts that are tried, down and across
_SCALES = tuple(float(scale) for scale in np.geomspace(1.0, 0.7, 25))  # of what cropping left, by its root

_FLAT, _GAIN, _MOST = 0.72, 0.22, 3.5  # levels where nothing is to be seen; of each level of texture; at most
_PEAK = 2.0  # deviations
_ACTIVITY_PX, _SMOOTH_PX, _RESIDUAL_PX = 6, 3, 10  # radii
_FLOOR, _CEILING = 1.0, 2.0  # levels of noise that count as flat; what an edge may count, in deviations
_DEPTH = 257  # 16-bit levels for each of 8 bits
_BAND_PX = 256

_KEY = b"pixelsmile mark 1"  # another would be another mark


@dataclass(frozen=True)
class Mark:
    """What the finder saw. score: of the likeliest place, in standard deviations of what a picture without
    the mark gives. scale: at which it lies there; below 1 for a picture that was cropped.
    """

    score: float
    scale: float

    @property
    def is_found(self) -> bool:
        """Whether the picture carries the mark, wrong at most as often as `false_alarm_bound` says."""
        return self.score >= THRESHOLD


def false_alarm_bound() -> float:
    """At most this share of pictures without the mark is taken for marked.

    A score is a sum of cosines, one a wave, of phases that are independent and uniform when the pattern is
    drawn at random, whatever the picture: its chance to reach t is at most exp(-t^2 / 2) (Chernoff), at each
    of the shifts and scales that are tried.
    """
    return float(np.exp(-(THRESHOLD**2) / 2) * _GRID**2 * len(_SCALES))


def marked(image: Image.Image) -> Image.Image:
    """The picture with the mark, of the same size and mode: RGB, RGBA, L, LA or I;16, else ImageError.

    The brightness changes by a level where the picture is flat and by seven at most in texture; no
    colour comes into a grey, transparency stays, and what is wholly transparent keeps its pixels.
    """
    if image.mode not in ("RGB", "RGBA", "L", "LA", "I;16"):
        raise ImageError(f"a picture of mode {image.mode} takes no mark: convert it to RGB")
    change = Image.fromarray(_change(_luma(image)))
    width, height = image.size
    result = image.copy()
    for top in range(0, height, _BAND_PX):  # in float beside the picture it would take gigabytes
        bottom = min(top + _BAND_PX, height)
        box = (0.0, top * change.height / height, float(change.width), bottom * change.height / height)
        band_HW = np.asarray(change.resize((width, bottom - top), Image.Resampling.BICUBIC, box))
        pixels = np.asarray(image.crop((0, top, width, bottom)))
        result.paste(Image.fromarray(_changed(pixels, band_HW, image.mode)), (0, top))
    return result


def find_mark(image: Image.Image) -> Mark:
    """Look for the mark in a picture (RGB or L): the first place that is certain, else the likeliest."""
    residual_HW = _residual(np.asarray(_sized(image.convert("L")), np.float32))
    best = Mark(-np.inf, 1.0)
    for scale in _SCALES:
        found = Mark(_score(residual_HW, scale), scale)
        best = max(best, found, key=lambda mark: mark.score)
        if best.is_found:
            break
    return best


def _luma(image: Image.Image) -> Image.Image:
    if image.mode == "I;16":
        return Image.fromarray(np.round(np.asarray(image, np.float32) / _DEPTH).astype(np.uint8))
    return image.convert("L")


def _sized(luma: Image.Image) -> Image.Image:
    """A picture at the area in which the mark is measured."""
    scale = AREA_SIDE_PX / np.sqrt(luma.width * luma.height)
    size = (max(1, round(luma.width * scale)), max(1, round(luma.height * scale)))
    return luma.resize(size, Image.Resampling.BICUBIC)


def _change(luma: Image.Image) -> np.ndarray:
    """The mark in levels, at that area: stronger where texture hides it."""
    seen_HW = np.asarray(_sized(luma), np.float32)
    strength_HW = _blurred(np.clip(_FLAT + _GAIN * _texture(seen_HW), 0, _MOST), _SMOOTH_PX)
    height, width = seen_HW.shape
    repeats = (-(-height // _TILE_PX), -(-width // _TILE_PX))
    pattern_HW = np.tile(_tile(), repeats)[:height, :width]
    return (pattern_HW * strength_HW).astype(np.float32)


def _texture(luma_HW: np.ndarray) -> np.ndarray:
    """Deviations that are there on all sides: beside an edge, or along one, a flat region stays flat."""
    height, width = luma_HW.shape
    reach = 2 * _ACTIVITY_PX  # of a mean of differences to a mean
    around = np.pad(_deviation(luma_HW, _ACTIVITY_PX)[1], reach, mode="edge")
    corners = [(y, x) for y in (0, 2 * reach) for x in (0, 2 * reach)]
    least: np.ndarray = np.minimum.reduce([around[y : y + height, x : x + width] for y, x in corners])
    return least


def _changed(pixels: np.ndarray, change_HW: np.ndarray, mode: str) -> np.ndarray:
    if mode == "I;16":
        return np.clip(np.round(pixels + _DEPTH * change_HW), 0, 65535).astype(np.uint16)
    if mode == "L":
        return np.clip(np.round(pixels + change_HW), 0, 255).astype(np.uint8)
    changed = np.clip(np.round(pixels + change_HW[..., None]), 0, 255).astype(np.uint8)
    if mode in ("RGBA", "LA"):
        alpha = pixels[..., -1:]
        changed = np.where(alpha > 0, changed, pixels)
        changed[..., -1:] = alpha
    return changed


def _residual(luma_HW: np.ndarray) -> np.ndarray:
    """What is left without the picture's own large forms, every region as loud as any other."""
    difference_HW, deviation_HW = _deviation(luma_HW, _RESIDUAL_PX)
    return np.clip(difference_HW / (deviation_HW + _FLOOR), -_CEILING, _CEILING).astype(np.float32)


def _deviation(luma_HW: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """The difference to the mean around each pixel, and the standard deviation there."""
    difference_HW = luma_HW - _blurred(luma_HW, radius)
    return difference_HW, np.sqrt(_blurred(difference_HW**2, radius))


def _blurred(values_HW: np.ndarray, radius: int) -> np.ndarray:
    """Means over squares of 2 radius + 1; at the border its pixels repeat."""
    side = 2 * radius + 1
    for axis in (0, 1):
        margin = [(radius + 1, radius) if axis == each else (0, 0) for each in (0, 1)]
        sums = np.cumsum(np.pad(values_HW, margin, mode="edge"), axis=axis, dtype=np.float64)
        before, after = np.split(sums, [sums.shape[axis] - side], axis)[0], np.split(sums, [side], axis)[1]
        values_HW = (after - before) / side
    return values_HW


def _score(residual_HW: np.ndarray, scale: float) -> float:
    """The best correlation of the phases over all shifts; N(0, 1) at each of them where there is no mark."""
    rows, columns = _waves()
    seen_KL = _spectrum(residual_HW, scale)[rows, columns]
    agreement = seen_KL / np.maximum(np.abs(seen_KL), 1e-12) * np.conj(_phases())
    grid = np.zeros((_GRID, _GRID), np.complex64)
    grid[rows, columns] = agreement
    scores = np.fft.ifft2(grid).real * (_GRID**2 / np.sqrt(len(rows) / 2))
    return float(scores.max())


def _spectrum(residual_HW: np.ndarray, scale: float) -> np.ndarray:
    """The Fourier coefficients of the tile's frequencies, L from 0, K from 0 and then the negative ones."""
    most = _TILE_PX // _SHORTEST_PX
    height, width = residual_HW.shape
    down, across = np.arange(-most, most + 1), np.arange(most + 1)
    turn = -2j * np.pi * scale / _TILE_PX
    waves_WL = np.exp(turn * np.outer(np.arange(width), across)).astype(np.complex64)
    waves_KH = np.exp(turn * np.outer(down, np.arange(height))).astype(np.complex64)
    half_HL = residual_HW @ waves_WL.real + 1j * (residual_HW @ waves_WL.imag)
    return np.roll(waves_KH @ half_HL, -most, axis=0)


@cache
def _waves() -> tuple[np.ndarray, np.ndarray]:
    """The frequencies of the pattern, in waves a tile down (some negative) and across."""
    most = _TILE_PX // _SHORTEST_PX
    down, across = np.meshgrid(np.arange(-most, most + 1), np.arange(most + 1), indexing="ij")
    length = np.hypot(down, across)
    chosen = (length >= _TILE_PX / _LONGEST_PX) & (length <= most) & ((across > 0) | (down > 0))
    return down[chosen], across[chosen]


@cache
def _phases() -> np.ndarray:
    """The phase of each, as a complex number of length 1; by a hash, which is the same on every machine."""
    count = len(_waves()[0])
    numbers = np.frombuffer(hashlib.shake_256(_KEY).digest(4 * count), "<u4")
    return np.exp(2j * np.pi * (numbers / 2**32)).astype(np.complex64)


@cache
def _tile() -> np.ndarray:
    """The pattern, of mean 0 and deviation 1 before its peaks are cut."""
    rows, columns = _waves()
    spectrum = np.zeros((_TILE_PX, _TILE_PX), np.complex128)
    spectrum[rows, columns] = _phases()
    spectrum[-rows, -columns] = np.conj(_phases())
    tile: np.ndarray = np.fft.ifft2(spectrum).real
    return np.clip(tile / tile.std(), -_PEAK, _PEAK)
