"""Drawing a portrait: identity and action units in, a picture and its ground truth out."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import skia
from PIL import Image, ImageDraw

from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.portraits import human
from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.identity import Identity
from pixelsmile.portraits.prototypes import scores


@dataclass(frozen=True)
class GroundTruth:
    """What is true of one portrait: where its face is, in pixels, how it moves, and what it expresses."""

    face_box: tuple[float, float, float, float]  # x0, y0, x1, y1: hairline or forehead to chin, ear to ear
    landmarks_5: np.ndarray  # 5 x 2 float64 (x, y): left eye, right eye (viewer's), nose tip, mouth corners
    face_outline: np.ndarray  # K x 2 float64 (x, y): a polygon around the visible skin of the face
    face_mask: np.ndarray  # H x W bool: that skin, with the features inside
    action_units: ActionUnits
    scores: dict[str, float]  # the 12 expressions, 0..1


@dataclass(frozen=True)
class Portrait:
    """A drawn picture (RGB) with what is true of it."""

    image: Image.Image
    truth: GroundTruth


def draw_portrait(
    identity: Identity, units: ActionUnits, domain: Domain = "human", size: int = 256
) -> Portrait:
    """A portrait of `size` pixels a side with its ground truth; the same arguments give the same pixels."""
    pixels = render(identity, units, domain, size)
    landmarks, outline = (np.array(points) * size for points in _painter(domain).anchors(identity, units))
    (x0, y0), (x1, y1) = outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
    truth = GroundTruth((x0, y0, x1, y1), landmarks, outline, _inside(outline, size), units, scores(units))
    return Portrait(Image.fromarray(pixels), truth)


def render(identity: Identity, units: ActionUnits, domain: Domain = "human", size: int = 256) -> np.ndarray:
    """Only the pixels: uint8, size x size x 3. Raises InputError for an unknown domain or a size below 16."""
    if size < 16:
        raise InputError(f"cannot draw a portrait of {size!r} pixels; choose a size of 16 or more")
    painter = _painter(domain)
    pixels = np.empty((size, size, 4), np.uint8)
    info = skia.ImageInfo.Make(size, size, skia.kRGBA_8888_ColorType, skia.kOpaque_AlphaType)
    surface = skia.Surface.MakeRasterDirect(info, pixels)
    with surface as canvas:
        canvas.scale(size, size)
        painter.paint(canvas, identity, units)
    return np.ascontiguousarray(pixels[:, :, :3])


def _painter(domain: Domain) -> ModuleType:
    """The package of a domain, with its `paint` and `anchors`."""
    match domain:
        case "human":
            return human
        case "anime":
            from pixelsmile.portraits import anime

            return anime
    raise InputError(f"unknown domain {domain!r}; choose 'human' or 'anime'")


def _inside(outline_K2: np.ndarray, size: int) -> np.ndarray:
    image = Image.new("1", (size, size))
    ImageDraw.Draw(image).polygon([(x - 0.5, y - 0.5) for x, y in outline_K2.tolist()], fill=1)
    return np.array(image, dtype=bool)
