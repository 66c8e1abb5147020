"""What the embedded markers are calibrated and tested on: edits as they should be, and as they should not.

A sitting is a task for a person nobody was trained on: from one expression to another. Damage has an amount
from 0 to 1; 1 is beyond use, as the plan has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from pixelsmile.expressions import EXPRESSIONS, FED_BENCH_CLASSES, NEUTRAL, Domain
from pixelsmile.judges.question import Target
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, action_units, render, sample_identity

PICTURE_PX = 256
STRENGTHS = (0.5, 1.0)
OTHER_PEOPLE = 50_000  # as far from a person's seed is that of another who shows the same


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
                file = BytesIO()
                image.save(file, "JPEG", quality=round(100 + (self.jpeg_quality - 100) * amount))
                return Image.open(file).convert("RGB")
            case "double exposure":
                return Image.blend(image, ImageChops.offset(image, round(self.shift_px * amount), 0), 0.5)
        raise ValueError(f"{kind!r} is no damage: use one of {DAMAGES}")


DAMAGES = ("blur", "noise", "compression", "double exposure")
SIGN_OF: Mapping[str, str] = {"softness": "blur", "grain": "noise", "blocks": "compression"}


@dataclass(frozen=True)
class Sitting:
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


def sitting_of(seed: int, domain: Domain) -> Sitting:
    """The task of that person: source and target are of different classes of FED-Bench."""
    rng = np.random.default_rng((seed, len(domain)))
    shown, asked = rng.choice(list(FED_BENCH_CLASSES.values()), 2, replace=False).tolist()
    wrong = str(rng.choice([name for name in EXPRESSIONS if name not in (shown, asked)]))
    strengths = [0.0 if name == NEUTRAL else float(rng.uniform(*STRENGTHS)) for name in (shown, asked)]
    variants = rng.integers(NUM_VARIANTS, size=3).tolist()
    return Sitting(
        seed,
        domain,
        Target(asked, strengths[1]),
        action_units(shown, strengths[0], variants[0]),
        action_units(asked, strengths[1], variants[1]),
        action_units(wrong, max(strengths), variants[2]),
    )
