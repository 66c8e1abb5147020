"""Recall and precision of the screens within `dataset build`: faults planted into what its steps hand on.

    python perf/planted_build.py [--people 6] [--workers 2] [--folder FOLDER]

builds fed-miniature with people that no limit was set on up to `identities`, and gives some bases another
label; lets it go on up to `generate`, and spoils some edits (FED_FAULTS); then lets it go on to its end. All
steps are the build's own, and know nothing of it. Each fault takes SHARE of the rows; half of the edits
become JPEG, faulty or not. The same of the doubts of `annotate`, which reject nothing. Intervals: Wilson,
95 %.
"""

import argparse
import io
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from counts import whole
from PIL import Image, ImageFilter
from planted import BASE_FAULT, BASE_REASON, CLASSES, FED_FAULTS, JPEG_QUALITY, SHARE, Planted, zoomed
from screens import share, tell_test

from pixelsmile.dataset import preset_path
from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.folder import keep_picture, kept_picture
from pixelsmile.dataset.rows import Row, row_id
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.sanity import nearest_expression
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL
from pixelsmile.hashing import sha256_bytes
from pixelsmile.portraits import ActionUnits, draw_portrait, sample_identity
from pixelsmile.portraits.action_units import checked_units, parse_units
from pixelsmile.store.configuration import read_configuration
from pixelsmile.store.manifests import MANIFEST_NAME

FIRST_PERSON = 30_000_000  # nobody else's
FAULTS = {**FED_FAULTS, BASE_FAULT: (BASE_REASON,)}


def configuration(num_people: int) -> BuildConfig:
    """fed-miniature with other people. num_people: of each domain."""
    changes = [
        f"collect.drawn.{source}.{key}={value}"
        for number, source in enumerate(("humans", "anime"))
        for key, value in (("num_people", num_people), ("first_seed", FIRST_PERSON + number * 500_000))
    ]
    return read_configuration(preset_path("fed-miniature"), BuildConfig, changes)


def rewritten(step: StepFolder, change: Callable[[Sequence[Row]], Iterator[Row]]) -> None:
    """What a finished step hands on, group by group as `change` gives it; its manifest is made anew."""
    manifest = step.manifest()
    assert manifest is not None
    for shard in range(manifest.num_shards):
        rejected = step.rows(shard, rejected=True)
        groups = groupby(step.rows(shard), key=lambda row: row.group)
        step.write(shard, [*rejected, *(row for _, group in groups for row in change(list(group)))])
    (step.path / MANIFEST_NAME).unlink()
    step.finish(step.settings(), manifest.inputs[0], manifest.seeds, manifest.num_shards)


def done(folder: Path, config: BuildConfig, num_workers: int, until: str | None = None) -> None:
    """Build, without a word."""
    for _ in build(folder, config, until=until, num_workers=num_workers):
        pass


class Vandal:
    """Plants faults, and knows them by the ids of the rows."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._lots = folder, random.Random(seed)
        self.faults: dict[str, str] = {}

    def mislabelled(self, bases: Sequence[Row]) -> Iterator[Row]:
        """Some bases with the label of another expression."""
        for base in bases:
            if self._lots.random() >= SHARE:
                yield base
                continue
            wrong = self._lots.choice([name for name in CLASSES if name != base.expression])
            self.faults[base.id] = BASE_FAULT
            yield base.updated(expression=wrong, strength=0.0 if wrong == NEUTRAL else 0.85)

    def spoilt(self, group: Sequence[Row]) -> Iterator[Row]:
        """A base, which stays, and its edits, some with a fault each."""
        base, *edits = group
        yield base
        told = [self._fault() for _ in edits]
        for place, (row, fault) in enumerate(zip(edits, told, strict=True)):
            if row.picture is None:
                yield row
            elif fault is None:
                yield self._kept(row, kept_picture(self._folder, row))
            elif fault == "duplicate":  # a second row of the look, at another strength, with the same picture
                strength = round((row.strength or 0.0) + (0.1 if (row.strength or 0.0) < 0.85 else -0.1), 2)
                yield row
                twin = row.updated(
                    id=row_id("planted", row.id, ""), key=f"{row.key} again", strength=strength
                )
                yield self._planted(twin, fault, kept_picture(self._folder, row))
            elif fault == "label swapped":  # the picture of another edit of the base
                other = edits[(place + 1) % len(edits)]
                yield self._planted(row, fault, kept_picture(self._folder, other))
            else:
                yield self._planted(row, fault, self._picture(fault, base, row))

    def _fault(self) -> str | None:
        place = int(self._lots.random() / SHARE)
        return list(FED_FAULTS)[place] if place < len(FED_FAULTS) else None

    def _planted(self, row: Row, fault: str, image: Image.Image) -> Row:
        self.faults[row.id] = fault
        return self._kept(row, image)

    def _kept(self, row: Row, image: Image.Image) -> Row:
        """With this picture, whose file is not to tell what is wrong with it."""
        kind, suffix = self._lots.choice((("JPEG", ".jpg"), ("PNG", ".png")))
        file = io.BytesIO()
        image.save(file, kind, quality=JPEG_QUALITY)
        data = file.getvalue()
        sha256 = sha256_bytes(data)
        return row.updated(picture=keep_picture(self._folder, data, sha256, suffix), sha256=sha256)

    def _picture(self, fault: str, base: Row, row: Row) -> Image.Image:
        lots, person = self._lots, sample_identity(row.identity_seed or 0)
        image, shown, size_px = kept_picture(self._folder, row), units_of(row), row.width_px or 0
        match fault:
            case "wrong expression":
                wrong = self._wrong(base, row)
                return replace(portrait_of(row), expression=wrong, strength=row.strength or 0.8).load()
            case "no change":
                return kept_picture(self._folder, base)
            case "swapped identity":
                return portrait_of(row).of_another_person().image
            case "changed background":
                other = sample_identity(lots.randrange(2**30))
                behind = {name: getattr(other, name) for name in ("background", "background_colors")}
                return draw_portrait(replace(person, **behind), shown, row.domain, size_px).image
            case "blur":
                return image.filter(ImageFilter.GaussianBlur(lots.uniform(1.5, 3)))
            case "too weak":  # a third of the way
                return portrait_of(base).moved_to(shown, 1 / 3).image
            case "zoomed":
                return zoomed(image, lots.uniform(1.1, 1.25))
            case "two faces":
                side = lots.randrange(size_px // 4, size_px // 2)
                second = sample_identity(lots.randrange(2**30))
                corner = lots.choice((0, size_px - side)), lots.choice((0, size_px - side))
                image.paste(draw_portrait(second, shown, row.domain, side).image, corner)
                return image
        raise AssertionError(fault)

    def _wrong(self, base: Row, row: Row) -> str:
        among = [name for name in EXPRESSIONS if name not in (row.expression, base.expression)]
        is_neutral = row.expression in (None, NEUTRAL)
        return self._lots.choice(among) if is_neutral else nearest_expression(row.expression or "", among)


def portrait_of(row: Row) -> DrawnPortrait:
    """As its label says, in the look that is the expression's own."""
    variant, strength = row.variant or 0, row.strength or 0.0
    name = row.expression or NEUTRAL
    return DrawnPortrait(row.identity_seed or 0, row.domain, name, strength, variant, row.width_px or 0)


def units_of(row: Row) -> ActionUnits:
    """What the edit of a row does with the face."""
    full = checked_units(parse_units(row.units)) if row.units else ActionUnits()
    return full.scaled(row.strength or 0.0)


def tell_doubts(rows: Sequence[Planted]) -> None:
    """Of the edits without a fault and of those with each: how many are doubted, and for what."""
    edits = [one for one in rows if one.row.base is not None]
    print(f"\n{'fault':<22} {'doubted':<34} for")
    for fault in (None, *FED_FAULTS):
        those = [one.row.doubts or () for one in edits if one.fault == fault]
        reasons = Counter(doubt for doubts in those for doubt in doubts)
        words = ", ".join(f"{doubt} {number}" for doubt, number in reasons.most_common(3))
        print(f"{fault or 'none':<22} {share(sum(map(bool, those)), len(those)):<34} {words}")


def main() -> None:
    """Build, plant, build on, plant, build on, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=whole(), default=6, help="of each domain")
    parser.add_argument("--workers", type=whole(0), default=2)
    parser.add_argument("--folder", type=Path, help="keep the data set here")
    options = parser.parse_args()
    config, start = configuration(options.people), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "set"
        vandal = Vandal(folder, FIRST_PERSON)
        for step, plant in (("identities", vandal.mislabelled), ("generate", vandal.spoilt)):
            done(folder, config, options.workers, until=step)
            rewritten(StepFolder(folder / step), plant)
        done(folder, config, options.workers)
        rows = list(StepFolder(folder / "screen").every_row())
    print(
        f"{len(rows):,} rows of {len(DOMAINS) * options.people} people, {time.perf_counter() - start:.0f} s"
    )
    planted = [Planted(row, vandal.faults.get(row.id)) for row in rows]
    tell_test(planted, FAULTS)
    tell_doubts(planted)


if __name__ == "__main__":
    main()
