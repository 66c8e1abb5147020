"""A sweep that plays forth and back: GIF, animated WebP, or an MP4 film."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelsmile.errors import ImageError, InputError, StrengthError, install
from pixelsmile.picture_cost import MAX_PIXELS
from pixelsmile.version import __version__

ANIMATIONS = ("gif", "webp", "mp4")
MAX_NUM_FRAMES = 120
MAX_SIDE_PX = 1024  # a photograph of twelve megapixels would become a file that no page can show
_WAY_MS = 900  # from the weakest frame to the strongest
_MIN_STEP_MS, _MAX_STEP_MS = 40, 120
_HOLD_MS = 700  # at the weakest and at the strongest frame
_NUM_COLORS = 256
_PALETTE_SIDE_PX = 256  # at which the frames are looked at for it
_WEBP_QUALITY = 90
_X264 = {"crf": "16", "preset": "slow", "bf": "2"}
_BT_601, _LIMITED_RANGE = 6, 1  # what swscale makes of RGB; unnamed, players guess by the size
_COMMENT = f"The facial expression was changed by software (pixelsmile {__version__})."


def frame_strengths(strengths: Sequence[float], num_frames: int) -> list[float]:
    """The strengths of an animation: evenly from the lowest to the highest; of one alone, from 0 to it.

    StrengthError where nothing would move.
    """
    low, high = (min(strengths) if len(strengths) > 1 else 0.0), max(strengths)
    if low == high:
        raise StrengthError("an animation of strength 0 alone does not move: add a strength, like -s 0,1")
    return [round(float(value), 4) for value in np.linspace(low, high, num_frames)]


def check_animation(form: str) -> None:
    """InputError for a form that is unknown, or whose library is not installed."""
    if form not in ANIMATIONS:
        raise InputError(f"unknown animation {form!r}: use {', '.join(ANIMATIONS)}")
    if form == "mp4":
        _video_library()


def animated(images: Sequence[Image.Image], form: str) -> bytes:
    """An endless animation of RGB `images` in their order and back again; a film plays that once.

    A single picture gives a still. Pictures above MAX_SIDE_PX are scaled down. InputError as
    `check_animation` raises it.
    """
    check_animation(form)
    images = [fitted(image) for image in images]
    match form:
        case "gif":
            return _gif(images)
        case "webp":
            return _webp(images)
        case _:
            return _mp4(images)


def film_frames(path: Path, count: int) -> list[Image.Image]:
    """The first frames of a film (MP4). ImageError for what is none; InputError where no library reads it."""
    av = _video_library()
    try:
        with av.open(str(path), "r", format="mp4") as film:
            stream = film.streams.video[0]
            if stream.width * stream.height > MAX_PIXELS:
                raise ImageError(f"{str(path)!r} shows more than {MAX_PIXELS:,} pixels: scale it down first")
            return [frame.to_image() for _, frame in zip(range(count), film.decode(stream), strict=False)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise ImageError(f"{str(path)!r} is damaged, or no film in MP4 ({error}): make it again") from error


def fitted(image: Image.Image) -> Image.Image:
    """A frame as animations show it: scaled down where it is large."""
    scale = MAX_SIDE_PX / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _there_and_back(num: int) -> tuple[list[int], list[int]]:
    """Which picture each frame shows, and for how many milliseconds (tens of them, as GIF counts)."""
    order = [*range(num), *range(num - 2, 0, -1)]
    step_ms = round(min(max(_WAY_MS / max(num - 1, 1), _MIN_STEP_MS), _MAX_STEP_MS), -1)
    durations = [_HOLD_MS if index in (0, num - 1) else int(step_ms) for index in order]
    return order, durations


def _gif(images: Sequence[Image.Image]) -> bytes:
    """One palette serves all frames, so that what does not move does not flicker."""
    palette = _shared_palette(images)
    order, durations = _there_and_back(len(images))
    frames = [image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for image in images]
    return _saved(
        [frames[index] for index in order],
        "GIF",
        duration=durations,
        optimize=False,  # keeps the shared palette
        comment=_COMMENT.encode(),
    )


def _shared_palette(images: Sequence[Image.Image]) -> Image.Image:
    """256 colours for all frames together.

    Each colour (of 6 bits a channel) counts by the square root of its pixels: counted in full, backgrounds
    and skin take the palette, and lips and eyes get none of it.
    """
    scale = min(1.0, _PALETTE_SIDE_PX / max(images[0].size))
    size = (max(1, round(images[0].width * scale)), max(1, round(images[0].height * scale)))
    seen = [np.asarray(image.resize(size, Image.Resampling.NEAREST)).reshape(-1, 3) for image in images]
    pixels = np.concatenate(seen)
    cells = (pixels >> 2).astype(np.int64) @ (1 << 12, 1 << 6, 1)
    _, cell_of, counts = np.unique(cells, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(cell_of, pixels[:, channel]) for channel in range(3)], axis=1)
    means = np.round(sums / counts[:, None]).astype(np.uint8)
    row = np.repeat(means, np.sqrt(counts).astype(np.int64), axis=0)
    return Image.fromarray(row[None]).quantize(_NUM_COLORS, method=Image.Quantize.MEDIANCUT, kmeans=1)


def _webp(images: Sequence[Image.Image]) -> bytes:
    order, durations = _there_and_back(len(images))
    exif = Image.Exif()
    exif[0x010E] = _COMMENT  # ImageDescription
    return _saved(
        [images[index] for index in order], "WEBP", duration=durations, quality=_WEBP_QUALITY, exif=exif
    )


def _saved(frames: Sequence[Image.Image], form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:], loop=0, **options)
    return buffer.getvalue()


def _mp4(images: Sequence[Image.Image]) -> bytes:
    """H.264, which every player and browser knows; a last odd row or column is cut, as it wants."""
    av = _video_library()
    order, durations = _there_and_back(len(images))
    width, height = (side // 2 * 2 for side in images[0].size)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as film:
        film.metadata["comment"] = _COMMENT
        stream = film.add_stream("libx264", rate=100, options=_X264)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = _BT_601, _LIMITED_RANGE
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        start_ms = 0
        for index, duration_ms in zip([*order, 0], [*durations, _HOLD_MS], strict=True):
            frame = av.VideoFrame.from_ndarray(np.asarray(images[index])[:height, :width])
            frame.pts, frame.time_base = start_ms, stream.time_base
            film.mux(stream.encode(frame))
            start_ms += duration_ms
        film.mux(stream.encode(None))
    return buffer.getvalue()


def _video_library() -> Any:
    try:
        import av
    except ImportError as error:
        raise InputError(f"MP4 needs the library PyAV: {install('video')}, or take webp or gif") from error
    return av
