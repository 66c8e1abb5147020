"""An edit back into its picture, at the picture's own resolution.

    crop -> (editor, at its own size) -> enlarge -> undo drift -> match colours -> keep detail -> blend

A face returns by a mask, outside of which nothing changes; an edit of the whole picture where it changed
something.

Shape suffixes: H and W height and width of the crop at the picture's resolution.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from pixelsmile.errors import ImageError
from pixelsmile.faces.crops import FaceCrop
from pixelsmile.faces.drift import Drift, measure_drift, undo_drift

_MIN_PIXELS = 64  # of the background, to match colours on
# Of 255: how much the edit changes a place before what the source has there is dropped. Of 6, 8 and 12 the
# one with which drawn portraits at 512 px, edited at 256, come nearest to their truth: background and face.
_CHANGE = 12.0
_MAX_COLOUR_PIXELS = 4_000_000  # of larger crops every second or third pixel each way says the same
_MAX_GAIN = 1.25
_DETAIL_RADIUS = 2.0  # pixels of the edit, over which a change is spread before that
_SEAM = 1 / 12  # of the edited part's side, over which it fades where the picture goes on
_BAND_PX = 256


@dataclass(frozen=True, eq=False)
class FittedEdit:
    """An edit at the picture's resolution, ready to be pasted, and what was corrected.

    pixels: uint8 (H, W, 3), of `crop`, which is upright. mask: float (H, W), 0..1. drift: None where it
    could not be measured or was not asked for. gains, offsets: of red, green and blue (offsets of 255).
    detail: whether fine structure of the source was kept where the edit left a place alone.
    """

    pixels: np.ndarray
    mask: np.ndarray
    crop: FaceCrop
    drift: Drift | None
    gains: tuple[float, float, float]
    offsets: tuple[float, float, float]
    detail: bool


def fit_edit(
    picture: Image.Image,
    edit: Image.Image,
    crop: FaceCrop,
    mask_HW: np.ndarray,
    *,
    guard_drift: bool = True,
    keep_detail: bool = True,
) -> FittedEdit:
    """Bring the edit of a crop (RGB square of any size) to the crop's place, size and colours.

    mask_HW: float 0..1 at the crop's own resolution (side x side), 0 where nothing may change: there drift
    and colours are measured. ImageError where shapes do not fit.
    """
    if mask_HW.shape != (crop.side, crop.side) or picture.size != crop.size or edit.width != edit.height:
        raise ImageError(
            f"an edit of {edit.size} px and a mask of {mask_HW.shape} do not fit a crop of {crop.side} px"
        )
    source = np.asarray(crop.cut(picture))
    enlarged = np.asarray(edit.resize((crop.side, crop.side), Image.Resampling.LANCZOS))
    background = _background(crop, mask_HW)
    drift = measure_drift(source, enlarged, background) if guard_drift else None
    if drift is not None:
        enlarged = undo_drift(enlarged, drift, source)
    gains, offsets = _match_colours(source, enlarged, background)
    del background  # as large as all that follows
    detail = keep_detail and edit.width < crop.side
    matched = _matched(source, enlarged, gains, offsets, edit.width if detail else None)
    fitted = FittedEdit(matched, mask_HW, crop, drift, gains, offsets, detail)
    return _turned_back(picture, source, fitted) if crop.turn else fitted


def _turned_back(picture: Image.Image, source_HW3: np.ndarray, fitted: FittedEdit) -> FittedEdit:
    """The edit of a turned crop in its upright window. What is turned back is the change alone: where there
    is none, the picture is as sharp as it was.
    """
    crop = fitted.crop
    pixels = np.array(crop.window.cut(picture))
    for channel in range(3):
        change_HW = fitted.pixels[..., channel] - source_HW3[..., channel].astype(np.float32)
        turned_HW = pixels[..., channel] + crop.laid_back(change_HW, Image.Resampling.BICUBIC)
        pixels[..., channel] = np.round(turned_HW).clip(0, 255)
    mask_HW = crop.laid_back(fitted.mask, Image.Resampling.BILINEAR)
    return replace(fitted, pixels=pixels, mask=mask_HW, crop=crop.window)


def paste(onto: Image.Image, fitted: FittedEdit) -> Image.Image:
    """The picture with the edit blended in. Where the mask is 0, every pixel stays as it was."""
    crop = fitted.crop
    x0, y0, x1, y1 = crop.inside
    result = onto.copy()
    for top in range(y0, y1, _BAND_PX):
        bottom = min(top + _BAND_PX, y1)
        window = np.s_[top - crop.top : bottom - crop.top, x0 - crop.left : x1 - crop.left]
        mask = fitted.mask[window][..., None]
        before = np.asarray(onto.crop((x0, top, x1, bottom)), np.float32)
        blended = np.where(mask > 0, before + (fitted.pixels[window] - before) * mask, before)
        result.paste(Image.fromarray(np.round(blended).clip(0, 255).astype(np.uint8)), (x0, top))
    return result


def fit_change(picture: Image.Image, edit: Image.Image) -> Image.Image:
    """The picture with what an edit that lies on it pixel by pixel has changed, at whatever size it was
    made.
    """
    crop = FaceCrop(0, 0, 0, picture.size)
    fitted = _changed(picture, edit, crop)
    blended = np.asarray(picture) + (fitted.pixels - np.asarray(picture)) * fitted.mask[..., None]
    return Image.fromarray(np.round(blended).clip(0, 255).astype(np.uint8))


def fit_aligned(picture: Image.Image, edit: Image.Image, crop: FaceCrop) -> FittedEdit:
    """The edit of a crop that lies on it pixel by pixel, at whatever size: nothing is to be corrected, the
    mask is where it changed anything.
    """
    source = crop.cut(picture)
    fitted = _changed(source, edit, crop)
    return _turned_back(picture, np.asarray(source), fitted) if crop.turn else fitted


def _changed(source: Image.Image, edit: Image.Image, crop: FaceCrop) -> FittedEdit:
    """Edit and mask at the size of `source`; a smaller edit gives its change alone, and detail stays."""
    seen = source if edit.size == source.size else source.resize(edit.size, Image.Resampling.LANCZOS)
    change_HW3 = np.asarray(edit, np.float32) - np.asarray(seen, np.float32)
    if edit.size != source.size:
        bands = [Image.fromarray(np.ascontiguousarray(change_HW3[..., band])) for band in range(3)]
        change_HW3 = np.dstack(
            [np.asarray(one.resize(source.size, Image.Resampling.BICUBIC)) for one in bands]
        )
    mask_HW = (np.abs(change_HW3).max(-1) >= 0.5).astype(np.float32)
    pixels = np.asarray(source, np.float32) + change_HW3
    return FittedEdit(pixels, mask_HW, crop, None, (1.0,) * 3, (0.0,) * 3, edit.size != source.size)


def fit_whole(picture: Image.Image, edit: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The picture with an edit of all that lies in `box` (x0, y0, x1, y1), whatever size the edit has.

    Where the edit changed next to nothing, the picture's own pixels stay; at those sides of the box where the
    picture goes on, the edit fades.
    """
    part = picture.crop(box)
    enlarged = edit.resize(part.size, Image.Resampling.LANCZOS)
    kept = _kept(part.resize(edit.size, Image.Resampling.LANCZOS), edit)
    kept = kept.resize(part.size, Image.Resampling.BILINEAR)
    fade_HW = _fade(box, picture.size)
    result = picture.copy()
    for top in range(0, part.height, _BAND_PX):
        rows = (0, top, part.width, min(top + _BAND_PX, part.height))
        source, pixels = (np.asarray(image.crop(rows), np.float32) for image in (part, enlarged))
        share_HW = (1 - np.asarray(kept.crop(rows))) * fade_HW[rows[1] : rows[3]]
        blended = source + (pixels - source) * share_HW[..., None]
        band = Image.fromarray(np.round(blended).clip(0, 255).astype(np.uint8))
        result.paste(band, (box[0], box[1] + top))
    return result


def _kept(source: Image.Image, edit: Image.Image) -> Image.Image:
    """How much of the source stays at each place, float 0..1; both of one size."""
    change_HW3 = np.abs(np.asarray(edit, np.float32) - np.asarray(source, np.float32))
    change = Image.fromarray(change_HW3.mean(-1).clip(0, 255).astype(np.uint8))
    spread_HW = np.asarray(change.filter(ImageFilter.GaussianBlur(_DETAIL_RADIUS)), np.float32)
    return Image.fromarray(np.exp(-np.square(spread_HW / _CHANGE)))


def _fade(box: tuple[int, int, int, int], size: tuple[int, int]) -> np.ndarray:
    """Weights (H, W) of the box: 1 within, falling to 0 at the sides that are not the picture's own."""
    ramps = []
    for low, high, length in ((box[1], box[3], size[1]), (box[0], box[2], size[0])):
        place = np.arange(low, high) + 0.5
        width = max(1.0, (high - low) * _SEAM)
        near = np.minimum(place - low if low > 0 else np.inf, high - place if high < length else np.inf)
        ramp = np.clip(near / width, 0, 1) * np.ones(high - low)
        ramps.append(ramp * ramp * (3 - 2 * ramp))
    return np.outer(*ramps).astype(np.float32)


def _background(crop: FaceCrop, mask_HW: np.ndarray) -> np.ndarray:
    """Pixels that are in the picture and off the face, as weights."""
    return crop.in_picture() * (mask_HW == 0)


def _match_colours(
    source_HW3: np.ndarray, edit_HW3: np.ndarray, background_HW: np.ndarray
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Gain and offset of each colour that make the edit's background the source's, in least squares."""
    step = math.ceil(math.sqrt(background_HW.size / _MAX_COLOUR_PIXELS))
    source_HW3, edit_HW3, background_HW = (
        part[::step, ::step] for part in (source_HW3, edit_HW3, background_HW)
    )
    chosen = background_HW > 0
    if chosen.sum() < _MIN_PIXELS:
        return (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    gains, offsets = [], []
    for channel in range(3):
        wanted = source_HW3[..., channel][chosen].astype(np.float64)
        seen = edit_HW3[..., channel][chosen].astype(np.float64)
        for _ in range(3):  # once more without what really changed
            gain = _gain(wanted, seen)
            offset = float(np.mean(wanted) - gain * np.mean(seen))
            error = np.abs(wanted - gain * seen - offset)
            near = error <= max(2.0, 3 * float(np.median(error)))
            wanted, seen = wanted[near], seen[near]
        gains.append(gain)
        offsets.append(offset)
    return (gains[0], gains[1], gains[2]), (offsets[0], offsets[1], offsets[2])


def _gain(wanted: np.ndarray, seen: np.ndarray) -> float:
    variance = float(np.var(seen))
    if variance < 1.0:  # a plain background fixes the offset only
        return 1.0
    gain = float(np.mean((wanted - wanted.mean()) * (seen - seen.mean()))) / variance
    return min(_MAX_GAIN, max(1 / _MAX_GAIN, gain))


def _matched(
    source_HW3: np.ndarray,
    edit_HW3: np.ndarray,
    gains: tuple[float, float, float],
    offsets: tuple[float, float, float],
    edit_px: int | None,
) -> np.ndarray:
    """The edit in the source's colours and, if the editor's size is given, with what that cannot show.

    Detail of the source is faded out where the edit changed the face.
    """
    gain, offset = np.array(gains, np.float32), np.array(offsets, np.float32)
    side = len(source_HW3)
    coarse, kept = _coarse(source_HW3, edit_HW3, gain, offset, edit_px or 0) if edit_px else (None, None)
    matched_HW3 = np.empty_like(source_HW3)
    for top in range(0, side, _BAND_PX):
        rows = slice(top, min(top + _BAND_PX, side))
        pixels = edit_HW3[rows] * gain + offset
        if coarse is not None and kept is not None:
            missing = source_HW3[rows] - _enlarged(coarse, side, rows, Image.Resampling.LANCZOS)
            pixels += missing * _enlarged(kept, side, rows, Image.Resampling.BILINEAR)[..., None]
        matched_HW3[rows] = np.round(pixels).clip(0, 255)
    return matched_HW3


def _coarse(
    source_HW3: np.ndarray, edit_HW3: np.ndarray, gain: np.ndarray, offset: np.ndarray, edit_px: int
) -> tuple[Image.Image, Image.Image]:
    """The source at the editor's size, and how much of what that cannot show stays at each place."""
    small, edited = (
        Image.fromarray(pixels).resize((edit_px, edit_px), Image.Resampling.LANCZOS)
        for pixels in (source_HW3, edit_HW3)
    )
    matched = np.round(np.asarray(edited) * gain + offset).clip(0, 255).astype(np.uint8)
    return small, _kept(small, Image.fromarray(matched))


def _enlarged(image: Image.Image, side: int, rows: slice, how: Image.Resampling) -> np.ndarray:
    """Those rows of a square picture that is enlarged to `side`, float32."""
    scale = image.height / side
    box = (0.0, rows.start * scale, float(image.width), rows.stop * scale)
    return np.asarray(image.resize((side, rows.stop - rows.start), how, box=box), np.float32)
