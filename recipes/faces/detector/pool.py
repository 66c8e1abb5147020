"""The portraits that scenes are made of, drawn once and kept on disk with the truth about them.

Shapes: N portraits, S pixels a side; K points around a face; (x, y) in pixels of the portrait, from the
corner of its first pixel.
"""

import math
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.portraits import NUM_VARIANTS, action_units, draw_portrait, sample_identity
from recipes.faces.detector.plan import PoolPlan
from recipes.work_folder import require_same_plan

NUM_DIRECTIONS = 128  # a box of the outline's points in these is right to 0.03 % of its size at any angle


@dataclass(frozen=True)
class Drawing:
    """What one portrait shows."""

    identity_seed: int
    domain: Domain
    expression: str
    strength: float  # 0..1
    variant: int


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
    """Of each identity in each style (a person of its own) a neutral portrait, and one with an expression."""
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


def draw_pool(plan: PoolPlan, seed: int, folder: Path) -> Iterator[dict[str, int]]:
    """Draw the training pool into `folder`, unless it is there. Yields how many are drawn.

    InputError where another plan was drawn there.
    """
    require_same_plan(folder, {"seed": seed, **asdict(plan)})
    if (folder / "pictures.npy").is_file():
        return
    drawings = planned_drawings(plan.num_identities, plan.first_training_seed, seed)
    partial = folder / "pictures.partial.npy"
    pictures = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(drawings), plan.size, plan.size, 4))
    outlines, landmarks = [], []
    jobs = [(drawing, plan.size) for drawing in drawings]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as processes:
        for index, drawn in enumerate(processes.imap(draw, jobs, chunksize=32)):
            pictures[index] = drawn[0]
            outlines.append(drawn[1])
            landmarks.append(drawn[2])
            if (index + 1) % 400 == 0:
                yield {"portraits": index + 1, "of": len(drawings)}
    pictures.flush()
    del pictures  # Windows renames no file that is mapped
    np.savez(folder / "truths.npz", outlines=np.stack(outlines), landmarks=np.stack(landmarks))
    os.replace(partial, folder / "pictures.npy")


def load_pool(folder: Path) -> Pool:
    """What `draw_pool` left, its pictures memory-mapped."""
    truths = np.load(folder / "truths.npz")
    return Pool(np.load(folder / "pictures.npy", mmap_mode="r"), truths["outlines"], truths["landmarks"])


def pool_of(drawings: list[Drawing], size: int) -> Pool:
    """A small pool, drawn now and kept in memory."""
    drawn = [draw((drawing, size)) for drawing in drawings]
    pictures, outlines, landmarks = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    return Pool(pictures, outlines, landmarks)


def draw(job: tuple[Drawing, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture with its mask (S, S, 4), the outline (K, 2) and the landmarks (5, 2) of one portrait."""
    drawing, size = job
    identity = sample_identity(drawing.identity_seed)
    units = action_units(drawing.expression, drawing.strength, drawing.variant)
    portrait = draw_portrait(identity, units, drawing.domain, size)
    mask_SS1 = portrait.truth.face_mask[..., None].astype(np.uint8) * 255
    picture_SS4 = np.concatenate([np.asarray(portrait.image), mask_SS1], axis=-1)
    return picture_SS4, support(portrait.truth.face_outline), portrait.truth.landmarks_5


def support(points_P2: np.ndarray) -> np.ndarray:
    """The point of an outline that lies farthest in each of NUM_DIRECTIONS: K2, float64."""
    angles_K = np.arange(NUM_DIRECTIONS) * (2 * math.pi / NUM_DIRECTIONS)
    heights_KP = np.stack([np.cos(angles_K), np.sin(angles_K)], axis=1) @ points_P2.T
    return points_P2[heights_KP.argmax(1)]
