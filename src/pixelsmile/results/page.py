"""Pages that stand alone: everything inside one file, nothing loaded, nothing run but a page's own script."""

import base64
import hashlib
import io

from jinja2 import BaseLoader, Environment, StrictUndefined, Template
from PIL import Image
from pydantic import JsonValue

from pixelsmile.store.json_lines import escaped, recordable


def page_environment(loader: BaseLoader | None = None) -> Environment:
    """What templates of pages are read by: what they are given is escaped unless it is markup already."""
    made = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    return made


def page_of(template: Template, title: str, data: JsonValue, script: str = "", **values: object) -> str:
    """The page that a template makes of `values`.

    data: for the template to put into the page as JSON, to be read by scripts and people. The page may load
    nothing, and run nothing but `script`: a template tells the browser so by `digest`.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = template.render(title=title, data=recordable(data), script=script, digest=digest, **values)
    return escaped(text)


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
