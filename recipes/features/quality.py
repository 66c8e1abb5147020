"""How good the embedded image encoder is for the contrastive term: on people that it was never trained on.

    python -m recipes.features.quality --encoder runs/features/finished

A triplet is what Eq. 7 is made of. G shows expression a, P shows a in another variant and N the expression b,
all three of one person and at one strength; G is drawn, or has passed through the editor's autoencoder. It is
right where the feature of G is nearer to that of P. `confusing`: b is the other half of a's confusing pair;
`any`: each of the other eleven. `strangers`: P and N are of another person than G.

`rise` is Pearson's correlation of the strength with the cosine to the full expression. Beside the encoder
stand the raw pixels of its window.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor

from pixelsmile.embedded import model_path
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, Domain, confusing_partner
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.features.encoder import unit_length
from pixelsmile.hashing import sha256_file
from pixelsmile.networks.convolutional import WEIGHTS_FILE
from pixelsmile.networks.expression_features import DrawnFeaturesConfig, look_through
from pixelsmile.portraits import NUM_VARIANTS, action_units
from recipes.command_line import refusing, rounded, run, start_log, whole, write_report
from recipes.features.plan import Plan
from recipes.features.windows import reconstructions
from recipes.pictures import load_autoencoder, to_tensor, worker_map
from recipes.random_faces import Sample

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
DRAWN, RECONSTRUCTED = "drawn", "reconstructed"
QUALITY_FILE = "quality.json"

Features = dict[str, np.ndarray]  # of a person by what G is, and of the truths: (expressions, strengths, D)
_TRUTHS = "truths"


@dataclass(frozen=True)
class ShowPerson:
    """Features of all pictures of one person, by encoder, in whatever process."""

    folder: Path
    plan: Plan

    def __call__(self, job: tuple[Domain, int]) -> dict[str, Features]:
        """By the name of the encoder, then by what the pictures are."""
        domain, seed = job
        variant = seed % NUM_VARIANTS
        generated = self._samples(domain, seed, variant)
        pictures = {
            _TRUTHS: np.stack(
                [s.picture() for s in self._samples(domain, seed, (variant + 1) % NUM_VARIANTS)]
            ),
            DRAWN: np.stack([s.picture() for s in generated]),
            RECONSTRUCTED: reconstructions(self.plan, _autoencoder(), generated),
        }
        encoder, found = _encoder(self.folder), {}
        with torch.inference_mode():
            for name, features in (("encoder", encoder.features), ("pixels", pixel_features)):
                found[name] = {
                    kind: features(to_tensor(images)).numpy().reshape(len(EXPRESSIONS), len(STRENGTHS), -1)
                    for kind, images in pictures.items()
                }
        return found

    def _samples(self, domain: Domain, seed: int, variant: int) -> list[Sample]:
        size_px = self.plan.pictures.editor_px
        return [
            Sample(seed, domain, action_units(expression, strength, variant), size_px)
            for expression in EXPRESSIONS
            for strength in STRENGTHS
        ]


def pixel_features(images_BCHW: Tensor) -> Tensor:
    """What features must beat: the window's pixels."""
    config = DrawnFeaturesConfig()
    windows_BCHW = look_through(config.window, images_BCHW, config.window_px)
    return unit_length(windows_BCHW.flatten(1))


@cache
def _encoder(folder: Path) -> DrawnEncoder:
    return DrawnEncoder.from_folder(folder)


@cache
def _autoencoder() -> AutoencoderKLQwenImage:
    return load_autoencoder(model_path() / "vae")


def measure(folder: Path, plan: Plan, num_people: int, num_workers: int) -> Iterator[dict[str, Any]]:
    """Yields how many people are done, at last the report under `results`: encoder -> domain -> numbers."""
    first = plan.pictures.first_test_seed
    jobs = [(domain, first + index) for domain in DOMAINS for index in range(num_people)]
    people: dict[str, dict[Domain, list[Features]]] = {}
    with worker_map(num_workers) as mapped:
        for done, ((domain, _), found) in enumerate(
            zip(jobs, mapped(ShowPerson(folder, plan), jobs), strict=True), 1
        ):
            for name, features in found.items():
                people.setdefault(name, {domain: [] for domain in DOMAINS})[domain].append(features)
            yield {"done": done, "of": len(jobs)}
    yield {
        "results": {
            name: {domain: _numbers(of_domain) for domain, of_domain in domains.items()}
            for name, domains in people.items()
        }
    }


def _numbers(people: Sequence[Features]) -> dict[str, Any]:
    """Shares of right triplets by what G is, whose P and N are, which b, and the strength; and the rise."""
    found: dict[str, Any] = {"people": len(people)}
    for kind in (DRAWN, RECONSTRUCTED):
        for whose, shift in (("same_person", 0), ("strangers", 1)):
            right_PEES = np.stack(
                [
                    right_triplets(features[kind], people[(index + shift) % len(people)][_TRUTHS])
                    for index, features in enumerate(people)
                ]
            )
            found[f"{kind}_{whose}"] = {
                which: {
                    f"{strength:g}": rounded(right_PEES[:, chosen_EE, index].mean())
                    for index, strength in enumerate(STRENGTHS)
                }
                for which, chosen_EE in (
                    ("confusing", _confusing()),
                    ("any", ~np.eye(len(EXPRESSIONS), dtype=bool)),
                )
            }
        found[f"{kind}_rise"] = rounded(np.mean([_rise(features[kind]) for features in people]))
    return found


def right_triplets(generated_ESD: np.ndarray, truths_ESD: np.ndarray) -> np.ndarray:
    """Whether G of expression a is nearer to P of a than to N of b: (a, b, strength), bool."""
    cosines_EES = np.einsum("asd,bsd->abs", generated_ESD, truths_ESD)
    own_ES = np.einsum("aas->as", cosines_EES)
    return own_ES[:, None] > cosines_EES


def _confusing() -> np.ndarray:
    """Which (a, b) are a confusing pair."""
    return np.array([[confusing_partner(a) == b for b in EXPRESSIONS] for a in EXPRESSIONS])


def _rise(features_ESD: np.ndarray) -> float:
    cosines_ES = np.einsum("esd,ed->es", features_ESD, features_ESD[:, -1])
    return float(np.mean([np.corrcoef(STRENGTHS, cosines_S)[0, 1] for cosines_S in cosines_ES]))


@refusing()
def main() -> None:
    """Measure the encoder and write the report beside it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", type=Path, required=True, help="the folder of a finished recipe")
    parser.add_argument("--people", type=whole(), default=40, help="in each domain")
    parser.add_argument("--workers", type=whole(), default=os.cpu_count() or 1, help="processes that draw")
    arguments = parser.parse_args()
    start_log()
    run([("people", measure_folder(arguments.encoder, Plan(), arguments.people, arguments.workers))])


def measure_folder(folder: Path, plan: Plan, num_people: int, num_workers: int) -> Iterator[dict[str, Any]]:
    """Measure the encoder in `folder` and write `quality.json` there; yields how many people are done.

    ModelError where there is none.
    """
    _encoder(folder)
    for record in measure(folder, plan, num_people, num_workers):
        if "results" in record:
            report = {"weights_sha256": sha256_file(folder / WEIGHTS_FILE), **record}
            write_report(report, folder / QUALITY_FILE)
        else:
            yield record


if __name__ == "__main__":
    main()
