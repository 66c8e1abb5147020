"""Bars of one colour along the edges of a picture (letterboxes, padding): nothing was photographed there."""

import numpy as np

_NOISE = 12  # levels: what JPEG makes of one colour
_SOFT_PX = 2  # the end of a bar, blurred by JPEG, counts as bar
_STRAIGHT = 0.7  # the share of the line beyond a bar that is of another colour; less is a plain background


def within_bars(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the photograph in a picture (H, W, 3) starts and ends: (2,) x, y each."""
    columns = pixels.swapaxes(0, 1)
    (left, right), (top, bottom) = _shown(columns), _shown(pixels)
    spans = [_straight(columns[:, top:bottom], left, right), _straight(pixels[:, left:right], top, bottom)]
    low, high = np.array(spans).T
    return low, high


def _shown(lines: np.ndarray) -> tuple[int, int]:
    """The first of the lines (N, M, 3) that is not of one colour with those before it, and after the last."""
    plain = np.ptp(lines, axis=1).max(1) <= _NOISE
    colours = lines[:, 0].astype(int)
    before = plain & (np.abs(colours - colours[0]).max(1) <= _NOISE)
    after = plain & (np.abs(colours - colours[-1]).max(1) <= _NOISE)
    if before.all():
        return 0, len(lines)
    return int(np.argmin(before)), len(lines) - int(np.argmin(after[::-1]))


def _straight(lines: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """The same within bars that end straight; the whole where a plain background ends."""
    inner_low, inner_high = low + _SOFT_PX, high - _SOFT_PX
    if inner_high <= inner_low:
        return 0, len(lines)
    starts = low > 0 and _is_other(lines[inner_low], lines[0, 0])
    ends = high < len(lines) and _is_other(lines[inner_high - 1], lines[-1, -1])
    return (inner_low if starts else 0), (inner_high if ends else len(lines))


def _is_other(line: np.ndarray, colour: np.ndarray) -> bool:
    far = np.abs(line.astype(int) - colour.astype(int)).max(1) > _NOISE
    return bool(far.mean() > _STRAIGHT)
