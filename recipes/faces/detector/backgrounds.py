"""What is behind the people in a scene, or all there is where nobody is: H x W x 3 pictures without a face.

No photographs: those that scikit-image brings have licences of their own each, and what is learned here is
for drawings.
"""

import string
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from recipes.faces.detector.pool import Pool

Size = tuple[int, int]  # width, height
_FEATURELESS_MARGIN = 0.12  # of the face's box: hair, ears and clothes beyond it have no feature of a face


def draw_background(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    """One of the kinds below: uint8, HW3."""
    kinds = list(KINDS.values())
    return kinds[rng.integers(len(kinds))](pool, size, rng)


def _plain(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    return np.broadcast_to(_colour(rng), (size[1], size[0], 3)).copy()


def _gradient(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    """Smooth colours, or blotches, from a coarse grid of random ones."""
    cells = rng.integers(0, 256, (*rng.integers(2, 9, 2), 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))


def _noise(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    """Noise of a random grain around a colour."""
    grain = int(rng.integers(1, 7))
    shape = (size[1] // grain + 1, size[0] // grain + 1, 3)
    noise = rng.normal(0, rng.uniform(5, 60), shape) + _colour(rng)
    image = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def _stripes(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    """Stripes or a chequerboard of two colours, at any angle."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 80)
    y, x = np.ogrid[: size[1], : size[0]]
    along = np.floor((np.cos(angle) * x + np.sin(angle) * y) / period)
    across = np.floor((np.cos(angle) * y - np.sin(angle) * x) / period) * rng.integers(2)
    odd_HW = (along + across) % 2 > 0
    return np.where(odd_HW[..., None], _colour(rng), _colour(rng)).astype(np.uint8)


def _shapes(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    """Ovals, rectangles and lines, some of them as large and as coloured as faces and hair."""
    image = Image.fromarray(_gradient(pool, size, rng))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(3, 25)):
        x, y = rng.uniform(0, 1, 2) * size
        width, height = np.exp(rng.uniform(np.log(4), np.log(0.6 * min(size)), 2))
        fill = tuple(
            int(value) for value in (_colour_of_people(pool, rng) if rng.random() < 0.5 else _colour(rng))
        )
        draw = (pen.ellipse, pen.rectangle, pen.line)[rng.integers(3)]
        draw((x, y, x + width, y + height), fill=fill)
    return np.asarray(image)


def _text(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    """Lines of random letters."""
    image = Image.fromarray(_plain(pool, size, rng))
    pen, letters = ImageDraw.Draw(image), list(string.ascii_letters + string.digits + "    .,:;")
    height = int(rng.integers(7, 28))
    for y in range(0, size[1], round(height * rng.uniform(1.2, 4))):
        line = "".join(rng.choice(letters, max(1, 2 * size[0] // height)))
        pen.text((0, y), line, fill=tuple(int(value) for value in _colour(rng)), font_size=height)
    return np.asarray(image)


def _parts(pool: Pool, size: Size, rng: np.random.Generator) -> np.ndarray:
    """A part of a portrait beside its face, enlarged: hair, clothes, the wall behind."""
    portrait = rng.integers(len(pool))
    outline_K2 = pool.outlines[portrait]
    margin_2 = _FEATURELESS_MARGIN * np.ptp(outline_K2, axis=0)
    (x0, y0), (x1, y1) = outline_K2.min(0) - margin_2, outline_K2.max(0) + margin_2
    side = float(pool.size)
    boxes = [(0.0, 0.0, side, y0), (0.0, y1, side, side), (0.0, 0.0, x0, side), (x1, 0.0, side, side)]
    box = boxes[rng.integers(len(boxes))]
    image = Image.fromarray(np.ascontiguousarray(pool.pictures[portrait][..., :3]))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=_some_of(box, rng)))


def _some_of(
    box: tuple[float, float, float, float], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box
    width, height = (rng.uniform(0.3, 1) * max(side, 1.0) for side in (x1 - x0, y1 - y0))
    x, y = x0 + rng.random() * max(0.0, x1 - x0 - width), y0 + rng.random() * max(0.0, y1 - y0 - height)
    return x, y, x + width, y + height


def _colour(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, 3).astype(np.uint8)


def _colour_of_people(pool: Pool, rng: np.random.Generator) -> np.ndarray:
    x, y = rng.integers(pool.size // 5, pool.size * 4 // 5, 2)
    return np.asarray(pool.pictures[rng.integers(len(pool)), y, x, :3])


KINDS: dict[str, Callable[[Pool, Size, np.random.Generator], np.ndarray]] = {
    "plain": _plain,
    "gradient": _gradient,
    "noise": _noise,
    "stripes": _stripes,
    "shapes": _shapes,
    "text": _text,
    "parts": _parts,
}
