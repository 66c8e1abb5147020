"""Pictures inside a page: small, and without anything but their pixels."""

import base64
import io

from PIL import Image


def data_uri(image: Image.Image, max_side_px: int, quality: int = 82) -> str:
    """`image` as a WebP in a data URI, no side longer than `max_side_px`.

    It is written from the pixels alone: no metadata of the file tells who made it.
    """
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    bare.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    bare.save(buffer, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
