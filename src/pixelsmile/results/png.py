"""Lossless pictures that say in their metadata what they are and how they were made.

Text chunks: a plain sentence (`Description`), the program (`Software`), the settings as JSON, and XMP with
the IPTC digital source type, which viewers and platforms read to label synthetic pictures.
"""

import io
import json
from collections.abc import Mapping
from html import escape

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pixelsmile import __version__
from pixelsmile.utf8 import recordable

SETTINGS_KEY = "pixelsmile:settings"  # how an edit was made
PORTRAIT_KEY = "pixelsmile:portrait"  # who was drawn, and how; edits of a drawn portrait keep it

_SOFTWARE = f"pixelsmile {__version__}"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP_KEY = "XML:com.adobe.xmp"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="{software}"
    Iptc4xmpExt:DigitalSourceType="{source_type}">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def edited_png(image: Image.Image, settings: Mapping[str, object], portrait: str | None = None) -> bytes:
    """A PNG of an edit, with its settings; `portrait` is the source's own PORTRAIT_KEY text, if any."""
    description = f"The facial expression in this picture was changed by software ({_SOFTWARE})."
    texts = {SETTINGS_KEY: json.dumps(recordable(settings))}
    if portrait is not None:
        texts[PORTRAIT_KEY] = portrait
    return _png(image, description, "compositeWithTrainedAlgorithmicMedia", texts)


def portrait_png(image: Image.Image, settings: Mapping[str, object]) -> bytes:
    """A PNG of a drawn portrait, with what was drawn."""
    description = f"This portrait was drawn by software ({_SOFTWARE}); it shows nobody."
    return _png(image, description, "algorithmicMedia", {PORTRAIT_KEY: json.dumps(settings)})


def _png(image: Image.Image, description: str, source_type: str, texts: Mapping[str, str]) -> bytes:
    info = PngInfo()
    info.add_itxt("Description", description)
    info.add_itxt("Software", _SOFTWARE)
    for key, text in texts.items():
        info.add_itxt(key, text)
    xmp = _XMP.format(
        software=escape(_SOFTWARE), source_type=_SOURCE_TYPES + source_type, description=escape(description)
    )
    info.add_itxt(_XMP_KEY, xmp)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
