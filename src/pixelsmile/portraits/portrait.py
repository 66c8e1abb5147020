"""Drawing a portrait: identity and action units in, a picture and its ground truth out."""

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import skia
from PIL import Image, ImageDraw

from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.portraits import human
from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import FaceAnchors
from pixelsmile.portraits.identity import Identity
from pixelsmile.portraits.scores import scores

# What is true of a drawn portrait: where its face is, how it moves, what it expresses and how strongly.


@dataclass(frozen=True)
class GroundTruth:
    """The truth about one portrait, in its pixels."""

    face_box: tuple[float, float, float, float]  # x0, y0, x1, y1
    landmarks_5: np.ndarray  # 5 x 2 float64 (x, y): left eye, right eye (viewer's), nose tip, mouth corners
    face_mask: np.ndarray  # H x W bool: the visible skin of the face, with the features inside
    action_units: ActionUnits
    scores: dict[str, float]  # the 12 expressions, 0..1


def ground_truth(anchors: FaceAnchors, units: ActionUnits, size: int) -> GroundTruth:
    """The truth of a picture of `size` pixels a side."""
    x0, y0, x1, y1 = (value * size for value in anchors.face_box)
    return GroundTruth(
        face_box=(x0, y0, x1, y1),
        landmarks_5=np.array(anchors.landmarks_5) * size,
        face_mask=_mask(anchors, size),
        action_units=units,
        scores=scores(units),
    )


def _mask(anchors: FaceAnchors, size: int) -> np.ndarray:
    image = Image.new("1", (size, size))
    outline = [(x * size - 0.5, y * size - 0.5) for x, y in anchors.face_outline]
    ImageDraw.Draw(image).polygon(outline, fill=1)
    return np.array(image, dtype=bool)


class _Painter(Protocol):
    """What the module of a style offers."""

    def paint(self, canvas: skia.Canvas, identity: Identity, units: ActionUnits) -> None: ...

    def anchors(self, identity: Identity, units: ActionUnits) -> FaceAnchors: ...


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
    anchors = _painter(domain).anchors(identity, units)
    return Portrait(Image.fromarray(pixels), ground_truth(anchors, units, size))


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


def _painter(domain: Domain) -> _Painter:
    match domain:
        case "human":
            return cast(_Painter, human)
        case "anime":
            from pixelsmile.portraits import anime

            return cast(_Painter, anime)
    raise InputError(f"unknown domain {domain!r}; choose 'human' or 'anime'")
