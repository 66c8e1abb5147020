"""Pictures on their way in and out: opened with their records, brought to working sizes, tensors in -1..1.

Shape suffixes: B pictures, C channels (RGB), H and W height and width in pixels.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.expressions import Domain
from pixelsmile.images import load_original
from pixelsmile.originals import Original
from pixelsmile.results import DrawnPortrait, read_portrait
from pixelsmile.store.manifests import FileRecord, record_bytes, record_file

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Source:
    """A picture to edit, with what editors do not see of it, and what is known of its file.

    path, record: of the file; None where a picture or an array was given. portrait: what was drawn, where it
    is one of our drawn portraits.
    """

    original: Original
    path: Path | None = None
    record: FileRecord | None = None
    portrait: DrawnPortrait | None = None

    @property
    def image(self) -> Image.Image:
        """As editors see it: upright, RGB."""
        return self.original.rgb

    @property
    def is_drawn(self) -> bool:
        return self.portrait is not None

    @property
    def domain(self) -> Domain:
        """A drawn portrait's own; human for everything else."""
        return "human" if self.portrait is None else self.portrait.domain


ImageLike = Image.Image | np.ndarray | str | Path | Source


def read_source(path: Path) -> Source:
    """The picture with its hash and, for a drawn portrait, its description; ImageError if unreadable."""
    return Source(load_original(path), path, record_file(path), read_portrait(path))


def read_source_bytes(data: bytes, name: str = "upload") -> Source:
    """The same of the bytes of a file, which has no path; `name` stands in its record."""
    portrait = read_portrait(io.BytesIO(data))
    return Source(load_original(data), None, record_bytes(name, data), portrait)


def open_source(image: ImageLike) -> Source:
    """A path, a PIL picture or a uint8 array (H, W, 3) as a Source. ImageError for what is no picture."""
    if isinstance(image, Source):
        return image
    if isinstance(image, str | Path):
        return read_source(Path(image))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ImageError(f"an array must be uint8 (H, W, 3), not {image.dtype} {image.shape}: convert it")
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise ImageError(f"not a picture: {type(image).__name__}; give a PIL picture, a path or an array")
    return Source(load_original(image))


def fit_size(width: int, height: int, size: int, multiple: int) -> tuple[int, int]:
    """Width and height near an area of size * size, of the given aspect, each a multiple of `multiple`.

    The rule of the stock pipeline (`calculate_dimensions`, with 32), except that no side becomes 0.
    """
    fitted_width = math.sqrt(size * size * (width / height))
    fitted_height = fitted_width / (width / height)
    return tuple(max(1, round(side / multiple)) * multiple for side in (fitted_width, fitted_height))  # type: ignore[return-value]


def centre_box(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest square in the middle of a picture of `size` (width, height): x0, y0, x1, y1."""
    (width, height), side = size, min(size)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def centre_square(image: Image.Image) -> Image.Image:
    """The largest square in the middle of a picture; the picture itself where it is one."""
    return image if image.width == image.height else image.crop(centre_box(image.size))


def resized(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture at that size (Lanczos, as the stock pipeline does); itself where it has it already."""
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def to_tensor(image: Image.Image) -> Tensor:
    """A picture as (1, 3, H, W), float32 in -1..1."""
    import torch

    pixels_HWC = np.asarray(image.convert("RGB"), dtype=np.float32) / 255.0
    return torch.from_numpy(2.0 * pixels_HWC - 1.0).permute(2, 0, 1).unsqueeze(0)


def to_pictures(images_BCHW: Tensor) -> list[Image.Image]:
    """Pictures from (B, 3, H, W) in -1..1; what lies outside is cut."""
    import torch

    unit_BHWC = (images_BCHW.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    pixels_BHWC = (unit_BHWC * 255).round().to(torch.uint8).cpu().numpy()
    return [Image.fromarray(pixels_HWC) for pixels_HWC in pixels_BHWC]
