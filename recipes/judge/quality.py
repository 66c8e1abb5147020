"""How good the embedded judge is: on people that it was never trained on, against drawn truth.

    python -m recipes.judge.quality --judge runs/judge/finished --photographs PHOTOS

Each test person is drawn in both domains: at rest, and with the twelve expressions at rising strengths. So
are others, whose pictures then pass the editor's autoencoder. Of edits by the embedded editor there is no
truth: there the refusals count, and the share that is judged as what was asked for tells of the editor too.
Photographs and other people's drawings must get no verdict.
Shape suffixes: N pictures, E expressions.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.pictures import to_pictures, to_tensor
from pixelsmile.editing.requests import Request
from pixelsmile.errors import ImageError, InputError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain, confusing_partner
from pixelsmile.images import load_image
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.judge import (
    NoVerdict,
    Verdict,
)
from pixelsmile.portraits import NUM_VARIANTS, action_units, draw_portrait, sample_identity
from recipes.command_line import mean_or_none, refusing, rounded, whole, write_report
from recipes.judge.plan import PicturePlan
from recipes.pictures import worker_map

DRAWN, RECONSTRUCTED, EDITED = "drawn", "reconstructed", "edited"
_PORTRAIT_PX = 256


@dataclass(frozen=True)
class JudgeTest:
    """How many people there are of each kind, in each domain, and how strong their expressions are."""

    num_drawn: int = 60
    num_reconstructed: int = 15
    num_edited: int = 6
    strengths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.25)


@dataclass(frozen=True)
class Judged:
    """A picture of an expression at a strength, its true scores, and what the judge said."""

    expression: str
    strength: float
    truth: np.ndarray  # E
    outcome: Verdict | NoVerdict


@dataclass
class Tally:
    """What was judged of one person."""

    judged: list[Judged] = field(default_factory=list)
    judging_s: float = 0.0


Job = tuple[str, Domain, int]  # kind, domain, seed


def measure(
    folder: Path, test: JudgeTest, num_processes: int, detector: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Yields how many people are done, at last the report. detector: see EmbeddedJudge."""
    jobs = _jobs(test)
    tallies: dict[tuple[str, str], Tally] = {}
    with worker_map(num_processes) as mapped:
        judged = mapped(JudgePerson(folder, detector, test.strengths), jobs)
        for number, ((kind, domain, _), tally) in enumerate(zip(jobs, judged, strict=True), 1):
            total = tallies.setdefault((kind, domain), Tally())
            total.judged += tally.judged
            total.judging_s += tally.judging_s
            yield {"people": number, "of": len(jobs)}
    yield _report(tallies, test.strengths)


def judge_photographs(judge: EmbeddedJudge, folders: Sequence[Path]) -> dict[str, Any]:
    """What becomes of every picture file in these folders; InputError where there is none."""
    refused, accepted = {"no face": 0, "not drawn": 0}, []
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.is_file()):
        try:
            image = load_image(path)
        except ImageError:  # an index, a film, a text
            continue
        outcome = judge.judge_pictures([image])[0]
        if isinstance(outcome, NoVerdict):
            refused["not drawn" if outcome.transcript else "no face"] += 1
        else:
            accepted.append({"file": path.name, "dominant": outcome.dominant, "seen": outcome.transcript[0]})
    num = sum(refused.values()) + len(accepted)
    if not num:
        raise InputError(
            f"there is no picture in {', '.join(map(str, folders))}: name folders of photographs"
        )
    return {"pictures": num, "refused": num - len(accepted), "refused_for": refused, "accepted": accepted}


def _jobs(test: JudgeTest) -> list[Job]:
    """Every person is met once."""
    first = PicturePlan().first_test_seed
    jobs: list[Job] = []
    for kind, num in (
        (DRAWN, test.num_drawn),
        (RECONSTRUCTED, test.num_reconstructed),
        (EDITED, test.num_edited),
    ):
        for index in range(num):
            jobs += [(kind, domain, first + index) for domain in DOMAINS]
        first += num
    return jobs


@dataclass(frozen=True)
class JudgePerson:
    """Shows a person to the judge, in whatever process."""

    folder: Path
    detector: Path | None
    strengths: tuple[float, ...]

    def __call__(self, job: Job) -> Tally:
        """All pictures of a person."""
        if parent_process() is not None:
            torch.set_num_threads(1)  # the processes share the cores
        kind, domain, seed = job
        shown = list((_edits if kind == EDITED else _drawn)(seed, domain, self.strengths))
        images = [reconstruction(one.image) if kind == RECONSTRUCTED else one.image for one in shown]
        judge = _judge(self.folder, self.detector)
        started = time.monotonic()
        outcomes = judge.judge_pictures(images)
        judging_s = time.monotonic() - started
        judged = [
            Judged(one.expression, one.strength, one.truth, said)
            for one, said in zip(shown, outcomes, strict=True)
        ]
        return Tally(judged, judging_s)


@cache
def _judge(folder: Path, detector: Path | None) -> EmbeddedJudge:
    return EmbeddedJudge(folder, detector=detector)


@cache
def _editor() -> Editor:
    return Editor.from_pretrained("embedded", adapter="none")


class Shown(NamedTuple):
    """What the judge is shown. truth: scores (E), not numbers where there is none."""

    image: Image.Image
    expression: str
    strength: float
    truth: np.ndarray


def _drawn(seed: int, domain: Domain, strengths: Sequence[float]) -> Iterator[Shown]:
    """The person at rest, then all expressions, each in one variant, at all strengths."""
    identity = sample_identity(seed)
    for number, expression in enumerate((NEUTRAL, *EXPRESSIONS)):
        for strength in strengths if expression != NEUTRAL else (0.0,):
            units = action_units(expression, strength, (seed + number) % NUM_VARIANTS)
            portrait = draw_portrait(identity, units, domain, _PORTRAIT_PX)
            truth = np.array([portrait.truth.scores[name] for name in EXPRESSIONS])
            yield Shown(portrait.image, expression, strength, truth)


def _edits(seed: int, domain: Domain, strengths: Sequence[float]) -> Iterator[Shown]:
    """The person's neutral portrait, edited. There is no truth: no number."""
    source = draw_portrait(sample_identity(seed), action_units(NEUTRAL), domain, _PORTRAIT_PX).image
    requests = [Request(name, None, None, tuple(strengths)) for name in EXPRESSIONS]
    unknown = np.full(len(EXPRESSIONS), np.nan)
    for name, result in zip(EXPRESSIONS, _editor().edit_many(source, requests, domain=domain), strict=True):
        for strength, image in zip(strengths, result.images, strict=True):
            yield Shown(image, name, strength, unknown)


@torch.inference_mode()
def reconstruction(image: Image.Image) -> Image.Image:
    """The picture after the editor's autoencoder alone."""
    engine = _editor().engine
    assert isinstance(engine, QwenEngine)
    return to_pictures(decode_latents(engine.parts.vae, encode_images(engine.parts.vae, to_tensor(image))))[0]


def _report(tallies: dict[tuple[str, str], Tally], strengths: Sequence[float]) -> dict[str, Any]:
    num = sum(len(tally.judged) for tally in tallies.values())
    seconds = sum(tally.judging_s for tally in tallies.values())
    results, edits = [], []
    for (kind, domain), tally in tallies.items():
        if kind != EDITED:
            results.append({"kind": kind, "domain": domain, **summary(tally.judged)})
        else:
            edits.append(
                {"domain": domain, "pictures": len(tally.judged), **_of_edits(tally.judged, strengths)}
            )
    return {
        "pictures": num,
        "pictures_per_s_of_one_process": round(num / seconds, 1),
        "results": results,
        "edits": edits,
    }


def _of_edits(judged: list[Judged], strengths: Sequence[float]) -> dict[str, Any]:
    """Refusals; and at each strength the mean score of what was asked for, and how often it dominates."""
    found = []
    for strength in strengths:
        said = [
            (one.outcome.scores[one.expression], one.outcome.dominant == one.expression)
            for one in judged
            if one.strength == strength and not isinstance(one.outcome, NoVerdict)
        ]
        score, asked = np.mean(said, axis=0) if said else (None, None)
        means = {
            name: None if value is None else round(float(value), 4)
            for name, value in (("score_of_the_asked", score), ("judged_as_asked", asked))
        }
        found.append({"strength": strength, **means})
    return {**refusals(judged), "curve": found}


def summary(judged: list[Judged]) -> dict[str, Any]:
    """Refusals are counted beside the scores and enter none of them."""
    scored = [one for one in judged if not isinstance(one.outcome, NoVerdict)]
    truths_NE = np.array([one.truth for one in scored]).reshape(-1, len(EXPRESSIONS))
    scores_NE = np.array([_scores(one) for one in scored]).reshape(-1, len(EXPRESSIONS))
    full = [one for one in scored if one.strength == 1]
    neutral = [one for one in scored if one.expression == NEUTRAL]
    return {
        "pictures": len(judged),
        **refusals(judged),
        "accuracy_12": _share(full),
        "accuracy_in_pairs": _share([one for one in full if confusing_partner(one.expression)]),
        "pairs": _pairs(full),
        "accuracy_by_expression": {
            name: _share([one for one in full if one.expression == name]) for name in EXPRESSIONS
        },
        "neutral_seen_as_neutral": _share(neutral),
        "mean_absolute_error": rounded(np.abs(scores_NE - truths_NE).mean()) if scored else None,
        "pearson": {
            name: _pearson(scores_NE[:, index], truths_NE[:, index]) for index, name in enumerate(EXPRESSIONS)
        },
        "curve": [_point(scored, strength) for strength in sorted({one.strength for one in scored})],
    }


def refusals(judged: list[Judged]) -> dict[str, Any]:
    """How many pictures have no verdict, and why."""
    reasons = Counter(
        "no face" if not one.outcome.transcript else "not drawn"
        for one in judged
        if isinstance(one.outcome, NoVerdict)
    )
    share = reasons.total() / len(judged) if judged else None
    return {
        "refused": reasons.total(),
        "refused_share": None if share is None else rounded(share),
        "refused_for": dict(reasons),
    }


def _pairs(full: list[Judged]) -> dict[str, dict[str, float | None]]:
    """What the members of confusing pairs are taken for: themselves, their partner, or something else."""
    found = {}
    for name in EXPRESSIONS:
        if partner := confusing_partner(name):
            said = [_dominant(one) for one in full if one.expression == name]
            shares = {key: said.count(key) / len(said) if said else None for key in (name, partner)}
            found[name] = {key: None if share is None else rounded(share) for key, share in shares.items()}
    return found


def _point(scored: list[Judged], strength: float) -> dict[str, float]:
    """The mean score of the expression that was drawn at a strength; of a neutral face its highest."""
    here = [one for one in scored if one.strength == strength]
    picked = [
        (one.truth.max(), _scores(one).max())
        if one.expression == NEUTRAL
        else (one.truth[_index(one)], _scores(one)[_index(one)])
        for one in here
    ]
    true, judged = np.mean(picked, axis=0)
    return {"strength": strength, "true": rounded(true), "judged": rounded(judged)}


def _scores(one: Judged) -> np.ndarray:
    assert not isinstance(one.outcome, NoVerdict)
    return np.array([one.outcome.scores[name] for name in EXPRESSIONS])


def _dominant(one: Judged) -> str:
    assert not isinstance(one.outcome, NoVerdict)
    return one.outcome.dominant


def _index(one: Judged) -> int:
    return EXPRESSIONS.index(one.expression)


def _share(judged: list[Judged]) -> float | None:
    """Of those whose dominant expression is the one that was drawn."""
    return mean_or_none(_dominant(one) == one.expression for one in judged)


def _pearson(a_N: np.ndarray, b_N: np.ndarray) -> float | None:
    if len(a_N) < 2 or a_N.std() == 0 or b_N.std() == 0:
        return None
    return rounded(np.corrcoef(a_N, b_N)[0, 1])


@refusing()
def main() -> None:
    """Measure the judge and write the report; prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", type=Path, required=True, help="the folder of a finished recipe")
    parser.add_argument(
        "--people", type=whole(), default=JudgeTest().num_drawn, help="that are drawn, in each domain"
    )
    parser.add_argument(
        "--reconstructed", type=whole(), default=JudgeTest().num_reconstructed, help="people, in each domain"
    )
    parser.add_argument(
        "--edited", type=whole(), default=JudgeTest().num_edited, help="people, in each domain"
    )
    parser.add_argument(
        "--photographs", type=Path, nargs="+", default=[], help="folders of pictures to refuse"
    )
    parser.add_argument("--processes", type=whole(), default=os.cpu_count() or 1)
    parser.add_argument(
        "--detector", type=Path, default=None, help="its folder (default: the one that ships)"
    )
    parser.add_argument("--out", type=Path, default=None, help="default: quality.json beside the weights")
    arguments = parser.parse_args()
    test = JudgeTest(arguments.people, arguments.reconstructed, arguments.edited)
    judge = EmbeddedJudge(arguments.judge, detector=arguments.detector)
    report: dict[str, Any] = {"judge": judge.identity.to_record()}
    if arguments.photographs:
        report["photographs"] = judge_photographs(judge, arguments.photographs)
    target = arguments.out or arguments.judge / "quality.json"
    for part in measure(arguments.judge, test, arguments.processes, arguments.detector):
        if "people" not in part:
            report |= part
        elif part["people"] % 10 == 0:
            print(f"{part['people']} of {part['of']} people", flush=True)
    write_report(report, target)
    print(target.read_text(), end="")


if __name__ == "__main__":
    main()
