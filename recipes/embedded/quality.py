"""How good the embedded editor is: against drawn truth, on identities that it was never trained on.

    python -m recipes.embedded.quality --identities 200 --out quality.json

An edit of a neutral portrait is compared with the portrait drawn with the same expression at the same
strength. An expression is drawn in several variants and any of them is right: the nearest one is the truth.
PSNR is taken from the mean squared error over all pixels of a kind, of all edits together: changed pixels are
those where truth and source differ, unchanged ones those where they are equal. The autoencoder's own error,
the ceiling, is taken on one of the expressions of each identity, another in turn.
"""

import argparse
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from PIL import Image

from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.folders import find_model
from pixelsmile.editing.pictures import to_pictures, to_tensor
from pixelsmile.editing.requests import Request
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain, confusing_partner
from pixelsmile.portraits import NUM_VARIANTS, Identity, action_units, render, sample_identity
from recipes.command_line import mean_or_none, rounded, write_report
from recipes.embedded.plan import PicturePlan


@dataclass
class Errors:
    """Squared errors added up over the changed and the unchanged pixels, and the PSNR of each picture."""

    changed: float = 0.0
    unchanged: float = 0.0
    num_changed: int = 0
    num_unchanged: int = 0
    pictures_db: list[float] = field(default_factory=list)

    def add(self, picture_HWC: np.ndarray, truth_HWC: np.ndarray, changed_HW: np.ndarray) -> None:
        """Count one picture against its truth, both uint8."""
        square_HW = np.square(picture_HWC.astype(np.float64) - truth_HWC).mean(-1)
        self.changed += float(square_HW[changed_HW].sum())
        self.unchanged += float(square_HW[~changed_HW].sum())
        self.num_changed += int(changed_HW.sum())
        self.num_unchanged += int((~changed_HW).sum())
        if (whole := _psnr(float(square_HW.sum()), square_HW.size)) is not None:
            self.pictures_db.append(whole)

    def merge(self, other: "Errors") -> None:
        """Count what another has counted."""
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.num_changed += other.num_changed
        self.num_unchanged += other.num_unchanged
        self.pictures_db += other.pictures_db

    def psnr(self) -> dict[str, float | None]:
        """PSNR in dB: of the changed, the unchanged, all pixels; the mean over pictures. None: infinite."""
        return {
            "changed_db": _psnr(self.changed, self.num_changed),
            "unchanged_db": _psnr(self.unchanged, self.num_unchanged),
            "all_db": _psnr(self.changed + self.unchanged, self.num_changed + self.num_unchanged),
            "mean_of_pictures_db": mean_or_none(self.pictures_db, 3),
        }


@dataclass
class Tally:
    """What is counted at one strength in one domain."""

    edits: Errors = field(default_factory=Errors)
    copies: Errors = field(default_factory=Errors)
    reconstructions: Errors = field(default_factory=Errors)
    chosen: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in EXPRESSIONS})

    def merge(self, other: "Tally") -> None:
        """Count what another has counted."""
        self.edits.merge(other.edits)
        self.copies.merge(other.copies)
        self.reconstructions.merge(other.reconstructions)
        for name, choices in other.chosen.items():
            self.chosen[name] += choices

    def summary(self) -> dict[str, Any]:
        """The numbers of the report. `nearest_own`: edits nearer to their own truth than to any other."""
        right = {name: np.mean([choice == name for choice in self.chosen[name]]) for name in EXPRESSIONS}
        pairs = [name for name in EXPRESSIONS if confusing_partner(name)]
        decided = [
            choice == name
            for name in pairs
            for choice in self.chosen[name]
            if choice in (name, confusing_partner(name))
        ]
        return {
            "num_edits": sum(map(len, self.chosen.values())),
            "edit": self.edits.psnr(),
            "copying_the_source": self.copies.psnr(),
            "autoencoder": self.reconstructions.psnr(),
            "nearest_own": round(float(np.mean(list(right.values()))), 4),
            "nearest_own_in_confusing_pairs": rounded(np.mean([right[name] for name in pairs])),
            "nearer_own_than_partner": mean_or_none(decided),
            "nearest_own_by_expression": {name: rounded(value) for name, value in right.items()},
        }


def measure(
    model: str, num_identities: int, strengths: Sequence[float], processes: int
) -> Iterator[dict[str, Any]]:
    """Edit test identities to every expression in both domains; yields the report so far after each.

    processes: that share the identities, one thread each: faster than one process with several threads.
    """
    first = PicturePlan().first_test_seed
    tallies = {(domain, strength): Tally() for domain in DOMAINS for strength in strengths}
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _start_worker, (model, tuple(strengths))) as pool:
        found = pool.imap(_measure_identity, [(first + i, i) for i in range(num_identities)])
        for index, (info, parts) in enumerate(found):
            for key, part in parts.items():
                tallies[key].merge(part)
            yield {
                "num_identities": index + 1,
                **info,
                "results": [
                    {"domain": domain, "strength": strength, **tally.summary()}
                    for (domain, strength), tally in tallies.items()
                ],
            }


Tallies = dict[tuple[Domain, float], Tally]
_worker: dict[str, Any] = {}  # of this process: its editor and the strengths


def _start_worker(model: str, strengths: tuple[float, ...]) -> None:
    torch.set_num_threads(1)
    _worker.update(editor=Editor.from_pretrained(model, adapter="none"), strengths=strengths)


def _measure_identity(job: tuple[int, int]) -> tuple[dict[str, Any], Tallies]:
    """What one identity adds, by domain and strength."""
    identity_seed, index = job
    editor, strengths = _worker["editor"], _worker["strengths"]
    tallies = {(domain, strength): Tally() for domain in DOMAINS for strength in strengths}
    for domain in DOMAINS:
        reconstructed = EXPRESSIONS[index % len(EXPRESSIONS)]
        _measure_portrait(editor, sample_identity(identity_seed), domain, strengths, reconstructed, tallies)
    return {"steps": editor.engine.info.steps, "dtype": editor.engine.info.dtype}, tallies


def _measure_portrait(
    editor: Editor,
    identity: Identity,
    domain: Domain,
    strengths: Sequence[float],
    reconstructed: str,
    tallies: Tallies,
) -> None:
    assert isinstance(editor.engine, QwenEngine)
    size, vae = editor.engine.info.size, editor.engine.parts.vae
    source = render(identity, action_units(NEUTRAL), domain, size)
    requests = [Request(name, None, None, tuple(strengths)) for name in EXPRESSIONS]
    results = editor.edit_many(Image.fromarray(source), requests, domain=domain)
    for position, strength in enumerate(strengths):
        truths = {
            name: [
                render(identity, action_units(name, strength, v), domain, size) for v in range(NUM_VARIANTS)
            ]
            for name in EXPRESSIONS
        }
        tally = tallies[domain, strength]
        for name, result in zip(EXPRESSIONS, results, strict=True):
            edit = np.asarray(result.images[position])
            distances = {other: [_distance(edit, truth) for truth in truths[other]] for other in truths}
            tally.chosen[name].append(min(distances, key=lambda other: min(distances[other])))
            truth = truths[name][int(np.argmin(distances[name]))]
            changed = (truth != source).any(-1)
            tally.edits.add(edit, truth, changed)
            tally.copies.add(source, truth, changed)
            if name == reconstructed:
                tally.reconstructions.add(_reconstruction(vae, truth), truth, changed)


@torch.inference_mode()
def _reconstruction(vae: AutoencoderKLQwenImage, picture_HWC: np.ndarray) -> np.ndarray:
    """The picture after the autoencoder alone."""
    latents_BCHW = encode_images(vae, to_tensor(Image.fromarray(picture_HWC)))
    return np.asarray(to_pictures(decode_latents(vae, latents_BCHW))[0])


def _distance(a_HWC: np.ndarray, b_HWC: np.ndarray) -> float:
    return float(np.square(a_HWC.astype(np.float32) - b_HWC).mean())


def _psnr(error: float, num: int) -> float | None:
    return round(10 * math.log10(255**2 * num / error), 3) if num and error else None


def main() -> None:
    """Measure and write the report; prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--identities", type=int, default=200)
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0])
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=None, help="default: quality.json in the model's folder")
    arguments = parser.parse_args()
    target = arguments.out or find_model(arguments.model) / "quality.json"
    reports = measure(arguments.model, arguments.identities, arguments.strengths, arguments.processes)
    for report in reports:
        write_report(report, target)
        if report["num_identities"] % 10 == 0:
            print(f"{report['num_identities']} of {arguments.identities} identities", flush=True)
    print(target.read_text(), end="")


if __name__ == "__main__":
    main()
