"""The pairs of faces that encoders are tested on, and how well similarities tell one person from two.

Nobody in them has been seen by an encoder. Each person has several pictures, in roles:

    anchor          the person with some expression
    same            the person with another expression in another scene
    reconstructed   the picture of `same`, as the editor's autoencoder gives it
    lookalike_K     another person, who differs in K traits, with another expression in another scene

Everybody is aligned on landmarks as loose as a detector's.
Shape suffixes: B people, C, H, W of pictures; N pairs of each sort, one of each from every person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor

from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.faces.alignment import align_batch
from pixelsmile.portraits import sample_identity
from recipes.augmentation import landmark_noise
from recipes.command_line import rounded
from recipes.faces.encoders.people import (
    FacePicture,
    different_expressions,
    draw,
    in_another_scene,
    lookalike,
    random_picture,
)
from recipes.faces.encoders.plan import Plan
from recipes.pictures import Map

ANCHOR, SAME, RECONSTRUCTED = "anchor", "same", "reconstructed"
_PEOPLE_AT_ONCE = 16


@dataclass(frozen=True)
class RolePictures:
    """Some people in one domain: for each role their pictures (B, 3, H, W), 0..1, and landmarks (B, 5, 2)."""

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


def tested_people(plan: Plan, vae: AutoencoderKLQwenImage, mapped: Map) -> Iterator[RolePictures]:
    """All people of the test in the first domain, then in the second, some at a time."""
    for domain in DOMAINS:
        for first in range(0, plan.verification.num_people, _PEOPLE_AT_ONCE):
            people = range(first, min(first + _PEOPLE_AT_ONCE, plan.verification.num_people))
            roles = [pictures_of(plan, domain, index) for index in people]
            jobs = [picture for of_person in roles for picture in of_person.values()]
            drawn = iter(mapped(draw, jobs))
            faces = [{role: next(drawn) for role in of_person} for of_person in roles]
            yield _role_pictures(plan, domain, people, faces, vae)


def pictures_of(plan: Plan, domain: Domain, index: int) -> dict[str, FacePicture]:
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
        role: random_picture(
            in_another_scene(person, donors, rng), domain, name, strengths, test.size_px, rng
        )
        for (role, person), name in zip(persons.items(), names, strict=True)
    }


def _role_pictures(
    plan: Plan,
    domain: Domain,
    people: range,
    faces: list[dict[str, tuple[np.ndarray, np.ndarray]]],
    vae: AutoencoderKLQwenImage,
) -> RolePictures:
    rng = np.random.default_rng(
        (plan.seed, plan.people.first_test_donor, DOMAINS.index(domain), people.start)
    )
    noise = plan.verification.landmark_noise
    pictures = {}
    for role in faces[0]:
        images_BHWC = np.stack([face[role][0] for face in faces])
        landmarks_B52 = np.stack([_loosened(face[role][1], noise, rng) for face in faces])
        pictures[role] = (torch.from_numpy(images_BHWC).permute(0, 3, 1, 2).float() / 255, landmarks_B52)
    images_BCHW, landmarks_B52 = pictures[SAME]
    pictures[RECONSTRUCTED] = (_reconstructed(vae, images_BCHW), landmarks_B52)
    return RolePictures(domain, people, pictures)


@torch.inference_mode()
def _reconstructed(vae: AutoencoderKLQwenImage, images_BCHW: Tensor) -> Tensor:
    """What the editor would give back if it changed nothing, in whole levels."""
    found_BCHW = decode_latents(vae, encode_images(vae, images_BCHW * 2 - 1)).float()
    return ((found_BCHW + 1) * 127.5).round() / 255


def _loosened(landmarks_52: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return landmarks_52 + landmark_noise(landmarks_52, noise, rng)


_ROUNDING = 1e-9  # 0.29 * 100 is 28.999999999999996


@dataclass(frozen=True)
class Scores:
    """Similarities (N,) of pairs of one person, and of pairs of two; person i is in pair i of both."""

    same: np.ndarray
    different: np.ndarray

    def resampled(self, rng: np.random.Generator) -> "Scores":
        """As many people, drawn from these with replacement."""
        people = rng.integers(0, len(self.same), len(self.same))
        return Scores(self.same[people], self.different[people])

    def joined(self, other: "Scores") -> "Scores":
        """The pairs of both."""
        return Scores(
            np.concatenate([self.same, other.same]),
            np.concatenate([self.different, other.different]),
        )


def area_under_curve(scores: Scores) -> float:
    """The share of (same, different) in which the same are more alike; a tie counts half."""
    sorted_N = np.sort(scores.different)
    below = np.searchsorted(sorted_N, scores.same, "left")
    not_above = np.searchsorted(sorted_N, scores.same, "right")
    return float((below + not_above).mean() / (2 * len(sorted_N)))


def true_accept_rate(scores: Scores, false_accept_rate: float) -> float:
    """The share of same pairs above the lowest threshold that lets no more than that share of others pass."""
    num_allowed = int(false_accept_rate * len(scores.different) + _ROUNDING)
    highest_first = np.sort(scores.different)[::-1]
    threshold = highest_first[num_allowed] if num_allowed < len(highest_first) else -np.inf
    return float((scores.same > threshold).mean())


def summary(
    scores: Scores, false_accept_rates: Sequence[float], num_resamples: int, seed: int = 0
) -> dict[str, Any]:
    """The numbers of a report; `_95`: the middle 95 % of what resampled people give (bootstrap)."""
    found = _numbers(scores, false_accept_rates)
    rng = np.random.default_rng(seed)
    resampled = [_numbers(scores.resampled(rng), false_accept_rates) for _ in range(num_resamples)]
    report: dict[str, Any] = {"num_pairs_each": len(scores.same)}
    for name, value in found.items():
        ends = np.quantile([numbers[name] for numbers in resampled], (0.025, 0.975))
        report |= {name: rounded(value), f"{name}_95": [rounded(end) for end in ends]}
    return report | {
        "mean_same": rounded(scores.same.mean()),
        "mean_different": rounded(scores.different.mean()),
    }


def _numbers(scores: Scores, false_accept_rates: Sequence[float]) -> dict[str, float]:
    rates = {f"tar_at_far_{rate:g}": true_accept_rate(scores, rate) for rate in false_accept_rates}
    return {"auc": area_under_curve(scores), **rates}
