"""The faces that encoders are tested on: people whom none has seen, each with several pictures.

    anchor          the person with some expression
    same            the person with another expression in another scene
    reconstructed   the picture of `same`, as the editor's autoencoder gives it
    lookalike_K     another person, who differs in K traits, with another expression in another scene

Everybody is aligned on landmarks as loose as a detector's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor

from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.faces.alignment import align_batch
from pixelsmile.portraits import sample_identity
from recipes.faces.encoders.augmentation import loosened
from recipes.faces.encoders.people import in_another_scene, lookalike
from recipes.faces.encoders.plan import Plan
from recipes.faces.encoders.sittings import (
    Drawn,
    Map,
    Sitting,
    different_expressions,
    draw,
    sit,
)

ANCHOR, SAME, RECONSTRUCTED = "anchor", "same", "reconstructed"
_PEOPLE_AT_ONCE = 16


@dataclass(frozen=True)
class Trial:
    """Some people in one style: for each role their pictures (B, 3, H, W), 0..1, and landmarks (B, 5, 2)."""

    domain: Domain
    people: range
    pictures: dict[str, tuple[Tensor, np.ndarray]]

    def crops(self, role: str, size_px: int) -> Tensor:
        """The aligned faces of a role."""
        images_BCHW, landmarks_B52 = self.pictures[role]
        return align_batch(images_BCHW, landmarks_B52, size_px)


def lookalike_role(num_traits: int) -> str:
    """The name of the role of those who differ in that many traits."""
    return f"lookalike_{num_traits}"


def trials(plan: Plan, vae: AutoencoderKLQwenImage, mapped: Map) -> Iterator[Trial]:
    """All people of the test in the first style, then in the second, some at a time."""
    for domain in DOMAINS:
        for first in range(0, plan.verification.num_people, _PEOPLE_AT_ONCE):
            people = range(first, min(first + _PEOPLE_AT_ONCE, plan.verification.num_people))
            sittings = [sittings_of(plan, domain, index) for index in people]
            jobs = [sitting for of_person in sittings for sitting in of_person.values()]
            drawn = iter(mapped(draw, jobs))
            faces = [{role: next(drawn) for role in of_person} for of_person in sittings]
            yield _trial(plan, domain, people, faces, vae)


def sittings_of(plan: Plan, domain: Domain, index: int) -> dict[str, Sitting]:
    """The pictures of one person of the test, by role, but for the reconstruction."""
    people, test = plan.people, plan.verification
    rng = np.random.default_rng((plan.seed, people.first_test_seed, DOMAINS.index(domain), index))
    donors = range(people.first_test_donor, people.first_test_donor + people.num_donors)
    identity = sample_identity(people.first_test_seed + index)
    persons = {ANCHOR: identity, SAME: identity}
    for num_traits in test.changed_traits:
        persons[lookalike_role(num_traits)] = lookalike(identity, num_traits, donors, rng)
    names = different_expressions(len(persons), rng, neutral_first=False)
    strengths = (plan.pictures.min_strength, plan.pictures.max_strength)
    return {
        role: sit(in_another_scene(person, donors, rng), domain, name, strengths, test.size_px, rng)
        for (role, person), name in zip(persons.items(), names, strict=True)
    }


def _trial(
    plan: Plan, domain: Domain, people: range, faces: list[dict[str, Drawn]], vae: AutoencoderKLQwenImage
) -> Trial:
    rng = np.random.default_rng(
        (plan.seed, plan.people.first_test_donor, DOMAINS.index(domain), people.start)
    )
    noise = plan.verification.landmark_noise
    pictures = {}
    for role in faces[0]:
        images_BHWC = np.stack([face[role].image for face in faces])
        landmarks_B52 = np.stack([loosened(face[role].landmarks, noise, rng) for face in faces])
        pictures[role] = (torch.from_numpy(images_BHWC).permute(0, 3, 1, 2).float() / 255, landmarks_B52)
    images_BCHW, landmarks_B52 = pictures[SAME]
    pictures[RECONSTRUCTED] = (_reconstructed(vae, images_BCHW), landmarks_B52)
    return Trial(domain, people, pictures)


@torch.inference_mode()
def _reconstructed(vae: AutoencoderKLQwenImage, images_BCHW: Tensor) -> Tensor:
    """What the editor would give back if it changed nothing, in whole levels."""
    found_BCHW = decode_latents(vae, encode_images(vae, images_BCHW * 2 - 1)).float()
    return ((found_BCHW + 1) * 127.5).round() / 255
