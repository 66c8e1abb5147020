"""A picture as a judge sees it: pixels and nothing else."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from pixelsmile.images import ImageSource


@dataclass(frozen=True)
class Picture:
    """Upright RGB pixels, named by their SHA-256.

    Two files with the same pixels are the same picture. Metadata is gone: an edit carries its expression and
    strength in its text chunks, and a judge must not be told what it is meant to find.
    """

    sha256: str
    image: Image = field(repr=False, compare=False)

    @classmethod
    def read(cls, source: ImageSource) -> Picture:
        """The picture in a path, the bytes of a file or a PIL image; ImageError where there is none."""
        from pixelsmile.images import load_image

        image = load_image(source)
        digest = hashlib.sha256(f"RGB {image.width}x{image.height}\n".encode())
        digest.update(image.tobytes())
        return cls(digest.hexdigest(), image)

    def png(self, max_side_px: int) -> bytes:
        """The picture as a PNG file, scaled down where its longer side is above `max_side_px`."""
        from PIL.Image import Resampling

        image = self.image
        scale = max_side_px / max(image.size)
        if scale < 1:
            width, height = (max(1, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()
