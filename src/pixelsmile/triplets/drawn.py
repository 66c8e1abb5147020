"""Triplets of drawn portraits, each settled by (seed, index) alone: on demand, or in a folder.

A person by chance, and a pair of expressions, often a confusing one. The source is neutral, or now and then
shows a third expression slightly. Boxes, landmarks and scores are the truth about each picture.

With `levels` the labels are like MEAD's (PixelSmile, Appendix C): each target belongs to a level, and its
label is that level, one-hot. What is drawn strays from the level by up to `level_spread` (but not beyond 1),
for one person's "medium" is another's "high"; by default as far as the middle between two levels of MEAD.

A folder holds

    plan.json                    written first: what is drawn here, however much of it
    pictures/0000/               0000012-source.png, -a.png and -b.png
    triplets.partial.jsonl       a line for each triplet whose pictures are on disk
    triplets.jsonl               the same file, once it holds all of them
    manifest.json                written last

More can be drawn later: until all of it is there, triplets.jsonl and the manifest stay as they are.
"""

import io
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import CONFUSING_PAIRS, DOMAINS, EXPRESSIONS, NEUTRAL, Domain, check_strengths
from pixelsmile.images import MIN_SIDE_PX
from pixelsmile.limits import read_json_object
from pixelsmile.portraits import NUM_VARIANTS, Portrait, action_units, draw_portrait, sample_identity
from pixelsmile.store.json_lines import LineWriter, read_lines
from pixelsmile.store.publication import staged, write_file
from pixelsmile.store.run_folder import WorkFolder, require_same
from pixelsmile.triplets.mead import LEVEL_STRENGTHS
from pixelsmile.triplets.triplet import Landmarks, SourceImage, Target, Triplet, TripletLine, one_hot_scores

FIRST_IDENTITY = 10_000_000  # the seeds below belong to the benchmarks and to the embedded models
MEAD_LEVELS: tuple[float, ...] = tuple(LEVEL_STRENGTHS.values())

LINES_NAME = "triplets.jsonl"
PARTIAL_NAME = "triplets.partial.jsonl"

_VERSION = "drawn-triplets-2"
_NUM_DECIMALS = 3  # of pixels and scores, so that lines stay readable; the same in a file and on demand
_FOLDER_SIZE = 1000  # triplets


@dataclass(frozen=True)
class DrawingSettings:
    """Which triplets are drawn. InputError for numbers that make no sense.

    domains: by turns. size_px: side of the pictures. num_identities: people to choose from, from seed
    FIRST_IDENTITY on. confusing_share: of the triplets, those with a pair of CONFUSING_PAIRS; the others
    have any two expressions. neutral_share: of the sources, those that are neutral; the others show a third
    expression in any of its variants, uniformly between slight_strengths. strengths: of the targets, uniform
    between these two. num_variants: of the drawings of an expression, those that targets choose from; the
    first is the canonical one, which a prompt without attributes stands for. strengths may go up to
    MAX_STRENGTH: a picture beyond the full expression has its strength for its own score.
    levels: takes the place of `strengths`, each level as often as another; see above.
    """

    seed: int = 0
    domains: tuple[Domain, ...] = DOMAINS
    size_px: int = 256
    num_identities: int = 1_000_000
    confusing_share: float = 0.4
    neutral_share: float = 0.8
    slight_strengths: tuple[float, float] = (0.1, 0.4)
    strengths: tuple[float, float] = (0.1, 1.0)
    num_variants: int = 1
    levels: tuple[float, ...] | None = None
    level_spread: float = 0.125

    def __post_init__(self) -> None:
        for name in ("confusing_share", "neutral_share", "level_spread"):
            _check_unit(name, (getattr(self, name),))
        _check_unit("slight_strengths", self.slight_strengths)
        check_strengths(self.strengths)
        for name in ("slight_strengths", "strengths"):
            if list(getattr(self, name)) != sorted(getattr(self, name)):
                raise InputError(f"{name} {getattr(self, name)!r}: put the lower one first")
        _check_unit("levels", self.levels or ())
        if not self.domains or not set(self.domains) <= set(DOMAINS):
            raise InputError(f"domains {self.domains!r}: use one or more of {', '.join(DOMAINS)}")
        if self.size_px < MIN_SIDE_PX:
            raise InputError(f"size_px {self.size_px!r}: pictures have at least {MIN_SIDE_PX} px a side")
        if not 1 <= self.num_variants <= NUM_VARIANTS:
            raise InputError(f"num_variants {self.num_variants!r}: use 1 to {NUM_VARIANTS}")
        if self.seed < 0 or self.num_identities < 1 or self.levels == ():
            raise InputError(f"{self!r}: use a seed of 0 or more, one person or more, one level or more")


@dataclass(frozen=True)
class FaceSample:
    """What one picture shows. level: its label where labels are one-hot, else None."""

    expression: str
    strength: float  # 0..MAX_STRENGTH
    variant: int
    level: float | None = None


@dataclass(frozen=True)
class TripletSample:
    """A triplet before it is drawn."""

    identity_seed: int
    domain: Domain
    source: FaceSample
    a: FaceSample
    b: FaceSample


def draw_triplet(
    settings: DrawingSettings, index: int, folder: Path = Path()
) -> tuple[Triplet, tuple[Image.Image, Image.Image, Image.Image]]:
    """Triplet `index`, whose files would lie in `folder`, and its pictures: source, a, b.

    The same settings and index give the same pixels. InputError below index 0.
    """
    sample = sample_triplet(settings, index)
    identity = sample_identity(sample.identity_seed)

    def draw(face: FaceSample) -> Portrait:
        units = action_units(face.expression, face.strength, face.variant)
        return draw_portrait(identity, units, sample.domain, settings.size_px)

    source, a, b = draw(sample.source), draw(sample.a), draw(sample.b)
    triplet = Triplet(
        SourceImage(_path(folder, index, "source"), _box(source), _landmarks(source)),
        _target(_path(folder, index, "a"), sample.a, a),
        _target(_path(folder, index, "b"), sample.b, b),
        sample.domain,
        str(sample.identity_seed),
    )
    return triplet, (source.image, a.image, b.image)


def write_drawn(
    folder: Path,
    num_triplets: int,
    settings: DrawingSettings | None = None,
    *,
    num_processes: int | None = None,
) -> Iterator[int]:
    """Draw the first triplets into `folder`; yields how many are there, from the start on.

    The same call goes on where a killed one stopped, with the same result for any `num_processes` (by default
    one a core). One that asks for more than a finished one draws what is missing to that. OutputError where
    more are there than asked for, where the folder holds something else or has other settings, where another
    process is drawing in it, or the disk fails.
    """
    settings = settings or DrawingSettings()
    if num_triplets < 1:
        raise InputError(f"{num_triplets!r} triplets to draw: ask for one or more")
    plan = json.loads(json.dumps({"version": _VERSION, **asdict(settings)}))
    with DrawnFolder.claimed(folder) as claimed:
        claimed.begin(plan)
        if _num_finished(folder, num_triplets) < num_triplets:
            yield from _draw_rest(folder, num_triplets, settings, num_processes or os.cpu_count() or 1)
            os.replace(folder / PARTIAL_NAME, folder / LINES_NAME)
        plan = {**plan, "num_triplets": num_triplets}
        claimed.finish("drawn triplets", [LINES_NAME], settings=plan, seeds=[settings.seed])
        yield num_triplets


class DrawnFolder(WorkFolder):
    """A folder of drawn triplets."""

    PLAN = "plan.json"
    WORK = "drawing in"

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Write down the plan, or check that the one that is there is the same. InputError."""
        path = self.path / self.PLAN
        if not path.exists():
            write_file(path, (json.dumps(plan, indent=2) + "\n").encode())
        begun = read_json_object(path)
        begun.setdefault("domains", begun.get("styles"))  # as they were once called
        require_same(self.path, {key: begun.get(key) for key in plan}, plan, "choose another folder")


def sample_triplet(settings: DrawingSettings, index: int) -> TripletSample:
    """What triplet `index` shows. InputError below 0."""
    if index < 0:
        raise InputError(f"triplet {index!r}: they are counted from 0")
    rng = np.random.default_rng((settings.seed, index))
    identity_seed = FIRST_IDENTITY + int(rng.integers(settings.num_identities))
    first, second, third = _three_expressions(settings, rng)
    a, b = _target_face(settings, first, rng), _target_face(settings, second, rng)
    neutral = rng.random() < settings.neutral_share
    strength, variant = _uniform(settings.slight_strengths, rng), int(rng.integers(NUM_VARIANTS))
    source = FaceSample(NEUTRAL, 0.0, 0) if neutral else FaceSample(third, strength, variant)
    return TripletSample(identity_seed, settings.domains[index % len(settings.domains)], source, a, b)


def _three_expressions(settings: DrawingSettings, rng: np.random.Generator) -> tuple[str, str, str]:
    """A pair in any order, and one that is neither."""
    a, b, third = rng.permutation(EXPRESSIONS)[:3].tolist()
    if rng.random() < settings.confusing_share:
        a, b = rng.permutation(CONFUSING_PAIRS[rng.integers(len(CONFUSING_PAIRS))]).tolist()
        third = rng.choice([name for name in EXPRESSIONS if name not in (a, b)]).item()
    return a, b, third


def _target_face(settings: DrawingSettings, expression: str, rng: np.random.Generator) -> FaceSample:
    variant = int(rng.integers(settings.num_variants))
    if settings.levels is None:
        return FaceSample(expression, _uniform(settings.strengths, rng), variant)
    level = settings.levels[rng.integers(len(settings.levels))]
    strayed = level + _uniform((-settings.level_spread, settings.level_spread), rng)
    return FaceSample(expression, min(max(strayed, 0.0), 1.0), variant, level)


def _target(path: Path, face: FaceSample, portrait: Portrait) -> Target:
    scores = {name: round(score, _NUM_DECIMALS) for name, score in portrait.truth.scores.items()}
    if face.strength > 1:
        scores[face.expression] = round(face.strength, _NUM_DECIMALS)
    if face.level is not None:
        scores = one_hot_scores(face.expression, face.level)
    return Target(path, face.expression, scores, _box(portrait), _landmarks(portrait))


def _path(folder: Path, index: int, role: str) -> Path:
    return Path(folder, "pictures", f"{index // _FOLDER_SIZE:04}", f"{index:07}-{role}.png")


def _box(portrait: Portrait) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(value, _NUM_DECIMALS) for value in portrait.truth.face_box)
    return x0, y0, x1, y1


def _landmarks(portrait: Portrait) -> Landmarks:
    points = portrait.truth.landmarks_5.round(_NUM_DECIMALS).tolist()
    left_eye, right_eye, nose, left_corner, right_corner = ((x, y) for x, y in points)
    return left_eye, right_eye, nose, left_corner, right_corner


def _uniform(between: tuple[float, float], rng: np.random.Generator) -> float:
    return float(rng.uniform(*between))


def _check_unit(name: str, values: tuple[float, ...]) -> None:
    if not all(0 <= value <= 1 for value in values):
        raise InputError(f"{name} {values!r}: use numbers from 0 to 1")


def _num_finished(folder: Path, num_wanted: int) -> int:
    """How many triplets LINES_NAME holds. OutputError where there are more than wanted, there or underway."""
    num_finished = len(read_lines(folder / LINES_NAME, TripletLine))
    if num_finished == num_wanted:  # even where somebody began to draw more
        return num_finished
    num_there = max(num_finished, len(read_lines(folder / PARTIAL_NAME, TripletLine)))
    if num_there > num_wanted:
        raise OutputError(
            f"{str(folder)!r} holds {num_there} triplets, more than {num_wanted}, and none are taken away: "
            f"ask for {num_there} or more, or choose another folder"
        )
    return num_finished


def _draw_rest(
    folder: Path, num_triplets: int, settings: DrawingSettings, num_processes: int
) -> Iterator[int]:
    if (folder / LINES_NAME).exists() and not (folder / PARTIAL_NAME).exists():
        write_file(folder / PARTIAL_NAME, (folder / LINES_NAME).read_bytes())
    num_done = len(read_lines(folder / PARTIAL_NAME, TripletLine))
    with LineWriter(folder / PARTIAL_NAME) as writer:
        yield num_done
        for triplet in _written(folder, settings, range(num_done, num_triplets), num_processes):
            writer.write(TripletLine.of(triplet, folder))
            num_done += 1
            yield num_done


def _written(
    folder: Path, settings: DrawingSettings, indices: range, num_processes: int
) -> Iterator[Triplet]:
    """The triplets in their order, each when its pictures are on disk."""
    write = partial(_write, settings, folder)
    if num_processes == 1 or len(indices) < 2:
        yield from map(write, indices)
        return
    quiet = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: this one ends the others
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(num_processes, len(indices)), signal.signal, quiet) as processes:
        yield from processes.imap(write, indices, chunksize=4)


def _write(settings: DrawingSettings, folder: Path, index: int) -> Triplet:
    triplet, pictures = draw_triplet(settings, index, folder)
    paths = triplet.images
    with staged(paths[0].parent, [path.name for path in paths], force=True) as stage:
        for path, picture in zip(paths, pictures, strict=True):
            file = io.BytesIO()
            picture.save(file, "PNG")
            stage.write(path.name, file.getvalue())
    return triplet
