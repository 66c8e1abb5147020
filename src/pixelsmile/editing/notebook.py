"""How a sweep shows itself in a notebook: a strip of pictures, and a slider where there are widgets.

Both are previews of bounded size, as JPEG inside of the notebook's file; `EditResult.save` keeps
the pictures.
"""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from ipywidgets import VBox

MAX_PICTURES = 9  # of a strip; of more, some from the first to the last
_STRIP_PX, _SLIDER_PX = 192, 448  # the longer side
_QUALITY = 88
_FIGURE = (
    '<figure style="margin:0;text-align:center"><img alt="{alt}" title="{alt}" width="{width}" '
    'height="{height}" src="data:image/jpeg;base64,{data}"><figcaption>{strength}</figcaption></figure>'
)


def strip(label: str, images: Sequence[Image.Image], strengths: Sequence[float]) -> str:
    """RGB pictures beside one another with their strengths below, as HTML without scripts."""
    shown = _evenly(len(images))
    left_out = len(images) - len(shown)
    figures = [_figure(label, images[index], strengths[index]) for index in shown]
    remark = f", {len(shown)} of {len(images)} strengths" if left_out else ", by strength"
    return (
        f"<div><b>{escape(label)}</b>{remark}"
        f'<div style="display:flex;flex-wrap:wrap;gap:6px">{"".join(figures)}</div></div>'
    )


def slider(label: str, images: Sequence[Image.Image], strengths: Sequence[float]) -> "VBox | None":
    """One RGB picture, and a slider that chooses the strength; None where ipywidgets is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return None
    previews = [_preview(image, _SLIDER_PX) for image in images]
    picture = ipywidgets.Image(value=_jpeg(previews[-1]), format="jpeg", width=previews[-1].width)
    options = [(f"{strength:g}", index) for index, strength in enumerate(strengths)]
    chooser = ipywidgets.SelectionSlider(
        options=options,
        value=len(options) - 1,
        description="strength",
        style={"description_width": "initial"},
    )

    def show(change: dict[str, Any]) -> None:
        picture.value = _jpeg(previews[change["new"]])

    chooser.observe(show, names="value")
    return ipywidgets.VBox([ipywidgets.Label(label), picture, chooser])


def _evenly(count: int) -> list[int]:
    """Indices from the first to the last, at most MAX_PICTURES."""
    if count <= MAX_PICTURES:
        return list(range(count))
    return [round(place * (count - 1) / (MAX_PICTURES - 1)) for place in range(MAX_PICTURES)]


def _figure(label: str, image: Image.Image, strength: float) -> str:
    preview = _preview(image, _STRIP_PX)
    return _FIGURE.format(
        alt=escape(f"{label} at strength {strength:g}", quote=True),
        width=preview.width,
        height=preview.height,
        data=base64.b64encode(_jpeg(preview)).decode(),
        strength=f"{strength:g}",
    )


def _preview(image: Image.Image, side: int) -> Image.Image:
    preview = image.copy()
    preview.thumbnail((side, side), Image.Resampling.LANCZOS)
    return preview


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
