"""The calibration of the embedded markers: which errors earn full marks, and which earn none.

    python -m recipes.judge.marks [--judge runs/judge/finished] [--out marks.json]

Both ends of each scale are read off drawn truth, of people that nobody was trained on:

- Full marks reach as far as the errors of SOUND in ten pictures that have no fault: the drawn truth, as drawn
  and after the editor's autoencoder; for GTA also another person who shows the same.
- No marks begin where the errors of RUINED in ten begin that are all fault: for PQ a blur, noise and JPEG
  compression as `Ruin` says; for GTA another expression; for SC another one, or the source as it was.

In between marks fall evenly. The judge's weights stay as they are. `marks_quality.py` tests the result.
"""

import argparse
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from pixelsmile.embedded import judge_path
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, FED_BENCH_CLASSES, NEUTRAL, Domain
from pixelsmile.judges.embedded.judge import EmbeddedJudge, ScoredFace
from pixelsmile.judges.embedded.marks import CALIBRATION_FILE, Calibration, damage, drawn_scores
from pixelsmile.judges.judge import NoVerdict, Target
from pixelsmile.judges.marks import Scale, apart, missing
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, action_units, render, sample_identity
from pixelsmile.store.publication import write_file
from recipes.augmentation import through_jpeg
from recipes.command_line import refusing, start_log, whole
from recipes.judge.quality import reconstruction

VERSION = "drawn-marks-1"
PICTURE_PX = 256
STRENGTHS = (0.5, 1.0)
OTHER_PEOPLE = 50_000  # as far from a person's seed is that of another who shows the same
DAMAGES = ("blur", "noise", "compression", "double exposure")
SIGN_OF: Mapping[str, str] = {"softness": "blur", "grain": "noise", "blocks": "compression"}
SOUND, RUINED = 0.9, 0.75  # shares of the pictures
_NUM_DIGITS = 4

log = logging.getLogger("recipe")


@dataclass(frozen=True)
class Ruin:
    """Damage beyond use in a picture of PICTURE_PX: what earns no marks. A soft face is still found."""

    blur_px: float = 3.0  # radius
    noise: float = 32.0  # deviation, of 255
    jpeg_quality: int = 8
    shift_px: float = 6.0  # of a double exposure

    def damaged(self, image: Image.Image, kind: str, amount: float, rng: np.random.Generator) -> Image.Image:
        """`image` with that kind of damage (of DAMAGES), 0 (none) to 1."""
        if amount == 0:
            return image
        match kind:
            case "blur":
                return image.filter(ImageFilter.GaussianBlur(self.blur_px * amount))
            case "noise":
                noisy = np.asarray(image) + rng.normal(0, self.noise * amount, (*image.size[::-1], 3))
                return Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8))
            case "compression":
                quality = round(100 + (self.jpeg_quality - 100) * amount)
                return Image.fromarray(through_jpeg(np.asarray(image), quality))
            case "double exposure":
                return Image.blend(image, ImageChops.offset(image, round(self.shift_px * amount), 0), 0.5)
        raise ValueError(f"{kind!r} is no damage: use one of {DAMAGES}")


@dataclass(frozen=True)
class MarksPlan:
    """Who is drawn: `num_people` in each domain, from a seed on that is nobody else's."""

    first_seed: int = 7_600_000
    num_people: int = 24
    ruin: Ruin = field(default_factory=Ruin)


@dataclass
class Errors:
    """What was found at both ends of one scale."""

    sound: list[float] = field(default_factory=list)
    ruined: list[float] = field(default_factory=list)

    def scale(self) -> Scale:
        """Where full marks end and no marks begin."""
        full_at, none_at = np.quantile(self.sound, SOUND), np.quantile(self.ruined, 1 - RUINED)
        return Scale(full_at=round(float(full_at), _NUM_DIGITS), none_at=round(float(none_at), _NUM_DIGITS))


@dataclass(frozen=True)
class EditTask:
    """A task for one person, and the action units of what should and what might come of it."""

    seed: int
    domain: Domain
    target: Target  # with its strength
    source: ActionUnits
    truth: ActionUnits
    wrong: ActionUnits  # another expression than the target's and the source's

    def picture(self, units: ActionUnits, *, of_another: bool = False) -> Image.Image:
        """The person, or another one, with that movement."""
        seed = self.seed + OTHER_PEOPLE * of_another
        return Image.fromarray(render(sample_identity(seed), units, self.domain, PICTURE_PX))

    def towards(self, way: ActionUnits, amount: float) -> ActionUnits:
        """From the truth (0) to another face (1)."""
        return self.truth.scaled(1 - amount).plus(way.scaled(amount))


def task_of(seed: int, domain: Domain) -> EditTask:
    """The task of that person: source and target are of different classes of FED-Bench."""
    rng = np.random.default_rng((seed, len(domain)))
    shown, asked = rng.choice(list(FED_BENCH_CLASSES.values()), 2, replace=False).tolist()
    wrong = str(rng.choice([name for name in EXPRESSIONS if name not in (shown, asked)]))
    strengths = [0.0 if name == NEUTRAL else float(rng.uniform(*STRENGTHS)) for name in (shown, asked)]
    variants = rng.integers(NUM_VARIANTS, size=3).tolist()
    return EditTask(
        seed,
        domain,
        Target(asked, strengths[1]),
        action_units(shown, strengths[0], variants[0]),
        action_units(asked, strengths[1], variants[1]),
        action_units(wrong, max(strengths), variants[2]),
    )


def calibrate(judge: EmbeddedJudge, plan: MarksPlan) -> Calibration:
    """The calibration for that judge. Faces that it refuses are left out."""
    errors: defaultdict[str, Errors] = defaultdict(Errors)
    for index in range(plan.num_people):
        for domain in DOMAINS:
            for scale, found in _errors(judge, task_of(plan.first_seed + index, domain), plan.ruin):
                errors[scale].sound += found.sound
                errors[scale].ruined += found.ruined
        log.info("%d of %d people", index + 1, plan.num_people)
    return Calibration(
        version=VERSION,
        weights_sha256=str(judge.identity.parameters["weights_sha256"]),
        **{scale: found.scale() for scale, found in errors.items()},
    )


def _errors(judge: EmbeddedJudge, task: EditTask, ruin: Ruin) -> Iterator[tuple[str, Errors]]:
    """Both ends of all scales in the pictures of one person."""
    drawn = task.picture(task.truth)
    pictures = {
        "drawn": drawn,
        "reconstructed": reconstruction(drawn),
        "of another": task.picture(task.truth, of_another=True),
        "wrong": task.picture(task.wrong),
        "source": task.picture(task.source),
    }
    looks = {
        name: look for name, image in pictures.items() if not isinstance(look := judge.look(image), NoVerdict)
    }
    if len(looks) < len(pictures):
        log.info("person %d: %s refused", task.seed, ", ".join(sorted(set(pictures) - set(looks))))
        return
    yield from _damages(task, pictures, looks["drawn"], ruin)
    yield from _distances(task.target, {name: look.scores for name, look in looks.items()})


def _damages(
    task: EditTask, pictures: Mapping[str, Image.Image], look: ScoredFace, ruin: Ruin
) -> Iterator[tuple[str, Errors]]:
    rng = np.random.default_rng(task.seed)
    sound = [damage(pictures[name], look) for name in ("drawn", "reconstructed")]
    for sign, kind in SIGN_OF.items():
        ruined = damage(ruin.damaged(pictures["drawn"], kind, 1.0, rng), look)
        yield sign, Errors([getattr(found, sign) for found in sound], [getattr(ruined, sign)])


def _distances(target: Target, scores: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Errors]]:
    def aparts(names: Sequence[str]) -> list[float]:
        return [apart(scores["drawn"], scores[name]) for name in names]

    def missings(names: Sequence[str]) -> list[float]:
        targets = (target, Target(target.expression))  # as dense and as simple instructions ask
        return [
            missing(asked, scores["source"], scores[name], drawn_scores)
            for asked in targets
            for name in names
        ]

    yield "truth_alignment", Errors(aparts(("reconstructed", "of another")), aparts(("wrong",)))
    yield "consistency", Errors(missings(("drawn", "reconstructed")), missings(("source", "wrong")))


@refusing()
def main() -> None:
    """Calibrate, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", type=Path, default=None, help="its folder (default: the one that ships)")
    parser.add_argument("--people", type=whole(), default=MarksPlan().num_people, help="in each domain")
    parser.add_argument("--out", type=Path, default=None, help=f"default: {CALIBRATION_FILE} in that folder")
    arguments = parser.parse_args()
    start_log()
    folder = arguments.judge or judge_path()
    calibration = calibrate(EmbeddedJudge(folder), MarksPlan(num_people=arguments.people))
    target = arguments.out or folder / CALIBRATION_FILE
    write_file(target, (calibration.model_dump_json(indent=2) + "\n").encode(), force=True)
    print(target.read_text(), end="")


if __name__ == "__main__":
    main()
