"""The portraits that the embedded editor is trained on, drawn once and kept as one array on disk."""

import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.portraits import NUM_VARIANTS, action_units, render, sample_identity
from recipes.embedded.plan import PicturePlan
from recipes.work_folder import require_same_plan


@dataclass(frozen=True)
class Picture:
    """What one drawn picture shows."""

    identity_seed: int
    domain: Domain
    expression: str
    strength: float  # 0..1
    variant: int


def planned_pictures(plan: PicturePlan, seed: int) -> list[Picture]:
    """All pictures: for each identity and style a neutral one, then expressions, each another."""
    pictures = []
    for index in range(plan.num_identities):
        for domain_index, domain in enumerate(DOMAINS):
            rng = np.random.default_rng((seed, index, domain_index))
            identity_seed = plan.first_training_seed + index * len(DOMAINS) + domain_index
            pictures.append(Picture(identity_seed, domain, NEUTRAL, 0.0, 0))
            chosen = rng.choice(len(EXPRESSIONS), plan.pictures_per_identity - 1, replace=False)
            for expression_index in chosen:
                strength = float(rng.uniform(plan.min_strength, 1.0))
                variant = int(rng.integers(NUM_VARIANTS))
                pictures.append(
                    Picture(identity_seed, domain, EXPRESSIONS[expression_index], strength, variant)
                )
    return pictures


def draw_all(plan: PicturePlan, seed: int, folder: Path) -> Iterator[dict[str, int]]:
    """Draw all into `folder/pictures.npy` (N x size x size x 3, uint8), unless it exists.

    Yields how many are drawn. InputError where another plan was drawn there.
    """
    require_same_plan(folder, {"seed": seed, **asdict(plan)})
    target = folder / "pictures.npy"
    if target.is_file():
        return
    pictures = planned_pictures(plan, seed)
    partial = folder / "pictures.partial.npy"
    array = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(pictures), plan.size, plan.size, 3))
    jobs = [(picture, plan.size) for picture in pictures]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for index, pixels in enumerate(pool.imap(_draw, jobs, chunksize=32)):
            array[index] = pixels
            if (index + 1) % 1000 == 0:
                yield {"pictures": index + 1, "of": len(pictures)}
    array.flush()
    del array  # Windows renames no file that is mapped
    (folder / "pictures.json").write_text(json.dumps([asdict(picture) for picture in pictures]))
    os.replace(partial, target)


def load(folder: Path) -> tuple[np.ndarray, list[Picture]]:
    """The array that `draw_all` wrote, memory-mapped, and what each picture shows."""
    records = json.loads((folder / "pictures.json").read_text())
    return np.load(folder / "pictures.npy", mmap_mode="r"), [Picture(**record) for record in records]


def _draw(job: tuple[Picture, int]) -> np.ndarray:
    picture, size = job
    units = action_units(picture.expression, picture.strength, picture.variant)
    return render(sample_identity(picture.identity_seed), units, picture.domain, size)
