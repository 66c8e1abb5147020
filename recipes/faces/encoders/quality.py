"""How good the embedded identity encoders are: verification of drawn people whom they have never seen.

    python -m recipes.faces.encoders.quality --encoders runs/encoders/model

For each person and domain there is one pair of the same and one of different people, always with two
expressions, two scenes and one domain. Who the other one is makes the levels:

    strangers       another person of the test: they differ in everything
    lookalike_K     somebody who differs in K traits (hair, glasses, nose, ...) by what can be seen
    reconstructed   strangers, the second picture of every pair given back by the editor's autoencoder

Beside the encoders stands the cosine of raw pixels, and the mean of the encoders (`identity_similarity`).
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage

from pixelsmile.embedded import model_path
from pixelsmile.errors import ModelError
from pixelsmile.expressions import DOMAINS
from pixelsmile.faces.alignment import Alignment, template
from pixelsmile.faces.encoders.encoder import ArrayT, IdentityEncoder
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.torch_encoder import CONFIG_FILE, WEIGHTS_FILE
from pixelsmile.hashing import sha256_file
from recipes.command_line import refusing, run, start_log, whole, write_report
from recipes.faces.encoders.plan import Plan
from recipes.faces.encoders.verification import (
    ANCHOR,
    RECONSTRUCTED,
    SAME,
    RolePictures,
    Scores,
    lookalike_role,
    summary,
    tested_people,
)
from recipes.pictures import load_autoencoder, worker_map

STRANGERS = "strangers"
MEAN, BOTH = "mean", "both"
QUALITY_FILE = "quality.json"

Embeddings = dict[tuple[str, str], list[np.ndarray]]  # of a domain and a role, some people at a time
Levels = dict[str, Scores]


class PixelEncoder:
    """The simplest `IdentityEncoder`: the crop in -1..1 as one long vector of length 1.

    What a network adds is what it has over this.
    """

    name = "pixels"
    size_px = 112
    alignment = Alignment(template(size_px), size_px)
    differentiable = True

    def embed(self, crops_BCHW: ArrayT) -> ArrayT:
        """See `IdentityEncoder`."""
        values_BD = 2 * crops_BCHW.reshape(len(crops_BCHW), -1) - 1
        return values_BD / (values_BD**2).sum(1)[:, None] ** 0.5


def measure(
    plan: Plan, encoders: Sequence[IdentityEncoder], vae: AutoencoderKLQwenImage, num_workers: int
) -> Iterator[dict[str, Any]]:
    """Yields how many people are done in a domain, at last the report under `results`."""
    found: dict[str, Embeddings] = {encoder.name: {} for encoder in encoders}
    with worker_map(num_workers) as mapped:
        for trial in tested_people(plan, vae, mapped):
            for encoder in encoders:
                _embed(encoder, trial, found[encoder.name])
            yield {"domain": trial.domain, "done": trial.people.stop, "of": plan.verification.num_people}
    by_name: dict[str, dict[str, Levels]] = {
        name: {domain: _levels(plan, embeddings, domain) for domain in DOMAINS}
        for name, embeddings in found.items()
    }
    yield {"results": _report(plan, by_name)}


def _embed(encoder: IdentityEncoder, trial: RolePictures, found: Embeddings) -> None:
    with torch.inference_mode():
        for role in trial.pictures:
            embeddings_BD = encoder.embed(trial.crops(role, encoder.size_px)).cpu().numpy()
            found.setdefault((trial.domain, role), []).append(embeddings_BD)


def _levels(plan: Plan, found: Embeddings, domain: str) -> Levels:
    """The similarities of all levels of one encoder in one domain."""

    def cosines(role: str, shift: int = 0) -> np.ndarray:
        a_ND, b_ND = (np.concatenate(found[domain, name]) for name in (ANCHOR, role))
        return np.asarray((a_ND * np.roll(b_ND, shift, axis=0)).sum(1))

    same_N = cosines(SAME)
    lookalikes = [lookalike_role(num) for num in plan.verification.changed_traits]
    return {
        STRANGERS: Scores(same_N, cosines(SAME, 1)),
        **{role: Scores(same_N, cosines(role)) for role in lookalikes},
        RECONSTRUCTED: Scores(cosines(RECONSTRUCTED), cosines(RECONSTRUCTED, 1)),
    }


def _report(plan: Plan, by_name: dict[str, dict[str, Levels]]) -> dict[str, Any]:
    """Encoder -> level -> domain -> numbers."""
    test = plan.verification
    networks = [domains for name, domains in by_name.items() if name != PixelEncoder.name]
    by_name = {
        **by_name,
        MEAN: {domain: _mean([domains[domain] for domains in networks]) for domain in DOMAINS},
    }
    report: dict[str, Any] = {}
    for name, domains in by_name.items():
        first, second = (domains[domain] for domain in DOMAINS)
        both = {level: first[level].joined(second[level]) for level in first}
        report[name] = {
            level: {
                domain: summary(levels[level], test.false_accept_rates, test.num_resamples)
                for domain, levels in ({**domains, BOTH: both}).items()
            }
            for level in first
        }
    return report


def _mean(of_encoders: Sequence[Levels]) -> Levels:
    return {
        level: Scores(
            np.mean([levels[level].same for levels in of_encoders], axis=0),
            np.mean([levels[level].different for levels in of_encoders], axis=0),
        )
        for level in of_encoders[0]
    }


@refusing()
def main() -> None:
    """Measure the encoders of a folder and write the report beside them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoders", type=Path, required=True, help="the folder with a folder an encoder")
    parser.add_argument(
        "--people", type=whole(), default=Plan().verification.num_people, help="in each domain"
    )
    parser.add_argument("--workers", type=whole(), default=os.cpu_count() or 1, help="processes that draw")
    arguments = parser.parse_args()
    start_log()
    plan = Plan()
    plan = replace(plan, verification=replace(plan.verification, num_people=arguments.people))
    run([("people", measure_folder(plan, arguments.encoders, arguments.workers))])


def measure_folder(plan: Plan, folder: Path, num_workers: int) -> Iterator[dict[str, Any]]:
    """Measure every encoder in `folder` and write `quality.json` there; yields how many people are done.

    ModelError where there is none.
    """
    kinds = [encoder.kind for encoder in plan.encoders if (folder / encoder.kind / CONFIG_FILE).is_file()]
    if not kinds:
        raise ModelError(f"{folder} has no encoder: run python -m recipes.faces.encoders first")
    encoders = [load_encoder(folder / kind) for kind in kinds]
    vae = load_autoencoder(model_path() / "vae")
    for record in measure(plan, [*encoders, PixelEncoder()], vae, num_workers):
        if "results" not in record:
            yield record
            continue
        weights = {kind: sha256_file(folder / kind / WEIGHTS_FILE) for kind in kinds}
        report = {
            "weights_sha256": weights,
            "plan": asdict(plan.verification),
            **record,
        }
        write_report(report, folder / QUALITY_FILE)


if __name__ == "__main__":
    main()
