"""`python -m recipes.photo.marks FOLDER`: what damage shows in photographs, for `judges/photo/marks.py`.

Each picture with a face, as it is and damaged in four ways: 50 and 90 of 100 have less than the numbers.
"""

import argparse
import io
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from pixelsmile.errors import InputError
from pixelsmile.images import load_image
from pixelsmile.judges.judge import NoVerdict
from pixelsmile.judges.photo.judge import PhotoJudge
from pixelsmile.judges.photo.marks import SIGNS, damage
from recipes.command_line import refusing
from recipes.photo.pictures import pictures_in

BLURS = 0.05, 0.0125  # over the width of the face
NOISE = 25.0
QUALITY = 5


@refusing()
def main() -> None:
    """Print a row a damage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    files = pictures_in(parser.parse_args().folder)
    judge = PhotoJudge()
    found: dict[str, list[list[float]]] = defaultdict(list)
    for path in files:
        image = load_image(path)
        look = judge.look(image)
        if isinstance(look, NoVerdict):
            continue
        x0, _, x1, _ = look.mesh.box
        for name, picture in damaged(image, x1 - x0).items():
            found[name].append(list(damage(picture, look)))
    if not found:
        raise InputError(f"none of {len(files)} pictures shows a face: give portraits")
    print(" " * 16, *(f"{sign:>16}" for sign in SIGNS))
    for name, values in found.items():
        middle, high = np.percentile(values, (50, 90), axis=0)
        print(f"{name:<16}", *(f"{one:>9.2f} {other:>6.2f}" for one, other in zip(middle, high, strict=True)))


def damaged(image: Image.Image, face_px: float) -> dict[str, Image.Image]:
    """The picture as it is, and in four states of damage."""
    generator = np.random.default_rng(0)
    noisy = np.asarray(image) + generator.normal(0, NOISE, np.asarray(image).shape)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    blurred = {f"blur {part:.1%}": image.filter(ImageFilter.GaussianBlur(part * face_px)) for part in BLURS}
    return {
        "as it is": image,
        **blurred,
        "noise": Image.fromarray(noisy.clip(0, 255).astype(np.uint8)),
        "JPEG": Image.open(file).convert("RGB"),
    }


if __name__ == "__main__":
    main()
