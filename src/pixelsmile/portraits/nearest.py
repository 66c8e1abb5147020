"""The drawing nearest to a picture of a drawn person: which action units does the face show?

Analysis by synthesis: the person is known, the picture is whatever an editor made of them. Units are sought
that draw it, by Gauss-Newton steps with Huber's weights (Huber 1964), from coarse to fine, from the nearest
of the expressions that the painter knows. Shape suffixes: H and W rows and columns, 3 channels, U units;
N numbers of a crop.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from pixelsmile.expressions import EXPRESSIONS, Domain
from pixelsmile.portraits.action_units import MAX_INTENSITY, SIGNED, UNITS, ActionUnits
from pixelsmile.portraits.identity import Identity
from pixelsmile.portraits.portrait import draw_portrait, render
from pixelsmile.portraits.prototypes import NUM_VARIANTS, action_units

Floats = npt.NDArray[np.float32]

FIT_PX = 128  # of the pictures that are fitted: brows and lids are some pixels, a drawing takes 5 ms
_FINE = 2  # times that size pictures are drawn and averaged: small ones have thicker lines
MARGIN = 0.05  # around the face, in its widths
_OPEN = 1.5  # of a dropped jaw: how far down a chin comes
_SIGMAS_PX = (2.0, 1.0, 1.0, 0.7)  # of the blur, one step each
_SHARES = (1 / 3, 2 / 3, 1.0)  # of an expression's change: where a search may start
_STEP = 0.2  # of a unit, to see what it does
_HUBER = 12.0  # grey levels: what is further off is damage, and pulls no harder
_DAMPING, _LEAST_DAMPING, _HARDER, _TRIES = 1e-2, 1e-4, 8.0, 4

_LOWER_FACE = (
    *("upper_lip_raise", "lip_corner_pull", "smirk", "dimple", "lip_corner_depress", "lower_lip_depress"),
    *("chin_raise", "lip_pucker", "lip_stretch", "lip_press", "lips_part", "jaw_drop"),
)
_IN_LOWER_FACE_U = np.isin(UNITS, _LOWER_FACE)
_LOW_U = np.array([-MAX_INTENSITY if name in SIGNED else 0.0 for name in UNITS])
_HIGH_U = np.full(len(UNITS), MAX_INTENSITY)


@dataclass(frozen=True)
class Window:
    """A part of a square picture, in fractions of its side."""

    x0: float
    y0: float
    x1: float
    y1: float

    def of(self, picture_HW3: np.ndarray) -> np.ndarray:
        """That part of a picture of any size."""
        height, width = picture_HW3.shape[:2]
        rows = slice(round(self.y0 * height), round(self.y1 * height))
        return picture_HW3[rows, round(self.x0 * width) : round(self.x1 * width)]


class DrawnPerson:
    """A person whose pictures are looked at; what is drawn of them to begin a search is kept."""

    def __init__(self, identity: Identity, domain: Domain) -> None:
        self.identity, self.domain = identity, domain

    def draw(self, units_U: npt.NDArray[np.float64], size_px: int = FIT_PX) -> np.ndarray:
        """The portrait with these units, in the order of UNITS: uint8 (S, S, 3)."""
        return render(self.identity, ActionUnits(*units_U.tolist()), self.domain, size_px)

    @cached_property
    def window(self) -> Window:
        """The face, however wide its mouth is open, with a margin."""
        boxes = [
            draw_portrait(self.identity, units, self.domain, FIT_PX).truth.face_box
            for units in (ActionUnits(), ActionUnits(jaw_drop=_OPEN))
        ]
        x0, y0, x1, y1 = np.array(boxes).T / FIT_PX
        margin = MARGIN * float(x1.max() - x0.min())
        ends = (x0.min() - margin, y0.min() - margin, x1.max() + margin, y1.max() + margin)
        return Window(*(float(min(max(end, 0.0), 1.0)) for end in ends))

    def eyes(self, units: ActionUnits) -> npt.NDArray[np.float64]:
        """Where the eyes are drawn, the viewer's left one first: 2 x 2 (x, y), in sides of the picture."""
        return draw_portrait(self.identity, units, self.domain, FIT_PX).truth.landmarks_5[:2] / FIT_PX

    def nearest(self, picture_HW3: np.ndarray) -> ActionUnits:
        """The units whose drawing is nearest to a picture of the person, brought down to FIT_PX a side.

        What no drawing has, a second brow or half a mouth, is passed over as far as Huber's weights do.
        """
        units_U = self._start(picture_HW3)
        damping = _DAMPING
        for sigma_px in _SIGMAS_PX:
            units_U, damping = self._step(picture_HW3, units_U, sigma_px, damping)
        return ActionUnits(*units_U.tolist())

    def _face(self, picture_HW3: np.ndarray, sigma_px: float) -> Floats:
        """The face in a picture, blurred, as a row of numbers (N)."""
        return blurred(self.window.of(picture_HW3).astype(np.float32), sigma_px).ravel()

    def _drawn_face(self, units_U: npt.NDArray[np.float64], sigma_px: float) -> Floats:
        """The face with these units as a picture that was brought down to FIT_PX has it."""
        fine_HW3 = self.draw(units_U, FIT_PX * _FINE).astype(np.float32)
        return self._face(fine_HW3.reshape(FIT_PX, _FINE, FIT_PX, _FINE, 3).mean(axis=(1, 3)), sigma_px)

    def _small_face(self, units_U: npt.NDArray[np.float64], sigma_px: float) -> Floats:
        """The face as it is drawn small: quick, and good enough to see what changes."""
        return self._face(self.draw(units_U), sigma_px)

    @cached_property
    def _starts(self) -> list[tuple[npt.NDArray[np.float64], Floats]]:
        """The face at rest, then what every expression in every variant changes of it."""
        units = [ActionUnits()]
        units += [action_units(name, 1.0, v) for name in EXPRESSIONS for v in range(NUM_VARIANTS)]
        found = [np.array(each.as_tuple()) for each in units]
        small = [self._small_face(units_U, _SIGMAS_PX[0]) for units_U in found]
        rest_N = self._drawn_face(found[0], _SIGMAS_PX[0])
        return [(found[0], rest_N), *((u, s - small[0]) for u, s in zip(found[1:], small[1:], strict=True))]

    def _start(self, picture_HW3: np.ndarray) -> npt.NDArray[np.float64]:
        """What is nearest above the tip of the nose, and below, each at three strengths.

        The pictures of those are taken to lie on the way from rest. A mouth that opens is never come by
        downhill from one that is shut: the lower face has a start of its own.
        """
        face_N = self._face(picture_HW3, _SIGMAS_PX[0])
        above, below = slice(0, self._num_above), slice(self._num_above, None)
        return np.where(_IN_LOWER_FACE_U, self._start_in(face_N, below), self._start_in(face_N, above))

    def _start_in(self, face_N: Floats, part: slice) -> npt.NDArray[np.float64]:
        (rest_U, rest_N), *known = self._starts
        off_N = face_N[part] - rest_N[part]
        found = [
            (_cost(off_N - share * change_N[part]), share * units_U)
            for units_U, change_N in known
            for share in _SHARES
        ]
        return min([(_cost(off_N), rest_U), *found], key=lambda each: each[0])[1]

    @cached_property
    def _num_above(self) -> int:
        """How many numbers of a face belong to the rows above the tip of the nose."""
        face_HW3 = self.window.of(np.empty((FIT_PX, FIT_PX, 3)))
        tip = draw_portrait(self.identity, ActionUnits(), self.domain, FIT_PX).truth.landmarks_5[2]
        rows = round(float(tip[1])) - round(self.window.y0 * FIT_PX)
        return rows * face_HW3.shape[1] * face_HW3.shape[2]

    def _step(
        self, picture_HW3: np.ndarray, units_U: npt.NDArray[np.float64], sigma_px: float, damping: float
    ) -> tuple[npt.NDArray[np.float64], float]:
        """The units after a step downhill, if there is one, and how much to damp the next."""
        target_N = self._face(picture_HW3, sigma_px)
        rest_N = target_N - self._drawn_face(units_U, sigma_px)
        small_N = self._small_face(units_U, sigma_px)
        moves_UN = np.empty((len(UNITS), len(rest_N)), np.float32)
        for place in range(len(UNITS)):
            moved_U = units_U.copy()
            by = _STEP if units_U[place] + _STEP <= _HIGH_U[place] else -_STEP
            moved_U[place] += by
            moves_UN[place] = (self._small_face(moved_U, sigma_px) - small_N) / by
        weight_N = _HUBER / np.maximum(np.abs(rest_N), _HUBER)
        square_UU = ((moves_UN * weight_N) @ moves_UN.T).astype(np.float64)
        slope_U = ((moves_UN * weight_N) @ rest_N).astype(np.float64)
        cost = _cost(rest_N)
        for _ in range(_TRIES):
            tried_U = _moved(units_U, square_UU, slope_U, damping)
            if _cost(target_N - self._drawn_face(tried_U, sigma_px)) < cost:
                return tried_U, max(damping / _HARDER, _LEAST_DAMPING)
            damping *= _HARDER
        return units_U, _DAMPING


def blurred(picture_HW3: Floats, sigma_px: float) -> Floats:
    """The picture under a Gaussian; near its edge the Gaussian of what is inside."""
    height, width, _ = picture_HW3.shape
    along_rows = np.einsum("hi,iwc->hwc", _gaussian(height, sigma_px), picture_HW3, optimize=True)
    return np.einsum("wi,hic->hwc", _gaussian(width, sigma_px), along_rows, optimize=True)


@cache
def _gaussian(length: int, sigma_px: float) -> Floats:
    places = np.arange(length)
    weights = np.exp(-0.5 * ((places[:, None] - places) / sigma_px) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _cost(rest_N: Floats) -> float:
    """Huber's, as a mean."""
    size_N = np.abs(rest_N)
    return float(np.where(size_N < _HUBER, size_N**2 / 2, _HUBER * (size_N - _HUBER / 2)).mean())


def _moved(
    units_U: npt.NDArray[np.float64],
    square_UU: npt.NDArray[np.float64],
    slope_U: npt.NDArray[np.float64],
    damping: float,
) -> npt.NDArray[np.float64]:
    """A damped step; units at their end that would go beyond it stay there."""
    held_U = ((units_U <= _LOW_U) & (slope_U < 0)) | ((units_U >= _HIGH_U) & (slope_U > 0))
    free = np.flatnonzero(~held_U)
    if not len(free):
        return units_U
    ridge = damping * float(np.trace(square_UU)) / len(UNITS) + 1e-9
    step = np.linalg.solve(square_UU[np.ix_(free, free)] + ridge * np.eye(len(free)), slope_U[free])
    tried_U = units_U.copy()
    tried_U[free] += step
    return np.clip(tried_U, _LOW_U, _HIGH_U)
