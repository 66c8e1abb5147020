"""The crops that the encoders are trained on, drawn once and kept on disk.

A class is one person in one domain. Classes are counted (family, domain, member), so that the members of a
family in one domain are neighbours.

Shape suffixes: K classes, P crops of a class, S side in pixels, 3 channels (RGB).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from pixelsmile.editing.autoencoder import decode_frames, encode_frames
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.portraits import Identity, sample_identity
from recipes.faces.encoders.people import (
    FacePicture,
    different_expressions,
    draw_crop,
    in_another_scene,
    lookalike,
    random_picture,
)
from recipes.faces.encoders.plan import PeoplePlan, PicturePlan, Plan
from recipes.pictures import file_by, fill_one, load_autoencoder, to_pixels, to_tensor, worker_map
from recipes.work_folder import require_same_plan

_DRAWN = "drawn.npy"
_DRAWN_AT_ONCE, _RECONSTRUCTED_AT_ONCE = 64, 8  # classes


@dataclass(frozen=True)
class Crops:
    """All crops of all classes (K, P, S, S, 3): those that were drawn, and reconstructions of some."""

    drawn: np.ndarray
    reconstructed: np.ndarray

    @property
    def num_classes(self) -> int:
        """People, each in each domain."""
        return len(self.drawn)

    @property
    def num_per_class(self) -> int:
        """Crops of a class, drawn and reconstructed."""
        return self.drawn.shape[1] + self.reconstructed.shape[1]

    def crop(self, class_index: int, index: int) -> np.ndarray:
        """One crop of a class (S, S, 3); the drawn ones come first."""
        num_drawn = self.drawn.shape[1]
        if index < num_drawn:
            return self.drawn[class_index, index]
        return self.reconstructed[class_index, index - num_drawn]


def num_classes(people: PeoplePlan) -> int:
    """Families, in each domain, with all members."""
    return people.num_families * len(DOMAINS) * people.family_size


def person(people: PeoplePlan, seed: int, class_index: int) -> tuple[Identity, Domain]:
    """Who a class is: the first of a family as sampled, the others as look-alikes."""
    group, member = divmod(class_index, people.family_size)
    family, domain = divmod(group, len(DOMAINS))
    identity = sample_identity(people.first_training_seed + family)
    if member:
        rng = np.random.default_rng((seed, family, member))  # the same in both domains
        num_traits = int(rng.integers(1, people.max_changed_traits + 1))
        identity = lookalike(identity, num_traits, _donors(people), rng)
    return identity, DOMAINS[domain]


def pictures_of(people: PeoplePlan, plan: PicturePlan, seed: int, class_index: int) -> list[FacePicture]:
    """The pictures of a class: the first neutral, then other expressions, each in a scene of its own."""
    identity, domain = person(people, seed, class_index)
    rng = np.random.default_rng((seed, class_index))
    strengths = (plan.min_strength, plan.max_strength)
    pictures = []
    for expression in different_expressions(plan.pictures_per_person, rng, neutral_first=True):
        here = in_another_scene(identity, _donors(people), rng)
        pictures.append(
            random_picture(here, domain, expression, strengths, int(rng.choice(plan.sizes_px)), rng)
        )
    return pictures


@dataclass(frozen=True)
class DrawClass:
    """Draws all crops of a class, in whatever process."""

    people: PeoplePlan
    pictures: PicturePlan
    seed: int

    def __call__(self, class_index: int) -> np.ndarray:
        """The crops (P, S, S, 3), uint8."""
        pictures = pictures_of(self.people, self.pictures, self.seed, class_index)
        template_px, margin_px = self.pictures.template_px, self.pictures.margin_px
        return np.stack([draw_crop(picture, template_px, margin_px) for picture in pictures])


def draw_all(plan: Plan, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw every crop into `folder`, unless it is there. Yields how many classes are done."""
    require_same_plan(folder, {"seed": plan.seed, **asdict(plan.people), **asdict(plan.pictures)})
    side = plan.pictures.crop_px
    shape = (num_classes(plan.people), plan.pictures.pictures_per_person, side, side, 3)
    draw = DrawClass(plan.people, plan.pictures, plan.seed)
    with worker_map(num_workers) as mapped:
        yield from fill_one(folder / _DRAWN, shape, lambda classes: mapped(draw, classes), _DRAWN_AT_ONCE)


def reconstruct_some(
    plan: PicturePlan, autoencoder: Path, folder: Path, device: torch.device
) -> Iterator[dict[str, int]]:
    """Pass the last crops of every class through the editor's autoencoder, unless this one did it before.

    autoencoder: its folder. The last crops, as the first is neutral. Yields how many classes are done.
    """
    target = file_by(folder, "reconstructed", autoencoder)
    if target.is_file():
        return
    drawn_KPSS3 = np.load(folder / _DRAWN, mmap_mode="r")
    num_classes, num_drawn = drawn_KPSS3.shape[:2]
    shape = (num_classes, plan.reconstructed_per_person, *drawn_KPSS3.shape[2:])
    first = num_drawn - plan.reconstructed_per_person
    vae = load_autoencoder(autoencoder, device)

    def reconstructed(classes: range) -> np.ndarray:
        sources_KPSS3 = drawn_KPSS3[classes.start : classes.stop, first:]
        pixels_NSS3 = sources_KPSS3.reshape(-1, *sources_KPSS3.shape[2:])
        with torch.inference_mode():
            latents_BCHW, _ = encode_frames(vae, to_tensor(pixels_NSS3).to(device))
            return to_pixels(decode_frames(vae, latents_BCHW)).reshape(sources_KPSS3.shape)

    yield from fill_one(target, shape, reconstructed, _RECONSTRUCTED_AT_ONCE)


def load(folder: Path, autoencoder: Path) -> Crops:
    """What `draw_all` and `reconstruct_some` wrote, memory-mapped."""
    files = (folder / _DRAWN, file_by(folder, "reconstructed", autoencoder))
    return Crops(*(np.load(file, mmap_mode="r") for file in files))


def _donors(people: PeoplePlan) -> range:
    return range(people.first_training_donor, people.first_training_donor + people.num_donors)
