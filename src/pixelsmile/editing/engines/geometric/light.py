"""How the photograph looks where something must be painted into it: its light, sharpness, grain and tint."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from pixelsmile.faces.mesh.mesh import LEFT_IRIS, NUM_SURFACE, RIGHT_IRIS

_SKIN = (50, 280, 205, 425, 101, 330, 36, 266, 151)  # cheeks and forehead
_EYES = ((33, 133, 159, 145), (263, 362, 386, 374))  # corners and middles of the lids
_IRISES = (LEFT_IRIS, RIGHT_IRIS)
_SEEN_RANGE = (5, 95)  # percentiles of the face's brightness
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_MIN_LEVELS = 8  # of brightness: through those of black and white goes no curve
_MONOCHROME = 3.5  # of 255: colours that far from a curve over brightness are no colours


@dataclass(frozen=True, eq=False)
class Light:
    """skin, white: colours 0..255 (white: of the brightest thing of no colour, as the eyes show it). blur_px:
    standard deviation of the sharpest edges. grain: of the noise, of 255. tint: None, or for grey and sepia
    pictures the colour of each of 256 brightnesses, (256, 3).
    """

    skin: np.ndarray
    white: np.ndarray
    blur_px: float
    grain: float
    tint: np.ndarray | None

    def tinted(self, pixels: np.ndarray) -> np.ndarray:
        """Float (H, W, 3) colours as this picture would show them."""
        if self.tint is None:
            return pixels
        return self.tint[np.clip(pixels @ _LUMINANCE, 0, 255).astype(np.uint8)]

    def grained(self, pixels: np.ndarray) -> np.ndarray:
        """With the picture's noise upon them; the same noise each time."""
        if self.grain < 0.5:
            return pixels
        noise = np.random.default_rng(0).normal(0.0, self.grain, pixels.shape[:2])
        share = 0.3 + 0.7 * (pixels @ _LUMINANCE) / 255  # there is less of it in the dark
        return (pixels + (share * noise)[..., None]).astype(np.float32)


def read_light(pixels: np.ndarray, points: np.ndarray) -> Light:
    """pixels: (H, W, 3) uint8. points: (478, 2 or 3) of the face in it."""
    face_px = float(np.ptp(points[:, 1]))
    skin = _skin(pixels, points, face_px)
    (x0, y0), (x1, y1) = points[:, :2].min(0).astype(int), points[:, :2].max(0).astype(int) + 1
    face = pixels[max(0, y0) : max(1, y1), max(0, x0) : max(1, x1)]
    return Light(skin, _white(pixels, points, skin), _blur_px(face, face_px), _grain(face), _tint(face))


def contrast_unit(pixels: np.ndarray, points: np.ndarray, skin: np.ndarray) -> float:
    """Of 255, what contrasts in a face are compared with: the skin's brightness, or in hazy and faded
    pictures, whose skin is bright without much contrast, the range of brightness within the face.
    """
    places = np.floor(points[:NUM_SURFACE, :2]).astype(int)
    columns, rows = np.clip(places, 0, np.array(pixels.shape[1::-1]) - 1).T
    darkest, brightest = np.percentile(pixels[rows, columns].mean(1), _SEEN_RANGE)
    return max(1.0, min(float(skin.mean()), float(brightest - darkest)))


def patch(pixels: np.ndarray, middle: np.ndarray, half: int) -> np.ndarray:
    """The pixels of a small square, as rows of colours."""
    height, width = pixels.shape[:2]
    x, y = np.clip(np.round(middle[:2]).astype(int), 0, (width - 1, height - 1))
    square = pixels[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
    return square.reshape(-1, 3).astype(np.float64)


def _skin(pixels: np.ndarray, points: np.ndarray, face_px: float) -> np.ndarray:
    half = max(1, round(face_px / 80))
    colours = [np.median(patch(pixels, points[row], half), axis=0) for row in _SKIN]
    return np.asarray(np.median(colours, axis=0))


def _white(pixels: np.ndarray, points: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The brighter parts beside the irises, kept near what a white thing would be in the skin's light."""
    colours = []
    for iris, (outer, inner, _, _) in zip(_IRISES, _EYES, strict=True):
        for corner in (outer, inner):
            between = 0.5 * (points[iris, :2] + points[corner, :2])
            radius = max(1, round(float(np.linalg.norm(points[iris, :2] - points[corner, :2])) / 8))
            colours.append(np.percentile(patch(pixels, between, radius), 80, axis=0))
    seen = np.max(colours, axis=0)
    brightness, skin_brightness = float(seen @ _LUMINANCE), float(skin @ _LUMINANCE)
    wanted = float(np.clip(1.1 * brightness, 0.98 * skin_brightness, 1.3 * skin_brightness))
    white = 0.35 * seen * wanted / max(brightness, 1.0) + 0.65 * wanted * _cast(skin)
    return np.asarray(np.clip(white, 0, 248))


def _cast(skin: np.ndarray) -> np.ndarray:
    """The colour of the light, if a fair skin were 1 : .8 : .7; half of it, since skins differ."""
    relative = skin / np.maximum(skin @ _LUMINANCE, 1.0) / (np.array([1.0, 0.80, 0.70]) / 0.849)
    cast = 1 + 0.5 * (relative - 1)
    return np.asarray(cast / (cast @ _LUMINANCE))


def _blur_px(face: np.ndarray, face_px: float) -> float:
    """From how much the steepest edges lose when they are blurred once more."""
    grey = Image.fromarray(face).convert("L")
    again = grey.filter(ImageFilter.GaussianBlur(1.0))
    steep, after = (
        np.percentile(np.abs(np.diff(np.asarray(one, np.float32), axis=1)), 99.5) for one in (grey, again)
    )
    ratio = max(float(steep) / max(float(after), 1e-3), 1.02)
    return float(np.clip(1 / np.sqrt(ratio**2 - 1), 0.6, max(0.7, face_px / 90)))


def _grain(face: np.ndarray) -> float:
    """The median of what a small blur takes away, where nothing is drawn."""
    grey = Image.fromarray(face).convert("L")
    rest = np.asarray(grey, np.float32) - np.asarray(grey.filter(ImageFilter.GaussianBlur(1.0)), np.float32)
    return float(min(6.0, 1.4826 * np.median(np.abs(rest)) * 1.2))


def _tint(face: np.ndarray) -> np.ndarray | None:
    every_row, every_column = (max(1, side // 96) for side in face.shape[:2])
    small = face[::every_row, ::every_column].reshape(-1, 3).astype(np.float64)
    brightness = small @ _LUMINANCE
    if len(np.unique(np.round(brightness))) < _MIN_LEVELS:
        return np.repeat(np.arange(256.0)[:, None], 3, axis=1) if np.ptp(small, axis=1).max() < 2 else None
    curve = [np.polyfit(brightness / 255, small[:, channel], 2) for channel in range(3)]
    fitted = np.stack([np.polyval(one, brightness / 255) for one in curve], axis=1)
    if np.sqrt(np.square(small - fitted).mean()) > _MONOCHROME:
        return None
    if np.abs(small - brightness[:, None]).max() < 2:
        return np.repeat(np.arange(256.0)[:, None], 3, axis=1)
    return np.clip(np.stack([np.polyval(one, np.arange(256) / 255) for one in curve], axis=1), 0, 255)
