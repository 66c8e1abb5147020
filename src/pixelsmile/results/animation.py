"""A sweep that plays forth and back, as a GIF."""

import io
from collections.abc import Sequence

from PIL import Image

from pixelsmile import __version__

_STEP_MS = 120
_HOLD_MS = 700  # at the weakest and at the strongest frame
_NUM_COLORS = 256


def animation_gif(images: Sequence[Image.Image]) -> bytes:
    """An endless GIF of `images` in their order and back again; a single picture gives a still.

    One palette serves all frames, so that what does not move does not flicker.
    """
    palette = _shared_palette(images)
    frames = [image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for image in images]
    there_and_back = [*frames, *frames[-2:0:-1]]
    durations = [_STEP_MS] * len(there_and_back)
    durations[0] = durations[len(frames) - 1] = _HOLD_MS
    buffer = io.BytesIO()
    there_and_back[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=there_and_back[1:],
        duration=durations,
        loop=0,
        optimize=False,  # keeps the shared palette
        comment=f"The facial expression was changed by software (pixelsmile {__version__}).".encode(),
    )
    return buffer.getvalue()


def _shared_palette(images: Sequence[Image.Image]) -> Image.Image:
    """The best colours for all frames together; median cut keeps skin gradients smoother than octrees."""
    width, height = images[0].size
    strip = Image.new("RGB", (width, height * len(images)))
    for index, image in enumerate(images):
        strip.paste(image, (0, index * height))
    return strip.quantize(_NUM_COLORS, method=Image.Quantize.MEDIANCUT)
