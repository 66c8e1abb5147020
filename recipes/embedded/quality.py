"""How good the embedded editor is: against drawn truth, on identities that it was never trained on.

    python -m recipes.embedded.quality --identities 200 --out quality.json
    python -m recipes.embedded.quality --model runs/embedded/model --strengths 0 0.5 1 1.5 --damage
    python -m recipes.embedded.quality --adapters --strengths 0 0.25 0.5 0.75 1 1.5 --out adapted.json

An edit of a neutral portrait is compared with the canonical drawing of what the prompt asks for at that
strength: of a person with glasses, within the confused pairs, that is the partner's, as the editor was taught
(pairs.confused_label). PSNR is taken from the mean squared error over all pixels of a kind, of all edits
together: changed pixels are those that the drawing at that strength, or the full one, changes, so that
strength 0 has some too; unchanged ones are the others. The autoencoder's own error, the ceiling, and damage
are taken on one of the expressions of each identity, another in turn. With three strengths up to 1, evenness
tells how evenly edits go the way from source to full truth (benchmarks.metrics.evenness, of the share of the
way that the edit has gone); `moved` says for each strength how far edits move on from the one before it, as
the share of the drawings' movement that lies on it: 1 is as far as the truth, 0 is not at all (null: the
drawings are the same).

With --adapters the model's own adapters act, and everybody is to be drawn as asked for.

A report says in `compared_with` what its truth is. Those that do not are of before: any of the variants of an
expression was right, the nearest was taken, and nobody was expected to get the partner.
"""

import argparse
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from PIL import Image

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.evenness import evenness, moving_share
from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.folders import find_model
from pixelsmile.editing.pictures import to_pictures, to_tensor
from pixelsmile.editing.requests import Request
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain, confusing_partner, parse_strength
from pixelsmile.portraits import action_units, render, sample_identity
from pixelsmile.portraits.damage import damage_of
from pixelsmile.portraits.nearest import DrawnPerson
from pixelsmile.store.publication import check_place
from recipes.command_line import checked, mean_or_none, refusing, rounded, whole, write_report
from recipes.embedded.pairs import confused_label
from recipes.embedded.plan import PicturePlan
from recipes.embedded.sheet import require_own_adapter

COMPARED_WITH = "the canonical drawing; of people with glasses, within confused pairs, the partner's"
COMPARED_WITH_ADAPTERS = "the canonical drawing of what was asked for"
MIN_POINTS = MetricChoices().min_points
Way = tuple[np.ndarray, np.ndarray]


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
        if (psnr_db := _psnr(float(square_HW.sum()), square_HW.size)) is not None:
            self.pictures_db.append(psnr_db)

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
    """What is counted at one strength in one domain.

    chosen: for each expression that was asked for, the one whose drawing the edit is nearest to, of people
    who are drawn what they ask for. chosen_by_confused: of those who are drawn the partner.
    """

    edits: Errors = field(default_factory=Errors)
    copies: Errors = field(default_factory=Errors)
    reconstructions: Errors = field(default_factory=Errors)
    chosen: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in EXPRESSIONS})
    chosen_by_confused: dict[str, list[str]] = field(default_factory=dict)
    damages: list[float] = field(default_factory=list)

    def merge(self, other: "Tally") -> None:
        """Count what another has counted."""
        self.edits.merge(other.edits)
        self.copies.merge(other.copies)
        self.reconstructions.merge(other.reconstructions)
        for name, choices in other.chosen.items():
            self.chosen[name] += choices
        for name, choices in other.chosen_by_confused.items():
            self.chosen_by_confused.setdefault(name, []).extend(choices)
        self.damages += other.damages

    def summary(self) -> dict[str, Any]:
        """The numbers of the report; shares are null of no edits.

        `nearest_own`: edits of people who are drawn what they ask for that are nearer to that than to any
        other expression, outside of the confused pairs and within; `nearest_partner`: those of the others,
        nearest to the partner. `damage`: quartiles, in grey levels (portraits.damage).
        """
        pairs = [name for name in EXPRESSIONS if confusing_partner(name)]
        others = [name for name in EXPRESSIONS if name not in pairs]
        own = {name: [choice == name for choice in self.chosen[name]] for name in EXPRESSIONS}
        partner = [
            choice == confusing_partner(name)
            for name, choices in self.chosen_by_confused.items()
            for choice in choices
        ]
        quartiles = np.quantile(self.damages, (0.25, 0.5, 0.75)) if self.damages else None
        return {
            "num_edits": sum(map(len, (*self.chosen.values(), *self.chosen_by_confused.values()))),
            "edit": self.edits.psnr(),
            "copying_the_source": self.copies.psnr(),
            "autoencoder": self.reconstructions.psnr(),
            "nearest_own": mean_or_none([right for name in others for right in own[name]]),
            "nearest_own_in_confusing_pairs": mean_or_none([right for name in pairs for right in own[name]]),
            "nearest_partner_with_glasses": mean_or_none(partner),
            "nearest_own_by_expression": {name: mean_or_none(rights) for name, rights in own.items()},
            "damage": None if quartiles is None else [rounded(value, 2) for value in quartiles],
        }


@dataclass
class Ways:
    """How edits of one domain move, sweep by sweep.

    gone: how far from source to full truth, by strength. moves: from each strength to the next, the product
    of the edit's movement and the drawing's, and the square of the drawing's, (2, strengths - 1).
    """

    strengths: tuple[float, ...]
    gone: list[tuple[float, ...]] = field(default_factory=list)
    moves: list[np.ndarray] = field(default_factory=list)

    def add(self, edits: Sequence[np.ndarray], truths: Sequence[np.ndarray], way: Way) -> None:
        """Count a sweep: pictures by strength, uint8; way: the source and the full truth."""
        self.gone.append(tuple(_share(edit, *way) for edit in edits))
        edit_PX, truth_PX = (
            np.diff(np.stack(pictures).astype(np.float64).reshape(len(pictures), -1), axis=0)
            for pictures in (edits, truths)
        )
        self.moves.append(np.stack([(edit_PX * truth_PX).sum(1), (truth_PX**2).sum(1)]))

    def merge(self, other: "Ways") -> None:
        """Count what another has counted."""
        self.gone += other.gone
        self.moves += other.moves

    def summary(self) -> dict[str, Any]:
        """The numbers of the report."""
        shares = zip(self.strengths[1:], *np.sum(self.moves, axis=0), strict=True)
        return {
            **self.evenness(),
            "moved": {f"{at:g}": rounded(along / length) if length else None for at, along, length in shares},
        }

    def evenness(self) -> dict[str, float | None]:
        """Evenness and the share of the range that moves; None where strengths are too few."""
        taken = [place for place, strength in enumerate(self.strengths) if strength <= 1]
        if len(taken) < MIN_POINTS or not self.gone:
            return {"evenness": None, "moving_share": None}
        strength_P, found = np.array(self.strengths)[taken], {}
        for name, of_sweep in (("evenness", evenness), ("moving_share", moving_share)):
            parts = np.array([of_sweep(strength_P, np.array(gone)[taken]) for gone in self.gone])
            reached, height = parts.sum(axis=0)
            found[name] = rounded(reached / height) if height else None
        return found


def measure(
    model: str,
    num_identities: int,
    strengths: Sequence[float],
    processes: int,
    *,
    damage: bool = False,
    trained: bool = False,
    adapters: bool = False,
) -> Iterator[dict[str, Any]]:
    """Edit test identities to every expression in both domains; yields the report so far after each.

    processes: that share the identities, one thread each: faster than one process with several threads.
    damage: whether one edit of each identity and strength is looked at for it. trained: take identities that
    it was trained on instead. adapters: whether the model's own act. ModelError, also where it lacks one.
    """
    for domain in DOMAINS if adapters else ():
        require_own_adapter(model, domain)
    work = _Work(model, tuple(sorted(set(strengths))), damage, adapters)
    tallies = {(domain, strength): Tally() for domain in DOMAINS for strength in work.strengths}
    ways = {domain: Ways(work.strengths) for domain in DOMAINS}
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, torch.set_num_threads, (1,)) as pool:
        jobs = [(_seeds(index, trained), index) for index in range(num_identities)]
        found = pool.imap(partial(_measure_identity, work), jobs)
        for index, (info, parts, gone) in enumerate(found):
            for key, part in parts.items():
                tallies[key].merge(part)
            for domain, sweeps in gone.items():
                ways[domain].merge(sweeps)
            yield {
                "num_identities": index + 1,
                **({"trained_on_them": True} if trained else {}),
                "compared_with": COMPARED_WITH_ADAPTERS if adapters else COMPARED_WITH,
                **info,
                "results": [
                    {"domain": domain, "strength": strength, **tally.summary()}
                    for (domain, strength), tally in tallies.items()
                ],
                "control": {domain: of_domain.summary() for domain, of_domain in ways.items()},
            }


def _seeds(index: int, trained: bool) -> dict[Domain, int]:
    """The seed of the `index`-th identity in each domain: in training each domain has its own."""
    plan = PicturePlan()
    if not trained:
        return dict.fromkeys(DOMAINS, plan.first_test_seed + index)
    first = plan.first_training_seed + index * len(DOMAINS)
    return {domain: first + place for place, domain in enumerate(DOMAINS)}


Tallies = dict[tuple[Domain, float], Tally]


@dataclass(frozen=True)
class _Work:
    """What is measured, of which editor."""

    model: str
    strengths: tuple[float, ...]
    damage: bool
    adapters: bool


@cache
def _editor(work: _Work) -> Editor:
    """Loaded by the first job of a process: one that fails before it a pool begins anew, for ever."""
    return Editor.from_pretrained(work.model, adapter=None if work.adapters else "none")


def _measure_identity(
    work: _Work, job: tuple[dict[Domain, int], int]
) -> tuple[dict[str, Any], Tallies, dict[Domain, Ways]]:
    """What one identity adds, by domain and strength, and by domain."""
    seeds, index = job
    editor = _editor(work)
    tallies = {(domain, strength): Tally() for domain in DOMAINS for strength in work.strengths}
    ways = {domain: Ways(work.strengths) for domain in DOMAINS}
    for domain in DOMAINS:
        portrait = _Portrait(seeds[domain], domain, editor.engine.info.size)
        of_strengths = [tallies[domain, strength] for strength in work.strengths]
        _measure_portrait(editor, work, portrait, index % len(EXPRESSIONS), of_strengths, ways[domain])
    return {"steps": editor.engine.info.steps, "dtype": editor.engine.info.dtype}, tallies, ways


@dataclass(frozen=True)
class _Portrait:
    """A person in a domain, at the editor's size."""

    seed: int
    domain: Domain
    size: int

    def draw(self, expression: str, strength: float = 1.0) -> np.ndarray:
        """The canonical drawing: uint8 (S, S, 3)."""
        return render(sample_identity(self.seed), action_units(expression, strength), self.domain, self.size)


def _measure_portrait(
    editor: Editor, work: _Work, portrait: _Portrait, turn: int, tallies: Sequence[Tally], ways: Ways
) -> None:
    """turn: the place of the expression that is reconstructed and looked at for damage."""
    source = portrait.draw(NEUTRAL)
    requests = [Request(name, None, None, ways.strengths) for name in EXPRESSIONS]
    results = editor.edit_many(Image.fromarray(source), requests, domain=portrait.domain)
    edits = {
        name: [np.asarray(image) for image in result.images]
        for name, result in zip(EXPRESSIONS, results, strict=True)
    }
    full = {name: portrait.draw(name) for name in EXPRESSIONS}
    meant = {name: name if work.adapters else confused_label(name, portrait.seed) for name in EXPRESSIONS}
    drawn = [{name: portrait.draw(name, strength) for name in EXPRESSIONS} for strength in ways.strengths]
    for place, (strength, tally, truths) in enumerate(zip(ways.strengths, tallies, drawn, strict=True)):
        for name in EXPRESSIONS:
            edit, truth = edits[name][place], truths[meant[name]]
            changed = (truth != source).any(-1) | (full[meant[name]] != source).any(-1)
            tally.edits.add(edit, truth, changed)
            tally.copies.add(source, truth, changed)
            if strength > 0:  # at 0 all drawings are one
                nearest = min(truths, key=lambda other: _distance(edit, truths[other]))
                chosen = tally.chosen if meant[name] == name else tally.chosen_by_confused
                chosen.setdefault(name, []).append(nearest)
        name = EXPRESSIONS[turn]
        look = edits[name][place] if work.damage else None
        _look_closer(editor, portrait, name, strength, source, look, tally)
    for name in EXPRESSIONS:
        way = (source, full[meant[name]])
        ways.add(edits[name], [truths[meant[name]] for truths in drawn], way)


def _look_closer(
    editor: Editor,
    portrait: _Portrait,
    name: str,
    strength: float,
    source: np.ndarray,
    edit: np.ndarray | None,
    tally: Tally,
) -> None:
    """What takes long, for one expression: the autoencoder's error, and the damage of an edit, if any."""
    assert isinstance(editor.engine, QwenEngine)
    truth = portrait.draw(name, strength)
    changed = (truth != source).any(-1) | (portrait.draw(name) != source).any(-1)
    tally.reconstructions.add(_reconstruction(editor.engine.parts.vae, truth), truth, changed)
    if edit is not None:
        person = DrawnPerson(sample_identity(portrait.seed), portrait.domain)
        tally.damages.append(damage_of(Image.fromarray(edit), person).damage)


def _share(edit: np.ndarray, source: np.ndarray, full: np.ndarray) -> float:
    """How much of the way from source to full truth an edit has gone: its projection on that way."""
    way = full.astype(np.float64) - source
    return float(((edit.astype(np.float64) - source) * way).sum() / (way * way).sum())


@torch.inference_mode()
def _reconstruction(vae: AutoencoderKLQwenImage, picture_HWC: np.ndarray) -> np.ndarray:
    """The picture after the autoencoder alone."""
    latents_BCHW = encode_images(vae, to_tensor(Image.fromarray(picture_HWC)))
    return np.asarray(to_pictures(decode_latents(vae, latents_BCHW))[0])


def _distance(a_HWC: np.ndarray, b_HWC: np.ndarray) -> float:
    return float(np.square(a_HWC.astype(np.float32) - b_HWC).mean())


def _psnr(error: float, num: int) -> float | None:
    return round(10 * math.log10(255**2 * num / error), 3) if num and error else None


@refusing()
def main() -> None:
    """Measure and write the report; prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--identities", type=whole(), default=200)
    parser.add_argument("--strengths", type=checked(parse_strength), nargs="+", default=[1.0])
    parser.add_argument("--processes", type=whole(), default=os.cpu_count() or 1)
    parser.add_argument("--damage", action="store_true", help="of one edit of each identity and strength")
    parser.add_argument("--trained", action="store_true", help="on identities that it was trained on")
    parser.add_argument("--adapters", action="store_true", help="with those of the model")
    parser.add_argument("--out", type=Path, default=None, help="default: quality.json in the model's folder")
    arguments = parser.parse_args()
    if arguments.out is None and (arguments.trained or arguments.adapters):
        parser.error("--trained and --adapters want --out: the model's quality.json is of other numbers")
    folder = find_model(arguments.model)  # of one with weights: its autoencoder is measured, too
    target = arguments.out or folder / "quality.json"
    so_far = target.with_stem(f"{target.stem}-so-far")  # what a run that is stopped leaves
    check_place(target.parent, [target.name, so_far.name], force=True)
    reports = measure(
        arguments.model,
        arguments.identities,
        arguments.strengths,
        arguments.processes,
        damage=arguments.damage,
        trained=arguments.trained,
        adapters=arguments.adapters,
    )
    for report in reports:
        write_report(report, so_far)
        if report["num_identities"] % 10 == 0:
            print(f"{report['num_identities']} of {arguments.identities} identities", flush=True)
    so_far.replace(target)
    print(target.read_text(), end="")


if __name__ == "__main__":
    main()
