"""Where the limits of a data set's faces cut: pictures blurred, darkened and lightened by known amounts.

    python perf/face_limits.py [PHOTOGRAPHS]

Of drawn people of both domains and of a folder's photographs, each of another person: the share that the
default limits of `faces` keep at each amount, and quantiles of what is measured. A blur is the Gaussian's
sigma as a share of the face's width; light is a factor of all levels. Of photographs also the cosines of
identity: of two people (each picture is one), and of one person with half the pixels, and flipped.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from pixelsmile.dataset.config import FaceSettings, SamePerson
from pixelsmile.dataset.faces import measure_face
from pixelsmile.dataset.sources import SUFFIXES, DrawnBytes
from pixelsmile.expressions import DOMAINS
from pixelsmile.faces.face import Face
from pixelsmile.faces.likeness import LikenessMeter, open_meter
from pixelsmile.images import load_image

FIRST_SEED, NUM_PEOPLE, SIZE_PX = 30_000_000, 40, 256
BLURS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03)
FACTORS = (0.12, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5)
QUANTILES = (0.05, 0.5, 0.95)

Known = list[tuple[Image.Image, Face]]


def drawn(domain: str) -> Iterator[Image.Image]:
    """Neutral faces of people that no network has seen."""
    for seed in range(FIRST_SEED, FIRST_SEED + NUM_PEOPLE):
        data = DrawnBytes(seed, "neutral", 0.0, 0, domain, SIZE_PX).read()  # type: ignore[arg-type]
        yield load_image(data)


def photographs(folder: Path) -> Iterator[Image.Image]:
    """Every picture of a folder."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            yield load_image(path.read_bytes())


def known(images: Iterator[Image.Image], meter: LikenessMeter) -> Known:
    """Pictures with their largest face; those without one go."""
    found = ((image, meter.detector.detect(image)) for image in images)
    return [(image, max(faces, key=lambda face: face.width * face.height)) for image, faces in found if faces]


def changed(image: Image.Image, face: Face, kind: str, amount: float) -> Image.Image:
    if kind == "blur":
        radius = amount * min(face.width, face.height)
        return image.filter(ImageFilter.GaussianBlur(radius)) if radius else image
    return image.point(lambda level: min(255, round(level * amount)))


def table(name: str, faces: Known) -> None:
    limits = FaceSettings()
    assert limits.min_sharpness is not None
    assert limits.min_light is not None
    assert limits.max_light is not None
    assert limits.max_clipped is not None
    print(f"\n{name}: {len(faces)} faces; kept of all by sharpness, by light, by clipping, in percent")
    for kind, amounts in (("blur", BLURS), ("light", FACTORS)):
        for amount in amounts:
            found = [measure_face(changed(*one, kind, amount), one[1]) for one in faces]
            sharp, light, clipped = (
                np.array([one[key] for one in found]) for key in ("sharpness", "light", "clipped")
            )
            kept = (
                sharp >= limits.min_sharpness,
                (light >= limits.min_light) & (light <= limits.max_light),
                clipped <= limits.max_clipped,
            )
            shares = " ".join(f"{100 * one.mean():4.0f}" for one in kept)
            numbers = "  ".join(
                " ".join(f"{value:7.2f}" for value in np.quantile(one, QUANTILES))
                for one in (sharp, light, clipped)
            )
            print(f"{kind:<6}{amount:<6} {shares}   {numbers}")


def identities(faces: Known, meter: LikenessMeter) -> None:
    def embedded(image: Image.Image, face: Face) -> np.ndarray:
        (parts,) = meter.embed(image, face).values()
        return parts[0] / np.linalg.norm(parts[0])

    people = np.stack([embedded(*one) for one in faces])
    others = (people @ people.T)[np.triu_indices(len(people), 1)]
    limit = SamePerson().human
    print(
        f"\ntwo people: {describe(others)}; {np.count_nonzero(others >= limit)} of {len(others)} at {limit}"
    )
    changes = {"half the pixels": halved, "flipped": ImageOps.mirror}
    for name, change in changes.items():
        pairs = []
        for (image, _), was in zip(faces, people, strict=True):
            now = known(iter([change(image)]), meter)
            pairs += [float(was @ embedded(*one)) for one in now]
        linked = np.mean(np.array(pairs) >= limit)
        print(f"one person, {name}: {describe(np.array(pairs))}; {linked:.0%} are linked")


def halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def describe(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, (0.05, 0.5, 1))
    return f"5th percentile {low:.3f}, median {middle:.3f}, most {high:.3f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", nargs="?", type=Path)
    options = parser.parse_args()
    for domain in DOMAINS:
        table(f"drawn, {domain}", known(drawn(domain), open_meter(("embedded",), "embedded", drawn=True)))
    if options.photographs is not None:
        meter = open_meter(("dlib",), "mesh", drawn=False)
        faces = known(photographs(options.photographs), meter)
        table("photographs", faces)
        identities(faces, meter)


if __name__ == "__main__":
    main()
