"""What only the embedded benchmarks can tell, as they draw the person: damage, and the distance to the truth.

Shape suffixes: H and W rows and columns, 3 channels.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import JsonValue

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.scorer import Edit, Scorer
from pixelsmile.benchmarks.scorers.similarity import OTHER_SIZE, PEAK, ROUNDING
from pixelsmile.benchmarks.scores import DAMAGE, Score
from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.images import load_image
from pixelsmile.judges.marks import Scale
from pixelsmile.portraits import NUM_VARIANTS
from pixelsmile.portraits.action_units import UNITS
from pixelsmile.portraits.damage import LOOK_PX, SMOOTH_PX, SPOT_PX, WORST, damage_of
from pixelsmile.portraits.nearest import FIT_PX, DrawnPerson
from pixelsmile.store.json_lines import Record

if TYPE_CHECKING:
    from pixelsmile.features.encoder import ImageEncoder

TRUTH = "truth"
NOT_SQUARE = "the edit is not square"
NOTHING_CHANGES = "what was asked for changes nothing"

# Nine in ten pictures that only went through the autoencoder stay below the first, three in four with a
# planted fault come to the second (perf/damage.py, rounded).
DAMAGE_SCALE = Scale(full_at=7.0, none_at=40.0)

Portraits = Mapping[str, DrawnPortrait]  # by the name of the source
Asked = tuple[DrawnPortrait, str, float]  # who is to show which expression at what strength


def drawn_otherwise(folder: RunFolder, portraits: Portraits) -> str | None:
    """The first source of a run that is not drawn today as it was; None where all are."""
    for source, portrait in portraits.items():
        path = folder.source_file(source)
        if path.is_file() and not np.array_equal(np.asarray(load_image(path)), np.asarray(portrait.load())):
            return source
    return None


class DamageSettings(Record):
    """What the numbers depend on beside the pictures and the painter."""

    schema_version: Literal[1] = 1
    look_px: int = LOOK_PX
    fit_px: int = FIT_PX
    smooth_px: float = SMOOTH_PX
    spot_px: float = SPOT_PX
    worst: float = WORST
    full_at: float = DAMAGE_SCALE.full_at
    none_at: float = DAMAGE_SCALE.none_at


class DamageScorer(Scorer):
    """`damage` and `lopsided` in grey levels (`portraits.damage`), and the `mark` that damage earns, 0..10.

    About half a second of a core for each picture; equal pictures of one source are looked at once.
    portraits: of all sources, drawn today as they were (`drawn_otherwise`).
    """

    name = DAMAGE
    settings: DamageSettings = DamageSettings()

    def __init__(self, portraits: Portraits) -> None:
        self._person = lru_cache(maxsize=4)(lambda source: _person(portraits[source]))
        self._known: dict[tuple[str, str], Score] = {}  # an editor may make the same of both instructions

    async def score(self, edit: Edit) -> Score:
        key = edit.task.source, edit.sha256
        if key not in self._known:
            self._known[key] = self._scored(edit)
        return self._known[key]

    def _scored(self, edit: Edit) -> Score:
        picture = load_image(edit.picture)
        if picture.width != picture.height:
            return Score(unscored=NOT_SQUARE)
        found = damage_of(picture, self._person(edit.task.source))
        units: dict[str, JsonValue] = {
            name: round(getattr(found.units, name), 2)
            for name in UNITS
            if round(getattr(found.units, name), 2)
        }
        return Score(
            values={
                "damage": found.damage,
                "lopsided": found.lopsided,
                "mark": DAMAGE_SCALE.mark(found.damage),
            },
            explanation=f"its worst spots are {found.damage:.1f} grey levels off the nearest drawing",
            metadata={"units": units, "shift_px": list(found.shift_px)},
        )


class TruthSettings(Record):
    """What the distances depend on beside the pictures and the painter."""

    schema_version: Literal[1] = 1
    encoder: str
    encoder_sha256: str


class TruthScorer(Scorer):
    """How far an edit is from the same person drawn with what was asked for, at the same strength.

    `psnr_db`: over the pixels that the full expression, or that strength of it, changes; equal ones have
    that of rounding, 58.9. `perceptual`: 1 - the cosine (0..2) of the features of the truth, and of the truth
    with those pixels of the edit. An expression is drawn in several variants: the nearest one is the truth.
    portraits: of all sources, drawn today as they were (`drawn_otherwise`).
    """

    name = TRUTH

    def __init__(self, portraits: Portraits, encoder: "ImageEncoder") -> None:
        self._portraits, self._encoder = portraits, encoder
        self._drawn = lru_cache(maxsize=16)(_drawn)
        self._truth_features = lru_cache(maxsize=8)(self._drawn_features)
        self.settings: TruthSettings = TruthSettings(encoder=encoder.name, encoder_sha256=encoder.sha256)

    async def score(self, edit: Edit) -> Score:
        portrait = self._portraits[edit.task.source]
        picture_HW3, source_HW3 = (np.asarray(load_image(path)) for path in (edit.picture, edit.source))
        if picture_HW3.shape != source_HW3.shape:
            return Score(unscored=OTHER_SIZE)
        asked = portrait, edit.task.target, edit.strength
        found = [self._compared(picture_HW3, source_HW3, asked, variant) for variant in range(NUM_VARIANTS)]
        variant = int(np.argmin([error for error, _ in found]))
        error, changed_HW = found[variant]
        if not changed_HW.any():
            return Score(unscored=NOTHING_CHANGES)
        edited_HW3 = np.where(changed_HW[..., None], picture_HW3, self._drawn(*asked, variant))
        cosine = float(self._encoded(edited_HW3) @ self._truth_features(*asked, variant))
        return Score(values={"psnr_db": decibels(error), "perceptual": 1 - cosine})

    def _compared(
        self, picture_HW3: np.ndarray, source_HW3: np.ndarray, asked: Asked, variant: int
    ) -> tuple[float, np.ndarray]:
        portrait, target, _ = asked
        truth_HW3, full_HW3 = self._drawn(*asked, variant), self._drawn(portrait, target, 1.0, variant)
        return changed_error(picture_HW3, truth_HW3, full_HW3, source_HW3)

    def _drawn_features(
        self, portrait: DrawnPortrait, target: str, strength: float, variant: int
    ) -> np.ndarray:
        return self._encoded(self._drawn(portrait, target, strength, variant))

    def _encoded(self, pixels_HW3: np.ndarray) -> np.ndarray:
        import torch

        pixels_3HW = torch.from_numpy(pixels_HW3.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
        with torch.inference_mode():
            return np.asarray(self._encoder.features(pixels_3HW[None])[0].double().cpu())


def _person(portrait: DrawnPortrait) -> DrawnPerson:
    return DrawnPerson(portrait.identity, portrait.domain)


def changed_error(
    picture_HW3: np.ndarray, truth_HW3: np.ndarray, full_HW3: np.ndarray, source_HW3: np.ndarray
) -> tuple[float, np.ndarray]:
    """The mean squared error over the pixels in which the truth, or the full expression, is not the source.

    And those pixels (H, W); the error is 0 where there are none.
    """
    changed_HW = np.asarray(((truth_HW3 != source_HW3) | (full_HW3 != source_HW3)).any(axis=-1))
    if not changed_HW.any():
        return 0.0, changed_HW
    off = picture_HW3[changed_HW].astype(np.float64) - truth_HW3[changed_HW]
    return float(np.mean(off**2)), changed_HW


def decibels(error: float) -> float:
    """The peak signal-to-noise ratio of a mean squared error of 8-bit pictures; at most that of rounding."""
    return 10 * math.log10(PEAK**2 / max(error, ROUNDING))


def _drawn(portrait: DrawnPortrait, target: str, strength: float, variant: int) -> np.ndarray:
    return np.asarray(portrait.with_expression(target, strength, variant).image)
