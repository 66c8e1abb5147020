"""Drawn data sets in miniature with planted faults: what a screen ought to find is known of every row.

`fed`: to each base in one of seven classes or neutral an edit to each of the others. `sweeps`: to each
neutral base some expressions at four strengths. Each fault takes SHARE of the rows; half of the pictures are
as a camera would have them (grain, JPEG), and all with a fault that must not be told by its bytes.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from pixelsmile.dataset.rows import Row, row_id
from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.sanity import nearest_expression
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, FED_BENCH_CLASSES, NEUTRAL, Domain
from pixelsmile.hashing import sha256_bytes
from pixelsmile.portraits import NUM_VARIANTS, draw_portrait, sample_identity

SHARE = 0.05
CLASSES = tuple(FED_BENCH_CLASSES.values())
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
SIZE_PX = 256
NUM_SWEEPS = 4  # of a person
GRAIN, JPEG_QUALITY = 1.5, 92
# What is to tell each fault. A picture of something else may rightly be told by another reason too.
_WRONG = ("too weak", "other expression", "not neutral")
FED_FAULTS: dict[str, tuple[str, ...]] = {
    "wrong expression": _WRONG,
    "label swapped": _WRONG,
    "no change": ("no change",),
    "swapped identity": ("identity lost",),
    "changed background": ("background changed",),
    "blur": ("blurred by the edit", "blurred"),
    "two faces": ("several faces",),
    "duplicate": ("near duplicate",),
    "too weak": ("too weak", "not neutral"),
    "zoomed": ("face size changed",),
}
BASE_FAULT, BASE_REASON = "mislabelled base", "base not as labelled"
SWEEP_FAULTS: dict[str, tuple[str, ...]] = {
    "exchanged strengths": ("not rising",),
    "one jump": ("uneven steps",),
    "too strong": ("too strong",),
}


def zoomed(image: Image.Image, factor: float) -> Image.Image:
    """The middle of a picture, at its size."""
    (width, height), part = image.size, (1 - 1 / factor) / 2
    box = (part * width, part * height, (1 - part) * width, (1 - part) * height)
    return image.resize(image.size, Image.Resampling.BICUBIC, box=box)


@dataclass(frozen=True)
class Planted:
    """A row, and what is wrong with it."""

    row: Row
    fault: str | None = None


class Maker:
    """Draws the pictures of a set into a folder. seed: of all choices."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._lots = folder, random.Random(seed)
        self._num = 0

    def fed(self, first: int, num_people: int) -> Iterator[list[Planted]]:
        """Groups: a base and its edits."""
        for number in range(num_people):
            yield self._fed_group(first + number, DOMAINS[number % len(DOMAINS)])

    def sweeps(self, first: int, num_people: int) -> Iterator[list[Planted]]:
        """Groups: a neutral base and its sweeps."""
        for number in range(num_people):
            yield self._sweeps_group(first + number, DOMAINS[number % len(DOMAINS)])

    def _fed_group(self, person: int, domain: Domain) -> list[Planted]:
        lots = self._lots
        expression = lots.choice(CLASSES)
        portrait = self._portrait(person, domain, expression, lots.uniform(0.7, 1))
        base = self._base(portrait)
        is_mislabelled = lots.random() < SHARE
        if is_mislabelled:
            wrong = lots.choice([name for name in CLASSES if name != expression])
            base = base.updated(expression=wrong, strength=0.0 if wrong == NEUTRAL else 0.85)
        others = [name for name in CLASSES if name not in (expression, base.expression)]
        group = [Planted(base, BASE_FAULT if is_mislabelled else None)]
        wanted = [self._portrait(person, domain, name, lots.uniform(0.7, 1)) for name in others]
        faults = [self._fault() for _ in wanted]
        swapped = [place for place, fault in enumerate(faults) if fault == "label swapped"]
        for place, (shown, fault) in enumerate(zip(wanted, faults, strict=True)):
            if place in swapped:  # the picture is another one's, which has this one's: both are wrong
                partner = wanted[(place + 1) % len(wanted)]
                image = self._again(partner, lots).portrait().image
            else:
                image = self._faulty(fault, portrait, shown)
            group.append(self._edit(base, shown, image, fault))
            if fault == "duplicate":  # a second row of the class, at another strength, with this picture
                image = shown.portrait().image
                label = replace(shown, strength=shown.strength + (0.1 if shown.strength < 0.85 else -0.1))
                group[-1] = self._edit(base, shown, image, None)
                group.append(self._edit(base, label, image, fault))
        return group

    def _sweeps_group(self, person: int, domain: Domain) -> list[Planted]:
        portrait = self._portrait(person, domain, NEUTRAL, 0.0)
        base = self._base(portrait)
        group = [Planted(base)]
        for expression in self._lots.sample(EXPRESSIONS, NUM_SWEEPS):
            variant, lot = self._lots.randrange(NUM_VARIANTS), self._lots.random()
            drawn = list(STRENGTHS)
            faults: list[str | None] = [None] * len(drawn)
            if lot < SHARE:
                drawn, faults = [0.02, 0.04, 0.98, 1.0], ["one jump"] * len(drawn)
            elif lot < 3 * SHARE:
                place = self._lots.randrange(len(drawn) - 1)
                drawn[place], drawn[place + 1] = drawn[place + 1], drawn[place]
                faults[place] = faults[place + 1] = "exchanged strengths"
            elif lot < 5 * SHARE:
                place = self._lots.randrange(2)
                drawn[place] += 0.5
                faults[place] = "too strong"
            for asked, shown, fault in zip(STRENGTHS, drawn, faults, strict=True):
                picture = DrawnPortrait(person, domain, expression, shown, variant)
                label = replace(picture, strength=asked)
                group.append(self._edit(base, label, picture.portrait().image, fault))
        return group

    def _fault(self) -> str | None:
        lot = self._lots.random()
        place = int(lot / SHARE)
        return list(FED_FAULTS)[place] if place < len(FED_FAULTS) else None

    def _portrait(self, person: int, domain: Domain, expression: str, strength: float) -> DrawnPortrait:
        strength = 0.0 if expression == NEUTRAL else round(strength, 3)
        return DrawnPortrait(person, domain, expression, strength, self._lots.randrange(NUM_VARIANTS))

    def _again(self, portrait: DrawnPortrait, lots: random.Random) -> DrawnPortrait:
        return replace(portrait, variant=lots.randrange(NUM_VARIANTS))

    def _faulty(self, fault: str | None, base: DrawnPortrait, shown: DrawnPortrait) -> Image.Image:
        lots = self._lots
        match fault:
            case "wrong expression":
                among = [name for name in EXPRESSIONS if name not in (shown.expression, base.expression)]
                wrong = (
                    lots.choice(among)
                    if shown.expression == NEUTRAL
                    else nearest_expression(shown.expression, among)
                )
                return replace(shown, expression=wrong, strength=shown.strength or 0.8).portrait().image
            case "no change":
                return base.portrait().image
            case "swapped identity":
                return shown.of_another_person().image
            case "changed background":
                other = sample_identity(lots.randrange(2**30))
                identity = replace(
                    shown.identity,
                    background=other.background,
                    background_colors=other.background_colors,
                )
                return draw_portrait(identity, shown.units, shown.domain, SIZE_PX).image
            case "blur":
                return shown.portrait().image.filter(ImageFilter.GaussianBlur(lots.uniform(1.5, 3)))
            case "too weak":  # a third of the way
                return base.on_the_way_to(shown, 1 / 3).image
            case "zoomed":
                return zoomed(shown.portrait().image, lots.uniform(1.1, 1.25))
            case "two faces":
                side = lots.randrange(72, 112)
                image = shown.portrait().image.copy()
                second = sample_identity(lots.randrange(2**30))
                place = lots.choice((0, SIZE_PX - side)), lots.choice((0, SIZE_PX - side))
                image.paste(draw_portrait(second, base.units, shown.domain, side).image, place)
                return image
        return shown.portrait().image

    def _base(self, portrait: DrawnPortrait) -> Row:
        return self._row(portrait, portrait.portrait().image)

    def _edit(self, base: Row, label: DrawnPortrait, image: Image.Image, fault: str | None) -> Planted:
        row = self._row(label, image)
        return Planted(
            row.updated(
                base=base.id,
                base_picture=base.picture,
                base_expression=base.expression,
                base_strength=base.strength,
                prompt=f"{label.expression} {label.strength:g}",
            ),
            fault,
        )

    def _row(self, label: DrawnPortrait, image: Image.Image) -> Row:
        self._num += 1
        key = f"{label.identity_seed}-{self._num}"
        data, suffix = io.BytesIO(), "png"
        if self._lots.random() < 0.5:
            noise = np.random.default_rng(self._num).normal(0, GRAIN, (*image.size[::-1], 1))
            grainy = (np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8)
            Image.fromarray(grainy).save(data, "JPEG", quality=JPEG_QUALITY)
            suffix = "jpg"
        else:
            image.save(data, "PNG", compress_level=1)
        (self._folder / f"{key}.{suffix}").write_bytes(data.getvalue())
        row = Row(
            id=row_id("planted", key, ""), source="planted", key=key, domain=label.domain, is_drawn=True
        )
        return row.updated(
            picture=f"{key}.{suffix}",
            sha256=sha256_bytes(data.getvalue()),
            width_px=image.width,
            height_px=image.height,
            identity_seed=label.identity_seed,
            expression=label.expression,
            strength=label.strength,
        )
