"""The portraits that scenes are made of, drawn once and kept on disk with the truth about them.

Shapes: N portraits, S pixels a side; K points around a face; (x, y) in pixels of the portrait, from the
corner of its first pixel.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL
from pixelsmile.networks.face_detector import NUM_LANDMARKS
from pixelsmile.portraits import NUM_VARIANTS, draw_portrait, sample_identity
from recipes.faces.detector.plan import PoolPlan
from recipes.pictures import ArrayFile, fill, worker_map
from recipes.random_faces import Drawing
from recipes.work_folder import require_same_plan

_PICTURES, _OUTLINES, _LANDMARKS = "pictures.npy", "outlines.npy", "landmarks.npy"
_DRAWN_AT_ONCE = 400
NUM_DIRECTIONS = 128  # a box of the outline's points in these is right to 0.03 % of its size at any angle


@dataclass(frozen=True, eq=False)
class Pool:
    """Drawn portraits with their truth."""

    pictures: np.ndarray  # NSS4, uint8: red, green, blue, and 255 on the face
    outlines: np.ndarray  # NK2, float64: the points that bound the face, whichever way it is turned
    landmarks: np.ndarray  # N52, float64

    @property
    def size(self) -> int:
        """Side of the pictures, in pixels."""
        return self.pictures.shape[1]

    def __len__(self) -> int:
        return len(self.pictures)


def planned_drawings(num_identities: int, first_seed: int, seed: int) -> list[Drawing]:
    """Of each identity in each domain (another person) a neutral portrait, and one with an expression."""
    drawings = []
    for index in range(num_identities):
        for domain_index, domain in enumerate(DOMAINS):
            rng = np.random.default_rng((seed, index, domain_index))
            identity_seed = first_seed + index * len(DOMAINS) + domain_index
            name = EXPRESSIONS[rng.integers(len(EXPRESSIONS))]
            strength, variant = float(rng.uniform(0.5, 1)), int(rng.integers(NUM_VARIANTS))
            drawings.append(Drawing(identity_seed, domain, NEUTRAL, 0.0, 0))
            drawings.append(Drawing(identity_seed, domain, name, strength, variant))
    return drawings


def draw_pool(plan: PoolPlan, seed: int, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw the training pool into `folder`, unless it is there. Yields how many are drawn.

    InputError where another plan was drawn there.
    """
    require_same_plan(folder, {"seed": seed, **asdict(plan)})
    drawings = planned_drawings(plan.num_identities, plan.first_training_seed, seed)
    num = len(drawings)
    arrays = (
        ArrayFile(folder / _PICTURES, (num, plan.size, plan.size, 4)),
        ArrayFile(folder / _OUTLINES, (num, NUM_DIRECTIONS, 2), np.float64),
        ArrayFile(folder / _LANDMARKS, (num, NUM_LANDMARKS, 2), np.float64),
    )
    with worker_map(num_workers) as mapped:
        yield from fill(
            arrays,
            lambda rows: mapped(partial(draw, size=plan.size), drawings[rows.start : rows.stop]),
            _DRAWN_AT_ONCE,
        )


def load_pool(folder: Path) -> Pool:
    """What `draw_pool` left, its pictures memory-mapped."""
    outlines, landmarks = np.load(folder / _OUTLINES), np.load(folder / _LANDMARKS)
    return Pool(np.load(folder / _PICTURES, mmap_mode="r"), outlines, landmarks)


def pool_of(drawings: list[Drawing], size: int) -> Pool:
    """A small pool, drawn now and kept in memory."""
    drawn = [draw(drawing, size) for drawing in drawings]
    pictures, outlines, landmarks = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    return Pool(pictures, outlines, landmarks)


def draw(drawing: Drawing, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture with its mask (S, S, 4), the outline (K, 2) and the landmarks (5, 2) of one portrait."""
    identity, units = sample_identity(drawing.identity_seed), drawing.units
    portrait = draw_portrait(identity, units, drawing.domain, size)
    mask_SS1 = portrait.truth.face_mask[..., None].astype(np.uint8) * 255
    picture_SS4 = np.concatenate([np.asarray(portrait.image), mask_SS1], axis=-1)
    return picture_SS4, support(portrait.truth.face_outline), portrait.truth.landmarks_5


def support(points_P2: np.ndarray) -> np.ndarray:
    """The point of an outline that lies farthest in each of NUM_DIRECTIONS: K2, float64."""
    angles_K = np.arange(NUM_DIRECTIONS) * (2 * math.pi / NUM_DIRECTIONS)
    heights_KP = np.stack([np.cos(angles_K), np.sin(angles_K)], axis=1) @ points_P2.T
    return points_P2[heights_KP.argmax(1)]
