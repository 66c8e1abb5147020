"""The crops that the encoders are trained on, drawn once and kept on disk.

A class is one person in one style. Classes are counted (family, style, member), so that the members of a
family in one style are neighbours.

Shape suffixes: K classes, P crops of a class, S side in pixels, 3 channels (RGB).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage

from pixelsmile.editing.autoencoder import decode_frames, encode_frames
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.portraits import Identity, sample_identity
from recipes.embedded.autoencoder import to_images
from recipes.faces.encoders.filling import fill
from recipes.faces.encoders.people import in_another_scene, lookalike
from recipes.faces.encoders.plan import PeoplePlan, PicturePlan, Plan
from recipes.faces.encoders.sittings import (
    Sitting,
    different_expressions,
    draw_crop,
    mapping,
    sit,
)
from recipes.work_folder import require_same_plan

_DRAWN = "drawn.npy"
_AUTOENCODER_WEIGHTS = "diffusion_pytorch_model.safetensors"
_DRAWN_AT_ONCE, _RECONSTRUCTED_AT_ONCE = 64, 8  # classes


@dataclass(frozen=True)
class Crops:
    """All crops of all classes (K, P, S, S, 3): those that were drawn, and reconstructions of some."""

    drawn: np.ndarray
    reconstructed: np.ndarray

    @property
    def num_classes(self) -> int:
        """People, each in each style."""
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
    """Families, in each style, with all members."""
    return people.num_families * len(DOMAINS) * people.family_size


def person(people: PeoplePlan, seed: int, class_index: int) -> tuple[Identity, Domain]:
    """Who a class is: the first of a family as sampled, the others as look-alikes."""
    group, member = divmod(class_index, people.family_size)
    family, domain = divmod(group, len(DOMAINS))
    identity = sample_identity(people.first_training_seed + family)
    if member:
        rng = np.random.default_rng((seed, family, member))  # the same in both styles
        num_traits = int(rng.integers(1, people.max_changed_traits + 1))
        identity = lookalike(identity, num_traits, _donors(people), rng)
    return identity, DOMAINS[domain]


def sittings_of(people: PeoplePlan, plan: PicturePlan, seed: int, class_index: int) -> list[Sitting]:
    """The pictures of a class: the first neutral, then other expressions, each in a scene of its own."""
    identity, domain = person(people, seed, class_index)
    rng = np.random.default_rng((seed, class_index))
    strengths = (plan.min_strength, plan.max_strength)
    sittings = []
    for expression in different_expressions(plan.pictures_per_person, rng, neutral_first=True):
        here = in_another_scene(identity, _donors(people), rng)
        sittings.append(sit(here, domain, expression, strengths, int(rng.choice(plan.sizes_px)), rng))
    return sittings


@dataclass(frozen=True)
class DrawClass:
    """Draws all crops of a class, in whatever process."""

    people: PeoplePlan
    pictures: PicturePlan
    seed: int

    def __call__(self, class_index: int) -> np.ndarray:
        """The crops (P, S, S, 3), uint8."""
        sittings = sittings_of(self.people, self.pictures, self.seed, class_index)
        template_px, margin_px = self.pictures.template_px, self.pictures.margin_px
        return np.stack([draw_crop(sitting, template_px, margin_px) for sitting in sittings])


def draw_all(plan: Plan, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw every crop into `folder`, unless it is there. Yields how many classes are done."""
    require_same_plan(folder, {"seed": plan.seed, **asdict(plan.people), **asdict(plan.pictures)})
    if (folder / _DRAWN).is_file():
        return
    side = plan.pictures.crop_px
    shape = (num_classes(plan.people), plan.pictures.pictures_per_person, side, side, 3)
    draw = DrawClass(plan.people, plan.pictures, plan.seed)
    with mapping(num_workers) as mapped:
        yield from fill(folder / _DRAWN, shape, lambda classes: mapped(draw, classes), _DRAWN_AT_ONCE)


def reconstruct_some(
    plan: PicturePlan, autoencoder: Path, folder: Path, device: torch.device
) -> Iterator[dict[str, int]]:
    """Pass the last crops of every class through the editor's autoencoder, unless this one did it before.

    autoencoder: its folder. The last crops, as the first is neutral. Yields how many classes are done.
    """
    target = _reconstructed_file(folder, autoencoder)
    if target.is_file():
        return
    drawn_KPSS3 = np.load(folder / _DRAWN, mmap_mode="r")
    num_classes, num_drawn = drawn_KPSS3.shape[:2]
    shape = (num_classes, plan.reconstructed_per_person, *drawn_KPSS3.shape[2:])
    first = num_drawn - plan.reconstructed_per_person
    vae = AutoencoderKLQwenImage.from_pretrained(
        autoencoder, torch_dtype=torch.float32, trust_remote_code=False
    ).to(device)

    def reconstructed(classes: range) -> np.ndarray:
        sources_KPSS3 = drawn_KPSS3[classes.start : classes.stop, first:]
        pixels_NSS3 = sources_KPSS3.reshape(-1, *sources_KPSS3.shape[2:])
        with torch.inference_mode():
            latents_BCHW, _ = encode_frames(vae, to_images(pixels_NSS3).to(device))
            images_BCHW = decode_frames(vae, latents_BCHW).float()
        levels_BHWC = ((images_BCHW + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
        return levels_BHWC.cpu().numpy().reshape(sources_KPSS3.shape)

    yield from fill(target, shape, reconstructed, _RECONSTRUCTED_AT_ONCE)


def load(folder: Path, autoencoder: Path) -> Crops:
    """What `draw_all` and `reconstruct_some` wrote, memory-mapped."""
    files = (folder / _DRAWN, _reconstructed_file(folder, autoencoder))
    return Crops(*(np.load(file, mmap_mode="r") for file in files))


def _reconstructed_file(folder: Path, autoencoder: Path) -> Path:
    """Named by the autoencoder's weights, for another one gives other pictures."""
    return folder / f"reconstructed-{sha256_file(autoencoder / _AUTOENCODER_WEIGHTS)[:12]}.npy"


def _donors(people: PeoplePlan) -> range:
    return range(people.first_training_donor, people.first_training_donor + people.num_donors)
